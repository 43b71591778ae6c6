import fc from 'fast-check';
import { type Amount, type Decimal, addDecimals, assetId, decimal, formatDecimal } from '@core/money';
import { type Priced, type RatedUsage, addUsage, rate, ratePart, readTerms } from './index.js';

/**
 * The models once more, written another way: unit by unit and event by event in whole tenths, instead of tier by tier. Rates
 * have 3 places and quantities 1, so that costs are exact in an asset of 4.
 */
interface Case {
  readonly model: string;
  readonly definition: unknown;
  naive(tenths: number, events: readonly number[]): bigint;
}

const asset = assetId('iso4217:CLF');
const mills = (value: number): string => formatDecimal(decimal(BigInt(value), 3));
const tenths = (value: number): Decimal => decimal(BigInt(value), 1);
const text = (value: number): string => formatDecimal(tenths(value));
const priced = ({ model, definition }: Case): Priced => {
  const terms = readTerms(model, definition);
  if ('problem' in terms) throw new Error(terms.problem);
  return { terms, asset, assetDecimals: 4 };
};
const charged = ({ atomic }: Amount): bigint => atomic;

const rateOf = fc.nat(2000);
const option = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });

const unit = fc.tuple(rateOf, option(fc.nat(200))).map(([each, allowance]): Case => ({
  model: 'per_unit',
  definition: { rate: mills(each), ...(allowance === undefined ? {} : { allowance: text(allowance) }) },
  naive: (quantity) => {
    let cost = 0;
    for (let used = 1; used <= quantity; used += 1) if (used > (allowance ?? 0)) cost += each;
    return BigInt(cost);
  },
}));

const packages = fc.tuple(fc.integer({ min: 1, max: 100 }), rateOf, fc.nat(100)).map(([size, amount, free]): Case => ({
  model: 'package',
  definition: { size: text(size), amount: mills(amount), free: text(free) },
  naive: (quantity) => {
    let cost = 0;
    for (let left = quantity - free; left > 0; left -= size) cost += amount * 10;
    return BigInt(cost);
  },
}));

const tiers = fc.array(fc.record({ length: fc.integer({ min: 1, max: 80 }), rate: rateOf, flat: rateOf }), {
  minLength: 1,
  maxLength: 5,
});
type Tiers = readonly { readonly length: number; readonly rate: number; readonly flat: number }[];
const endsOf = (all: Tiers): number[] =>
  all.map((_, i) =>
    i === all.length - 1 ? Infinity : all.slice(0, i + 1).reduce((sum, tier) => sum + tier.length, 0),
  );
const tierList = (all: Tiers) =>
  all.map(({ rate: each, flat }, i) => {
    const end = endsOf(all)[i] ?? Infinity;
    return { rate: mills(each), flat: mills(flat), ...(end === Infinity ? {} : { upTo: text(end) }) };
  });
const placeOf = (all: Tiers, used: number): number => endsOf(all).findIndex((end) => used <= end);

const graduated = tiers.map((all): Case => ({
  model: 'graduated',
  definition: { tiers: tierList(all) },
  naive: (quantity) => {
    let cost = 0;
    const entered = new Set([0]);
    for (let used = 1; used <= quantity; used += 1) {
      const place = placeOf(all, used);
      entered.add(place);
      cost += all[place]?.rate ?? NaN;
    }
    for (const place of entered) cost += (all[place]?.flat ?? NaN) * 10;
    return BigInt(cost);
  },
}));

const volume = tiers.map((all): Case => ({
  model: 'volume',
  definition: { tiers: tierList(all) },
  naive: (quantity) => {
    const tier = all[placeOf(all, quantity)];
    let cost = (tier?.flat ?? NaN) * 10;
    for (let used = 1; used <= quantity; used += 1) cost += tier?.rate ?? NaN;
    return BigInt(cost);
  },
}));

const percentage = fc
  .record({
    each: fc.nat(500),
    fee: option(rateOf),
    least: option(fc.nat(500)),
    span: option(rateOf),
    base: option(fc.nat(200)),
    free: option(fc.nat(4)),
  })
  .map(({ each, fee, least, span, base, free }): Case => {
    const most = span === undefined ? undefined : (least ?? 0) + span;
    const fields = {
      fee: fee === undefined ? undefined : mills(fee),
      minPerEvent: least === undefined ? undefined : mills(least),
      maxPerEvent: most === undefined ? undefined : mills(most),
      freeBase: base === undefined ? undefined : text(base),
      freeEvents: free?.toString(),
    };
    return {
      model: 'percentage',
      definition: { rate: mills(each), ...fields },
      naive: (quantity, events) => {
        let left = base ?? 0;
        if ([fee, least, most, free].every((bound) => bound === undefined))
          return BigInt(Math.max(0, quantity - left) * each);
        const costs = [...events]
          .sort((a, b) => a - b)
          .map((value) => {
            const covered = Math.min(left, value);
            const isFree = left > 0 && covered === value;
            left -= covered;
            const cost = (value - covered) * each + (fee ?? 0) * 10;
            const atLeast = isFree ? cost : Math.max(cost, (least ?? 0) * 10);
            return most === undefined ? atLeast : Math.min(atLeast, most * 10);
          });
        const dearestFirst = costs.sort((a, b) => b - a).slice(free ?? 0);
        return BigInt(dearestFirst.reduce((sum, cost) => sum + cost, 0));
      },
    };
  });

/** A dimension an event does not carry is left out. */
const tuple = (dimensions: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(dimensions).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
const events = fc.array(fc.nat(120), { maxLength: 6 });
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const usageOf = (values: readonly number[]): RatedUsage => ({
  quantity: tenths(sum(values)),
  values: values.map((value) => ({ value: tenths(value), count: 1n })),
});
/** Volume prices can fall as usage rises, and are not billed in parts. */
const butVolume = fc.oneof(unit, packages, graduated, percentage);

describe('price models', () => {
  it('cost what an independent model says, in 20,000 cases', () => {
    fc.assert(
      fc.property(fc.oneof(unit, packages, graduated, volume, percentage), events, (given, values) => {
        if (charged(rate(priced(given), usageOf(values))) !== given.naive(sum(values), values)) {
          throw new Error(`${given.model} differs from the model`);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('add up when they are billed in parts', () => {
    fc.assert(
      fc.property(butVolume, fc.array(events, { minLength: 1, maxLength: 5 }), (given, parts) => {
        const price = priced(given);
        let before: RatedUsage | undefined;
        let total = 0n;
        for (const part of parts.map(usageOf)) {
          total += ratePart(price, before, part).atomic;
          before = before ? addUsage(before, part) : part;
        }
        expect(total).toBe(rate(price, usageOf(parts.flat())).atomic);
        expect(total).toBe(given.naive(sum(parts.flat()), parts.flat()));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never cost less when there is more usage, volume left aside', () => {
    fc.assert(
      fc.property(butVolume, events, events, (given, values, more) => {
        const price = priced(given);
        expect(rate(price, usageOf([...values, ...more])).atomic).toBeGreaterThanOrEqual(
          rate(price, usageOf(values)).atomic,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('do not depend on the order of groups, nor on how finely they are cut', () => {
    const groups = fc.array(
      fc.record({
        region: fc.constantFrom('eu', 'us', undefined),
        host: fc.constantFrom('a', 'b'),
        quantity: fc.nat(300),
      }),
      { maxLength: 12 },
    );
    const rates = ['eu', 'us'].map((region, i) => ({ match: { region }, rate: mills(i + 1) }));
    const models: readonly (readonly [string, unknown])[] = [
      ['matrix', { dimensions: ['region'], rates, default: '0.007' }],
      [
        'graduated',
        { tiers: [{ upTo: '10', rate: '3', flat: '1' }, { rate: '2' }], per: 'group', groupBy: ['region'] },
      ],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...models), groups, ([model, definition], all) => {
        const price = priced({ model, definition, naive: () => 0n });
        const given = all.map(({ region, host, quantity }) => ({
          dimensions: tuple({ region, host }),
          quantity: tenths(quantity),
        }));
        const quantity = given.reduce((total, group) => addDecimals(total, group.quantity), tenths(0));
        const whole = ['eu', 'us', undefined].flatMap((region) => {
          const same = all.filter((group) => group.region === region);
          return same.length > 0
            ? [{ dimensions: tuple({ region }), quantity: tenths(sum(same.map((group) => group.quantity))) }]
            : [];
        });
        const expected = rate(price, { quantity, groups: whole }).atomic;
        expect(rate(price, { quantity, groups: given }).atomic).toBe(expected);
        expect(rate(price, { quantity, groups: [...given].reverse() }).atomic).toBe(expected);
      }),
    );
  });
});

import fc from 'fast-check';
import { type Decimal, USD, assetId, compareDecimals, decimal, formatDecimal, parseDecimal } from '@core/money';
import { type Instant, instant, parseInstant } from '@core/time';
import { type PartToRate, type Priced, ratePeriod, readPeriodTerms, readTerms } from './index.js';
import { shareOf } from './proration.js';

const d = (text: string): Decimal => {
  const value = parseDecimal(text);
  if (!value) throw new Error(`${text} does not read`);
  return value;
};
const at = (day: number): Instant =>
  parseInstant(`2026-11-${day.toString().padStart(2, '0')}T00:00:00Z`) ?? instant(NaN);
const november = { start: at(1), end: instant(at(30) + 86_400_000) };
const price = (model: string, definition: unknown, modifiers: unknown = {}, asset = USD.id): Priced => {
  const terms = readTerms(model, definition);
  if ('problem' in terms) throw new Error(terms.problem);
  const period = readPeriodTerms(modifiers, terms);
  if ('problem' in period) throw new Error(period.problem);
  return { terms, modifiers: period, asset, assetDecimals: 2 };
};
/** Prices one after the other, each from a day on, and the usage in its time. */
const parts = (...given: [Priced, number, string][]): PartToRate[] =>
  given.map(([version, day, quantity], i) => {
    const next = given[i + 1];
    return {
      price: version,
      covered: { start: at(day), end: next ? at(next[1]) : november.end },
      usage: { quantity: d(quantity) },
    };
  });
const rated = (given: PartToRate[], ended = true) =>
  ratePeriod(given, { period: november, zone: 'UTC', ended }).map(({ lines, amount }) => [
    amount.atomic,
    ...lines.map(({ kind, exact }) => `${kind} ${formatDecimal(exact)}`),
  ]);

describe('a version that takes over inside a period, billing reference §4.4', () => {
  const tiers = (first: string) => ({ tiers: [{ upTo: '10', rate: first, flat: '3' }, { rate: '1' }] });
  const before = price('graduated', tiers('2'));

  it('restarts: tiers are counted anew', () => {
    expect(rated(parts([before, 1, '8'], [price('graduated', tiers('4')), 16, '8']))).toEqual([
      [1_900n, 'usage 19'],
      [3_500n, 'usage 35'],
    ]);
  });

  it('continues: the counter runs on and only rates change', () => {
    const after = price('graduated', tiers('4'), { versionChange: 'continue' });
    expect(rated(parts([before, 1, '8'], [after, 16, '8']))).toEqual([
      [1_900n, 'usage 19'],
      [1_400n, 'usage 14'],
    ]);
  });

  it('restarts when it is in another asset, for costs of two assets cannot be compared', () => {
    const after = price('graduated', tiers('4'), { versionChange: 'continue' }, assetId('iso4217:EUR'));
    expect(rated(parts([before, 1, '8'], [after, 16, '8']))[1]).toEqual([3_500n, 'usage 35']);
  });

  it('restarts when the price before was not told what this one asks of usage', () => {
    const unit = price('per_unit', { rate: '1' });
    const dynamic = (multiplier: string) => price('dynamic', { multiplier }, { versionChange: 'continue' });
    const told = parts([unit, 1, '8'], [dynamic('2'), 10, '8'], [dynamic('3'), 20, '8']);
    const costly = told.map((part, i) => (i === 0 ? part : { ...part, usage: { ...part.usage, cost: d('5') } }));
    expect(rated(costly).map(([atomic]) => atomic)).toEqual([800n, 1_000n, 1_500n]);
    const byHour = (name: string) =>
      price(
        'time_of_day',
        { zone: 'UTC', buckets: [{ name, from: '08:00', to: '20:00', rate: '2' }], default: '1' },
        { versionChange: 'continue' },
      );
    const [first, second] = parts([byHour('day'), 1, '8'], [byHour('peak'), 16, '8']);
    if (!first || !second) throw new Error('there are two parts');
    const inBuckets: PartToRate[] = [
      { ...first, usage: { quantity: d('8'), buckets: { day: d('8') } } },
      { ...second, usage: { quantity: d('8'), buckets: { peak: d('8') } } },
    ];
    expect(rated(inBuckets).map(([atomic]) => atomic)).toEqual([1_600n, 1_600n]);
  });

  it('shares an allowance when it continues, and each has its prorated own when it restarts', () => {
    const unit = (versionChange: string) =>
      price(
        'per_unit',
        { rate: '1', allowance: '10' },
        { versionChange, proration: { by: 'day', of: ['allowances'] } },
      );
    expect(rated(parts([unit('continue'), 1, '8'], [unit('continue'), 16, '8']))).toEqual([
      [0n, 'usage 0'],
      [600n, 'usage 6'],
    ]);
    expect(rated(parts([unit('restart'), 1, '8'], [unit('restart'), 16, '8']))).toEqual([
      [300n, 'usage 3'],
      [300n, 'usage 3'],
    ]);
  });

  it('charges a flat amount once when it continues, and by its days when that is prorated', () => {
    const base = (amount: string, of?: string[]) =>
      price('flat', { amount }, { versionChange: 'continue', ...(of && { proration: { by: 'day', of } }) });
    expect(rated(parts([base('30'), 1, '0'], [base('60'), 16, '0']))).toEqual([
      [3_000n, 'usage 30'],
      [0n, 'usage 0'],
    ]);
    expect(rated(parts([base('30', ['flat']), 1, '0'], [base('60', ['flat']), 16, '0']))).toEqual([
      [1_500n, 'usage 15'],
      [3_000n, 'usage 30'],
    ]);
  });

  it('prorates a flat amount of flat prices alone: what depends on usage counts on all the same', () => {
    const proration = { by: 'day', of: ['flat'] };
    const packages = price('package', { size: '10', amount: '4' }, { versionChange: 'continue', proration });
    expect(rated(parts([packages, 1, '8'], [packages, 16, '1']))).toEqual([
      [400n, 'usage 4'],
      [0n, 'usage 0'],
    ]);
  });

  it('rounds once what continues from a third: 0.84 of 11 thirtieths of 71 is 21.868', () => {
    const third = price('flat', { amount: '71' }, { discount: '0.16', proration: { by: 'day', of: ['flat'] } });
    const next = price('flat', { amount: '0' }, { versionChange: 'continue', minimum: '101.868', rounding: 'up' });
    const amounts = rated(parts([third, 1, '0'], [next, 12, '0'])).map(([units]) => units);
    expect(amounts[0]).toBe(2_187n);
    expect(amounts[1]).toBe(8_000n);
  });

  it('makes up to a minimum once a run has ended', () => {
    const least = (versionChange: string) => price('per_unit', { rate: '1' }, { minimum: '10', versionChange });
    const run = parts([least('continue'), 1, '3'], [least('continue'), 16, '4']);
    expect(rated(run)).toEqual([
      [300n, 'usage 3'],
      [700n, 'usage 4', 'minimum 3'],
    ]);
    expect(rated(run, false)[1]).toEqual([400n, 'usage 4']);
    const restarted = parts([least('restart'), 1, '3'], [least('restart'), 16, '4']);
    expect(rated(restarted, false)).toEqual([
      [1_000n, 'usage 3', 'minimum 7'],
      [400n, 'usage 4'],
    ]);
  });

  it('keeps a maximum over the whole run', () => {
    const capped = price('per_unit', { rate: '10' }, { maximum: '100', versionChange: 'continue' });
    expect(rated(parts([capped, 1, '7'], [capped, 10, '5'], [capped, 20, '9']))).toEqual([
      [7_000n, 'usage 70'],
      [3_000n, 'usage 50', 'maximum -20'],
      [0n, 'usage 90', 'maximum -90'],
    ]);
  });

  it('costs the same when a price is only continued by itself', () => {
    const quantities = fc.array(fc.bigInt(0n, 400n), { minLength: 1, maxLength: 5 });
    const modifiers = fc.constantFrom<object>(
      {},
      { maximum: '40' },
      { minimum: '25' },
      { commitment: { amount: '30', overageFactor: '2', trueUp: true } },
      { usageDiscount: '7' },
    );
    fc.assert(
      fc.property(quantities, modifiers, (all, given) => {
        const same = price('graduated', tiers('2'), { ...given, versionChange: 'continue' });
        const cut = parts(
          ...all.map((units, i): [Priced, number, string] => [same, 1 + 5 * i, formatDecimal(decimal(units, 1))]),
        );
        const sum = decimal(
          all.reduce((a, b) => a + b, 0n),
          1,
        );
        const total = ratePeriod(parts([same, 1, formatDecimal(sum)]), { period: november, zone: 'UTC', ended: true });
        const run = ratePeriod(cut, { period: november, zone: 'UTC', ended: true });
        expect(run.reduce((a, { amount }) => a + amount.atomic, 0n)).toBe(total[0]?.amount.atomic);
      }),
    );
  });

  it('is nothing where there is nothing', () => {
    expect(rated([])).toEqual([]);
  });
});

describe('shares of a period', () => {
  it('of spans that adjoin sum to the whole', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 30 * 86_400_000 - 1 }), { maxLength: 6 });
    fc.assert(
      fc.property(
        cuts,
        fc.constantFrom('second' as const, 'day' as const),
        fc.constantFrom('UTC', 'Asia/Kolkata'),
        (offsets, by, zone) => {
          const edges = [
            november.start,
            ...offsets.sort((a, b) => a - b).map((ms) => instant(november.start + ms)),
            november.end,
          ];
          const shares = edges.slice(1).map((end, i) => shareOf({ start: edges[i] ?? end, end }, november, by, zone));
          const whole = shares[0]?.whole ?? 0n;
          expect(shares.reduce((sum, { part }) => sum + part, 0n)).toBe(whole);
          if (by === 'day') expect(compareDecimals(decimal(whole), d('30'))).toBe(0);
        },
      ),
    );
  });

  it('are the whole of a period too short to have a day', () => {
    const hour = { start: at(3), end: instant(at(3) + 3_600_000) };
    expect(shareOf(hour, hour, 'day', 'UTC')).toEqual({ part: 1n, whole: 1n });
  });
});

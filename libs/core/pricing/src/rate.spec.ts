import fc from 'fast-check';
import {
  type Decimal,
  USD,
  ZERO,
  addDecimals,
  compareDecimals,
  currency,
  decimal,
  divideDecimals,
  erc20Asset,
  formatDecimal,
  multiplyDecimals,
  parseDecimal,
  subtractDecimals,
} from '@core/money';
import { instant, parseInstant } from '@core/time';
import {
  type LinePart,
  type Priced,
  type RatedUsage,
  type RatingContext,
  carryFraction,
  quote,
  rate,
  rateExactly,
  ratePart,
  readPeriodTerms,
  readTerms,
  roundLines,
  unquotable,
} from './index.js';

const d = (text: string): Decimal => {
  const value = parseDecimal(text);
  if (!value) throw new Error(`${text} does not read`);
  return value;
};
const usdc = erc20Asset(84532, '0x036CbD53842c5426634e7929541eC2318f3dCF7e');

function price(model: string, definition: unknown, modifiers: unknown = {}, asset = USD): Priced {
  const terms = readTerms(model, definition);
  if ('problem' in terms) throw new Error(terms.problem);
  const period = readPeriodTerms(modifiers, terms);
  if ('problem' in period) throw new Error(period.problem);
  return { terms, modifiers: period, asset: asset.id, assetDecimals: asset.decimals };
}
const inUsdc = { id: usdc, symbol: 'USDC', decimals: 6 };
const of = (quantity: string): RatedUsage => ({ quantity: d(quantity) });
const at = (text: string) => parseInstant(text) ?? instant(NaN);
const november = { start: at('2026-11-01T00:00:00Z'), end: at('2026-12-01T00:00:00Z') };
const whole: RatingContext = { covered: november, period: november, zone: 'UTC', last: true };
const shown = (lines: readonly LinePart[]) => lines.map(({ kind, exact }) => `${kind} ${formatDecimal(exact)}`);
const cents = (priced: Priced, usage: RatedUsage, context?: RatingContext) => rate(priced, usage, context).atomic;

describe('commitments and caps, billing reference §4.1', () => {
  it('tops up to a minimum on the last part only, and with no usage too', () => {
    const least = price('per_unit', { rate: '1' }, { minimum: '10' });
    expect(shown(rateExactly(least, of('7'), { ...whole, last: false }))).toEqual(['usage 7']);
    expect(shown(rateExactly(least, of('7'), whole))).toEqual(['usage 7', 'minimum 3']);
    expect(shown(rateExactly(least, of('0'), whole))).toEqual(['usage 0', 'minimum 10']);
    expect(shown(rateExactly(least, of('4'), { ...whole, before: of('7'), beforeCost: d('7') }))).toEqual(['usage 4']);
  });

  it('never charges a period more than the maximum: 70 billed, 5 units at 10 cost 30 below a cap of 100', () => {
    const capped = price('per_unit', { rate: '10' }, { maximum: '100' });
    const now = rateExactly(capped, of('5'), { ...whole, before: of('7'), beforeCost: d('70') });
    expect(shown(now)).toEqual(['usage 50', 'maximum -20']);
  });

  it('takes the percentage off before the maximum: 50 % of 200, with 35 spent and a cap of 100', () => {
    const capped = price('per_unit', { rate: '1' }, { discount: '0.5', maximum: '100' });
    const lines = rateExactly(capped, of('200'), { ...whole, beforeCost: d('35') });
    expect(shown(lines)).toEqual(['usage 200', 'discount -100', 'maximum -35']);
  });

  it('charges a commitment of 1,000: 1,300 costs 1,450 at a factor of 1.5; 700 is trued up by 300', () => {
    const commitment = { amount: '1000', overageFactor: '1.5', trueUp: true };
    const committed = price('per_unit', { rate: '1' }, { commitment });
    expect(shown(rateExactly(committed, of('1300'), whole))).toEqual(['usage 1300', 'overage 150']);
    expect(shown(rateExactly(committed, of('700'), whole))).toEqual(['usage 700', 'true_up 300']);
    expect(shown(rateExactly(committed, of('700'), { ...whole, last: false }))).toEqual(['usage 700']);
    const later = { ...whole, before: of('900'), beforeCost: d('900') };
    expect(shown(rateExactly(committed, of('400'), later))).toEqual(['usage 400', 'overage 150']);
    const loose = price('per_unit', { rate: '1' }, { commitment: { amount: '1000', overageFactor: '1.5' } });
    expect(cents(loose, of('700'), whole)).toBe(70_000n);
  });

  it('takes discounted units off before the price', () => {
    const discounted = price(
      'graduated',
      { tiers: [{ upTo: '10', rate: '2' }, { rate: '1' }] },
      { usageDiscount: '5' },
    );
    expect(shown(rateExactly(discounted, of('20')))).toEqual(['usage 25']);
    expect(rateExactly(discounted, of('20'))[0]?.quantity).toEqual(d('15'));
    expect(shown(rateExactly(discounted, of('3')))).toEqual(['usage 0']);
    expect(shown(rateExactly(discounted, of('-20')))).toEqual(['usage -25']);
    const continued = rateExactly(discounted, of('17'), { ...whole, before: of('3'), beforeCost: ZERO });
    expect(shown(continued)).toEqual(['usage 25']);
  });
});

describe('billing in parts, §4.2', () => {
  it('begins no package twice: 17 and then 5 more of packages of 10 are one more package', () => {
    const packages = price('package', { size: '10', amount: '100' });
    expect(ratePart(packages, of('17'), of('5')).atomic).toBe(10_000n);
  });

  it('goes on in the tier it was in: 10 after 12 are 3 units of the third tier and 7 of the fourth', () => {
    const tiers = [{ upTo: '5', flat: '100' }, { upTo: '10', flat: '50' }, { upTo: '15', rate: '10' }, { rate: '5' }];
    expect(ratePart(price('graduated', { tiers }), of('12'), of('10')).atomic).toBe(6_500n);
  });

  it('is refused for volume prices and those billed at the end, until the last part', () => {
    const volume = price('volume', { tiers: [{ upTo: '5', rate: '2' }, { rate: '1' }] });
    expect(() => ratePart(volume, undefined, of('3'))).toThrow('the tier of earlier units can change');
    expect(ratePart(volume, undefined, of('9'), whole).atomic).toBe(900n);
    expect(() => ratePart(price('per_unit', { rate: '1' }, { billing: 'at_end' }), undefined, of('3'))).toThrow(
      'billed when its period has ended',
    );
  });

  it('makes up to the minimum with the last part, whatever was billed before', () => {
    const least = price('per_unit', { rate: '1' }, { minimum: '10' });
    expect(ratePart(least, undefined, of('2'))).toEqual({ asset: USD.id, atomic: 200n });
    expect(ratePart(least, of('2'), of('3'), { ...whole, last: false }).atomic).toBe(300n);
    expect(ratePart(least, of('5'), of('1'), whole).atomic).toBe(500n);
  });

  it('charges a flat fee with the first part, once', () => {
    const base = price('flat', { amount: '49' });
    expect(ratePart(base, undefined, of('1')).atomic).toBe(4_900n);
    expect(ratePart(base, of('1'), of('1')).atomic).toBe(0n);
  });
});

describe('proration, §4.3', () => {
  const from = (text: string): RatingContext => ({ ...whole, covered: { start: at(text), end: november.end } });

  it('charges 17 of 30 days of 49.00: 27.77', () => {
    const base = price('flat', { amount: '49.00' }, { proration: { by: 'day', of: ['flat'] } });
    expect(cents(base, of('0'), from('2026-11-14T00:00:00Z'))).toBe(2_777n);
    expect(cents(base, of('0'), from('2026-11-14T15:00:00Z'))).toBe(2_777n);
    const bySecond = price('flat', { amount: '49.00' }, { proration: { by: 'second', of: ['flat'] } });
    expect(cents(bySecond, of('0'), from('2026-11-14T12:00:00Z'))).toBe(2_695n);
    expect(cents(price('flat', { amount: '49.00' }), of('0'), from('2026-11-14T00:00:00Z'))).toBe(4_900n);
  });

  it('charges what thirds come to: 0.3 of a third of 20 is 2, however it is rounded', () => {
    const days = { ...whole, covered: { start: at('2026-11-21T00:00:00Z'), end: november.end } };
    const third = { discount: '0.7', proration: { by: 'day', of: ['flat'] } };
    expect(cents(price('flat', { amount: '20' }, { ...third, rounding: 'up' }), of('0'), days)).toBe(200n);
    expect(cents(price('flat', { amount: '10' }, { ...third, fraction: 'carry' }), of('0'), days)).toBe(100n);
  });

  it('prorates a minimum of 10.00 to 25 of 28 days: 8.93', () => {
    const february = { start: at('2026-02-01T00:00:00Z'), end: at('2026-03-01T00:00:00Z') };
    const least = price('per_unit', { rate: '1' }, { minimum: '10.00', proration: { by: 'day', of: ['minimum'] } });
    const covered = { start: at('2026-02-04T00:00:00Z'), end: february.end };
    expect(cents(least, of('0'), { ...whole, covered, period: february })).toBe(893n);
  });

  it('counts days of the zone, whatever their length', () => {
    const base = price('flat', { amount: '30' }, { proration: { by: 'day', of: ['flat'] } });
    const march = { start: at('2025-03-01T08:00:00Z'), end: at('2025-04-01T07:00:00Z') };
    const covered = { start: at('2025-03-09T08:00:00Z'), end: at('2025-03-10T07:00:00Z') };
    const context = { ...whole, covered, period: march, zone: 'America/Los_Angeles' };
    expect(formatDecimal(rateExactly(base, of('0'), context)[0]?.exact ?? ZERO)).toMatch(/^0\.967741935/);
    const untilEvening = { ...covered, end: at('2025-03-10T00:30:00Z') };
    expect(cents(base, of('0'), { ...context, covered: untilEvening })).toBe(0n);
  });

  it('makes allowances, maximum and commitment smaller by the same share', () => {
    const half = from('2026-11-16T00:00:00Z');
    const proration = { by: 'second', of: ['allowances', 'maximum', 'commitment'] };
    expect(shown(rateExactly(price('per_unit', { rate: '1', allowance: '10' }, { proration }), of('8'), half))).toEqual(
      ['usage 3'],
    );
    expect(cents(price('package', { size: '1', amount: '1', free: '10' }, { proration }), of('8'), half)).toBe(300n);
    expect(shown(rateExactly(price('percentage', { rate: '1', freeBase: '4' }, { proration }), of('3'), half))).toEqual(
      ['usage 1'],
    );
    const events = { quantity: ZERO, values: [{ value: d('1'), count: 9n }] };
    expect(cents(price('percentage', { rate: '1', freeEvents: '3' }, { proration }), events, half)).toBe(700n);
    expect(cents(price('per_unit', { rate: '1' }, { proration, maximum: '10' }), of('8'), half)).toBe(500n);
    const commitment = { amount: '10', trueUp: true };
    expect(cents(price('per_unit', { rate: '1' }, { proration, commitment }), of('1'), half)).toBe(500n);
  });

  it('splits a refund of 29 of 30 days with tax as §5 does', () => {
    const net = divideDecimals(d('5800'), d('30'), 36, 'half-even');
    const atRate = (factor: string) => cents(price('dynamic', { multiplier: factor }), { quantity: ZERO, cost: net });
    expect([atRate('1'), atRate('0.25')]).toEqual([19_333n, 4_833n]);
  });
});

describe('rounding, §5', () => {
  it('is once, by the name the price gives it', () => {
    const by = (rounding: string, quantity: string) =>
      cents(price('per_unit', { rate: '0.01' }, { rounding }), of(quantity));
    const table = ['1.5', '2.5', '-1.5', '2.4', '2.6'];
    expect(table.map((quantity) => by('half-up', quantity))).toEqual([2n, 3n, -2n, 2n, 3n]);
    expect(table.map((quantity) => by('half-even', quantity))).toEqual([2n, 2n, -2n, 2n, 3n]);
    expect(table.map((quantity) => by('up', quantity))).toEqual([2n, 3n, -2n, 3n, 3n]);
  });

  it('goes by the minor unit of the currency', () => {
    const inCurrency = (code: string) => cents(price('per_unit', { rate: '1.2345' }, {}, currency(code)), of('1'));
    expect([inCurrency('JPY'), inCurrency('USD'), inCurrency('KWD'), inCurrency('CLF')]).toEqual([
      1n,
      123n,
      1_235n,
      12_345n,
    ]);
    expect(cents(price('per_unit', { rate: '0.0000025' }, {}, inUsdc), of('1234567'))).toBe(3_086_418n);
  });

  it('charges at least one atomic unit for what costs anything, and nothing for nothing', () => {
    const cheap = price('per_unit', { rate: '0.0000004' }, {}, inUsdc);
    expect([of('0'), of('1'), of('10'), of('-1')].map((usage) => rate(cheap, usage).atomic)).toEqual([0n, 1n, 4n, -1n]);
  });

  it('shares the rounded sum out over the lines, which then sum to it', () => {
    const third = price('per_unit', { rate: '0.333' }, { discount: '0.333', minimum: '1' });
    const lines = rateExactly(third, of('1'));
    expect(shown(lines)).toEqual(['usage 0.333', 'discount -0.110889', 'minimum 0.777889']);
    expect(roundLines(third, lines)).toEqual([33n, -11n, 78n]);
    expect(rate(third, of('1')).atomic).toBe(100n);
  });

  it('leaves lines that can be written and read without loss, however many places they have', () => {
    const tiny = '1.000000000000000001';
    const commitment = { amount: tiny, overageFactor: tiny };
    const proration = { by: 'second', of: ['commitment', 'allowances'] };
    const modifiers = { discount: '0.000000000000000001', commitment, proration };
    const longest = price('per_unit', { rate: tiny, allowance: tiny }, modifiers);
    const context = { ...whole, covered: { start: november.start, end: instant(november.start + 7_000_001) } };
    const lines = rateExactly(longest, of('9.000000000000000000001'), context);
    expect(lines.map(({ kind }) => kind)).toEqual(['usage', 'discount', 'overage']);
    for (const { exact } of lines) expect(parseDecimal(formatDecimal(exact))).toEqual(exact);
  });

  it('carries fractions so that the sum charged is less than one unit from the exact sum, in any order', () => {
    const amounts = fc.array(
      fc.tuple(fc.bigInt(-(10n ** 12n), 10n ** 12n), fc.nat(12)).map(([units, scale]) => decimal(units, scale)),
      { maxLength: 40 },
    );
    const charge = (all: readonly Decimal[]) =>
      all.reduce(
        (sum, exact) => {
          const next = carryFraction(sum.carried, exact, 6);
          return { atomic: sum.atomic + next.atomic, carried: next.carried };
        },
        { atomic: 0n, carried: ZERO },
      );
    fc.assert(
      fc.property(amounts, (all) => {
        const exact = all.reduce(addDecimals, ZERO);
        const { atomic, carried } = charge(all);
        expect(addDecimals(decimal(atomic, 6), carried)).toEqual(exact);
        expect(carried.units >= 0n && compareDecimals(carried, decimal(1n, 6)) < 0).toBe(true);
        expect(charge([...all].reverse())).toEqual({ atomic, carried });
      }),
    );
    const carrying = price('per_unit', { rate: '0.0000004' }, { fraction: 'carry' }, inUsdc);
    expect([rate(carrying, of('1')).atomic, rate(carrying, of('4')).atomic]).toEqual([0n, 1n]);
  });
});

describe('a quote', () => {
  it('is the charge of the same usage', () => {
    const rates = fc.bigInt(0n, 10n ** 9n).map((units) => formatDecimal(decimal(units, 9)));
    const quantities = fc.tuple(fc.bigInt(0n, 10n ** 9n), fc.nat(9)).map(([units, scale]) => decimal(units, scale));
    const rounding = fc.constantFrom('half-up', 'half-even', 'up');
    const discount = fc.option(
      fc.nat(1000).map((units) => formatDecimal(decimal(BigInt(units), 3))),
      { nil: undefined },
    );
    fc.assert(
      fc.property(rates, rates, quantities, rounding, discount, (one, other, quantity, how, off) => {
        const modifiers = { rounding: how, ...(off === undefined ? {} : { discount: off }) };
        for (const priced of [
          price('per_unit', { rate: one }, modifiers, inUsdc),
          price('package', { size: '3', amount: other }, modifiers, inUsdc),
          price('graduated', { tiers: [{ upTo: '5', rate: one }, { rate: other }] }, modifiers, inUsdc),
          price('percentage', { rate: one, fee: other, maxPerEvent: '0.5' }, modifiers, inUsdc),
        ]) {
          const usage = { quantity, values: [{ value: quantity, count: 1n }] };
          const quoted = quote(priced, quantity);
          expect(quoted).toEqual(rate(priced, usage, whole));
          const exact = rateExactly(priced, usage).reduce((sum, line) => addDecimals(sum, line.exact), ZERO);
          expect(quoted.atomic > 0n).toBe(exact.units > 0n);
          const off = multiplyDecimals(subtractDecimals(decimal(quoted.atomic, 6), exact), decimal(10n ** 6n));
          const nearest = quoted.atomic > 1n && how !== 'up';
          const bound = nearest ? decimal(5n, 1) : decimal(1n);
          expect(compareDecimals(multiplyDecimals(off, off), multiplyDecimals(bound, bound))).toBeLessThanOrEqual(0);
        }
      }),
    );
  });

  it.each<[string, unknown, unknown, string]>([
    ['flat', { amount: '1' }, {}, 'for a whole period'],
    ['volume', { tiers: [{ rate: '1' }] }, {}, 'Which tier'],
    ['stair_step', { tiers: [{ flat: '1' }] }, {}, 'whole quantity of a period'],
    ['per_unit', { rate: '1' }, { minimum: '1' }, 'Its minimum is of a whole period'],
    ['per_unit', { rate: '1' }, { usageDiscount: '1' }, 'Its usage discount is of a whole period'],
    ['per_unit', { rate: '1' }, { fraction: 'carry' }, 'carries fractions'],
  ])('is refused for %s %j %j', (model, definition, modifiers, why) => {
    const priced = price(model, definition, modifiers);
    expect(unquotable(priced)).toContain(why);
    expect(() => quote(priced, d('1'))).toThrow(why);
  });

  it('says what else it needs to know of the request', () => {
    expect(() => quote(price('dynamic', {}), d('1'))).toThrow('the costs its events carry');
    expect(quote(price('dynamic', {}), { quantity: d('1'), cost: d('0.05') }).atomic).toBe(5n);
  });
});

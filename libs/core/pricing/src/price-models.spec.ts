import { compareDecimals, decimal, formatDecimal, parseDecimal, roundDecimal, type Decimal } from '@core/money';
import { PRICE_MODELS, type PriceTerms, type RatedUsage, readTerms } from './index.js';

const d = (text: string): Decimal => {
  const value = parseDecimal(text);
  if (!value) throw new Error(`${text} does not read`);
  return value;
};
const terms = (model: string, definition: unknown): PriceTerms => {
  const read = readTerms(model, definition);
  if ('problem' in read) throw new Error(read.problem);
  return read;
};
const costs = (model: string, definition: unknown, usage: RatedUsage): string =>
  formatDecimal(terms(model, definition).cost(usage));
const of = (quantity: string): RatedUsage => ({ quantity: d(quantity) });
const events = (...values: string[]): RatedUsage => ({
  quantity: d('0'),
  values: values.map((value) => ({ value: d(value), count: 1n })),
});

const flats = [{ upTo: '5', flat: '100' }, { upTo: '10', flat: '50' }, { upTo: '15', rate: '10' }, { rate: '5' }];
const rates = [{ upTo: '100', rate: '0.10' }, { upTo: '500', rate: '0.05' }, { rate: '0.02' }];
const calls = [{ upTo: '10000', rate: '0' }, { upTo: '1000000', rate: '0.000004' }, { rate: '0.0000025' }];
const volumes = [{ upTo: '5', flat: '100' }, { upTo: '10', flat: '150' }, { upTo: '15', rate: '10' }, { rate: '5' }];

describe('the worked numbers of billing reference §4', () => {
  it.each<[string, unknown, string, string]>([
    ['flat', { amount: '49.00' }, '0', '49'],
    ['flat', { amount: '49.00' }, '1000', '49'],
    ['per_unit', { rate: '0.0000025' }, '1234567', '3.0864175'],
    ['per_unit', { rate: '0.0000025', allowance: '1000000' }, '1234567', '0.5864175'],
    ['per_unit', { rate: '0.0000025', allowance: '1000000' }, '999999', '0'],
    ['per_unit', { rate: '0.085' }, '0.4', '0.034'],
    ['package', { size: '10', amount: '100' }, '121', '1300'],
    ['package', { size: '10', amount: '100', free: '10' }, '121', '1200'],
    ['package', { size: '10', amount: '100', free: '200' }, '121', '0'],
    ['package', { size: '10', amount: '100' }, '120.001', '1300'],
    ['package', { size: '0.5', amount: '3' }, '1.2', '9'],
    ['dynamic', { multiplier: '1' }, '1', '1.33333'],
  ])('%s %j of %s: %s', (model, definition, quantity, expected) => {
    expect(costs(model, definition, { ...of(quantity), cost: d('1.33333') })).toBe(expected);
  });

  it.each<[string, unknown, [string, string][]]>([
    [
      'graduated',
      flats,
      [
        ['0', '100'],
        ['3', '100'],
        ['5', '100'],
        ['5.001', '150'],
        ['7', '150'],
        ['12', '170'],
        ['22', '235'],
      ],
    ],
    [
      'graduated',
      rates,
      [
        ['50', '5'],
        ['100', '10'],
        ['250', '17.5'],
        ['500', '30'],
        ['1000', '40'],
        ['-250', '-17.5'],
      ],
    ],
    ['graduated', [{ upTo: '1', rate: '10' }, { upTo: '2', rate: '20' }, { rate: '30' }], [['2.5', '45']]],
    [
      'graduated',
      calls,
      [
        ['1234567', '4.5464175'],
        ['10000', '0'],
      ],
    ],
    [
      'volume',
      volumes,
      [
        ['3', '100'],
        ['5', '100'],
        ['7', '150'],
        ['14', '140'],
        ['15', '150'],
        ['16', '80'],
        ['100', '500'],
      ],
    ],
    [
      'volume',
      [{ upTo: '100', rate: '2' }, { rate: '1' }],
      [
        ['100', '200'],
        ['100.5', '100.5'],
        ['-100', '-200'],
      ],
    ],
    [
      'stair_step',
      [{ upTo: '5', flat: '100' }, { upTo: '10', flat: '150' }, { flat: '200' }],
      [
        ['7', '150'],
        ['11', '200'],
      ],
    ],
  ])('%s %j', (model, tiers, cases) => {
    for (const [quantity, expected] of cases) {
      expect([quantity, costs(model, { tiers }, of(quantity))]).toEqual([quantity, expected]);
    }
  });

  it('percentage: 2.99 % of 10, 80 and 10,000, held between 1.75 and 12 each', () => {
    const bounds = { rate: '0.0299', minPerEvent: '1.75', maxPerEvent: '12' };
    expect(costs('percentage', bounds, events('10', '80', '10000'))).toBe('16.142');
    expect(costs('percentage', { ...bounds, fee: '2' }, events('10000', '10', '80'))).toBe('18.691');
    expect(costs('percentage', bounds, events('-10', '-80', '-10000'))).toBe('-16.142');
  });

  it('dynamic: 10 events that cost 1.33333 each, rounded to cents, are 13.33', () => {
    const cost = terms('dynamic', {}).cost({ quantity: d('10'), cost: d('13.3333') });
    expect(formatDecimal(roundDecimal(cost, 2, 'half-up'))).toBe('13.33');
    expect(costs('dynamic', { multiplier: '1.2' }, { quantity: d('10'), cost: d('13.3333') })).toBe('15.99996');
  });

  it('matrix: region eu, class gpu costs 0.0011 a second', () => {
    const grid = {
      dimensions: ['region', 'class'],
      rates: [
        { match: { region: 'eu', class: 'gpu' }, rate: '0.0011' },
        { match: { class: 'cpu', region: 'eu' }, rate: '0.0001' },
      ],
    };
    const usage: RatedUsage = {
      quantity: d('3000'),
      groups: [
        { dimensions: { class: 'gpu', region: 'eu', zone: 'a' }, quantity: d('600') },
        { dimensions: { region: 'eu', class: 'cpu' }, quantity: d('2000') },
        { dimensions: { region: 'eu', class: 'gpu', zone: 'b' }, quantity: d('400') },
      ],
    };
    expect(costs('matrix', grid, usage)).toBe('1.3');
    const elsewhere = { quantity: d('1'), groups: [{ dimensions: { region: 'us', class: 'gpu' }, quantity: d('1') }] };
    expect(() => terms('matrix', grid).cost(elsewhere)).toThrow('no rate for region "us", class "gpu" and no default');
    expect(costs('matrix', { ...grid, default: '2' }, elsewhere)).toBe('2');
    const nowhere = { quantity: d('1'), groups: [{ dimensions: {}, quantity: d('1') }] };
    expect(() => terms('matrix', grid).cost(nowhere)).toThrow('no rate for usage without dimensions');
    expect(costs('matrix', { ...grid, default: '2' }, nowhere)).toBe('2');
  });
});

describe('free parts of a percentage price', () => {
  it('come off the base, the smallest events first, and then off the dearest events', () => {
    expect(costs('percentage', { rate: '0.1', freeBase: '100' }, of('250'))).toBe('15');
    expect(costs('percentage', { rate: '0.1', freeBase: '100', fee: '1' }, events('60', '90', '100'))).toBe('18');
    // 60 is covered whole and has no minimum; of 90 are 40 covered and 5 is less than the minimum of 7.
    const least = { rate: '0.1', freeBase: '100', minPerEvent: '7' };
    expect(costs('percentage', least, events('100', '60', '90'))).toBe('17');
    expect(costs('percentage', { rate: '0.1', freeEvents: '1' }, events('60', '100', '90'))).toBe('15');
    expect(costs('percentage', { rate: '0.1', freeEvents: '5' }, events('60', '100'))).toBe('0');
  });
});

describe('tiers per group', () => {
  const tiers = [{ upTo: '10', rate: '1' }, { rate: '0.5' }];
  const usage: RatedUsage = {
    quantity: d('40'),
    groups: [
      { dimensions: { region: 'eu', host: 'a' }, quantity: d('15') },
      { dimensions: { region: 'us' }, quantity: d('20') },
      { dimensions: { region: 'eu', host: 'b' }, quantity: d('5') },
    ],
  };

  it('count every group by itself; tiers of the total count them together', () => {
    const perGroup = { tiers, per: 'group', groupBy: ['region'] };
    expect(costs('graduated', perGroup, usage)).toBe('30');
    expect(costs('graduated', { tiers }, usage)).toBe('25');
    expect(terms('graduated', perGroup)).toMatchObject({ needs: ['quantity', 'groups'], groupBy: ['region'] });
    expect(() => terms('graduated', perGroup).cost({ quantity: d('1') })).toThrow('groups by region');
  });
});

describe('definitions', () => {
  const rest = { rate: '1' };
  const bucket = { name: 'day', from: '08:00', to: '20:00', rate: '1' };
  const table = { zone: 'Europe/Berlin', default: '1' };
  it.each<[string, unknown, string]>([
    ['per_unit', {}, 'A per_unit price needs "rate": a plain decimal string'],
    ['per_unit', null, 'A per_unit price is an object with "rate", "allowance"'],
    ['per_unit', [], 'is an object'],
    ['per_unit', { rate: '1', free: '5' }, 'A per_unit price has no "free"; it has "rate", "allowance".'],
    ['per_unit', { rate: '0.0000000000000000001' }, '"rate" must be a plain decimal string'],
    ['per_unit', { rate: '-1' }, '"rate" must be'],
    ['per_unit', { rate: 1 }, '"rate" must be'],
    ['per_unit', { rate: '1e-3' }, '"rate" must be'],
    ['package', { size: '0', amount: '1' }, '"size" must be above zero'],
    ['graduated', { tiers: [] }, '"tiers" must be a list of 1 to 100 tiers'],
    [
      'graduated',
      { tiers: [{ upTo: '10', rate: '1' }, { upTo: '10', rate: '1' }, rest] },
      'Tier 2 starts before tier 1 ends',
    ],
    [
      'graduated',
      { tiers: [{ upTo: '5', rate: '1' }, { upTo: '9', rate: '1' }, { upTo: '8', rate: '1' }, rest] },
      'Tier 3 starts before tier 2 ends: its "upTo" is 8, and tier 2 goes up to 9.',
    ],
    ['volume', { tiers: [{ upTo: '5', rate: '1' }] }, 'The last tier must have no "upTo"'],
    ['volume', { tiers: [rest, rest] }, 'Tier 1 needs "upTo": only the last tier is without end.'],
    ['graduated', { tiers: [{}] }, 'Tier 1 needs a price: "rate", "flat" or both.'],
    ['graduated', { tiers: [{ price: '1' }] }, 'Tier 1 has no "price"; it has "upTo", "rate", "flat".'],
    ['stair_step', { tiers: [{ rate: '1' }] }, 'Tier 1 has no "rate"; it has "upTo", "flat".'],
    ['graduated', { tiers: [rest], per: 'group' }, '"groupBy" must be a list of 1 to 8 names of dimensions'],
    ['graduated', { tiers: [rest], groupBy: ['a'] }, '"groupBy" only with "per": "group"'],
    ['graduated', { tiers: [rest], per: 'head' }, '"per" must be one of "total", "group"'],
    ['percentage', { rate: '0.1', freeEvents: '1.5' }, '"freeEvents" must be a whole number'],
    ['percentage', { rate: '0.1', minPerEvent: '2', maxPerEvent: '1' }, '"minPerEvent" 2 is above "maxPerEvent" 1'],
    ['matrix', { dimensions: ['a', 'a'], rates: [] }, 'has a dimension twice'],
    ['matrix', { dimensions: [1], rates: [] }, '"dimensions" lists dimensions by name'],
    [
      'matrix',
      { dimensions: ['a'], rates: [{ match: { b: 'x' }, rate: '1' }] },
      'The match of rate 1 has no "b"; it has "a".',
    ],
    [
      'matrix',
      { dimensions: ['a', 'b'], rates: [{ match: { b: 'x' }, rate: '1' }] },
      'The match of rate 1: "a" must be',
    ],
    [
      'matrix',
      {
        dimensions: ['a'],
        rates: [
          { match: { a: 'x' }, rate: '1' },
          { match: { a: 'x' }, rate: '2' },
        ],
      },
      'Rate 2 matches a "x", which has a rate already.',
    ],
    ['time_of_day', { ...table, zone: 'Mars/Olympus', buckets: [bucket] }, '"Mars/Olympus" is not a zone'],
    [
      'time_of_day',
      { ...table, buckets: [bucket, { ...bucket, from: '19:00', to: '21:00' }] },
      'Two buckets are called "day"',
    ],
    [
      'time_of_day',
      { ...table, buckets: [bucket, { ...bucket, name: 'late', from: '19:59', to: '21:00' }] },
      'Buckets "day" and "late" overlap',
    ],
    ['time_of_day', { ...table, buckets: [{ ...bucket, name: 'default' }] }, 'No bucket may be called "default"'],
    [
      'time_of_day',
      { ...table, buckets: [{ ...bucket, from: '8' }] },
      'Bucket 1: "from" must be a time such as "08:00"',
    ],
    ['time_of_day', { ...table, buckets: [{ ...bucket, from: '24:00', to: '01:00' }] }, '"from" is at most "23:59"'],
    ['time_of_day', { ...table, buckets: [{ ...bucket, from: '20:00' }] }, 'Bucket 1 is empty'],
    ['time_of_day', { ...table, buckets: [{ ...bucket, days: [0] }] }, '"days" lists numbers from 1 (Monday)'],
    ['time_of_day', { zone: 'UTC', buckets: [bucket] }, 'A time_of_day price needs "default"'],
    ['tiered', {}, 'There is no price model "tiered"; there is: per_unit, flat'],
  ])('of %s %j are refused with a sentence', (model, definition, sentence) => {
    expect(readTerms(model, definition)).toEqual({ problem: expect.stringContaining(sentence) });
  });

  it.each<[string, unknown]>([
    ['flat', { amount: '49' }],
    ['per_unit', { rate: '0.004', allowance: '10' }],
    ['package', { size: '10', amount: '1', free: '5' }],
    ['graduated', { tiers: calls }],
    ['graduated', { tiers: flats, per: 'group', groupBy: ['region'] }],
    ['volume', { tiers: volumes }],
    ['stair_step', { tiers: [{ upTo: '5', flat: '1' }, { flat: '2' }] }],
    ['percentage', { rate: '0.03', fee: '1', freeBase: '5', freeEvents: '2', minPerEvent: '1', maxPerEvent: '9' }],
    ['dynamic', { multiplier: '2' }],
    ['matrix', { dimensions: ['a'], rates: [{ match: { a: 'x' }, rate: '1' }], default: '3' }],
    ['time_of_day', { zone: 'UTC', buckets: [{ ...bucket, days: [1, 5] }], default: '1' }],
  ])('of %s are stored in a form that reads as itself, keys in any order', (model, definition) => {
    const first = terms(model, definition);
    expect(first.model).toBe(model);
    expect(first.definition).toEqual(definition);
    const shuffled: unknown = JSON.parse(JSON.stringify(definition), (_key, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).reverse())
        : value,
    );
    expect(JSON.stringify(terms(model, shuffled).definition)).toBe(JSON.stringify(first.definition));
  });

  it('are of ten models, and all but flat price a quantity', () => {
    expect([...PRICE_MODELS.keys()]).toHaveLength(10);
    expect(terms('flat', { amount: '1' }).needs).toEqual([]);
    expect(terms('percentage', { rate: '0.1', fee: '1' }).needs).toEqual(['quantity', 'values']);
    expect(terms('percentage', { rate: '0.1', freeBase: '5' }).needs).toEqual(['quantity']);
  });

  it('write decimals in their shortest form', () => {
    expect(terms('per_unit', { rate: '0.0040' }).definition).toEqual({ rate: '0.004' });
    expect(compareDecimals(terms('per_unit', { rate: '0.000000000000000001' }).cost(of('1')), decimal(1n, 18))).toBe(0);
  });
});

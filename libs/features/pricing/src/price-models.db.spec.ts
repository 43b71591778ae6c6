import { parseDecimal } from '@core/money';
import type { SentEvent } from '@core/metering';
import { at, money, RatingScene, type TestPrice } from '../../../../test/support/rating-scene.js';

let scene: RatingScene;
const usd = money('USD');
const FROM = '2026-11-01T00:00:00Z';
const graduated = [{ upTo: '5', flat: '100' }, { upTo: '10', flat: '50' }, { upTo: '15', rate: '10' }, { rate: '5' }];
const volume = [{ upTo: '5', flat: '100' }, { upTo: '10', flat: '150' }, { upTo: '15', rate: '10' }, { rate: '5' }];
const calls = [{ upTo: '10000', rate: '0' }, { upTo: '1000000', rate: '0.000004' }, { rate: '0.0000025' }];
const percentage = { rate: '0.0299', minPerEvent: '1.75', maxPerEvent: '12' };

/** [what, values used, price, atomic amount]: the worked numbers of the models, in USDC unless the price says otherwise. */
const PRICED: readonly (readonly [string, readonly string[], TestPrice, string])[] = [
  ['per unit', ['1234567'], { definition: { rate: '0.0000025' } }, '3086418'],
  ['an allowance', ['1234567'], { definition: { rate: '0.0000025', allowance: '1000000' } }, '586418'],
  ['packages', ['121'], { model: 'package', definition: { size: '10', amount: '100' } }, '1300000000'],
  [
    'packages, some free',
    ['121'],
    { model: 'package', definition: { size: '10', amount: '100', free: '10' } },
    '1200000000',
  ],
  ['packages, all free', ['121'], { model: 'package', definition: { size: '10', amount: '100', free: '200' } }, '0'],
  ['graduated: 3', ['3'], { model: 'graduated', definition: { tiers: graduated } }, '100000000'],
  ['graduated: 5', ['5'], { model: 'graduated', definition: { tiers: graduated } }, '100000000'],
  ['graduated: 5.001', ['5.001'], { model: 'graduated', definition: { tiers: graduated } }, '150000000'],
  ['graduated: 12', ['12'], { model: 'graduated', definition: { tiers: graduated } }, '170000000'],
  ['graduated: 22', ['22'], { model: 'graduated', definition: { tiers: graduated } }, '235000000'],
  ['API calls', ['1234567'], { model: 'graduated', definition: { tiers: calls } }, '4546418'],
  ['volume: 7', ['7'], { model: 'volume', definition: { tiers: volume } }, '150000000'],
  ['volume: 14', ['14'], { model: 'volume', definition: { tiers: volume } }, '140000000'],
  ['volume: 16', ['16'], { model: 'volume', definition: { tiers: volume } }, '80000000'],
  ['volume: 100', ['100'], { model: 'volume', definition: { tiers: volume } }, '500000000'],
  [
    'stair-step: 7',
    ['7'],
    { model: 'stair_step', definition: { tiers: [{ upTo: '5', flat: '100' }, { flat: '150' }] } },
    '150000000',
  ],
  ['a percentage', ['10', '80', '10000'], { model: 'percentage', definition: percentage, asset: usd }, '1614'],
  [
    'a percentage with a fee',
    ['10', '80', '10000'],
    { model: 'percentage', definition: { ...percentage, fee: '2' } },
    '18691000',
  ],
  ['a minimum, not over yet', ['2'], { definition: { rate: '1' }, modifiers: { minimum: '50' } }, '2000000'],
  ['a maximum', ['12'], { definition: { rate: '10' }, modifiers: { maximum: '100' } }, '100000000'],
  ['a discount', ['12'], { definition: { rate: '10' }, modifiers: { discount: '0.5' } }, '60000000'],
  ['units that are not priced', ['12'], { definition: { rate: '10' }, modifiers: { usageDiscount: '2' } }, '100000000'],
  [
    'a commitment with overage',
    ['1300'],
    { definition: { rate: '1' }, modifiers: { commitment: { amount: '1000', overageFactor: '1.5' } } },
    '1450000000',
  ],
  [
    'banker’s rounding',
    ['2.5'],
    { definition: { rate: '1' }, modifiers: { rounding: 'half-even' }, asset: money('JPY') },
    '2',
  ],
  ['rounding up', ['2.1'], { definition: { rate: '1' }, modifiers: { rounding: 'up' }, asset: money('JPY') }, '3'],
];

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin());
afterAll(() => scene.end());

const only = async () => {
  const charges = await scene.charges();
  expect(charges).toHaveLength(1);
  const [charge] = charges;
  if (!charge) throw new Error('no charge');
  return charge;
};
const useAll = async (type: string, data: readonly SentEvent['data'][]) => {
  for (const [i, one] of data.entries()) await scene.use(type, `2026-11-20T00:00:${String(i).padStart(2, '0')}Z`, one);
};

describe('stored usage is charged by every model', () => {
  it.each(PRICED)('%s', async (_, values, price, atomic) => {
    await scene.meter('used', 'sum', { itemized: price.model === 'percentage' });
    await scene.price('used', price, FROM);
    await useAll(
      'used',
      values.map((value) => ({ value })),
    );
    await scene.settle();
    expect((await only()).atomic.toString()).toBe(atomic);
  });

  it('flat, once for who used the meter', async () => {
    await scene.meter('used', 'count');
    const idle = await scene.another('idle');
    await scene.price('used', { model: 'flat', definition: { amount: '49' }, asset: usd }, FROM);
    await useAll('used', [undefined, undefined]);
    await scene.settle();
    expect((await only()).atomic).toBe(4900n);
    expect(await scene.charges(idle)).toEqual([]);
  });

  it('dynamic, from the prices carried on events', async () => {
    await scene.meter('jobs', 'count');
    await scene.price('jobs', { model: 'dynamic', definition: { multiplier: '1.33333' }, asset: usd }, FROM);
    await useAll('jobs', [{ cost: '4.5' }, { cost: '5.5' }]);
    await scene.settle();
    expect((await only()).atomic).toBe(1333n);
  });

  it('a matrix of dimensions', async () => {
    await scene.meter('seconds', 'sum', { groupBy: ['region', 'class'] });
    const rates = [
      { match: { region: 'eu', class: 'gpu' }, rate: '0.0011' },
      { match: { region: 'eu', class: 'cpu' }, rate: '0.0001' },
    ];
    await scene.price('seconds', { model: 'matrix', definition: { dimensions: ['region', 'class'], rates } }, FROM);
    await useAll('seconds', [
      { value: '100', dimensions: { region: 'eu', class: 'gpu' } },
      { value: '7', dimensions: { region: 'eu', class: 'cpu' } },
    ]);
    await scene.settle();
    expect((await only()).atomic).toBe(110_700n);
    const charge = await only();
    expect(charge.quantity).toEqual(parseDecimal('107'));
  });

  it('the time of day, in the zone of the price', async () => {
    await scene.meter('calls', 'count');
    const buckets = [{ name: 'day', from: '08:00', to: '20:00', rate: '2' }];
    await scene.price(
      'calls',
      { model: 'time_of_day', definition: { zone: 'America/New_York', buckets, default: '1' } },
      FROM,
    );
    // 07:59 and 08:00 in New York.
    await scene.use('calls', '2026-11-20T12:59:59.999Z');
    await scene.use('calls', '2026-11-20T13:00:00Z');
    await scene.settle();
    expect((await only()).atomic).toBe(3_000_000n);
  });

  it('keeps how an amount came about', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', { definition: { rate: '10' }, modifiers: { discount: '0.1', maximum: '100' } }, FROM);
    await useAll('used', [{ value: '12' }]);
    await scene.settle();
    expect((await only()).lines).toEqual([
      { kind: 'usage', exact: parseDecimal('120'), quantity: parseDecimal('12') },
      { kind: 'discount', exact: parseDecimal('-12') },
      { kind: 'maximum', exact: parseDecimal('-8') },
    ]);
  });
});

describe('a period has its last word when it has ended', () => {
  it('makes up to the minimum, prorated when the price began inside the month', async () => {
    await scene.begin('2027-02-20T12:00:00Z');
    await scene.meter('used', 'sum');
    const minimum = { minimum: '10', proration: { by: 'day', of: ['minimum'] } };
    await scene.price('used', { definition: { rate: '1' }, modifiers: minimum, asset: usd }, '2027-02-04T00:00:00Z');
    await scene.use('used', '2027-02-05T00:00:00Z', { value: '0.5' });
    await scene.settle();
    expect((await only()).atomic).toBe(50n);
    expect((await scene.dueRows()).map(({ due_at }) => due_at.toISOString())).toEqual(['2027-03-01T00:00:00.000Z']);
    scene.clock.time = at('2027-03-01T00:00:00Z');
    await scene.rate.run();
    // 10.00 for 25 of 28 days.
    expect((await only()).atomic).toBe(893n);
    expect(await scene.dueRows()).toEqual([]);
  });

  it('charges nothing before where the price says so', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', { definition: { rate: '1' }, modifiers: { billing: 'at_end' } }, FROM);
    await useAll('used', [{ value: '3' }]);
    await scene.settle();
    expect(await scene.charges()).toEqual([]);
    scene.clock.time = at('2026-12-01T00:00:00Z');
    await scene.rate.run();
    expect((await only()).atomic).toBe(3_000_000n);
  });

  it('makes up a commitment', async () => {
    await scene.meter('used', 'sum');
    const commitment = { amount: '1000', overageFactor: '1.5', trueUp: true };
    await scene.price('used', { definition: { rate: '1' }, modifiers: { commitment }, asset: usd }, FROM);
    await useAll('used', [{ value: '700' }]);
    await scene.settle();
    expect((await only()).atomic).toBe(70_000n);
    scene.clock.time = at('2026-12-01T00:00:00Z');
    await scene.rate.run();
    expect((await only()).atomic).toBe(100_000n);
    expect((await only()).lines.map(({ kind }) => kind)).toEqual(['usage', 'true_up']);
  });
});

describe('a price that takes over inside the month', () => {
  const tiers = (rate: string) => [{ upTo: '10', rate: '1' }, { rate }];
  const use = async () => {
    await scene.use('used', '2026-11-05T00:00:00Z', { value: '8' });
    await scene.use('used', '2026-11-15T00:00:00Z', { value: '6' });
    await scene.settle();
    return (await scene.charges()).map(({ atomic }) => atomic);
  };

  it.each([
    ['begins its tiers anew', {}, [8_000_000n, 6_000_000n]],
    // Two units are left of the first tier.
    ['runs on with its tiers', { versionChange: 'continue' }, [8_000_000n, 14_000_000n]],
  ])('%s', async (_, modifiers, amounts) => {
    await scene.begin('2026-11-02T00:00:00Z');
    await scene.meter('used', 'sum');
    await scene.price('used', { model: 'graduated', definition: { tiers: tiers('2') } }, FROM);
    const next = { model: 'graduated', definition: { tiers: tiers('3') }, modifiers };
    await scene.price('used', next, '2026-11-10T10:07:03.123Z');
    scene.clock.time = at('2026-11-21T12:00:00Z');
    expect(await use()).toEqual(amounts);
  });

  it('does not run on for quantities that do not add up', async () => {
    await scene.meter('peak', 'max');
    const running = { model: 'graduated', definition: { tiers: tiers('2') }, modifiers: { versionChange: 'continue' } };
    await expect(scene.price('peak', running)).rejects.toMatchObject({ reason: 'invalid_price' });
  });
});

describe('a price fits its meter', () => {
  it('or is refused with what to do', async () => {
    await scene.meter('calls', 'count');
    const matrix = { dimensions: ['region'], rates: [{ match: { region: 'eu' }, rate: '1' }], default: '1' };
    await expect(scene.price('calls', { model: 'matrix', definition: matrix })).rejects.toThrow(/does not group by/);
    await expect(scene.price('calls', { model: 'percentage', definition: { rate: '0.01', fee: '1' } })).rejects.toThrow(
      /itemized/,
    );
    await expect(
      scene.price('calls', { model: 'graduated', definition: { tiers: [{ upTo: '5', rate: '1' }] } }),
    ).rejects.toThrow(/last tier/);
  });
});

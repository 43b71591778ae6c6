import { addMs } from '@core/time';
import { at, money, RatingScene } from '../../../../test/support/rating-scene.js';
import { AccountPriceReader, PlanReader } from './index.js';

let scene: RatingScene;
const usd = money('USD');
const FROM = '2026-11-01T00:00:00Z';
const seat = {
  name: 'seat',
  model: 'flat',
  definition: { amount: '49' },
  modifiers: { proration: { by: 'day', of: ['flat'] } },
};
const perCall = (rate: string, more: object = {}) => ({
  meter: 'calls',
  model: 'per_unit',
  definition: { rate, ...more },
});

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin());
afterAll(() => scene.end());

/** Charges as [meter or item, atomic amount], in the order of their service. */
const named = async (account?: string) =>
  (await scene.charges(account)).map(({ meter, atomic }) => [meter === '' ? 'plan' : 'metered', Number(atomic)]);
const monthsEnd = async (now: string) => {
  scene.clock.time = at(now);
  await scene.settle();
};

describe('a plan', () => {
  it('charges what it bundles: an allowance, and a flat amount for the days of the month', async () => {
    await scene.meter('calls', 'count');
    await scene.plan('pro', [perCall('0.1', { allowance: '2' }), seat], undefined, usd);
    await scene.move('pro', '2026-11-14T00:00:00Z');
    for (const second of [1, 2, 3, 4, 5]) await scene.use('calls', `2026-11-20T00:00:0${second}Z`);
    await scene.settle();
    // 49.00 for 17 of 30 days; three calls beyond the allowance.
    expect(await named()).toEqual([
      ['metered', 30],
      ['plan', 2777],
    ]);
  });

  it('is asked every month anew, though nothing is used', async () => {
    await scene.plan('pro', [seat], undefined, usd);
    await scene.move('pro', '2026-11-21T00:00:00Z');
    await scene.settle();
    expect(await named()).toEqual([['plan', 1633]]);
    await monthsEnd('2026-12-01T00:00:00Z');
    await monthsEnd('2027-01-01T00:00:05Z');
    expect((await named()).map(([, atomic]) => atomic)).toEqual([1633, 4900, 4900]);
    await scene.move(undefined, '2027-01-11T00:00:00Z');
    await scene.settle();
    // Leaving lowers what the month was to cost to the days it was used, and later months cost nothing.
    expect((await named()).map(([, atomic]) => atomic)).toEqual([1633, 4900, 1581]);
    await monthsEnd('2027-03-01T00:00:00Z');
    expect((await named()).map(([, atomic]) => atomic)).toEqual([1633, 4900, 1581]);
    expect(await scene.dueRows()).toEqual([]);
  });

  it('goes before the provider’s price, and an agreed price before both', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '8', FROM);
    await scene.plan('pro', [perCall('4')]);
    await scene.move('pro', '2026-11-10T00:00:00Z');
    await scene.override('calls', { definition: { rate: '2' } }, '2026-11-15T09:30:00.500Z');
    await scene.override('calls', undefined, '2026-11-18T00:00:00Z');
    for (const time of [
      '2026-11-09T23:59:59.999Z',
      '2026-11-10T00:00:00Z',
      '2026-11-15T09:30:00.499Z',
      '2026-11-15T09:30:00.500Z',
    ])
      await scene.use('calls', time);
    await scene.use('calls', '2026-11-18T00:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([
      ['2026-11-01T00', '1', '8000000'],
      ['2026-11-10T00', '2', '8000000'],
      ['2026-11-15T09', '1', '2000000'],
      ['2026-11-18T00', '1', '4000000'],
    ]);
    const agreed = await scene.database.forProvider(scene.provider, (tx) =>
      new AccountPriceReader().of(tx, scene.account),
    );
    expect(agreed.map(({ price }) => price?.terms.definition)).toEqual([{ rate: '2' }, undefined]);
  });

  it('agreed later for usage that is charged already, charges the difference', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '8', FROM);
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.settle();
    expect(await scene.owed()).toBe(8_000_000n);
    await scene.plan('pro', [perCall('4')]);
    await scene.move('pro', FROM);
    await scene.settle();
    expect(await scene.owed()).toBe(4_000_000n);
    await scene.override('calls', { definition: { rate: '1' } }, FROM);
    await scene.settle();
    expect(await scene.owed()).toBe(1_000_000n);
  });

  it.each([
    ['restart', {}, [6_000_000n, 6_000_000n]],
    ['continue', { versionChange: 'continue' }, [6_000_000n, 10_000_000n]],
  ])('moves every account to its next version at once, tiers that %s', async (_, modifiers, amounts) => {
    await scene.meter('calls', 'sum');
    const tiered = {
      meter: 'calls',
      model: 'graduated',
      definition: { tiers: [{ upTo: '8', rate: '1' }, { rate: '2' }] },
    };
    await scene.plan('pro', [tiered]);
    const others = [await scene.another('b'), await scene.another('c')];
    for (const account of ['agent-1', 'b', 'c']) await scene.move('pro', FROM, account);
    for (const account of ['agent-1', 'b', 'c']) {
      await scene.use('calls', '2026-11-05T00:00:00Z', { value: '6' }, account);
      await scene.use('calls', '2026-11-15T00:00:00Z', { value: '6' }, account);
    }
    await scene.settle();
    expect(await scene.owed()).toBe(16_000_000n);
    expect(await scene.revise('pro', [{ ...tiered, modifiers }])).toMatchObject({
      outcome: Object.keys(modifiers).length > 0 ? 'created' : 'exists',
    });
    if (Object.keys(modifiers).length === 0)
      await scene.revise('pro', [tiered, { name: 'nothing', model: 'flat', definition: { amount: '0' } }]);
    expect(await scene.migrate('pro', { at: '2026-11-10T00:00:00Z' })).toMatchObject({ moved: 3 });
    expect(await scene.migrate('pro', { at: '2026-11-10T00:00:00Z' })).toMatchObject({ moved: 0 });
    await scene.settle();
    for (const account of [scene.account, ...others]) {
      const charges = (await scene.charges(account)).filter(({ quantity }) => quantity.units !== 0n);
      expect(charges.map(({ atomic }) => atomic)).toEqual(amounts);
    }
  });

  it('asks a minimum across its items, when the month has ended', async () => {
    await scene.meter('calls', 'count');
    await scene.meter('bytes', 'sum');
    const items = [
      perCall('1'),
      { meter: 'bytes', model: 'per_unit', definition: { rate: '0.5' } },
      { ...seat, modifiers: {} },
    ];
    await scene.plan('pro', items, { minimum: '60' }, usd);
    await scene.move('pro', FROM);
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.use('bytes', '2026-11-20T00:00:00Z', { value: '5' });
    await scene.settle();
    expect(await scene.owed()).toBe(5250n);
    await monthsEnd('2026-12-01T00:00:00Z');
    const november = (await scene.charges()).filter(({ service }) => service.start < at('2026-12-01T00:00:00Z'));
    expect(november.reduce((sum, { atomic }) => sum + atomic, 0n)).toBe(6000n);
    expect(november.flatMap(({ lines }) => lines.map(({ kind }) => kind)).sort()).toEqual([
      'minimum',
      'usage',
      'usage',
      'usage',
    ]);
    // Late usage takes the place of what was made up.
    await scene.use('calls', '2026-11-20T00:00:01Z');
    await scene.settle();
    const after = (await scene.charges()).filter(({ service }) => service.start < at('2026-12-01T00:00:00Z'));
    expect(after.reduce((sum, { atomic }) => sum + atomic, 0n)).toBe(6000n);
  });

  it('never costs more than its maximum', async () => {
    await scene.meter('calls', 'count');
    await scene.plan('pro', [perCall('40'), { ...seat, modifiers: {} }], { maximum: '100' }, usd);
    await scene.move('pro', FROM);
    for (const second of [1, 2, 3]) await scene.use('calls', `2026-11-20T00:00:0${second}Z`);
    await scene.settle();
    expect(await scene.owed()).toBe(10_000n);
  });

  it('asks a meter’s minimum of who used nothing, because it was agreed', async () => {
    await scene.meter('calls', 'count');
    await scene.plan('pro', [{ ...perCall('1'), modifiers: { minimum: '10' } }], undefined, usd);
    await scene.move('pro', FROM);
    await scene.settle();
    expect(await scene.owed()).toBe(0n);
    await monthsEnd('2026-12-01T00:00:00Z');
    expect(await scene.owed()).toBe(1000n);
    await monthsEnd('2027-01-01T00:00:00Z');
    expect(await scene.owed()).toBe(2000n);
  });
});

describe('plans are kept', () => {
  it('in versions that do not change', async () => {
    await scene.meter('calls', 'count');
    const made = await scene.plan('pro', [perCall('1'), seat]);
    expect(await scene.plan('pro', [perCall('1.0'), seat])).toMatchObject({
      outcome: 'exists',
      plan: { id: made.plan.id, versions: [{ id: made.plan.versions[0]?.id }] },
    });
    await expect(scene.plan('pro', [perCall('2')])).rejects.toMatchObject({ reason: 'plan_exists' });
    expect((await scene.revise('pro', [perCall('1'), seat])).outcome).toBe('exists');
    const revised = await scene.revise('pro', [perCall('2')]);
    expect(revised.version).toMatchObject({
      version: 2,
      prices: [{ terms: { definition: { rate: '2' } }, source: 'plan' }],
    });
    const plans = await scene.database.forProvider(scene.provider, (tx) => new PlanReader().list(tx));
    expect(plans).toMatchObject([{ name: 'pro', versions: [{ version: 1 }, { version: 2 }] }]);
    const change = scene.database.forProvider(
      scene.provider,
      (tx) => tx.$executeRaw`UPDATE plan_versions SET version = 9`,
    );
    await expect(change).rejects.toThrow(/permission denied|append-only/);
  });

  it('or refused with what to do', async () => {
    await scene.meter('calls', 'count');
    await expect(scene.plan('bad', [perCall('1'), perCall('2')])).rejects.toThrow(/one/);
    await expect(scene.plan('bad', [{ ...perCall('1'), meter: 'nothing' }])).rejects.toMatchObject({
      reason: 'unknown_meter',
    });
    await expect(scene.plan('bad', [seat], { usageDiscount: '1' })).rejects.toMatchObject({ reason: 'invalid_plan' });
    await expect(scene.move('nothing')).rejects.toMatchObject({ reason: 'unknown_plan' });
    await scene.plan('pro', [perCall('1')]);
    await expect(scene.move('pro', '2026-11-20T00:07:00Z')).rejects.toThrow(/00:00:00.000Z or .*00:15:00/);
    await expect(scene.move('pro', undefined, 'nobody')).rejects.toMatchObject({ reason: 'unknown_account' });
  });

  it('and moves of accounts follow one another', async () => {
    await scene.meter('calls', 'count');
    await scene.plan('pro', [perCall('1')]);
    expect(await scene.move('pro')).toMatchObject({ outcome: 'moved', move: { from: at('2026-11-21T12:00:00Z') } });
    scene.clock.time = addMs(scene.clock.time, 3_600_000);
    expect((await scene.move('pro')).outcome).toBe('unchanged');
    await expect(scene.move(undefined, '2026-11-21T12:00:00Z')).rejects.toMatchObject({ reason: 'moved_later' });
    expect((await scene.move(undefined, '2026-11-30T00:00:00Z')).outcome).toBe('moved');
  });
});

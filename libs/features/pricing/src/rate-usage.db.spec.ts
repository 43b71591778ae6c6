import pg from 'pg';
import { addMs } from '@core/time';
import { at, money, RatingScene, USDC } from '../../../../test/support/rating-scene.js';
import { RatingProblems } from './index.js';

let scene: RatingScene;
const transfers = async () =>
  (await scene.database.forProvider(scene.provider, (tx) => tx.transfer.findMany({ orderBy: { id: 'asc' } }))).map(
    ({ amount }) => amount.toFixed(0),
  );

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin());
afterAll(() => scene.end());

describe('charge = price version × total', () => {
  it('sets the charge of the month, and posts only what changed', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '0.004', '2026-11-01T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:01Z');
    await scene.rollUp.run({ through: 'now' });
    expect(await scene.rate.run()).toEqual({ rated: 1, changed: 1, problems: 0 });
    expect(await scene.charged()).toEqual([['2026-11-01T00', '2', '8000']]);
    expect(await scene.dueRows()).toEqual([]);
    await scene.use('calls', '2026-11-02T00:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-01T00', '3', '12000']]);
    expect(await transfers()).toEqual(['8000', '4000']);
  });

  it('rounds the total once, not every event', async () => {
    await scene.meter('seconds', 'sum');
    await scene.price('seconds', '0.0000003', '2026-11-01T00:00:00Z');
    for (const i of [1, 2, 3, 4, 5]) await scene.use('seconds', `2026-11-20T00:00:0${i}Z`, { value: '1' });
    await scene.settle();
    // 1.5 atomic units, half away from zero.
    expect(await scene.charged()).toEqual([['2026-11-01T00', '5', '2']]);
  });

  it('cuts windows at months and where a price takes over', async () => {
    await scene.meter('calls', 'count');
    scene.clock.time = at('2026-10-20T00:00:00Z');
    await scene.price('calls', '0.001', '2026-10-01T00:00:00Z');
    await scene.price('calls', '0.002', '2026-11-10T12:00:00Z');
    scene.clock.time = at('2026-11-21T12:00:00Z');
    for (const time of [
      '2026-10-31T23:59:59.999Z',
      '2026-11-01T00:00:00Z',
      '2026-11-10T11:59:59.999Z',
      '2026-11-10T12:00:00Z',
    ])
      await scene.use('calls', time);
    await scene.settle();
    expect(await scene.charged()).toEqual([
      ['2026-10-01T00', '1', '1000'],
      ['2026-11-01T00', '2', '2000'],
      ['2026-11-10T12', '1', '2000'],
    ]);
  });

  it('meters without a price, and charges it all once the first price reaches back', async () => {
    await scene.meter('calls', 'count');
    await scene.use('calls', '2026-11-05T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([]);
    await scene.price('calls', '1', '2026-11-10T00:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-10T00', '1', '1000000']]);
  });

  it('moves usage to the version in force when a price takes effect between receipt and use', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.use('calls', '2026-11-21T12:04:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    await scene.price('calls', '3', '2026-11-21T12:02:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([
      ['2026-11-01T00', '0', '0'],
      ['2026-11-21T12', '1', '3000000'],
    ]);
    expect(await transfers()).toEqual(['1000000', '1000000', '3000000']);
  });

  it('sets a charge to nothing whose window a later version took over entirely', async () => {
    await scene.meter('calls', 'count');
    scene.clock.time = at('2026-11-30T23:58:00Z');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.use('calls', '2026-12-01T00:01:00Z');
    await scene.settle();
    await scene.price('calls', '2', '2026-12-01T00:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual(
      expect.arrayContaining([
        ['2026-12-01T00', '0', '0'],
        ['2026-12-01T00', '1', '2000000'],
      ]),
    );
  });

  it('leaves usage sold through the gate alone', async () => {
    const calls = await scene.meter('calls', 'count');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.writer.query(
      `INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
      SELECT next_usage_position(), $1, 'sold', '2026-11-20Z', '2026-11-20Z', 1,
        json_build_object('items', json_build_array(json_build_array(number, $3::int, 1795132800000, '1', 'pay_1')))::text, ARRAY[number]
      FROM accounts WHERE id = $2`,
      [scene.provider, scene.account, calls.number],
    );
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
  });

  it('charges whole units of the running total where a price carries its fractions', async () => {
    await scene.meter('dust', 'count');
    const carried = { definition: { rate: '0.0000003' }, modifiers: { fraction: 'carry' } };
    await scene.price('dust', carried, '2026-10-01T00:00:00Z');
    for (const day of [1, 2]) await scene.use('dust', `2026-10-2${day + 6}T00:00:00Z`);
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-10-01T00', '2', '0']]);
    for (const day of [1, 2]) await scene.use('dust', `2026-11-0${day}T00:00:00Z`);
    await scene.settle();
    // 0.6 and 0.6 units: the second month charges the one that is whole.
    expect((await scene.charged()).map(([, , atomic]) => atomic)).toEqual(['0', '1']);
    for (const second of [1, 2, 3]) await scene.use('dust', `2026-10-28T00:00:0${second}Z`);
    await scene.settle();
    // Late usage of October makes its unit whole: together 2.1, still less than one unit off.
    expect((await scene.charged()).map(([, , atomic]) => atomic)).toEqual(['1', '1']);
  });

  it('charges currencies in their own minor units', async () => {
    await scene.meter('yen', 'count');
    await scene.meter('dinar', 'count');
    await scene.price('yen', { definition: { rate: '0.5' }, asset: money('JPY') }, '2026-11-01T00:00:00Z');
    await scene.price('dinar', { definition: { rate: '0.0005' }, asset: money('KWD') }, '2026-11-01T00:00:00Z');
    for (const type of ['yen', 'dinar']) for (const i of [1, 2, 3]) await scene.use(type, `2026-11-20T00:00:0${i}Z`);
    await scene.settle();
    const charges = await scene.charges();
    expect(charges.map(({ asset, atomic }) => `${asset} ${atomic}`).sort()).toEqual(['iso4217:JPY 2', 'iso4217:KWD 2']);
    await expect(
      scene.price('yen', { definition: { rate: '1' }, asset: { id: money('JPY').id, decimals: 2 } }),
    ).rejects.toMatchObject({ reason: 'invalid_price' });
  });
});

describe('a level goes on costing', () => {
  it('is due again every hour until it is zero, and over the end of the month', async () => {
    await scene.meter('bytes', 'level');
    await scene.price('bytes', '0.000001', '2026-11-01T00:00:00Z');
    scene.clock.time = at('2026-11-30T23:30:00Z');
    await scene.use('bytes', '2026-11-30T23:00:00Z', { level: '10' });
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-01T00', '18000', '18000']]);
    expect((await scene.dueRows()).map((row) => row.due_at.toISOString())).toEqual(['2026-12-01T00:00:00.000Z']);
    expect(await scene.rate.run()).toEqual({ rated: 0, changed: 0, problems: 0 });
    scene.clock.time = at('2026-12-01T00:30:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([
      ['2026-11-01T00', '36000', '36000'],
      ['2026-12-01T00', '18000', '18000'],
    ]);
    // A late level, before what was charged: the charge of the month before falls.
    await scene.use('bytes', '2026-11-30T23:30:00Z', { level: '0' });
    await scene.settle();
    expect(await scene.charged()).toEqual([
      ['2026-11-01T00', '18000', '18000'],
      ['2026-12-01T00', '0', '0'],
    ]);
    expect(await scene.dueRows()).toEqual([]);
  });

  it('is rated up to this moment for a statement', async () => {
    await scene.meter('bytes', 'level');
    await scene.price('bytes', '0.000001', '2026-11-01T00:00:00Z');
    await scene.use('bytes', '2026-11-21T11:59:00Z', { level: '1' });
    await scene.settle();
    scene.clock.time = addMs(scene.clock.time, 15_000);
    await scene.rate.rateNow({ provider: scene.provider, account: scene.account });
    expect(await scene.charged()).toEqual([['2026-11-01T00', '75', '75']]);
  });

  it('begins to cost when its price takes effect, though nothing happens then', async () => {
    await scene.meter('bytes', 'level');
    await scene.use('bytes', '2026-11-21T11:00:00Z', { level: '1' });
    await scene.price('bytes', '0.000001', '2026-11-21T13:00:00Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([]);
    scene.clock.time = at('2026-11-21T13:00:10Z');
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-21T13', '10', '10']]);
  });
});

describe('rating holds under repeats and races', () => {
  it('comes to the same when workers rate and usage arrives at once', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '0.004', '2026-11-01T00:00:00Z');
    const workers = Array.from({ length: 4 }, () => scene.rater());
    const usage = Array.from({ length: 60 }, (_, i) =>
      scene
        .use('calls', `2026-11-${String((i % 20) + 1).padStart(2, '0')}T00:00:00Z`)
        .then(() => scene.rollUp.run())
        .then(() => workers[i % 4]?.run()),
    );
    await Promise.all(usage);
    await scene.rollUp.run({ through: 'now' });
    await Promise.all(workers.map((worker) => worker.run()));
    expect(await scene.charged()).toEqual([['2026-11-01T00', '60', '240000']]);
    expect(await scene.dueRows()).toEqual([]);
    const [charge] = await scene.database.forProvider(scene.provider, (tx) => tx.charge.findMany());
    expect((await transfers()).length).toBe(charge?.revision);
  });

  it('is not undone by usage that arrives while it rates', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:00Z');
    // Rating has its total and waits to write the charge when further usage commits.
    const [blocker, watcher] = [new pg.Client(scene.db.ownerUrl), new pg.Client(scene.db.ownerUrl)];
    await Promise.all([blocker.connect(), watcher.connect()]);
    await scene.rollUp.run({ through: 'now' });
    await blocker.query('BEGIN; LOCK TABLE charges IN EXCLUSIVE MODE');
    const running = scene.rate.run();
    const waiting =
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO charges%'";
    for (let looks = 0; (await watcher.query(waiting)).rowCount === 0; looks += 1) expect(looks).toBeLessThan(5_000);
    await scene.use('calls', '2026-11-20T00:00:01Z');
    await scene.rollUp.run({ through: 'now' });
    await blocker.query('COMMIT');
    await Promise.all([blocker.end(), watcher.end()]);
    await running;
    expect(await scene.charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    expect(await scene.dueRows()).toHaveLength(1);
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-01T00', '2', '2000000']]);
  });

  it('leaves nothing behind when it is cut off half way, and comes to the same afterwards', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.rollUp.run({ through: 'now' });
    // The charge is written and its entry waits for the ledger when the session ends.
    const [blocker, watcher] = [new pg.Client(scene.db.ownerUrl), new pg.Client(scene.db.ownerUrl)];
    await Promise.all([blocker.connect(), watcher.connect()]);
    await blocker.query('BEGIN; LOCK TABLE transfers IN EXCLUSIVE MODE');
    const running = scene.rate.run();
    const cut = expect(running).rejects.toThrow(/stay due/);
    const waiting =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%post_transfers%'";
    for (let looks = 0; (await watcher.query(waiting)).rowCount === 0; looks += 1) expect(looks).toBeLessThan(5_000);
    await cut;
    await blocker.query('COMMIT');
    await Promise.all([blocker.end(), watcher.end()]);
    expect(await scene.charges()).toEqual([]);
    expect(await scene.dueRows()).toHaveLength(1);
    await scene.settle();
    expect(await scene.charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
  });

  it('rates the others when one cannot be rated, says why, and tries again', async () => {
    await scene.meter('jobs', 'count', { groupBy: ['region'] });
    await scene.meter('calls', 'count');
    const matrix = { dimensions: ['region'], rates: [{ match: { region: 'eu' }, rate: '1' }] };
    await scene.price('jobs', { model: 'matrix', definition: matrix }, '2026-11-01T00:00:00Z');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    const stray = await scene.use('jobs', '2026-11-20T00:00:00Z', { dimensions: { region: 'mars' } });
    await scene.use('jobs', '2026-11-20T00:00:00Z', { dimensions: { region: 'eu' } });
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.rollUp.run({ through: 'now' });
    expect(await scene.rate.run()).toEqual({ rated: 2, changed: 1, problems: 1 });
    expect(await scene.charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    const [problem, ...none] = await scene.database.forProvider(scene.provider, (tx) => new RatingProblems().list(tx));
    expect(none).toEqual([]);
    expect(problem).toMatchObject({ account: scene.account, problem: expect.stringContaining('mars') });
    expect(problem?.dueAt).toBe(addMs(scene.clock.now(), 3_600_000));
    // Nothing is due before the hour is over; then it is tried again, and once the event is mended it is charged.
    expect(await scene.rate.run()).toEqual({ rated: 0, changed: 0, problems: 0 });
    scene.clock.time = addMs(scene.clock.time, 3_600_000);
    expect(await scene.rate.run()).toMatchObject({ rated: 1, problems: 1 });
    await scene.void(stray);
    await scene.settle();
    expect((await scene.charged()).map(([, quantity]) => quantity)).toEqual(['1', '1']);
    expect(await scene.dueRows()).toEqual([]);
  });

  it('tells an error of ours, and rates the others', async () => {
    const broken = await scene.meter('broken', 'count');
    await scene.meter('calls', 'count');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.database.forProvider(scene.provider, (tx) =>
      tx.price.create({
        data: {
          id: `prc_${scene.provider.slice(4)}`,
          providerId: scene.provider,
          meterId: broken.id,
          model: 'of_the_future',
          definition: {},
          asset: USDC.id,
          assetDecimals: 6,
          effectiveAt: new Date('2026-11-01T00:00:00Z'),
        },
      }),
    );
    await scene.use('broken', '2026-11-20T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.rollUp.run({ through: 'now' });
    await expect(scene.rate.run()).rejects.toThrow(/1 of 2/);
    expect(await scene.charged()).toEqual([['2026-11-01T00', '1', '1000000']]);
    expect(await scene.dueRows()).toMatchObject([{ problem: expect.stringContaining('of_the_future') }]);
    await scene.writer.query('DELETE FROM rating_due WHERE provider_id = $1', [scene.provider]);
  });

  it('keeps the history of charges for good', async () => {
    await scene.meter('calls', 'count');
    await scene.price('calls', '1', '2026-11-01T00:00:00Z');
    await scene.use('calls', '2026-11-20T00:00:00Z');
    await scene.settle();
    const change = scene.database.forProvider(
      scene.provider,
      (tx) => tx.$executeRaw`UPDATE charge_revisions SET amount_change = 0`,
    );
    await expect(change).rejects.toThrow(/permission denied|append-only/);
  });
});

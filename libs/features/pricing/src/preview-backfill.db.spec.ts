import type { SentEvent } from '@core/metering';
import { formatInstant, parsePeriod } from '@core/time';
import { at, money, RatingScene } from '../../../../test/support/rating-scene.js';

let scene: RatingScene;
const FROM = '2026-10-01T00:00:00Z';

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin('2026-11-03T12:00:00Z'));
afterAll(() => scene.end());

let serial = 0;
const event = (time: string, value: string, subject = 'agent-1'): SentEvent => {
  serial += 1;
  return { source: '/b', id: `b${serial}`, type: 'used', subject, time, data: { value } };
};
const draft = async (events: readonly SentEvent[], replaces?: { from: string; to: string }) => {
  const { id } = await scene.backfills.create({
    provider: scene.provider,
    ...(replaces ? { replaces: { type: 'used', from: at(replaces.from), to: at(replaces.to) } } : {}),
  });
  const added = await scene.backfills.add({ provider: scene.provider, backfill: id, events, now: scene.clock.now() });
  expect(added.verdicts).toEqual([]);
  return id;
};
const preview = (backfill: string) => scene.preview.run({ provider: scene.provider, backfill });
/** Everything a preview could have left behind. */
const traces = () =>
  Promise.all(
    [
      'usage_cells',
      'usage_values',
      'usage_points',
      'charges',
      'charge_revisions',
      'transfers',
      'rating_due',
      'usage_log',
      'usage_corrections',
    ].map((table) =>
      scene.writer
        .query(`SELECT md5(string_agg(t::text, '' ORDER BY t::text)) AS rows FROM ${table} t`)
        .catch(async () =>
          scene.database.forProvider(scene.provider, (tx) =>
            tx.$queryRawUnsafe(`SELECT md5(string_agg(t::text, '' ORDER BY t::text)) AS rows FROM ${table} t`),
          ),
        ),
    ),
  );

describe('a preview of a backfill in money', () => {
  it('is what committing it changes later, and leaves no trace', async () => {
    await scene.meter('used', 'sum');
    await scene.price(
      'used',
      { model: 'graduated', definition: { tiers: [{ upTo: '10', rate: '1' }, { rate: '0.5' }] } },
      FROM,
    );
    const other = await scene.another('other');
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '8' });
    await scene.use('used', '2026-10-11T00:00:00Z', { value: '3' }, 'other');
    await scene.settle();
    const [before, otherBefore] = [await scene.owed(), await scene.owed(other)];
    const backfill = await draft(
      [
        event('2026-10-10T01:00:00Z', '14'),
        event('2026-09-30T00:00:00Z', '100'),
        event('2026-11-02T00:00:00Z', '2', 'other'),
      ],
      { from: '2026-10-10T00:00:00Z', to: '2026-10-11T00:00:00Z' },
    );
    const untouched = await traces();
    const told = await preview(backfill);
    expect(await traces()).toEqual(untouched);
    expect(told.problems).toEqual([]);
    expect(told.changes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ account: scene.account, before, after: 12_000_000n }),
        expect.objectContaining({ account: other, before: otherBefore, after: otherBefore + 2_000_000n }),
      ]),
    );
    expect(await preview(backfill)).toEqual(told);

    await scene.backfills.commit({ provider: scene.provider, backfill, now: scene.clock.now() });
    await scene.settle();
    for (const { account, after } of told.changes) expect(await scene.owed(account)).toBe(after);
    await scene.backfills.revert({ provider: scene.provider, backfill, now: scene.clock.now() });
    await scene.settle();
    expect([await scene.owed(), await scene.owed(other)]).toEqual([before, otherBefore]);
  });

  it('counts what a plan asks across its items, and corrections of a closed period', async () => {
    await scene.meter('used', 'sum');
    const items = [{ meter: 'used', model: 'per_unit', definition: { rate: '1' } }];
    await scene.plan('pro', items, { minimum: '10' }, money('USD'));
    await scene.move('pro', FROM);
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '4' });
    await scene.settle();
    await scene.close.run({ provider: scene.provider, period: parsePeriod('2026-10') });
    expect(await scene.owed()).toBe(1000n);
    const backfill = await draft([event('2026-10-20T00:00:00Z', '9')]);
    const told = await preview(backfill);
    expect(told.changes).toMatchObject([{ account: scene.account, before: 1000n, after: 1300n, decimals: 2 }]);
    await scene.backfills.commit({ provider: scene.provider, backfill, now: scene.clock.now() });
    await scene.settle();
    expect(await scene.owed()).toBe(1300n);
    const late = (await scene.charges()).filter(({ window }) => window.start >= at('2026-11-01T00:00:00Z'));
    expect(late.every(({ service }) => formatInstant(service.start).startsWith('2026-10'))).toBe(true);
  });

  it('names what could not be rated', async () => {
    await scene.meter('used', 'sum', { groupBy: ['region'] });
    const matrix = { dimensions: ['region'], rates: [{ match: { region: 'eu' }, rate: '1' }] };
    await scene.price('used', { model: 'matrix', definition: matrix }, FROM);
    const backfill = await draft([
      { ...event('2026-10-20T00:00:00Z', '9'), data: { value: '9', dimensions: { region: 'mars' } } },
    ]);
    const told = await preview(backfill);
    expect(told.changes).toEqual([]);
    expect(told.problems).toMatchObject([{ account: scene.account, problem: expect.stringContaining('mars') }]);
  });
});

import fc from 'fast-check';
import { formatDecimal } from '@core/money';
import { formatInstant, parsePeriod } from '@core/time';
import { at, money, RatingScene } from '../../../../test/support/rating-scene.js';
import { PeriodReader } from './index.js';

let scene: RatingScene;
const FROM = '2026-10-01T00:00:00Z';
const october = parsePeriod('2026-10');
const tiers = [{ upTo: '10', rate: '1' }, { rate: '0.5' }];

beforeAll(async () => {
  scene = await RatingScene.open();
});
beforeEach(() => scene.begin('2026-11-03T12:00:00Z'));
afterAll(() => scene.end());

const close = (period = october) => scene.close.run({ provider: scene.provider, period });
/** Charges as [window month, service month, quantity, atomic, id of what it corrects]. */
const told = async () =>
  (await scene.charges()).map(({ window, service, quantity, atomic, corrects }) => [
    formatInstant(window.start).slice(5, 7),
    formatInstant(service.start).slice(5, 7),
    formatDecimal(quantity),
    Number(atomic),
    corrects,
  ]);

describe('a closed period never changes (M4)', () => {
  it('late usage, a void and an amendment are corrected in the open month, naming the original', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', { model: 'graduated', definition: { tiers } }, FROM);
    const first = await scene.use('used', '2026-10-10T00:00:00Z', { value: '8' });
    await scene.use('used', '2026-11-01T00:00:00Z', { value: '3' });
    const { outcome, closed } = await close();
    expect(outcome).toBe('closed');
    expect(closed.position).toBeGreaterThan(0n);
    const [original] = await scene.charges();
    expect(original).toMatchObject({ atomic: 8_000_000n, revision: 1 });
    const unchanged = () => scene.charges().then(([now]) => expect(now).toEqual(original));

    await scene.use('used', '2026-10-20T00:00:00Z', { value: '6' });
    await scene.settle();
    // 14 units cost 10 + 4 × 0.5: the tiers are those of October.
    expect(await told()).toEqual([
      ['10', '10', '8', 8_000_000, undefined],
      ['11', '10', '6', 4_000_000, original?.id],
      ['11', '11', '3', 3_000_000, undefined],
    ]);
    await scene.void(first);
    await scene.settle();
    expect(await told()).toEqual([
      ['10', '10', '8', 8_000_000, undefined],
      ['11', '10', '-2', -2_000_000, original?.id],
      ['11', '11', '3', 3_000_000, undefined],
    ]);
    await unchanged();

    // November is closed with its correction; what comes then is corrected in December.
    scene.clock.time = at('2026-12-02T00:00:00Z');
    expect((await close(parsePeriod('2026-11'))).outcome).toBe('closed');
    const late = await scene.use('used', '2026-10-29T00:00:00Z', { value: '1' });
    await scene.settle();
    expect((await told()).slice(3)).toEqual([['12', '10', '1', 1_000_000, original?.id]]);
    await scene.amend(late, { value: '2.5' });
    await scene.settle();
    expect((await told()).slice(3)).toEqual([['12', '10', '2.5', 2_500_000, original?.id]]);
    await unchanged();
    expect(await scene.owed()).toBe(8_500_000n + 3_000_000n);
  });

  it('usage nothing was charged for before is charged in the open month', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', '1', FROM);
    await close();
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '2' });
    await scene.settle();
    expect(await told()).toEqual([['11', '10', '2', 2_000_000, undefined]]);
  });

  it('a minimum that was made up is not charged a second time', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', { definition: { rate: '1' }, modifiers: { minimum: '10' }, asset: money('USD') }, FROM);
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '4' });
    await close();
    await scene.use('used', '2026-10-11T00:00:00Z', { value: '3' });
    await scene.settle();
    expect((await told()).map(([, , quantity, atomic]) => [quantity, atomic])).toEqual([
      ['4', 1000],
      ['3', 0],
    ]);
    expect((await scene.charges())[1]?.lines.map(({ kind, exact }) => [kind, formatDecimal(exact)])).toEqual([
      ['usage', '3'],
      ['minimum', '-3'],
    ]);
    await scene.use('used', '2026-10-11T00:00:00Z', { value: '7' });
    await scene.settle();
    expect(await scene.owed()).toBe(1400n);
  });

  it('the database refuses what the code would not do', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', '1', FROM);
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '2' });
    await close();
    const owner = (sql: string) => scene.database.forProvider(scene.provider, (tx) => tx.$executeRawUnsafe(sql));
    await expect(owner('UPDATE charges SET amount = 1')).rejects.toThrow(/is closed/);
    await expect(
      owner(`INSERT INTO charges (id, provider_id, account_id, price_id, window_start, window_end, service_start, service_end, quantity, asset, amount, exact)
        SELECT 'chg_x', provider_id, account_id, price_id, window_start, window_end, service_start - interval '1 h', service_end, 0, asset, 0, 0 FROM charges`),
    ).rejects.toThrow(/is closed/);
    await expect(owner('DELETE FROM closed_periods')).rejects.toThrow(/permission denied|append-only/);
  });

  it('nor is it priced anew', async () => {
    await scene.meter('used', 'sum');
    await scene.plan('pro', [{ meter: 'used', model: 'per_unit', definition: { rate: '1' } }]);
    await close();
    await expect(scene.price('used', '1', '2026-10-31T00:00:00Z')).rejects.toMatchObject({ reason: 'period_closed' });
    await expect(scene.override('used', { definition: { rate: '1' } }, FROM)).rejects.toMatchObject({
      reason: 'period_closed',
    });
    await expect(scene.move('pro', FROM)).rejects.toMatchObject({
      reason: 'period_closed',
      details: { earliest: '2026-11-01T00:00:00.000Z' },
    });
  });

  it('fractions carried over the close are charged in the open month', async () => {
    await scene.meter('dust', 'count');
    await scene.price('dust', { definition: { rate: '0.0000004' }, modifiers: { fraction: 'carry' } }, FROM);
    await scene.use('dust', '2026-10-10T00:00:00Z');
    await scene.use('dust', '2026-11-02T00:00:00Z');
    await close();
    for (const second of [1, 2]) await scene.use('dust', `2026-10-10T00:00:0${second}Z`);
    await scene.settle();
    // 0.4 | 0.8 + 0.4: one whole unit of 1.6.
    expect(await scene.owed()).toBe(1n);
    await scene.use('dust', '2026-11-02T00:00:01Z');
    await scene.settle();
    expect(await scene.owed()).toBe(2n);
  });
});

describe('closing', () => {
  it('rates all that waits first, also usage nobody rolled up', async () => {
    await scene.meter('used', 'sum');
    await scene.meter('bytes', 'level');
    await scene.price('used', '1', FROM);
    await scene.price('bytes', '0.000001', FROM);
    await scene.use('used', '2026-10-10T00:00:00Z', { value: '2' });
    await scene.use('bytes', '2026-10-31T23:59:00Z', { level: '1' });
    await close();
    expect(await told()).toEqual(
      expect.arrayContaining([
        ['10', '10', '2', 2_000_000, undefined],
        ['10', '10', '60', 60, undefined],
      ]),
    );
  });

  it('is done once, in order, of months that are over', async () => {
    await scene.meter('used', 'sum');
    const [first, second] = await Promise.all([close(), close()]);
    expect([first.outcome, second.outcome].sort()).toEqual(['already_closed', 'closed']);
    expect(await close(parsePeriod('2026-09'))).toEqual({ outcome: 'already_closed', closed: first.closed });
    await expect(close(parsePeriod('2026-11'))).rejects.toMatchObject({ reason: 'invalid_period' });
    await expect(close(parsePeriod('2026-09-01'))).rejects.toMatchObject({ reason: 'invalid_period' });
    const list = await scene.database.forProvider(scene.provider, (tx) => new PeriodReader().list(tx));
    expect(list).toEqual([first.closed]);
  });

  it('names what cannot be rated, and closes once it is mended', async () => {
    await scene.meter('jobs', 'count', { groupBy: ['region'] });
    const matrix = { dimensions: ['region'], rates: [{ match: { region: 'eu' }, rate: '1' }] };
    await scene.price('jobs', { model: 'matrix', definition: matrix }, FROM);
    const stray = await scene.use('jobs', '2026-10-20T00:00:00Z', { dimensions: { region: 'mars' } });
    await expect(close()).rejects.toMatchObject({
      reason: 'usage_not_rated',
      details: { problems: [{ account: scene.account, problem: expect.stringContaining('mars') }] },
    });
    await scene.amend(stray, { dimensions: { region: 'eu' } });
    expect((await close()).outcome).toBe('closed');
    expect(await scene.owed()).toBe(1_000_000n);
  });

  it('at once with rating and usage loses nothing: what is not in the month is corrected', async () => {
    await scene.meter('used', 'sum');
    await scene.price('used', '1', FROM);
    const usage = Array.from({ length: 24 }, (_, i) =>
      scene
        .use('used', `2026-10-${String(i + 1).padStart(2, '0')}T00:00:00Z`, { value: '1' })
        .then(() => scene.rollUp.run())
        .then(() => scene.rate.run()),
    );
    await Promise.all([...usage, close()]);
    await scene.settle();
    expect(await scene.owed()).toBe(24_000_000n);
    const open = (await scene.charges()).filter(({ window }) => window.start >= october.end);
    const before = (await scene.charges()).find(({ window }) => window.start < october.end);
    for (const charge of open) expect(charge.corrects).toBe(before?.id);
  });

  it('whenever it happens, what an account owes is the same', async () => {
    const steps = fc.array(
      fc.record({ day: fc.integer({ min: 1, max: 28 }), value: fc.integer({ min: 1, max: 9 }), undo: fc.boolean() }),
      { minLength: 3, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(7), async (events, closing) => {
        await scene.begin('2026-11-03T12:00:00Z');
        await scene.meter('used', 'sum');
        await scene.price('used', { model: 'graduated', definition: { tiers } }, FROM);
        let units = 0;
        for (const [i, { day, value, undo }] of events.entries()) {
          if (i === closing % events.length) await close();
          const id = await scene.use('used', `2026-10-${String(day).padStart(2, '0')}T00:00:00Z`, {
            value: `${value}`,
          });
          if (i % 2 === 0) await scene.settle();
          if (undo) await scene.void(id);
          else units += value;
        }
        await scene.settle();
        const expected = units <= 10 ? units * 1_000_000 : 10_000_000 + (units - 10) * 500_000;
        expect(await scene.owed()).toBe(BigInt(expected));
      }),
      { numRuns: 8 },
    );
  });
});

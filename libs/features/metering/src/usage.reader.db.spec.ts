import fc from 'fast-check';
import { type Level, type SentEvent, levelIntegral } from '@core/metering';
import { ZERO, addDecimals, formatDecimal, parseDecimal } from '@core/money';
import { type Clock, type Period, addMs, formatInstant, instant, parsePeriod } from '@core/time';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import {
  type TestDatabase,
  type SeededProvider,
  createTestDatabase,
  seedProvider,
} from '../../../../test/support/database.js';
import { CreateMeter, IngestUsage, UsageReader } from './index.js';

const now = instant(Date.UTC(2026, 10, 30, 23));
const clock: Clock = { now: () => now };
const november = parsePeriod('2026-11');
const reader = new UsageReader();

let db: TestDatabase;
let database: Database;
let writer: Writer;
let ingest: IngestUsage;
let seeded: SeededProvider;

const event = (id: string, type: string, time: string, data: SentEvent['data']): SentEvent => ({
  source: '/t',
  id,
  type,
  subject: 'agent-1',
  time,
  data,
});
const send = async (events: SentEvent[]) => {
  const result = await ingest.run({ provider: seeded.provider, events, now: clock.now() });
  expect(result.rejected + result.conflict).toBe(0);
};
const meterNamed = async (name: string, aggregation: 'count' | 'sum' | 'level') =>
  (await new CreateMeter(database, new SystemIds()).run({ provider: seeded.provider, name, aggregation, unit: 'unit' }))
    .meter;

beforeAll(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 4);
  writer = new Writer(db.writerUrl, 4);
  ingest = new IngestUsage(writer, new Outbox());
});
beforeEach(async () => {
  seeded = await seedProvider(db);
});
afterAll(async () => {
  await Promise.all([database.close(), writer.close()]);
  await db.drop();
});

describe('usage in SQL', () => {
  it('counts and sums exactly, empty windows as 0, ends excluded', async () => {
    const calls = await meterNamed('calls', 'count');
    const seconds = await meterNamed('seconds', 'sum');
    await send([
      event('1', 'calls', '2026-11-03T00:00:00Z', null),
      event('2', 'calls', '2026-11-03T23:59:59.999Z', null),
      event('3', 'calls', '2026-11-05T00:00:00Z', null),
      event('4', 'seconds', '2026-11-03T10:00:00Z', { value: '0.1' }),
      event('5', 'seconds', '2026-11-03T11:00:00Z', { value: '0.2' }),
    ]);
    await database.forProvider(seeded.provider, async (tx) => {
      const range: Period = { start: parsePeriod('2026-11-03').start, end: parsePeriod('2026-11-05').start };
      const days = await reader.windows(tx, { account: seeded.account, meter: calls, range, asOf: now, window: 'day' });
      expect(days.map(({ quantity }) => formatDecimal(quantity))).toEqual(['2', '0']);
      const total = await reader.total(tx, { account: seeded.account, meter: seconds, range: november, asOf: now });
      expect(formatDecimal(total)).toBe('0.3');
      const hours = await reader.windows(tx, {
        account: seeded.account,
        meter: calls,
        range: november,
        asOf: now,
        window: 'hour',
      });
      expect(hours).toHaveLength(720);
      const [month] = await reader.windows(tx, {
        account: seeded.account,
        meter: calls,
        range: november,
        asOf: now,
        window: 'month',
      });
      expect(month && formatDecimal(month.quantity)).toBe('3');
    });
  });

  it('gives the worked byte-seconds of November 2026', async () => {
    const bytes = await meterNamed('bytes', 'level');
    await send([
      event('3', 'bytes', '2026-11-20T06:00:00Z', { level: '0' }),
      event('1', 'bytes', '2026-11-01T00:00:00Z', { level: '5000000000' }),
      event('2', 'bytes', '2026-11-10T12:00:00Z', { level: '12000000000' }),
    ]);
    await database.forProvider(seeded.provider, async (tx) => {
      const query = { account: seeded.account, meter: bytes, range: november, asOf: now };
      expect(formatDecimal(await reader.total(tx, query))).toBe('14212800000000000');
      const days = await reader.windows(tx, { ...query, window: 'day' });
      expect(days).toHaveLength(30);
      expect(formatDecimal(days.reduce((sum, { quantity }) => addDecimals(sum, quantity), ZERO))).toBe(
        '14212800000000000',
      );
      // 10 November: half a day of either level.
      expect(days[9] && formatDecimal(days[9].quantity)).toBe(String((5e9 + 12e9) * 43_200));
    });
  });

  it('adds usage paid through the gate as the quantity that was sold, and leaves it out for rating', async () => {
    const calls = await meterNamed('calls', 'count');
    const bytes = await meterNamed('bytes', 'level');
    await send([
      event('1', 'calls', '2026-11-03T00:00:00Z', null),
      event('2', 'bytes', '2026-11-03T00:00:00Z', { level: '2' }),
    ]);
    for (const [id, meter, quantity] of [
      ['pay_1', calls.id, '3'],
      ['pay_2', bytes.id, '1000.5'],
    ]) {
      await writer.query(
        `INSERT INTO usage_events (provider_id, source, event_id, meter_id, account_id, time, value, content_hash, payment_id)
        VALUES ($1, 'farebox:gate', $2, $3, $4, '2026-11-03T00:00:05Z', $5, decode(repeat('00', 32), 'hex'), $2)`,
        [seeded.provider, id, meter, seeded.account, quantity],
      );
    }
    await database.forProvider(seeded.provider, async (tx) => {
      const range: Period = { start: november.start, end: addMs(parsePeriod('2026-11-03').start, 10_000) };
      const total = async (meter: typeof calls, unpaidOnly: boolean) =>
        formatDecimal(await reader.total(tx, { account: seeded.account, meter, range, asOf: now, unpaidOnly }));
      expect([await total(calls, false), await total(calls, true)]).toEqual(['4', '1']);
      expect([await total(bytes, false), await total(bytes, true)]).toEqual(['1020.5', '20']);
    });
  });

  it('refuses more windows than anyone reads', async () => {
    const calls = await meterNamed('calls', 'count');
    const range: Period = { start: november.start, end: addMs(november.start, 2_001 * 3_600_000) };
    const query = { account: seeded.account, meter: calls, range, asOf: now, window: 'hour' as const };
    await expect(database.forProvider(seeded.provider, (tx) => reader.windows(tx, query))).rejects.toMatchObject({
      reason: 'too_many_windows',
    });
  });

  it('follows the one rule of levels: SQL equals core on any data, in windows and in whole', async () => {
    const at = fc.integer({ min: 0, max: 3 * 86_400_000 }).map((ms) => addMs(november.start, ms - (ms % 250)));
    const digits = fc.bigInt(0n, 10n ** 20n).map((units) => formatDecimal({ units, scale: 6 }));
    const drafts = fc.array(
      fc.record({
        resource: fc.constantFrom('', 'a', 'b', 'ü'),
        time: fc.oneof(at, fc.constantFrom(addMs(november.start, 1_000), november.start)),
        text: digits,
      }),
      {
        maxLength: 15,
      },
    );
    const ranges = fc
      .tuple(at, at, at)
      .map(([a, b, asOf]) => ({ range: { start: instant(Math.min(a, b)), end: instant(Math.max(a, b) + 250) }, asOf }));
    let round = 0;
    await fc.assert(
      fc.asyncProperty(drafts, ranges, async (levels, { range, asOf }) => {
        round += 1;
        const meter = await meterNamed(`bytes.${round}`, 'level');
        await send(
          levels.map(({ resource, time, text }, i) =>
            event(`${round}-${i}`, meter.name, formatInstant(time), { level: text, ...(resource ? { resource } : {}) }),
          ),
        );
        const model = levels.map(({ resource, time, text }, i): Level => ({
          resource,
          time,
          receipt: BigInt(i),
          level: parseDecimal(text) ?? ZERO,
        }));
        await database.forProvider(seeded.provider, async (tx) => {
          const query = { account: seeded.account, meter, range, asOf };
          expect(formatDecimal(await reader.total(tx, query))).toBe(formatDecimal(levelIntegral(model, range, asOf)));
          for (const { period, quantity } of await reader.windows(tx, { ...query, window: 'day' })) {
            expect(formatDecimal(quantity)).toBe(formatDecimal(levelIntegral(model, period, asOf)));
          }
          const held = new Map<string, Level>();
          for (const level of [...model].sort((a, b) => a.time - b.time || Number(a.receipt - b.receipt)))
            if (level.time <= asOf) held.set(level.resource, level);
          const goesOn =
            [...held.values()].some(({ level }) => level.units > 0n) || model.some(({ time }) => time > asOf);
          expect(await reader.accrues(tx, { account: seeded.account, meter: meter.id, at: asOf })).toBe(goesOn);
        });
      }),
      { numRuns: 60 },
    );
  });
});

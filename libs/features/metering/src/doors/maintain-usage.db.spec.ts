import type { SentEvent } from '@core/metering';
import { formatInstant, instant } from '@core/time';
import { Database, Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import pg from 'pg';
import {
  type SeededProvider,
  type TestDatabase,
  createTestDatabase,
  seedProvider,
} from '../../../../../test/support/database.js';
import { IdentityMemory } from './identity-memory.js';
import { IdentityStore, eventIdentity } from './identity.store.js';
import { CreateMeter, IngestUsage, MaintainUsage } from '../index.js';

const now = instant(Date.UTC(2026, 10, 21, 12));

let db: TestDatabase;
let database: Database;
let writers: Writer[];
let seeded: SeededProvider;

const event = (id: number): SentEvent => ({
  source: '/test',
  id: `e${id}`,
  type: 'api.calls',
  subject: 'agent-1',
  time: formatInstant(now),
});
const writerAt = (i: number): Writer => {
  const writer = writers[i];
  if (!writer) throw new Error(`there is no writer ${i}`);
  return writer;
};
const segments = () =>
  writerAt(0).query<{ segment: number; closed: boolean; ids: string | null; bytes: number | null }>(
    'SELECT segment, closed_at IS NOT NULL AS closed, ids::text, length(filter) AS bytes FROM identity_segments ORDER BY segment',
  );
const asOwner = async (statement: string): Promise<void> => {
  const client = new pg.Client(db.ownerUrl);
  await client.connect();
  await client.query(statement);
  await client.end();
};

beforeEach(async () => {
  db = await createTestDatabase();
  database = new Database(db.appUrl, 2);
  writers = [0, 1, 2].map(() => new Writer(db.writerUrl, 6));
  seeded = await seedProvider(db);
  const meters = new CreateMeter(database, new SystemIds(), { now: () => now });
  await meters.run({ provider: seeded.provider, name: 'api.calls', aggregation: 'count', unit: 'call' });
});
afterEach(async () => {
  await Promise.all([database.close(), ...writers.map((writer) => writer.close())]);
  await db.drop();
});

describe('segments of identities', () => {
  it('take over what waits when it is enough; their identities stay taken', async () => {
    const ingest = new IngestUsage(writerAt(0));
    const maintain = new MaintainUsage(writerAt(2), 100);
    const run = (from: number, to: number) =>
      ingest.run({
        provider: seeded.provider,
        events: Array.from({ length: to - from }, (_, i) => event(from + i)),
        now,
      });
    const waiting = async () =>
      (
        await writerAt(0).query<{ ids: string }>(
          'SELECT coalesce(sum(octet_length(records) / 28), 0)::text AS ids FROM identity_runs',
        )
      )[0]?.ids;
    await run(0, 99);
    expect(await maintain.run()).toEqual({ forgotten: 0 });
    await run(99, 150);
    expect(await waiting()).toBe('150');
    expect(await maintain.run()).toEqual({ folded: 1, forgotten: 0 });
    expect(await maintain.run()).toEqual({ forgotten: 0 });
    expect(await waiting()).toBe('0');
    expect(await segments()).toEqual([{ segment: 1, closed: true, ids: '150', bytes: 320 }]);
    const [pages] = await writerAt(0).query<{ ids: string; most: number }>(
      'SELECT sum(octet_length(records) / 36)::text AS ids, max(octet_length(records)) AS most FROM identity_pages',
    );
    expect(pages?.ids).toBe('150');
    expect(pages?.most).toBeLessThan(3_000);
    // The first call does not know of the segment, the later ones do, and so does a new process.
    for (const door of [ingest, ingest, new IngestUsage(writerAt(1))]) {
      const again = await door.run({ provider: seeded.provider, events: [event(0), event(149)], now });
      expect([again.duplicate, again.accepted]).toEqual([2, 0]);
    }
    const memory = IdentityMemory.of(writerAt(0));
    await memory.refresh(writerAt(0));
    expect(memory.size).toBe(0);
    expect(await run(100, 300)).toMatchObject({ duplicate: 50, accepted: 150 });
    expect(await maintain.run()).toEqual({ folded: 2, forgotten: 0 });
    expect(await run(140, 310)).toMatchObject({ duplicate: 160, accepted: 10 });
    const found = await new IdentityStore(writerAt(0)).find(
      writerAt(0),
      eventIdentity(seeded.provider, '/test', 'e10'),
    );
    expect(found?.ordinal).toBe(10);
  });

  it('may be filled while two processes race with the same identities: each counts once', async () => {
    const doors = [new IngestUsage(writerAt(0)), new IngestUsage(writerAt(1))];
    const maintain = new MaintainUsage(writerAt(2), 40);
    let folded = 0;
    const fold = async () => {
      if ((await maintain.run()).folded !== undefined) folded += 1;
    };
    const [total, width] = [3_000, 60];
    let accepted = 0;
    let repeated = 0;
    const send = async (door: IngestUsage, first: number) => {
      const events = Array.from({ length: width }, (_, i) => event((first + i * 7) % total));
      const answer = await door.run({ provider: seeded.provider, events, now });
      accepted += answer.accepted;
      repeated += answer.duplicate;
    };
    const rounds = 200;
    for (let round = 0; round < rounds; round += 4) {
      const firsts = [0, 1, 2, 3].map((i) => ((round + i) * 131) % total);
      await Promise.all([fold(), ...firsts.flatMap((first) => doors.map((door) => send(door, first)))]);
    }
    expect(folded).toBeGreaterThan(3);
    const distinct = new Set(
      Array.from({ length: rounds }, (_, round) =>
        Array.from({ length: width }, (_, i) => (((round * 131) % total) + i * 7) % total),
      ).flat(),
    ).size;
    expect([accepted, repeated]).toEqual([distinct, 2 * rounds * width - distinct]);
    const [log] = await writerAt(0).query<{ counting: string }>(
      'SELECT sum(events - coalesce(cardinality(skip), 0))::text AS counting FROM usage_log WHERE provider_id = $1',
      [seeded.provider],
    );
    expect(log?.counting).toBe(String(distinct));
    const [kept] = await writerAt(0).query<{ all: string; distinct: string }>(
      `SELECT count(*)::text AS all, count(DISTINCT identity)::text AS distinct FROM (
        SELECT substr(records, i * 28 + 1, 16) AS identity FROM identity_runs, generate_series(0, octet_length(records) / 28 - 1) i
        UNION ALL SELECT substr(records, i * 36 + 1, 16) FROM identity_pages, generate_series(0, octet_length(records) / 36 - 1) i) k`,
    );
    expect(kept).toEqual({ all: String(distinct), distinct: String(distinct) });
  });

  it('are forgotten after 13 months, with their pages', async () => {
    const ingest = new IngestUsage(writerAt(0));
    const send = (id: number) => ingest.run({ provider: seeded.provider, events: [event(id)], now });
    const maintain = new MaintainUsage(writerAt(2), 1);
    await send(1);
    await maintain.run();
    await send(2);
    await maintain.run();
    await asOwner("UPDATE identity_segments SET closed_at = now() - interval '13 months'");
    expect((await maintain.run()).forgotten).toBe(0);
    expect(await send(1)).toMatchObject({ duplicate: 1 });
    // The last one stays, as it says how far runs are folded.
    await asOwner("UPDATE identity_segments SET closed_at = now() - interval '13 months 2 days'");
    expect((await maintain.run()).forgotten).toBe(1);
    // A process that took them itself may know them for longer.
    const others = new IngestUsage(writerAt(1));
    const sendThere = (id: number) => others.run({ provider: seeded.provider, events: [event(id)], now });
    expect([await sendThere(1), await sendThere(2)]).toMatchObject([{ accepted: 1 }, { duplicate: 1 }]);
    expect((await segments()).map(({ segment }) => segment)).toEqual([2]);
    await maintain.run();
    expect((await segments()).map(({ segment }) => segment)).toEqual([3]);
    expect(await send(1)).toMatchObject({ duplicate: 1 });
  });
});

describe('MaintainUsage', () => {
  it('makes the months of the log ahead of time', async () => {
    const next =
      "to_regclass('usage_log_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', 'YYYY_MM'))";
    await asOwner(
      "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'usage_log_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', 'YYYY_MM')); END $$",
    );
    const present = async () =>
      (await writerAt(0).query<{ present: boolean }>(`SELECT ${next} IS NOT NULL AS present`))[0]?.present;
    expect(await present()).toBe(false);
    await new MaintainUsage(writerAt(2)).run();
    expect(await present()).toBe(true);
  });
});

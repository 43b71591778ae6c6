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
import { IdentityFilters } from './identity-filter.js';
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
  writerAt(0).query<{ segment: number; closed: boolean; ids: string; bytes: number | null }>(
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
  it('are closed when they are full, and get a filter; their identities stay taken', async () => {
    const ingest = new IngestUsage(writerAt(0));
    const maintain = new MaintainUsage(writerAt(2), 100);
    const run = (from: number, to: number) =>
      ingest.run({
        provider: seeded.provider,
        events: Array.from({ length: to - from }, (_, i) => event(from + i)),
        now,
      });
    await run(0, 99);
    expect(await maintain.run()).toEqual({ filtered: [], forgotten: 0 });
    await run(99, 150);
    expect(await maintain.run()).toEqual({ closed: 1, filtered: [1], forgotten: 0 });
    expect(await segments()).toEqual([
      { segment: 1, closed: true, ids: '150', bytes: 225 },
      { segment: 2, closed: false, ids: '0', bytes: null },
    ]);
    // The first call does not know of the filter, the later ones do, and so does a new process.
    for (const door of [ingest, ingest, new IngestUsage(writerAt(1))]) {
      const again = await door.run({ provider: seeded.provider, events: [event(0), event(149)], now });
      expect([again.duplicate, again.accepted]).toEqual([2, 0]);
    }
    await IdentityFilters.of(writerAt(0)).load();
    expect(await run(100, 300)).toMatchObject({ duplicate: 50, accepted: 150 });
    expect(await maintain.run()).toEqual({ closed: 2, filtered: [2], forgotten: 0 });
    expect(await run(140, 310)).toMatchObject({ duplicate: 160, accepted: 10 });
    const store = new IdentityStore(writerAt(0));
    const found = await writerAt(0).transaction((tx) => store.find(tx, eventIdentity(seeded.provider, '/test', 'e10')));
    expect(found?.ordinal).toBe(10);
  });

  it('may be closed while two processes race with the same identities: each counts once', async () => {
    const doors = [new IngestUsage(writerAt(0)), new IngestUsage(writerAt(1))];
    const maintain = new MaintainUsage(writerAt(2), 150);
    let racing = true;
    const closing = (async () => {
      let closed = 0;
      while (racing) if ((await maintain.run()).closed !== undefined) closed += 1;
      return closed;
    })();
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
      await Promise.all(firsts.flatMap((first) => doors.map((door) => send(door, first))));
    }
    racing = false;
    expect(await closing).toBeGreaterThan(3);
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
      'SELECT count(*)::text AS all, count(DISTINCT identity)::text AS distinct FROM usage_identities',
    );
    expect(kept).toEqual({ all: String(distinct), distinct: String(distinct) });
  });

  it('are forgotten after 13 months, with their filters', async () => {
    const ingest = new IngestUsage(writerAt(0));
    const send = () => ingest.run({ provider: seeded.provider, events: [event(1)], now });
    const maintain = new MaintainUsage(writerAt(2), 1);
    await send();
    await maintain.run();
    await asOwner("UPDATE identity_segments SET closed_at = now() - interval '13 months' WHERE segment = 1");
    expect((await maintain.run()).forgotten).toBe(0);
    expect(await send()).toMatchObject({ duplicate: 1 });
    await asOwner("UPDATE identity_segments SET closed_at = now() - interval '13 months 2 days' WHERE segment = 1");
    expect((await maintain.run()).forgotten).toBe(1);
    expect(await send()).toMatchObject({ accepted: 1 });
    expect((await segments()).map(({ segment }) => segment)).toEqual([2]);
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

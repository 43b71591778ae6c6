import { randomUUID } from 'node:crypto';
import { CreateMeter } from '@features/metering';
import { Database } from '@platform/database';
import { SystemClock, SystemIds } from '@platform/system';
import { setTimeout as pause } from 'node:timers/promises';
import type { Farebox } from './farebox.js';
import { cpuSeconds, postgresCpuSeconds } from './processes.js';
import { ACCOUNTS, type Content, COPY_TABLE, METERS, eventsOf, isRepeat, tallyOf } from './usage-load.events.js';
import { type Load, type LoadTask, UsageLoad } from './usage-load.process.js';

const DAY_MS = 86_400_000;
const NOW = Date.now();
/** Senders at once, each of which waits for an answer before it sends again. */
export const SENDERS = Number(process.env['BENCH_SENDERS'] ?? 32);
const FILL_SECONDS = 600;
/** How long the roll-up may take to catch up before the bench gives up. */
const CATCH_UP_MS = 120_000;

type Door = Exclude<LoadTask['kind'], 'copy'>;

export interface Ingested extends Load {
  /** Events per second, until the last acknowledgement … */
  readonly perSecond: number;
  /** … and until all of them were in the derived rows. */
  readonly aggregatedPerSecond: number;
  /** Seconds between the two. */
  readonly lag: number;
  /** Events per second of processor time of api, worker and database, until aggregated; 0 where the system does not say. */
  readonly perCpuSecond: number;
  /** Microseconds of processor time an event, by who took it. */
  readonly costs: Readonly<Record<'api' | 'worker' | 'database' | 'generator', number>>;
}

export interface Copied {
  /** Rows per second. */
  readonly perSecond: number;
  /** Rows per second of processor time of the database. */
  readonly perCpuSecond: number;
}

/**
 * Usage arriving at Farebox as fast as it is taken, beside COPY into a bare table of the same server. What was acknowledged is
 * remembered, and can be proven to be what is stored and aggregated.
 */
export class UsageScene {
  readonly #load = new UsageLoad();
  /** `account meter` → [count, sum] that must be in the cells. */
  readonly #expected = new Map<string, [bigint, bigint]>();
  #events = 0;
  #copied = 0;
  private constructor(
    private readonly farebox: Farebox,
    private readonly data: string,
    private readonly days: number,
  ) {}

  /** Defines the meters and accounts that the load speaks of. `days`: how many the events are spread over, up to now. */
  static async set(farebox: Farebox, days = 1): Promise<UsageScene> {
    const database = new Database(farebox.config.DATABASE_URL, 2);
    const [ids, clock] = [new SystemIds(), new SystemClock()];
    try {
      for (const meter of METERS)
        await new CreateMeter(database, ids, clock).run({ provider: farebox.provider, ...meter });
    } finally {
      await database.close();
    }
    await farebox.owner.query(
      `INSERT INTO accounts (id, provider_id, name)
      SELECT 'acct_' || md5(name), $1, name FROM unnest($2::text[]) AS name`,
      [farebox.provider, ACCOUNTS],
    );
    await farebox.owner.query(COPY_TABLE);
    const { rows } = await farebox.owner.query<{ data_directory: string }>('SHOW data_directory');
    return new UsageScene(farebox, rows[0]?.data_directory ?? '', days);
  }

  /** Copies for so many seconds, over so many sessions at once. */
  async copy(size: number, seconds: number, sessions: number): Promise<Copied> {
    const before = postgresCpuSeconds(this.data) ?? 0;
    const { ownerUrl: url } = this.farebox.db;
    const load = await this.#load.run({ ...this.#task('copy', size, seconds), url, connections: sessions });
    await this.#noSessions();
    const taken = (postgresCpuSeconds(this.data) ?? 0) - before;
    this.#copied += load.events;
    return { perSecond: (load.events / load.ms) * 1_000, perCpuSecond: taken > 0 ? load.events / taken : 0 };
  }

  /** Forgets what was copied, once it is proven to be there. */
  async clearCopied(): Promise<void> {
    const found = await this.farebox.count('SELECT count(*) FROM copied_events');
    if (found !== this.#copied) throw new Error(`${this.#copied} rows were copied and ${found} are there`);
    await this.farebox.owner.query('TRUNCATE copied_events');
    this.#copied = 0;
  }

  /** Sends for so many seconds, without waiting for the derived rows. */
  async send(kind: Door, size: number, seconds: number): Promise<Load> {
    const load = await this.#load.run(this.#task(kind, size, seconds));
    this.#expect(load, size);
    return load;
  }

  /** Fills the log through the stream door up to so many events, and waits until all of it is in the derived rows. */
  async fill(events: number): Promise<void> {
    const size = 1_000;
    const mostEvents = events - this.#events - SENDERS * size;
    const load = await this.#load.run({ ...this.#task('stream', size, FILL_SECONDS), mostEvents });
    this.#expect(load, size);
    await this.#caughtUp();
  }

  /** Sends for so many seconds and waits until all of it is in the derived rows. */
  async ingest(kind: Door, size: number, seconds: number): Promise<Ingested> {
    const before = this.#cpu();
    const load = await this.send(kind, size, seconds);
    const acknowledged = performance.now();
    await this.#caughtUp();
    const lag = performance.now() - acknowledged;
    const after = this.#cpu();
    const taken = (who: keyof typeof after): number => after[who] - before[who];
    const cost = (who: keyof typeof after): number => (taken(who) / load.events) * 1e6;
    const servers = taken('api') + taken('worker') + taken('database');
    return {
      ...load,
      perSecond: (load.events / load.ms) * 1_000,
      aggregatedPerSecond: (load.events / (load.ms + lag)) * 1_000,
      lag: lag / 1_000,
      perCpuSecond: servers > 0 ? load.events / servers : 0,
      costs: { api: cost('api'), worker: cost('worker'), database: cost('database'), generator: cost('generator') },
    };
  }

  /** Sent = stored = aggregated, by account and meter. @throws Error that says what differs */
  async prove(): Promise<void> {
    const stored = await this.farebox
      .count(`SELECT coalesce(sum(l.events - coalesce(cardinality(l.skip), 0) - coalesce(cardinality(s.ordinals), 0)), 0)
      FROM usage_log l LEFT JOIN usage_skips s USING (position) WHERE l.provider_id = '${this.farebox.provider}'`);
    if (stored !== this.#events) throw new Error(`${this.#events} events were acknowledged and ${stored} are stored`);
    for (const grain of [15, 1440]) {
      const { rows } = await this.farebox.owner.query<{ key: string; count: string; sum: string }>(
        `SELECT a.name || ' ' || m.name AS key, sum(c.count)::text AS count, trim_scale(sum(c.sum))::text AS sum
        FROM usage_cells c JOIN accounts a ON a.number = c.account JOIN meters m ON m.number = c.meter
        WHERE c.grain = $1 GROUP BY 1`,
        [grain],
      );
      const found = new Map(rows.map(({ key, count, sum }) => [key, `${count} events, ${sum}`]));
      const wrong = [...this.#expected].find(([key, [count, sum]]) => found.get(key) !== `${count} events, ${sum}`);
      if (wrong) {
        const [key, [count, sum]] = wrong;
        throw new Error(`${key}: sent ${count} events, ${sum}; cells of ${grain} minutes have ${found.get(key)}`);
      }
      if (found.size > this.#expected.size) throw new Error('there are cells of usage that was never sent');
    }
    const held = await this.farebox.count('SELECT count(*) FROM usage_held');
    if (held > 0) throw new Error(`${held} events are held`);
  }

  /** How many events were acknowledged as new. */
  get acknowledged(): number {
    return this.#events;
  }

  /** Some events as anyone would send them, for which the caller answers: they are counted as acknowledged. */
  someEvents(size: number): object[] {
    this.#events += size;
    return Array.from({ length: size }, (_, i) => ({
      specversion: '1.0',
      id: randomUUID(),
      source: '/known',
      type: METERS[0]?.name,
      subject: ACCOUNTS[i % ACCOUNTS.length],
      time: new Date(NOW).toISOString(),
    }));
  }

  stop(): void {
    this.#load.stop();
  }

  /** Processor time so far, in seconds. */
  #cpu(): Record<keyof Ingested['costs'], number> {
    const of = (servers: Parameters<typeof cpuSeconds>[0]): number => cpuSeconds(servers) ?? 0;
    return {
      api: of(this.farebox.named('api')),
      worker: of(this.farebox.named('worker')),
      generator: of([{ pid: this.#load.pid }]),
      database: postgresCpuSeconds(this.data) ?? 0,
    };
  }

  #task(kind: LoadTask['kind'], size: number, seconds: number): LoadTask {
    const { url, key, provider } = this.farebox;
    return { kind, content: this.#content(size), seconds, url, key, provider, connections: SENDERS };
  }

  #content(size: number): Content {
    const { days } = this;
    return days === 1
      ? { variants: 32, size, t0: NOW - 60_000, days }
      : { variants: 10 * days, size, t0: NOW - days * DAY_MS, days };
  }

  #expect({ firsts, others, events }: Load, size: number): void {
    this.#events += events;
    const counts = [
      [firsts, () => false],
      [others, isRepeat],
    ] as const;
    for (const [batches, except] of counts) {
      for (const [variant, times] of batches.entries()) {
        if (times === 0) continue;
        for (const [account, meter, count, sum] of tallyOf(eventsOf(variant, this.#content(size)), except)) {
          const expected = this.#expected.get(`${account} ${meter}`) ?? [0n, 0n];
          expected[0] += BigInt(count) * BigInt(times);
          expected[1] += BigInt(sum) * BigInt(times);
          this.#expected.set(`${account} ${meter}`, expected);
        }
      }
    }
  }

  /** Waits until the sessions of COPY have ended: then the server has their processor time. */
  async #noSessions(): Promise<void> {
    while ((await this.farebox.count("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%'")) > 0)
      await pause(10);
  }

  async #caughtUp(): Promise<void> {
    const end = performance.now() + CATCH_UP_MS;
    while ((await this.farebox.count(BEHIND)) > 0) {
      if (performance.now() > end) throw new Error(`the roll-up did not catch up within ${CATCH_UP_MS / 1_000} s`);
      await pause(10);
    }
  }
}

const BEHIND = `SELECT (SELECT last_value FROM usage_log_position) - (SELECT position FROM usage_cursors WHERE name = 'roll-up')`;

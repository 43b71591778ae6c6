import { type LoggedEvent, packEvents } from '@core/metering';
import { type Clock, type Instant, type Period, formatInstant, instant, parseInstant } from '@core/time';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type SeededProvider, type TestDatabase } from './database.js';
import {
  CreateMeter,
  type MeterDefinition,
  MeterReader,
  RebuildUsage,
  type RollUpOptions,
  RollUpUsage,
  type StoredMeter,
} from '@features/metering';

export const at = (text: string): Instant => parseInstant(text) ?? instant(Number.NaN);
export const period = (start: string, end: string): Period => ({ start: at(start), end: at(end) });

/** An entry of the usage log as a test writes it. */
interface WrittenEntry {
  readonly kind: 'stream' | 'open' | 'sold' | 'change';
  /** Text is taken as it is, anything else as JSON. */
  readonly body: unknown;
  readonly events: number;
  readonly since: number;
  readonly until: number;
  readonly accounts: readonly number[];
  readonly skip?: readonly number[];
}

/** A provider of a test's own, its accounts by the names `agent-1` and `agent-2`, and the parts that follow its log. */
export class WrittenLog {
  #events = 0;

  private constructor(
    readonly db: TestDatabase,
    readonly database: Database,
    readonly writer: Writer,
    readonly clock: Clock,
    readonly seeded: SeededProvider,
    /** Numbers by subject. */
    readonly accounts: ReadonlyMap<string, number>,
  ) {}

  static async open(clock: Clock): Promise<WrittenLog> {
    const db = await createTestDatabase();
    return WrittenLog.#with(db, new Database(db.appUrl, 4), new Writer(db.writerUrl, 6), clock);
  }

  static async #with(db: TestDatabase, database: Database, writer: Writer, clock: Clock): Promise<WrittenLog> {
    const seeded = await seedProvider(db);
    await writer.query('INSERT INTO accounts (id, provider_id, name) VALUES ($1, $2, $3)', [
      `${seeded.account}2`,
      seeded.provider,
      'agent-2',
    ]);
    const rows = await writer.query<{ name: string; number: number }>(
      'SELECT name, number FROM accounts WHERE provider_id = $1',
      [seeded.provider],
    );
    return new WrittenLog(db, database, writer, clock, seeded, new Map(rows.map(({ name, number }) => [name, number])));
  }

  /** The same database with another provider. */
  another(clock = this.clock): Promise<WrittenLog> {
    return WrittenLog.#with(this.db, this.database, this.writer, clock);
  }

  get provider(): string {
    return this.seeded.provider;
  }

  /** Of `agent-1`. */
  get account(): number {
    return this.accounts.get('agent-1') ?? 0;
  }

  rollUp(options: RollUpOptions = {}): RollUpUsage {
    return new RollUpUsage(this.writer, new Outbox(), this.clock, options);
  }

  rebuild(mostSeries?: number): RebuildUsage {
    return new RebuildUsage(this.writer, mostSeries);
  }

  async meter(definition: Omit<MeterDefinition, 'provider'>, clock = this.clock): Promise<StoredMeter> {
    const create = new CreateMeter(this.database, new SystemIds(), clock);
    return (await create.run({ provider: this.provider, ...definition })).meter;
  }

  async fresh(meter: StoredMeter): Promise<StoredMeter> {
    const found = await this.database.forProvider(this.provider, (tx) =>
      new MeterReader().find(tx, meter.id, this.clock.now()),
    );
    return found ?? meter;
  }

  event(type: string, time: string | number, data: Partial<LoggedEvent> = {}): LoggedEvent {
    this.#events += 1;
    return {
      source: '/t',
      id: `e${this.#events}`,
      type,
      subject: 'agent-1',
      time: typeof time === 'string' ? at(time) : instant(time),
      timeStated: true,
      ...data,
    };
  }

  batch(events: readonly LoggedEvent[], kind: WrittenEntry['kind'] = 'open'): WrittenEntry {
    const body = packEvents(events);
    const times = events.map(({ time }) => time);
    return {
      kind,
      body,
      events: events.length,
      since: Math.min(...times),
      until: Math.max(...times),
      accounts: body.accounts.map((subject) => this.accounts.get(subject) ?? 0),
    };
  }

  send(events: readonly LoggedEvent[], kind: WrittenEntry['kind'] = 'open', skip?: readonly number[]): Promise<bigint> {
    return this.append({ ...this.batch(events, kind), ...(skip ? { skip } : {}) });
  }

  sell(meter: StoredMeter, time: string | number, quantity: string): Promise<bigint> {
    const ms = typeof time === 'string' ? at(time) : time;
    return this.append({
      kind: 'sold',
      body: { items: [[this.account, meter.number, ms, quantity, `pay_${(this.#events += 1)}`]] },
      events: 1,
      since: ms,
      until: ms,
      accounts: [this.account],
    });
  }

  async append(entry: WrittenEntry): Promise<bigint> {
    const rows = await this.writer.query<{ position: string }>(
      `INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts, skip)
      VALUES (next_usage_position(), $1, $2, $3::timestamptz, $4::timestamptz, $5, $6, $7, $8) RETURNING position::text`,
      [
        this.provider,
        entry.kind,
        formatInstant(instant(entry.since)),
        formatInstant(instant(entry.until)),
        entry.events,
        typeof entry.body === 'string' ? entry.body : JSON.stringify(entry.body),
        entry.accounts,
        entry.skip ?? null,
      ],
    );
    return BigInt(rows[0]?.position ?? 0);
  }

  held(): Promise<{ reason: string; state: string; ordinal: number; id: string }[]> {
    return this.writer.query(
      "SELECT reason, state, ordinal, event ->> 'id' AS id FROM usage_held WHERE provider_id = $1 ORDER BY position, ordinal",
      [this.provider],
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.database.close(), this.writer.close()]);
    await this.db.drop();
  }
}

import { Fault } from '@core/faults';
import type { Writer } from '@platform/database';
import { IDENTITY_BYTES } from './event-identity.js';
import { addToFilter, emptyFilter, hashesAt } from './identity-filter.js';

/** A row of an identity takes at least so many bytes of its table, so a smaller table cannot be full. */
const LEAST_ROW_BYTES = 64;
/** Identities read at a time while a filter is made. */
const READ_TOGETHER = 100_000;

export interface Maintained {
  /** The segment of identities that was closed, if one was full. */
  readonly closed?: number;
  /** The closed segments that got their filter. */
  readonly filtered: readonly number[];
  /** How many segments older than 13 months were forgotten. */
  readonly forgotten: number;
}

/**
 * Keeps the tables of ingest in shape: the months of the usage log ahead of time, segments of identities closed before their index
 * outgrows memory, filters for the closed ones. May run at any time, in several processes at once; what it does not get done, the
 * next run does.
 */
export class MaintainUsage {
  /** @param identities how many identities a segment takes before it is closed */
  constructor(
    private readonly writer: Writer,
    private readonly identities = 2_000_000,
  ) {}

  async run(): Promise<Maintained> {
    await this.#withoutHoldingUp(
      'SELECT ensure_usage_month(now() + make_interval(months => ahead)) FROM generate_series(0, 2) AS ahead',
    );
    const closed = await this.#closeFull();
    const filtered = await this.#filter();
    const [row] = await this.#withoutHoldingUp<{ forgotten: number }>(
      "SELECT drop_identity_segments(now() - interval '13 months 1 day') AS forgotten",
    );
    return { ...(closed === undefined ? {} : { closed }), filtered, forgotten: row?.forgotten ?? 0 };
  }

  async #closeFull(): Promise<number | undefined> {
    const [open] = await this.writer.query<{ segment: number; bytes: string }>(
      "SELECT segment, pg_relation_size(format('usage_identities_%s', segment)::regclass)::text AS bytes FROM identity_segments WHERE closed_at IS NULL",
    );
    if (!open) throw new Fault('invariant_broken', 'no segment of identities is open');
    if (Number(open.bytes) < this.identities * LEAST_ROW_BYTES) return undefined;
    const [count] = await this.writer.query<{ ids: string }>(
      'SELECT count(*)::text AS ids FROM usage_identities WHERE segment = $1',
      [open.segment],
    );
    if (Number(count?.ids ?? 0) < this.identities) return undefined;
    return this.writer
      .transaction(async (tx) => {
        await tx.query("SET LOCAL lock_timeout = '2s'");
        // Another process may have closed it meanwhile; whoever comes second leaves the new one alone.
        await tx.query("SELECT pg_advisory_xact_lock(hashtext('farebox.identities'))");
        const rows = await tx.query(
          'SELECT open_identity_segment() FROM identity_segments WHERE segment = $1 AND closed_at IS NULL',
          [open.segment],
        );
        return rows.length > 0 ? open.segment : undefined;
      })
      .catch(later<undefined>(undefined));
  }

  /** Makes the filters of closed segments that have none. Their rows never change, so two processes make the same. */
  async #filter(): Promise<number[]> {
    const segments = await this.writer.query<{ segment: number }>(
      'SELECT segment FROM identity_segments WHERE closed_at IS NOT NULL AND filter IS NULL ORDER BY segment',
    );
    for (const { segment } of segments) {
      const [count] = await this.writer.query<{ ids: string }>(
        'SELECT count(*)::text AS ids FROM usage_identities WHERE segment = $1',
        [segment],
      );
      const ids = Number(count?.ids ?? 0);
      const filter = emptyFilter(ids);
      for await (const page of this.#pages(segment)) {
        for (let at = 0; at < page.length; at += IDENTITY_BYTES) addToFilter(filter, ...hashesAt(page, at));
      }
      await this.writer.query('UPDATE identity_segments SET filter = $2, ids = $3 WHERE segment = $1', [
        segment,
        filter,
        ids,
      ]);
    }
    return segments.map(({ segment }) => segment);
  }

  /** The identities of a segment, following each other in buffers. */
  async *#pages(segment: number): AsyncGenerator<Buffer> {
    let after: Buffer = Buffer.alloc(0);
    for (;;) {
      const [row] = await this.writer.query<{ page: Buffer | null }>(
        `SELECT string_agg(p.identity, ''::bytea ORDER BY p.identity) AS page
        FROM (SELECT identity FROM usage_identities WHERE segment = $1 AND identity > $2 ORDER BY identity LIMIT ${READ_TOGETHER}) p`,
        [segment, after],
      );
      if (!row?.page) return;
      yield row.page;
      after = row.page.subarray(-IDENTITY_BYTES);
    }
  }

  /** Changes to tables wait for whoever uses them, and hold up whoever comes after: not for long, and then later. */
  async #withoutHoldingUp<Row extends object>(statement: string): Promise<Row[]> {
    return this.writer
      .transaction(async (tx) => {
        await tx.query("SET LOCAL lock_timeout = '2s'");
        return tx.query<Row & Record<string, unknown>>(statement);
      })
      .catch(later<Row[]>([]));
  }
}

/** PostgreSQL's code for a lock that was not had in time. */
const LOCK_NOT_AVAILABLE = '55P03';

const later =
  <T>(otherwise: T) =>
  (error: unknown): T => {
    if (error instanceof Error && Reflect.get(error, 'code') === LOCK_NOT_AVAILABLE) return otherwise;
    throw error;
  };

import type { Writer, WriterTx } from '@platform/database';
import { integerArray } from './binary-arrays.js';
import { positionsOf } from './identity-memory.js';
import { RECORD_BYTES, bytesOf, wordsOf } from './identity-record.js';
import { SegmentBuilder } from './segment-builder.js';

/** Runs read, and pages written, at a time. */
const RUNS = 64;
const PAGES = 2_000;
/** Most identities of one segment: what is folded is in memory meanwhile, about 70 bytes each. */
const MOST = 2_000_000;

/**
 * Folds the oldest runs of identities into a segment, in one transaction: either all of it is there and the runs are gone, or
 * nothing is. Of two at once one has nothing to do.
 */
export class FoldIdentities {
  /** @param least as many identities must wait before it is worth a segment */
  constructor(
    private readonly writer: Writer,
    private readonly least: number,
  ) {}

  /** @returns the segment that was filled, if there was enough to fill one */
  async run(): Promise<number | undefined> {
    const [waiting] = await this.writer.query<{ ids: string }>(
      `SELECT coalesce(sum(octet_length(records) / ${RECORD_BYTES}), 0)::text AS ids FROM identity_runs`,
    );
    if (Number(waiting?.ids ?? 0) < this.least) return undefined;
    // By itself: making a table keeps readers of its siblings out until the transaction ends.
    await this.writer.transaction(async (tx) => {
      await tx.query("SET LOCAL lock_timeout = '2s'");
      await tx.query('SELECT open_identity_segment()');
    });
    return this.writer.transaction((tx) => this.#fold(tx));
  }

  async #fold(tx: WriterTx): Promise<number | undefined> {
    const [open] = await tx.query<{ segment: number }>(
      'SELECT segment FROM identity_segments WHERE closed_at IS NULL FOR UPDATE SKIP LOCKED',
    );
    if (!open) return undefined;
    const [part] = await tx.query<{ through: string | null; ids: string | null }>(
      `SELECT max(run)::text AS through, max(ids)::text AS ids FROM (
        SELECT run, sum(octet_length(records) / ${RECORD_BYTES}) OVER (ORDER BY run) AS ids, row_number() OVER (ORDER BY run) AS place
        FROM identity_runs
      ) r WHERE ids <= ${MOST} OR place = 1`,
    );
    const ids = Number(part?.ids ?? 0);
    // Another process may just have done it.
    if (!part || part.through === null || ids < this.least) return undefined;
    const builder = new SegmentBuilder(ids);
    await this.#read(tx, part.through, builder);
    for (const { buckets, offs, lens, records } of builder.pages(PAGES)) {
      await tx.query(
        `INSERT INTO identity_pages (segment, bucket, records)
        SELECT $1, p.bucket, substr($5::bytea, p.off + 1, p.len) FROM unnest($2::integer[], $3::integer[], $4::integer[]) AS p (bucket, off, len)`,
        [open.segment, integerArray(buckets), integerArray(offs), integerArray(lens), bytesOf(records)],
      );
    }
    await tx.query(
      'UPDATE identity_segments SET closed_at = now(), through = $2::bigint, ids = $3, buckets = $4, filter = $5 WHERE segment = $1',
      [open.segment, part.through, ids, builder.buckets, bytesOf(builder.filter)],
    );
    await tx.query('DELETE FROM identity_runs WHERE run <= $1::bigint', [part.through]);
    return open.segment;
  }

  /** Whoever sees a run sees all before it, so what is read up to the last one is complete. */
  async #read(tx: WriterTx, through: string, builder: SegmentBuilder): Promise<void> {
    for (let after = '0'; ;) {
      const rows = await tx.query<{ run: string; records: Buffer; positions: string; counts: number[] }>(
        `SELECT run::text, records, positions::text, counts FROM identity_runs
        WHERE run > $1::bigint AND run <= $2::bigint ORDER BY identity_runs.run LIMIT ${RUNS}`,
        [after, through],
      );
      for (const { run, records, positions, counts } of rows) {
        builder.add(wordsOf(records), positionsOf(positions), counts);
        after = run;
      }
      if (rows.length < RUNS) return;
    }
  }
}

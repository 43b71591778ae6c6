import { Fault } from '@core/faults';
import type { Instant } from '@core/time';
import { at, type Database } from '@platform/database';

/** A stream of numbered batches, as far as it has arrived. */
interface StreamView {
  readonly stream: string;
  /** As its first batch stated it. */
  readonly source: string;
  /** The highest number stored. */
  readonly highest: number;
  /** Every batch up to this one is stored. */
  readonly completeThrough: number;
  readonly batches: number;
  readonly events: number;
  /** The first runs of numbers between those two that are not stored, both ends included. */
  readonly missing: readonly { readonly from: number; readonly to: number }[];
  readonly firstAt: Instant;
  readonly lastAt: Instant;
}

interface StreamPage {
  readonly streams: readonly StreamView[];
  /** Where the next page begins; absent on the last one. */
  readonly next?: string;
}

const MOST_STREAMS = 500;
const MOST_MISSING = 100;

/** What is known of a provider's streams, the one heard of last first. */
export class ListStreams {
  constructor(private readonly database: Database) {}

  /** @throws Fault invalid_request for a cursor or limit that is none */
  async run(input: {
    readonly provider: string;
    readonly source?: string | undefined;
    readonly stream?: string | undefined;
    /** Only streams with missing batches. */
    readonly incomplete?: boolean | undefined;
    readonly cursor?: string | undefined;
    readonly limit?: number | undefined;
  }): Promise<StreamPage> {
    const { provider, source = null, stream = null, incomplete = false, limit = 100 } = input;
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_STREAMS) {
      throw new Fault('invalid_request', `"limit" is a whole number from 1 to ${MOST_STREAMS}.`, {
        reason: 'invalid_limit',
      });
    }
    const [before, beside] = readCursor(input.cursor);
    return this.database.forProvider(provider, async (tx) => {
      const rows = await tx.$queryRaw<
        {
          stream: string;
          source: string;
          highest: bigint;
          through: bigint;
          batches: bigint;
          events: bigint;
          first_at: Date;
          last_at: Date;
          missing: { from: number; to: number }[] | null;
        }[]
      >`
        SELECT s.stream::text AS stream, s.source, s.highest, s.complete_through AS through, s.batches, s.events, s.first_at, s.last_at,
          CASE WHEN s.complete_through < s.highest THEN (
            SELECT jsonb_agg(jsonb_build_object('from', g.previous + 1, 'to', g.seq - 1) ORDER BY g.seq) FROM (
              SELECT n.seq, n.previous FROM (
                SELECT l.seq, lag(l.seq, 1, s.complete_through) OVER (ORDER BY l.seq) AS previous
                FROM usage_log l WHERE l.stream = s.stream AND l.provider_id = s.provider_id AND l.seq > s.complete_through
              ) n WHERE n.seq > n.previous + 1 ORDER BY n.seq LIMIT ${MOST_MISSING}
            ) g
          ) END AS missing
        FROM (
          SELECT * FROM usage_streams u
          WHERE (${source}::text IS NULL OR u.source = ${source}::text)
            AND (${stream}::text IS NULL OR u.stream::text = ${stream}::text)
            AND (NOT ${incomplete}::boolean OR u.complete_through < u.highest)
            AND (${before}::bigint IS NULL OR (u.last_at, u.stream) < (timestamptz 'epoch' + ${before}::bigint * interval '1 millisecond', ${beside}::uuid))
          ORDER BY u.last_at DESC, u.stream DESC LIMIT ${limit + 1}::integer
        ) s ORDER BY s.last_at DESC, s.stream DESC`;
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        streams: page.map((row) => ({
          stream: row.stream,
          source: row.source,
          highest: Number(row.highest),
          completeThrough: Number(row.through),
          batches: Number(row.batches),
          events: Number(row.events),
          missing: row.missing ?? [],
          firstAt: at(row.first_at),
          lastAt: at(row.last_at),
        })),
        ...(rows.length > limit && last ? { next: `${at(last.last_at)}.${last.stream}` } : {}),
      };
    });
  }
}

function readCursor(cursor: string | undefined): [before: bigint | null, beside: string | null] {
  if (cursor === undefined) return [null, null];
  const match = /^(\d{1,15})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(cursor);
  if (!match?.[1] || !match[2]) {
    throw new Fault('invalid_request', 'That is not a cursor: use the "next" of the page before, unchanged.', {
      reason: 'invalid_cursor',
    });
  }
  return [BigInt(match[1]), match[2]];
}

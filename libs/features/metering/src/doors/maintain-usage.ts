import type { Writer } from '@platform/database';
import { FoldIdentities } from './fold-identities.js';

interface Maintained {
  /** The segment that identities were folded into, if enough of them waited. */
  readonly folded?: number;
  /** How many segments older than 13 months were forgotten. */
  readonly forgotten: number;
}

/** Identities that wait before they are folded: few enough to be kept exactly, and enough to make large segments. */
const FOLDED_FROM = 1_000_000;

/**
 * Keeps the tables of ingest in shape: the months of the usage log ahead of time, identities folded into segments, old segments
 * forgotten. May run at any time, in several processes at once; what it does not get done, the next run does.
 */
export class MaintainUsage {
  readonly #fold: FoldIdentities;

  /** @param identities how many identities wait before they are folded */
  constructor(
    private readonly writer: Writer,
    identities = FOLDED_FROM,
  ) {
    this.#fold = new FoldIdentities(writer, identities);
  }

  async run(): Promise<Maintained> {
    await this.#withoutHoldingUp(
      'SELECT ensure_usage_month(now() + make_interval(months => ahead)) FROM generate_series(0, 2) AS ahead',
    );
    const folded = await this.#fold.run().catch(later<undefined>(undefined));
    const [row] = await this.#withoutHoldingUp<{ forgotten: number }>(
      "SELECT drop_identity_segments(now() - interval '13 months 1 day') AS forgotten",
    );
    return { ...(folded === undefined ? {} : { folded }), forgotten: row?.forgotten ?? 0 };
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

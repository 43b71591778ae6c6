import type { Receipt } from '@core/metering';
import type { Writer, WriterTx } from '@platform/database';
import { bigintArray, bytesArray, integerArray } from './binary-arrays.js';
import { type BatchIdentities, IDENTITY_BYTES, MARK_BYTES } from './event-identity.js';
import { IdentityFilters } from './identity-filter.js';

export { contentMark, eventIdentity } from './event-identity.js';

/** An identity to be taken for the event under a receipt. */
export interface IdentityClaim extends Receipt {
  /** {@link eventIdentity} */
  readonly identity: Buffer;
  /** {@link contentMark}; absent where a repeat is to be compared with the event itself. */
  readonly content: bigint | undefined;
}

export const POSITION_BYTES = 8;

/** Identities to be taken, by place. */
export interface IdentityClaims extends BatchIdentities {
  /** Positions of the receipts, highest byte first, one after the other. */
  readonly positions: Buffer;
  readonly ordinals: readonly number[];
}

/** What an identity was taken by before. */
export interface TakenIdentity {
  readonly receipt: Receipt;
  /** Whether it says the same; undefined where that has to be seen from the events. */
  readonly same: boolean | undefined;
  /** Whether that event has been voided since. */
  readonly voided: boolean;
}

/** Who an identity (provider, source, id) belongs to: the first that claimed it, for at least 13 months. */
export class IdentityStore {
  readonly #filters: IdentityFilters;

  constructor(writer: Writer) {
    this.#filters = IdentityFilters.of(writer);
  }

  /**
   * Takes the identities, each once; of two with the same one the earlier in the list. Two transactions with the same identities
   * wait for each other, so claim all of a transaction's identities in one call.
   * @returns for each of them, in order: undefined when it was new, else what it was taken by before
   */
  async claim(tx: WriterTx, items: readonly IdentityClaim[]): Promise<readonly (TakenIdentity | undefined)[]> {
    const identities = Buffer.concat(items.map(({ identity }) => identity));
    const marks = Buffer.alloc(items.length * MARK_BYTES);
    const positions = Buffer.alloc(items.length * POSITION_BYTES);
    const unmarked = new Uint8Array(items.length);
    items.forEach(({ content, position }, i) => {
      if (content === undefined) unmarked[i] = 1;
      else marks.writeBigInt64BE(content, i * MARK_BYTES);
      positions.writeBigInt64BE(position, i * POSITION_BYTES);
    });
    const ordinals = items.map(({ ordinal }) => ordinal);
    const taken = await this.claimAll(tx, { identities, marks, unmarked, positions, ordinals });
    return items.map((_, i) => taken.get(i));
  }

  /** The same for very many: those that were taken before, by place. */
  async claimAll(tx: WriterTx, claims: IdentityClaims): Promise<ReadonlyMap<number, TakenIdentity>> {
    const { identities, marks, unmarked, positions, ordinals } = claims;
    if (ordinals.length === 0) return new Map();
    await this.#filters.ready();
    const probes = this.#filters.probes(identities);
    const rows = await tx.query<{
      place: number;
      position: string;
      ordinal: number;
      same: boolean | null;
      voided: boolean;
    }>('SELECT place, position::text, ordinal, same, voided FROM claim_identities($1, $2, $3, $4, $5, $6, $7, $8)', [
      bytesArray(identities, IDENTITY_BYTES),
      bigintArray(marks, unmarked),
      bigintArray(positions, new Uint8Array(ordinals.length)),
      integerArray(ordinals),
      integerArray(probes.segments),
      bytesArray(identities, IDENTITY_BYTES, probes.places),
      integerArray(probes.known),
      probes.careful,
    ]);
    this.#filters.taken(
      probes,
      rows.map(({ place }) => place - 1),
    );
    const closed = await tx.query<{ segment: number }>(
      'SELECT segment FROM identity_segments WHERE filter IS NOT NULL AND segment <> ALL ($1::integer[])',
      [probes.known],
    );
    this.#filters.learn(closed.map(({ segment }) => segment));
    return new Map(
      rows.map(({ place, position, ordinal, same, voided }) => [
        place - 1,
        { receipt: { position: BigInt(position), ordinal }, same: same ?? undefined, voided },
      ]),
    );
  }

  /** The receipt an identity is taken for. */
  async find(tx: Pick<WriterTx, 'query'>, identity: Buffer): Promise<Receipt | undefined> {
    const rows = await tx.query<{ position: string; ordinal: number }>(
      `SELECT position::text, ordinal FROM usage_identities
      WHERE identity = $1 AND segment = ANY (ARRAY(SELECT s.segment FROM identity_segments s))`,
      [identity],
    );
    const [row] = rows;
    return row ? { position: BigInt(row.position), ordinal: row.ordinal } : undefined;
  }
}

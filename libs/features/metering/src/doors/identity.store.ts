import type { Receipt } from '@core/metering';
import type { Writer, WriterTx } from '@platform/database';
import { IdentityMemory } from './identity-memory.js';
import {
  type Holder,
  ID_BYTES,
  ID_WORDS,
  RECORD_WORDS,
  bytesOf,
  markAt,
  sameMark,
  wordsOf,
} from './identity-record.js';
import { ownRepeats } from './own-repeats.js';
import type { Querying } from '../log/query-rows.js';

export { eventIdentity, identityRecord } from './event-identity.js';

/** What an identity was taken by before. */
export interface TakenIdentity {
  readonly receipt: Receipt;
  /** Whether it says the same; undefined where that has to be seen from the events. */
  readonly same: boolean | undefined;
  /** Whether that event has been voided since. */
  readonly voided: boolean;
}

/** A repeat that others made of an identity since the caller looked, as claim_identities tells it. */
export interface LateRepeat {
  readonly at: number;
  readonly n: number;
  readonly ordinal: number;
  readonly position: string;
  readonly record: string;
}

/** Who holds the identity of a late repeat. */
export function lateHolder({ position, record }: LateRepeat): Holder {
  const words = wordsOf(Buffer.from(record, 'hex'));
  return { position: BigInt(position), ordinal: words[RECORD_WORDS - 1] ?? 0, mark: markAt(words, 0) };
}

/** Who an identity (provider, source, id) belongs to: the first that claimed it, for at least 13 months. */
export class IdentityStore {
  readonly #memory: IdentityMemory;

  constructor(writer: Writer) {
    this.#memory = IdentityMemory.of(writer);
  }

  /**
   * Lets nobody else take identities until the end of the transaction. To be called before the transaction takes a position of
   * the log: whoever holds a position must not wait for identities.
   */
  async lock(tx: WriterTx): Promise<void> {
    await this.#memory.refresh(tx);
    await tx.query("SELECT pg_advisory_xact_lock(hashtext('farebox.identities'))");
  }

  /**
   * Takes the identities of records for the events of one entry, each once; of two with the same one the earlier in the list.
   * To be called once in a transaction, after {@link lock}. Nothing of it is remembered here: what is committed is learnt
   * like that of any other process.
   * @returns by place, those that were taken before
   */
  async claim(
    tx: WriterTx,
    position: bigint,
    records: readonly Uint32Array[],
  ): Promise<ReadonlyMap<number, Pick<TakenIdentity, 'receipt' | 'same'>>> {
    const words = new Uint32Array(records.length * RECORD_WORDS);
    records.forEach((record, i) => words.set(record, i * RECORD_WORDS));
    for (;;) {
      await this.#memory.refresh(tx);
      const { seen, taken } = await this.#memory.look(tx, words, RECORD_WORDS);
      const own = ownRepeats(words, RECORD_WORDS);
      const fresh = records.flatMap((record, place) =>
        taken.has(place) || own?.has(place) ? [] : [{ record, place }],
      );
      const holders = new Map(taken);
      if (fresh.length > 0) {
        const [row] = await tx.query<{ stale: boolean; repeats: LateRepeat[] | null }>(
          'SELECT stale, repeats FROM claim_identities($1, $2, $3, $4)',
          [seen, Buffer.concat(fresh.map(({ record }) => bytesOf(record))), [String(position)], [fresh.length]],
        );
        // Only folding may have come between: writers are locked out.
        if (row?.stale !== false) continue;
        for (const late of row.repeats ?? []) holders.set(fresh[late.at]?.place ?? -1, lateHolder(late));
      }
      for (const [place, earlier] of own ?? []) {
        const at = earlier * RECORD_WORDS;
        const ordinal = words[at + RECORD_WORDS - 1] ?? 0;
        holders.set(place, holders.get(earlier) ?? { position, ordinal, mark: markAt(words, at) });
      }
      return new Map(
        [...holders].map(([place, { position: of, ordinal, mark }]) => [
          place,
          { receipt: { position: of, ordinal }, same: sameMark(mark, markAt(words, place * RECORD_WORDS)) },
        ]),
      );
    }
  }

  /** The receipt an identity is taken for. */
  async find(on: Querying, identity: Buffer): Promise<Receipt | undefined> {
    return (await this.findAll(on, identity)).get(0);
  }

  /** The receipts of identities that follow each other in a buffer, by place. */
  async findAll(on: Querying, identities: Buffer): Promise<ReadonlyMap<number, Receipt>> {
    await this.#memory.refresh(on);
    const words = wordsOf(identities.subarray(0, identities.length - (identities.length % ID_BYTES)));
    const { taken } = await this.#memory.look(on, words, ID_WORDS);
    return new Map([...taken].map(([place, { position, ordinal }]) => [place, { position, ordinal }]));
  }
}

import { instant, type Instant } from '@core/time';
import { GroupCommit, type Writer } from '@platform/database';
import { type ShownProof, UsedProofsStore } from './used-proofs.store.js';

/** Most proofs that are written in one round trip. */
const AT_ONCE = 500;

const SWEEP_EVERY_MS = 60_000;
const SWEEP_MOST = 20_000;

/**
 * Lets every proof of an agent be used once, however many processes are shown it. A proof shown again with the same attempt, which
 * nobody can guess, is the same arrival whose answer was lost, and passes.
 */
export class UsedProofs {
  readonly #store = new UsedProofsStore();
  readonly #claims: GroupCommit<{ proof: ShownProof; now: Instant }, boolean>;
  #sweptAt = instant(0);

  constructor(private readonly writer: Writer) {
    this.#claims = new GroupCommit((items) => this.#claim(items), AT_ONCE);
  }

  /**
   * Whether the proof may be used. Committed when this answers.
   * @throws Fault unavailable when the database does not answer: then no proof is taken.
   */
  claim(proof: ShownProof, now: Instant): Promise<boolean> {
    return this.#claims.add({ proof, now });
  }

  async #claim(items: readonly { proof: ShownProof; now: Instant }[]): Promise<boolean[]> {
    await this.#sweep(items);
    // Of equal proofs in one batch the first is written; the others pass only as the same arrival.
    const first = new Map<string, ShownProof>();
    for (const { proof } of items) if (!first.has(nameOf(proof))) first.set(nameOf(proof), proof);
    const claimed = await this.#store.claim(this.writer, [...first.values()]);
    return items.map(({ proof }) => {
      const name = nameOf(proof);
      const written = first.get(name);
      const same = written === proof || (proof.attempt !== undefined && written?.attempt === proof.attempt);
      return same && claimed.has(name);
    });
  }

  /** Rows come only by claims, so claims carry them off again. */
  async #sweep(items: readonly { now: Instant }[]): Promise<void> {
    const now = items[0]?.now;
    if (now === undefined || now - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = now;
    await this.#store.forget(this.writer, now, SWEEP_MOST);
  }
}

const nameOf = ({ provider, kind, digest }: ShownProof): string => `${provider} ${kind} ${digest.toString('hex')}`;

/** A payer that was corrected answers within this time; after that it is the next one's turn. */
const CORRECTED_MS = 1_500;

interface Correction {
  readonly over: NodeJS.Timeout;
  /** The first call that was let through after it. */
  call?: string;
}

/**
 * Whose turn it is on a channel, within this process. Calls that cannot go ahead yet wait here for the end of those that are open. And
 * payers are corrected one at a time: the public client signs for every parallel call the same next total, so that of many
 * corrected at once all but one would be wrong again, and it tries again only once.
 */
export class ChannelTurns {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #corrected = new Map<string, Correction>();

  /** A call on the channel was let through. */
  began(channel: string, call: string): void {
    const correction = this.#corrected.get(channel);
    if (correction) correction.call ??= call;
  }

  /**
   * A call on the channel has ended. That of a call before the correction may be heard of after it, since the database shows an end to the
   * next payer before it is told here; such an end leaves the correction alone.
   */
  ended(channel: string, call: string): void {
    const correction = this.#corrected.get(channel);
    if (correction?.call === call) this.#free(channel, correction);
    this.#wake(channel);
  }

  #free(channel: string, { over }: Correction): void {
    clearTimeout(over);
    this.#corrected.delete(channel);
  }

  #wake(channel: string): void {
    const waiting = this.#waiting.get(channel);
    this.#waiting.delete(channel);
    for (const wake of waiting ?? []) wake();
  }

  /** Resolves when a call on the channel ends, or after so long. */
  async end(channel: string, atMostMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const set = this.#waiting.get(channel) ?? new Set<() => void>();
      this.#waiting.set(channel, set);
      const wake = () => {
        clearTimeout(timer);
        set.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, atMostMs);
      set.add(wake);
    });
  }

  /** Whether a payer may be corrected now; if so nobody else is until its next call has ended, or it took too long. */
  takeCorrection(channel: string): boolean {
    if (this.#corrected.has(channel)) return false;
    const over = setTimeout(() => {
      this.#corrected.delete(channel);
      this.#wake(channel);
    }, CORRECTED_MS);
    over.unref();
    this.#corrected.set(channel, { over });
    return true;
  }
}

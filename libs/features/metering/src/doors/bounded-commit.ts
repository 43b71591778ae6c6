import { Fault } from '@core/faults';

export interface CommitLimits {
  /** Calls, and bytes, that may be under way at once; beyond it senders are asked to come back later. */
  readonly mostCalls: number;
  readonly mostBytes: number;
  /** Calls, and bytes, written together in one transaction. */
  readonly togetherCalls: number;
  readonly togetherBytes: number;
  /** Transactions under way at once. */
  readonly lanes: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes calls that arrive at once together: the next transaction starts when the last one ends, so a lone call waits for nothing
 * and under load the cost of a commit is shared. What is under way is bounded; more is refused, so that memory does not grow.
 */
export class BoundedCommit<Item, Result> {
  #waiting: Waiting<Item, Result>[] = [];
  #lanes = 0;
  #calls = 0;
  #bytes = 0;

  /** `write` answers with one result per item, in order, or throws and has written nothing. */
  constructor(
    private readonly write: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limits: CommitLimits,
  ) {}

  /**
   * Does the work of one call, during which it counts as under way.
   * @throws Fault too_many_requests when too much is under way
   */
  async admit<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const { mostCalls, mostBytes } = this.limits;
    if (this.#calls >= mostCalls || (this.#calls > 0 && this.#bytes + bytes > mostBytes)) {
      throw new Fault(
        'too_many_requests',
        'More usage arrives than can be written at the moment. Send the same again shortly.',
        { reason: 'ingest_saturated', retryAfterSeconds: 1 },
      );
    }
    this.#calls += 1;
    this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#calls -= 1;
      this.#bytes -= bytes;
    }
  }

  /** Writes an item; resolves after the commit. */
  add(item: Item, bytes: number): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ item, bytes, resolve, reject });
      if (this.#lanes < this.limits.lanes) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#lanes += 1;
    // Calls made in the same turn of the event loop share the first transaction.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#writeTogether(this.#next());
    this.#lanes -= 1;
  }

  #next(): Waiting<Item, Result>[] {
    let bytes = 0;
    let count = 0;
    while (count < Math.min(this.limits.togetherCalls, this.#waiting.length)) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      if (count > 0 && bytes > this.limits.togetherBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #writeTogether(calls: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.write(calls.map(({ item }) => item));
      calls.forEach(({ resolve, reject }, i) => {
        const result = results[i];
        if (result === undefined)
          reject(new Fault('invariant_broken', 'a transaction answered with fewer results than calls'));
        else resolve(result);
      });
    } catch (error) {
      if (calls.length === 1 || error instanceof Fault) {
        for (const { reject } of calls) reject(error);
        return;
      }
      // One call that cannot be written must not take the others of its transaction with it.
      for (const call of calls) await this.#writeTogether([call]);
    }
  }
}

interface Waiting<Call> {
  readonly call: Call;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Most calls of a batch, and how many make a batch while another is being written. */
const MOST = 512;
const ENOUGH = 64;
/** Most batches under way. */
const UNDER_WAY = 2;

/**
 * Gathers calls that wait and hands them on together, without a timer: a lone call waits for nothing. While a batch is being written a
 * second is begun once enough have gathered, so that deciding and writing overlap.
 */
export class CallQueue<Call> {
  #waiting: Waiting<Call>[] = [];
  #underWay = 0;
  #isPumping = false;

  constructor(private readonly handle: (calls: readonly Call[]) => Promise<void>) {}

  /** Resolves once the call's batch was handled. */
  add(call: Call): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject });
      this.#pump();
    });
  }

  /** Calls made in the same turn of the event loop share a batch. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      while (this.#underWay < UNDER_WAY && this.#waiting.length >= (this.#underWay === 0 ? 1 : ENOUGH)) {
        void this.#run(this.#waiting.splice(0, MOST));
      }
    });
  }

  async #run(batch: readonly Waiting<Call>[]): Promise<void> {
    this.#underWay += 1;
    try {
      await this.handle(batch.map(({ call }) => call));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#underWay -= 1;
    this.#pump();
  }
}

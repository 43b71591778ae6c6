/**
 * Room for so many events in memory, over both doors. An event holds its place until it has been answered for, so that
 * what is in flight counts against the bound too.
 */
export class Room {
  readonly #waiting: { enter: () => void; entered: () => void; refuse: (error: Error) => void }[] = [];
  #used = 0;

  constructor(readonly capacity: number) {}

  get isFull(): boolean {
    return this.#used >= this.capacity;
  }

  get free(): number {
    return Math.max(0, this.capacity - this.#used);
  }

  /** Takes places that must be had, even beyond the bound. */
  take(count: number): void {
    this.#used += count;
  }

  tryTake(): boolean {
    if (this.isFull || this.#waiting.length > 0) return false;
    this.#used += 1;
    return true;
  }

  /** Enters when there is room: at once, or by order when those before have left. */
  wait(enter: () => void): Promise<void> {
    if (this.tryTake()) {
      enter();
      return Promise.resolve();
    }
    return new Promise((entered, refuse) => this.#waiting.push({ enter, entered, refuse }));
  }

  release(count: number): void {
    this.#used -= count;
    while (!this.isFull) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#used += 1;
      next.enter();
      next.entered();
    }
  }

  refuseWaiting(error: Error): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error);
  }
}

/** A clock that stands still until it is moved by hand. */
export class HandClock {
  #at = Date.UTC(2026, 10, 21, 12);
  #timers: { due: number; run: () => void }[] = [];

  readonly now = (): number => this.#at;
  readonly elapsed = (): number => this.#at - 1_000_000;
  readonly timer = (ms: number, run: () => void): (() => void) => {
    const timer = { due: this.#at + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** What is waited for, in milliseconds from now. */
  get pending(): readonly number[] {
    return this.#timers.map(({ due }) => due - this.#at).sort((a, b) => a - b);
  }

  advance(ms: number): void {
    const end = this.#at + ms;
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#at = next.due;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.run();
    }
    this.#at = end;
  }
}

/** Polls until the condition holds. */
export async function until(condition: () => boolean, patienceMs = 10_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${condition.toString()}`);
    await new Promise((resume) => setImmediate(resume));
  }
}

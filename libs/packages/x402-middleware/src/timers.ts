/** An object on Node, a number elsewhere. */
type Timer = ReturnType<typeof setTimeout>;

/** Named timers; starting one again replaces it. They keep no process alive. */
export class Timers {
  readonly #running = new Map<string, Timer | number>();

  start(name: string, ms: number, run: () => void): void {
    clearTimeout(this.#running.get(name));
    const timer: Timer | number = setTimeout(() => {
      this.#running.delete(name);
      run();
    }, ms);
    if (typeof timer === 'object') timer.unref();
    this.#running.set(name, timer);
  }

  stop(): void {
    for (const timer of this.#running.values()) clearTimeout(timer);
    this.#running.clear();
  }
}

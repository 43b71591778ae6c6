import { Fault } from '@core/faults';
import type { Logger } from '@platform/telemetry';

export interface Schedule {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<unknown>;
}

/** Runs a task again and again, never twice at once. A run that fails is reported and the next one comes as planned. */
export class Every {
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Consecutive failures: the first is reported, and then every hundredth. */
  #failures = 0;

  constructor(
    private readonly schedule: Schedule,
    private readonly logger: Logger,
  ) {
    this.#timer = setInterval(() => this.now(), schedule.everyMs);
    this.now();
  }

  /** Runs at once, unless it is running. */
  now(): void {
    if (this.#stopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    try {
      await this.schedule.run();
      if (this.#failures > 0)
        this.logger.info({ schedule: this.schedule.name, failures: this.#failures }, 'a schedule works again');
      this.#failures = 0;
    } catch (error) {
      if (this.#failures % 100 === 0) {
        const away = error instanceof Fault && error.code === 'unavailable';
        this.logger[away ? 'warn' : 'error'](
          { err: error, schedule: this.schedule.name },
          'a scheduled run failed and is repeated',
        );
      }
      this.#failures += 1;
    }
  }

  /** Resolves when the run under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }
}

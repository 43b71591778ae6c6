import { Fault } from '@core/faults';
import type { RollUpUsage } from '@features/metering';
import type { Logger } from '@platform/telemetry';
import type { UsageFigures } from '../usage-figures.js';

/** Between passes while usage comes in: many entries share a transaction, and usage is seen well within a second. */
const BUSY_MS = 250;
const IDLE_MS = 1_000;
/**
 * After a pass of many entries. Writing the cells costs the same however many events they count: when usage pours in, fewer
 * and larger passes leave the database to those who send it.
 */
const POURING_MS = 500;
const POURING_ENTRIES = 100;

interface RollUpLoopParts {
  readonly rollUp: Pick<RollUpUsage, 'run'>;
  readonly figures: Pick<UsageFigures, 'rolledUp'>;
  readonly logger: Logger;
}

/**
 * Rolls the usage log up, one pass after the other, for as long as the worker runs. A pass that fails has changed nothing
 * and is repeated; the first failure in a row is reported, and then every hundredth.
 */
export class RollUpLoop {
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;
  #stopped = false;
  #failures = 0;

  constructor(private readonly parts: RollUpLoopParts) {}

  start(): void {
    if (!this.#pass) this.#begin();
  }

  #begin(): void {
    this.#pass = this.#once().then((wait) => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.#begin(), wait);
    });
  }

  /** Answers how long to wait for the next one. */
  async #once(): Promise<number> {
    const { rollUp, figures, logger } = this.parts;
    try {
      const result = await rollUp.run();
      figures.rolledUp(result);
      if (this.#failures > 0) logger.info({ failures: this.#failures }, 'usage is rolled up again');
      this.#failures = 0;
      if (result.entries >= POURING_ENTRIES) return POURING_MS;
      return result.entries > 0 || result.behind > 0 ? BUSY_MS : IDLE_MS;
    } catch (error) {
      if (this.#failures % 100 === 0) {
        const away = error instanceof Fault && error.code === 'unavailable';
        logger[away ? 'warn' : 'error']({ err: error }, 'usage could not be rolled up; it is tried again');
      }
      this.#failures += 1;
      return IDLE_MS;
    }
  }

  /** Resolves when the pass under way has ended. Harmless when repeated. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#pass;
  }
}

import type { Clock, Instant } from '@core/time';
import type { Metrics } from '@platform/telemetry';
import { Counter, Gauge } from 'prom-client';

/** How far the roll-up of usage is. */
export class UsageFigures {
  readonly #behind: Gauge;
  readonly #entries: Counter;
  readonly #events: Counter;
  /** When nothing waited last: whatever waits now came after it. */
  #caughtUp: Instant;

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
  ) {
    this.#caughtUp = clock.now();
    const registers = [metrics.registry];
    this.#behind = new Gauge({
      name: 'farebox_usage_positions_behind',
      help: 'Positions of the usage log that are not rolled up.',
      registers,
    });
    this.#entries = new Counter({
      name: 'farebox_usage_rolled_up_entries_total',
      help: 'Entries of the usage log rolled up by this process.',
      registers,
    });
    this.#events = new Counter({
      name: 'farebox_usage_rolled_up_events_total',
      help: 'Usage events rolled up by this process.',
      registers,
    });
    const seconds: Gauge = new Gauge({
      name: 'farebox_usage_seconds_behind',
      help: 'Seconds since this process last saw the whole usage log rolled up: usage is seen no later than that.',
      registers,
      collect: () => seconds.set(Math.max(0, this.clock.now() - this.#caughtUp) / 1000),
    });
  }

  rolledUp(pass: { readonly entries: number; readonly events: number; readonly behind: number }): void {
    this.#entries.inc(pass.entries);
    this.#events.inc(pass.events);
    this.#behind.set(pass.behind);
    if (pass.behind === 0) this.#caughtUp = this.clock.now();
  }
}

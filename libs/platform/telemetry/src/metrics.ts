import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { Fault } from '@core/faults';

/** Where usage comes in: CloudEvents from anyone, or numbered batches of our own client. */
type UsageDoor = 'open' | 'stream';

/**
 * The figures a process shows on `/metrics`, in Prometheus' text form. Labels take few values each: routes by pattern,
 * never ids, accounts or addresses.
 */
export class Metrics {
  readonly registry = new Registry();

  readonly #requests = new Histogram({
    name: 'farebox_http_request_seconds',
    help: 'How long HTTP requests took, by method, route pattern and status.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30],
    registers: [this.registry],
  });

  readonly #gate = new Counter({
    name: 'farebox_gate_decisions_total',
    help: 'Decisions of the gate: serve, pay, replay, refuse, release, withhold, void.',
    labelNames: ['decision'] as const,
    registers: [this.registry],
  });

  readonly #claims = new Counter({
    name: 'farebox_claims_total',
    help: 'Claims of payments, by outcome.',
    labelNames: ['outcome'] as const,
    registers: [this.registry],
  });

  readonly #events = new Counter({
    name: 'farebox_usage_events_total',
    help: 'Usage events received, by door (open, stream) and verdict: accepted, duplicate, conflict, held, rejected.',
    labelNames: ['door', 'verdict'] as const,
    registers: [this.registry],
  });

  readonly #batches = new Counter({
    name: 'farebox_usage_batches_total',
    help: 'Calls that brought usage, by door and outcome: stored, received, duplicate, refused, failed.',
    labelNames: ['door', 'outcome'] as const,
    registers: [this.registry],
  });

  readonly #waiting = new Gauge({
    name: 'farebox_usage_waiting_calls',
    help: 'Calls that brought usage and wait for its commit, by door.',
    labelNames: ['door'] as const,
    registers: [this.registry],
  });

  /** `ofProcess`: also memory, event loop and garbage collection. */
  constructor(options: { readonly ofProcess: boolean } = { ofProcess: true }) {
    if (options.ofProcess) collectDefaultMetrics({ register: this.registry });
  }

  request(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status: String(status) }, seconds);
  }

  gateDecision(decision: string): void {
    this.#gate.inc({ decision });
  }

  claim(outcome: string): void {
    this.#claims.inc({ outcome });
  }

  usageEvents(door: UsageDoor, verdict: string, count: number): void {
    if (count > 0) this.#events.inc({ door, verdict }, count);
  }

  /** Runs a call that brings usage: counted as waiting until it ends, and then by the outcome. */
  async usageCall<Answer>(
    door: UsageDoor,
    run: () => Promise<Answer>,
    outcomeOf: (answer: Answer) => string,
  ): Promise<Answer> {
    this.#waiting.inc({ door });
    try {
      const answer = await run();
      this.#batches.inc({ door, outcome: outcomeOf(answer) });
      return answer;
    } catch (error) {
      this.#batches.inc({ door, outcome: error instanceof Fault && error.status < 500 ? 'refused' : 'failed' });
      throw error;
    } finally {
      this.#waiting.dec({ door });
    }
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    return this.registry.metrics();
  }
}

import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

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
    help: 'Usage events received, by verdict: accepted, duplicate, conflict, rejected.',
    labelNames: ['verdict'] as const,
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

  usageEvents(verdict: string, count: number): void {
    if (count > 0) this.#events.inc({ verdict }, count);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    return this.registry.metrics();
  }
}

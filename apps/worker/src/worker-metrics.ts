import type { Queue } from 'bullmq';
import { Gauge } from 'prom-client';
import type { SettlementReader } from '@features/settlement';
import type { Metrics } from '@platform/telemetry';

/** A look at the queue must not hold up the other figures when the queue is away. */
const PATIENCE_MS = 1_000;

/** What the worker shows beside the figures of every process; read when somebody asks. */
export class WorkerMetrics {
  readonly #jobs: Gauge;
  readonly #transactions: Gauge;
  readonly #payments: Gauge;
  readonly #oldest: Gauge;
  readonly #paused: Gauge;
  readonly #staged: Gauge;

  constructor(
    metrics: Metrics,
    private readonly reader: SettlementReader,
    private readonly queues: readonly Queue[],
    private readonly chainId: number,
  ) {
    const gauge = (name: string, help: string, ...labelNames: string[]) =>
      new Gauge({ name: `farebox_${name}`, help, labelNames, registers: [metrics.registry] });
    this.#jobs = gauge('queue_jobs', 'Jobs that wait in a queue.', 'queue');
    this.#transactions = gauge('open_chain_transactions', 'Chain transactions that are not final, by state.', 'state');
    this.#payments = gauge('open_payments', 'Served payments that are not settled, by state.', 'state');
    this.#oldest = gauge('oldest_unsettled_seconds', 'Age of the oldest served payment that is not settled.');
    this.#paused = gauge('paused_signers', 'Relayer keys that are paused.');
    this.#staged = gauge('staged_jobs', 'Jobs staged in the database and not handed to the queue.');
  }

  async refresh(): Promise<void> {
    const standing = await this.reader.standing(this.chainId);
    for (const state of ['signed', 'broadcast', 'mined', 'reverted']) {
      this.#transactions.set({ state }, standing.openTransactions[state] ?? 0);
    }
    for (const state of ['served', 'settling', 'included'])
      this.#payments.set({ state }, standing.openPayments[state] ?? 0);
    this.#oldest.set(standing.oldestUnsettledSeconds);
    this.#paused.set(standing.pausedSigners.length);
    this.#staged.set(standing.staged);
    await Promise.all(this.queues.map((queue) => this.#depth(queue)));
  }

  async #depth(queue: Queue): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
    });
    const waiting = await Promise.race([queue.getWaitingCount().catch(() => undefined), late]);
    clearTimeout(timer);
    // Unknown is shown as such, not as empty.
    this.#jobs.set({ queue: queue.name }, waiting ?? Number.NaN);
  }
}

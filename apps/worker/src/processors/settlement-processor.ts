import { OnWorkerEvent, WorkerHost } from '@nestjs/bullmq';
import type { Job } from 'bullmq';
import type { Logger } from '@platform/telemetry';
import { z } from 'zod';

const payload = z.strictObject({ chainId: z.int().positive() });

/** What the two queues of settlement have in common: jobs that name a chain, and outcomes with alarms. */
export abstract class SettlementProcessor extends WorkerHost {
  protected constructor(protected readonly logger: Logger) {
    super();
  }

  protected abstract run(input: { chainId: number }): Promise<{ readonly alarms: readonly string[] }>;

  async process(job: Job<unknown>): Promise<void> {
    const { alarms } = await this.run(payload.parse(job.data));
    for (const alarm of alarms) this.logger.error({ alarm: true, queue: job.queueName }, alarm);
  }

  @OnWorkerEvent('failed')
  failed(_job: unknown, error: Error): void {
    this.logger.warn({ err: error }, 'a settlement job failed; its work is found again by the sweep');
  }

  /** The queue is away. BullMQ connects again by itself, and the sweep goes on meanwhile. */
  @OnWorkerEvent('error')
  lost(error: Error): void {
    this.logger.debug({ err: error }, 'the queue cannot be reached');
  }
}

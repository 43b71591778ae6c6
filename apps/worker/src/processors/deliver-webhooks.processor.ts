import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import type { DeliverWebhooks } from '@features/webhooks';
import type { QueueName } from '@platform/queues';
import type { Logger } from '@platform/telemetry';

const QUEUE: QueueName = 'deliver-webhooks';

/** A hint that something is due: what is posted runs by itself, and a job never waits for a receiver. */
@Processor(QUEUE)
export class DeliverWebhooksProcessor extends WorkerHost {
  constructor(
    private readonly deliver: Pick<DeliverWebhooks, 'run'>,
    private readonly logger: Logger,
  ) {
    super();
  }

  async process(): Promise<void> {
    await this.deliver.run();
  }

  @OnWorkerEvent('failed')
  failed(_job: unknown, error: Error): void {
    this.logger.warn({ err: error }, 'a look for webhooks failed; what is due is found again by the schedule');
  }

  @OnWorkerEvent('error')
  lost(error: Error): void {
    this.logger.debug({ err: error }, 'the queue cannot be reached');
  }
}

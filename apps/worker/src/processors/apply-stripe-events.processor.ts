import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import type { QueueName } from '@platform/queues';
import type { Logger } from '@platform/telemetry';
import type { CollectionLoop } from '../schedules/collection-loop.js';

const QUEUE: QueueName = 'apply-stripe-events';

@Processor(QUEUE)
export class ApplyStripeEventsProcessor extends WorkerHost {
  constructor(
    private readonly loop: Pick<CollectionLoop, 'applyEvents'>,
    private readonly logger: Logger,
  ) {
    super();
  }

  async process(): Promise<void> {
    await this.loop.applyEvents();
  }

  @OnWorkerEvent('failed')
  failed(_job: unknown, error: Error): void {
    this.logger.warn({ err: error }, 'an event of Stripe could not be looked into; it is due again later');
  }

  @OnWorkerEvent('error')
  lost(error: Error): void {
    this.logger.debug({ err: error }, 'the queue cannot be reached');
  }
}

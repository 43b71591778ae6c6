import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import type { QueueName } from '@platform/queues';
import type { Logger } from '@platform/telemetry';
import type { CollectionLoop } from '../schedules/collection-loop.js';

const QUEUE: QueueName = 'collect-statements';

@Processor(QUEUE)
export class CollectStatementsProcessor extends WorkerHost {
  constructor(
    private readonly loop: Pick<CollectionLoop, 'collect'>,
    private readonly logger: Logger,
  ) {
    super();
  }

  async process(): Promise<void> {
    await this.loop.collect();
  }

  @OnWorkerEvent('failed')
  failed(_job: unknown, error: Error): void {
    this.logger.warn({ err: error }, 'collecting failed; what is due is found again by the schedule');
  }

  @OnWorkerEvent('error')
  lost(error: Error): void {
    this.logger.debug({ err: error }, 'the queue cannot be reached');
  }
}

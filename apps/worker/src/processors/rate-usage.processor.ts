import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import type { RateUsage } from '@features/pricing';
import type { QueueName } from '@platform/queues';
import type { Logger } from '@platform/telemetry';

const QUEUE: QueueName = 'rate-usage';

@Processor(QUEUE)
export class RateUsageProcessor extends WorkerHost {
  constructor(
    private readonly rate: Pick<RateUsage, 'run'>,
    private readonly logger: Logger,
  ) {
    super();
  }

  async process(): Promise<void> {
    await this.rate.run();
  }

  @OnWorkerEvent('failed')
  failed(_job: unknown, error: Error): void {
    this.logger.warn({ err: error }, 'rating failed; what was not rated stays due');
  }

  @OnWorkerEvent('error')
  lost(error: Error): void {
    this.logger.debug({ err: error }, 'the queue cannot be reached');
  }
}

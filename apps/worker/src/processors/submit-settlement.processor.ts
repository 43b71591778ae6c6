import { Processor } from '@nestjs/bullmq';
import type { SubmitSettlement } from '@features/settlement';
import type { QueueName } from '@platform/queues';
import type { Logger } from '@platform/telemetry';
import { SettlementProcessor } from './settlement-processor.js';

const QUEUE: QueueName = 'submit-settlement';

/** Several at once: each settles batches under a relayer key of its own. */
@Processor(QUEUE, { concurrency: 4 })
export class SubmitSettlementProcessor extends SettlementProcessor {
  constructor(
    private readonly submit: Pick<SubmitSettlement, 'run'>,
    logger: Logger,
  ) {
    super(logger);
  }

  protected run(input: { chainId: number }) {
    return this.submit.run(input);
  }
}

import { Processor } from '@nestjs/bullmq';
import type { ConfirmSettlement } from '@features/settlement';
import type { QueueName } from '@platform/queues';
import type { Logger } from '@platform/telemetry';
import { SettlementProcessor } from './settlement-processor.js';

const QUEUE: QueueName = 'confirm-settlement';

@Processor(QUEUE)
export class ConfirmSettlementProcessor extends SettlementProcessor {
  constructor(
    private readonly confirm: Pick<ConfirmSettlement, 'run'>,
    logger: Logger,
  ) {
    super(logger);
  }

  protected run(input: { chainId: number }) {
    return this.confirm.run(input);
  }
}

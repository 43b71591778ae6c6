import type { Receipt } from '@core/settlement';
import type { WriterTx } from '@platform/database';
import { bytesOf } from '../settling-payment.js';

/**
 * The transaction of a batch is in a block, or never will be: the channels in it are free for the next one. What it did to them is read
 * from the channels themselves, as a claim that somebody else made first leaves no trace in ours.
 */
export async function letBatchGo(tx: WriterTx, batch: string, receipt?: Receipt): Promise<void> {
  await tx.query(
    `WITH carried AS (SELECT id FROM channels WHERE batch_id = $1 ORDER BY id FOR UPDATE)
     UPDATE channels c SET batch_id = NULL FROM carried WHERE c.id = carried.id`,
    [batch],
  );
  await tx.query(
    `UPDATE channel_refunds SET batch_id = NULL, transaction = coalesce($2, transaction), next_run_at = now() + interval '2 s'
     WHERE batch_id = $1`,
    [batch, receipt?.success === true ? bytesOf(receipt.hash) : null],
  );
}

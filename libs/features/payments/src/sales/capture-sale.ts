import type { Entry } from '@core/ledger';
import { postings } from '@features/ledger';
import type { WriterTx } from '@platform/database';
import type { ClaimedPayment } from './sale.js';

/**
 * Captures a claimed payment for something of ours, with its entry. A payment for an account is that account's, whoever's wallet pays it.
 * @returns false when it is not reserved any more: nothing was written
 */
export async function captureSale(
  tx: WriterTx,
  payment: ClaimedPayment,
  account: string,
  entry: Entry,
): Promise<boolean> {
  const item = {
    id: payment.id,
    provider: payment.provider,
    charged: payment.amount.toString(),
    quantity: null,
    transfers: postings([entry]),
  };
  const captured = await tx.query('SELECT payment_id FROM capture_payments($1::jsonb)', [JSON.stringify([item])]);
  if (captured.length === 0) return false;
  await tx.query('UPDATE payments SET account_id = $2 WHERE id = $1 AND account_id <> $2', [payment.id, account]);
  return true;
}

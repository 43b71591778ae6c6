import { encodeSettlementResponse, X402_HEADERS } from '@core/x402';
import type { StoredHold } from '@features/wallet';
import type { PaymentStatus, PaymentView } from '../gate/gate-decisions.js';
import { statusUrlOf } from '../gate/payment-view.js';

/** Where prepaid balances are kept, in the form of a network. */
export const PREPAID_NETWORK = 'farebox:prepaid';

const STATUS: Readonly<Record<StoredHold['state'], PaymentStatus>> = {
  held: 'reserved',
  captured: 'final',
  released: 'voided',
  expired: 'voided',
};

/** A hold as the public document of a payment. */
export const viewOfHold = (hold: StoredHold, publicUrl: string): PaymentView => ({
  id: hold.id,
  status: STATUS[hold.state],
  account: hold.account,
  payer: hold.payer,
  network: PREPAID_NETWORK,
  asset: hold.asset,
  amount: hold.amount.toString(),
  ...(hold.captured === undefined ? {} : { charged: hold.captured.toString() }),
  ...(hold.meter === undefined ? {} : { meter: hold.meter }),
  quantity: hold.capturedQuantity ?? hold.quantity,
  ...(hold.priceId === undefined ? {} : { priceVersion: hold.priceId }),
  statusUrl: statusUrlOf(hold, publicUrl),
});

/** PAYMENT-RESPONSE of a request that was paid from a balance: nothing moved on a chain. */
export const receiptHeaders = (hold: StoredHold, publicUrl: string): Record<string, string> => ({
  [X402_HEADERS.response]: encodeSettlementResponse({
    success: true,
    payer: hold.payer,
    transaction: '',
    network: PREPAID_NETWORK,
    amount: (hold.captured ?? 0n).toString(),
    extensions: {
      farebox: { payment: hold.id, status: STATUS[hold.state], statusUrl: statusUrlOf(hold, publicUrl) },
    },
  }),
  'cache-control': 'private, no-store',
});

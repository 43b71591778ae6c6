import type { PaymentStatus, PaymentView } from './gate-decisions.js';
import type { PaymentRow } from '../exact/payments.store.js';

/** Where a payment stands, in the words of the public document. */
export function statusOf(payment: PaymentRow): PaymentStatus {
  switch (payment.state) {
    case 'served':
      return 'served';
    case 'settling':
      return payment.submitted ? 'submitted' : 'served';
    case 'included':
      return 'confirmed';
    case 'settled':
    case 'recovered':
      return 'final';
    case 'reserved':
    case 'voided':
    case 'failed':
      return payment.state;
  }
}

/** The public document of a payment. */
export const viewOf = (payment: PaymentRow, publicUrl: string): PaymentView => ({
  id: payment.id,
  status: statusOf(payment),
  account: payment.account,
  payer: payment.payer,
  network: payment.network,
  asset: payment.asset,
  amount: payment.amount.toString(),
  ...(payment.charged === undefined ? {} : { charged: payment.charged.toString() }),
  ...(payment.transaction === undefined ? {} : { transaction: payment.transaction }),
  ...(payment.meter === undefined ? {} : { meter: payment.meter }),
  ...(payment.quantity === undefined ? {} : { quantity: payment.quantity }),
  ...(payment.priceId === undefined ? {} : { priceVersion: payment.priceId }),
  statusUrl: statusUrlOf(payment, publicUrl),
});

/** Public URL of the signed usage record. */
export const recordUrlOf = (payment: { readonly id: string }, publicUrl: string): string =>
  `${statusUrlOf(payment, publicUrl)}/record`;

export const statusUrlOf = (payment: { readonly id: string }, publicUrl: string): string =>
  `${publicUrl.replace(/\/$/, '')}/v1/payments/${payment.id}`;

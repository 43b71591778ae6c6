import { type Entry, failPayment, failUnapplied, settlePayment, settleRefund } from '@core/ledger';
import type { EndedPayment } from './payments.store.js';

// What the ledger says of the end of a payment follows from what the payment was for.

/** A deposit goes from one place of the payer to another: the ledger has nothing to say of it. */
const NOTHING: Entry = [];

/** The transfer of a payment is in a final block. */
export function settledEntry(paid: EndedPayment): Entry {
  switch (paid.origin) {
    case 'gate':
    case 'facilitator':
    case 'topup':
    case 'statement':
      return settlePayment(paid);
    case 'refund':
      return settleRefund(paid);
    case 'deposit':
      return NOTHING;
  }
}

/** A payment is proven never to happen. What was to be refunded is owed as before. */
export function failedEntry(paid: EndedPayment): Entry {
  switch (paid.origin) {
    case 'gate':
    case 'facilitator':
      return failPayment(paid);
    case 'topup':
    case 'statement':
      return failUnapplied(paid);
    case 'refund':
    case 'deposit':
      return NOTHING;
  }
}

import { type Fault, problemOf } from '@core/faults';
import {
  encodePaymentRequired,
  encodeSettlementResponse,
  nameV1OfNetwork,
  type PaymentRequired,
  type PaymentRequiredV1,
  type SettlementResponse,
  X402_HEADERS,
} from '@core/x402';
import type { Receipts } from '../receipts/receipts.js';
import type { WireReply } from './gate-decisions.js';
import { recordUrlOf, statusOf, statusUrlOf } from './payment-view.js';
import { shownUrl } from './shown-url.js';
import type { PaymentRow } from '../exact/payments.store.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A refusal as the agent gets it: a problem document. */
export const problemReply = (fault: Fault): WireReply => ({
  status: fault.status,
  headers: {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
  },
  body: base64(JSON.stringify(problemOf(fault))),
});

/** A challenge: protocol version 2 in the header, version 1 in the body where the network has a name there. */
export const challengeReply = (
  required: PaymentRequired,
  v1: PaymentRequiredV1 | undefined,
  headers: Readonly<Record<string, string>> = {},
): WireReply => ({
  status: 402,
  headers: {
    [X402_HEADERS.required]: encodePaymentRequired(required),
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...headers,
  },
  body: base64(JSON.stringify(v1 ?? {})),
});

/**
 * How the settlement of a payment stands, in the protocol's form. A payment not yet proven either way is pending, never
 * failed. `receipts`: given where documents are signed, with the address of the usage record then.
 */
export function settlementOf(
  payment: PaymentRow,
  publicUrl: string,
  released: boolean,
  receipts?: Receipts,
): SettlementResponse {
  const failed = payment.state === 'failed';
  const transaction = payment.transaction;
  return {
    success: released && !failed,
    ...(failed
      ? {
          errorReason:
            payment.facilitator === undefined
              ? 'invalid_exact_evm_transaction_failed'
              : 'invalid_upto_evm_transaction_failed',
        }
      : released
        ? {}
        : { errorReason: 'settlement_pending' }),
    payer: payment.payer,
    transaction: transaction ?? '',
    network: payment.network,
    amount: payment.unused ? '0' : (payment.charged ?? payment.amount).toString(),
    extensions: {
      farebox: {
        payment: payment.id,
        status: statusOf(payment),
        statusUrl: statusUrlOf(payment, publicUrl),
        ...(receipts && { recordUrl: recordUrlOf(payment, publicUrl) }),
      },
      ...(released && !failed && receipts?.extensionFor({ ...payment, resource: shownUrl(payment.resource) })),
    },
  };
}

/**
 * PAYMENT-RESPONSE, and its counterpart of version 1: the gate need not know which protocol the agent spoke. Receipts are of
 * version 2.
 */
export function settlementHeaders(
  payment: PaymentRow,
  publicUrl: string,
  released: boolean,
  receipts?: Receipts,
): Record<string, string> {
  const nameV1 = nameV1OfNetwork(payment.network);
  return {
    [X402_HEADERS.response]: encodeSettlementResponse(settlementOf(payment, publicUrl, released, receipts)),
    ...(nameV1 === undefined
      ? {}
      : {
          [X402_HEADERS.responseV1]: encodeSettlementResponse({
            ...settlementOf(payment, publicUrl, released),
            network: nameV1,
          }),
        }),
    'cache-control': 'private, no-store',
  };
}

/**
 * The outcome is not known yet: neither the content nor a new challenge, but where to look. A pending settlement names its
 * transfer, so there is no PAYMENT-RESPONSE before one was signed.
 */
export const pendingReply = (payment: PaymentRow, publicUrl: string): WireReply => ({
  status: 202,
  headers: {
    ...(payment.transaction === undefined
      ? { 'cache-control': 'private, no-store' }
      : settlementHeaders(payment, publicUrl, false)),
    'content-type': 'application/json',
    'retry-after': '2',
    location: statusUrlOf(payment, publicUrl),
  },
  body: base64(
    JSON.stringify({
      status: 'settlement_pending',
      payment: payment.id,
      statusUrl: statusUrlOf(payment, publicUrl),
      detail: 'The payment is on its way. Do not sign another one: present the same payment again to get the answer.',
    }),
  ),
});

/** The payment is proven not to have happened; what it bought is not given out. */
export const failedReply = (payment: PaymentRow, publicUrl: string): WireReply => ({
  status: 402,
  headers: {
    ...settlementHeaders(payment, publicUrl, false),
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  },
  body: base64(
    JSON.stringify({
      type: 'urn:farebox:problem:payment_failed',
      title: 'Payment failed',
      status: 402,
      code: 'payment_failed',
      detail: 'The chain shows that this payment did not and cannot happen. Sign a new one to try again.',
      payment: payment.id,
      statusUrl: statusUrlOf(payment, publicUrl),
    }),
  ),
});

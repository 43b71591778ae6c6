import type { ReadAnswer, Refused, Unclear } from '@core/collections';
import Stripe from 'stripe';

const { errors } = Stripe;

/**
 * What an error of the client says about a call. Only a clear no of Stripe is a refusal; a timeout, a broken connection and an error of
 * Stripe's own say nothing about whether it happened.
 */
export function answerOf(error: unknown): Refused | Unclear {
  if (!(error instanceof errors.StripeError)) throw error;
  const reason = reasonOf(error);
  const { statusCode: status = 0, code } = error;
  if (status === 429 || code === 'lock_timeout') return { kind: 'busy', reason };
  if (status === 409 || code === 'idempotency_key_in_use') return { kind: 'in_flight', reason };
  if (error instanceof errors.StripeIdempotencyError) return { kind: 'mismatch', reason };
  // Our key is wrong or lacks a permission: nothing was done, and nothing will be until an operator mends it.
  if (status === 401 || status === 403) return { kind: 'busy', reason };
  if (status >= 400 && status < 500) return { kind: 'refused', code: error.decline_code ?? code ?? error.type, reason };
  return { kind: 'unknown', reason, spent: error.headers?.['idempotent-replayed'] === 'true' };
}

export function readFailure(error: unknown): ReadAnswer {
  const answer = answerOf(error);
  if (answer.kind === 'refused' && answer.code === 'resource_missing') return { kind: 'missing' };
  return answer.kind === 'refused' || answer.kind === 'mismatch'
    ? { kind: 'unknown', reason: answer.reason, spent: false }
    : answer;
}

/** Enough to find it in Stripe's log; never a body. */
const reasonOf = ({ type, code, statusCode, requestId }: InstanceType<typeof errors.StripeError>): string =>
  [type, code, statusCode, requestId].filter((part) => part !== undefined).join(' ');

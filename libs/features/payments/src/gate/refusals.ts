import { Fault } from '@core/faults';
import type { CheckDecision } from './gate-decisions.js';
import { problemReply } from './wire-replies.js';

export const malformed = (message: string, reason: string): CheckDecision => ({
  decision: 'refuse',
  reply: problemReply(new Fault('invalid_request', `${message}. Nothing was charged.`, { reason })),
});

export const conflict = (reason: string, message: string, retryAfterSeconds?: number): CheckDecision => ({
  decision: 'refuse',
  reply: problemReply(
    new Fault('conflict', message, { reason, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }),
  ),
});

export const unknownPayment = (): Fault =>
  new Fault('not_found', 'There is no such payment of this provider.', { reason: 'unknown_payment' });

/** The handler took longer than its reservation: nothing leaves, nothing was charged. */
export const reservationEnded = () =>
  problemReply(
    new Fault(
      'unavailable',
      'The request took longer than its reservation. Nothing was charged; send it again with a new payment.',
      { reason: 'reservation_ended' },
    ),
  );

/** Query strings may carry personal data: they are bound by the digest and not kept. */
export const withoutQuery = (url: string): string => url.split(/[?#]/, 1)[0] ?? '';

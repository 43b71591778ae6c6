import { Fault } from '@core/faults';
import type { CheckDecision } from './gate-decisions.js';
import type { Fingerprint } from './identified.js';
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

/** The same payment identifier for something else. */
export const identifierTaken = (field: keyof Fingerprint): CheckDecision =>
  conflict(
    'payment_identifier_taken',
    `This payment identifier names another purchase: its ${field} differs. Use a new identifier for a new purchase.`,
  );

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

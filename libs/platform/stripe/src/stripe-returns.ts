import type Stripe from 'stripe';
import {
  type CardRefundSeen,
  type DisputeSeen,
  type Refused,
  ReturnsRail,
  type StoredCall,
  type Unclear,
} from '@core/collections';
import { z } from 'zod';
import { answerOf } from './stripe-answers.js';

type Seen<What> = ({ readonly kind: 'fetched' } & What) | Refused | Unclear;

const refund = z.object({
  payment_intent: z.string(),
  amount: z.int(),
  reason: z.enum(['requested_by_customer', 'duplicate', 'fraudulent']),
  metadata: z.record(z.string(), z.string()),
});

/** Disputes and refunds at Stripe. */
export class StripeReturns extends ReturnsRail {
  constructor(private readonly stripe: Stripe) {
    super();
  }

  async readDispute(id: string): Promise<Seen<{ readonly dispute: DisputeSeen }>> {
    return seen(async () => ({ dispute: disputeOf(await this.stripe.disputes.retrieve(id)) }));
  }

  async refund({ body, key }: StoredCall): Promise<Seen<{ readonly refund: CardRefundSeen }>> {
    return seen(async () => {
      const params = refund.parse(JSON.parse(body));
      return { refund: refundOf(await this.stripe.refunds.create(params, { idempotencyKey: key })) };
    });
  }

  async readRefund(id: string): Promise<Seen<{ readonly refund: CardRefundSeen }>> {
    return seen(async () => ({ refund: refundOf(await this.stripe.refunds.retrieve(id)) }));
  }
}

async function seen<What extends object>(call: () => Promise<What>): Promise<Seen<What>> {
  try {
    return { kind: 'fetched', ...(await call()) };
  } catch (error) {
    return answerOf(error);
  }
}

/** Anything that is neither decided nor a mere inquiry holds the money. */
const DISPUTE_STATES: Readonly<Record<string, DisputeSeen['state']>> = {
  warning_needs_response: 'asked',
  warning_under_review: 'asked',
  warning_closed: 'asked',
  prevented: 'asked',
  won: 'won',
  lost: 'lost',
};

const disputeOf = (dispute: Stripe.Dispute): DisputeSeen => ({
  id: dispute.id,
  state: DISPUTE_STATES[dispute.status] ?? 'open',
  cents: BigInt(dispute.amount),
  currency: dispute.currency,
  intent: typeof dispute.payment_intent === 'string' ? dispute.payment_intent : dispute.payment_intent?.id,
  reason: dispute.reason,
  respondBy: dispute.evidence_details.due_by ?? undefined,
});

const refundOf = (refund: Stripe.Refund): CardRefundSeen => ({
  id: refund.id,
  state:
    refund.status === 'succeeded'
      ? 'succeeded'
      : refund.status === 'failed' || refund.status === 'canceled'
        ? 'failed'
        : 'pending',
  cents: BigInt(refund.amount),
  currency: refund.currency,
  reason: refund.failure_reason ?? undefined,
});

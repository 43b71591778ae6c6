import type Stripe from 'stripe';
import { move } from './balance.js';
import { DAY, MINUTE } from './clock.js';
import { wrongState } from './errors.js';
import { emit } from './events.js';
import { DISPUTE_FEE, FAILED_DEBIT_FEE } from './fees.js';
import { chargeOf, disputeOf } from './found.js';
import { isAsked, listed } from './listing.js';
import type { Params } from './params.js';
import type { Call } from './call.js';
import type { World } from './world.js';

/** Evidence may be sent for two weeks; the bank then takes up to two months. Without evidence the dispute is lost. */
const RESPONSE_DAYS = 14;
const REVIEW_DAYS = 60;
const DECIDED = ['won', 'lost', 'warning_closed', 'prevented'];
const TEXTS = [
  ...(['access_activity_log', 'billing_address', 'cancellation_policy_disclosure', 'cancellation_rebuttal'] as const),
  ...(['customer_email_address', 'customer_name', 'customer_purchase_ip', 'duplicate_charge_explanation'] as const),
  ...([
    'duplicate_charge_id',
    'product_description',
    'refund_policy_disclosure',
    'refund_refusal_explanation',
  ] as const),
  ...(['service_date', 'shipping_address', 'shipping_carrier', 'shipping_date', 'shipping_tracking_number'] as const),
  'uncategorized_text',
] as const;

export const disputes = {
  retrieve: ({ world, id }: Call): Stripe.Dispute => {
    return disputeOf(world, id);
  },

  update: ({ world, params, id }: Call): Stripe.Dispute => {
    params.only('evidence', 'metadata', 'submit');
    const dispute = disputeOf(world, id);
    dispute.metadata = params.metadata(dispute.metadata);
    const evidence = params.within('evidence');
    if (evidence !== undefined) answer(world, dispute, evidence, params.flag('submit') !== false);
    emit(world, 'charge.dispute.updated', dispute);
    return dispute;
  },

  /** To close a dispute is to accept it: it is lost. */
  close: ({ world, id }: Call): Stripe.Dispute => {
    const dispute = disputeOf(world, id);
    if (DECIDED.includes(dispute.status)) throw wrongState('dispute_closed', 'This dispute is already closed.');
    decideDispute(world, id, false);
    return dispute;
  },

  list: (call: Call): Stripe.ApiList<Stripe.Dispute> => {
    const { params, world } = call;
    const created = params.range('created');
    const [charge, intent] = [params.text('charge'), params.text('payment_intent')];
    return listed(
      call,
      world.state.disputes,
      ['created', 'charge', 'payment_intent'],
      (one) => created(one.created) && isAsked(charge, one.charge) && isAsked(intent, one.payment_intent),
    );
  },
};

export interface Opening {
  readonly reason: string;
  /** Asks only: no money is withdrawn. */
  readonly inquiry?: boolean;
  /** A debit the bank returned after it had succeeded, for want of funds or of an account: cheaper than a dispute. */
  readonly lateReturn?: boolean;
}

/** Disputes of bank debits are final: they are opened lost. Those of cards can be answered. */
export function openDispute(world: World, chargeId: string, { reason, inquiry, lateReturn }: Opening): Stripe.Dispute {
  const charge = chargeOf(world, chargeId);
  const byCard = charge.payment_method_details?.type === 'card';
  const brand = charge.payment_method_details?.card?.brand ?? 'visa';
  const dueBy = world.clock.now() + RESPONSE_DAYS * DAY;
  const dispute: Stripe.Dispute = {
    id: world.id('du'),
    object: 'dispute',
    amount: charge.amount_captured - charge.amount_refunded,
    balance_transactions: [],
    charge: charge.id,
    created: world.clock.seconds(),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: noEvidence(),
    evidence_details: {
      due_by: byCard ? Math.floor(dueBy / 1000) : null,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: null,
    is_charge_refundable: inquiry === true,
    livemode: false,
    metadata: {},
    network_reason_code: byCard ? '10.4' : null,
    payment_intent: charge.payment_intent,
    payment_method_details: byCard
      ? {
          type: 'card',
          card: {
            brand,
            case_type: inquiry === true ? 'inquiry' : 'chargeback',
            network: brand,
            network_reason_code: '10.4',
          },
        }
      : undefined,
    reason,
    status: inquiry === true ? 'warning_needs_response' : byCard ? 'needs_response' : 'lost',
  };
  world.state.disputes[dispute.id] = dispute;
  charge.disputed = true;
  emit(world, 'charge.dispute.created', dispute);
  if (inquiry !== true) withdraw(world, dispute, lateReturn === true ? FAILED_DEBIT_FEE : DISPUTE_FEE);
  if (!byCard) emit(world, 'charge.dispute.closed', dispute);
  else world.plan(dueBy, { kind: 'dispute_deadline', dispute: dispute.id });
  return dispute;
}

/** Nobody answered in time: lost. An inquiry ends without loss. */
export function passDeadline(world: World, id: string): void {
  const dispute = disputeOf(world, id);
  if (dispute.status !== 'needs_response' && dispute.status !== 'warning_needs_response') return;
  dispute.evidence_details.past_due = true;
  decideDispute(world, id, false);
}

/** The bank's word. The amount comes back if it is won; the fee never does. */
export function decideDispute(world: World, id: string, won: boolean): void {
  const dispute = disputeOf(world, id);
  if (DECIDED.includes(dispute.status)) return;
  const before = { status: dispute.status };
  const inquiry = dispute.status.startsWith('warning');
  dispute.status = inquiry ? 'warning_closed' : won ? 'won' : 'lost';
  if (won && !inquiry) {
    adjust(world, dispute, dispute.amount, 0, 'dispute_reversal', 'Chargeback reversal');
    emit(world, 'charge.dispute.funds_reinstated', dispute);
  }
  emit(world, 'charge.dispute.closed', dispute, before);
}

function withdraw(world: World, dispute: Stripe.Dispute, fee: number): void {
  adjust(world, dispute, -dispute.amount, fee, 'dispute', 'Chargeback withdrawal');
  emit(world, 'charge.dispute.funds_withdrawn', dispute);
}

function adjust(
  world: World,
  dispute: Stripe.Dispute,
  amount: number,
  fee: number,
  category: string,
  what: string,
): void {
  const transaction = move(world, {
    type: 'adjustment',
    category,
    amount,
    fee,
    feeDescription: 'Dispute fee of the local stand-in',
    currency: dispute.currency,
    source: dispute.id,
    description: `${what} for ${typeof dispute.charge === 'string' ? dispute.charge : dispute.charge.id}`,
    atOnce: true,
  });
  dispute.balance_transactions.push(transaction);
}

/** The documented test answers decide: `winning_evidence`, `losing_evidence`. Anything else waits for the bank. */
function answer(world: World, dispute: Stripe.Dispute, sent: Params, submit: boolean): void {
  if (DECIDED.includes(dispute.status)) throw wrongState('dispute_closed', 'This dispute is already closed.');
  if (dispute.evidence_details.submission_count > 0) {
    throw wrongState('dispute_evidence_submitted', 'Evidence for this dispute has already been submitted.');
  }
  sent.only(...TEXTS);
  for (const name of TEXTS) if (sent.has(name)) dispute.evidence[name] = sent.text(name) ?? null;
  dispute.evidence_details.has_evidence = true;
  if (!submit) return;
  dispute.evidence_details.submission_count += 1;
  dispute.evidence_details.submission_method = 'manual';
  dispute.status = dispute.status.startsWith('warning') ? 'warning_under_review' : 'under_review';
  const text = dispute.evidence.uncategorized_text;
  const said = text === 'winning_evidence' || text === 'losing_evidence';
  const at = world.clock.now() + (said ? MINUTE : REVIEW_DAYS * DAY);
  world.plan(at, { kind: 'dispute_decision', dispute: dispute.id, won: text === 'winning_evidence' });
}

function noEvidence(): Stripe.Dispute.Evidence {
  return {
    access_activity_log: null,
    billing_address: null,
    cancellation_policy: null,
    cancellation_policy_disclosure: null,
    cancellation_rebuttal: null,
    customer_communication: null,
    customer_email_address: null,
    customer_name: null,
    customer_purchase_ip: null,
    customer_signature: null,
    duplicate_charge_documentation: null,
    duplicate_charge_explanation: null,
    duplicate_charge_id: null,
    enhanced_evidence: {},
    product_description: null,
    receipt: null,
    refund_policy: null,
    refund_policy_disclosure: null,
    refund_refusal_explanation: null,
    service_date: null,
    service_documentation: null,
    shipping_address: null,
    shipping_carrier: null,
    shipping_date: null,
    shipping_documentation: null,
    shipping_tracking_number: null,
    uncategorized_file: null,
    uncategorized_text: null,
  };
}

import {
  type ActAnswer,
  BillingRail,
  type Fetched,
  type IntentSeen,
  type PrepareAnswer,
  type ReadAnswer,
  type StoredCall,
} from '@core/collections';
import Stripe from 'stripe';
import { z } from 'zod';
import { answerOf, readFailure } from './stripe-answers.js';

/** The bodies that collecting writes down. One of another shape was not written by us. */
const create = z.strictObject({
  amount: z.int(),
  currency: z.string(),
  customer: z.string(),
  payment_method: z.string(),
  allowed_payment_method_types: z.array(z.enum(['card', 'us_bank_account', 'sepa_debit'])),
  description: z.string(),
  metadata: z.record(z.string(), z.string()),
}) satisfies z.ZodType<Stripe.PaymentIntentCreateParams>;

const confirm = z.strictObject({
  off_session: z.boolean(),
}) satisfies z.ZodType<Stripe.PaymentIntentConfirmParams>;

/** How far back an attempt is looked for among a customer's intents. */
const MOST_SEARCHED = 500;

/** The intent is past this call: it was made before, or another came first. What it became is to be fetched. */
const PAST_IT = 'payment_intent_unexpected_state';

/** Cards and bank debits through Stripe's own client, which repeats nothing by itself. */
export class StripeRail extends BillingRail {
  readonly apiVersion = Stripe.API_VERSION;

  constructor(private readonly stripe: Stripe) {
    super();
  }

  async prepare({ body, key }: StoredCall): Promise<PrepareAnswer> {
    const params = create.parse(JSON.parse(body));
    try {
      return fetched(await this.stripe.paymentIntents.create(params, { idempotencyKey: key }));
    } catch (error) {
      return answerOf(error);
    }
  }

  async confirm(intent: string, { body, key }: StoredCall): Promise<ActAnswer> {
    const params = confirm.parse(JSON.parse(body));
    return acted(() => this.stripe.paymentIntents.confirm(intent, params, { idempotencyKey: key }));
  }

  async cancel(intent: string, key: string): Promise<ActAnswer> {
    return acted(() =>
      this.stripe.paymentIntents.cancel(intent, { cancellation_reason: 'abandoned' }, { idempotencyKey: key }),
    );
  }

  async read(intent: string): Promise<ReadAnswer> {
    try {
      return fetched(await this.stripe.paymentIntents.retrieve(intent));
    } catch (error) {
      return readFailure(error);
    }
  }

  /** By listing, as a search may lag behind what was made. */
  async find({ id, customer }: { readonly id: string; readonly customer: string }): Promise<ReadAnswer> {
    try {
      let looked = 0;
      for await (const intent of this.stripe.paymentIntents.list({ customer, limit: 100 })) {
        if (intent.metadata.attempt === id) return fetched(intent);
        looked += 1;
        if (looked === MOST_SEARCHED) break;
      }
      return { kind: 'missing' };
    } catch (error) {
      return readFailure(error);
    }
  }
}

/** A refusal of the issuer is an answer as well: only the fetched object tells them apart. */
async function acted(call: () => Promise<Stripe.PaymentIntent>): Promise<ActAnswer> {
  try {
    return { kind: 'done', note: (await call()).status };
  } catch (error) {
    if (error instanceof Stripe.errors.StripeCardError)
      return { kind: 'done', note: error.decline_code ?? error.code ?? 'card_error' };
    const answer = answerOf(error);
    return answer.kind === 'refused' && answer.code === PAST_IT ? { kind: 'done', note: PAST_IT } : answer;
  }
}

const STATUSES: readonly string[] = [
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
  'processing',
  'requires_capture',
  'succeeded',
  'canceled',
];

const isKnown = (status: string): status is Exclude<IntentSeen['status'], 'other'> => STATUSES.includes(status);

const fetched = (object: Stripe.PaymentIntent): Fetched => ({
  kind: 'fetched',
  intent: seen(object),
  object: evidenceOf(object),
});

/** The object without what would let somebody confirm it. */
const evidenceOf = ({ client_secret: _secret, ...rest }: Stripe.PaymentIntent): unknown => rest;

const seen = (intent: Stripe.PaymentIntent): IntentSeen => {
  const { last_payment_error: error, latest_charge: charge } = intent;
  return {
    id: intent.id,
    status: isKnown(intent.status) ? intent.status : 'other',
    cents: BigInt(intent.amount),
    centsReceived: BigInt(intent.amount_received),
    currency: intent.currency,
    attempt: intent.metadata.attempt,
    code: error?.decline_code ?? error?.code,
    charge: typeof charge === 'string' ? charge : charge?.id,
  };
};

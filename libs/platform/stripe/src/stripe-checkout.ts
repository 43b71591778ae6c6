import type Stripe from 'stripe';
import {
  type CheckoutSeen,
  CheckoutRail,
  type MethodSeen,
  type Refused,
  type StoredCall,
  type Unclear,
} from '@core/collections';
import { z } from 'zod';
import { answerOf } from './stripe-answers.js';

type Seen<What> = { readonly kind: 'fetched' } & What;

const EXPAND = ['setup_intent.payment_method', 'setup_intent.mandate', 'payment_intent'];

// What is sent was written down as text: it is read back as what it was written as.
const metadata = z.record(z.string(), z.string());
const customer = z.object({ name: z.string().exactOptional(), metadata });
const page = z.object({
  mode: z.enum(['setup', 'payment']),
  customer: z.string(),
  currency: z.string().exactOptional(),
  allowed_payment_method_types: z.array(z.enum(['card', 'us_bank_account', 'sepa_debit'])),
  client_reference_id: z.string(),
  line_items: z
    .array(
      z.object({
        quantity: z.int(),
        price_data: z.object({
          currency: z.string(),
          unit_amount: z.int(),
          product_data: z.object({ name: z.string() }),
        }),
      }),
    )
    .exactOptional(),
  success_url: z.string(),
  cancel_url: z.string(),
  expires_at: z.int(),
  metadata,
  setup_intent_data: z.object({ metadata }).exactOptional(),
  payment_intent_data: z.object({ metadata }).exactOptional(),
});

/** Stripe Checkout and the methods it stores. */
export class StripeCheckout extends CheckoutRail {
  constructor(private readonly stripe: Stripe) {
    super();
  }

  async makeCustomer({ body, key }: StoredCall): Promise<Seen<{ readonly customer: string }> | Refused | Unclear> {
    return answer(async () => {
      const { id } = await this.stripe.customers.create(customer.parse(JSON.parse(body)), { idempotencyKey: key });
      return { customer: id };
    });
  }

  async open({ body, key }: StoredCall): Promise<Seen<{ readonly checkout: CheckoutSeen }> | Refused | Unclear> {
    return answer(async () => {
      const params = page.parse(JSON.parse(body));
      return { checkout: checkoutOf(await this.stripe.checkout.sessions.create(params, { idempotencyKey: key })) };
    });
  }

  async readCheckout(id: string): Promise<Seen<{ readonly checkout: CheckoutSeen }> | Refused | Unclear> {
    return answer(async () => ({
      checkout: checkoutOf(await this.stripe.checkout.sessions.retrieve(id, { expand: EXPAND })),
    }));
  }

  async readMethod(id: string): Promise<Seen<{ readonly method: MethodSeen }> | Refused | Unclear> {
    return answer(async () => ({ method: known(methodOf(await this.stripe.paymentMethods.retrieve(id), undefined)) }));
  }

  async readMandate(id: string): Promise<Seen<{ readonly active: boolean }> | Refused | Unclear> {
    return answer(async () => ({ active: (await this.stripe.mandates.retrieve(id)).status !== 'inactive' }));
  }

  async detach(method: string, key: string): Promise<Seen<{ readonly method: MethodSeen }> | Refused | Unclear> {
    return answer(async () => ({
      method: known(methodOf(await this.stripe.paymentMethods.detach(method, {}, { idempotencyKey: key }), undefined)),
    }));
  }
}

async function answer<What extends object>(call: () => Promise<What>): Promise<Seen<What> | Refused | Unclear> {
  try {
    return { kind: 'fetched', ...(await call()) };
  } catch (error) {
    return answerOf(error);
  }
}

const idOf = (object: string | { readonly id: string } | null | undefined): string | undefined =>
  typeof object === 'string' ? object : object?.id;

const known = (method: MethodSeen | undefined): MethodSeen => {
  if (!method) throw new Error('Stripe answered with a method of a kind that is not stored here');
  return method;
};

function checkoutOf(session: Stripe.Checkout.Session): CheckoutSeen {
  const setup = typeof session.setup_intent === 'object' ? session.setup_intent : null;
  const stored =
    setup?.status === 'succeeded' && typeof setup.payment_method === 'object' ? setup.payment_method : null;
  return {
    id: session.id,
    status: session.status === 'complete' ? 'complete' : session.status === 'expired' ? 'expired' : 'open',
    reference: session.client_reference_id ?? undefined,
    url: session.url ?? undefined,
    method: stored ? methodOf(stored, idOf(setup?.mandate)) : undefined,
    payment: paymentOf(session),
  };
}

function paymentOf(session: Stripe.Checkout.Session): CheckoutSeen['payment'] {
  const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null;
  if (!intent) return undefined;
  return {
    intent: intent.id,
    state: intent.status === 'succeeded' ? 'paid' : intent.status === 'processing' ? 'debited' : endedOf(session),
    cents: BigInt(intent.status === 'succeeded' ? intent.amount_received : intent.amount),
    currency: intent.currency,
  };
}

/** Until the page is left, its holder may try another method. */
const endedOf = ({ status }: Stripe.Checkout.Session): 'open' | 'failed' => (status === 'complete' ? 'failed' : 'open');

function methodOf(method: Stripe.PaymentMethod, mandate: string | undefined): MethodSeen | undefined {
  const of = { id: method.id, mandate, customer: idOf(method.customer) };
  if (method.card) return { ...of, type: 'card', label: `${method.card.brand} ${method.card.last4}` };
  if (method.us_bank_account) {
    const { bank_name: bank, last4 } = method.us_bank_account;
    return { ...of, type: 'us_bank_account', label: `${bank ?? 'bank account'} ${last4 ?? ''}`.trim().slice(0, 64) };
  }
  if (method.sepa_debit) return { ...of, type: 'sepa_debit', label: `IBAN ${method.sepa_debit.last4 ?? ''}`.trim() };
  return undefined;
}

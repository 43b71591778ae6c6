import type Stripe from 'stripe';

export interface SessionFacts {
  readonly id: string;
  readonly created: number;
  readonly expiresAt: number;
  readonly mode: 'setup' | 'payment';
  readonly customer: Stripe.Customer | null;
  readonly email: string | null;
  readonly successUrl: string;
  readonly cancelUrl: string | null;
  readonly reference: string | null;
  readonly metadata: Stripe.Metadata;
  readonly types: string[];
  readonly currency: string | null;
  readonly amount: number | null;
  /** Of the stand-in; the hosted page is below it. */
  readonly url: string;
}

/** A Checkout session as it is opened. */
export function checkoutSession(facts: SessionFacts): Stripe.Checkout.Session {
  const { amount } = facts;
  return {
    id: facts.id,
    object: 'checkout.session',
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: null,
    allowed_payment_method_types: facts.types,
    amount_subtotal: amount,
    amount_total: amount,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: null,
    cancel_url: facts.cancelUrl,
    client_reference_id: facts.reference,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: facts.created,
    currency: facts.currency?.toLowerCase() ?? null,
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: facts.customer?.id ?? null,
    customer_account: null,
    customer_creation: null,
    customer_details: null,
    customer_email: facts.email,
    discounts: null,
    expires_at: facts.expiresAt,
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    livemode: false,
    locale: null,
    managed_payments: null,
    metadata: facts.metadata,
    mode: facts.mode,
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: facts.types,
    payment_status: facts.mode === 'setup' ? 'no_payment_required' : 'unpaid',
    permissions: null,
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: null,
    subscription: null,
    success_url: facts.successUrl,
    total_details: amount === null ? null : { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url: `${facts.url}/c/pay/${facts.id}`,
    wallet_options: null,
  };
}

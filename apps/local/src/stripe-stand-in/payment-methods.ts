import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import { cardError, invalidRequest, noSuch, wrongState } from './errors.js';
import { emit } from './events.js';
import { addressOf, customerOf } from './found.js';
import { idOf, isAsked, listed } from './listing.js';
import type { Params } from './params.js';
import type { Call } from './call.js';
import { ACCOUNT_NUMBERS, IBANS, TEST_METHODS, testMethod, tokenOfCard } from './test-methods.js';
import type { World } from './world.js';

export const paymentMethods = {
  create: ({ world, params }: Call): Stripe.PaymentMethod => {
    params.only('type', 'card', 'us_bank_account', 'sepa_debit', 'billing_details', 'metadata', 'allow_redisplay');
    return made(world, nameIn(params), params);
  },

  retrieve: ({ world, id }: Call): Stripe.PaymentMethod => {
    return paymentMethodOf(world, id, 'id');
  },

  update: ({ world, params, id }: Call): Stripe.PaymentMethod => {
    params.only('metadata', 'billing_details', 'allow_redisplay');
    const method = paymentMethodOf(world, id, 'id');
    const before = { metadata: method.metadata };
    method.metadata = params.metadata(method.metadata);
    if (params.has('billing_details')) method.billing_details = billingOf(params.within('billing_details'));
    emit(world, 'payment_method.updated', method, before);
    return method;
  },

  attach: ({ world, params, id }: Call): Stripe.PaymentMethod => {
    params.only('customer');
    const customer = customerOf(world, params.need('customer'));
    const method = paymentMethodOf(world, id, 'id');
    const owner = idOf(method.customer);
    if (owner !== null && owner !== customer.id) {
      throw invalidRequest('The payment method you provided has already been attached to a customer.');
    }
    const { declined, attaches } = madeFrom(world, method.id).test;
    if (declined !== undefined && attaches !== true) {
      throw cardError({ message: 'Your card was declined.', code: declined.code, decline_code: declined.declineCode });
    }
    attachTo(world, method, customer.id);
    return method;
  },

  detach: ({ world, id }: Call): Stripe.PaymentMethod => {
    const method = paymentMethodOf(world, id, 'id');
    if (method.customer === null) {
      throw wrongState('resource_missing', 'The payment method you provided is not attached to a customer.');
    }
    detach(world, method);
    return method;
  },

  list: (call: Call): Stripe.ApiList<Stripe.PaymentMethod> => {
    const { params, world } = call;
    const customer = call.id === '' ? params.text('customer') : customerOf(world, call.id, 'id').id;
    const type = params.text('type');
    return listed(
      call,
      world.state.paymentMethods,
      ['customer', 'type'],
      (method) =>
        method.customer !== null && isAsked(customer, method.customer) && (type === undefined || method.type === type),
    );
  },
};

/** The payment method a parameter names. A documented test name (pm_card_visa) makes a new one each time it is used. */
export function paymentMethodOf(world: World, id: string, param = 'payment_method'): Stripe.PaymentMethod {
  if (TEST_METHODS[id] !== undefined) return made(world, id);
  const method = world.state.paymentMethods[id];
  if (method === undefined) throw noSuch('PaymentMethod', id, param);
  return method;
}

export function madeFrom(world: World, id: string) {
  const memory = world.state.madeFrom[id];
  if (memory === undefined) throw noSuch('PaymentMethod', id, 'payment_method');
  return { memory, test: testMethod(memory.testMethod) };
}

export function attachTo(world: World, method: Stripe.PaymentMethod, customer: string): void {
  if (idOf(method.customer) === customer) return;
  method.customer = customer;
  emit(world, 'payment_method.attached', method);
}

/** From now on a saved method behaves like another test method of its type: also in what is under way. */
export function behaveLike(world: World, id: string, name: string): Stripe.PaymentMethod {
  const method = paymentMethodOf(world, id);
  const known = TEST_METHODS[name] ?? IBANS[name];
  if (known === undefined) throw noSuch('test method', name, 'like');
  if (known.type !== method.type) throw invalidRequest(`${name} is not of type ${method.type}.`, 'like');
  const made = world.state.madeFrom[id];
  if (made !== undefined) world.state.madeFrom[id] = { ...made, testMethod: name };
  return method;
}

/** A detached method is never charged again and cannot be attached again. */
export function detach(world: World, method: Stripe.PaymentMethod): void {
  const customer = method.customer;
  method.customer = null;
  emit(world, 'payment_method.detached', method, { customer });
}

/** A payment method from `payment_method_data`, as from a request of its own. */
export function madeFromData(world: World, params: Params): Stripe.PaymentMethod {
  return made(world, nameIn(params), params);
}

/** A new payment method from the name of a test method: a token, or an IBAN. */
export function made(world: World, name: string, params?: Params): Stripe.PaymentMethod {
  const test = testMethod(name);
  const method: Stripe.PaymentMethod = {
    id: world.id('pm'),
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: billingOf(params?.within('billing_details')),
    created: world.clock.seconds(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: params?.metadata() ?? {},
    type: test.type,
  };
  const fingerprint = createHash('sha256').update(name).digest('hex').slice(0, 16);
  if (test.type === 'card')
    method.card = cardFrom(test.brand ?? 'visa', test.last4, fingerprint, new Date(world.clock.now()));
  if (test.type === 'us_bank_account') method.us_bank_account = bankFrom(test.last4, fingerprint);
  if (test.type === 'sepa_debit') {
    method.sepa_debit = {
      bank_code: name.slice(4, 9),
      branch_code: '',
      country: name.slice(0, 2),
      fingerprint,
      generated_from: { charge: null, setup_attempt: null },
      last4: name.slice(-4),
    };
  }
  world.state.paymentMethods[method.id] = method;
  world.state.madeFrom[method.id] = { testMethod: name, authenticated: false, mandate: null };
  return method;
}

function nameIn(params: Params): string {
  const type = params.choice('type', ['card', 'us_bank_account', 'sepa_debit']);
  if (type === 'card') {
    const card = params.within('card');
    if (card?.has('number') === true) {
      throw invalidRequest('Sending credit card numbers directly is refused here: use a test token.', 'card[number]');
    }
    const token = tokenOfCard(card?.need('token') ?? '');
    if (TEST_METHODS[token]?.type !== 'card') throw noSuch('token', card?.text('token') ?? '', 'card[token]');
    return token;
  }
  if (type === 'us_bank_account') {
    const account = params.within('us_bank_account')?.need('account_number') ?? '';
    const name = ACCOUNT_NUMBERS[account];
    if (name === undefined) {
      throw invalidRequest('In test mode use a documented account number.', 'us_bank_account[account_number]');
    }
    return name;
  }
  if (type === undefined) throw invalidRequest('Missing required param: type.', 'type', 'parameter_missing');
  const iban = (params.within('sepa_debit')?.need('iban') ?? '').replaceAll(' ', '').toUpperCase();
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{10,30}$/.test(iban))
    throw invalidRequest('Invalid IBAN.', 'sepa_debit[iban]', 'invalid_iban');
  return iban;
}

function billingOf(params: Params | undefined): Stripe.PaymentMethod.BillingDetails {
  return {
    address: addressOf(params?.within('address')),
    email: params?.text('email') ?? null,
    name: params?.text('name') ?? null,
    phone: params?.text('phone') ?? null,
    tax_id: null,
  };
}

function cardFrom(brand: string, last4: string, fingerprint: string, now: Date): Stripe.PaymentMethod.Card {
  return {
    brand,
    checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
    country: 'US',
    display_brand: brand,
    exp_month: 12,
    exp_year: now.getUTCFullYear() + 3,
    fingerprint,
    funding: 'credit',
    generated_from: null,
    last4,
    networks: { available: [brand], preferred: null },
    regulated_status: 'unregulated',
    three_d_secure_usage: { supported: true },
    wallet: null,
  };
}

function bankFrom(last4: string, fingerprint: string): Stripe.PaymentMethod.UsBankAccount {
  return {
    account_holder_type: 'company',
    account_type: 'checking',
    bank_name: 'STAND-IN TEST BANK',
    financial_connections_account: null,
    fingerprint,
    last4,
    networks: { preferred: 'ach', supported: ['ach'] },
    routing_number: '110000000',
    status_details: {},
  };
}

import type Stripe from 'stripe';
import { noSuch } from './errors.js';
import { emit } from './events.js';
import { addressOf, customerOf } from './found.js';
import { idOf, listed } from './listing.js';
import type { Params } from './params.js';
import { detach, paymentMethodOf } from './payment-methods.js';
import type { Call } from './call.js';
import { searched } from './search.js';
import type { World } from './world.js';

const FIELDS = [
  'address',
  'description',
  'email',
  'invoice_settings',
  'metadata',
  'name',
  'phone',
  'preferred_locales',
];

export const customers = {
  create: ({ world, params }: Call): Stripe.Customer => {
    params.only(...FIELDS, 'payment_method', 'tax_exempt');
    const customer: Stripe.Customer = {
      id: world.id('cus'),
      object: 'customer',
      address: null,
      balance: 0,
      created: world.clock.seconds(),
      currency: null,
      customer_account: null,
      default_source: null,
      delinquent: false,
      description: null,
      discount: null,
      email: null,
      invoice_prefix: world.state.salt.slice(0, 8).toUpperCase(),
      invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
      livemode: false,
      metadata: params.metadata(),
      name: null,
      next_invoice_sequence: 1,
      phone: null,
      preferred_locales: [],
      shipping: null,
      tax_exempt: 'none',
      test_clock: null,
    };
    set(world, customer, params);
    world.state.customers[customer.id] = customer;
    emit(world, 'customer.created', customer);
    return customer;
  },

  retrieve: ({ world, id }: Call): Stripe.Customer | Stripe.DeletedCustomer => {
    const customer = world.state.customers[id];
    if (customer === undefined) throw noSuch('customer', id);
    return customer;
  },

  update: ({ world, params, id }: Call): Stripe.Customer => {
    params.only(...FIELDS, 'tax_exempt');
    const customer = customerOf(world, id, 'id');
    const before = { metadata: customer.metadata, email: customer.email };
    customer.metadata = params.metadata(customer.metadata);
    set(world, customer, params);
    emit(world, 'customer.updated', customer, before);
    return customer;
  },

  remove: ({ world, id }: Call): Stripe.DeletedCustomer => {
    const customer = customerOf(world, id, 'id');
    for (const method of Object.values(world.state.paymentMethods)) {
      if (idOf(method.customer) === id) detach(world, method);
    }
    const deleted: Stripe.DeletedCustomer = { id, object: 'customer', deleted: true };
    world.state.customers[id] = deleted;
    emit(world, 'customer.deleted', customer);
    return deleted;
  },

  list: (call: Call): Stripe.ApiList<Stripe.Customer> => {
    const { params, world } = call;
    const created = params.range('created');
    const email = params.text('email');
    return listed(
      call,
      living(world),
      ['created', 'email'],
      (one) => created(one.created) && (email === undefined || one.email === email),
    );
  },

  search: (call: Call): Stripe.ApiSearchResult<Stripe.Customer> => {
    return searched(call, living(call.world), {
      created: (customer) => customer.created,
      email: (customer) => customer.email,
      name: (customer) => customer.name ?? null,
      phone: (customer) => customer.phone ?? null,
    });
  },
};

function living(world: World): Record<string, Stripe.Customer> {
  const all: Record<string, Stripe.Customer> = {};
  for (const customer of Object.values(world.state.customers))
    if (customer.deleted !== true) all[customer.id] = customer;
  return all;
}

function set(world: World, customer: Stripe.Customer, params: Params): void {
  if (params.has('description')) customer.description = params.text('description') ?? null;
  if (params.has('email')) customer.email = params.text('email') ?? null;
  if (params.has('name')) customer.name = params.text('name') ?? null;
  if (params.has('phone')) customer.phone = params.text('phone') ?? null;
  if (params.has('preferred_locales')) customer.preferred_locales = params.list('preferred_locales') ?? [];
  if (params.has('address')) customer.address = addressOf(params.within('address'));
  const settings = params.within('invoice_settings');
  if (settings?.has('default_payment_method') === true) {
    const method = settings.text('default_payment_method');
    if (method !== undefined) paymentMethodOf(world, method);
    customer.invoice_settings.default_payment_method = method ?? null;
  }
}

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type Stripe from 'stripe';
import type { Due } from './due.js';

/** Objects by id, in the order in which they were made. */
export type Shelf<T> = Record<string, T>;

/** What is kept under an idempotency key: the request it stands for and, once there is one, its answer. */
export interface StoredAnswer {
  readonly request: string;
  readonly at: number;
  answer: { readonly status: number; readonly body: string; readonly requestId: string } | null;
}

/** One event on its way to one endpoint. */
export interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly endpoint: string;
  /** An invented event, signed with a wrong secret: the body is here and nowhere else. */
  readonly forged: string | null;
  tries: number;
}

/** What the stand-in has to remember about a payment method beyond the object: the test method it was made from. */
export interface MadeFrom {
  readonly testMethod: string;
  /** The payer has authenticated once, at set-up: later charges of some test cards pass because of it. */
  authenticated: boolean;
  mandate: string | null;
}

/** What the stand-in has to remember about a Checkout session beyond the object. */
export interface SessionWishes {
  readonly metadata: Stripe.Metadata;
  readonly description: string | null;
  readonly setupFutureUsage: 'off_session' | 'on_session' | null;
  readonly lineItems: Stripe.LineItem[];
}

/** Everything the LOCAL STAND-IN knows. Plain data: it is written to the snapshot file as it is. */
export interface State {
  readonly kind: 'farebox-local-stripe-stand-in';
  readonly version: 1;
  /** Makes the ids of this state unlike those of any other. */
  readonly salt: string;
  /** How far the clock is ahead of real time, or the time at which it is held. */
  clock: { offsetMs: number } | { heldAt: number };
  /** Counts ids, due things and requests. */
  counter: number;
  due: Due[];
  answers: Record<string, StoredAnswer>;
  customers: Shelf<Stripe.Customer | Stripe.DeletedCustomer>;
  paymentMethods: Shelf<Stripe.PaymentMethod>;
  madeFrom: Record<string, MadeFrom>;
  mandates: Shelf<Stripe.Mandate>;
  setupIntents: Shelf<Stripe.SetupIntent>;
  paymentIntents: Shelf<Stripe.PaymentIntent>;
  charges: Shelf<Stripe.Charge>;
  refunds: Shelf<Stripe.Refund>;
  disputes: Shelf<Stripe.Dispute>;
  balanceTransactions: Shelf<Stripe.BalanceTransaction>;
  /** Balance transaction → the automatic payout that carried it. */
  paidOutBy: Record<string, string>;
  payouts: Shelf<Stripe.Payout>;
  sessions: Shelf<Stripe.Checkout.Session>;
  sessionWishes: Record<string, SessionWishes>;
  events: Shelf<Stripe.EventBase>;
  webhookEndpoints: Shelf<Stripe.WebhookEndpoint>;
  /** Signing secrets are shown once, at creation, and kept beside the objects. */
  endpointSecrets: Record<string, string>;
  deliveries: Record<string, Delivery>;
  webhookCounts: {
    planned: number;
    dropped: number;
    forged: number;
    delivered: number;
    refused: number;
    givenUp: number;
  };
}

export function emptyState(clock: State['clock'], seed: string | undefined): State {
  return {
    kind: 'farebox-local-stripe-stand-in',
    version: 1,
    salt:
      seed === undefined
        ? randomBytes(6).toString('hex')
        : Buffer.from(seed).toString('hex').slice(0, 12).padEnd(12, '0'),
    clock,
    counter: 0,
    due: [],
    answers: {},
    customers: {},
    paymentMethods: {},
    madeFrom: {},
    mandates: {},
    setupIntents: {},
    paymentIntents: {},
    charges: {},
    refunds: {},
    disputes: {},
    balanceTransactions: {},
    paidOutBy: {},
    payouts: {},
    sessions: {},
    sessionWishes: {},
    events: {},
    webhookEndpoints: {},
    endpointSecrets: {},
    deliveries: {},
    webhookCounts: { planned: 0, dropped: 0, forged: 0, delivered: 0, refused: 0, givenUp: 0 },
  };
}

/** The state a snapshot file holds, or undefined if there is none yet. A file of another kind is refused, not overwritten. */
export function readSnapshot(file: string): State | undefined {
  if (!existsSync(file)) return undefined;
  const state = JSON.parse(readFileSync(file, 'utf8')) as Partial<State>;
  if (state.kind !== 'farebox-local-stripe-stand-in' || state.version !== 1) {
    throw new Error(`${file} is not a snapshot of the local Stripe stand-in.`);
  }
  return state as State;
}

/** Written beside, flushed to the disk, then renamed: a crash leaves the file before or the file after. */
export function writeSnapshot(file: string, state: State): void {
  const beside = `${file}.next`;
  const handle = openSync(beside, 'w', 0o600);
  try {
    writeSync(handle, JSON.stringify(state));
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

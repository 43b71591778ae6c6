import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { StripeStandIn } from './stripe-stand-in.js';
import type { StandInOptions } from './stripe-stand-in.js';

/** Monday morning. */
export const MONDAY = Date.UTC(2026, 10, 2, 9);
export const SECRET = 'whsec_of_the_tests';

export interface Scene {
  readonly standIn: StripeStandIn;
  /** The official SDK as it is. */
  readonly stripe: Stripe;
}

/** For tests: a LOCAL STAND-IN whose clock is held at a Monday, and the SDK before it. */
export async function openScene(options: StandInOptions = {}, maxNetworkRetries = 0): Promise<Scene> {
  const standIn = await StripeStandIn.open({ clock: { heldAt: MONDAY }, seed: 'tests', ...options });
  return { standIn, stripe: sdk(standIn, maxNetworkRetries) };
}

export function sdk(standIn: StripeStandIn, maxNetworkRetries = 0, timeout = 5000): Stripe {
  const { host, port } = standIn;
  return new Stripe('sk_test_farebox', { host, port, protocol: 'http', maxNetworkRetries, timeout, telemetry: false });
}

/** A customer with a saved test method, set up as the API has it. */
export async function saved(
  { stripe }: Scene,
  paymentMethod: string,
): Promise<{ readonly customer: string; readonly payment_method: string }> {
  const customer = await stripe.customers.create({ email: 'agent@example.com' });
  const setup = await stripe.setupIntents.create({
    customer: customer.id,
    payment_method: paymentMethod,
    confirm: true,
    mandate_data: { customer_acceptance: { type: 'offline', offline: {} } },
  });
  return { customer: customer.id, payment_method: theId(setup.payment_method) };
}

/** An off-session payment with a saved test method. */
export async function pay(
  scene: Scene,
  paymentMethod: string,
  amount = 26_400,
): Promise<Stripe.Response<Stripe.PaymentIntent>> {
  const who = await saved(scene, paymentMethod);
  return scene.stripe.paymentIntents.create({ ...who, amount, currency: 'usd', off_session: true, confirm: true });
}

/** The id of a field that was not expanded, or that was. */
export function theId(field: string | { readonly id: string } | null): string {
  return typeof field === 'string' ? field : (field?.id ?? '');
}

/** What a rejected call was rejected with. */
export async function rejection(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const error: unknown = await call.then(
    () => new Error('The call succeeded.'),
    (reason: unknown) => reason,
  );
  if (error instanceof Stripe.errors.StripeError) return error;
  throw error instanceof Error ? error : new Error(String(error));
}

export interface Inbox {
  readonly url: string;
  /** What the SDK's own check let through, in order of arrival. */
  readonly events: Stripe.Event[];
  readonly refused: string[];
  /** The status answered from now on. */
  answer: number;
  close(): Promise<void>;
}

/** An endpoint that checks signatures with the SDK. `now` is the clock the signatures are measured by. */
export async function openInbox(now: () => number): Promise<Inbox> {
  const { webhooks } = new Stripe('sk_test_farebox');
  const events: Stripe.Event[] = [];
  const refused: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const header = String(request.headers['stripe-signature']);
      try {
        const event = webhooks.constructEvent(body, header, SECRET, 300, undefined, now());
        if (inbox.answer < 300) events.push(event);
        response.writeHead(inbox.answer).end();
      } catch {
        refused.push(body);
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const inbox: Inbox = {
    url: `http://127.0.0.1:${port}/stripe`,
    events,
    refused,
    answer: 200,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return inbox;
}

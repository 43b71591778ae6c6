import type { CheckoutRail, MethodType, Refused, Unclear } from '@core/collections';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type AssetId, USD } from '@core/money';
import { addMs, type Clock, formatInstant } from '@core/time';
import { LEAST_CENTS, MOST_CENTS, unitsOfACent } from '@core/collections';
import type { Database } from '@platform/database';
import type { StoredCheckout } from './checkout.js';
import { CheckoutsStore } from './checkouts.store.js';

/** Where the holder comes back to. */
interface Returns {
  readonly successUrl: string;
  readonly cancelUrl: string;
}

export interface OpenedCheckout {
  readonly checkout: StoredCheckout;
  /** Of Stripe's page: the holder of the account goes there. */
  readonly url: string;
}

/** A page lives for a day at Stripe. */
const LIVES_MS = 86_400_000;
const FIRST_LOOK_MS = 30_000;

/**
 * Opens a page of Stripe's for an account: to store a payment method, or to buy balance. What is sent is written down first, so that
 * whatever Stripe made of a call that was never answered is found again under the same key.
 */
export class OpenCheckout {
  readonly #store = new CheckoutsStore();

  constructor(
    private readonly database: Database,
    private readonly rail: CheckoutRail | undefined,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault as `#open` */
  async storeMethod(
    input: Returns & { readonly provider: string; readonly account: string; readonly types: readonly MethodType[] },
  ): Promise<OpenedCheckout> {
    const { account, types, successUrl, cancelUrl } = input;
    return this.#open(input, 'setup', undefined, (id, customer, expiresAt) => ({
      mode: 'setup',
      customer,
      currency: types.includes('sepa_debit') && types.length === 1 ? 'eur' : 'usd',
      allowed_payment_method_types: [...types],
      client_reference_id: id,
      success_url: successUrl,
      cancel_url: cancelUrl,
      expires_at: expiresAt,
      metadata: { checkout: id, account },
      setup_intent_data: { metadata: { checkout: id, account } },
    }));
  }

  /** @throws Fault as `#open`; invalid_request (`invalid_amount`, `unknown_asset`) */
  async buyBalance(
    input: Returns & {
      readonly provider: string;
      readonly account: string;
      readonly cents: bigint;
      readonly asset: AssetId;
    },
  ): Promise<OpenedCheckout> {
    const { account, cents, asset, successUrl, cancelUrl } = input;
    if (cents < LEAST_CENTS || cents > MOST_CENTS)
      throw new Fault('invalid_request', `"cents" has to be from ${LEAST_CENTS} to ${MOST_CENTS}.`, {
        reason: 'invalid_amount',
      });
    if (asset !== USD.id && !asset.includes('/erc20:'))
      throw new Fault('invalid_request', 'Balance bought by card or bank is in US dollars or USDC.', {
        reason: 'unknown_asset',
      });
    const bought = { cents, asset, amount: cents * unitsOfACent(asset) };
    return this.#open(input, 'topup', bought, (id, customer, expiresAt) => ({
      mode: 'payment',
      customer,
      allowed_payment_method_types: ['card', 'us_bank_account'],
      client_reference_id: id,
      line_items: [
        {
          quantity: 1,
          price_data: { currency: 'usd', unit_amount: Number(cents), product_data: { name: 'Prepaid balance' } },
        },
      ],
      success_url: successUrl,
      cancel_url: cancelUrl,
      expires_at: expiresAt,
      metadata: { checkout: id, account },
      payment_intent_data: { metadata: { checkout: id, account } },
    }));
  }

  /**
   * @throws Fault not_found (`unknown_account`), conflict (`no_card_rail`: this service has no Stripe key; `rail_refused`), unavailable when
   *   Stripe does not answer: the same again is safe
   */
  async #open(
    { provider, account }: { readonly provider: string; readonly account: string },
    purpose: StoredCheckout['purpose'],
    bought: StoredCheckout['bought'],
    bodyOf: (id: string, customer: string, expiresAt: number) => object,
  ): Promise<OpenedCheckout> {
    const rail = this.rail;
    if (!rail)
      throw new Fault('conflict', 'Cards and banks are not set up here: the service has no STRIPE_SECRET_KEY.', {
        reason: 'no_card_rail',
      });
    const customer = await this.#customer(rail, provider, account);
    const id = this.ids.next(ID_PREFIXES.checkout);
    const now = this.clock.now();
    // A minute less than a day: Stripe counts from when the call reaches it.
    const expiresAt = addMs(now, LIVES_MS - 60_000);
    const body = JSON.stringify(bodyOf(id, customer, Math.floor(expiresAt / 1_000)));
    const checkout: StoredCheckout = {
      ...{ id, provider, account, purpose, body, bought, expiresAt },
      ...{ state: 'opening', stripeId: undefined, grant: undefined },
    };
    await this.database.forProvider(provider, (tx) =>
      this.#store.insert(tx, checkout, new Date(formatInstant(addMs(now, FIRST_LOOK_MS)))),
    );
    const answer = await rail.open({ body, key: id });
    if (answer.kind !== 'fetched') throw refusalOf(answer);
    const { checkout: seen } = answer;
    await this.database.forProvider(provider, (tx) => this.#store.opened(tx, id, seen.id));
    if (seen.url === undefined) throw new Fault('unavailable', 'The page is over already; ask for another.');
    return { checkout: { ...checkout, state: 'open', stripeId: seen.id }, url: seen.url };
  }

  /** Made once: its key follows from the account. */
  async #customer(rail: CheckoutRail, provider: string, account: string): Promise<string> {
    const known = await this.database.forProvider(provider, async (tx) => {
      const row = await tx.account.findUnique({ where: { id: account } });
      if (!row)
        throw new Fault('not_found', `There is no account "${account.slice(0, 64)}".`, { reason: 'unknown_account' });
      const body = JSON.stringify({
        ...(row.name === null ? {} : { name: row.name }),
        metadata: { account, provider },
      });
      return this.#store.customer(tx, { provider, account, body });
    });
    if (known.stripeId !== undefined) return known.stripeId;
    const made = await rail.makeCustomer({ body: known.body, key: `cus-${account}` });
    if (made.kind !== 'fetched') throw refusalOf(made);
    await this.database.forProvider(provider, (tx) => this.#store.setCustomer(tx, account, made.customer));
    return made.customer;
  }
}

function refusalOf(answer: Refused | Unclear): Fault {
  if (answer.kind === 'refused')
    return new Fault('conflict', `Stripe refuses it: ${answer.reason}`, { reason: 'rail_refused' });
  if (answer.kind === 'mismatch') return new Fault('invariant_broken', `a key was used twice: ${answer.reason}`);
  return new Fault('unavailable', 'Stripe did not answer; ask again, nothing is charged by asking.', {
    reason: 'rail_unreachable',
    retryAfterSeconds: 5,
  });
}

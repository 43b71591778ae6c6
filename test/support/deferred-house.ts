import { formatInstant, type Instant } from '@core/time';
import { paywall } from '@farebox/paywall/express';
import express from 'express';
import { StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
import type { Called } from './api.js';
import { CreditAgent } from './credit-agent.js';
import { faultsAgainstStripe, type Issued, ledgerOf } from './deferred-books.js';
import { HeldDatabaseTime } from './held-database-time.js';
import { House } from './house.js';
import { relayerKey } from './settlement-scene.js';
import { until } from './until.js';

const SECRET = 'whsec_of_the_house';
/** A call is priced at 4000 millionths of a dollar. */
const CALL = '/call';

/** Real api and worker processes that know the local stand-in for Stripe as Stripe, and a shop behind the gate. */
export class DeferredHouse {
  readonly issued: Issued[] = [];

  private constructor(
    readonly house: House,
    readonly standIn: StripeStandIn,
    private readonly time: HeldDatabaseTime,
    private readonly shop: string,
  ) {}

  static async open(seed: string): Promise<DeferredHouse> {
    const standIn = await StripeStandIn.open({ seed });
    const house = await House.build({
      release: 'authorized',
      config: {
        SIGNING_KEYS: 'a1'.repeat(32),
        CHANNEL_AUTHORIZER_KEY: relayerKey(7),
        STRIPE_SECRET_KEY: 'sk_test_of_the_house',
        STRIPE_API_URL: standIn.url,
        STRIPE_WEBHOOK_SECRET: SECRET,
      },
    });
    standIn.sendEventsTo(`${house.url}/webhooks/stripe`, SECRET);
    await house.startWorker();
    const app = express();
    app.get(CALL, paywall({ gateUrl: house.url, key: house.key })({ meter: 'api.calls' }), (_request, response) => {
      response.json({ served: true });
    });
    return new DeferredHouse(house, standIn, await HeldDatabaseTime.open(house.db.ownerUrl), await house.serve(app));
  }

  /** A request to the api with the provider's key; it has to succeed. */
  async api(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Called['json']> {
    const answer = await this.house.call(path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }),
    });
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  /** What calls make of the ledger is effective at this instant from now on; without one: when it happens. */
  async isNow(at?: Instant): Promise<void> {
    if (at === undefined) await this.house.owner.query('DELETE FROM held_time');
    else await this.time.set(at);
  }

  /** The period of an account's terms is this one. */
  async billsPeriod(
    account: string,
    { start, end }: { readonly start: Instant; readonly end: Instant },
  ): Promise<void> {
    await this.house.owner.query('UPDATE billing_terms SET period_start = $2, period_end = $3 WHERE account_id = $1', [
      account,
      formatInstant(start),
      formatInstant(end),
    ]);
  }

  /** The holder of an account leaves a method on the page that the api names. */
  async holderStores(account: string, paymentMethod: string): Promise<void> {
    const path = `/v1/accounts/${account}/payment-methods`;
    const page = await this.api('POST', path, {
      types: ['card'],
      successUrl: 'https://shop.example/done',
      cancelUrl: 'https://shop.example/cancelled',
    });
    const [session = ''] = /cs_\w+/.exec(String(page.url)) ?? [];
    this.standIn.drive.completeCheckout(session, { paymentMethod });
    await until('the method to be stored', async () => (await this.api('GET', path)).data.length === 1);
  }

  /** The agent of an account, by a key of its own. */
  async agent(account: string): Promise<CreditAgent> {
    const { secret } = await this.api('POST', `/v1/accounts/${account}/keys`, { name: 'agent' });
    return new CreditAgent(this.house.url, secret);
  }

  /** The agent calls the shop on credit. @returns what is answered; why, when credit is not granted */
  async call(agent: CreditAgent): Promise<number | string> {
    const url = `${this.shop}${CALL}`;
    const offer = await agent.offer(url);
    const { status, json } = await agent.authorize(url, offer);
    if (status !== 201) return String(json.reason);
    return (await fetch(url, { headers: agent.consume(offer, json.attestation) })).status;
  }

  /** Balances of the ledger by code and asset, debits positive, without zeros. */
  async ledger(): Promise<Record<string, bigint>> {
    const sums: Record<string, bigint> = {};
    for (const { code, asset, balance } of await ledgerOf(this.house.owner)) {
      const place = asset === 'iso4217:USD' ? `${code} USD` : `${code} USDC`;
      sums[place] = (sums[place] ?? 0n) + balance;
    }
    return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0n));
  }

  faults(): Promise<string[]> {
    return faultsAgainstStripe(this.house.owner, this.standIn, this.issued);
  }

  async close(): Promise<void> {
    await this.time.close();
    await this.house.close();
    await this.standIn.close();
  }
}

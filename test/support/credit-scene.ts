import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from '@x402/core/http';
import express from 'express';
import { assetId } from '@core/money';
import { SetCredit } from '@features/wallet';
import { paywall } from '@farebox/paywall/express';
import type { Api } from '../../apps/api/src/create-app.js';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { AgentHost } from './agent-scene.js';
import type { Called } from './api.js';
import { CreditAgent, type Paid } from './credit-agent.js';
import { House } from './house.js';
import { relayerKey } from './settlement-scene.js';

export const ASSET = `eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`;
export const PRICE = 4_000n;

/** A house whose provider gives credit, its shop behind the paywall, and agents of accounts with a line. */
export class CreditScene {
  readonly #hosts: AgentHost[] = [];
  /** Answers of the shop so far. */
  served = 0;
  shop = '';

  private constructor(readonly house: House) {}

  static async open(): Promise<CreditScene> {
    const house = await House.build({
      release: 'authorized',
      config: { SIGNING_KEYS: 'a1'.repeat(32), CHANNEL_AUTHORIZER_KEY: relayerKey(7) },
    });
    const scene = new CreditScene(house);
    await scene.account(1n);
    scene.shop = await scene.shopBehind(house.url);
    return scene;
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.close()));
    await this.house.close();
  }

  shopBehind(gateUrl: string): Promise<string> {
    const app = express();
    const price = paywall({ gateUrl, key: this.house.key });
    for (const path of ['/hello', '/other']) {
      app.get(path, price({ meter: 'api.calls' }), (_request, response) => {
        this.served += 1;
        response.json({ served: this.served });
      });
    }
    app.get(
      '/compute',
      price({ meter: 'api.calls', quantity: '5', measured: () => '2' }),
      (_request, response) => void response.json({ computed: true }),
    );
    app.get('/broken', price({ meter: 'api.calls' }), (_request, response) => {
      response.status(500).json({ error: 'the handler failed' });
    });
    return this.house.serve(app);
  }

  get ownApi(): Api {
    const [first] = this.house.apis;
    if (!first) throw new Error('the house has no api');
    return first;
  }

  /** A request to the api with the provider's key. */
  async api(method: string, path: string, body?: unknown): Promise<Pick<Called, 'status' | 'json'>> {
    const answer = await this.house.call(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: answer.status, json: await answer.json().catch(() => undefined) };
  }

  /** An account with so much credit. */
  async account(limit: bigint): Promise<string> {
    const { id } = (await this.api('POST', '/v1/accounts', {})).json;
    const set = new SetCredit(this.ownApi.rim.database);
    await set.run({ provider: this.house.provider, account: id, asset: assetId(ASSET), limit });
    return id;
  }

  /** What an account owes for calls, and what is set aside on credit. */
  async owes(account: string): Promise<{ owed: bigint; held: bigint }> {
    const { rows } = await this.house.owner.query<{ owed: string; held: string }>(
      'SELECT owed::text, credit_held::text AS held FROM wallets WHERE account_id = $1',
      [account],
    );
    return { owed: BigInt(rows[0]?.owed ?? '0'), held: BigInt(rows[0]?.held ?? '0') };
  }

  async host(): Promise<AgentHost> {
    const host = await AgentHost.open();
    this.#hosts.push(host);
    return host;
  }

  /** An account whose agent signs as a host of its own. */
  async signing(limit: bigint): Promise<{ agent: CreditAgent; host: AgentHost; account: string }> {
    const host = await this.host();
    const account = await this.account(limit);
    await this.house.owner.query(
      `INSERT INTO identities (provider_id, kind, subject, account_id, proof) VALUES ($1, 'directory', $2, $3, 'message-signature')`,
      [this.house.provider, host.name, account],
    );
    return { agent: new CreditAgent(this.house.url, '', host), host, account };
  }

  /** An account whose agent has a key. */
  async keyed(limit: bigint, more: object = {}): Promise<{ agent: CreditAgent; account: string; key: string }> {
    const account = await this.account(limit);
    const { id, secret } = (await this.api('POST', `/v1/accounts/${account}/keys`, { name: 'agent', ...more })).json;
    return { agent: new CreditAgent(this.house.url, secret), account, key: id };
  }

  /** An agent with an attestation for one resource. */
  async attested(path: string, other: object = {}) {
    const known = await this.keyed(100n * PRICE);
    const offer = await known.agent.offer(`${this.shop}${path}`);
    const { status, json } = await known.agent.authorize(`${this.shop}${path}`, offer, other);
    if (status !== 201) throw new Error(`no attestation: ${status} ${JSON.stringify(json)}`);
    const attestation: string = json.attestation;
    return { ...known, offer, attestation, paid: known.agent.consume(offer, attestation) };
  }

  ask(path: string, paid: Paid, at = this.shop): Promise<Response> {
    return fetch(`${at}${path}`, { headers: paid });
  }

  /** The code with which a payment is refused, and that nothing was served for it. */
  async refusal(path: string, paid: Paid, at = this.shop): Promise<string | undefined> {
    const before = this.served;
    const response = await this.ask(path, paid, at);
    expect({ status: response.status, served: this.served }).toEqual({ status: 402, served: before });
    return errorOf(response);
  }
}

/** Why a challenge was given. */
export const errorOf = (response: Response): string | undefined =>
  decodePaymentRequiredHeader(response.headers.get('payment-required') ?? '').error;

export const settlementOf = (response: Response) =>
  decodePaymentResponseHeader(response.headers.get('payment-response') ?? '');

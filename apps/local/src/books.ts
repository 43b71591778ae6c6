import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { formatInstant, instant, monthOf } from '@core/time';
import { z } from 'zod';
import { DEMO_METERS } from './demo-meters.js';

// What the demo left in the books, read back through the api as its owner would.

const payment = z.object({
  id: z.string(),
  status: z.string(),
  account: z.string(),
  transaction: z.string().optional(),
});
export type PaymentState = z.output<typeof payment>;

const usage = z.object({ meter: z.string(), unit: z.string(), total: z.string() });
export type Metered = z.output<typeof usage> & { readonly what: string };

const balances = z.object({
  data: z.array(
    z.object({
      code: z.string(),
      name: z.string(),
      detail: z.string().default(''),
      asset: z.string(),
      balance: z.string(),
    }),
  ),
});
export type Balance = z.output<typeof balances>['data'][number];

const events = z.object({ data: z.array(z.object({ state: z.string() })) });

const newKey = z.object({ secret: z.string() });
const wallet = z.object({ balances: z.array(z.object({ available: z.string() })) });

const made = z.object({ id: z.string() });
const page = z.object({ url: z.string() });
const listed = z.object({ data: z.array(z.unknown()) });
const lines = z.object({ data: z.array(z.object({ available: z.string() })) });

/** 10 USDC, atomic units. */
const CREDIT = '10000000';

/** 0.10 USDC, atomic units. */
const GIVEN = '100000';

const COUNTED_WITHIN_MS = 30_000;
const SETTLED_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 250;
/** A payment goes no further from here. */
const ENDS = ['final', 'failed', 'voided'];

export class Books {
  constructor(
    private readonly apiUrl: string,
    private readonly key: string,
  ) {}

  /** Waits until the payments are final. The last states seen, when that takes too long. */
  async settled(paymentIds: readonly string[]): Promise<PaymentState[]> {
    const end = Date.now() + SETTLED_WITHIN_MS;
    for (;;) {
      const states = await Promise.all(
        paymentIds.map(async (id) => payment.parse(JSON.parse(await this.#get(`/v1/payments/${id}`)))),
      );
      if (states.every(({ status }) => ENDS.includes(status)) || Date.now() > end) return states;
      await pause(ASK_EVERY_MS);
    }
  }

  /** Gives an account something to spend, once, and a key that may spend it. */
  async giveBalance(account: string): Promise<{ readonly key: string; readonly available: bigint }> {
    const grant = { kind: 'goodwill', amount: GIVEN, key: 'demo', reason: 'to try it out' };
    await this.#post(`/v1/accounts/${account}/grants`, grant);
    const made = newKey.parse(JSON.parse(await this.#post(`/v1/accounts/${account}/keys`, { name: 'demo agent' })));
    const { balances: assets } = wallet.parse(JSON.parse(await this.#get(`/v1/accounts/${account}/wallet`)));
    return { key: made.secret, available: BigInt(assets[0]?.available ?? 0) };
  }

  /**
   * An account that works now and is billed by the month, with a line of credit and a key that may spend it.
   * @param giveCard what its holder does on the page that asks for a card; undefined where a person has to
   */
  async giveCredit(
    giveCard: ((page: string) => void) | undefined,
  ): Promise<{ readonly account: string; readonly key: string; readonly available: bigint }> {
    const { id: account } = made.parse(JSON.parse(await this.#post('/v1/accounts', { name: 'billed-by-the-month' })));
    const path = `/v1/accounts/${account}`;
    await this.#put(`${path}/terms`, { period: 'month', rails: ['card', 'usdc'], dueDays: 7 });
    await this.#put(`${path}/credit`, { limit: CREDIT });
    const methods = listed.parse(JSON.parse(await this.#get(`${path}/payment-methods`)));
    if (giveCard && methods.data.length === 0) {
      const back = { successUrl: this.apiUrl, cancelUrl: this.apiUrl };
      giveCard(page.parse(JSON.parse(await this.#post(`${path}/payment-methods`, back))).url);
    }
    const key = newKey.parse(JSON.parse(await this.#post(`${path}/keys`, { name: 'demo agent' })));
    const { data } = lines.parse(JSON.parse(await this.#get(`${path}/credit`)));
    return { account, key: key.secret, available: BigInt(data[0]?.available ?? 0) };
  }

  /** Waits until what was received of an account's usage counts. */
  async counted(account: string): Promise<void> {
    const end = Date.now() + COUNTED_WITHIN_MS;
    for (;;) {
      const { data } = events.parse(JSON.parse(await this.#get(`/v1/events?account=${account}&limit=50`)));
      if (data.length > 0 && data.every(({ state }) => state !== 'pending')) return;
      if (Date.now() > end)
        throw new Error('What the demo used is stored and was not rolled up; see the log of the worker.');
      await pause(ASK_EVERY_MS);
    }
  }

  /** What an account used this month, of every meter of the demo. */
  async metered(account: string): Promise<Metered[]> {
    const { start, end } = monthOf(instant(Date.now()));
    const range = `from=${formatInstant(start)}&to=${formatInstant(end)}`;
    return Promise.all(
      DEMO_METERS.map(async ({ name, description = '' }) => ({
        ...usage.parse(JSON.parse(await this.#get(`/v1/usage?account=${account}&meter=${name}&${range}`))),
        what: description,
      })),
    );
  }

  async balances(): Promise<Balance[]> {
    return balances.parse(JSON.parse(await this.#get('/v1/ledger/balances'))).data;
  }

  /** Writes this month's statement of the account, and returns the paths. */
  async writeStatement(account: string, folder: string): Promise<string[]> {
    mkdirSync(folder, { recursive: true });
    const period = formatInstant(monthOf(instant(Date.now())).start).slice(0, 'yyyy-mm'.length);
    return Promise.all(
      ['json', 'csv'].map(async (form) => {
        const file = join(folder, `${account}-${period}.${form}`);
        writeFileSync(file, await this.#get(`/v1/statements/${account}/${period}.${form}`));
        return file;
      }),
    );
  }

  #get(path: string): Promise<string> {
    return this.#ask('GET', path);
  }

  #post(path: string, body: object): Promise<string> {
    return this.#ask('POST', path, JSON.stringify(body));
  }

  #put(path: string, body: object): Promise<string> {
    return this.#ask('PUT', path, JSON.stringify(body));
  }

  async #ask(method: string, path: string, body?: string): Promise<string> {
    const answer = await fetch(`${this.apiUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was answered with ${answer.status}: ${text.slice(0, 500)}`);
    return text;
  }
}

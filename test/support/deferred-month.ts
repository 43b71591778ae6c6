import { randomBytes } from 'node:crypto';
import { USD } from '@core/money';
import { addMs, formatInstant, type Instant, instant, monthOf, type Period } from '@core/time';
import { type BillingRailName, type PastDueAction, SetTerms } from '@features/accounts';
import { ManageMethods } from '@features/collections';
import type { IssuedStatement } from '@features/statements';
import { SetCredit } from '@features/wallet';
import { ClosingScene } from './closing-scene.js';
import { faultsAgainstStripe, ledgerOf } from './deferred-books.js';
import { DeferredScene } from './deferred-scene.js';
import { money } from './rating-scene.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Owing {
  readonly rails: readonly BillingRailName[];
  /** US cents. */
  readonly limit?: bigint;
  readonly pastDue?: PastDueAction;
}

/**
 * A past month of accounts that are billed in US dollars: used, called on credit, closed and issued on a database whose time is held; and
 * then collected at the pace of the local stand-in for Stripe.
 */
export class DeferredMonth {
  #calls = 0;

  private constructor(
    readonly closing: ClosingScene,
    readonly scene: DeferredScene,
    /** The whole month, in UTC. */
    readonly month: Period,
    readonly meter: { readonly id: string; readonly name: string },
  ) {}

  /** At the first noon of a month that is over, with a meter of tokens at a cent each. */
  static async open(seed: string): Promise<DeferredMonth> {
    const last = monthOf(addMs(monthOf(instant(Date.now())).start, -1));
    const month = monthOf(addMs(last.start, -1));
    const closing = await ClosingScene.open();
    await closing.begin(formatInstant(addMs(month.start, 12 * HOUR)));
    const { rating } = closing;
    const { id, name } = await rating.meter('tokens', 'sum');
    await rating.price(name, { definition: { rate: '0.01' }, asset: money('USD') });
    const scene = await DeferredScene.open({ seed, over: { db: rating.db, provider: rating.provider } });
    return new DeferredMonth(closing, scene, month, { id, name });
  }

  /** So many days of the month are over. */
  async day(count: number): Promise<void> {
    await this.closing.now(formatInstant(addMs(this.month.start, count * DAY)));
  }

  get now(): Instant {
    return this.closing.rating.clock.time;
  }

  /** An account with terms of a month from now on, and a line. Its subject is its name. */
  async account(name: string, { rails, limit = 100_000n, pastDue = 'prepaid_only' }: Owing): Promise<string> {
    const { database, clock, provider } = this.closing.rating;
    const account = `acct_${randomBytes(16).toString('hex')}`;
    await this.scene.owner.query('INSERT INTO accounts (id, provider_id, name) VALUES ($1, $2, $3)', [
      account,
      provider,
      name,
    ]);
    await new SetTerms(database, clock).run({ provider, account, asset: USD.id, period: 'month', rails, pastDue });
    await new SetCredit(database).run({ provider, account, asset: USD.id, limit });
    return account;
  }

  /** Its holder leaves a method on the hosted page, and a worker sees it. */
  async stores(account: string, method: string): Promise<void> {
    await this.scene.holderStores(account, method);
    await this.scene.workers[0]?.account.checkouts.run();
  }

  /** The same, and it is to be tried before the others. */
  async prefers(account: string, method: string): Promise<void> {
    await this.stores(account, method);
    const manage = new ManageMethods(this.scene.database);
    const { provider } = this.scene;
    const [newest] = await manage.list({ provider, account });
    await manage.prefer({ provider, account, method: newest?.id ?? '' });
  }

  /** So many tokens are used now, and rated. */
  async uses(name: string, tokens: number, when = this.now): Promise<void> {
    const { rating } = this.closing;
    await rating.use(this.meter.name, formatInstant(when), { value: String(tokens) }, name);
    await rating.settle();
  }

  /** A call on credit, as the gate makes it: a hold before, its capture after. False: 402, nothing was to be had. */
  async calls(account: string, cents: bigint): Promise<boolean> {
    const { rating, holds } = this.closing;
    const { provider } = rating;
    this.#calls += 1;
    const taken = await holds.take({
      ...{ provider, account, asset: USD.id, amount: cents, key: `call ${this.#calls}`, fingerprint: 'one request' },
      ...{ ttlSeconds: 60, meter: this.meter, quantity: '1', payer: 'key_1', resource: 'GET https://api.example.com/' },
    });
    if (taken.outcome === 'insufficient') return false;
    if (taken.outcome !== 'held') throw new Error(`expected a hold, got ${taken.outcome}`);
    await holds.capture({ provider, hold: taken.hold.id, amount: cents, quantity: '1' });
    return true;
  }

  /** The month is over and its grace as well: it is closed. From then on time is the machine's. */
  async close(): Promise<void> {
    await this.closing.now(formatInstant(addMs(this.month.end, 2 * HOUR)));
    await this.closing.closer().run();
    await this.closing.owner.query('DELETE FROM held_time');
    this.closing.rating.clock.time = instant(Date.now());
  }

  /** The statement of an account, which a checker expects to ask for so much from now on. */
  async issued(account: string, cents: bigint): Promise<IssuedStatement> {
    const [statement, ...more] = await this.closing.statements(account);
    if (!statement || more.length > 0) throw new Error(`${account} has ${more.length + 1} statements`);
    this.scene.issued.push({ statement: statement.id, account, asset: USD.id, due: cents });
    return statement;
  }

  async state(account: string): Promise<string> {
    return (await this.closing.statements(account)).map(({ state }) => state).join();
  }

  /** `card failed generic_decline`, in order. */
  async attempts(account: string): Promise<string[]> {
    const { rows } = await this.scene.owner.query<{ said: string }>(
      `SELECT concat_ws(' ', rail, state, failure) AS said FROM collection_attempts WHERE account_id = $1 ORDER BY created_at, number`,
      [account],
    );
    return rows.map(({ said }) => said);
  }

  async standing(account: string): Promise<string> {
    const { rows } = await this.scene.owner.query<{ standing: string }>(
      'SELECT standing FROM billing_terms WHERE account_id = $1',
      [account],
    );
    return rows[0]?.standing ?? '';
  }

  /** What was announced, oldest first. */
  async announced(): Promise<string[]> {
    const { rows } = await this.scene.owner.query<{ type: string }>(
      'SELECT type FROM webhook_events ORDER BY occurred_at, id',
    );
    return rows.map(({ type }) => type);
  }

  /** Balances by code in cents, debits positive, without zeros. */
  async ledger(): Promise<Record<string, bigint>> {
    const sums: Record<string, bigint> = {};
    for (const { code, balance } of await ledgerOf(this.scene.owner)) sums[code] = (sums[code] ?? 0n) + balance;
    return Object.fromEntries(Object.entries(sums).filter(([, sum]) => sum !== 0n));
  }

  /** What does not hold: of our own books, by our own checks, and against Stripe's, by a checker that shares nothing with them. */
  async faults(): Promise<string[]> {
    const { owner, standIn, issued } = this.scene;
    return [...(await this.closing.broken()), ...(await faultsAgainstStripe(owner, standIn, issued))];
  }

  async end(): Promise<void> {
    await this.scene.close();
    await this.closing.end();
  }
}

import pg from 'pg';
import { entry } from '@core/ledger';
import { type AssetId, amount } from '@core/money';
import type { BillingPeriod, Instant } from '@core/time';
import { SetTerms } from '@features/accounts';
import { VerifyBooks } from '@features/finance';
import { Ledger } from '@features/ledger';
import { CloseDue, type IssuedStatement, ReadIssued, StatementStates } from '@features/statements';
import { CreditLines, Holds, SetCredit } from '@features/wallet';
import { Auditor, type Tx } from '@platform/database';
import { HeldDatabaseTime } from './held-database-time.js';
import { at, RatingScene, USDC } from './rating-scene.js';

interface TermsOfTest {
  readonly period?: BillingPeriod;
  readonly zone?: string;
  readonly dueDays?: number;
  readonly account?: string;
}

/** Accounts with terms on a database whose time is held, and what closes their periods. */
export class ClosingScene {
  readonly ledger = new Ledger();
  readonly lines = new CreditLines();
  readonly states: StatementStates;
  readonly issued: ReadIssued;
  readonly holds: Holds;
  readonly asset: AssetId = USDC.id;
  #serial = 0;

  private constructor(
    readonly rating: RatingScene,
    readonly owner: pg.Client,
    private readonly time: HeldDatabaseTime,
  ) {
    this.states = new StatementStates(rating.ids);
    this.issued = new ReadIssued(rating.database, rating.clock);
    this.holds = new Holds(rating.writer, rating.ids, rating.clock);
  }

  static async open(): Promise<ClosingScene> {
    const rating = await RatingScene.open();
    const owner = new pg.Client({ connectionString: rating.db.ownerUrl });
    await owner.connect();
    return new ClosingScene(rating, owner, await HeldDatabaseTime.open(rating.db.ownerUrl));
  }

  async end(): Promise<void> {
    await Promise.all([this.owner.end(), this.time.close()]);
    await this.rating.end();
  }

  /** A provider of the test's own, at a time. */
  async begin(now: string): Promise<void> {
    await this.rating.begin(now);
    await this.time.set(at(now));
  }

  async now(now: string): Promise<void> {
    this.rating.clock.time = at(now);
    await this.time.set(at(now));
  }

  closer(atOnce?: number): CloseDue {
    const { writer, ids, clock } = this.rating;
    return new CloseDue(writer, this.rating.rater(), ids, undefined, clock, atOnce);
  }

  close(account?: string) {
    return this.closer().only({ provider: this.rating.provider, ...(account === undefined ? {} : { account }) });
  }

  /** Terms from now on; grace is an hour. */
  terms({ period = 'month', zone = 'UTC', dueDays = 0, account = this.rating.account }: TermsOfTest = {}) {
    const { database, clock, provider } = this.rating;
    return new SetTerms(database, clock).run({ provider, account, asset: this.asset, period, zone, dueDays });
  }

  credit(limit: bigint, account = this.rating.account) {
    const { database, provider } = this.rating;
    return new SetCredit(database).run({ provider, account, asset: this.asset, limit });
  }

  tx<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.rating.database.forProvider(this.rating.provider, run);
  }

  /** Adds to what an account owes, or takes off it, by an adjustment that is effective at an instant, or now. */
  async owe(atomic: bigint, when?: string, account = this.rating.account): Promise<void> {
    this.#serial += 1;
    const name = `adjust:${this.#serial}`;
    const owed = { code: '1110', asset: this.asset, account } as const;
    const revenue = { code: '4010', asset: this.asset, detail: 'plan' } as const;
    const [debit, credit] = atomic > 0n ? [owed, revenue] : [revenue, owed];
    const moved = entry({ provider: this.rating.provider, name, reference: name, reason: 'agreed' }, [
      { leg: 'amount', debit, credit, amount: amount(this.asset, atomic > 0n ? atomic : -atomic) },
    ]);
    const time: Instant | undefined = when === undefined ? undefined : at(when);
    await this.tx(async (tx) => {
      await this.ledger.effective(tx, time, () => this.ledger.post(tx, moved));
      await this.lines.add(tx, { account, asset: this.asset, change: atomic });
    });
  }

  /** A call on credit, served now. */
  async call(atomic: bigint, meter: { readonly id: string; readonly name: string }): Promise<string> {
    this.#serial += 1;
    const { provider, account } = this.rating;
    const taken = await this.holds.take({
      provider,
      account,
      asset: this.asset,
      amount: atomic,
      key: `call ${this.#serial}`,
      fingerprint: 'one request',
      ttlSeconds: 60,
      meter,
      quantity: '1',
      payer: 'key_1',
      resource: 'GET https://api.example.com/',
    });
    if (taken.outcome !== 'held') throw new Error(`expected a hold, got ${taken.outcome}`);
    await this.holds.capture({ provider, hold: taken.hold.id, amount: atomic, quantity: '1' });
    return taken.hold.id;
  }

  /** Oldest first. */
  async statements(account = this.rating.account): Promise<IssuedStatement[]> {
    return (await this.issued.list({ provider: this.rating.provider, account, limit: 100 })).reverse();
  }

  /** Balance on the debit side of a code. */
  async booked(code: string, account = this.rating.account): Promise<bigint> {
    const { rows } = await this.owner.query<{ n: string }>(
      `SELECT coalesce(sum(CASE WHEN t.debit_id = la.id THEN t.amount ELSE -t.amount END), 0)::text AS n
       FROM ledger_accounts la JOIN transfers t ON la.id IN (t.debit_id, t.credit_id) WHERE la.code = $1 AND la.account_id = $2`,
      [code, account],
    );
    return BigInt(rows[0]?.n ?? '0');
  }

  /** What does not hold of all books of the database. */
  async broken(): Promise<string[]> {
    const auditor = new Auditor(this.rating.db.auditUrl);
    try {
      const findings = await new VerifyBooks(auditor, []).run();
      return findings.flatMap(({ invariant, faults }) => faults.map((fault) => `${invariant} ${fault}`));
    } finally {
      await auditor.close();
    }
  }
}

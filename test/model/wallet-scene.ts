import pg from 'pg';
import { erc20Asset } from '@core/money';
import { type Instant, parseInstant, instant } from '@core/time';
import { CreateMeter } from '@features/metering';
import {
  AutoTopUps,
  ExpireGrants,
  type GrantToIssue,
  Holds,
  type HoldToTake,
  IssueGrant,
  ReadWallet,
  RefundGrant,
  RenewGrants,
  ReverseCapture,
  SetLimit,
  type StoredHold,
  VoidGrant,
  WalletAlerts,
} from '@features/wallet';
import { Database, Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type TestDatabase } from '../support/database.js';
import { HeldClock } from '../support/paid-path.js';

export const NOON: Instant = parseInstant('2026-11-21T12:00:00Z') ?? instant(0);

const METERS = ['calls', 'seconds'] as const;

/** Wallets on a real database, as two processes would run them, with a clock that the test holds. */
export class WalletScene {
  readonly asset = erc20Asset(84532, `0x${'1'.repeat(40)}`);
  readonly ids = new SystemIds();
  readonly issue: IssueGrant;
  readonly voids: VoidGrant;
  readonly refunds: RefundGrant;
  readonly expire: ExpireGrants;
  readonly renew: RenewGrants;
  readonly reverse: ReverseCapture;
  readonly limit: SetLimit;
  readonly alerts: WalletAlerts;
  readonly topUps: AutoTopUps;
  readonly wallet: ReadWallet;
  readonly a: Holds;
  readonly b: Holds;
  #key = 0;

  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly database: Database,
    readonly clock: HeldClock,
    readonly provider: string,
    readonly account: string,
    readonly meters: Readonly<Record<(typeof METERS)[number], string>>,
    private readonly writers: readonly [Writer, Writer],
  ) {
    const { ids } = this;
    this.issue = new IssueGrant(database, ids, clock);
    this.voids = new VoidGrant(database, ids, clock);
    this.refunds = new RefundGrant(database, ids, clock);
    this.reverse = new ReverseCapture(database, ids, clock);
    this.limit = new SetLimit(database, ids, clock);
    this.alerts = new WalletAlerts(database);
    this.topUps = new AutoTopUps(database);
    this.wallet = new ReadWallet(database, clock);
    this.expire = new ExpireGrants(writers[0], ids, clock);
    this.renew = new RenewGrants(writers[0], ids, clock);
    this.a = new Holds(writers[0], ids, clock);
    this.b = new Holds(writers[1], ids, clock);
  }

  static async open(): Promise<WalletScene> {
    const db = await createTestDatabase();
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    const database = new Database(db.appUrl, 4);
    const clock = new HeldClock(NOON);
    const { provider, account } = await seedProvider(db);
    const meters = { calls: '', seconds: '' };
    for (const name of METERS) {
      await new CreateMeter(database, new SystemIds(), clock).run({ provider, name, aggregation: 'count', unit: name });
      const { rows } = await owner.query<{ id: string }>('SELECT id FROM meters WHERE provider_id = $1 AND name = $2', [
        provider,
        name,
      ]);
      meters[name] = rows[0]?.id ?? '';
    }
    const writers = [new Writer(db.writerUrl, 4), new Writer(db.writerUrl, 4)] as const;
    return new WalletScene(db, owner, database, clock, provider, account, meters, [...writers]);
  }

  /** Another account of the provider. */
  async newAccount(): Promise<string> {
    const account = this.ids.next('acct');
    await this.owner.query('INSERT INTO accounts (id, provider_id) VALUES ($1, $2)', [account, this.provider]);
    return account;
  }

  async give(amount: bigint, more: Partial<GrantToIssue> = {}): Promise<string> {
    const { provider, account, asset } = this;
    const { grant } = await this.issue.run({
      provider,
      account,
      asset,
      kind: 'paid',
      funding: 'top_1',
      amount,
      ...more,
    });
    return grant.id;
  }

  request(amount: bigint, more: Partial<HoldToTake> = {}): HoldToTake {
    const { provider, account, asset } = this;
    this.#key += 1;
    const meter = { id: this.meters.calls, name: 'calls' };
    const request = {
      provider,
      account,
      asset,
      amount,
      key: `key ${this.#key}`,
      fingerprint: 'one request',
      ttlSeconds: 60,
    };
    return { ...request, meter, quantity: '1', payer: 'key_1', resource: 'GET https://api.example.com/', ...more };
  }

  async held(amount: bigint, more: Partial<HoldToTake> = {}, through = this.a): Promise<StoredHold> {
    const taken = await through.take(this.request(amount, more));
    if (taken.outcome !== 'held') throw new Error(`expected a hold, got ${taken.outcome}`);
    return taken.hold;
  }

  capture(hold: { readonly id: string }, amount: bigint, through = this.a) {
    return through.capture({ provider: this.provider, hold: hold.id, amount, quantity: '1' });
  }

  async numbers(text: string, values: readonly unknown[] = []): Promise<bigint[]> {
    const { rows } = await this.owner.query<Record<string, string | null>>(text, [...values]);
    return Object.values(rows[0] ?? {}).map((value) => BigInt(value ?? 0));
  }

  /** What the ledger says of one kind of ledger account of an account: debits less credits. */
  async booked(code: string, account: string | null = this.account): Promise<bigint> {
    const [balance = 0n] = await this.numbers(
      `SELECT coalesce(sum(CASE WHEN t.debit_id = la.id THEN t.amount ELSE -t.amount END), 0)::text
       FROM ledger_accounts la JOIN transfers t ON la.id IN (t.debit_id, t.credit_id)
       WHERE la.code = $1 AND la.account_id IS NOT DISTINCT FROM $2`,
      [code, account],
    );
    return balance;
  }

  /** Posted, held and the sums they are to equal. */
  async sums(account = this.account): Promise<bigint[]> {
    return this.numbers(
      `SELECT w.posted::text, w.held::text, (SELECT coalesce(sum(g.remaining), 0) FROM grants g WHERE g.account_id = $1)::text AS remaining,
         (SELECT coalesce(sum(h.amount), 0) FROM holds h WHERE h.account_id = $1 AND h.state = 'held')::text AS open
       FROM wallets w WHERE w.account_id = $1`,
      [account],
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.database.close(), this.owner.end(), ...this.writers.map((writer) => writer.close())]);
    await this.db.drop();
  }
}

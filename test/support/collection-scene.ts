import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type Stripe from 'stripe';
import { type BillingRail, CollectionCrashPoint, type CollectionPlace, DEFAULT_DUNNING } from '@core/collections';
import { accrueUsage, billStatement } from '@core/ledger';
import { amount, type AssetId, erc20Asset, USD } from '@core/money';
import { type PastDueAction, SetTerms } from '@features/accounts';
import { type CollectionCommands, collectionCommands, StoredMethods } from '@features/collections';
import { Ledger } from '@features/ledger';
import { CreditLines, SetCredit } from '@features/wallet';
import { Announce } from '@features/webhooks';
import { Database, Writer } from '@platform/database';
import { openStripe, StripeRail } from '@platform/stripe';
import { SystemClock, SystemIds } from '@platform/system';
import { type FaultKind, StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
import { createTestDatabase, seedProvider, type SeededProvider, type TestDatabase } from './database.js';

export type { FaultKind };

export const USDC = erc20Asset(8453, '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913');
const DAY_MS = 86_400_000;

/** Throws at one place, once: what comes after is left undone, as after a kill. */
export class CollectionInterrupt extends CollectionCrashPoint {
  armed: CollectionPlace | undefined;

  reach(place: CollectionPlace): void {
    if (this.armed !== place) return;
    this.armed = undefined;
    throw new Error(`interrupted at ${place}`);
  }
}

interface Terms {
  readonly rails?: readonly ('card' | 'bank' | 'usdc')[];
  readonly pastDue?: PastDueAction;
  readonly asset?: AssetId;
}

/** An account that is billed, on PostgreSQL and the local stand-in for Stripe, through the unmodified client. */
export class CollectionScene {
  readonly ids = new SystemIds();
  #statements = 0;

  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly writer: Writer,
    readonly database: Database,
    readonly standIn: StripeStandIn,
    readonly stripe: Stripe,
    readonly seeded: SeededProvider,
    readonly customer: string,
  ) {}

  /** @param options.on a database of another scene, which it stays, and the account there that is billed */
  static async build(
    options: {
      readonly seed?: string;
      readonly on?: { readonly db: TestDatabase; readonly seeded: SeededProvider };
    } = {},
  ): Promise<CollectionScene> {
    const { on } = options;
    const [db, standIn] = await Promise.all([
      on ? { ...on.db, drop: async () => undefined } : createTestDatabase(),
      StripeStandIn.open({ seed: options.seed ?? 'collections' }),
    ]);
    const stripe = openStripe({ secretKey: 'sk_test_scene', apiUrl: standIn.url });
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 3 });
    owner.on('error', () => undefined);
    const seeded = on?.seeded ?? (await seedProvider(db));
    const { id } = await stripe.customers.create({ name: 'agent-1' });
    return new CollectionScene(
      db,
      owner,
      new Writer(db.writerUrl, 6),
      new Database(db.appUrl, 6),
      standIn,
      stripe,
      seeded,
      id,
    );
  }

  async terms({ rails = ['card'], pastDue = 'prepaid_only', asset = USD.id }: Terms = {}): Promise<void> {
    const { provider, account } = this.seeded;
    await new SetTerms(this.database, new SystemClock()).run({
      provider,
      account,
      asset,
      period: 'month',
      rails,
      pastDue,
    });
    await new SetCredit(this.database).run({ provider, account, asset, limit: 10n ** 12n });
  }

  commands(interrupt: CollectionCrashPoint = new CollectionInterrupt(), rail?: BillingRail): CollectionCommands {
    const { writer, database, ids } = this;
    const methods = new StoredMethods(ids, new Announce(ids));
    return collectionCommands({
      writer,
      database,
      rail: rail ?? new StripeRail(this.stripe),
      methods,
      ledger: new Ledger(),
      ids,
      crash: interrupt,
      schedule: DEFAULT_DUNNING,
    });
  }

  /** A stored method made from a documented test one. */
  async method(token: string, isDefault = true): Promise<{ readonly id: string; readonly stripeId: string }> {
    const bank = token.startsWith('pm_usBankAccount');
    const stripeId = bank
      ? await this.#bank(token)
      : (await this.stripe.paymentMethods.attach(token, { customer: this.customer })).id;
    const id = `pmt_${randomBytes(16).toString('hex')}`;
    const rail = bank ? 'bank' : 'card';
    const { provider, account } = this.seeded;
    await this.owner.query('UPDATE payment_methods SET is_default = false WHERE account_id = $1 AND rail = $2 AND $3', [
      account,
      rail,
      isDefault,
    ]);
    await this.owner.query(
      `INSERT INTO payment_methods (id, provider_id, account_id, rail, type, label, customer_id, stripe_id, is_default)
       VALUES ($1, $2, $3, $4, $5, 'test', $6, $7, $8)`,
      [id, provider, account, rail, bank ? 'us_bank_account' : 'card', this.customer, stripeId, isDefault],
    );
    return { id, stripeId };
  }

  async #bank(token: string): Promise<string> {
    const setup = await this.stripe.setupIntents.create({
      customer: this.customer,
      payment_method: token,
      allowed_payment_method_types: ['us_bank_account'],
      usage: 'off_session',
      confirm: true,
      mandate_data: {
        customer_acceptance: { type: 'online', online: { ip_address: '127.0.0.1', user_agent: 'test' } },
      },
    });
    return typeof setup.payment_method === 'string' ? setup.payment_method : (setup.payment_method?.id ?? '');
  }

  /** An issued statement, with the entries that made it. */
  async statement(
    due: bigint,
    { asset = USD.id, dueInDays = 0 }: { readonly asset?: AssetId; readonly dueInDays?: number } = {},
  ): Promise<string> {
    const { provider, account } = this.seeded;
    const id = `stm_${randomBytes(16).toString('hex')}`;
    this.#statements += 1;
    const n = this.#statements;
    await this.writer.transaction(async (tx) => {
      await tx.query(
        `INSERT INTO statements (id, provider_id, account_id, asset, series, number, period_start, period_end, zone, opening, charges, payments,
           adjustments, closing, due, content_hash, due_at)
         VALUES ($1, $2, $3, $4, 'S', $5::bigint, '2026-01-01'::timestamptz + $5::bigint * interval '1 day',
           '2026-01-02'::timestamptz + $5::bigint * interval '1 day', 'UTC', 0, $6::numeric, 0, 0, $6::numeric, $6::numeric, $7,
           now() + $8::integer * interval '1 day' - interval '1 s')`,
        [id, provider, account, asset, n, due.toString(), randomBytes(32), dueInDays],
      );
      const accrued = { provider, account, charge: `chg_${n}`, revision: 1, meter: 'mtr_1' };
      await new Ledger().post(
        tx,
        accrueUsage({ ...accrued, before: amount(asset, 0n), after: amount(asset, due) }),
        billStatement({ provider, account, statement: id, due: amount(asset, due) }),
      );
      await new CreditLines().add(tx, { account, asset, change: due });
    });
    return id;
  }

  /** Opens what is due, works on it, marks what is late: what the worker's schedules do. */
  async round(commands: CollectionCommands = this.commands()): Promise<readonly string[]> {
    await commands.open.run();
    const { alarms } = await commands.collect.run();
    await commands.markPastDue.run();
    return alarms;
  }

  /** Whatever waits for its time is due now; leases of workers that are gone have ended. */
  async hurry(): Promise<void> {
    await this.owner.query('UPDATE collections SET next_run_at = now() WHERE next_run_at IS NOT NULL');
    await this.owner.query('UPDATE collections SET lease_until = NULL');
  }

  /** So many days pass, for us and at the rail. */
  async days(count: number): Promise<void> {
    await this.standIn.clock.advance(count * DAY_MS);
    await this.hurry();
  }

  async statementState(id: string): Promise<{ readonly state: string; readonly open: bigint; readonly paid: bigint }> {
    const { rows } = await this.owner.query<{ state: string; open: string; paid: string }>(
      'SELECT state, (due - paid - credited - written_off)::text AS open, paid::text FROM statements WHERE id = $1',
      [id],
    );
    const [row] = rows;
    if (!row) throw new Error('no such statement');
    return { state: row.state, open: BigInt(row.open), paid: BigInt(row.paid) };
  }

  async collection(statement: string): Promise<{
    readonly state: string;
    readonly dunning: number;
    readonly reason: string | null;
    readonly daysToNext: number;
  }> {
    const { rows } = await this.owner.query<{ state: string; dunning: number; reason: string | null; days: number }>(
      'SELECT state, dunning, reason, round(extract(epoch FROM next_run_at - now()) / 86400)::int AS days FROM collections WHERE statement_id = $1',
      [statement],
    );
    const [row] = rows;
    if (!row) throw new Error('no collection');
    return { state: row.state, dunning: row.dunning, reason: row.reason, daysToNext: row.days };
  }

  /** `card failed generic_decline`, in order. */
  async attempts(statement: string): Promise<string[]> {
    const { rows } = await this.owner.query<{ said: string }>(
      `SELECT concat_ws(' ', rail, state, failure) AS said FROM collection_attempts WHERE statement_id = $1 ORDER BY number`,
      [statement],
    );
    return rows.map(({ said }) => said);
  }

  async standing(): Promise<string> {
    const { rows } = await this.owner.query<{ standing: string }>(
      'SELECT standing FROM billing_terms WHERE account_id = $1',
      [this.seeded.account],
    );
    return rows[0]?.standing ?? '';
  }

  async announced(): Promise<string[]> {
    const { rows } = await this.owner.query<{ type: string }>('SELECT type FROM webhook_events ORDER BY id');
    return rows.map(({ type }) => type);
  }

  /** Balances of the ledger by code and asset, debits positive, without zeros; and what is due on the credit line. */
  async books(): Promise<{ readonly ledger: Record<string, bigint>; readonly due: bigint }> {
    const { rows } = await this.owner.query<{ place: string; sum: string }>(
      `SELECT a.code || CASE WHEN a.asset = 'iso4217:USD' THEN '' ELSE ' usdc' END AS place, sum(m.amount)::text AS sum
       FROM ledger_accounts a JOIN (
         SELECT debit_id AS id, amount FROM transfers UNION ALL SELECT credit_id, -amount FROM transfers) m ON m.id = a.id
       GROUP BY 1 HAVING sum(m.amount) <> 0 ORDER BY 1`,
    );
    const { rows: lines } = await this.owner.query<{ due: string }>('SELECT sum(due)::text AS due FROM credit_lines');
    return {
      ledger: Object.fromEntries(rows.map(({ place, sum }) => [place, BigInt(sum)])),
      due: BigInt(lines[0]?.due ?? '0'),
    };
  }

  /** How often Stripe really moved money for a statement, in cents each. */
  paidAtStripe(statement: string): number[] {
    return this.standIn.successesFor('statement', statement).map(({ amount: cents }) => cents);
  }

  async close(): Promise<void> {
    await Promise.all([this.writer.close(), this.database.close(), this.owner.end(), this.standIn.close()]);
    await this.db.drop();
  }
}

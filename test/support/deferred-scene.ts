import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import pg from 'pg';
import type Stripe from 'stripe';
import type { BillingRail } from '@core/collections';
import { accrueUsage, billStatement } from '@core/ledger';
import { amount, type AssetId, USD } from '@core/money';
import { type BillingRailName, type PastDueAction, SetTerms } from '@features/accounts';
import {
  CollectionsReader,
  openCollectNow,
  OpenCheckout,
  type OpenedCheckout,
  RefundStatement,
  TakeStripeEvent,
} from '@features/collections';
import { Ledger } from '@features/ledger';
import { CreditLines, SetCredit } from '@features/wallet';
import { Database, Writer } from '@platform/database';
import { openStripe, StripeCheckout, StripeEvents } from '@platform/stripe';
import { SystemClock, SystemIds } from '@platform/system';
import { StripeStandIn } from '../../apps/local/src/stripe-stand-in/stripe-stand-in.js';
import { createTestDatabase, seedProvider, type TestDatabase } from './database.js';
import type { Issued } from './deferred-books.js';
import { DeferredWorker, StandInTime } from './deferred-worker.js';

const SECRET = 'whsec_of_the_scene';
const RETURNS = { successUrl: 'https://shop.example/done', cancelUrl: 'https://shop.example/cancelled' };

interface Owing {
  readonly rails: readonly BillingRailName[];
  readonly asset?: AssetId;
  readonly pastDue?: PastDueAction;
}

interface SceneOptions {
  readonly seed: string;
  /** Instead of the product's own, for a defect that is planted. */
  readonly rail?: (stripe: Stripe) => BillingRail;
  /** A database that is another scene's, with its provider. */
  readonly over?: { readonly db: TestDatabase; readonly provider: string };
}

/**
 * A provider with deferred accounts on PostgreSQL, two workers and the local stand-in for Stripe, whose events come in over HTTP. Time is
 * simulated: as much as Stripe's clock is moved ahead, what is written of ours is moved back.
 */
export class DeferredScene {
  readonly ids = new SystemIds();
  readonly issued: Issued[] = [];
  /** Answers to events, by status. */
  readonly answered = new Map<number, number>();

  private constructor(
    readonly db: TestDatabase,
    readonly owner: pg.Pool,
    readonly writer: Writer,
    readonly database: Database,
    readonly standIn: StripeStandIn,
    readonly stripe: Stripe,
    readonly provider: string,
    readonly workers: readonly DeferredWorker[],
    private readonly server: Server,
    private readonly ownsDatabase: boolean,
  ) {}

  static async open({ seed, rail, over }: SceneOptions): Promise<DeferredScene> {
    const [db, standIn] = await Promise.all([over?.db ?? createTestDatabase(), StripeStandIn.open({ seed })]);
    const stripe = openStripe({ secretKey: 'sk_test_scene', apiUrl: standIn.url });
    const owner = new pg.Pool({ connectionString: db.ownerUrl, max: 3 });
    owner.on('error', () => undefined);
    const provider = over?.provider ?? (await seedProvider(db)).provider;
    const writer = new Writer(db.writerUrl, 4);
    const workers = [0, 1].map(() => new DeferredWorker(db, standIn, rail?.(stripe)));
    const server = createServer();
    const scene = new DeferredScene(
      db,
      owner,
      writer,
      new Database(db.appUrl, 4),
      standIn,
      stripe,
      provider,
      workers,
      server,
      over === undefined,
    );
    await scene.#listen();
    return scene;
  }

  /** Takes events as the api does: the bytes as they came, 400 for what Stripe did not sign. */
  async #listen(): Promise<void> {
    const take = new TakeStripeEvent(this.writer, new StripeEvents(this.stripe, SECRET));
    this.server.on('request', (request, response) => {
      const answer = (status: number): void => {
        this.answered.set(status, (this.answered.get(status) ?? 0) + 1);
        response.writeHead(status).end();
      };
      buffer(request)
        .then((raw) => take.run({ raw, signature: [request.headers['stripe-signature']].flat()[0] }))
        .then(({ outcome }) => answer(outcome === 'refused' ? 400 : 200))
        .catch(() => answer(500));
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const { port } = this.server.address() as AddressInfo;
    this.standIn.sendEventsTo(`http://127.0.0.1:${port}/webhooks/stripe`, SECRET);
  }

  /** An account on credit, with terms. */
  async account(name: string, { rails, asset = USD.id, pastDue = 'prepaid_only' }: Owing): Promise<string> {
    const { provider } = this;
    const account = `acct_${randomBytes(16).toString('hex')}`;
    await this.owner.query('INSERT INTO accounts (id, provider_id, name) VALUES ($1, $2, $3)', [
      account,
      provider,
      name,
    ]);
    await new SetTerms(this.database, new SystemClock()).run({
      provider,
      account,
      asset,
      period: 'month',
      rails,
      pastDue,
    });
    await new SetCredit(this.database).run({ provider, account, asset, limit: 10n ** 12n });
    return account;
  }

  /** The holder of an account goes to the hosted page and leaves a method there. That it was left, the workers find out by themselves. */
  async holderStores(account: string, paymentMethod: string): Promise<void> {
    const types = [paymentMethod.startsWith('pm_usBankAccount') ? ('us_bank_account' as const) : ('card' as const)];
    await this.#onPage(paymentMethod, (open) =>
      open.storeMethod({ ...RETURNS, provider: this.provider, account, types }),
    );
  }

  /** The holder of an account buys balance on the hosted page. */
  async holderBuys(account: string, cents: bigint, paymentMethod: string, asset: AssetId = USD.id): Promise<void> {
    await this.#onPage(paymentMethod, (open) =>
      open.buyBalance({ ...RETURNS, provider: this.provider, account, cents, asset }),
    );
  }

  /** While Stripe does not answer, the holder asks again. */
  async #onPage(paymentMethod: string, ask: (open: OpenCheckout) => Promise<OpenedCheckout>): Promise<void> {
    const open = new OpenCheckout(
      this.database,
      new StripeCheckout(this.stripe),
      this.ids,
      new StandInTime(this.standIn),
    );
    for (let tries = 1; ; tries += 1) {
      try {
        const { checkout } = await ask(open);
        const { rows } = await this.owner.query<{ page: string }>(
          'SELECT stripe_id AS page FROM checkouts WHERE id = $1',
          [checkout.id],
        );
        this.standIn.drive.completeCheckout(rows[0]?.page ?? '', { paymentMethod });
        await this.owner.query('UPDATE checkouts SET next_run_at = now() WHERE id = $1', [checkout.id]);
        return;
      } catch (error) {
        if (tries === 20 || Reflect.get(Object(error), 'reason') !== 'rail_unreachable') throw error;
      }
    }
  }

  /** What Stripe calls the methods of an account, newest last. */
  async methodsOf(account: string): Promise<string[]> {
    const { rows } = await this.owner.query<{ id: string }>(
      'SELECT stripe_id AS id FROM payment_methods WHERE account_id = $1 ORDER BY created_at, id',
      [account],
    );
    return rows.map(({ id }) => id);
  }

  /** An issued statement, due now, with the entries that made it. */
  async issue(account: string, due: bigint, asset: AssetId = USD.id): Promise<string> {
    const { provider } = this;
    const statement = `stm_${randomBytes(16).toString('hex')}`;
    const n = this.issued.length + 1;
    await this.writer.transaction(async (tx) => {
      await tx.query(
        `INSERT INTO statements (id, provider_id, account_id, asset, series, number, period_start, period_end, zone, opening, charges, payments,
           adjustments, closing, due, content_hash, due_at)
         VALUES ($1, $2, $3, $4, 'S', $5::bigint, '2026-01-01'::timestamptz + $5::bigint * interval '1 day',
           '2026-01-02'::timestamptz + $5::bigint * interval '1 day', 'UTC', 0, $6::numeric, 0, 0, $6::numeric, $6::numeric, $7,
           now() - interval '1 s')`,
        [statement, provider, account, asset, n, due.toString(), randomBytes(32)],
      );
      const accrued = { provider, account, charge: `chg_${n}`, revision: 1, meter: 'mtr_1' };
      await new Ledger().post(
        tx,
        accrueUsage({ ...accrued, before: amount(asset, 0n), after: amount(asset, due) }),
        billStatement({ provider, account, statement, due: amount(asset, due) }),
      );
      await new CreditLines().add(tx, { account, asset, change: due });
    });
    this.issued.push({ statement, account, asset, due });
    return statement;
  }

  /** Money is given back for a statement, of what was collected. */
  refund(statement: string, cents: bigint): Promise<unknown> {
    const { provider } = this;
    return new RefundStatement(this.database, new Ledger(), this.ids).run({
      provider,
      statement,
      cents,
      reason: 'goodwill',
    });
  }

  /** An operator wants a statement collected now, whatever is under way. */
  async operatorAsks(statement: string): Promise<void> {
    const { provider, database, ids } = this;
    try {
      await openCollectNow(database, ids, new CollectionsReader()).run({ provider, statement });
    } catch (error) {
      if (Reflect.get(Object(error), 'reason') !== 'nothing_due') throw error;
    }
  }

  /** Time passes, at Stripe and for us. Nothing of ours may be under way. */
  async pass(ms: number): Promise<void> {
    await this.standIn.clock.advance(ms);
    const back = [`${ms} milliseconds`];
    for (const [table, columns] of Object.entries(TIMES)) {
      const set = columns.map((column) => `${column} = ${column} - $1::interval`).join(', ');
      await this.owner.query(`UPDATE ${table} SET ${set}`, back);
    }
  }

  /** Both workers at once. @returns alarms */
  async round(): Promise<readonly string[]> {
    return (await Promise.all(this.workers.map((worker) => worker.round()))).flat();
  }

  /** Days pass, a round every so many hours. @returns alarms */
  async days(count: number, everyHours = 12): Promise<readonly string[]> {
    const alarms: string[] = [];
    for (let hours = 0; hours < count * 24; hours += everyHours) {
      await this.pass(everyHours * 3_600_000);
      alarms.push(...(await this.round()));
    }
    return alarms;
  }

  async close(): Promise<void> {
    await this.standIn.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await Promise.all(this.workers.map((worker) => worker.close()));
    await Promise.all([this.writer.close(), this.database.close(), this.owner.end()]);
    if (this.ownsDatabase) await this.db.drop();
  }
}

/** Instants that are compared with now. */
const TIMES: Readonly<Record<string, readonly string[]>> = {
  collections: ['next_run_at', 'lease_until', 'opened_at', 'changed_at'],
  collection_attempts: ['created_at', 'confirmed_at', 'state_at', 'ended_at'],
  stripe_events: ['next_run_at', 'received_at'],
  checkouts: ['next_run_at'],
  card_refunds: ['next_run_at'],
};

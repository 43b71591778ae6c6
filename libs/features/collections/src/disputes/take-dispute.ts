import { type DisputeSeen, type ReturnsRail, unitsOfACent } from '@core/collections';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { loseCheckout } from '@core/ledger';
import { amount, assetId, USD } from '@core/money';
import { formatInstant, instant } from '@core/time';
import type { Ledger } from '@features/ledger';
import type { VoidGrant } from '@features/wallet';
import type { Announce } from '@features/webhooks';
import { big, type Database, rowsOf, type Tx, type Writer } from '@platform/database';
import type { CollectionReversals } from '../collection-reversals.js';
import type { Handled } from '../events/stripe-event-handlers.js';
import type { PaymentMethods } from '../methods/payment-methods.js';
import type { PastDueAccounts } from '../past-due-accounts.js';

/** The payment that is disputed. */
type Disputed = { readonly provider: string; readonly account: string } & (
  | { readonly statement: string; readonly checkout?: undefined }
  | { readonly checkout: string; readonly statement?: undefined; readonly grant: string; readonly asset: string }
);

interface Row {
  id: string;
  state: 'open' | 'won' | 'lost';
  version: number;
}

/**
 * Follows a dispute to its end, from the object that was fetched and never from what an event says. The money that Stripe holds meanwhile,
 * and its fee, come with Stripe's own books; here follow what the statement, the collection and the balance become.
 */
export class TakeDispute {
  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly rail: ReturnsRail,
    private readonly reversals: CollectionReversals,
    private readonly methods: PaymentMethods,
    private readonly pastDue: PastDueAccounts,
    private readonly voids: Pick<VoidGrant, 'run'>,
    private readonly ledger: Ledger,
    private readonly announce: Announce,
    private readonly ids: IdSource,
  ) {}

  /** @param id `du_…` */
  async run(id: string): Promise<Handled> {
    const answer = await this.rail.readDispute(id);
    if (answer.kind === 'refused') return { outcome: 'unknown' };
    if (answer.kind !== 'fetched') return { outcome: 'busy' };
    const { dispute } = answer;
    if (dispute.state === 'asked') return { outcome: 'ignored' };
    const of = dispute.intent === undefined ? undefined : await this.#payment(dispute.intent);
    if (!of) return { outcome: 'unknown' };
    if (of === 'early') return { outcome: 'busy' };
    if (dispute.currency !== 'usd') return { outcome: 'ignored', alarms: [`dispute ${id} is in ${dispute.currency}`] };
    // What is left of the balance goes in a transaction of its own; doing it again changes nothing.
    if (dispute.state === 'lost' && of.checkout !== undefined) await this.#voidRest(of);
    const dead = await this.database.forProvider(of.provider, (tx) => this.#apply(tx, dispute, of));
    if (dead !== undefined) {
      const { provider } = of;
      const reason = dispute.reason;
      await this.writer.transaction((tx) => this.methods.markDead(tx, { provider, method: dead, reason }));
    }
    return { outcome: 'applied' };
  }

  /**
   * Those that are open, and those that only Stripe's books told of: webhooks may never come.
   * @returns alarms
   */
  async sweep(): Promise<readonly string[]> {
    const rows = await this.writer.query<{ id: string }>(
      `SELECT stripe_id AS id FROM disputes WHERE state = 'open'
       UNION
       SELECT m.source FROM stripe_movements m WHERE m.category = 'dispute' AND m.provider_id IS NOT NULL AND m.source IS NOT NULL
         AND NOT EXISTS (SELECT FROM disputes d WHERE d.stripe_id = m.source)
       LIMIT 100`,
    );
    const alarms: string[] = [];
    for (const { id } of rows) alarms.push(...((await this.run(id)).alarms ?? []));
    return alarms;
  }

  /** early: that its attempt was paid is not written down yet, and what comes after that waits for it. */
  async #payment(intent: string): Promise<Disputed | 'early' | undefined> {
    const [row] = await this.writer.query<{
      provider: string;
      account: string;
      statement: string | null;
      checkout: string | null;
      grant_id: string | null;
      asset: string | null;
      early: boolean;
    }>(
      `SELECT provider_id AS provider, account_id AS account, statement_id AS statement, NULL AS checkout, NULL AS grant_id, NULL AS asset,
         state NOT IN ('succeeded', 'disputed', 'reversed') AS early
       FROM collection_attempts WHERE payment_intent = $1
       UNION ALL
       SELECT provider_id, account_id, NULL, id, grant_id, asset, false FROM checkouts WHERE intent_id = $1`,
      [intent],
    );
    if (!row) return undefined;
    if (row.early) return 'early';
    const { provider, account, statement, checkout, grant_id: grant, asset } = row;
    if (statement !== null) return { provider, account, statement };
    return checkout === null || grant === null || asset === null
      ? undefined
      : { provider, account, checkout, grant, asset };
  }

  async #voidRest({ provider, grant }: { readonly provider: string; readonly grant: string }): Promise<void> {
    try {
      await this.voids.run({ provider, grant });
    } catch (error) {
      // All of it was used, or has expired.
      if (!isEnded(error)) throw error;
    }
  }

  /** @returns the method that can never be charged again */
  async #apply(tx: Tx, seen: DisputeSeen, of: Disputed): Promise<string | undefined> {
    const known = await this.#open(tx, seen, of);
    if (seen.state === 'open' || known.state !== 'open') return undefined;
    const state = seen.state === 'won' ? 'won' : 'lost';
    await rowsOf(
      tx,
      "UPDATE disputes SET state = $2, version = version + 1, ended_at = now() WHERE id = $1 AND state = 'open' RETURNING id",
      [known.id, state],
    );
    const dead = of.statement === undefined ? undefined : await this.#endOfStatement(tx, seen, state);
    if (of.checkout !== undefined && state === 'lost') await this.#loseBalance(tx, known.id, seen, of);
    await this.#tell(
      tx,
      state === 'won' ? 'dispute.won' : 'dispute.lost',
      { ...known, version: known.version + 1 },
      seen,
      of,
    );
    return dead;
  }

  async #open(tx: Tx, seen: DisputeSeen, of: Disputed): Promise<Row> {
    const [opened] = await rowsOf<Row>(
      tx,
      `INSERT INTO disputes (id, provider_id, account_id, stripe_id, statement_id, checkout_id, cents, reason, respond_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7::bigint, $8, $9::timestamptz) ON CONFLICT (stripe_id) DO NOTHING RETURNING id, state, version`,
      [
        this.ids.next(ID_PREFIXES.dispute),
        ...[of.provider, of.account, seen.id, of.statement ?? null, of.checkout ?? null],
        seen.cents.toString(),
        seen.reason.slice(0, 128),
        seen.respondBy === undefined ? null : formatInstant(instant(seen.respondBy * 1_000)),
      ],
    );
    if (opened) {
      const collected =
        of.statement !== undefined && seen.intent !== undefined && !isReturn(seen)
          ? await this.reversals.find(tx, seen.intent)
          : undefined;
      if (collected) await this.reversals.disputed(tx, collected);
      await this.#tell(tx, 'dispute.opened', opened, seen, of);
      return opened;
    }
    const [known] = await rowsOf<Row>(tx, 'SELECT id, state, version FROM disputes WHERE stripe_id = $1 FOR UPDATE', [
      seen.id,
    ]);
    if (!known) throw new Error(`the dispute ${seen.id} is of another provider`);
    return known;
  }

  /** A lost dispute leaves the debt: its account is treated as one that has not paid. */
  async #endOfStatement(tx: Tx, seen: DisputeSeen, state: 'won' | 'lost'): Promise<string | undefined> {
    const collected = seen.intent === undefined ? undefined : await this.reversals.find(tx, seen.intent);
    if (!collected) return undefined;
    if (state === 'won') {
      await this.reversals.won(tx, collected);
      return undefined;
    }
    return (
      await this.reversals.returned(tx, collected, {
        fact: seen.id,
        code: seen.reason,
        cents: seen.cents,
      })
    ).deadMethod;
  }

  async #loseBalance(
    tx: Tx,
    dispute: string,
    seen: DisputeSeen,
    of: { readonly provider: string; readonly account: string; readonly grant: string; readonly asset: string },
  ): Promise<void> {
    const [grant] = await rowsOf<{ voided: string }>(tx, 'SELECT voided::text FROM grants WHERE id = $1', [of.grant]);
    const asset = assetId(of.asset);
    const whole = seen.cents * unitsOfACent(asset);
    const voided = big(grant?.voided ?? '0');
    const left = voided < whole ? voided : whole;
    const { provider, account } = of;
    await this.ledger.post(
      tx,
      loseCheckout({
        ...{ provider, account, dispute, cents: amount(USD.id, seen.cents) },
        ...{ left: amount(asset, left), used: amount(asset, whole - left) },
      }),
    );
    await this.pastDue.lower(tx, of, 'dispute_lost');
  }

  async #tell(
    tx: Tx,
    type: 'dispute.opened' | 'dispute.won' | 'dispute.lost',
    row: Row,
    seen: DisputeSeen,
    of: Disputed,
  ): Promise<void> {
    await this.announce.add(tx, {
      provider: of.provider,
      type,
      object: { id: row.id, version: row.version },
      data: {
        account: of.account,
        asset: USD.id,
        dispute: row.id,
        amount: seen.cents.toString(),
        reason: seen.reason,
        ...(of.statement === undefined ? {} : { statement: of.statement }),
        ...(seen.respondBy === undefined || type !== 'dispute.opened'
          ? {}
          : { respondBy: formatInstant(instant(seen.respondBy * 1_000)) }),
      },
    });
  }
}

/** A bank takes back what it had paid: that is a dispute which is lost from the start. */
const isReturn = ({ state }: DisputeSeen): boolean => state === 'lost';

const isEnded = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && Reflect.get(error, 'reason') === 'grant_ended';

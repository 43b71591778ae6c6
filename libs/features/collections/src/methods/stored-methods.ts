import type { MethodSeen, MethodType } from '@core/collections';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type Instant, instant } from '@core/time';
import type { Announce } from '@features/webhooks';
import { type Database, rowsOf, type Tx, type WriterTx } from '@platform/database';
import { PaymentMethods, type StripeRailName, type UsableMethod } from './payment-methods.js';

export type MethodState = 'active' | 'dead' | 'detached';

/** A payment method as its provider sees it. */
export interface PaymentMethod {
  /** `pmt_…` */
  readonly id: string;
  readonly account: string;
  readonly rail: StripeRailName;
  readonly type: MethodType;
  /** Brand or bank, and the last four digits. */
  readonly label: string;
  /** Tried first on its rail. */
  readonly isDefault: boolean;
  readonly state: MethodState;
  /** Why it is not active. */
  readonly reason: string | undefined;
  readonly createdAt: Instant;
}

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  rail: StripeRailName;
  type: MethodType;
  label: string;
  customer_id: string;
  stripe_id: string;
  is_default: boolean;
  state: MethodState;
  reason: string | null;
  version: number;
  created_at: Date;
}

const COLUMNS =
  'id, provider_id, account_id, rail, type, label, customer_id, stripe_id, is_default, state, reason, version, created_at';

const methodOf = (row: Row): PaymentMethod => ({
  id: row.id,
  account: row.account_id,
  rail: row.rail,
  type: row.type,
  label: row.label,
  isDefault: row.is_default,
  state: row.state,
  reason: row.reason ?? undefined,
  createdAt: instant(row.created_at.getTime()),
});

/** What accounts can be charged by. */
export class StoredMethods extends PaymentMethods {
  constructor(
    private readonly ids: IdSource,
    private readonly announce: Announce,
  ) {
    super();
  }

  async usable(
    tx: Tx | WriterTx,
    {
      provider,
      account,
      rails,
    }: { readonly provider: string; readonly account: string; readonly rails: readonly StripeRailName[] },
  ): Promise<readonly UsableMethod[]> {
    const rows = await rowsOf<Row>(
      tx,
      `SELECT ${COLUMNS} FROM payment_methods
       WHERE provider_id = $1 AND account_id = $2 AND state = 'active' AND rail = ANY ($3::text[])
       ORDER BY array_position($3::text[], rail), is_default DESC, created_at DESC`,
      [provider, account, [...rails]],
    );
    return rows.map(({ id, rail, type, customer_id: customer, stripe_id: stripeMethod }) => ({
      ...{ id, rail, type, customer, stripeMethod },
    }));
  }

  async markDead(
    tx: WriterTx,
    { provider, method, reason }: { readonly provider: string; readonly method: string; readonly reason: string },
  ): Promise<void> {
    await this.#end(tx, { provider, ids: [method], state: 'dead', reason });
  }

  /** By what Stripe says of a method or a mandate of it. */
  async endByStripe(
    tx: WriterTx,
    of: { readonly stripeMethod: string } | { readonly mandate: string },
    state: 'dead' | 'detached',
    reason: string,
  ): Promise<void> {
    const [column, value] = 'mandate' in of ? ['mandate_id', of.mandate] : ['stripe_id', of.stripeMethod];
    const rows = await tx.query<{ id: string; provider_id: string }>(
      `SELECT id, provider_id FROM payment_methods WHERE ${column} = $1 AND state = 'active'`,
      [value],
    );
    for (const { id, provider_id: provider } of rows) await this.#end(tx, { provider, ids: [id], state, reason });
  }

  async #end(
    tx: WriterTx,
    end: {
      readonly provider: string;
      readonly ids: readonly string[];
      readonly state: 'dead' | 'detached';
      readonly reason: string;
    },
  ): Promise<void> {
    const ended = await tx.query<Row>(
      `UPDATE payment_methods SET state = $3, reason = $4, is_default = false, version = version + 1, ended_at = now(), forgotten_at = now()
       WHERE provider_id = $1 AND id = ANY ($2::text[]) AND state = 'active' RETURNING ${COLUMNS}`,
      [end.provider, [...end.ids], end.state, end.reason.slice(0, 128)],
    );
    if (end.state !== 'dead') return;
    await this.announce.all(
      tx,
      ended.map((row) => ({
        provider: end.provider,
        type: 'payment_method.dead' as const,
        object: { id: row.id, version: row.version },
        data: { ...shownOf(row), reason: end.reason },
      })),
    );
  }

  /** Stored again, a method that had ended is good again. */
  async store(
    tx: WriterTx,
    { provider, account, seen }: { readonly provider: string; readonly account: string; readonly seen: MethodSeen },
  ): Promise<void> {
    if (seen.customer === undefined)
      throw new Fault('invariant_broken', `the method ${seen.id} was stored for no customer`);
    const rail: StripeRailName = seen.type === 'card' ? 'card' : 'bank';
    const [row] = await tx.query<Row>(
      `INSERT INTO payment_methods (id, provider_id, account_id, rail, type, label, customer_id, stripe_id, mandate_id, is_default)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
         NOT EXISTS (SELECT FROM payment_methods d WHERE d.account_id = $3 AND d.rail = $4 AND d.is_default AND d.state = 'active'))
       ON CONFLICT (account_id, stripe_id) DO UPDATE
       SET state = 'active', reason = NULL, ended_at = NULL, forgotten_at = NULL, mandate_id = excluded.mandate_id, version = payment_methods.version + 1
       WHERE payment_methods.state <> 'active' RETURNING ${COLUMNS}`,
      [
        this.ids.next(ID_PREFIXES.paymentMethod),
        ...[provider, account, rail, seen.type, seen.label, seen.customer, seen.id, seen.mandate ?? null],
      ],
    );
    if (!row) return;
    await this.announce.add(tx, {
      provider,
      type: 'payment_method.attached',
      object: { id: row.id, version: row.version },
      data: shownOf(row),
    });
  }
}

const shownOf = (row: Row) => ({
  account: row.account_id,
  paymentMethod: row.id,
  kind: row.type,
  label: row.label,
});

const unknownMethod = (): Fault =>
  new Fault('not_found', 'The account has no such payment method. GET /v1/accounts/:id/payment-methods lists them.', {
    reason: 'unknown_payment_method',
  });

/** Lists, prefers and takes away what an account can be charged by. */
export class ManageMethods {
  constructor(private readonly database: Database) {}

  /** Those that ended too, newest first. */
  async list({ provider, account }: { readonly provider: string; readonly account: string }): Promise<PaymentMethod[]> {
    return this.database.forProvider(provider, async (tx) =>
      (
        await rowsOf<Row>(tx, `SELECT ${COLUMNS} FROM payment_methods WHERE account_id = $1 ORDER BY id DESC`, [
          account,
        ])
      ).map(methodOf),
    );
  }

  /** @throws Fault not_found (`unknown_payment_method`: of this account, and active) */
  async prefer(input: {
    readonly provider: string;
    readonly account: string;
    readonly method: string;
  }): Promise<PaymentMethod> {
    return this.database.forProvider(input.provider, async (tx) => {
      const [method] = await rowsOf<Row>(
        tx,
        `SELECT ${COLUMNS} FROM payment_methods WHERE account_id = $1 AND id = $2 AND state = 'active' FOR UPDATE`,
        [input.account, input.method],
      );
      if (!method) throw unknownMethod();
      await rowsOf(
        tx,
        'UPDATE payment_methods SET is_default = false WHERE account_id = $1 AND rail = $2 AND is_default RETURNING id',
        [input.account, method.rail],
      );
      await rowsOf(tx, 'UPDATE payment_methods SET is_default = true WHERE id = $1 RETURNING id', [method.id]);
      return { ...methodOf(method), isDefault: true };
    });
  }

  /**
   * It is not charged any more, from now on; that Stripe forgets it too is asked for by the sweep.
   * @throws Fault not_found (`unknown_payment_method`)
   */
  async remove(input: { readonly provider: string; readonly account: string; readonly method: string }): Promise<void> {
    await this.database.forProvider(input.provider, async (tx) => {
      const ended = await rowsOf<{ id: string }>(
        tx,
        `UPDATE payment_methods SET state = 'detached', is_default = false, reason = 'taken away', version = version + 1,
           ended_at = coalesce(ended_at, now())
         WHERE account_id = $1 AND id = $2 RETURNING id`,
        [input.account, input.method],
      );
      if (ended.length === 0) throw unknownMethod();
    });
  }
}

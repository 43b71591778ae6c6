import { assetId } from '@core/money';
import { instant } from '@core/time';
import { big, rowsOf, type Tx, type Writer, type WriterTx } from '@platform/database';
import type { CheckoutPurpose, CheckoutState, StoredCheckout } from './checkout.js';

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  purpose: CheckoutPurpose;
  state: CheckoutState;
  body: string;
  stripe_id: string | null;
  cents: string | null;
  asset: string | null;
  amount: string | null;
  grant_id: string | null;
  expires_at: Date;
}

const COLUMNS = `id, provider_id, account_id, purpose, state, body, stripe_id, cents::text, asset, amount::text, grant_id, expires_at`;

const checkoutOf = (row: Row): StoredCheckout => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  purpose: row.purpose,
  state: row.state,
  body: row.body,
  stripeId: row.stripe_id ?? undefined,
  bought:
    row.cents === null || row.asset === null || row.amount === null
      ? undefined
      : { cents: big(row.cents), asset: assetId(row.asset), amount: big(row.amount) },
  grant: row.grant_id ?? undefined,
  expiresAt: instant(row.expires_at.getTime()),
});

/** All SQL of hosted pages and customers. */
export class CheckoutsStore {
  /** The account's customer, with what makes it as long as it has no id. */
  async customer(
    tx: Tx,
    of: { readonly provider: string; readonly account: string; readonly body: string },
  ): Promise<{ readonly stripeId: string | undefined; readonly body: string }> {
    await tx.stripeCustomer.createMany({
      data: [{ accountId: of.account, providerId: of.provider, body: of.body }],
      skipDuplicates: true,
    });
    const row = await tx.stripeCustomer.findUniqueOrThrow({ where: { accountId: of.account } });
    return { stripeId: row.stripeId ?? undefined, body: row.body };
  }

  async setCustomer(tx: Tx, account: string, stripeId: string): Promise<void> {
    await tx.stripeCustomer.updateMany({ where: { accountId: account, stripeId: null }, data: { stripeId } });
  }

  async insert(tx: Tx, checkout: StoredCheckout, lookAt: Date): Promise<void> {
    const { bought } = checkout;
    await tx.checkout.create({
      data: {
        id: checkout.id,
        providerId: checkout.provider,
        accountId: checkout.account,
        purpose: checkout.purpose,
        body: checkout.body,
        cents: bought?.cents ?? null,
        asset: bought?.asset ?? null,
        amount: bought?.amount.toString() ?? null,
        nextRunAt: lookAt,
        expiresAt: new Date(checkout.expiresAt),
      },
    });
  }

  /** Stripe has it. */
  async opened(tx: Tx | WriterTx, id: string, stripeId: string): Promise<void> {
    const text = `UPDATE checkouts SET state = 'open', stripe_id = $2 WHERE id = $1 AND state = 'opening' RETURNING id`;
    await rowsOf(tx, text, [id, stripeId]);
  }

  /** Of an account's pages the one with this id. */
  async find(tx: Tx, id: string): Promise<StoredCheckout | undefined> {
    const [row] = await tx.$queryRawUnsafe<Row[]>(`SELECT ${COLUMNS} FROM checkouts WHERE id = $1`, id);
    return row ? checkoutOf(row) : undefined;
  }

  /**
   * Takes pages that are to be looked at: each is then left alone for longer and longer, up to six hours, whatever becomes of who took it.
   * @param about only these: Stripe's id or ours
   */
  async take(writer: Writer, most: number, about?: string): Promise<StoredCheckout[]> {
    const rows = await writer.query<Row>(
      `UPDATE checkouts SET looks = looks + 1, next_run_at = now() + least(interval '30 seconds' * power(2, least(looks, 12)), interval '6 hours')
       WHERE id IN (
         SELECT id FROM checkouts WHERE state IN ('opening', 'open')
           AND CASE WHEN $2::text IS NULL THEN next_run_at <= now() ELSE stripe_id = $2 OR id = $2 END
         ORDER BY next_run_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}`,
      [most, about ?? null],
    );
    return rows.map(checkoutOf);
  }

  /** As it is now, for whoever ends it; undefined when somebody has. */
  async lock(tx: WriterTx, id: string): Promise<StoredCheckout | undefined> {
    const [row] = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM checkouts WHERE id = $1 AND state IN ('opening', 'open') FOR UPDATE`,
      [id],
    );
    return row ? checkoutOf(row) : undefined;
  }

  async end(
    tx: WriterTx,
    id: string,
    state: 'complete' | 'failed' | 'expired',
    bought: { readonly grant?: string; readonly intent?: string } = {},
  ): Promise<void> {
    await tx.query('UPDATE checkouts SET state = $2, grant_id = $3, intent_id = $4, ended_at = now() WHERE id = $1', [
      id,
      state,
      bought.grant ?? null,
      bought.intent ?? null,
    ]);
  }
}

import { captureTopUp } from '@core/ledger';
import { amount, type AssetId, assetId } from '@core/money';
import type { PaymentState } from '@core/payments';
import { big, type Writer, type WriterTx } from '@platform/database';
import { captureSale } from '../sales/capture-sale.js';
import type { ClaimedPayment } from '../sales/sale.js';
import type { TopUp, TopUpState } from './top-up.js';
import { TOP_UP_DEFAULTS, type TopUpSettings } from './top-up-settings.js';

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  payment_id: string;
  payment_state: PaymentState;
  payer: string;
  network: string;
  asset: string;
  amount: string;
  state: TopUpState;
  grant_id: string | null;
  transaction: string | null;
}

const COLUMNS = `t.id, t.provider_id, t.account_id, t.payment_id, p.state AS payment_state, p.payer, p.network, t.asset, t.amount::text, t.state,
  t.grant_id, encode(p.transaction, 'hex') AS transaction`;
const FROM = 'FROM topups t JOIN payments p ON p.id = t.payment_id';

const topUpOf = (row: Row): TopUp => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  payment: row.payment_id,
  paymentState: row.payment_state,
  payer: row.payer,
  network: row.network,
  asset: row.asset,
  amount: big(row.amount),
  state: row.state,
  grant: row.grant_id ?? undefined,
  transaction: row.transaction === null ? undefined : `0x${row.transaction}`,
});

/** A failed top-up whose balance was given, and what was used of it. */
export interface UsedTopUp {
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
  /** Used of the grant, and how much of that is booked as lost after so many steps. */
  readonly used: bigint;
  readonly lost: bigint;
  readonly steps: number;
}

/** All SQL of top-ups. */
export class TopUpsStore {
  constructor(private readonly writer: Writer) {}

  async settings(provider: string): Promise<TopUpSettings> {
    const [row] = await this.writer.query<{ least: string; most: string; cap: string }>(
      'SELECT least::text, most::text, provisional_credit_cap::text AS cap FROM topup_settings WHERE provider_id = $1',
      [provider],
    );
    return row ? { least: big(row.least), most: big(row.most), provisionalCreditCap: big(row.cap) } : TOP_UP_DEFAULTS;
  }

  /**
   * Fixes what a claimed payment buys, for whom: payment, entry and top-up in one commit. Nothing happens to a payment that is not
   * reserved any more.
   */
  async capture(id: string, payment: ClaimedPayment, account: string): Promise<void> {
    const charged = amount(assetId(payment.assetId), payment.amount);
    const entry = captureTopUp({ provider: payment.provider, account, payment: payment.id, charged });
    await this.writer.transaction(async (tx) => {
      if (!(await captureSale(tx, payment, account, entry))) return;
      await tx.query(
        'INSERT INTO topups (id, provider_id, payment_id, account_id, asset, amount) VALUES ($1, $2, $3, $4, $5, $6)',
        [id, payment.provider, payment.id, account, payment.assetId, payment.amount.toString()],
      );
    });
  }

  async find(id: string): Promise<TopUp | undefined> {
    const [row] = await this.writer.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE t.id = $1`, [id]);
    return row && topUpOf(row);
  }

  async ofPayment(payment: string): Promise<TopUp | undefined> {
    const [row] = await this.writer.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE t.payment_id = $1`, [payment]);
    return row && topUpOf(row);
  }

  /** Those about which something may be done, oldest first; those that only a cap may let through come last. */
  async due(most: number): Promise<TopUp[]> {
    const rows = await this.writer.query<Row>(
      `SELECT ${COLUMNS} ${FROM} LEFT JOIN topup_settings s ON s.provider_id = t.provider_id
       WHERE t.state IN ('paid', 'provisional') AND (p.state IN ('settled', 'failed')
         OR (t.state = 'paid' AND p.state = 'included' AND s.provisional_credit_cap >= t.amount))
       ORDER BY p.state = 'included', t.id LIMIT $1`,
      [most],
    );
    return rows.map(topUpOf);
  }

  /**
   * A top-up as it stands, which nobody else changes now, and what its account may still have in provisional balance. Top-ups of one
   * account are decided one after another.
   */
  async lock(
    tx: WriterTx,
    { id, provider, account, asset }: TopUp,
  ): Promise<{ topUp: TopUp; room: bigint } | undefined> {
    await tx.query('SELECT pg_advisory_xact_lock(hashtext($1))', [`farebox.topups ${account}`]);
    const [row] = await tx.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE t.id = $1 FOR UPDATE OF t`, [id]);
    const [given] = await tx.query<{ room: string }>(
      `SELECT (coalesce((SELECT provisional_credit_cap FROM topup_settings WHERE provider_id = $1), 0)
         - coalesce((SELECT sum(amount) FROM topups WHERE account_id = $2 AND asset = $3 AND state = 'provisional'), 0))::text AS room`,
      [provider, account, asset],
    );
    return row && { topUp: topUpOf(row), room: big(given?.room ?? '0') };
  }

  async advance(tx: WriterTx, id: string, to: TopUpState, grant: string | undefined): Promise<void> {
    await tx.query(
      `UPDATE topups SET state = $2, grant_id = $3, ended_at = CASE WHEN $2 IN ('credited', 'failed') THEN now() END WHERE id = $1`,
      [id, to, grant ?? null],
    );
  }

  /** What the account wanted to buy by itself is bought. Called while its wallet is locked. */
  async fulfil(tx: WriterTx, { account, asset }: TopUp): Promise<void> {
    await tx.query(
      'UPDATE auto_topups SET pending = NULL, failures = 0 WHERE account_id = $1 AND asset = $2 AND pending IS NOT NULL',
      [account, asset],
    );
  }

  /** Failed top-ups of which more, or less, is used than is booked as lost. */
  async wronglyLost(most: number): Promise<string[]> {
    const rows = await this.writer.query<{ id: string }>(
      `SELECT t.id FROM topups t JOIN grants g ON g.id = t.grant_id
       WHERE t.state = 'failed' AND t.grant_id IS NOT NULL AND g.consumed + g.expired <> t.lost ORDER BY t.id LIMIT $1`,
      [most],
    );
    return rows.map(({ id }) => id);
  }

  async lockUsed(tx: WriterTx, id: string): Promise<UsedTopUp | undefined> {
    const [row] = await tx.query<{
      provider_id: string;
      account_id: string;
      asset: string;
      used: string;
      lost: string;
      loss_steps: number;
    }>(
      `SELECT t.provider_id, t.account_id, t.asset, (g.consumed + g.expired)::text AS used, t.lost::text, t.loss_steps
       FROM topups t JOIN grants g ON g.id = t.grant_id WHERE t.id = $1 FOR UPDATE`,
      [id],
    );
    return (
      row && {
        id,
        provider: row.provider_id,
        account: row.account_id,
        asset: assetId(row.asset),
        used: big(row.used),
        lost: big(row.lost),
        steps: row.loss_steps,
      }
    );
  }

  async lose(tx: WriterTx, { id, used }: UsedTopUp): Promise<void> {
    await tx.query('UPDATE topups SET lost = $2, loss_steps = loss_steps + 1 WHERE id = $1', [id, used.toString()]);
  }

  /** Takes back refunds that are owed for a grant and not under way. */
  async cancelRefunds(tx: WriterTx, grant: string): Promise<{ id: string; cash: bigint }[]> {
    const rows = await tx.query<{ id: string; cash: string }>(
      `UPDATE refunds SET state = 'cancelled', reason = 'funding_failed', ended_at = now() WHERE grant_id = $1 AND state = 'owed'
       RETURNING id, cash::text`,
      [grant],
    );
    return rows.map(({ id, cash }) => ({ id, cash: big(cash) }));
  }
}

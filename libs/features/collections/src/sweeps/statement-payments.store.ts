import { type AssetId, assetId } from '@core/money';
import type { PaymentState } from '@core/payments';
import type { ClaimedPayment } from '@features/payments';
import { big, rowsOf, type Tx, type Writer, type WriterTx } from '@platform/database';
import type { StatementPayment, StatementPaymentState } from './statement-payment.js';

/** A statement as who wants to pay it sees it. */
export interface PayableStatement {
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
  /** Atomic units; nothing of one that is void. */
  readonly open: bigint;
}

interface Row {
  id: string;
  provider_id: string;
  statement_id: string;
  payment_id: string;
  payment_state: PaymentState;
  payer: string;
  network: string;
  asset: string;
  amount: string;
  applied: string;
  state: StatementPaymentState;
  transaction: string | null;
}

const COLUMNS = `s.id, s.provider_id, s.statement_id, s.payment_id, p.state AS payment_state, p.payer, p.network, s.asset, s.amount::text,
  s.applied::text, s.state, encode(p.transaction, 'hex') AS transaction`;
const FROM = 'FROM statement_payments s JOIN payments p ON p.id = s.payment_id';

const paymentOf = (row: Row): StatementPayment => ({
  id: row.id,
  provider: row.provider_id,
  statement: row.statement_id,
  payment: row.payment_id,
  paymentState: row.payment_state,
  payer: row.payer,
  network: row.network,
  asset: row.asset,
  amount: big(row.amount),
  applied: big(row.applied),
  state: row.state,
  transaction: row.transaction === null ? undefined : `0x${row.transaction}`,
});

/** What keeps a statement from being paid in a token now. */
export type UnderWay = 'payment_under_way' | 'collection_under_way';

/** The condition that a payment of the statement in `statement` is on its way, for other queries. */
export const onItsWay = (statement: string): string =>
  `EXISTS (SELECT FROM statement_payments WHERE statement_id = ${statement} AND state = 'paid')`;

/** All SQL of statements that are paid in a token. */
export class StatementPaymentsStore {
  async payable(db: Writer, statement: string): Promise<PayableStatement | undefined> {
    const [row] = await db.query<{ provider_id: string; account_id: string; asset: string; open: string }>(
      `SELECT provider_id, account_id, asset, CASE WHEN state = 'voided' THEN 0 ELSE due - paid - credited - written_off END::text AS open
       FROM statements WHERE id = $1`,
      [statement],
    );
    return (
      row && { provider: row.provider_id, account: row.account_id, asset: assetId(row.asset), open: big(row.open) }
    );
  }

  /** Whether a payment in a token, or a try by card or bank, may yet pay it. Asked with the statement locked, it stays so. */
  async underWay(on: Writer | Tx | WriterTx, statement: string): Promise<UnderWay | undefined> {
    const text = `SELECT ${onItsWay('$1')} AS paying,
      EXISTS (SELECT FROM collections WHERE statement_id = $1 AND state IN ('attempting', 'processing', 'requires_action', 'halted')) AS collecting`;
    const [row] =
      'listen' in on
        ? await on.query<{ paying: boolean; collecting: boolean }>(text, [statement])
        : await rowsOf<{ paying: boolean; collecting: boolean }>(on, text, [statement]);
    if (row?.paying) return 'payment_under_way';
    return row?.collecting ? 'collection_under_way' : undefined;
  }

  async insert(tx: WriterTx, id: string, statement: string, account: string, payment: ClaimedPayment): Promise<void> {
    await tx.query(
      `INSERT INTO statement_payments (id, provider_id, account_id, statement_id, payment_id, asset, amount)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [id, payment.provider, account, statement, payment.id, payment.assetId, payment.amount.toString()],
    );
  }

  async find(db: Writer, id: string): Promise<StatementPayment | undefined> {
    const [row] = await db.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE s.id = $1`, [id]);
    return row && paymentOf(row);
  }

  async ofPayment(on: Writer | WriterTx, payment: string): Promise<StatementPayment | undefined> {
    const [row] = await on.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE s.payment_id = $1`, [payment]);
    return row && paymentOf(row);
  }

  /** Newest first. */
  async ofStatement(tx: Tx, statement: string): Promise<StatementPayment[]> {
    const text = `SELECT ${COLUMNS} ${FROM} WHERE s.statement_id = $1 ORDER BY s.id DESC`;
    return (await rowsOf<Row>(tx, text, [statement])).map(paymentOf);
  }

  /** Those whose payments have ended, oldest first. */
  async due(db: Writer, most: number): Promise<StatementPayment[]> {
    const rows = await db.query<Row>(
      `SELECT ${COLUMNS} ${FROM} WHERE s.state = 'paid' AND p.state IN ('settled', 'failed') ORDER BY s.id LIMIT $1`,
      [most],
    );
    return rows.map(paymentOf);
  }

  /**
   * Locks it; undefined when it has ended. The collection of its statement is locked before, as by all that works on collections: call
   * this, then lock the statement.
   */
  async lock(tx: Tx, { id, statement }: StatementPayment): Promise<StatementPayment | undefined> {
    await rowsOf(tx, 'SELECT id FROM collections WHERE statement_id = $1 FOR UPDATE', [statement]);
    const [row] = await rowsOf<Row>(
      tx,
      `SELECT ${COLUMNS} ${FROM} WHERE s.id = $1 AND s.state = 'paid' FOR UPDATE OF s`,
      [id],
    );
    return row && paymentOf(row);
  }

  /** Ends it; `applied` in the token. Whoever waits with collecting the statement goes on. */
  async end(tx: Tx, { id, statement }: StatementPayment, to: 'applied' | 'failed', applied: bigint): Promise<void> {
    await rowsOf(
      tx,
      'UPDATE statement_payments SET state = $2, applied = $3::numeric, ended_at = now() WHERE id = $1 RETURNING id',
      [id, to, applied.toString()],
    );
    await rowsOf(
      tx,
      'UPDATE collections SET next_run_at = now() WHERE statement_id = $1 AND next_run_at > now() RETURNING id',
      [statement],
    );
  }
}

import { type LedgerCode } from '@core/ledger';
import { type AssetId, assetId } from '@core/money';
import { big, Prisma, type Tx } from '@platform/database';

interface LedgerBalanceRow {
  readonly code: LedgerCode;
  readonly asset: AssetId;
  readonly account: string | undefined;
  readonly detail: string;
  readonly debits: bigint;
  readonly credits: bigint;
}

interface Row {
  code: LedgerCode;
  asset: string;
  account_id: string | null;
  detail: string;
  debits: string;
  credits: string;
}

/**
 * Balances: the stored sums (`ledger_balances`, a cache) plus the transfers after them. Exact at the instant of the read,
 * however old the cache is.
 */
export class LedgerReader {
  /** Every ledger account of the provider that ever moved, in order of code. */
  async balances(tx: Tx, filter: { account?: string } = {}): Promise<LedgerBalanceRow[]> {
    const only = filter.account === undefined ? Prisma.empty : Prisma.sql`WHERE la.account_id = ${filter.account}`;
    const rows = await tx.$queryRaw<Row[]>`
      SELECT la.code, la.asset, la.account_id, la.detail,
        (coalesce(b.debits, 0) + coalesce(d.sum, 0))::text AS debits, (coalesce(b.credits, 0) + coalesce(c.sum, 0))::text AS credits
      FROM ledger_accounts la
        LEFT JOIN ledger_balances b ON b.ledger_account_id = la.id
        LEFT JOIN LATERAL (SELECT sum(t.amount) FROM transfers t WHERE t.debit_id = la.id AND t.id > coalesce(b.through, 0)) d ON true
        LEFT JOIN LATERAL (SELECT sum(t.amount) FROM transfers t WHERE t.credit_id = la.id AND t.id > coalesce(b.through, 0)) c ON true
      ${only}
      ORDER BY la.code, la.asset, la.account_id, la.detail`;
    return rows.map((row) => ({
      code: row.code,
      asset: assetId(row.asset),
      account: row.account_id ?? undefined,
      detail: row.detail,
      debits: big(row.debits),
      credits: big(row.credits),
    }));
  }
}

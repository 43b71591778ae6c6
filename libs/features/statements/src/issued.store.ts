import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import { openOf, STATEMENT_STATES, type StatementStanding, statementNumber } from '@core/statements';
import { type Instant, instant } from '@core/time';
import { big, rowsOf, type Tx, type WriterTx } from '@platform/database';
import type { IssuedStatement } from './issued-statement.js';

interface StatementRow {
  id: string;
  provider_id: string;
  account_id: string;
  asset: string;
  series: string;
  number: string;
  start_ms: string;
  end_ms: string;
  zone: string;
  opening: string;
  charges: string;
  payments: string;
  adjustments: string;
  closing: string;
  due: string;
  paid: string;
  credited: string;
  written_off: string;
  state: string;
  hash: string;
  issued_ms: string;
  due_ms: string;
  version: number;
}

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::bigint::text`;

const COLUMNS = `id, provider_id, account_id, asset, series, number::text, ${ms('period_start')} AS start_ms, ${ms('period_end')} AS end_ms, zone,
  opening::text, charges::text, payments::text, adjustments::text, closing::text, due::text, paid::text, credited::text, written_off::text,
  state, encode(content_hash, 'hex') AS hash, ${ms('issued_at')} AS issued_ms, ${ms('due_at')} AS due_ms, version`;

const at = (text: string): Instant => instant(Number(text));

function statementOf(row: StatementRow): IssuedStatement {
  const state = STATEMENT_STATES.find((one) => one === row.state);
  if (!state) throw new Fault('invariant_broken', `statement ${row.id} is "${row.state}"`);
  const sums = {
    due: big(row.due),
    paid: big(row.paid),
    credited: big(row.credited),
    writtenOff: big(row.written_off),
  };
  return {
    id: row.id,
    provider: row.provider_id,
    account: row.account_id,
    asset: assetId(row.asset),
    number: statementNumber(row.series, BigInt(row.number)),
    period: { start: at(row.start_ms), end: at(row.end_ms) },
    zone: row.zone,
    opening: big(row.opening),
    charges: big(row.charges),
    payments: big(row.payments),
    adjustments: big(row.adjustments),
    closing: big(row.closing),
    ...sums,
    open: openOf(sums),
    state,
    contentHash: row.hash,
    issuedAt: at(row.issued_ms),
    dueAt: at(row.due_ms),
    version: row.version,
  };
}

/** Which statements to list: those that meet all that is given. */
export interface StatementFilter {
  readonly account?: string | undefined;
  readonly state?: string | undefined;
}

/** Issued statements, as rows. */
export class IssuedStore {
  async one(tx: Tx | WriterTx, id: string, lock: 'lock' | 'read'): Promise<IssuedStatement | undefined> {
    const text = `SELECT ${COLUMNS} FROM statements WHERE id = $1${lock === 'lock' ? ' FOR UPDATE' : ''}`;
    const [row] = await rowsOf<StatementRow>(tx, text, [id]);
    return row && statementOf(row);
  }

  /** Newest first, after a statement. */
  async list(
    tx: Tx,
    { account, state }: StatementFilter,
    after: string | undefined,
    limit: number,
  ): Promise<IssuedStatement[]> {
    const rows = await rowsOf<StatementRow>(
      tx,
      `SELECT ${COLUMNS} FROM statements
       WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR id < $3)
       ORDER BY statements.id DESC LIMIT $4::integer`,
      [account ?? null, state ?? null, after ?? null, limit],
    );
    return rows.map(statementOf);
  }

  /** Only from the version that was read. */
  async change(tx: Tx | WriterTx, before: IssuedStatement, after: StatementStanding): Promise<void> {
    const rows = await rowsOf(
      tx,
      `UPDATE statements SET state = $3, paid = $4::numeric, credited = $5::numeric, written_off = $6::numeric, version = version + 1,
         changed_at = now()
       WHERE id = $1 AND version = $2::integer RETURNING id`,
      [
        before.id,
        before.version,
        after.state,
        after.paid.toString(),
        after.credited.toString(),
        after.writtenOff.toString(),
      ],
    );
    if (rows.length === 0) throw new Fault('invariant_broken', `statement ${before.id} changed while it was locked`);
  }
}

import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import type { DrawnUp } from '@core/statements';
import { type BillingPeriod, formatInstant, type Instant, instant, type Period } from '@core/time';
import { big, type Writer, type WriterTx } from '@platform/database';

/** An account whose period is over, with the terms that matter to closing it. */
export interface DueAccount {
  readonly account: string;
  readonly asset: AssetId;
  readonly size: BillingPeriod;
  readonly zone: string;
  readonly dueDays: number;
  readonly period: Period;
}

/** What the ledger says of an account's period. */
export interface DrawnUpAccount extends DrawnUp {
  readonly account: string;
  /** Of what is accrued, what its calls came to after the period. */
  readonly laterCalls: bigint;
  /** SHA-256, hex. */
  readonly contentHash: string;
}

/** A statement as it is inserted. */
export interface StatementToIssue extends DrawnUpAccount {
  readonly id: string;
  readonly asset: AssetId;
  readonly number: bigint;
  readonly period: Period;
  readonly zone: string;
  readonly due: bigint;
  readonly state: string;
  readonly dueAt: Instant;
}

interface DueRow {
  account_id: string;
  asset: string;
  period: string;
  zone: string;
  due_days: number;
  start_ms: string;
  end_ms: string;
}

interface DrawnRow {
  account: string;
  opening: string;
  charges: string;
  payments: string;
  adjustments: string;
  closing: string;
  accrued: string;
  later_calls: string;
  moved: string;
  hash: string;
}

const SIZES: readonly BillingPeriod[] = ['day', 'week', 'month'];

/** Over, and its grace too. $1: the time to decide by; null for the database's. */
const IS_DUE = 'period_end + make_interval(secs => grace_seconds) <= coalesce($1::timestamptz, now())';
const IS_OVER = `period_end <= coalesce($1::timestamptz, now()) AND ${IS_DUE}`;

const at = (text: string): Instant => instant(Number(text));
const timeOf = (now: Instant | undefined): string | null => (now === undefined ? null : formatInstant(now));

/** The SQL of closing periods. Set-based throughout: one statement for however many accounts. */
export class CloseStore {
  /** Providers with something to close. */
  async providers(writer: Writer, now: Instant | undefined): Promise<string[]> {
    const rows = await writer.query<{ provider_id: string }>(
      `SELECT DISTINCT provider_id FROM billing_terms WHERE ${IS_OVER} ORDER BY 1`,
      [timeOf(now)],
    );
    return rows.map(({ provider_id }) => provider_id);
  }

  /** Accounts of a provider with something to close, after one, in order. */
  async due(
    writer: Writer,
    of: { readonly provider: string; readonly account?: string | undefined },
    now: Instant | undefined,
    after: string,
    limit: number,
  ): Promise<{ readonly account: string; readonly end: Instant }[]> {
    const rows = await writer.query<{ account_id: string; end_ms: string }>(
      `SELECT account_id, (extract(epoch FROM period_end) * 1000)::bigint::text AS end_ms FROM billing_terms
       WHERE ${IS_OVER} AND provider_id = $2 AND account_id > $3 AND ($4::text IS NULL OR account_id = $4)
       ORDER BY account_id LIMIT $5`,
      [timeOf(now), of.provider, after, of.account ?? null, limit],
    );
    return rows.map(({ account_id, end_ms }) => ({ account: account_id, end: at(end_ms) }));
  }

  /** Takes a provider's series for this transaction: the last number it gave, and the time of the transaction. */
  async lockSeries(
    tx: WriterTx,
    provider: string,
    series: string,
  ): Promise<{ readonly last: bigint; readonly now: Instant }> {
    await tx.query('INSERT INTO statement_series (provider_id, series) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      provider,
      series,
    ]);
    const [row] = await tx.query<{ last: string; now_ms: string }>(
      `SELECT last::text, floor(extract(epoch FROM now()) * 1000)::bigint::text AS now_ms FROM statement_series
       WHERE provider_id = $1 AND series = $2 FOR UPDATE`,
      [provider, series],
    );
    if (!row) throw new Fault('invariant_broken', `the series ${series} of ${provider} is not there`);
    return { last: big(row.last), now: at(row.now_ms) };
  }

  /**
   * Locks the terms of accounts that are still due. Whoever rates an account holds its terms: `skip` leaves those for the next round,
   * `wait` waits for them.
   */
  async lockDue(
    tx: WriterTx,
    provider: string,
    accounts: readonly string[],
    now: Instant | undefined,
    busy: 'skip' | 'wait',
  ): Promise<DueAccount[]> {
    const rows = await tx.query<DueRow>(
      `SELECT account_id, asset, period, zone, due_days, (extract(epoch FROM period_start) * 1000)::bigint::text AS start_ms,
         (extract(epoch FROM period_end) * 1000)::bigint::text AS end_ms
       FROM billing_terms WHERE ${IS_DUE} AND provider_id = $2 AND account_id = ANY ($3::text[])
       ORDER BY account_id FOR UPDATE${busy === 'skip' ? ' SKIP LOCKED' : ''}`,
      [timeOf(now), provider, accounts],
    );
    return rows.map((row) => {
      const size = SIZES.find((one) => one === row.period);
      if (!size) throw new Fault('invariant_broken', `stored terms name the period "${row.period}"`);
      return {
        account: row.account_id,
        asset: assetId(row.asset),
        size,
        zone: row.zone,
        dueDays: row.due_days,
        period: { start: at(row.start_ms), end: at(row.end_ms) },
      };
    });
  }

  /** What the ledger says of the accounts' periods, in order of account. */
  async drawUp(tx: WriterTx, provider: string, due: readonly DueAccount[]): Promise<DrawnUpAccount[]> {
    const periods = due.map(({ account, asset, period }) => ({
      account,
      asset,
      start: formatInstant(period.start),
      end: formatInstant(period.end),
    }));
    const rows = await tx.query<DrawnRow>(
      `SELECT account, opening::text, charges::text, payments::text, adjustments::text, closing::text, accrued::text, later_calls::text,
         moved::text, encode(content_hash, 'hex') AS hash
       FROM draw_up_statements($1, $2::jsonb)`,
      [provider, JSON.stringify(periods)],
    );
    return rows.map((row) => ({
      account: row.account,
      opening: big(row.opening),
      charges: big(row.charges),
      payments: big(row.payments),
      adjustments: big(row.adjustments),
      closing: big(row.closing),
      accrued: big(row.accrued),
      laterCalls: big(row.later_calls),
      moved: big(row.moved),
      contentHash: row.hash,
    }));
  }

  async insert(
    tx: WriterTx,
    of: { readonly provider: string; readonly series: string; readonly issuedAt: Instant },
    statements: readonly StatementToIssue[],
  ): Promise<void> {
    const items = statements.map((one) => ({
      id: one.id,
      account: one.account,
      asset: one.asset,
      number: one.number.toString(),
      start: formatInstant(one.period.start),
      end: formatInstant(one.period.end),
      zone: one.zone,
      opening: one.opening.toString(),
      charges: one.charges.toString(),
      payments: one.payments.toString(),
      adjustments: one.adjustments.toString(),
      closing: one.closing.toString(),
      due: one.due.toString(),
      hash: one.contentHash,
      dueAt: formatInstant(one.dueAt),
      state: one.state,
    }));
    await tx.query(
      `INSERT INTO statements (id, provider_id, account_id, asset, series, number, period_start, period_end, zone, opening, charges, payments,
         adjustments, closing, due, content_hash, issued_at, due_at, state)
       SELECT i.id, $1, i.account, i.asset, $2, i.number, i."start", i."end", i.zone, i.opening, i.charges, i.payments, i.adjustments, i.closing,
         i.due, decode(i.hash, 'hex'), $3::timestamptz, i."dueAt", i.state
       FROM jsonb_to_recordset($4::jsonb) AS i (id text, account text, asset text, number bigint, "start" timestamptz, "end" timestamptz,
         zone text, opening numeric, charges numeric, payments numeric, adjustments numeric, closing numeric, due numeric, hash text,
         "dueAt" timestamptz, state text)`,
      [of.provider, of.series, formatInstant(of.issuedAt), JSON.stringify(items)],
    );
  }

  async setLast(tx: WriterTx, provider: string, series: string, last: bigint): Promise<void> {
    await tx.query('UPDATE statement_series SET last = $3::bigint WHERE provider_id = $1 AND series = $2', [
      provider,
      series,
      last.toString(),
    ]);
  }

  /** Moves accounts' terms on to the next period. */
  async beginNext(
    tx: WriterTx,
    provider: string,
    next: readonly { readonly account: string; readonly period: Period }[],
  ): Promise<void> {
    const items = next.map(({ account, period }) => ({
      account,
      start: formatInstant(period.start),
      end: formatInstant(period.end),
    }));
    await tx.query(
      `UPDATE billing_terms t SET period_start = i."start", period_end = i."end", updated_at = now()
       FROM jsonb_to_recordset($2::jsonb) AS i (account text, "start" timestamptz, "end" timestamptz)
       WHERE t.account_id = i.account AND t.provider_id = $1`,
      [provider, JSON.stringify(items)],
    );
  }
}

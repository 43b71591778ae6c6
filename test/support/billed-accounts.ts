import type pg from 'pg';
import { formatInstant, type Instant } from '@core/time';

interface ToBill {
  readonly provider: string;
  readonly asset: string;
  readonly accounts: number;
  /** Of every account: where its terms' period begins and ends. */
  readonly start: Instant;
  readonly end: Instant;
  /** When the account came to owe something: one charge at each. */
  readonly charged: readonly Instant[];
  /** Set the names of accounts and postings apart. */
  readonly mark: string;
}

/**
 * Accounts with monthly terms in UTC, a credit line each, and charges, straight into the tables as their superuser: thousands in a second.
 * The n-th account owes n more than 1000 for each charge.
 */
export async function billedAccounts(owner: pg.Client | pg.Pool, to: ToBill): Promise<void> {
  const { provider, asset, accounts, mark } = to;
  await owner.query(
    `INSERT INTO accounts (id, provider_id, name)
     SELECT 'acct_' || md5($1 || n), $2, $1 || n FROM generate_series(1, $3::integer) n`,
    [mark, provider, accounts],
  );
  await owner.query(
    `INSERT INTO billing_terms (account_id, provider_id, asset, period, grace_seconds, period_start, period_end)
     SELECT id, provider_id, $2, 'month', 60, $3, $4 FROM accounts WHERE provider_id = $1 AND name LIKE $5 || '%'`,
    [provider, asset, formatInstant(to.start), formatInstant(to.end), mark],
  );
  await owner.query(
    `INSERT INTO wallets (account_id, asset, provider_id, credit_limit) SELECT account_id, asset, provider_id, 1000000 FROM billing_terms
     WHERE provider_id = $1 AND account_id IN (SELECT id FROM accounts WHERE name LIKE $2 || '%')`,
    [provider, mark],
  );
  await owner.query(
    `INSERT INTO credit_lines (account_id, asset, provider_id, credit_limit) SELECT account_id, asset, provider_id, 1000000 FROM wallets
     WHERE provider_id = $1 AND account_id IN (SELECT id FROM accounts WHERE name LIKE $2 || '%')`,
    [provider, mark],
  );
  await owner.query(
    `INSERT INTO ledger_accounts (id, provider_id, code, asset, account_id, detail)
     SELECT ledger_account_id(provider_id, '1110', $2, id, ''), provider_id, '1110', $2, id, '' FROM accounts
     WHERE provider_id = $1 AND name LIKE $3 || '%'`,
    [provider, asset, mark],
  );
  for (const [i, at] of to.charged.entries()) {
    const client = 'connect' in owner && 'totalCount' in owner ? await owner.connect() : owner;
    try {
      await client.query('BEGIN');
      await client.query("SELECT set_config('farebox.effective_at', $1, true)", [formatInstant(at)]);
      await client.query(
        `SELECT post_transfers(jsonb_agg(jsonb_build_object('provider', a.provider_id, 'entry', $3 || a.name, 'key', $3 || a.name || ':amount',
           'debitCode', '1110', 'debitAccount', a.id, 'debitDetail', '', 'creditCode', '4010', 'creditAccount', NULL, 'creditDetail', 'plan',
           'asset', $2::text, 'amount', (1000 + substr(a.name, length($4) + 1)::integer)::text, 'reason', 'agreed', 'reference', a.id)))
         FROM accounts a WHERE a.provider_id = $1 AND a.name LIKE $4 || '%'`,
        [provider, asset, `charge ${i} of `, mark],
      );
      await client.query('COMMIT');
    } finally {
      if ('release' in client && typeof client.release === 'function') client.release();
    }
  }
  const owed = [provider, mark, to.charged.length];
  const each = `$3::integer * (1000 + substr(a.name, length($2) + 1)::integer)`;
  const theirs = `a.provider_id = $1 AND a.name LIKE $2 || '%'`;
  await owner.query(
    `UPDATE credit_lines l SET due = l.due + ${each} FROM accounts a WHERE a.id = l.account_id AND ${theirs}`,
    owed,
  );
  await owner.query(
    `UPDATE wallets w SET credit_limit = w.credit_limit - ${each} FROM accounts a WHERE a.id = w.account_id AND ${theirs}`,
    owed,
  );
}

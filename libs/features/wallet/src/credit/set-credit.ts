import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import { big, type Database, rowsOf, type Tx } from '@platform/database';
import { requireAccount } from '../issue-grant.js';
import { WalletStore } from '../wallet.store.js';

/** What an account may owe in one asset, and owes. Atomic units. */
export interface CreditLine {
  readonly asset: AssetId;
  readonly limit: bigint;
  /** Set aside for calls under way. */
  readonly held: bigint;
  /** Calls on credit that are on no statement yet. */
  readonly unbilledCalls: bigint;
  /** Rated usage that is on no statement yet, and statements that are not paid. */
  readonly due: bigint;
  /** limit - held - unbilledCalls - due; nothing when it is past due. */
  readonly available: bigint;
  readonly restricted: boolean;
}

/** Gives an account a credit line, or changes its limit. What it owes already counts, also where that is more than the limit. */
export class SetCredit {
  readonly #wallets = new WalletStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault not_found (`unknown_account`) */
  async run(input: {
    readonly provider: string;
    readonly account: string;
    readonly asset: AssetId;
    readonly limit: bigint;
  }): Promise<CreditLine> {
    const { provider, account, asset, limit } = input;
    return this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      await rowsOf(tx, `SELECT pg_advisory_xact_lock(hashtextextended('credit ' || $1, 0))::text`, [account]);
      await this.#wallets.open(tx, provider, account, asset);
      await this.#wallets.lock(tx, { wallets: [{ account, asset }] });
      // What it owes so far: all of its receivables but for what the wallet knows of.
      await rowsOf(
        tx,
        `INSERT INTO credit_lines (account_id, asset, provider_id, credit_limit, due)
         SELECT w.account_id, w.asset, w.provider_id, $3::numeric, receivable_balance(w.account_id, w.asset) - w.owed
         FROM wallets w WHERE w.account_id = $1 AND w.asset = $2
         ON CONFLICT (account_id, asset) DO UPDATE SET credit_limit = excluded.credit_limit, updated_at = now()`,
        [account, asset, limit.toString()],
      );
      await rowsOf(tx, 'SELECT change_due($1, $2, 0) AS has_line', [account, asset]);
      const line = (await linesOf(tx, account)).find((one) => one.asset === asset);
      if (!line) throw new Fault('invariant_broken', 'a credit line that was set is gone');
      return line;
    });
  }
}

/** The credit lines of an account. */
export class ReadCredit {
  constructor(private readonly database: Database) {}

  /** @throws Fault not_found (`unknown_account`) */
  async run({ provider, account }: { readonly provider: string; readonly account: string }): Promise<CreditLine[]> {
    return this.database.forProvider(provider, async (tx) => {
      await requireAccount(tx, account);
      return linesOf(tx, account);
    });
  }
}

interface LineRow {
  asset: string;
  credit_limit: string;
  due: string;
  restricted: boolean;
  owed: string;
  credit_held: string;
}

async function linesOf(tx: Tx, account: string): Promise<CreditLine[]> {
  const rows = await rowsOf<LineRow>(
    tx,
    `SELECT l.asset, l.credit_limit::text, l.due::text, l.restricted, w.owed::text, w.credit_held::text
     FROM credit_lines l JOIN wallets w USING (account_id, asset) WHERE l.account_id = $1 ORDER BY l.asset`,
    [account],
  );
  return rows.map((row) => {
    const [limit, held, unbilledCalls, due] = [
      big(row.credit_limit),
      big(row.credit_held),
      big(row.owed),
      big(row.due),
    ];
    const left = limit - held - unbilledCalls - due;
    const available = row.restricted || left < 0n ? 0n : left;
    return { asset: assetId(row.asset), limit, held, unbilledCalls, due, available, restricted: row.restricted };
  });
}

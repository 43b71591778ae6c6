import { Fault } from '@core/faults';
import { type Instant, instant } from '@core/time';
import type { Tx, Writer, WriterTx } from '@platform/database';
import { query } from './either-tx.js';
import { type Locked, type LockedJson, lockedOf, type LockedWallet } from './locked-wallet.js';

/** Which wallets to lock: those named, and those of the holds and grants named. */
export interface WalletRefs {
  readonly wallets: readonly { readonly account: string; readonly asset: string; readonly key?: string | undefined }[];
  readonly holds: readonly string[];
  readonly grants: readonly string[];
  /** Counters to load beside those of the wallets' own limits. */
  readonly budgets: readonly { readonly account: string; readonly id: string }[];
}

/** What was decided on remembered wallets. */
export interface Commit {
  /** Only while they have the versions that are remembered. */
  readonly wallets: readonly LockedWallet[];
  /** Only while no hold has these. */
  readonly keys: readonly { readonly account: string; readonly key: string }[];
  /** Most that the time decided by may differ from the database's, in milliseconds; absent: any. */
  readonly lag: number | undefined;
  /** What `write_wallets` is to write, as text. */
  readonly changes: string;
}

export interface Committed {
  /** The database's time. */
  readonly at: Instant;
  readonly written: boolean;
  /** Accounts whose wallets had another version. */
  readonly stale: readonly string[];
}

/** The SQL of locking wallets and writing what was decided. Whoever locks first decides first; nothing else changes a wallet. */
export class WalletStore {
  /** `at`: the time to decide by; absent: the database's, read once the locks are had. */
  async lock(tx: Tx | WriterTx, refs: Partial<WalletRefs>, at?: Instant): Promise<Locked> {
    const { wallets = [], holds = [], grants = [], budgets = [] } = refs;
    const values = [
      wallets.map(({ account }) => account),
      wallets.map(({ asset }) => asset),
      wallets.map(({ key }) => key ?? null),
      holds,
      grants,
      budgets.map(({ account }) => account),
      budgets.map(({ id }) => id),
      at ?? null,
    ];
    const text =
      'SELECT lock_wallets($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint) AS locked';
    const [row] = await query<{ locked: LockedJson }>(tx, text, values);
    if (!row) throw new Fault('invariant_broken', 'lock_wallets gave no answer');
    return lockedOf(row.locked);
  }

  async write(tx: Tx | WriterTx, changes: Readonly<Record<string, unknown>>): Promise<void> {
    await query(tx, 'SELECT write_wallets($1::jsonb)::text', [JSON.stringify(changes)]);
  }

  /** In one statement, all or nothing: what is not as remembered writes nothing. */
  async commit(writer: Writer, { wallets, keys, lag, changes }: Commit): Promise<Committed> {
    const text =
      'SELECT commit_wallets($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::integer, $7::jsonb) AS committed';
    const [row] = await writer.query<{ committed: { at: number; written: boolean; stale: string[] } }>(text, [
      wallets.map(({ account }) => account),
      wallets.map(({ asset }) => asset),
      wallets.map(({ version }) => version),
      keys.map(({ account }) => account),
      keys.map(({ key }) => key),
      lag ?? null,
      changes,
    ]);
    if (!row) throw new Fault('invariant_broken', 'commit_wallets gave no answer');
    const { at, written, stale } = row.committed;
    return { at: instant(at), written, stale };
  }

  /** Opens an account's wallet where it has none. */
  async open(tx: Tx | WriterTx, provider: string, account: string, asset: string): Promise<void> {
    await query(tx, 'INSERT INTO wallets (account_id, asset, provider_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
      account,
      asset,
      provider,
    ]);
  }
}

import { Fault } from '@core/faults';
import { type Instant, instant } from '@core/time';
import { rowsOf, type Tx, type Writer, type WriterTx } from '@platform/database';
import { type Locked, type LockedJson, lockedOf, type LockedWallet } from './locked-wallet.js';
import { freeKeys, knownVersions, type WalletChanges } from './wallet-changes.js';

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
  /** The time it was decided by. */
  readonly at: Instant;
  readonly changes: WalletChanges | undefined;
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
    const [row] = await rowsOf<{ locked: LockedJson }>(tx, text, values);
    if (!row) throw new Fault('invariant_broken', 'lock_wallets gave no answer');
    return lockedOf(row.locked);
  }

  async write(tx: Tx | WriterTx, changes: WalletChanges): Promise<void> {
    await rowsOf(tx, 'SELECT write_wallets($1::text)::text', [changes.text]);
  }

  /** In one statement, all or nothing: what is not as remembered writes nothing. */
  async commit(writer: Writer, { wallets, keys, lag, at, changes }: Commit): Promise<Committed> {
    const text = 'SELECT commit_wallets($1::text, $2::text, $3::bigint, $4::integer, $5::text) AS committed';
    const [row] = await writer.query<{ committed: { at: number; written: boolean; stale: string[] } }>(text, [
      knownVersions(wallets),
      freeKeys(keys),
      at,
      lag ?? null,
      changes?.text ?? '',
    ]);
    if (!row) throw new Fault('invariant_broken', 'commit_wallets gave no answer');
    const { written, stale } = row.committed;
    return { at: instant(row.committed.at), written, stale };
  }

  /** Opens an account's wallet where it has none. */
  async open(tx: Tx | WriterTx, provider: string, account: string, asset: string): Promise<void> {
    await rowsOf(
      tx,
      'INSERT INTO wallets (account_id, asset, provider_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [account, asset, provider],
    );
  }
}

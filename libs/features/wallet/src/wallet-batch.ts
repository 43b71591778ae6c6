import { randomInt } from 'node:crypto';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Entry } from '@core/ledger';
import { type AssetId, amount } from '@core/money';
import type { Instant } from '@core/time';
import {
  availableFor,
  type Grant,
  type Part,
  topUpVerdict,
  type TopUpState,
  type Wallet,
  type WalletAlert,
} from '@core/wallet';
import type { KnownPlaces } from '@features/ledger';
import type { Locked, LockedWallet } from './locked-wallet.js';
import type { StoredHold } from './stored-hold.js';
import { type LineagePart, type Reply, walletChanges, type WalletChanges } from './wallet-changes.js';
import { type Decided, placeOf } from './wallet-memory.js';

interface OpenWallet {
  readonly loaded: LockedWallet;
  now: Wallet;
  topUp: LockedWallet['topUp'];
  /** Something of it is to be written: the wallet itself, or one of its holds. */
  touched: boolean;
  /** What it has once it is written. */
  readonly version: number;
}

/** Versions are drawn from so many. */
const VERSIONS = 2 ** 48 - 1;

/** Where one wallet stands in a batch, and whose it is. */
export interface WalletPlace {
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
}

/**
 * Locked wallets and holds, changed one decision after another in memory, and what of it has to be written. Only what differs
 * from what was loaded is written, once, however many decisions changed it: this is what makes a busy account cheap.
 */
export class WalletBatch {
  readonly at: Instant;
  readonly #wallets = new Map<string, OpenWallet>();
  readonly #holds = new Map<string, StoredHold>();
  readonly #byKey = new Map<string, string>();
  readonly #fresh = new Set<string>();
  readonly #changed = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #sold: StoredHold[] = [];
  readonly #replies: { readonly hold: StoredHold; readonly reply: Reply }[] = [];
  readonly #lineage: LineagePart[] = [];
  readonly #alerts: unknown[] = [];
  readonly #topUps = new Map<string, { readonly state: TopUpState; readonly pending: bigint | undefined }>();
  readonly #entries: Entry[] = [];

  constructor(
    locked: Locked,
    private readonly ids: IdSource,
  ) {
    this.at = locked.at;
    for (const loaded of locked.wallets)
      this.#wallets.set(placeOf(loaded), {
        loaded,
        now: loaded,
        topUp: loaded.topUp,
        touched: false,
        version: randomInt(VERSIONS),
      });
    for (const hold of locked.holds) this.#remember(hold);
  }

  /** The wallet as decided so far; undefined when the provider has no such wallet. */
  wallet(place: WalletPlace): Wallet | undefined {
    const open = this.#wallets.get(placeOf(place));
    return open?.loaded.provider === place.provider ? open.now : undefined;
  }

  setWallet(place: WalletPlace, wallet: Wallet, alerts: readonly WalletAlert[] = []): void {
    const open = this.#wallets.get(placeOf(place));
    if (!open) throw new Fault('invariant_broken', `the wallet of ${place.account} is not locked`);
    open.now = wallet;
    open.touched = true;
    for (const alert of alerts) this.#alert(place, alert.kind, alert);
  }

  /** Puts a changed grant in the place of what it was. */
  setGrant(place: WalletPlace, grant: Grant): void {
    const wallet = this.wallet(place);
    if (!wallet) throw new Fault('invariant_broken', `the wallet of ${place.account} is not locked`);
    this.setWallet(place, { ...wallet, grants: wallet.grants.map((one) => (one.id === grant.id ? grant : one)) });
  }

  hold(id: string): StoredHold | undefined {
    return this.#holds.get(id);
  }

  holdOfKey(account: string, key: string): StoredHold | undefined {
    const id = this.#byKey.get(`${account} ${key}`);
    return id === undefined ? undefined : this.#holds.get(id);
  }

  addHold(hold: StoredHold): void {
    this.#fresh.add(hold.id);
    this.#touch(hold);
  }

  changeHold(hold: StoredHold): void {
    if (!this.#fresh.has(hold.id)) this.#changed.add(hold.id);
    this.#touch(hold);
  }

  /** The same where nothing but its end differs, which is less to write. */
  endHold(hold: StoredHold): void {
    if (!this.#fresh.has(hold.id) && !this.#changed.has(hold.id)) this.#ended.add(hold.id);
    this.#touch(hold);
  }

  /** Usage that was sold: goes to the usage log. */
  addSold(hold: StoredHold): void {
    if (hold.meterId !== undefined) this.#sold.push(hold);
  }

  addReply(hold: StoredHold, reply: Reply): void {
    this.#replies.push({ hold, reply });
  }

  addLineage(
    provider: string,
    reference: string,
    kind: 'use' | 'reversal' | 'overage',
    parts: readonly Part[],
    from = 0,
  ): void {
    parts.forEach((part, i) => this.#lineage.push({ reference, step: from + i, provider, kind, part }));
  }

  post(...entries: readonly Entry[]): void {
    this.#entries.push(...entries);
  }

  grant(place: WalletPlace, id: string): Grant {
    const grant = this.wallet(place)?.grants.find((one) => one.id === id);
    if (!grant) throw new Fault('invariant_broken', `grant ${id} is not locked`);
    return grant;
  }

  /** Parts of grants as the books want them. */
  shares(place: WalletPlace, parts: readonly Part[]) {
    return parts.map((part) => ({
      grant: part.grant,
      isPaid: this.grant(place, part.grant).kind === 'paid',
      amount: amount(place.asset, part.amount),
    }));
  }

  /** Begins to buy more value where little is left and the account wants it. Called after each spend. */
  considerTopUp(place: WalletPlace): void {
    const open = this.#wallets.get(placeOf(place));
    if (!open?.topUp) return;
    const { settings, state } = open.topUp;
    const verdict = topUpVerdict(settings, state, availableFor(open.now, undefined, this.at), this.at);
    if (!verdict.due) return;
    open.topUp = { settings, state: verdict.state };
    this.#topUps.set(placeOf(place), { state: verdict.state, pending: verdict.amount });
    this.#alert(place, 'top_up_due', { amount: verdict.amount });
  }

  /** What `write_wallets` is to write; undefined when nothing changed. `places`: ledger accounts that are known to exist. */
  changes(places?: KnownPlaces): WalletChanges | undefined {
    return walletChanges(
      {
        at: this.at,
        wallets: [...this.#wallets.values()].filter(({ touched }) => touched),
        freshHolds: this.#listed(this.#fresh),
        changedHolds: this.#listed(this.#changed),
        endedHolds: this.#listed(this.#ended).filter(({ id }) => !this.#changed.has(id)),
        lineage: this.#lineage,
        sold: this.#sold,
        replies: this.#replies,
        alerts: this.#alerts,
        topUps: [...this.#topUps].map(([place, { state, pending }]) => {
          const [account, asset] = place.split(' ');
          return { ...state, account, asset, pending: pending?.toString() };
        }),
        entries: this.#entries,
      },
      places,
    );
  }

  /** What is so once `changes` are written. */
  decided(): Decided {
    return {
      at: this.at,
      holds: this.#holds.values(),
      wallets: [...this.#wallets.values()].map(({ loaded, now, topUp, touched, version }) => ({
        before: loaded,
        after: touched
          ? {
              ...loaded,
              grants: now.grants,
              owed: now.owed,
              creditHeld: now.creditHeld,
              counters: now.counters,
              topUp,
              version,
            }
          : loaded,
      })),
    };
  }

  #listed(ids: ReadonlySet<string>): StoredHold[] {
    return [...ids].flatMap((id) => this.#holds.get(id) ?? []);
  }

  #touch(hold: StoredHold): void {
    const open = this.#wallets.get(placeOf(hold));
    if (open) open.touched = true;
    this.#remember(hold);
  }

  #remember(hold: StoredHold): void {
    this.#holds.set(hold.id, hold);
    this.#byKey.set(`${hold.account} ${hold.key}`, hold.id);
  }

  #alert({ provider, account, asset }: WalletPlace, kind: string, details: Readonly<Record<string, unknown>>): void {
    const { kind: _, ...shown } = details;
    this.#alerts.push({
      id: this.ids.next(ID_PREFIXES.alert),
      provider,
      account,
      asset,
      kind,
      details: Object.fromEntries(
        Object.entries(shown).map(([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value]),
      ),
    });
  }
}

import type { Instant } from '@core/time';
import { remainingOf } from '@core/wallet';
import type { LockedWallet } from './locked-wallet.js';
import type { StoredHold } from './stored-hold.js';

/** What a call is about: a wallet, with the budgets that it counts in, or a hold. */
export interface CallSubject {
  readonly wallet?: { readonly account: string; readonly asset: string; readonly key: string };
  readonly hold?: string;
  readonly budgets?: readonly { readonly account: string; readonly id: string }[];
}

/** What a batch makes of what it was given, once that is written. */
export interface Decided {
  readonly at: Instant;
  readonly wallets: readonly { readonly before: LockedWallet; readonly after: LockedWallet }[];
  /** All that it was given or made, as they are now. */
  readonly holds: Iterable<StoredHold>;
}

interface Known {
  readonly wallet: LockedWallet;
  /** Its open holds, as far as this process took or changed them. */
  readonly holds: Map<string, StoredHold>;
  /** Whose counters are among those of the wallet, besides the wallet's own limits. */
  readonly budgets: ReadonlySet<string>;
  /** When it was so. */
  readonly at: Instant;
}

/** Most wallets remembered, and most counters of one: a wallet with more is read again. */
const WALLETS = 10_000;
const COUNTERS = 64;
/** How often a wallet is read again after somebody else was found to change it too, before it is remembered. */
const READ_AGAIN = 4;

export const placeOf = ({ account, asset }: { readonly account: string; readonly asset: string }): string =>
  `${account} ${asset}`;

/**
 * Wallets as this process last decided them, with their open holds. It proves nothing: what is decided on it is written only if the
 * wallet has the version that is remembered, and read again if not.
 */
export class WalletMemory {
  /** The one used longest ago first. */
  readonly #known = new Map<string, Known>();
  readonly #placeOfHold = new Map<string, string>();
  readonly #contested = new Map<string, number>();

  /** The wallet of a call, if all that deciding it needs is remembered. */
  of(call: CallSubject, at: Instant): LockedWallet | undefined {
    const place = call.wallet ? placeOf(call.wallet) : this.#placeOfHold.get(call.hold ?? '');
    const known = place === undefined ? undefined : this.#known.get(place);
    if (!known || at < known.at) return undefined;
    return (call.budgets ?? []).every(({ id }) => known.budgets.has(id)) ? known.wallet : undefined;
  }

  hold(id: string): StoredHold | undefined {
    const place = this.#placeOfHold.get(id);
    return place === undefined ? undefined : this.#known.get(place)?.holds.get(id);
  }

  /** Remembers what was decided on top of what was remembered. */
  update(decided: Decided): void {
    for (const { before, after } of decided.wallets) {
      const known = this.#known.get(placeOf(before));
      if (known?.wallet === before) this.#keep({ ...known, wallet: after, at: decided.at });
    }
    this.#keepHolds(decided.holds);
  }

  /** Remembers what was read and written. `budgets`: those whose counters were read. */
  learn(decided: Decided, budgets: readonly { readonly account: string; readonly id: string }[]): void {
    for (const { before, after } of decided.wallets) {
      const place = placeOf(before);
      const left = this.#contested.get(place) ?? 0;
      if (left > 0) {
        this.forget([before]);
        if (left === 1) this.#contested.delete(place);
        else this.#contested.set(place, left - 1);
        continue;
      }
      // Found as it is remembered: nobody else changed it.
      const known = this.#known.get(place);
      const still = known?.wallet.version === before.foundVersion ? known : undefined;
      if (known && !still) this.forget([before]);
      this.#keep({
        wallet: still ? withCounters(after, still.wallet) : after,
        holds: still?.holds ?? new Map<string, StoredHold>(),
        budgets: new Set([
          ...(still?.budgets ?? []),
          ...budgets.filter(({ account }) => account === before.account).map(({ id }) => id),
        ]),
        at: decided.at,
      });
    }
    this.#keepHolds(decided.holds);
  }

  forget(places: readonly { readonly account: string; readonly asset: string }[]): void {
    for (const of of places) this.#forget(placeOf(of));
  }

  /** Somebody else changed these: remembering them would be in vain for a while. */
  contest(wallets: readonly LockedWallet[]): void {
    this.forget(wallets);
    for (const wallet of wallets) this.#contested.set(placeOf(wallet), READ_AGAIN);
    if (this.#contested.size > WALLETS) this.#contested.clear();
  }

  #keep(known: Known): void {
    const place = placeOf(known.wallet);
    this.#known.delete(place);
    if (known.wallet.counters.length > COUNTERS) {
      for (const id of known.holds.keys()) this.#placeOfHold.delete(id);
      return;
    }
    // What is spent is not read either.
    const isSpent = known.wallet.grants.some((grant) => remainingOf(grant) === 0n);
    const wallet = isSpent
      ? { ...known.wallet, grants: known.wallet.grants.filter((grant) => remainingOf(grant) > 0n) }
      : known.wallet;
    this.#known.set(place, { ...known, wallet });
    if (this.#known.size <= WALLETS) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#forget(oldest);
  }

  #keepHolds(holds: Iterable<StoredHold>): void {
    for (const hold of holds) {
      const place = placeOf(hold);
      const known = this.#known.get(place);
      if (known && hold.state === 'held') {
        known.holds.set(hold.id, hold);
        this.#placeOfHold.set(hold.id, place);
      } else {
        known?.holds.delete(hold.id);
        this.#placeOfHold.delete(hold.id);
      }
    }
  }

  #forget(place: string): void {
    const known = this.#known.get(place);
    if (!known) return;
    this.#known.delete(place);
    for (const id of known.holds.keys()) this.#placeOfHold.delete(id);
  }
}

/** With the counters that were remembered and not read again. */
function withCounters(read: LockedWallet, remembered: LockedWallet): LockedWallet {
  const others = remembered.counters.filter(
    ({ limit, start }) => !read.counters.some((counter) => counter.limit === limit && counter.start === start),
  );
  return others.length === 0 ? read : { ...read, counters: [...read.counters, ...others] };
}

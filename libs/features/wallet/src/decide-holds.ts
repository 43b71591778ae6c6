import { spendGrants } from '@core/ledger';
import { type AssetId, amount } from '@core/money';
import {
  availableFor,
  budgetId,
  budgetOf,
  captureHold,
  EMPTY_WALLET,
  expireHold,
  extendHold,
  type Limit,
  type LimitWindow,
  releaseHold,
  takeHold,
} from '@core/wallet';
import type { StoredHold } from './stored-hold.js';
import type { WalletBatch } from './wallet-batch.js';
import type { Reply } from './wallet-changes.js';

/** Most that an agent key may spend in a window; kept with the key. */
export interface Budget {
  readonly window: LimitWindow;
  readonly amount: bigint;
}

export interface HoldToTake {
  readonly provider: string;
  /** `acct_…` */
  readonly account: string;
  readonly asset: AssetId;
  readonly amount: bigint;
  /** Names the request, within the account. */
  readonly key: string;
  /** What the request is: the same key with another one is a conflict. */
  readonly fingerprint: string;
  readonly ttlSeconds: number;
  /** Absent: sold by no meter, spent from grants without a scope. */
  readonly meter?: { readonly id: string; readonly name: string } | undefined;
  /** A plain decimal. */
  readonly quantity: string;
  readonly priceId?: string | undefined;
  readonly payer: string;
  readonly agentKey?: string | undefined;
  readonly resource: string;
  readonly budget?: readonly Budget[] | undefined;
}

export type TakeOutcome =
  | { readonly outcome: 'held'; readonly hold: StoredHold }
  /** The same request was made before; the hold is as it stands now. */
  | { readonly outcome: 'exists'; readonly hold: StoredHold }
  /** The key stands for another request. */
  | { readonly outcome: 'conflict'; readonly hold: StoredHold }
  | { readonly outcome: 'insufficient'; readonly available: bigint }
  /** A hard limit would be passed; `left` is what it leaves. */
  | { readonly outcome: 'limit'; readonly limit: Limit; readonly left: bigint };

/** Under which its budgets are counted. */
export const budgetIdsOf = ({ account, agentKey, budget = [] }: HoldToTake): { account: string; id: string }[] =>
  agentKey === undefined ? [] : budget.map(({ window }) => ({ account, id: budgetId(agentKey, window) }));

const budgetsOf = (item: HoldToTake): Limit[] => {
  const { agentKey: key, budget = [] } = item;
  if (key === undefined) return [];
  return budget.map(({ window, amount: most }) => budgetOf(budgetId(key, window), most));
};

/** `id` is the new hold's, should there be one. */
export function decideTake(batch: WalletBatch, item: HoldToTake, id: string): TakeOutcome {
  const known = batch.holdOfKey(item.account, item.key);
  if (known) {
    const same =
      known.provider === item.provider && known.asset === item.asset && known.fingerprint === item.fingerprint;
    if (!same) return { outcome: 'conflict', hold: known };
    return { outcome: 'exists', hold: asOfNow(batch, known) };
  }
  const wallet = batch.wallet(item);
  if (!wallet) return { outcome: 'insufficient', available: availableFor(EMPTY_WALLET, undefined, batch.at) };
  const request = {
    amount: item.amount,
    meter: item.meter?.name,
    key: item.agentKey,
    budgets: budgetsOf(item),
    ttlSeconds: item.ttlSeconds,
  };
  const taken = takeHold(wallet, request, batch.at);
  if (taken.outcome !== 'held') return taken;
  // Field by field: copying and adding twenty more is what a take would mostly do.
  const hold: StoredHold = {
    state: taken.hold.state,
    amount: taken.hold.amount,
    used: taken.hold.used,
    meter: taken.hold.meter,
    parts: taken.hold.parts,
    credit: taken.hold.credit,
    counted: taken.hold.counted,
    takenAt: taken.hold.takenAt,
    expiresAt: taken.hold.expiresAt,
    id,
    provider: item.provider,
    account: item.account,
    asset: item.asset,
    key: item.key,
    fingerprint: item.fingerprint,
    captured: undefined,
    excess: 0n,
    onCredit: 0n,
    reversed: 0n,
    meterId: item.meter?.id,
    quantity: item.quantity,
    usedQuantity: undefined,
    capturedQuantity: undefined,
    priceId: item.priceId,
    payer: item.payer,
    agentKey: item.agentKey,
    resource: item.resource,
    endedAt: undefined,
    reason: undefined,
  };
  batch.setWallet(item, taken.wallet);
  batch.addHold(hold);
  return { outcome: 'held', hold };
}

/** Names a hold of a provider. */
interface HoldRef {
  readonly provider: string;
  /** `hld_…` */
  readonly hold: string;
}

export interface HoldToCapture extends HoldRef {
  /** Charged; beyond what is held it is not charged but recorded. */
  readonly amount: bigint;
  /** What was measured, a plain decimal. */
  readonly quantity: string;
  /** What the hold covers as far as the caller knows; if it covers another quantity, nothing is done. */
  readonly covers?: string | undefined;
  readonly reply?: Reply | undefined;
}

export type CaptureOutcome =
  | { readonly outcome: 'captured'; readonly hold: StoredHold }
  /** Captured before, by this or another call; what was charged then stands. */
  | { readonly outcome: 'already'; readonly hold: StoredHold }
  /** Released or expired: nothing is charged. */
  | { readonly outcome: 'ended'; readonly hold: StoredHold }
  /** It covers another quantity than the caller knew. */
  | { readonly outcome: 'changed'; readonly hold: StoredHold }
  | { readonly outcome: 'unknown' };

type Open =
  | { readonly outcome: 'open'; readonly hold: StoredHold }
  | { readonly outcome: 'already'; readonly hold: StoredHold }
  | { readonly outcome: 'ended'; readonly hold: StoredHold }
  | { readonly outcome: 'unknown' };

/** The hold, ended first if its time is over. */
function openHold(batch: WalletBatch, { provider, hold: id }: HoldRef): Open {
  const hold = batch.hold(id);
  if (!hold || hold.provider !== provider) return { outcome: 'unknown' };
  const now = asOfNow(batch, hold);
  if (now.state === 'held') return { outcome: 'open', hold: now };
  return now.state === 'captured' ? { outcome: 'already', hold: now } : { outcome: 'ended', hold: now };
}

const asOfNow = (batch: WalletBatch, hold: StoredHold): StoredHold =>
  hold.state === 'held' && batch.at >= hold.expiresAt ? endOverdue(batch, hold) : hold;

export function decideCapture(batch: WalletBatch, item: HoldToCapture): CaptureOutcome {
  const found = openHold(batch, item);
  if (found.outcome !== 'open') return found;
  if (item.covers !== undefined && item.covers !== found.hold.quantity) return { outcome: 'changed', hold: found.hold };
  const hold = charge(batch, found.hold, item.amount, item.quantity);
  if (item.reply) batch.addReply(hold, item.reply);
  return { outcome: 'captured', hold };
}

/** Charges a hold: wallet, lineage, usage, entry. */
function charge(batch: WalletBatch, hold: StoredHold, asked: bigint, quantity: string): StoredHold {
  const wallet = batch.wallet(hold) ?? EMPTY_WALLET;
  const captured = captureHold(wallet, hold, asked, batch.at);
  const after: StoredHold = {
    ...hold,
    state: 'captured',
    captured: captured.charged,
    capturedQuantity: quantity,
    excess: captured.excess,
    onCredit: captured.credit,
    endedAt: batch.at,
  };
  batch.setWallet(hold, captured.wallet, captured.alerts);
  batch.endHold(after);
  batch.addLineage(hold.provider, hold.id, 'use', captured.consumed);
  batch.addSold(after);
  batch.post(
    spendGrants({
      provider: hold.provider,
      account: hold.account,
      hold: hold.id,
      meter: hold.meter ?? UNMETERED,
      charged: amount(hold.asset, captured.charged),
      shares: batch.shares(hold, captured.consumed),
    }),
  );
  if (captured.charged > 0n) batch.considerTopUp(hold);
  return after;
}

/** Revenue of what is sold by no meter. */
const UNMETERED = 'unmetered';

/** Ends a hold whose time is over: what was used is charged, the rest let go. */
export function endOverdue(batch: WalletBatch, hold: StoredHold): StoredHold {
  if (hold.used > 0n) return charge(batch, hold, hold.used, hold.usedQuantity ?? hold.quantity);
  const ended = expireHold(batch.wallet(hold) ?? EMPTY_WALLET, hold, batch.at);
  const after: StoredHold = { ...hold, state: 'expired', endedAt: batch.at };
  batch.setWallet(hold, ended.wallet);
  batch.endHold(after);
  return after;
}

export interface HoldToExtend extends HoldRef {
  /** Used so far, in all: charged even if nobody captures. With what it is for, a plain decimal. */
  readonly used: bigint;
  readonly usedQuantity: string;
  /** To be covered, in all. With what it is for. */
  readonly amount: bigint;
  readonly quantity: string;
  /** The hold then lasts at least so long from now; absent: its end stays. */
  readonly ttlSeconds?: number | undefined;
}

export type ExtendOutcome =
  | { readonly outcome: 'extended'; readonly hold: StoredHold }
  /** No more is covered than before; what was used is fixed all the same. */
  | { readonly outcome: 'insufficient'; readonly hold: StoredHold; readonly available: bigint }
  | { readonly outcome: 'limit'; readonly hold: StoredHold; readonly limit: Limit; readonly left: bigint }
  | { readonly outcome: 'ended'; readonly hold: StoredHold }
  | { readonly outcome: 'unknown' };

export function decideExtend(batch: WalletBatch, item: HoldToExtend): ExtendOutcome {
  const found = openHold(batch, item);
  if (found.outcome === 'unknown') return found;
  if (found.outcome !== 'open') return { outcome: 'ended', hold: found.hold };
  const before = found.hold;
  const extended = extendHold(batch.wallet(before) ?? EMPTY_WALLET, before, item, batch.at);
  const covers = extended.hold.amount > before.amount;
  const uses = extended.hold.used > before.used;
  const hold: StoredHold = {
    ...before,
    ...extended.hold,
    quantity: covers ? item.quantity : before.quantity,
    usedQuantity: uses ? item.usedQuantity : before.usedQuantity,
  };
  batch.setWallet(before, extended.wallet);
  batch.changeHold(hold);
  switch (extended.outcome) {
    case 'extended':
      return { outcome: 'extended', hold };
    case 'insufficient':
      return { outcome: 'insufficient', hold, available: extended.available };
    case 'limit':
      return { outcome: 'limit', hold, limit: extended.limit, left: extended.left };
  }
}

export interface HoldToRelease extends HoldRef {
  /** Why, for the provider's records. */
  readonly reason?: string | undefined;
}

export type ReleaseOutcome =
  | { readonly outcome: 'released'; readonly hold: StoredHold }
  /** Released or expired before. */
  | { readonly outcome: 'already'; readonly hold: StoredHold }
  /** Captured: it stays charged. */
  | { readonly outcome: 'captured'; readonly hold: StoredHold }
  | { readonly outcome: 'unknown' };

/** Lets a hold go. What a long answer had used is charged: it was served. */
export function decideRelease(batch: WalletBatch, item: HoldToRelease): ReleaseOutcome {
  const found = openHold(batch, item);
  if (found.outcome === 'unknown') return found;
  if (found.outcome === 'already') return { outcome: 'captured', hold: found.hold };
  if (found.outcome === 'ended') return { outcome: 'already', hold: found.hold };
  const { hold } = found;
  if (hold.used > 0n)
    return { outcome: 'captured', hold: charge(batch, hold, hold.used, hold.usedQuantity ?? hold.quantity) };
  const released = releaseHold(batch.wallet(hold) ?? EMPTY_WALLET, hold);
  const after: StoredHold = { ...hold, state: 'released', reason: item.reason, endedAt: batch.at };
  batch.setWallet(hold, released.wallet);
  batch.endHold(after);
  return { outcome: 'released', hold: after };
}

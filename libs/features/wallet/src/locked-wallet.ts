import { type AssetId, assetId } from '@core/money';
import { type Instant, instant } from '@core/time';
import type {
  Counter,
  Grant,
  GrantKind,
  Limit,
  LimitSubject,
  LimitWindow,
  TopUpSettings,
  TopUpState,
} from '@core/wallet';
import { type HoldJson, holdOf, type StoredHold } from './stored-hold.js';

/** A wallet as it was found under its lock. */
export interface LockedWallet {
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
  readonly grants: readonly Grant[];
  readonly creditLimit: bigint;
  readonly owed: bigint;
  readonly creditHeld: bigint;
  readonly alertBelow: readonly bigint[];
  readonly limits: readonly Limit[];
  readonly counters: readonly Counter[];
  readonly topUp: { readonly settings: TopUpSettings; readonly state: TopUpState } | undefined;
  /** Another one after each change of any of this: now, and before it was read. */
  readonly version: number;
  readonly foundVersion: number;
}

export interface Locked {
  /** The time to decide by. */
  readonly at: Instant;
  readonly wallets: readonly LockedWallet[];
  readonly holds: readonly StoredHold[];
}

type TopUpJson = readonly [
  threshold: string,
  fixed: string | null,
  upTo: string | null,
  coolOffSeconds: number,
  perDay: number,
  maxFailures: number,
  pending: string | null,
  lastAt: number | null,
  onThatDay: number,
  failures: number,
];

type WalletJson = readonly [
  account: string,
  asset: string,
  provider: string,
  owed: string,
  creditHeld: string,
  creditLimit: string,
  alertBelow: readonly string[],
  topUp: TopUpJson | null,
  foundVersion: number,
  version: number,
];

type GrantJson = readonly [
  account: string,
  asset: string,
  id: string,
  kind: GrantKind,
  priority: number,
  amount: string,
  cost: string,
  granted: string,
  consumed: string,
  expired: string,
  voided: string,
  refunded: string,
  held: string,
  effectiveAt: number,
  expiresAt: number | null,
  scope: readonly string[] | null,
  createdAt: number,
  isVoid: boolean,
];

type LimitJson = readonly [
  account: string,
  asset: string,
  id: string,
  subjectKind: LimitSubject['kind'],
  subject: string,
  window: LimitWindow,
  amount: string,
  hard: boolean,
  alertPercents: readonly number[],
];

type CounterJson = readonly [account: string, asset: string, limit: string, start: number, spent: string, held: string];

/** As `lock_wallets` answers. */
export interface LockedJson {
  at: number;
  wallets: readonly WalletJson[];
  grants: readonly GrantJson[];
  limits: readonly LimitJson[];
  counters: readonly CounterJson[];
  holds: readonly HoldJson[];
}

const placeOfRow = (json: readonly [account: string, asset: string, ...rest: unknown[]]): string =>
  `${json[0]} ${json[1]}`;

function byPlace<Json extends readonly [string, string, ...unknown[]], Item>(
  rows: readonly Json[],
  read: (json: Json) => Item,
): ReadonlyMap<string, Item[]> {
  const found = new Map<string, Item[]>();
  for (const row of rows) {
    const place = placeOfRow(row);
    const items = found.get(place);
    if (items) items.push(read(row));
    else found.set(place, [read(row)]);
  }
  return found;
}

export function lockedOf(json: LockedJson): Locked {
  const grants = byPlace(json.grants, grantOf);
  const limits = byPlace(json.limits, limitOf);
  const counters = byPlace(json.counters, counterOf);
  return {
    at: instant(json.at),
    holds: json.holds.map(holdOf),
    wallets: json.wallets.map((wallet) => {
      const place = placeOfRow(wallet);
      return {
        account: wallet[0],
        asset: assetId(wallet[1]),
        provider: wallet[2],
        owed: BigInt(wallet[3]),
        creditHeld: BigInt(wallet[4]),
        creditLimit: BigInt(wallet[5]),
        alertBelow: wallet[6].map(BigInt),
        topUp: wallet[7] === null ? undefined : topUpOf(wallet[7]),
        foundVersion: wallet[8],
        version: wallet[9],
        grants: grants.get(place) ?? [],
        limits: limits.get(place) ?? [],
        counters: counters.get(place) ?? [],
      };
    }),
  };
}

const grantOf = (json: GrantJson): Grant => ({
  id: json[2],
  kind: json[3],
  priority: json[4],
  amount: BigInt(json[5]),
  cost: BigInt(json[6]),
  granted: BigInt(json[7]),
  consumed: BigInt(json[8]),
  expired: BigInt(json[9]),
  voided: BigInt(json[10]),
  refunded: BigInt(json[11]),
  held: BigInt(json[12]),
  effectiveAt: instant(json[13]),
  expiresAt: json[14] === null ? undefined : instant(json[14]),
  scope: json[15] ?? undefined,
  createdAt: instant(json[16]),
  isVoid: json[17],
});

const limitOf = (json: LimitJson): Limit => ({
  id: json[2],
  subject: subjectOf(json[3], json[4]),
  window: json[5],
  amount: BigInt(json[6]),
  hard: json[7],
  alertPercents: json[8],
});

export function subjectOf(kind: LimitSubject['kind'], subject: string): LimitSubject {
  switch (kind) {
    case 'account':
      return { kind };
    case 'key':
      return { kind, key: subject };
    case 'meter':
      return { kind, meter: subject };
  }
}

const counterOf = (json: CounterJson): Counter => ({
  limit: json[2],
  start: instant(json[3]),
  spent: BigInt(json[4]),
  held: BigInt(json[5]),
});

const topUpOf = (json: TopUpJson) => ({
  settings: {
    threshold: BigInt(json[0]),
    buys: json[1] === null ? { upTo: BigInt(json[2] ?? 0) } : { fixed: BigInt(json[1]) },
    coolOffSeconds: json[3],
    perDay: json[4],
    maxFailures: json[5],
  },
  state: {
    pending: json[6] !== null,
    lastAt: json[7] === null ? undefined : instant(json[7]),
    onThatDay: json[8],
    failures: json[9],
  },
});

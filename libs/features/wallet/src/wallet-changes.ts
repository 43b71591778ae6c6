import { type Counter, type Grant, heldOf, type Part, postedOf, remainingOf, type Wallet } from '@core/wallet';
import type { Entry } from '@core/ledger';
import type { Instant } from '@core/time';
import { KnownPlaces, type OpenedPlace } from '@features/ledger';
import { joinParts, type RowColumn, rowColumns } from '@platform/database';
import type { LockedWallet } from './locked-wallet.js';
import { holdFields, type StoredHold } from './stored-hold.js';

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64. */
  readonly body: string;
}

/** A part of a grant that was used or given back. */
export interface LineagePart {
  readonly reference: string;
  readonly step: number;
  readonly provider: string;
  readonly kind: 'use' | 'reversal' | 'overage';
  readonly part: Part;
}

/** What differs from what was loaded. */
export interface Differences {
  readonly at: Instant;
  readonly wallets: readonly { readonly loaded: LockedWallet; readonly now: Wallet; readonly version: number }[];
  readonly freshHolds: readonly StoredHold[];
  readonly changedHolds: readonly StoredHold[];
  /** Of which only the end differs. */
  readonly endedHolds: readonly StoredHold[];
  readonly lineage: readonly LineagePart[];
  readonly sold: readonly StoredHold[];
  readonly replies: readonly { readonly hold: StoredHold; readonly reply: Reply }[];
  readonly alerts: readonly unknown[];
  readonly topUps: readonly unknown[];
  readonly entries: readonly Entry[];
}

/** As `write_wallets` takes it. */
export interface WalletChanges {
  readonly text: string;
  /** Ledger accounts that exist once it is committed. */
  readonly opened: readonly OpenedPlace[];
}

const each = <Row>(of: RowColumn<Row>['of']): RowColumn<Row> => ({ kind: 'each', of });
const shared = <Row>(of: RowColumn<Row>['of']): RowColumn<Row> => ({ kind: 'shared', of });
const optional = <Row>(of: RowColumn<Row>['of']): RowColumn<Row> => ({ kind: 'optional', of });
const free = <Row>(column: RowColumn<Row>): RowColumn<Row> => ({ ...column, free: true });

const WALLETS: readonly RowColumn<Differences['wallets'][number]>[] = [
  shared(({ loaded }) => loaded.account),
  shared(({ loaded }) => loaded.asset),
  shared(({ now }) => postedOf(now)),
  shared(({ now }) => heldOf(now)),
  shared(({ now }) => now.owed),
  shared(({ now }) => now.creditHeld),
  each(({ version }) => version),
];

const GRANTS: readonly RowColumn<Grant>[] = [
  each(({ id }) => id),
  shared(({ held }) => held),
  shared(({ granted }) => granted),
  shared(({ consumed }) => consumed),
  shared(({ expired }) => expired),
  shared(({ voided }) => voided),
  shared(({ refunded }) => refunded),
  shared((grant) => remainingOf(grant)),
  shared(({ isVoid }) => isVoid),
];

const HOLDS: readonly RowColumn<StoredHold>[] = [
  each(({ id }) => id),
  shared(({ provider }) => provider),
  shared(({ account }) => account),
  shared(({ asset }) => asset),
  free(each(({ key }) => key)),
  free(shared(({ fingerprint }) => fingerprint)),
  shared(({ state }) => state),
  shared(({ amount }) => amount),
  shared(({ used }) => used),
  optional(({ captured }) => captured),
  shared(({ excess }) => excess),
  shared(({ onCredit }) => onCredit),
  free(optional(({ meterId }) => meterId)),
  free(optional(({ meter }) => meter)),
  shared(({ quantity }) => quantity),
  optional(({ usedQuantity }) => usedQuantity),
  optional(({ capturedQuantity }) => capturedQuantity),
  free(optional(({ priceId }) => priceId)),
  free(shared(({ payer }) => payer)),
  free(optional(({ agentKey }) => agentKey)),
  free(shared(({ resource }) => resource)),
  shared(({ parts }) => `[${parts.map(({ grant, amount }) => `["${grant}","${amount}"]`).join(',')}]`),
  shared(({ credit }) => credit),
  shared(({ counted }) =>
    counted.length === 0
      ? '[]'
      : JSON.stringify(
          counted.map(({ limit, start, cap }) => (cap === undefined ? [limit, start] : [limit, start, cap.toString()])),
        ),
  ),
  free(optional(({ reason }) => reason)),
  shared(({ takenAt }) => takenAt),
  shared(({ expiresAt }) => expiresAt),
];

const ENDS: readonly RowColumn<StoredHold>[] = [
  each(({ id }) => id),
  shared(({ state }) => state),
  optional(({ captured }) => captured),
  optional(({ capturedQuantity }) => capturedQuantity),
  shared(({ excess }) => excess),
  shared(({ onCredit }) => onCredit),
  free(optional(({ reason }) => reason)),
];

const LINEAGE: readonly RowColumn<LineagePart>[] = [
  shared(({ reference }) => reference),
  shared(({ step }) => step),
  shared(({ provider }) => provider),
  shared(({ part }) => part.grant),
  each(({ kind }) => kind),
  shared(({ part }) => part.amount),
];

const SOLD: readonly RowColumn<StoredHold>[] = [
  each(({ id }) => id),
  shared(({ provider }) => provider),
  shared(({ account }) => account),
  shared(({ meterId }) => meterId),
  shared(({ capturedQuantity }) => capturedQuantity),
];

const REPLIES: readonly RowColumn<Differences['replies'][number]>[] = [
  each(({ hold }) => hold.id),
  shared(({ hold }) => hold.provider),
  shared(({ reply }) => reply.status),
  shared(({ reply }) => JSON.stringify(reply.headers)),
  shared(({ reply }) => reply.body),
];

/** What is to be written; undefined when nothing differs. `places`: ledger accounts that are known to exist. */
export function walletChanges(of: Differences, places = new KnownPlaces()): WalletChanges | undefined {
  const grants = of.wallets.flatMap(({ loaded, now }) => now.grants.filter((grant) => !loaded.grants.includes(grant)));
  const rest = {
    at: of.at,
    ...some('counters', of.wallets.flatMap(countersOf)),
    ...some('changedHolds', of.changedHolds.map(holdFields)),
    ...some('alerts', of.alerts),
    ...some('topUps', of.topUps),
  };
  const posted = places.newTransfers(of.entries);
  const parts = [
    rowColumns(of.wallets, WALLETS),
    rowColumns(grants, GRANTS),
    rowColumns(of.freshHolds, HOLDS),
    rowColumns(of.endedHolds, ENDS),
    rowColumns(of.lineage, LINEAGE),
    rowColumns(of.sold, SOLD),
    rowColumns(of.replies, REPLIES),
    posted.places,
    posted.transfers,
  ];
  if (Object.keys(rest).length === 1 && parts.every((part) => part === '')) return undefined;
  return { text: joinParts([JSON.stringify(rest), ...parts]), opened: posted.opened };
}

const some = (name: string, list: readonly unknown[]) => (list.length === 0 ? {} : { [name]: list });

const countersOf = ({ loaded, now }: Differences['wallets'][number]) =>
  now.counters
    .filter((counter: Counter) => !loaded.counters.includes(counter))
    .map(({ limit, start, spent, held }) => ({
      account: loaded.account,
      asset: loaded.asset,
      provider: loaded.provider,
      limit,
      start,
      spent: spent.toString(),
      held: held.toString(),
    }));

const KNOWN: readonly RowColumn<LockedWallet>[] = [
  shared(({ account }) => account),
  shared(({ asset }) => asset),
  each(({ version }) => version),
];
const KEYS: readonly RowColumn<{ readonly account: string; readonly key: string }>[] = [
  shared(({ account }) => account),
  free(each(({ key }) => key)),
];

/** Wallets in the versions that are remembered, as `commit_wallets` takes them. */
export const knownVersions = (wallets: readonly LockedWallet[]): string => rowColumns(wallets, KNOWN);

/** Keys that no hold may have, as `commit_wallets` takes them. */
export const freeKeys = (keys: readonly { readonly account: string; readonly key: string }[]): string =>
  rowColumns(keys, KEYS);

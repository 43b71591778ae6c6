import type { AssetId } from '@core/money';
import type { Hold, Part } from '@core/wallet';
import { type Instant, instant } from '@core/time';
import { assetId } from '@core/money';

/** A hold as it is kept: what the gate knows of it, besides what decides. */
export interface StoredHold extends Hold {
  /** `hld_…` */
  readonly id: string;
  readonly provider: string;
  /** `acct_…` */
  readonly account: string;
  readonly asset: AssetId;
  /** Names the request: unique for the account. */
  readonly key: string;
  /** What the key stands for. */
  readonly fingerprint: string;
  /** Charged; absent until it is captured. */
  readonly captured: bigint | undefined;
  /** Asked for beyond what was held, and not charged. */
  readonly excess: bigint;
  /** Of what was charged: on credit, and taken back. */
  readonly onCredit: bigint;
  readonly reversed: bigint;
  /** `mtr_…` */
  readonly meterId: string | undefined;
  /** What `amount`, `used` and `captured` are for, plain decimals. */
  readonly quantity: string;
  readonly usedQuantity: string | undefined;
  readonly capturedQuantity: string | undefined;
  readonly priceId: string | undefined;
  /** Who pays: an agent key, a wallet, a host. */
  readonly payer: string;
  /** Key that spends, where one does: its limits apply. */
  readonly agentKey: string | undefined;
  readonly resource: string;
  readonly endedAt: Instant | undefined;
  /** Why it was let go. */
  readonly reason: string | undefined;
}

/** As `hold_json` in the database writes it. */
export type HoldJson = readonly [
  id: string,
  provider: string,
  account: string,
  asset: string,
  key: string,
  fingerprint: string,
  state: Hold['state'],
  amount: string,
  used: string,
  captured: string | null,
  excess: string,
  onCredit: string,
  reversed: string,
  meterId: string | null,
  meter: string | null,
  quantity: string,
  usedQuantity: string | null,
  capturedQuantity: string | null,
  priceId: string | null,
  payer: string,
  agentKey: string | null,
  resource: string,
  parts: readonly (readonly [grant: string, amount: string])[],
  counted: readonly (readonly [limit: string, start: number, cap?: string])[],
  credit: string,
  takenAt: number,
  expiresAt: number,
  endedAt: number | null,
  reason: string | null,
];

export const holdOf = (json: HoldJson): StoredHold => ({
  id: json[0],
  provider: json[1],
  account: json[2],
  asset: assetId(json[3]),
  key: json[4],
  fingerprint: json[5],
  state: json[6],
  amount: BigInt(json[7]),
  used: BigInt(json[8]),
  captured: json[9] === null ? undefined : BigInt(json[9]),
  excess: BigInt(json[10]),
  onCredit: BigInt(json[11]),
  reversed: BigInt(json[12]),
  meterId: json[13] ?? undefined,
  meter: json[14] ?? undefined,
  quantity: json[15],
  usedQuantity: json[16] ?? undefined,
  capturedQuantity: json[17] ?? undefined,
  priceId: json[18] ?? undefined,
  payer: json[19],
  agentKey: json[20] ?? undefined,
  resource: json[21],
  parts: json[22].map(([grant, amount]): Part => ({ grant, amount: BigInt(amount) })),
  counted: json[23].map(([limit, start, cap]) => ({
    limit,
    start: instant(start),
    ...(cap === undefined ? {} : { cap: BigInt(cap) }),
  })),
  credit: BigInt(json[24]),
  takenAt: instant(json[25]),
  expiresAt: instant(json[26]),
  endedAt: json[27] === null ? undefined : instant(json[27]),
  reason: json[28] ?? undefined,
});

/** As `write_wallets` takes one that changed. */
export const holdFields = (hold: StoredHold) => ({
  id: hold.id,
  provider: hold.provider,
  account: hold.account,
  asset: hold.asset,
  key: hold.key,
  fingerprint: hold.fingerprint,
  state: hold.state,
  amount: hold.amount.toString(),
  used: hold.used.toString(),
  captured: hold.captured?.toString(),
  excess: hold.excess.toString(),
  onCredit: hold.onCredit.toString(),
  reversed: hold.reversed.toString(),
  meterId: hold.meterId,
  meter: hold.meter,
  quantity: hold.quantity,
  usedQuantity: hold.usedQuantity,
  capturedQuantity: hold.capturedQuantity,
  priceId: hold.priceId,
  payer: hold.payer,
  agentKey: hold.agentKey,
  resource: hold.resource,
  parts: hold.parts.map(({ grant, amount }) => [grant, amount.toString()]),
  counted: hold.counted.map(({ limit, start, cap }) =>
    cap === undefined ? [limit, start] : [limit, start, cap.toString()],
  ),
  credit: hold.credit.toString(),
  takenAt: hold.takenAt,
  expiresAt: hold.expiresAt,
  reason: hold.reason,
});

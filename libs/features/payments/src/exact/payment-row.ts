import type { PaymentState, ReleaseLevel } from '@core/payments';
import type { Hex } from '@core/x402';
import { big } from '@platform/database';

/** What we sell ourselves, for a payment of exactly its price: balance, and being quit of a statement. */
export type SaleOrigin = 'topup' | 'statement';

/** What a payment is for: a call, another seller's call, a channel, something of ours, or what an agent gets back. */
export type PaymentOrigin = 'gate' | 'facilitator' | 'deposit' | SaleOrigin | 'refund';

/** A payment as the paid path sees it. */
export interface PaymentRow {
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly origin: PaymentOrigin;
  readonly state: PaymentState;
  readonly network: string;
  readonly asset: string;
  readonly assetId: string;
  readonly payer: string;
  readonly payTo: string;
  /** URL that was paid for, without its query. */
  readonly resource: string;
  readonly amount: bigint;
  readonly charged: bigint | undefined;
  readonly meter: string | undefined;
  readonly quantity: string | undefined;
  readonly priceId: string | undefined;
  readonly release: ReleaseLevel;
  readonly knownPayer: boolean;
  /** Lower-case hex. */
  readonly binding: string;
  readonly attempt: string | undefined;
  /** Set when it is paid by a ceiling: `amount` is the most that may be charged, and this key alone may send it. */
  readonly facilitator: string | undefined;
  /** Served, and let go as nothing of its ceiling was used. */
  readonly unused: boolean;
  readonly submitted: boolean;
  readonly transaction: Hex | undefined;
}

/** As `COLUMNS` reads it. */
export interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  origin: PaymentOrigin;
  state: PaymentState;
  network: string;
  asset: string;
  asset_id: string;
  payer: string;
  pay_to: string;
  resource: string;
  amount: string;
  charged: string | null;
  meter: string | null;
  quantity: string | null;
  price_id: string | null;
  release: ReleaseLevel;
  known_payer: boolean;
  binding: string;
  attempt: string | null;
  facilitator: string | null;
  unused: boolean | null;
  submitted: boolean;
  transaction: string | null;
}

/** Why a payment was let go that was served and used nothing. */
export const UNUSED = 'nothing used';

export const COLUMNS = `p.id, p.provider_id, p.account_id, p.origin, p.state, p.network, p.asset, p.asset_id, p.payer, p.pay_to, p.resource, p.amount::text,
  p.charged::text, m.name AS meter, p.quantity::text, p.price_id, p.release, p.known_payer, encode(p.binding, 'hex') AS binding, p.attempt,
  p.facilitator, p.void_reason = '${UNUSED}' AS unused, p.submitted_at IS NOT NULL AS submitted, encode(p.transaction, 'hex') AS transaction`;
export const FROM = 'FROM payments p LEFT JOIN meters m ON m.id = p.meter_id';

export const paymentOf = (row: Row): PaymentRow => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  origin: row.origin,
  state: row.state,
  network: row.network,
  asset: row.asset,
  assetId: row.asset_id,
  payer: row.payer,
  payTo: row.pay_to,
  resource: row.resource,
  amount: big(row.amount),
  charged: row.charged === null ? undefined : big(row.charged),
  meter: row.meter ?? undefined,
  quantity: row.quantity ?? undefined,
  priceId: row.price_id ?? undefined,
  release: row.release,
  knownPayer: row.known_payer,
  binding: row.binding,
  attempt: row.attempt ?? undefined,
  facilitator: row.facilitator ?? undefined,
  unused: row.unused === true,
  submitted: row.submitted,
  transaction: row.transaction === null ? undefined : `0x${row.transaction}`,
});

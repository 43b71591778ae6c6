import type { PaymentState } from '@core/payments';
import type { Hex } from '@core/x402';
import { paidSaleStatus, publicPath } from '../sales/sale-document.js';

export const TOP_UP_STATES = ['paid', 'provisional', 'credited', 'failed'] as const;
/** paid: no balance yet · provisional: balance before the payment is final · credited · failed: proven never paid. */
export type TopUpState = (typeof TOP_UP_STATES)[number];

/** Balance that is being bought, and the payment that buys it. */
export interface TopUp {
  /** `top_…` */
  readonly id: string;
  readonly provider: string;
  /** Whose balance it is. */
  readonly account: string;
  readonly payment: string;
  readonly paymentState: PaymentState;
  readonly payer: string;
  readonly network: string;
  /** Asset id, e.g. `eip155:8453/erc20:0x…`. */
  readonly asset: string;
  /** Atomic units. */
  readonly amount: bigint;
  readonly state: TopUpState;
  readonly grant: string | undefined;
  readonly transaction: Hex | undefined;
}

export type TopUpStatus = 'pending' | 'confirmed' | 'provisional' | 'credited' | 'failed';

/** The public document of a top-up. Amounts are atomic units as decimal strings. */
export interface TopUpView {
  readonly id: string;
  readonly status: TopUpStatus;
  readonly provider: string;
  readonly account: string;
  readonly payer: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: string;
  readonly payment: string;
  readonly transaction?: string;
  readonly grant?: string;
  readonly statusUrl: string;
}

/** Where it stands, in the words of the public document. */
export function topUpStatus({ state, paymentState }: Pick<TopUp, 'state' | 'paymentState'>): TopUpStatus {
  return state === 'paid' ? paidSaleStatus(paymentState) : state;
}

/** Where balance is bought. */
export const topUpUrl = (publicUrl: string): string => publicPath(publicUrl, '/v1/topups');

export const viewOfTopUp = (topUp: TopUp, publicUrl: string): TopUpView => ({
  id: topUp.id,
  status: topUpStatus(topUp),
  provider: topUp.provider,
  account: topUp.account,
  payer: topUp.payer,
  network: topUp.network,
  asset: topUp.asset,
  amount: topUp.amount.toString(),
  payment: topUp.payment,
  ...(topUp.transaction === undefined ? {} : { transaction: topUp.transaction }),
  ...(topUp.grant === undefined ? {} : { grant: topUp.grant }),
  statusUrl: publicPath(publicUrl, `/v1/topups/${topUp.id}`),
});

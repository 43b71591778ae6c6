import {
  nameV1OfNetwork,
  encodeSettlementResponse,
  paidByVoucherExtra,
  X402_HEADERS,
  type ChannelStanding,
  type SettlementResponse,
} from '@core/x402';
import type { PaymentStatus, PaymentView } from '../gate/gate-decisions.js';
import { statusUrlOf } from '../gate/payment-view.js';
import type { VoucherRow } from './voucher-row.js';

/** A call is confirmed when a claim in a block covers it, and final when that block is. */
function statusOf({ state, chargedAfter, claimedFinal, totalClaimed }: VoucherRow): PaymentStatus {
  if (state !== 'served' || chargedAfter === undefined) return state;
  if (claimedFinal >= chargedAfter) return 'final';
  return totalClaimed >= chargedAfter ? 'confirmed' : 'served';
}

/** The public document of a call paid by a voucher. */
export const voucherView = (voucher: VoucherRow, publicUrl: string): PaymentView => ({
  id: voucher.id,
  status: statusOf(voucher),
  account: voucher.account,
  payer: voucher.payer,
  network: voucher.network,
  asset: voucher.asset,
  amount: voucher.amount.toString(),
  ...(voucher.charged === undefined ? {} : { charged: voucher.charged.toString() }),
  ...(voucher.deposit?.transaction === undefined ? {} : { transaction: voucher.deposit.transaction }),
  ...(voucher.meter === undefined ? {} : { meter: voucher.meter }),
  ...(voucher.quantity === undefined ? {} : { quantity: voucher.quantity }),
  ...(voucher.priceId === undefined ? {} : { priceVersion: voucher.priceId }),
  statusUrl: statusUrlOf(voucher, publicUrl),
});

/** PAYMENT-RESPONSE in both spellings. */
export function responseHeaders(response: SettlementResponse): Record<string, string> {
  const nameV1 = nameV1OfNetwork(response.network);
  return {
    [X402_HEADERS.response]: encodeSettlementResponse(response),
    ...(nameV1 === undefined
      ? {}
      : { [X402_HEADERS.responseV1]: encodeSettlementResponse({ ...response, network: nameV1 }) }),
    'cache-control': 'private, no-store',
  };
}

/** How a served call is confirmed to its payer: what it cost, and where the channel stands after it. */
export const voucherHeaders = (
  voucher: VoucherRow,
  standing: ChannelStanding,
  publicUrl: string,
): Record<string, string> =>
  responseHeaders({
    success: true,
    payer: voucher.payer,
    transaction: voucher.deposit?.transaction ?? '',
    network: voucher.network,
    amount: voucher.deposit?.amount.toString() ?? '',
    extra: paidByVoucherExtra(voucher.charged ?? 0n, standing),
    extensions: {
      farebox: { payment: voucher.id, status: statusOf(voucher), statusUrl: statusUrlOf(voucher, publicUrl) },
    },
  });

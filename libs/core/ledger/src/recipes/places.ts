import type { AssetId } from '@core/money';
import type { Place } from '../chart.js';

export const receivable = (asset: AssetId, account: string): Place => ({ code: '1110', asset, account });
/** On statements that were issued. */
export const invoiced = (asset: AssetId, account: string): Place => ({ code: '1100', asset, account });
/** A bank debit that was started and not answered. */
export const processing = (asset: AssetId, account: string): Place => ({ code: '1120', asset, account });
/** What Stripe has received for us and does not pay out yet. */
export const stripePending = (asset: AssetId): Place => ({ code: '1015', asset });
/** Where a token and a currency meet: two legs, each in its own. */
export const exchange = (asset: AssetId): Place => ({ code: '5060', asset });
export const revenue = (asset: AssetId, meter: string): Place => ({ code: '4010', asset, detail: meter });
export const inTransit = (asset: AssetId): Place => ({ code: '1025', asset });
export const wallet = (asset: AssetId, address: string): Place => ({ code: '1020', asset, detail: address });
export const badDebt = (asset: AssetId): Place => ({ code: '5030', asset });
export const prepaid = (asset: AssetId, account: string, grant: string): Place => ({
  code: '2010',
  asset,
  account,
  detail: grant,
});
export const unapplied = (asset: AssetId, account: string): Place => ({ code: '2020', asset, account });
export const refundsPayable = (asset: AssetId, account: string): Place => ({ code: '2040', asset, account });
export const breakage = (asset: AssetId): Place => ({ code: '4020', asset });
export const promotions = (asset: AssetId): Place => ({ code: '4090', asset });
export const givenAway = (asset: AssetId, account: string, grant: string): Place => ({
  code: '9010',
  asset,
  account,
  detail: grant,
});
export const givenAwayContra = (asset: AssetId, account: string, grant: string): Place => ({
  code: '9015',
  asset,
  account,
  detail: grant,
});
export const stripeAvailable = (asset: AssetId): Place => ({ code: '1010', asset });
export const bank = (asset: AssetId): Place => ({ code: '1030', asset });
export const processorFees = (asset: AssetId): Place => ({ code: '5010', asset });
export const disputeFees = (asset: AssetId): Place => ({ code: '5040', asset });
/** Held by the processor while a dispute is open. */
export const disputed = (asset: AssetId, account: string): Place => ({ code: '2050', asset, account });

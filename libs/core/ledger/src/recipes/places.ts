import type { AssetId } from '@core/money';
import type { Place } from '../chart.js';

export const receivable = (asset: AssetId, account: string): Place => ({ code: '1110', asset, account });
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

import type { AssetId } from '@core/money';
import type { Place } from '../chart.js';

export const receivable = (asset: AssetId, account: string): Place => ({ code: '1110', asset, account });
export const revenue = (asset: AssetId, meter: string): Place => ({ code: '4010', asset, detail: meter });
export const inTransit = (asset: AssetId): Place => ({ code: '1025', asset });
export const wallet = (asset: AssetId, address: string): Place => ({ code: '1020', asset, detail: address });
export const badDebt = (asset: AssetId): Place => ({ code: '5030', asset });

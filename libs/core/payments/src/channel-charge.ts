import { compareDecimals, type Decimal } from '@core/money';
import type { CaptureVerdict } from './capture.js';

/**
 * What a call paid by a voucher is charged: the price of what was measured, `priced`, at most what was signed for. Rating may round
 * differently for a part than for the whole, so the price is cut at the amount.
 */
export function chargeVoucher(amount: bigint, checked: Decimal, measured: Decimal, priced: bigint): CaptureVerdict {
  if (measured.units < 0n || compareDecimals(measured, checked) > 0) {
    return { ok: false, message: 'quantity has to be zero or more and at most the quantity that was checked' };
  }
  if (priced < 0n) return { ok: false, message: 'a call cannot cost less than nothing' };
  return { ok: true, charged: priced < amount ? priced : amount, quantity: measured };
}

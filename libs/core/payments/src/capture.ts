import { compareDecimals, type Decimal } from '@core/money';

export type CaptureVerdict =
  | { readonly ok: true; readonly charged: bigint; readonly quantity: Decimal }
  | { readonly ok: false; readonly message: string };

/**
 * What a served request is charged. Scheme `exact` moves exactly what was signed, so the charge is the amount of the
 * authorization; the quantity recorded is what was measured, and never more than what was paid for.
 */
export function captureExact(authorized: bigint, quoted: Decimal, measured: Decimal | undefined): CaptureVerdict {
  const quantity = measured ?? quoted;
  if (quantity.units < 0n || compareDecimals(quantity, quoted) > 0) {
    return { ok: false, message: 'quantity has to be zero or more and at most the quantity that was checked' };
  }
  return { ok: true, charged: authorized, quantity };
}

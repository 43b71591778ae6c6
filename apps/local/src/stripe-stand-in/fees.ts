/**
 * The stand-in's own numbers, in minor units. They look like a published price list of the United States but are nobody's
 * contract: the real fee is on the real balance transaction.
 */
const CARD = { perThousand: 29, fixed: 30 };
const ACH = { perThousand: 8, cap: 500 };
const SEPA = { perThousand: 8, cap: 600 };

export const FAILED_DEBIT_FEE = 400;
export const DISPUTE_FEE = 1500;

/** Rounded half up to the minor unit. */
const share = (amount: number, perThousand: number): number => Math.floor((amount * perThousand + 500) / 1000);

export function feeFor(amount: number, type: string): number {
  if (type === 'us_bank_account') return Math.min(share(amount, ACH.perThousand), ACH.cap);
  if (type === 'sepa_debit') return Math.min(share(amount, SEPA.perThousand), SEPA.cap);
  return share(amount, CARD.perThousand) + CARD.fixed;
}

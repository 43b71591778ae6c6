import type { AssetId } from '@core/money';

/** The chart of accounts: code, what stands there, and on which side it normally has its balance. */
export const LEDGER_CODES = {
  '1010': { name: 'Stripe balance, available', normal: 'debit' },
  '1015': { name: 'Stripe balance, pending', normal: 'debit' },
  '1020': { name: 'On-chain wallet', normal: 'debit' },
  '1021': { name: 'Relayer gas', normal: 'debit' },
  '1025': { name: 'On-chain in transit', normal: 'debit' },
  '1026': { name: 'Vouchers of channels', normal: 'debit' },
  '1030': { name: 'Bank', normal: 'debit' },
  '1100': { name: 'Receivable, invoiced', normal: 'debit' },
  '1110': { name: 'Receivable, accrued', normal: 'debit' },
  '1120': { name: 'Payment processing', normal: 'debit' },
  '2010': { name: 'Prepaid value, paid', normal: 'credit' },
  '2020': { name: 'Unapplied receipts', normal: 'credit' },
  '2040': { name: 'Refunds payable', normal: 'credit' },
  '2050': { name: 'Disputed funds', normal: 'debit' },
  '4010': { name: 'Usage revenue', normal: 'credit' },
  '4020': { name: 'Breakage revenue', normal: 'credit' },
  '4090': { name: 'Promotions and discounts', normal: 'debit' },
  '5010': { name: 'Processor fees', normal: 'debit' },
  '5020': { name: 'Gas', normal: 'debit' },
  '5030': { name: 'Bad debt', normal: 'debit' },
  '5040': { name: 'Dispute and return fees', normal: 'debit' },
  '5060': { name: 'Exchange of token and currency', normal: 'debit' },
  '9010': { name: 'Value given away, memo', normal: 'debit' },
  '9015': { name: 'Value given away, contra', normal: 'credit' },
} as const;

export type LedgerCode = keyof typeof LEDGER_CODES;

export const normalSide = (code: LedgerCode): 'debit' | 'credit' => LEDGER_CODES[code].normal;

/** A ledger account, by what it stands for. `detail` is a meter for 4010, an address for 1020, a grant for 2010, 9010 and 9015. */
export interface Place {
  readonly code: LedgerCode;
  readonly asset: AssetId;
  /** The agent's account, for receivables, prepaid value and what is owed back. */
  readonly account?: string;
  readonly detail?: string;
}

import type { AssetId } from '@core/money';

/** The chart of accounts: code, what stands there, and on which side it normally has its balance. */
export const LEDGER_CODES = {
  '1020': { name: 'On-chain wallet', normal: 'debit' },
  '1021': { name: 'Relayer gas', normal: 'debit' },
  '1025': { name: 'On-chain in transit', normal: 'debit' },
  '1110': { name: 'Receivable, accrued', normal: 'debit' },
  '4010': { name: 'Usage revenue', normal: 'credit' },
  '5020': { name: 'Gas', normal: 'debit' },
  '5030': { name: 'Bad debt', normal: 'debit' },
} as const;

export type LedgerCode = keyof typeof LEDGER_CODES;

export const normalSide = (code: LedgerCode): 'debit' | 'credit' => LEDGER_CODES[code].normal;

/** A ledger account, by what it stands for. `detail` is a meter for 4010 and an address for 1020. */
export interface Place {
  readonly code: LedgerCode;
  readonly asset: AssetId;
  /** The agent's account, for receivables. */
  readonly account?: string;
  readonly detail?: string;
}

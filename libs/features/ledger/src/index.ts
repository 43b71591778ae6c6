export { Ledger } from './ledger.js';
export { LedgerReader } from './ledger.reader.js';
export { postings } from './postings.js';
export { RollUpBalances } from './roll-up-balances.js';

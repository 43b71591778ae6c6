export { ClosedBooks } from './books.js';
export { Ledger } from './ledger.js';
export { LedgerReader } from './ledger.reader.js';
export { KnownPlaces, ledgerAccountId, type NewTransfers, type OpenedPlace } from './new-transfers.js';
export { postings } from './postings.js';
export { RollUpBalances } from './roll-up-balances.js';

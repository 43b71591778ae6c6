export { settlementCommands } from './settlement-commands.js';
export { SubmitSettlement, type Submitted } from './submit-settlement.js';
export { ConfirmSettlement, type Confirmed } from './confirm-settlement.js';
export { RegisterSigners } from './register-signers.js';
export { VoidExpired } from './void-expired.js';
export { SweepSettlement, type Overdue } from './sweep-settlement.js';
export { SettlementReader, type SettlementStanding } from './settlement.reader.js';
export type { SettlementTerms } from './settlement-terms.js';

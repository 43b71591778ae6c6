export { settlementCommands, type SettlementCommands } from './settlement-commands.js';
export { SubmitSettlement } from './submit-settlement.js';
export { ConfirmSettlement } from './confirm-settlement.js';
export { RegisterSigners } from './register-signers.js';
export { VoidExpired } from './void-expired.js';
export { SweepSettlement } from './sweep-settlement.js';
export { SettlementReader } from './settlement.reader.js';
export type { SettlementTerms } from './settlement-terms.js';
export type { ClaimTerms } from './channels/claim-terms.js';

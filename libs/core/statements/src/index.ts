export { closePeriodOf, type ClosePlace, type DrawnUp, dueAtOf, periodAfter, statementContent } from './closing.js';
export { type PostingKind, postingKind } from './posting-kind.js';
export {
  type AdjustmentLine,
  type ChargeLine,
  type LineSubject,
  type MeteredLine,
  type PaidLine,
  type PaymentLine,
  type PaymentRail,
  type StatementSection,
  type StatementTotals,
  buildStatement,
} from './statement.js';
export {
  afterStatementEvent,
  issuedStanding,
  openOf,
  STATEMENT_STATES,
  type StatementEvent,
  type StatementStanding,
  type StatementState,
  type StatementVerdict,
  statementNumber,
} from './statement-state.js';

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

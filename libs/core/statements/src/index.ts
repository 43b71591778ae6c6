export { type PostingKind, postingKind } from './posting-kind.js';
export {
  type AdjustmentLine,
  type ChargeLine,
  type ChargePart,
  type LineSubject,
  type MeteredLine,
  type PaidLine,
  type PaymentLine,
  type StatementLines,
  type StatementSection,
  type StatementTotals,
  buildStatement,
} from './statement.js';

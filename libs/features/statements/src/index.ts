export { ReadStatement, type Statement } from './read-statement.js';
export {
  type IssuedStatementJson,
  renderIssuedJson,
  renderStatementJson,
  type StatementJson,
} from './render-statement-json.js';
export { renderStatementCsv } from './render-statement-csv.js';
export { type IssuedStatement } from './issued-statement.js';
export { type StatementChange, StatementStates } from './statement-states.js';
export { ReadIssued } from './read-issued.js';
export { CloseDue } from './close/close-due.js';

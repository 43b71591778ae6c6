export { ReadStatement, type Statement } from './read-statement.js';
export { type StatementJson, renderStatementJson } from './render-statement-json.js';
export { renderStatementCsv } from './render-statement-csv.js';

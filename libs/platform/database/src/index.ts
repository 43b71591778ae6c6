export { Database, type Tx } from './database.js';
export { Writer, type WriterTx } from './writer.js';
export { Auditor, type Snapshot } from './auditor.js';
export { Prisma } from './generated/client.js';
export { rowsOf } from './rows-of.js';
export { GroupCommit } from './group-commit.js';
export { big, exact, at } from './columns.js';
export { isColumnText, joinParts, type RowColumn, rowColumns } from './row-columns.js';

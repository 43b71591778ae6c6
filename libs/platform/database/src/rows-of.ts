import type { Tx } from './database.js';
import type { WriterTx } from './writer.js';

/** The rows of a query in a transaction of either kind: a provider's own, or one of the writers that batch across providers. */
export const rowsOf = <Row extends object>(
  tx: Tx | WriterTx,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> => ('__writer' in tx ? tx.query<Row>(text, values) : tx.$queryRawUnsafe<Row[]>(text, ...values));

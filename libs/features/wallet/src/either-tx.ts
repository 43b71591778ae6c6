import type { Tx, WriterTx } from '@platform/database';

/** A query in a transaction of either kind: a provider's own, or one of the writers that batch across providers. */
export const query = <Row extends object>(
  tx: Tx | WriterTx,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> => ('__writer' in tx ? tx.query<Row>(text, values) : tx.$queryRawUnsafe<Row[]>(text, ...values));

import type { Tx, Writer, WriterTx } from '@platform/database';

/** Whoever can run plain SQL: a provider's transaction, the writer's, or the writer by itself. */
export type Querying = Tx | WriterTx | Writer;

/**
 * Runs one statement in whichever role. The two drivers disagree on types, so parameters are given as text (or arrays of
 * text) and cast in the statement, and NUMERIC, BIGINT and TIMESTAMPTZ columns come as text or JSON.
 */
export function queryRows<Row extends object>(
  on: Querying,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  return '$queryRawUnsafe' in on ? on.$queryRawUnsafe<Row[]>(text, ...values) : on.query<Row>(text, values);
}

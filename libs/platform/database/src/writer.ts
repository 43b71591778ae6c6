import type pg from 'pg';
import pgClient from 'pg';
import { Fault } from '@core/faults';
import { unavailable } from './database.js';
import { openPool } from './pool.js';

/** A transaction of the batching writers. Every row it writes names its provider. */
export interface WriterTx {
  readonly __writer: true;
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

const guard = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error)
      ? new Fault('unavailable', 'The database cannot be reached; try again shortly.', { cause: error })
      : error;
  }
};

/**
 * The role `farebox_writer`: the few writers that batch across providers (ingest, claim and capture, outbox relay, settler).
 * Plain SQL through one pool; results come as the driver gives them, so cast NUMERIC and BIGINT columns to text in the query.
 */
export class Writer {
  readonly #pool: pg.Pool;
  readonly #url: string;

  constructor(url: string, connections: number) {
    this.#url = url;
    this.#pool = openPool(url, connections);
  }

  /** One statement, one transaction. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return guard(async () => (await this.#pool.query<Row>(text, [...values])).rows);
  }

  /** Several statements, one transaction: committed when `run` returns, rolled back when it throws. */
  async transaction<T>(run: (tx: WriterTx) => Promise<T>): Promise<T> {
    return guard(async () => {
      const client = await this.#pool.connect();
      const tx: WriterTx = {
        __writer: true,
        query: async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
          (await client.query<Row>(text, [...values])).rows,
      };
      try {
        await client.query('BEGIN');
        const result = await run(tx);
        await client.query('COMMIT');
        client.release();
        return result;
      } catch (error) {
        // A client whose rollback fails has a broken connection: it is thrown away, not reused.
        const rolledBack = await client.query('ROLLBACK').then(
          () => true,
          () => false,
        );
        client.release(!rolledBack);
        throw error;
      }
    });
  }

  /**
   * Calls `heard` for every notification on a channel, reconnecting for as long as needed. A notification is only a hint:
   * listeners also look by themselves now and then. Returns a function that stops listening.
   */
  listen(channel: string, heard: (payload: string) => void): () => Promise<void> {
    let stopped = false;
    let client: pg.Client | undefined;
    let retry: NodeJS.Timeout | undefined;
    const connect = async (): Promise<void> => {
      if (stopped) return;
      const next = new pgClient.Client({ connectionString: this.#url });
      client = next;
      const again = () => {
        if (client !== next) return;
        client = undefined;
        if (!stopped) retry = setTimeout(() => void connect(), 500);
      };
      next.on('error', again);
      next.on('end', again);
      next.on('notification', (message) => heard(message.payload ?? ''));
      try {
        await next.connect();
        await next.query(`LISTEN ${pgClient.escapeIdentifier(channel)}`);
        heard('');
      } catch {
        again();
      }
    };
    void connect();
    return async () => {
      stopped = true;
      clearTimeout(retry);
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    };
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }
}

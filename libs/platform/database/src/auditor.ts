import type pg from 'pg';
import { openPool } from './pool.js';

/** One consistent view of everything, read only. */
export interface Snapshot {
  query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]>;
}

/** The role `farebox_auditor`: reads all rows of all providers and writes none. */
export class Auditor {
  readonly #pool: pg.Pool;

  constructor(url: string) {
    this.#pool = openPool(url, 2);
  }

  /** Runs queries that all see the database as it was at one instant. */
  async snapshot<T>(run: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const result = await run({
        query: async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows,
      });
      await client.query('COMMIT');
      return result;
    } finally {
      // The connection may be inside a failed transaction: it is not used again.
      client.release(true);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

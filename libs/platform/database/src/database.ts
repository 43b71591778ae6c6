import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { Fault } from '@core/faults';
import { PrismaClient, type Prisma } from './generated/client.js';
import { openPool } from './pool.js';

/**
 * A transaction that sees one provider's rows. Branded, because Prisma's own type also accepts the plain client, with
 * which a write would commit by itself.
 */
export type Tx = Prisma.TransactionClient & { readonly __provider: string };

const brand = (client: Prisma.TransactionClient, provider: string): Tx =>
  Object.assign(client, { __provider: provider } as const);

/** PostgreSQL's codes for "try the same transaction again". */
const RETRY = /40001|40P01|P2034/;

/** Request-scoped work, as the role `farebox_app`: every transaction is for one provider and sees only its rows. */
export class Database {
  readonly #client: PrismaClient;
  readonly #pool: pg.Pool;

  constructor(url: string, connections: number) {
    this.#pool = openPool(url, connections);
    this.#client = new PrismaClient({ adapter: new PrismaPg(this.#pool) });
  }

  /**
   * Runs one transaction for a provider. Serialization failures and deadlocks are tried again, three times in all, so
   * `run` must do nothing but work on `tx`.
   */
  async forProvider<T>(provider: string, run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction([['farebox.provider', provider]], (client) => run(brand(client, provider)));
  }

  /** Reads the one row of `provider_keys` with this id, whoever's it is. */
  async presentedKey<T>(keyId: string, run: (client: Prisma.TransactionClient) => Promise<T>): Promise<T> {
    return this.#transaction([['farebox.key', keyId]], run);
  }

  async #transaction<T>(
    settings: [string, string][],
    run: (client: Prisma.TransactionClient) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#client.$transaction(
          async (client) => {
            for (const [name, value] of settings) await client.$queryRaw`SELECT set_config(${name}, ${value}, true)`;
            return run(client);
          },
          { maxWait: 5_000, timeout: 15_000 },
        );
      } catch (error) {
        if (
          attempt < 3 &&
          error instanceof Error &&
          !(error instanceof Fault) &&
          RETRY.test(`${Reflect.get(error, 'code')} ${error.message}`)
        )
          continue;
        throw unavailable(error)
          ? new Fault('unavailable', 'The database cannot be reached; try again shortly.', { cause: error })
          : error;
      }
    }
  }

  /** Whether the database answers. */
  async ping(): Promise<void> {
    await this.#pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.#client.$disconnect();
    if (!this.#pool.ended) await this.#pool.end();
  }
}

/** Connection refused, reset, ended or timed out; server starting, stopping or full. */
export function unavailable(error: unknown): boolean {
  // What we say ourselves may hold any text, ids and numbers too; only a driver's words tell of a connection.
  if (!(error instanceof Error) || error instanceof Fault) return false;
  const code = String(Reflect.get(error, 'code'));
  return (
    /^(?:ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|57P0[123]|08\w{3}|53\w{3}|P1001|P1017|P2024|P2028)$/.test(code) ||
    /ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|\b57P0[123]\b|Connection terminated|timeout exceeded when trying to connect/.test(
      error.message,
    )
  );
}

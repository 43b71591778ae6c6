import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { until } from './until.js';

/** A database of a test's own, with the URL of each role. */
export interface TestDatabase {
  /** The superuser: for setting up and for looking at what no role may see. */
  readonly ownerUrl: string;
  readonly appUrl: string;
  readonly writerUrl: string;
  readonly auditUrl: string;
  /** Ends every session and removes the database. */
  drop(): Promise<void>;
}

async function onServer(url: string, run: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await run(client);
  } finally {
    await client.end();
  }
}

/** Copies the migrated template that the global set-up made. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = process.env.TEST_PG_URL;
  const template = process.env.TEST_TEMPLATE;
  if (server === undefined || template === undefined)
    throw new Error('TEST_PG_URL and TEST_TEMPLATE come from the global set-up of jest');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const maintenance = new URL('/postgres', server).href;
  await onServer(maintenance, (client) =>
    client.query(`CREATE DATABASE ${name} TEMPLATE ${pg.escapeIdentifier(template)}`),
  );
  const urlOf = (role?: string): string => {
    const url = new URL(`/${name}`, server);
    if (role !== undefined) {
      url.username = role;
      url.password = '';
    }
    return url.href;
  };
  return {
    ownerUrl: urlOf(),
    appUrl: urlOf('farebox_app'),
    writerUrl: urlOf('farebox_writer'),
    auditUrl: urlOf('farebox_auditor'),
    drop: () =>
      onServer(maintenance, async (client) => {
        // A pool has ended before its connections are gone; one that is cut off by the drop would report an error to nobody.
        await until(
          'the sessions to end',
          async () => (await client.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [name])).rowCount === 0,
          undefined,
          3_000,
        ).catch(() => undefined);
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }),
  };
}

export interface SeededProvider {
  readonly provider: string;
  /** Named `agent-1`. */
  readonly account: string;
}

const idOf = (prefix: string): string => `${prefix}_${randomBytes(16).toString('hex')}`;

/** A provider with one account, straight into the tables. Meters and prices are made by the commands. */
export async function seedProvider(
  database: Pick<TestDatabase, 'ownerUrl'>,
  options: { readonly payTo?: string; readonly accountName?: string; readonly cap?: string } = {},
): Promise<SeededProvider> {
  const seeded = { provider: idOf('prv'), account: idOf('acct') };
  const { payTo = `0x${randomBytes(20).toString('hex')}`, accountName = 'agent-1', cap = '1000000000000' } = options;
  await onServer(database.ownerUrl, async (client) => {
    await client.query(
      'INSERT INTO providers (id, name, pay_to, exposure_cap_payer, exposure_cap_provider) VALUES ($1, $2, $3, $4, $4)',
      [seeded.provider, 'Test provider', payTo.toLowerCase(), cap],
    );
    await client.query('INSERT INTO accounts (id, provider_id, name) VALUES ($1, $2, $3)', [
      seeded.account,
      seeded.provider,
      accountName,
    ]);
  });
  return seeded;
}

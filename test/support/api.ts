import pg from 'pg';
import { CreateKey, CreateProvider, type KeyScope } from '@features/accounts';
import { type Config, readConfig } from '@platform/config';
import { rollUpOf } from '../../apps/api/src/metering-commands.js';
import type { Api } from '../../apps/api/src/create-app.js';
import { createTestDatabase, type TestDatabase } from './database.js';

export interface ApiDatabase extends TestDatabase {
  /** Reads as the superuser: what is really there. */
  rows(sql: string): Promise<Record<string, unknown>[]>;
}

export async function createDatabase(): Promise<ApiDatabase> {
  const database = await createTestDatabase();
  return {
    ...database,
    rows: async (sql) => {
      const client = new pg.Client({ connectionString: database.ownerUrl });
      await client.connect();
      try {
        return (await client.query<Record<string, unknown>>(sql)).rows;
      } finally {
        await client.end();
      }
    },
  };
}

/** The configuration of an api process on the shared test servers; `changes` are environment variables. */
export function apiConfig(database: TestDatabase, changes: Readonly<Record<string, string>> = {}): Config {
  const queue = new URL(database.appUrl);
  queue.username = 'farebox_queue';
  return readConfig({
    NODE_ENV: 'test',
    DATABASE_URL: database.appUrl,
    DATABASE_WRITER_URL: database.writerUrl,
    DATABASE_POOL: '5',
    REDIS_URL: process.env['TEST_REDIS_URL'],
    QUEUE_DATABASE_URL: queue.href,
    PUBLIC_URL: 'http://127.0.0.1:3000',
    KEY_PEPPER: 'the pepper of the tests, which is long enough',
    QUOTE_SECRET: 'the quote secret of the tests, long enough too',
    CHAIN_RPC_URL: process.env['TEST_CHAIN_URL'],
    CHAIN_ID: '84532',
    ...changes,
  });
}

/** A key of a provider, which is made as well when none is given. */
export async function makeKey(
  { rim: { database, ids, clock, config } }: Api,
  wanted: { readonly scopes: readonly KeyScope[]; readonly provider?: string },
): Promise<{ readonly provider: string; readonly key: string; readonly id: string }> {
  const provider =
    wanted.provider ??
    (await new CreateProvider(database, ids, clock).run({ name: 'Test provider', payTo: `0x${'7e'.repeat(20)}` })).id;
  const { key, text } = await new CreateKey(database, ids, clock, config.KEY_PEPPER).run({
    provider,
    name: 'test',
    scopes: wanted.scopes,
    environment: 'test',
  });
  return { provider, key: text, id: key.id };
}

export interface Called {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // The shape of an answer is what the tests are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

/** One request over the network. A body that is a string goes out as it is, anything else as JSON. */
export async function call(
  url: string,
  method: string,
  path: string,
  options: {
    readonly key?: string | undefined;
    readonly body?: unknown;
    readonly type?: string | undefined;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Called> {
  const { key, body, type = 'application/json' } = options;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': type }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** Rolls up what was received, as the worker does: where a test runs without one. */
export async function rollUp({ rim }: Api): Promise<void> {
  await rollUpOf(rim).run({ through: 'now' });
}

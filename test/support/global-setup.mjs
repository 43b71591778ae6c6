import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../tools/migrate.mjs';
import { prepare } from '../../tools/prepare.mjs';
import { startChain } from '../../tools/servers/chain.mjs';
import { placeChannels } from '../../tools/servers/channels.mjs';
import { ensureDatabase, sealTemplate, startPostgres } from '../../tools/servers/postgres.mjs';
import { startRedis } from '../../tools/servers/redis.mjs';
import { placeUsdc } from '../../tools/servers/usdc.mjs';

const TEMPLATE = 'farebox_template';

/**
 * Starts what the tests share: PostgreSQL with a migrated template to copy, Redis where there is one, a chain with USDC.
 * Tests learn of it by TEST_PG_URL (the superuser's, without a database), TEST_TEMPLATE, TEST_REDIS_URL (absent without
 * Redis) and TEST_CHAIN_URL. A test file that cannot share a server starts its own.
 */
export default async function setUp() {
  const servers = { folder: mkdtempSync(join(tmpdir(), 'farebox-test-')), started: [] };
  globalThis.fareboxTestServers = servers;
  chmodSync(servers.folder, 0o755); // PostgreSQL may run as another account.
  stopOnSignals(servers);
  try {
    // All are awaited, so that a failure of one leaves none behind that is still starting.
    const ready = await Promise.allSettled([database(servers), redis(servers), chain(servers)]);
    for (const { status, reason } of ready) if (status === 'rejected') throw reason;
  } catch (error) {
    await stopAll(servers);
    throw error;
  }
}

async function database(servers) {
  const [postgres] = await Promise.all([
    startPostgres({
      dir: join(servers.folder, 'postgres'),
      durable: false,
      settings: { max_connections: 300 },
    }).then((server) => started(servers, server)),
    prepare(),
  ]);
  await migrate(await ensureDatabase(postgres.url, TEMPLATE));
  await sealTemplate(postgres.url, TEMPLATE);
  process.env.TEST_PG_URL = postgres.url;
  process.env.TEST_TEMPLATE = TEMPLATE;
}

async function redis(servers) {
  const server = started(servers, await startRedis({ dir: join(servers.folder, 'redis') }));
  if (server.url === undefined) {
    delete process.env.TEST_REDIS_URL;
    console.warn(`\n${server.how}`);
  } else {
    process.env.TEST_REDIS_URL = server.url;
  }
}

async function chain(servers) {
  const server = started(servers, await startChain());
  await placeUsdc(server.url);
  await placeChannels(server.url);
  process.env.TEST_CHAIN_URL = server.url;
}

function started(servers, server) {
  servers.started.push(server);
  return server;
}

/** Also called by the teardown. */
export async function stopAll({ folder, started: servers }) {
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
}

/** Jest ends at once on Ctrl-C and runs no teardown. */
function stopOnSignals(servers) {
  for (const [signal, number] of Object.entries({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 })) {
    process.once(signal, () => {
      stopAll(servers).finally(() => process.exit(128 + number));
    });
  }
  process.once('exit', () => rmSync(servers.folder, { recursive: true, force: true }));
}

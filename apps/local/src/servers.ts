import { migrate } from '../../../tools/migrate.mjs';
import { type Chain, startChain } from '../../../tools/servers/chain.mjs';
import { placeChannels } from '../../../tools/servers/channels.mjs';
import { ensureDatabase, startPostgres } from '../../../tools/servers/postgres.mjs';
import { startRedis } from '../../../tools/servers/redis.mjs';
import { rpc } from '../../../tools/servers/rpc.mjs';
import { type LocalUsdc, placeUsdc } from '../../../tools/servers/usdc.mjs';
import { refuseOtherChain } from './chain-memory.js';
import type { DataFolder } from './data-folder.js';
import type { Ports } from './ports.js';
import { report } from './progress.js';
import type { Running } from './running.js';

/** What everything else stands on. */
export interface Servers {
  /** One URL for each role of the database. */
  readonly database: Readonly<Record<'app' | 'writer' | 'auditor' | 'queue', string>>;
  /** Absent where no Redis is to be had: then the queues are in PostgreSQL. */
  readonly redisUrl: string | undefined;
  readonly chain: Chain;
  readonly usdc: LocalUsdc;
}

/** As on Base. */
const BLOCK_SECONDS = 2;
/** The test mnemonic's first accounts, ours among them, are given ether. */
const FUNDED_ACCOUNTS = 10;
/** api and worker hold four pools between them, and people look in as well. */
const CONNECTIONS = 200;

/** PostgreSQL, Redis and the chain side by side; then the tables. One line each, in this order. */
export async function startServers(data: DataFolder, ports: Ports, running: Running): Promise<Servers> {
  const postgres = startDatabase(data, ports, running);
  const redis = startQueues(data, ports, running);
  const chain = startLocalChain(data, ports, running);
  // Whichever fails first ends the start; the others are then stopped as they arrive.
  await Promise.all([
    postgres.then(({ server }) => report(`PostgreSQL on port ${server.port}, its data in ${server.data}`)),
    Promise.all([postgres, redis]).then(([, { how, url }]) =>
      report(sentence(url === undefined ? how : `${how}, at ${url}`)),
    ),
    Promise.all([postgres, redis, chain]).then(([, , { server }]) =>
      report(
        `Chain ${server.url} (anvil, chain id 84532, a block every ${BLOCK_SECONDS} s) with USDC, channels and Multicall3` +
          (server.restored ? ', taken up where it was left' : ''),
      ),
    ),
  ]);
  const { ownerUrl } = await postgres;
  await migrate(ownerUrl);
  report('Migrations');

  const { server, usdc } = await chain;
  await refuseOtherChain(ownerUrl, server.url);
  const as = (role: string): string => ownerUrl.replace('//postgres@', `//farebox_${role}@`);
  return {
    database: { app: as('app'), writer: as('writer'), auditor: as('auditor'), queue: as('queue') },
    redisUrl: (await redis).url,
    chain: server,
    usdc,
  };
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

async function startDatabase(data: DataFolder, ports: Ports, running: Running) {
  const server = await running.addServer(
    await startPostgres({
      dir: data.postgres,
      port: ports.postgres,
      log: data.logOf('postgres'),
      settings: { max_connections: CONNECTIONS },
    }),
  );
  return { server, ownerUrl: await ensureDatabase(server.url, 'farebox') };
}

async function startQueues(data: DataFolder, ports: Ports, running: Running) {
  const redis = await startRedis({ dir: data.redis, port: ports.redis, persist: true, given: process.env.REDIS_URL });
  if (redis.pid === undefined) return redis;
  return running.addServer(redis);
}

async function startLocalChain(data: DataFolder, ports: Ports, running: Running) {
  const server = await running.addServer(
    await startChain({
      port: ports.chain,
      blockTime: BLOCK_SECONDS,
      state: data.chain,
      accounts: FUNDED_ACCOUNTS,
      log: data.logOf('chain'),
    }),
  );
  const usdc = await placeUsdc(server.url);
  await placeChannels(server.url);
  // A chain taken up again stands at its old last block; nobody should have to wait for the next one to see it live.
  await rpc(server.url, 'evm_mine');
  return { server, usdc };
}

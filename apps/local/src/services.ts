import { join } from 'node:path';
import { root } from '../../../tools/root.mjs';
import { CHAIN_ID } from '../../../tools/servers/chain.mjs';
import { type Server, startServer, untilReady } from '../../../tools/servers/process.mjs';
import type { DataFolder } from './data-folder.js';
import type { Ports } from './ports.js';
import type { Running } from './running.js';
import type { Secrets } from './secrets.js';
import type { Servers } from './servers.js';
import type { Wallets } from './wallets.js';

/** Blocks on top of one that make it final here: there is nobody to reorganise a chain of our own. */
export const FINALITY_BLOCKS = 3;

const READY_WITHIN_MS = 60_000;

export interface Services {
  readonly apiUrl: string;
  readonly workerUrl: string;
}

/**
 * What api and worker read: the variables of a deployment, with the local servers in them. Nothing else of our own
 * environment reaches them, so that a DATABASE_URL in somebody's shell cannot.
 */
function environmentOf(servers: Servers, ports: Ports, secrets: Secrets, wallets: Wallets): Record<string, string> {
  const kept = ['PATH', 'HOME', 'LANG', 'LOG_LEVEL', 'NODE_EXTRA_CA_CERTS'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    NODE_ENV: 'development',
    DATABASE_URL: servers.database.app,
    DATABASE_WRITER_URL: servers.database.writer,
    DATABASE_AUDIT_URL: servers.database.auditor,
    ...(servers.redisUrl === undefined
      ? { QUEUE_DATABASE_URL: servers.database.queue }
      : { REDIS_URL: servers.redisUrl }),
    API_HOST: '127.0.0.1',
    API_PORT: String(ports.api),
    WORKER_PORT: String(ports.worker),
    PUBLIC_URL: `http://127.0.0.1:${ports.api}`,
    KEY_PEPPER: secrets.keyPepper,
    QUOTE_SECRET: secrets.quoteSecret,
    CHAIN_RPC_URL: servers.chain.url,
    CHAIN_ID: String(CHAIN_ID),
    CHAIN_FINALITY: String(FINALITY_BLOCKS),
    CHAIN_POLL_MS: '500',
    RELAYER_KEYS: wallets.relayers.map(({ privateKey }) => privateKey).join(','),
  };
}

/** Starts api and worker as processes of their own and waits until both say that they are ready. */
export async function startServices(
  parts: { servers: Servers; ports: Ports; secrets: Secrets; wallets: Wallets; data: DataFolder },
  running: Running,
): Promise<Services> {
  const { servers, ports, secrets, wallets, data } = parts;
  const env = environmentOf(servers, ports, secrets, wallets);
  const startApp = async (app: 'api' | 'worker', name: string, url: string): Promise<void> => {
    const server = await running.addServer(
      startServer({
        name,
        file: process.execPath,
        args: ['--enable-source-maps', join(root, 'dist/apps', app, 'main.js')],
        log: data.logOf(app),
        cwd: root,
        env,
      }),
    );
    await untilReadyAt(server, url);
  };
  const services = { apiUrl: `http://127.0.0.1:${ports.api}`, workerUrl: `http://127.0.0.1:${ports.worker}` };
  await Promise.all([
    startApp('api', 'The api', services.apiUrl),
    startApp('worker', 'The worker', services.workerUrl),
  ]);
  return services;
}

async function untilReadyAt(server: Server, url: string): Promise<void> {
  const isReady = async (): Promise<boolean> => {
    const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) });
    if (answer.ok) return true;
    throw new Error(`${url}/health/ready answers ${answer.status}: ${await answer.text()}`);
  };
  await untilReady(server, isReady, { deadlineMs: READY_WITHIN_MS });
}

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../tools/root.mjs';
import { CHAIN_ID } from '../../../tools/servers/chain.mjs';
import { SERVER_FLAGS } from '../../../tools/servers/node-flags.mjs';
import { type Server, startServer, untilReady } from '../../../tools/servers/process.mjs';
import type { DataFolder } from './data-folder.js';
import type { Ports } from './ports.js';
import type { Running } from './running.js';
import type { Secrets } from './secrets.js';
import type { LocalStripe } from './local-stripe.js';
import type { Servers } from './servers.js';
import type { Wallets } from './wallets.js';

/** Blocks on top of one that make it final here: there is nobody to reorganise a chain of our own. */
const FINALITY_BLOCKS = 3;

const READY_WITHIN_MS = 60_000;

export interface Services {
  readonly apiUrl: string;
  readonly workerUrl: string;
}

interface ServiceParts {
  readonly servers: Servers;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly wallets: Wallets;
  readonly stripe: LocalStripe;
}

/** What api, worker and the commands read: the variables of a deployment, with the local servers in them. */
function variablesOf({ servers, ports, secrets, wallets, stripe }: ServiceParts): Record<string, string> {
  return {
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
    SIGNING_KEYS: secrets.signingKey,
    CHAIN_RPC_URL: servers.chain.url,
    CHAIN_ID: String(CHAIN_ID),
    CHAIN_FINALITY: String(FINALITY_BLOCKS),
    CHAIN_POLL_MS: '500',
    RATE_AFTER_MS: '1000',
    RELAYER_KEYS: wallets.relayers.map(({ privateKey }) => privateKey).join(','),
    UPTO_FACILITATORS: wallets.relayers.map(({ address }) => address).join(','),
    CHANNEL_AUTHORIZER_KEY: wallets.authorizer.privateKey,
    CLAIM_AFTER_SECONDS: '60',
    // Who tries webhooks here receives them on this machine.
    WEBHOOK_LOOPBACK: 'true',
    ...stripe.variables,
  };
}

/**
 * Those of our own environment that api and worker are given as well. No others, so that a DATABASE_URL in somebody's
 * shell cannot reach them.
 */
const HANDED_ON = ['PATH', 'HOME', 'LANG', 'LOG_LEVEL', 'NODE_EXTRA_CA_CERTS'];

function ownVariables(): Record<string, string> {
  const given = HANDED_ON.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** A file that a shell reads, for commands such as `npm run verify`. It holds secrets: nobody else may read it. */
function writeVariables(file: string, variables: Readonly<Record<string, string>>): void {
  const lines = Object.entries(variables).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(file, lines.join(''), { mode: 0o600 });
  chmodSync(file, 0o600);
}

/** Starts api and worker as processes of their own and waits until both say that they are ready. */
export async function startServices(
  parts: ServiceParts & { readonly data: DataFolder },
  running: Running,
): Promise<Services> {
  const { ports, data } = parts;
  const variables = variablesOf(parts);
  writeVariables(data.environment, variables);
  const startApp = async (app: 'api' | 'worker', name: string, url: string): Promise<void> => {
    const server = await running.addServer(
      startServer({
        name,
        file: process.execPath,
        args: ['--enable-source-maps', ...SERVER_FLAGS, join(root, 'dist/apps', app, 'main.js')],
        log: data.logOf(app),
        cwd: root,
        env: { ...ownVariables(), ...variables },
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

import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { answers } from '../../../tools/servers/ports.mjs';
import { type Server, startServer, untilReady } from '../../../tools/servers/process.mjs';
import { root } from '../../../tools/root.mjs';

const loader = join(root, 'tools/register-typescript.mjs');

export interface Script {
  readonly name: string;
  /** Path of the TypeScript file from the top of the repository. */
  readonly file: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly port: number;
  /** Folder for what it prints. */
  readonly logs: string;
  /** When it can be used, besides listening. */
  readonly isReady?: () => Promise<boolean>;
}

/** Starts a server under test in a process of its own, as in production, and waits until it can be used. */
export async function startScript({ name, file, environment, port, logs, isReady }: Script): Promise<Server> {
  const server = startServer({
    name,
    file: execPath,
    args: ['--import', loader, join(root, file)],
    // NODE_OPTIONS comes along, so that a bench can be run with --cpu-prof.
    env: { PATH: env['PATH'], HOME: env['HOME'], NODE_OPTIONS: env['NODE_OPTIONS'], NODE_ENV: 'production', ...environment },
    log: join(logs, `${name.replaceAll(/\W+/g, '-')}.log`),
  });
  await untilReady(server, async () => (await answers(port)) && (isReady === undefined || (await isReady())));
  return server;
}

/** Whether a health page says yes. */
export const healthy = async (url: string): Promise<boolean> =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { SERVER_FLAGS } from '../../../tools/servers/node-flags.mjs';
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
    // BENCH_NODE_ARGS='--cpu-prof --cpu-prof-dir=…' shows where the servers spend their time.
    args: [
      ...SERVER_FLAGS,
      ...(env['BENCH_NODE_ARGS'] ?? '').split(' ').filter(Boolean),
      '--import',
      loader,
      join(root, file),
    ],
    env: { PATH: env['PATH'], HOME: env['HOME'], NODE_ENV: 'production', ...environment },
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

/** Linux counts processor time in hundredths of a second. */
const TICKS = 100;

/** Processor time that servers have taken so far, in seconds; undefined where the system does not say. */
export function cpuSeconds(servers: readonly Pick<Server, 'pid'>[]): number | undefined {
  let ticks = 0;
  for (const { pid } of servers) {
    const file = `/proc/${pid}/stat`;
    if (!existsSync(file)) return undefined;
    // After the name, which may hold anything: the 12th and 13th field are what it took in user and in system mode.
    const fields = readFileSync(file, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

/**
 * Processor time that a PostgreSQL server has taken so far, with all its sessions, those that ended included; undefined where the
 * system does not say. `data`: its data folder.
 */
export function postgresCpuSeconds(data: string): number | undefined {
  const pid = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n', 1)[0] ?? '';
  const list = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(list)) return undefined;
  const fieldsOf = (of: string): readonly number[] => {
    try {
      return (readFileSync(`/proc/${of}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []).map(Number);
    } catch {
      return []; // It has ended meanwhile, and the server has its time.
    }
  };
  const taken = (fields: readonly number[], from: number): number => (fields[from] ?? 0) + (fields[from + 1] ?? 0);
  const sessions = readFileSync(list, 'utf8').split(' ').filter(Boolean);
  // Of the server itself also what it waited for: its sessions that ended.
  const own = fieldsOf(pid);
  return (taken(own, 11) + taken(own, 13) + sessions.reduce((sum, of) => sum + taken(fieldsOf(of), 11), 0)) / TICKS;
}

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:net';
import { dataFolder } from '../root.mjs';
import { answers, freePort } from './ports.mjs';
import { onPath, startServer, untilReady } from './process.mjs';
import { unpackRedis } from './redis-package.mjs';

export async function startRedis({ dir, port, persist = false, cache = join(dataFolder, 'cache'), given }) {
  if (given !== undefined && given !== '') return useGiven(given);
  const { found, how } = await findRedis(cache);
  if (found === undefined) return { url: undefined, how, stop: () => Promise.resolve() };

  mkdirSync(dir, { recursive: true });
  const chosen = port ?? (await freePort());
  const options = {
    bind: '127.0.0.1',
    port: chosen,
    dir,
    // BullMQ keeps jobs here: evicting one would lose work.
    'maxmemory-policy': 'noeviction',
    save: '',
    appendonly: persist ? 'yes' : 'no',
  };
  const server = startServer({
    name: 'Redis',
    file: found.file,
    args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    env: found.env,
    log: join(dir, 'redis.log'),
  });
  await untilReady(server, () => pings(chosen));
  return Object.assign(server, { url: `redis://127.0.0.1:${chosen}`, port: chosen, how });
}

async function useGiven(url) {
  const { hostname, port } = new URL(url);
  if (!(await answers(Number(port || 6379), hostname))) {
    throw new Error(`REDIS_URL is set, but nothing answers at ${hostname}:${port || 6379}`);
  }
  return { url, how: 'Redis of REDIS_URL', stop: () => Promise.resolve() };
}

async function findRedis(cache) {
  const installed = onPath('valkey-server', 'redis-server');
  if (installed !== undefined) return { found: { file: installed, env: process.env }, how: `Redis from ${installed}` };
  const { found, reason } =
    process.env.FAREBOX_NO_APT === '1' ? { reason: 'FAREBOX_NO_APT is set' } : await unpackRedis(cache);
  if (found !== undefined) return { found, how: "Redis from the distribution's package, unpacked without installing" };
  return { how: `no Redis here (${reason}): the queues run on PostgreSQL` };
}

/** A server still loading its file accepts connections and answers with an error. */
function pings(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    const done = (yes) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', (bytes) => done(bytes.toString('latin1').startsWith('+PONG')));
    socket.once('error', () => done(false));
    socket.setTimeout(1_000, () => done(false));
  });
}

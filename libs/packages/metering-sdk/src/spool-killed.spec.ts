import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../test/hand-clock.js';
import { IngestStandIn, type Misbehaviour } from '../test/ingest-stand-in.js';
import { scratchFolder } from '../test/scratch-folder.js';
import { Metering } from './index.js';
import { diskSpool } from './spool.js';

// The host process dies by SIGKILL, again and again, at moments that chance picks, while the server fails as well. What
// `record` resolved is stored once; what it did not resolve is stored once or not at all.

const ROUNDS = 12;
const CHILD = join(__dirname, '../test/spooling-child.ts');

let server: IngestStandIn;
let folder: ReturnType<typeof scratchFolder>;

beforeEach(async () => {
  server = await IngestStandIn.start();
  folder = scratchFolder();
});
afterEach(async () => {
  await server.stop();
  folder.remove();
});

function misbehaveAtRandom(): Misbehaviour | undefined {
  const chance = Math.random();
  if (chance < 0.05) return 'hang up';
  if (chance < 0.15) return 'take and hang up';
  return chance < 0.2 ? { status: 503 } : undefined;
}

function start(dir: string, log: string, round: number): { child: ChildProcess; said: () => string } {
  const args = ['--import', './tools/register-typescript.mjs', CHILD, server.url, dir, log, String(round)];
  // Node 26 warns of the way in which the TypeScript loader is put in.
  const child = spawn(process.execPath, ['--disable-warning=DEP0205', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr?.on('data', (chunk) => (errors += String(chunk)));
  return { child, said: () => errors };
}

const sizeOf = (log: string): number => statSync(log, { throwIfNoEntry: false })?.size ?? 0;
const linesOf = (log: string): string[] => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : []);

it(`stores once what was recorded, through ${ROUNDS} kills of the process`, async () => {
  const dir = join(folder.path, 'spool');
  const logs: string[] = [];
  let requestsAtRest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const log = join(folder.path, `log-${round}`);
    logs.push(log);
    // Every third process finds no network at all: all it does stays on disk.
    server.misbehave = round % 3 === 2 ? () => 'hang up' : misbehaveAtRandom;
    const { child, said } = start(dir, log, round);
    const exited = once(child, 'exit');
    const bytes = 1 + Math.floor(Math.random() * 20_000);
    const requests = server.requests.length + Math.floor(Math.random() * 30);
    await until(() => child.exitCode !== null || (sizeOf(log) >= bytes && server.requests.length >= requests), 60_000);
    expect([child.exitCode, said()]).toEqual([null, '']);
    child.kill('SIGKILL');
    await exited;
    requestsAtRest = server.requests.length;
  }

  server.misbehave = () => undefined;
  const last = new Metering({ url: server.url, key: 'k', source: '/killed', spool: diskSpool({ dir }) });
  const { recovered } = last.counters();
  expect(await last.close({ deadlineMs: 60_000 })).toEqual({ complete: true, unsent: 0 });

  const lines = logs.flatMap(linesOf);
  const tried = new Set(lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1)));
  const taken = lines.filter((line) => line.startsWith('=')).map((line) => line.slice(1));
  const stored = [...server.taken.values()].map(({ data }) => data?.dimensions?.name ?? '');
  expect(new Set(stored).size).toBe(stored.length);
  const storedOnce = new Set(stored);
  expect(taken.filter((name) => !storedOnce.has(name))).toEqual([]);
  expect(stored.filter((name) => !tried.has(name))).toEqual([]);
  expect(server.unreadable).toEqual([]);
  expect(taken.length).toBeGreaterThan(1_000);
  expect(recovered + requestsAtRest).toBeGreaterThan(0);

  // No number of the stream was skipped, and none carried two contents (the server would have refused it).
  const streamed = server.requests.map(([id]) => id ?? '').filter((id) => id.endsWith('.0'));
  expect(new Set(streamed.map((id) => id.split('.')[0])).size).toBe(1);
  const numbers = new Set(streamed.map((id) => Number(id.split('.')[1])));
  expect(Math.max(...numbers)).toBe(numbers.size);
}, 180_000);

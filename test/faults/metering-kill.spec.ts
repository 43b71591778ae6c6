import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metering } from '@farebox/metering';
import { diskSpool } from '@farebox/metering/spool';
import { RebuildUsage } from '@features/metering';
import { Writer } from '@platform/database';
import { freePort } from '../../tools/servers/ports.mjs';
import { House } from '../support/house.js';
import { until } from '../support/until.js';
import { ACCOUNTS, accountOf, readLines, valueOf } from './sent-usage.js';

// A provider's process with the package and its spool, the api and the worker die by SIGKILL at moments that chance picks,
// while usage streams in and 2 % of it is sent twice. What the sender's own log says was taken is in the usage log once and
// in the derived rows once; what it set out to record and was not told is there once or not at all.

/** A hundred are for `KILLS=100`. */
const KILLS = Number(process.env['KILLS'] ?? 10);
const SLOW_MS = 120_000;

let house: House;
let folder: string;
let port: number;
let workerPort: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-kill-'));
  mkdirSync(join(folder, 'logs'));
  house = await House.build();
  port = await freePort();
  workerPort = await freePort();
  for (const name of ACCOUNTS) await created('/v1/accounts', { name });
  await created('/v1/meters', { name: 'killed.units', aggregation: 'sum', unit: 'unit' });
}, SLOW_MS);

afterAll(async () => {
  await house.close();
  rmSync(folder, { recursive: true, force: true });
});

async function created(path: string, body: object): Promise<void> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await house.call(path, init);
  if (response.status !== 201) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
}

type Name = 'sender' | 'api' | 'worker';
const running = new Map<Name, ChildProcess>();
const root = process.cwd();
let round = 0;

function start(name: Name): void {
  const [file, args, env] = {
    api: ['apps/api/src/main.ts', [], { API_PORT: String(port), API_HOST: '127.0.0.1' }] as const,
    worker: ['apps/worker/src/main.ts', [], { WORKER_PORT: String(workerPort) }] as const,
    sender: [
      'test/faults/usage-sender.ts',
      [`http://127.0.0.1:${port}`, house.key, join(folder, 'spool'), join(folder, 'logs'), String((round += 1))],
      {},
    ] as const,
  }[name];
  const loader = ['--import', join(root, 'tools/register-typescript.mjs'), join(root, file)];
  const child = spawn(process.execPath, [...loader, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...house.environment, LOG_LEVEL: 'fatal', ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // The house ends what is left running when a test fails.
  house.processes.add(child);
  child.once('exit', () => house.processes.delete(child));
  running.set(name, child);
}

async function kill(name: Name): Promise<void> {
  const child = running.get(name);
  if (!child) throw new Error(`no ${name} runs`);
  expect([name, child.exitCode, child.signalCode]).toEqual([name, null, null]);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

const below = (bound: number): number => Math.floor(Math.random() * bound);

async function number(sql: string): Promise<number> {
  const { rows } = await house.owner.query<{ n: string }>(`SELECT (${sql})::text AS n`);
  return Number(rows[0]?.n);
}

const logs = (): string[] => readdirSync(join(folder, 'logs')).map((file) => join(folder, 'logs', file));
const logged = (): number => logs().reduce((bytes, file) => bytes + statSync(file).size, 0);
const entries = (): Promise<number> => number('SELECT last_value FROM usage_log_position');
const rolledUp = (): Promise<number> => number("SELECT position FROM usage_cursors WHERE name = 'roll-up'");

/** Lets usage flow a little, or a little more: until this much was recorded, stored, and rolled up since. */
async function flow(): Promise<void> {
  const now = async (): Promise<readonly number[]> => [logged(), await entries(), await rolledUp()];
  const least = (await now()).map((before, i) => before + below([60_000, 30, 10][i] ?? 0));
  let seen: readonly number[] = [];
  const reached = async (): Promise<boolean> => {
    seen = await now();
    for (const [name, { exitCode }] of running)
      if (exitCode !== null) throw new Error(`the ${name} ended with ${exitCode}`);
    return seen.every((figure, i) => figure >= (least[i] ?? 0));
  };
  await until('usage to flow', reached, undefined, SLOW_MS).catch((cause: unknown) => {
    throw new Error(`logged, stored, rolled up: ${seen.join(', ')} instead of ${least.join(', ')}`, { cause });
  });
}

interface Entry {
  readonly body: string;
  readonly skip: readonly number[] | null;
  readonly ordinals: readonly number[] | null;
}

interface Body {
  readonly dimensions?: readonly { readonly name?: string }[];
  readonly columns: { readonly dimensions?: readonly (number | null)[] };
}

/** The names of all events in the usage log that count. */
async function storedNames(): Promise<string[]> {
  const { rows } = await house.owner.query<Entry>(
    'SELECT l.body, l.skip, s.ordinals FROM usage_log l LEFT JOIN usage_skips s USING (position) ORDER BY l.position',
  );
  return rows.flatMap(({ body, skip, ordinals }) => {
    const { dimensions = [], columns } = JSON.parse(body) as Body;
    const skipped = new Set([...(skip ?? []), ...(ordinals ?? [])]);
    return (columns.dimensions ?? []).flatMap((entry, i) =>
      skipped.has(i) ? [] : [dimensions[entry ?? -1]?.name ?? 'an event without a name'],
    );
  });
}

/** What the cells of a size add up to, by account. */
async function cells(grain: 15 | 1440): Promise<Record<string, string>> {
  const { rows } = await house.owner.query<{ name: string; what: string }>(
    `SELECT a.name, sum(c.count)::text || ' events, ' || trim_scale(sum(c.sum))::text AS what
    FROM usage_cells c JOIN accounts a ON a.number = c.account WHERE c.grain = $1 GROUP BY 1`,
    [grain],
  );
  return Object.fromEntries(rows.map(({ name, what }) => [name, what]));
}

function sumsOf(names: readonly string[]): Record<string, string> {
  const sums = new Map<string, { events: number; units: number }>();
  for (const name of names) {
    const { events, units } = sums.get(accountOf(name)) ?? { events: 0, units: 0 };
    sums.set(accountOf(name), { events: events + 1, units: units + valueOf(name) });
  }
  return Object.fromEntries([...sums].map(([name, { events, units }]) => [name, `${events} events, ${units}`]));
}

it(
  `counts once what was sent, through ${KILLS} kills`,
  async () => {
    for (const name of ['worker', 'api', 'sender'] as const) start(name);
    for (let i = 0; i < KILLS; i += 1) {
      await flow();
      const victims = ([['sender'], ['api'], ['sender', 'api'], ['worker'], ['api', 'worker']] as const)[
        i < 5 ? i : below(5)
      ] ?? ['api'];
      await Promise.all(victims.map(kill));
      for (const name of victims) start(name);
    }
    await flow();
    await kill('sender');

    const last = new Metering({
      url: `http://127.0.0.1:${port}`,
      key: house.key,
      source: '/killed',
      spool: diskSpool({ dir: join(folder, 'spool') }),
    });
    expect(await last.close({ deadlineMs: SLOW_MS })).toEqual({ complete: true, unsent: 0 });
    const end = await entries();
    await until('the roll-up to catch up', async () => (await rolledUp()) >= end, undefined, SLOW_MS);

    const lines = logs().flatMap((file) => readLines(readFileSync(file, 'utf8')));
    const tried = lines.filter(({ mark }) => mark === '+');
    const taken = lines.filter(({ mark }) => mark === '=');
    const stored = await storedNames();
    const [triedNames, storedOnce] = [new Set(tried.map(({ name }) => name)), new Set(stored)];
    expect(stored.length - storedOnce.size).toBe(0);
    expect(taken.filter(({ name }) => !storedOnce.has(name))).toEqual([]);
    expect(stored.filter((name) => !triedNames.has(name))).toEqual([]);
    expect(await cells(15)).toEqual(sumsOf(stored));
    expect(await cells(1440)).toEqual(sumsOf(stored));
    expect(await number('SELECT count(*) FROM usage_held')).toBe(0);

    // No number of a stream is missing, and live is what a rebuild would make.
    expect(await number('SELECT count(*) FROM usage_streams WHERE complete_through < highest')).toBe(0);
    const writer = new Writer(house.db.writerUrl, 2);
    const differences = await new RebuildUsage(writer).compare({ provider: house.provider });
    await writer.close();
    expect(differences).toEqual([]);

    const twice = tried.length - triedNames.size;
    process.stdout.write(
      `${KILLS} kills: ${tried.length} recorded (${twice} of them again), ${taken.length} taken, ${stored.length} stored\n`,
    );
    expect(twice).toBeGreaterThan(0);
  },
  KILLS * 60_000 + 10 * SLOW_MS,
);

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import type { ClosePlace } from '@core/statements';
import { addMs, type Instant, instant, monthOf } from '@core/time';
import { VerifyBooks } from '@features/finance';
import { Auditor } from '@platform/database';
import { billedAccounts } from '../support/billed-accounts.js';
import { createTestDatabase, seedProvider, type TestDatabase } from '../support/database.js';
import { USDC } from '../support/rating-scene.js';

// The command that closes billing periods dies by SIGKILL at each of its named places, and at moments that chance picks, while two of it
// run. Three missed months of every account come out as they do for a provider nobody was killed over: each statement once, numbered
// without a gap, and a number that was given once is never given to another.

/** At moments that chance picks; more are for `KILLS=50`. */
const KILLS = Number(process.env['KILLS'] ?? 2);
const ACCOUNTS = 150;
/** Due anew before each kill at random, so that there is something to be killed over. */
const MORE = 100;
const MONTHS = 3;
const SLOW_MS = 120_000;
const PLACES: readonly ClosePlace[] = [
  'close.rated',
  'close.locked',
  'close.issued',
  'close.posted',
  'close.before-commit',
  'close.committed',
];

let db: TestDatabase;
let owner: pg.Client;
let killed: string;
let spared: string;
const children = new Set<ChildProcess>();

const monthsAgo = (count: number): Instant => {
  let { start } = monthOf(instant(Date.now()));
  for (let i = 0; i < count; i += 1) ({ start } = monthOf(addMs(start, -1)));
  return start;
};

beforeAll(async () => {
  db = await createTestDatabase();
  owner = new pg.Client({ connectionString: db.ownerUrl });
  await owner.connect();
  [killed, spared] = await Promise.all([seedProvider(db), seedProvider(db)]).then((two) => [
    two[0].provider,
    two[1].provider,
  ]);
  await owe(ACCOUNTS, '');
}, SLOW_MS);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await owner.end();
  await db.drop();
});

/** The same accounts for both providers, with three months that nobody closed. */
async function owe(accounts: number, mark: string): Promise<void> {
  for (const [provider, whose] of [
    [killed, 'killed '],
    [spared, 'spared '],
  ] as const)
    await billedAccounts(owner, {
      provider,
      asset: USDC.id,
      accounts,
      start: monthsAgo(MONTHS),
      end: monthsAgo(MONTHS - 1),
      charged: Array.from({ length: MONTHS }, (_, i) => addMs(monthsAgo(MONTHS - i), 86_400_000)),
      mark: `${whose}${mark}`,
    });
}

/** What an operator runs. */
function close(provider: string, crashAt?: ClosePlace): ChildProcess {
  const root = process.cwd();
  const file = join(root, 'apps/worker/src/commands/close.ts');
  const child = spawn(
    process.execPath,
    ['--import', join(root, 'tools/register-typescript.mjs'), file, '--provider', provider],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        NODE_ENV: 'test',
        DATABASE_URL: db.appUrl,
        DATABASE_WRITER_URL: db.writerUrl,
        QUEUE_DATABASE_URL: db.ownerUrl,
        PUBLIC_URL: 'http://127.0.0.1:3000',
        KEY_PEPPER: 'pepper-of-the-tests-which-is-long-enough',
        QUOTE_SECRET: 'quotes-of-the-tests-are-sealed-with-this',
        CHAIN_RPC_URL: 'http://127.0.0.1:1',
        CHAIN_ID: '84532',
        ...(crashAt === undefined ? {} : { CRASH_AT: crashAt }),
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** How it ended: a signal's name, or its exit code. */
async function ended(child: ChildProcess): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.signalCode ?? String(child.exitCode);
}

interface Issued {
  readonly id: string;
  readonly number: number;
  readonly what: string;
}

async function issued(provider: string): Promise<Issued[]> {
  const { rows } = await owner.query<Issued>(
    `SELECT s.id, s.number::integer AS number, substr(a.name, 8) || ' ' || s.period_start || ' ' || s.period_end || ' ' || s.opening || ' ' || s.charges
       || ' ' || s.adjustments || ' ' || s.closing || ' ' || s.due || ' ' || t.amount AS what
     FROM statements s JOIN accounts a ON a.id = s.account_id
       JOIN transfers t ON t.provider_id = s.provider_id AND t.posting_key = 'bill:' || s.id || ':due'
     WHERE s.provider_id = $1 ORDER BY s.number`,
    [provider],
  );
  return rows;
}

const given = new Map<number, string>();

/** Nothing half done is ever to be seen, and what was given stays given. */
async function soundSoFar(): Promise<number> {
  const statements = await issued(killed);
  expect(statements.map(({ number }) => number)).toEqual(statements.map((_, i) => i + 1));
  for (const { id, number } of statements) {
    expect(given.get(number) ?? id).toBe(id);
    given.set(number, id);
  }
  expect(given.size).toBe(statements.length);
  const auditor = new Auditor(db.auditUrl);
  const findings = await new VerifyBooks(auditor, []).run();
  await auditor.close();
  expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  return statements.length;
}

const below = (bound: number): number => Math.floor(Math.random() * bound);

/** Lets a closer come to where it works, and a little or a lot further. */
async function letRun(child: ChildProcess): Promise<void> {
  const atWork = async (): Promise<boolean> => {
    const { rows } = await owner.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND usename = 'farebox_writer' AND query <> ''",
    );
    return rows.length > 0;
  };
  while (child.exitCode === null && !(await atWork())) continue;
  for (let more = below(400); more > 0; more -= 1) await owner.query('SELECT 1');
}

it(
  `numbers every statement once and without a gap, killed at ${PLACES.length} places and ${KILLS} times at random`,
  async () => {
    const counts: number[] = [];
    for (const place of PLACES) {
      expect([place, await ended(close(killed, place))]).toEqual([place, 'SIGKILL']);
      counts.push(await soundSoFar());
    }
    // Killed before it commits, nothing is there; after, all of one round is.
    expect(counts).toEqual([0, 0, 0, 0, 0, ACCOUNTS]);
    for (let i = 0; i < KILLS; i += 1) {
      await owe(MORE, `round ${i} `);
      const [victim, other] = [close(killed), close(killed)];
      await letRun(victim);
      victim.kill('SIGKILL');
      // Every other time the one beside it goes on.
      if (i % 2 === 0) other.kill('SIGKILL');
      await Promise.all([ended(victim), ended(other)]);
      await soundSoFar();
    }
    expect(await ended(close(killed))).toBe('0');
    expect(await ended(close(spared))).toBe('0');
    const all = (ACCOUNTS + KILLS * MORE) * MONTHS;
    expect(await soundSoFar()).toBe(all);
    const what = async (provider: string) => (await issued(provider)).map((one) => one.what).sort();
    expect(await what(killed)).toEqual(await what(spared));
    expect(await ended(close(killed))).toBe('0');
    expect(await issued(killed)).toHaveLength(all);
  },
  (PLACES.length + KILLS + 4) * SLOW_MS,
);

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isFree } from '../../tools/servers/ports.mjs';

// The story of a first afternoon: `npm start`, a paying agent, Ctrl-C, and `npm start` again over what was kept.

const UP = /Ctrl-C stops everything/;
/** Below the ports that systems give out by themselves, and another place for each process that runs this file. */
const FIRST_PORT = 21_000 + (process.pid % 500) * 20;
const STARTED_WITHIN_MS = 55_000;

/** `npm start` as a person sees it. */
class Start {
  readonly #child: ChildProcess;
  output = '';
  readonly ended: Promise<number | null>;
  status: number | null | undefined;

  constructor(...flags: string[]) {
    const env = { ...process.env };
    delete env['REDIS_URL'];
    this.#child = spawn(process.execPath, ['tools/start.mjs', ...flags], { cwd: process.cwd(), env, stdio: 'pipe' });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.ended = new Promise((resolve) => this.#child.once('close', resolve));
    void this.ended.then((status) => (this.status = status));
  }

  /** Waits for a line; fails with everything that was printed when the process ends before. */
  async says(text: RegExp): Promise<void> {
    const end = Date.now() + STARTED_WITHIN_MS;
    while (!text.test(this.output)) {
      if (this.status !== undefined || Date.now() > end)
        throw new Error(`npm start did not say ${text}:\n${this.output}`);
      await pause(50);
    }
  }

  ctrlC(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return this.ended;
  }

  /** Everything that was started from here, as far as the system tells. */
  descendants(): number[] {
    const parents = new Map<number, number>();
    for (const name of existsSync('/proc') ? readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)) : []) {
      const parent = parentOf(Number(name));
      if (parent !== undefined) parents.set(Number(name), parent);
    }
    const below = (pid: number): number[] =>
      [...parents].filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)]);
    return this.#child.pid === undefined ? [] : below(this.#child.pid);
  }

  async finish(): Promise<void> {
    if (this.status === undefined) await this.ctrlC();
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

const isAlive = (pid: number): boolean => parentOf(pid) !== undefined;
const found = (text: string, pattern: RegExp): string => pattern.exec(text)?.[1] ?? `nothing matches ${pattern}`;

describe('npm start', () => {
  let folder: string;
  const starts: Start[] = [];
  const start = (...flags: string[]): Start => {
    const started = new Start(...flags);
    starts.push(started);
    return started;
  };
  const onData = (...flags: string[]): Start =>
    start('--data', join(folder, 'data'), '--port', String(FIRST_PORT), ...flags);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'farebox-start-'));
    // As root, PostgreSQL runs under another account.
    chmodSync(folder, 0o755);
  });

  afterAll(async () => {
    await Promise.all(starts.map((started) => started.finish()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses a flag it does not know, with the list of those it does', async () => {
    const mistaken = start('--frsh');
    expect(await mistaken.ended).toBe(1);
    expect(mistaken.output).toContain('--frsh');
    expect(mistaken.output).toContain('--fresh');
  });

  it('sells three things to a public client, keeps it all, and leaves nothing running', async () => {
    const first = onData();
    await first.says(UP);
    const said = first.output;
    const api = found(said, /api +(http:\S+)/);
    const demo = found(said, /demo provider +(http:\S+)/);
    const key = found(said, /FAREBOX_KEY=(\S+)/);

    const bought = [...said.matchAll(/Agent bought (.*): quoted (\S+) USDC, paid (\S+) USDC/g)].map((match) =>
      match.slice(2),
    );
    expect(said).toMatch(/paid 5 calls by vouchers of a channel: deposited \S+ USDC, charged 0\.005 USDC/);
    expect(said).toMatch(/paid 5 calls from a balance of 0\.1 USDC by showing a key: charged 0\.005 USDC/);
    expect(bought).toEqual([
      ['0.001', '0.001'],
      ['0.004', '0.004'],
      // 65,536 bytes for 3,600 s at 10⁻¹² USDC, rounded up to whole atomic units.
      ['0.000236', '0.000236'],
    ]);
    const paid = [...said.matchAll(/(pay_[0-9a-f]{32}) .* final +(0x[0-9a-f]{64})/g)];
    expect(paid).toHaveLength(3);
    expect(Number(found(said, /first paid call ([\d.]+) s/))).toBeGreaterThan(0);

    const ask = async (path: string): Promise<unknown> => {
      const answer = await fetch(`${api}${path}`, { headers: { authorization: `Bearer ${key}` } });
      expect(answer.status).toBe(200);
      return answer.json();
    };
    // The cost of gas is posted when a whole batch is final, a little after its payments.
    const usdcBalances = async (): Promise<unknown[]> => {
      const { data } = (await ask('/v1/ledger/balances')) as { data: { asset: string }[] };
      return data.filter(({ asset }) => asset.includes('/erc20:'));
    };

    // What was printed is what the books hold.
    for (const [, payment, transaction] of paid) {
      expect(await ask(`/v1/payments/${payment}`)).toMatchObject({ status: 'final', transaction });
    }
    const statement = found(said, /(\S+\/statements\/acct_\S+\.json)/);
    const account = found(statement, /(acct_[0-9a-f]{32})/);
    expect(readFileSync(statement, 'utf8')).toContain(account);
    expect(readFileSync(statement.replace(/json$/, 'csv'), 'utf8')).toContain(paid[0]?.[2]);
    expect((await fetch(`${demo}/hello`)).status).toBe(402);
    expect(statSync(join(folder, 'data', 'secrets.json')).mode & 0o777).toBe(0o600);
    const before = await usdcBalances();
    expect(before).toContainEqual(expect.objectContaining({ code: '1020', balance: '5236' }));

    const second = onData();
    expect(await second.ended).toBe(1);
    expect(second.output).toContain('already started');
    expect(first.status).toBeUndefined();

    const below = first.descendants();
    if (process.platform === 'linux') expect(below.length).toBeGreaterThan(4);
    expect(await first.ctrlC()).toBe(0);
    expect(below.filter(isAlive)).toEqual([]);
    for (const url of [api, demo]) expect(await isFree(Number(new URL(url).port))).toBe(true);

    const again = onData('--no-demo');
    await again.says(UP);
    expect(again.output).not.toContain('Agent bought');
    expect(found(again.output, /FAREBOX_KEY=(\S+)/)).toBe(key);
    expect(await usdcBalances()).toEqual(before);
    expect(await ask(`/v1/payments/${paid[0]?.[1]}`)).toMatchObject({ status: 'final' });
    expect(await again.ctrlC()).toBe(0);
  }, 110_000);
});

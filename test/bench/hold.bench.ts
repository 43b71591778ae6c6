// A prepaid request at the gate, hold and capture, over HTTP and durable, beside the same server answering without a database: many
// accounts, and one. Afterwards every account has paid for what it was served, to the unit, and the ledger says the same.
import { erc20Asset } from '@core/money';
import { CreateAccount, CreateAgentKey } from '@features/accounts';
import { IssueGrant } from '@features/wallet';
import { Database } from '@platform/database';
import { SystemClock, SystemIds } from '@platform/system';
import { startChain } from '../../tools/servers/chain.mjs';
import { freePort } from '../../tools/servers/ports.mjs';
import { placeUsdc, USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { Farebox, PRICE } from './support/farebox.js';
import { startGround } from './support/ground.js';
import { cpuSeconds, postgresCpuSeconds, startScript } from './support/processes.js';
import { RawConnection } from './support/raw-client.js';
import { report, rowOf, short } from './support/report.js';

const [ROUNDS, PAIRS] = short ? [2, 4_000] : [5, 40_000];
const CONNECTIONS = 256;
const ACCOUNTS = 200;
const FUNDS = 10n ** 12n;

interface Payer {
  readonly account: string;
  readonly key: string;
}

/** Processor time in seconds. */
interface Spent {
  readonly api: number;
  readonly postgres: number;
}

/** What a hold with its capture took, whatever else the machine was doing. */
function microsPerPair(spent: readonly Spent[]): string {
  const each = (server: keyof Spent): number =>
    Math.round((spent.reduce((sum, one) => sum + one[server], 0) * 1e6) / (spent.length * PAIRS));
  return `${each('api')} µs of api and ${each('postgres')} µs of PostgreSQL a pair`;
}

const ground = await startGround();
const chain = await startChain({ blockTime: 2 });
try {
  await placeUsdc(chain.url);
  const farebox = await Farebox.start({
    ground,
    chainUrl: chain.url,
    release: 'submitted',
    worker: false,
    providers: [],
  });
  const port = await freePort();
  const bare = await startScript({
    name: 'answering server',
    file: 'test/bench/support/answering-server.ts',
    environment: { PORT: String(port), PROVIDER: farebox.provider },
    port,
    logs: ground.folder,
  });
  try {
    const payers = await fundedPayers(farebox, ACCOUNTS);
    const [hot] = payers;
    if (!hot) throw new Error('there are no payers');
    const doors = {
      many: () => load(farebox.url, farebox.key, payers, PAIRS),
      hot: () => load(farebox.url, farebox.key, [hot], PAIRS),
      nothing: () => load(`http://127.0.0.1:${port}`, farebox.key, payers, PAIRS),
    };
    const { rows: places } = await farebox.owner.query<{ data_directory: string }>('SHOW data_directory');
    const data = places[0]?.data_directory ?? '';
    const clocks = (name: keyof typeof doors): Spent => ({
      api: cpuSeconds(name === 'nothing' ? [bare] : farebox.named('api')) ?? 0,
      postgres: postgresCpuSeconds(data) ?? 0,
    });
    const rates: Record<keyof typeof doors, number[]> = { many: [], hot: [], nothing: [] };
    const names = Object.keys(doors) as (keyof typeof doors)[];
    for (const name of names) await doors[name]();
    const spent: Record<keyof typeof doors, Spent[]> = { many: [], hot: [], nothing: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of names) {
        const before = clocks(name);
        rates[name].push(await doors[name]());
        const after = clocks(name);
        spent[name].push({ api: after.api - before.api, postgres: after.postgres - before.postgres });
      }
    }
    for (const name of names) console.log(`${name}: ${microsPerPair(spent[name])}`);
    await prove(farebox, BigInt((ROUNDS + 1) * 2 * PAIRS));
    const row = (path: string, of: keyof typeof doors, reference: keyof typeof doors, name: string, target: number) =>
      rowOf({
        path,
        unit: 'holds with their captures/s, 256 connections',
        referenceName: name,
        target,
        ours: rates[of],
        reference: rates[reference],
      });
    report('hold', [
      row(
        `prepaid hold and capture, ${ACCOUNTS} accounts`,
        'many',
        'nothing',
        'the same server without a database',
        0.6,
      ),
      row('prepaid hold and capture, one account', 'hot', 'nothing', 'the same server without a database', 0.6),
      row('prepaid hold and capture, one account', 'hot', 'many', `${ACCOUNTS} accounts`, 0.9),
    ]);
  } finally {
    await Promise.all([bare.stop(), farebox.stop()]);
  }
} finally {
  await chain.stop();
  await ground.stop();
}

/** Accounts with a balance and a key each. */
async function fundedPayers({ config, provider }: Farebox, count: number): Promise<Payer[]> {
  const database = new Database(config.DATABASE_URL, 4);
  const [ids, clock] = [new SystemIds(), new SystemClock()];
  try {
    const accounts = new CreateAccount(database, ids, clock);
    const keys = new CreateAgentKey(database, ids, clock, config.KEY_PEPPER);
    const grants = new IssueGrant(database, ids);
    const payers: Payer[] = [];
    for (let i = 0; i < count; i += 1) {
      const { account } = await accounts.run({ provider });
      const { text } = await keys.run({
        provider,
        account: account.id,
        name: 'bench',
        scopes: ['pay'],
        budgets: [],
        environment: 'test',
      });
      await grants.run({
        provider,
        account: account.id,
        asset: erc20Asset(84532, USDC_ADDRESS),
        kind: 'goodwill',
        amount: FUNDS,
      });
      payers.push({ account: account.id, key: text });
    }
    return payers;
  } finally {
    await database.close();
  }
}

/** Holds and captures so often, the payers in turn. @returns pairs a second */
async function load(url: string, key: string, payers: readonly Payer[], pairs: number): Promise<number> {
  const { host } = new URL(url);
  const post = (path: string, body: string): Buffer =>
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  const reply = `"reply":{"status":200,"headers":{"content-type":"application/json"},"body":"${Buffer.from('{"hello":"agent"}').toString('base64')}"}`;
  const opened = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(url)));
  const run = `${Date.now()}-${Math.round(performance.now())}`;
  let next = 0;
  const begun = performance.now();
  await Promise.all(
    opened.map(async (connection) => {
      for (;;) {
        const at = next;
        const payer = payers[at % payers.length];
        next += 1;
        if (at >= pairs || payer === undefined) return;
        const asked = `{"method":"GET","url":"https://api.example.com/hello","meter":"api.calls","attempt":"${run}-${String(at).padStart(8, '0')}","proof":{"authorization":"Bearer ${payer.key}"}}`;
        const checked = await connection.ask(post('/v1/gate/check', asked));
        const id = /"id":"(hld_[0-9a-f]{32})"/.exec(checked.body)?.[1];
        if (id === undefined) throw new Error(`the gate answered ${checked.status}: ${checked.body}`);
        const captured = await connection.ask(post('/v1/gate/capture', `{"payment":"${id}",${reply}}`));
        if (!captured.body.includes('"decision":"release"')) throw new Error(`the gate answered ${captured.body}`);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  for (const connection of opened) connection.close();
  return pairs / seconds;
}

/** Nothing is lost or doubled: holds, wallets, usage and ledger agree with what was served. */
async function prove(farebox: Farebox, served: bigint): Promise<void> {
  const charged = served * PRICE;
  for (const [what, sql, expected] of [
    ['holds captured', "SELECT count(*) FROM holds WHERE state = 'captured'", served],
    ['charged by holds', 'SELECT sum(captured) FROM holds', charged],
    ['held still', 'SELECT sum(held) FROM wallets', 0n],
    ['left in wallets', 'SELECT sum(posted) FROM wallets', BigInt(ACCOUNTS) * FUNDS - charged],
    ['calls in the usage log', "SELECT sum(events) FROM usage_log WHERE kind = 'sold'", served],
    [
      'revenue',
      "SELECT sum(t.amount) FROM transfers t JOIN ledger_accounts a ON a.id = t.credit_id WHERE a.code = '4010'",
      charged,
    ],
  ] as const) {
    const found = BigInt(await farebox.count(sql));
    if (found !== expected) throw new Error(`${what}: ${found}, expected ${expected}`);
  }
}

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { erc20Asset, formatDecimal } from '@core/money';
import { addMs } from '@core/time';
import { IngestUsage, ListEvents, MeterReader, RebuildUsage, RollUpUsage, UsageReader } from '@features/metering';
import { Holds, IssueGrant, ReadWallet } from '@features/wallet';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemClock, SystemIds } from '@platform/system';

// Somebody who ran 0.1.0 updates: what was metered and sold then is counted as before, and repeats of it are still repeats;
// its accounts can do what came later.

const migrations = join(process.cwd(), 'prisma/migrations');
const folders = readdirSync(migrations).filter((name) => /^\d/.test(name));
const LAST_OF_0_1 = '20261121130400_http';
const hash = `decode('${'00'.repeat(32)}', 'hex')`;

/** Rows as 0.1.0 wrote them: two events and a paid call. */
const ROWS = `
  INSERT INTO providers (id, name, pay_to, exposure_cap_payer, exposure_cap_provider) VALUES ('prv_1', 'p', '0x${'1'.repeat(40)}', 1, 1);
  INSERT INTO accounts (id, provider_id, name) VALUES ('acct_1', 'prv_1', 'one'), ('acct_2', 'prv_1', 'two');
  INSERT INTO meters (id, provider_id, name, aggregation, unit) VALUES
    ('mtr_1', 'prv_1', 'api', 'sum', 'call'), ('mtr_2', 'prv_1', 'disk', 'level', 'byte');
  INSERT INTO usage_events (provider_id, source, event_id, meter_id, account_id, time, value, level, resource, dimensions, content_hash, payment_id) VALUES
    ('prv_1', '/s', '1', 'mtr_1', 'acct_1', now() - interval '10 seconds', 1.50, NULL, NULL, '{"region":"eu"}', ${hash}, NULL),
    ('prv_1', '/s', '2', 'mtr_2', 'acct_2', now() - interval '10 seconds', NULL, 100, '', NULL, ${hash}, NULL),
    ('prv_1', 'farebox:gate', 'pay_1', 'mtr_1', 'acct_2', now() - interval '10 seconds', 2, NULL, NULL, NULL, ${hash}, 'pay_1');`;

const clock = new SystemClock();
const name = `upgrade_${randomBytes(6).toString('hex')}`;
let maintenance: pg.Client;
let writer: Writer;
let database: Database;

const urlOf = (role?: string): string => {
  const url = new URL(`/${name}`, process.env.TEST_PG_URL);
  if (role !== undefined) url.username = role;
  return url.href;
};

beforeAll(async () => {
  maintenance = new pg.Client({ connectionString: new URL('/postgres', process.env.TEST_PG_URL).href });
  await maintenance.connect();
  await maintenance.query(`CREATE DATABASE ${name}`);
  const owner = new pg.Client({ connectionString: urlOf() });
  await owner.connect();
  for (const folder of folders.sort()) {
    await owner.query(readFileSync(join(migrations, folder, 'migration.sql'), 'utf8'));
    if (folder === LAST_OF_0_1) await owner.query(ROWS);
  }
  await owner.end();
  writer = new Writer(urlOf('farebox_writer'), 2);
  database = new Database(urlOf('farebox_app'), 2);
  await new RollUpUsage(writer, new Outbox(), clock).run({ through: 'now' });
});

afterAll(async () => {
  await Promise.all([writer.close(), database.close()]);
  await maintenance.query(`DROP DATABASE ${name} WITH (FORCE)`);
  await maintenance.end();
});

it('counts what was metered and sold before, and a rebuild changes nothing', async () => {
  const now = clock.now();
  const total = (account: string, meterName: string, unsoldOnly: boolean) =>
    database.forProvider('prv_1', async (tx) => {
      const meter = await new MeterReader().find(tx, meterName);
      if (!meter) throw new Error(`${meterName} is gone`);
      const range = { start: addMs(now, -(now % 900_000) - 900_000), end: addMs(now, -(now % 900_000) + 900_000) };
      const query = { account, meter, range, asOf: addMs(now, -(now % 900_000) + 900_000), unsoldOnly };
      return formatDecimal(await new UsageReader().total(tx, query));
    });
  expect(await total('acct_1', 'api', true)).toBe('1.5');
  expect(await total('acct_2', 'api', false)).toBe('2');
  expect(await total('acct_2', 'api', true)).toBe('0');
  expect(Number(await total('acct_2', 'disk', true))).toBeGreaterThan(0);
  expect(await new RebuildUsage(writer).compare({ provider: 'prv_1' })).toEqual([]);
});

it('shows the events of before, and knows their repeats', async () => {
  const { events } = await new ListEvents(database).run({ provider: 'prv_1' });
  expect(events.map(({ source, id, payment }) => [source, id, payment])).toEqual([
    ['farebox:gate', 'pay_1', 'pay_1'],
    ['/s', '2', undefined],
    ['/s', '1', undefined],
  ]);
  const { verdicts } = await new IngestUsage(writer).run({
    provider: 'prv_1',
    now: clock.now(),
    events: [
      { source: '/s', id: '1', type: 'api', subject: 'one', data: { value: '1.5', dimensions: { region: 'eu' } } },
      { source: '/s', id: '2', type: 'disk', subject: 'two', data: { level: '101', resource: '' } },
    ],
  });
  expect(verdicts.map(({ verdict }) => verdict)).toEqual(['duplicate', 'conflict']);
});

it('gives an account of before prepaid value, and pays for a request from it', async () => {
  const ids = new SystemIds();
  const of = { provider: 'prv_1', account: 'acct_1', asset: erc20Asset(84532, `0x${'a'.repeat(40)}`) };
  const wallet = async () => (await new ReadWallet(database, clock).run(of)).balances;
  expect(await wallet()).toEqual([]);
  const { grant } = await new IssueGrant(database, ids).run({ ...of, kind: 'promotional', amount: 1_000n });

  const holds = new Holds(writer, ids);
  const meter = { id: 'mtr_1', name: 'api' };
  const request = { key: 'one', fingerprint: 'f', ttlSeconds: 60, payer: 'key_1', resource: 'GET https://p.example/' };
  const taken = await holds.take({ ...of, ...request, amount: 300n, meter, quantity: '1' });
  if (taken.outcome !== 'held') throw new Error(taken.outcome);
  expect(await wallet()).toMatchObject([{ posted: 1_000n, held: 300n, available: 700n }]);
  const captured = await holds.capture({ provider: of.provider, hold: taken.hold.id, amount: 250n, quantity: '1' });
  expect(captured.outcome).toBe('captured');
  expect(await wallet()).toMatchObject([
    { posted: 750n, held: 0n, available: 750n, grants: [{ id: grant.id, consumed: 250n }] },
  ]);
});

import pg from 'pg';
import type { SentEvent } from '@core/metering';
import { accrueUsage, capturePayment, failPayment, settlePayment } from '@core/ledger';
import { type Asset, amount, erc20Asset } from '@core/money';
import { Clock, type Instant, addMs, formatInstant, instant, monthOf, parsePeriod, windowOf } from '@core/time';
import { Ledger, LedgerReader, postings } from '@features/ledger';
import { CreateMeter, IngestUsage, RollUpUsage } from '@features/metering';
import { CreatePlan, CreatePrice, MoveAccount, RateUsage } from '@features/pricing';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import {
  type TestDatabase,
  type SeededProvider,
  createTestDatabase,
  seedProvider,
} from '../../../../test/support/database.js';
import { ReadStatement, type StatementJson, renderStatementCsv, renderStatementJson } from './index.js';

const usdc: Pick<Asset, 'id' | 'decimals'> = { id: erc20Asset(84532, `0x${'1'.repeat(40)}`), decimals: 6 };
const ids = new SystemIds();
const ledger = new Ledger();

// The ledger's instants are the database's, so these tests live in its today.
const today = instant(Date.now());
class HeldClock extends Clock {
  constructor(public time: Instant) {
    super();
  }
  now(): Instant {
    return this.time;
  }
}

let clock: HeldClock;
let db: TestDatabase;
let owner: pg.Client;
let database: Database;
let writer: Writer;
let seeded: SeededProvider;
let statements: ReadStatement;
const period = windowOf(today, 'month');

const read = async (over = period) =>
  renderStatementJson(await statements.run({ provider: seeded.provider, account: 'agent-1', period: over }));
const only = (statement: StatementJson) => {
  expect(statement.assets).toHaveLength(1);
  const [section] = statement.assets;
  if (!section) throw new Error('no section');
  return section;
};
const owed = () =>
  database.forProvider(seeded.provider, async (tx) =>
    (await new LedgerReader().balances(tx, { account: seeded.account })).reduce(
      (sum, row) => sum + row.debits - row.credits,
      0n,
    ),
  );
const meter = async (name: string, aggregation: 'count' | 'sum' | 'level', rate: string, modifiers: object = {}) => {
  const { meter: made } = await new CreateMeter(database, ids, clock).run({
    provider: seeded.provider,
    name,
    aggregation,
    unit: 'call',
  });
  const { price } = await new CreatePrice(database, new Outbox(), clock, ids).run({
    provider: seeded.provider,
    meter: name,
    model: 'per_unit',
    definition: { rate },
    modifiers,
    asset: usdc,
    effectiveAt: addMs(today, -86_400_000 * 40),
  });
  return { ...made, price: price.id };
};
let serial = 0;
const use = async (type: string, time: Instant, data?: SentEvent['data']) => {
  serial += 1;
  const result = await new IngestUsage(writer).run({
    provider: seeded.provider,
    events: [{ source: '/t', id: `s${serial}`, type, subject: 'agent-1', time: formatInstant(time), data }],
    now: clock.now(),
  });
  expect(result.accepted).toBe(1);
};

/** A payment as the gate leaves it: claimed and captured by the database's own functions. */
async function pay(charged: string, sold: { id: string; price: string }, quantity = '1'): Promise<string> {
  const payment = ids.next('pay');
  const payer = `0x${'a'.repeat(40)}`;
  await writer.query(
    "INSERT INTO identities (provider_id, kind, subject, account_id) VALUES ($1, 'wallet', $2, $3) ON CONFLICT DO NOTHING",
    [seeded.provider, payer, seeded.account],
  );
  await writer.query(
    `INSERT INTO payments (id, provider_id, account_id, origin, state, network, chain_id, asset, asset_id, payer, pay_to, nonce, amount, valid_after,
      valid_before, signature, binding, resource, meter_id, quantity, price_id, release, known_payer, expires_at)
    VALUES ($1, $2, $3, 'gate', 'reserved', 'eip155:84532', 84532, $4, $5, $6, $7, decode(md5($1) || md5($1), 'hex'), $8, 0, 9999999999,
      decode(repeat('11', 65), 'hex'), decode(repeat('22', 32), 'hex'), '=GET /thing', $9, $10, $11, 'submitted', false, now() + interval '1 minute')`,
    [
      payment,
      seeded.provider,
      seeded.account,
      `0x${'1'.repeat(40)}`,
      usdc.id,
      payer,
      `0x${'b'.repeat(40)}`,
      charged,
      sold.id,
      quantity,
      sold.price,
    ],
  );
  const entry = capturePayment({
    provider: seeded.provider,
    account: seeded.account,
    payment,
    charged: amount(usdc.id, BigInt(charged)),
    meter: sold.id,
  });
  const item = {
    id: payment,
    provider: seeded.provider,
    charged,
    quantity,
    transfers: postings([entry]),
  };
  expect(
    await writer.query('SELECT payment_id FROM capture_payments($1::jsonb)', [JSON.stringify([item])]),
  ).toHaveLength(1);
  return payment;
}
const paidCharge = (payment: string, charged: bigint) => ({
  provider: seeded.provider,
  account: seeded.account,
  payment,
  charged: amount(usdc.id, charged),
});

beforeAll(async () => {
  db = await createTestDatabase();
  owner = new pg.Client({ connectionString: db.ownerUrl });
  await owner.connect();
  database = new Database(db.appUrl, 8);
  writer = new Writer(db.writerUrl, 8);
});
beforeEach(async () => {
  clock = new HeldClock(today);
  seeded = await seedProvider(db);
  statements = new ReadStatement(
    database,
    new RateUsage(writer, database, clock, ids, new RollUpUsage(writer, new Outbox(), clock)),
    clock,
  );
});
afterAll(async () => {
  await Promise.all([database.close(), writer.close(), owner.end()]);
  await db.drop();
});

describe('opening + charges − payments + adjustments = closing = the ledger (M5)', () => {
  it('states metered charges, calls paid one by one, and their payments', async () => {
    const calls = await meter('calls', 'count', '0.004');
    await use('calls', addMs(today, -1_000));
    await use('calls', addMs(today, -2_000));
    const first = await pay('4000', calls);
    const second = await pay('8000', calls, '2');
    await database.forProvider(seeded.provider, (tx) =>
      ledger.post(tx, settlePayment({ ...paidCharge(first, 4000n), payTo: `0x${'b'.repeat(40)}` })),
    );
    await writer.query("UPDATE payments SET state = 'settling' WHERE id = $1", [first]);
    await writer.query(
      `UPDATE payments SET state = 'included', transaction = decode(repeat('cd', 32), 'hex'), log_index = 7, block_number = 99,
        block_hash = decode(repeat('ef', 32), 'hex') WHERE id = $1`,
      [first],
    );
    const section = only(await read());
    expect(section).toMatchObject({
      decimals: 6,
      opening: { atomic: '0' },
      charges: { atomic: '20000', amount: '0.02' },
      payments: { atomic: '12000', amount: '0.012' },
      adjustments: { atomic: '0' },
      closing: { atomic: '8000', amount: '0.008' },
    });
    expect(section.lines.charges).toMatchObject([
      {
        kind: 'metered',
        quantity: '2',
        unit: 'call',
        price: { rate: '0.004', model: 'per_unit' },
        meter: { name: 'calls' },
        amount: { atomic: '8000' },
      },
      { kind: 'paid', calls: 2, quantity: '3', meter: { name: 'calls' }, amount: { atomic: '12000' } },
    ]);
    expect(section.lines.payments).toMatchObject([
      {
        payment: first,
        state: 'included',
        transaction: `0x${'cd'.repeat(32)}`,
        logIndex: 7,
        block: { number: '99', hash: `0x${'ef'.repeat(32)}` },
      },
      { payment: second, state: 'served' },
    ]);
    expect(section.lines.payments[1]).not.toHaveProperty('transaction');
    expect(await owed()).toBe(8000n);
  });

  it('takes back a payment proven failed, and shows the debt written off', async () => {
    const calls = await meter('calls', 'count', '0.004');
    const payment = await pay('4000', calls);
    await database.forProvider(seeded.provider, (tx) => ledger.post(tx, failPayment(paidCharge(payment, 4000n))));
    const section = only(await read());
    expect([
      section.charges.atomic,
      section.payments.atomic,
      section.adjustments.atomic,
      section.closing.atomic,
    ]).toEqual(['4000', '0', '-4000', '0']);
    expect(section.lines.payments.map(({ returned, amount: { atomic } }) => [returned, atomic])).toEqual([
      [false, '4000'],
      [true, '-4000'],
    ]);
    expect(section.lines.adjustments).toMatchObject([{ reason: 'payment proven failed', reference: payment }]);
  });

  it('leads from one period to the next, with what each changed, late usage included', async () => {
    await meter('bytes', 'sum', '0.000001');
    await use('bytes', addMs(today, -1_000), { value: '1000' });
    await read();
    // What was charged so far is made a day old; the owner alone can do that, with the guards down.
    await owner.query("SET session_replication_role = 'replica'");
    await owner.query("UPDATE transfers SET effective_at = effective_at - interval '1 day' WHERE provider_id = $1", [
      seeded.provider,
    ]);
    await owner.query("UPDATE charge_revisions SET rated_at = rated_at - interval '1 day' WHERE provider_id = $1", [
      seeded.provider,
    ]);
    await owner.query("SET session_replication_role = 'origin'");
    await use('bytes', addMs(today, -2_000), { value: '500.25' });
    const now = windowOf(today, 'day');
    const yesterday = windowOf(addMs(today, -86_400_000), 'day');
    const before = only(await read(yesterday));
    const after = only(await read(now));
    expect([before.opening.atomic, before.charges.atomic, before.closing.atomic]).toEqual(['0', '1000', '1000']);
    expect([after.opening.atomic, after.charges.atomic, after.closing.atomic]).toEqual(['1000', '500', '1500']);
    expect([before.lines.charges[0]?.quantity, after.lines.charges[0]?.quantity]).toEqual(['1000', '500.25']);
    expect(BigInt(after.closing.atomic)).toBe(await owed());
  });

  it('counts a level up to the moment it is read', async () => {
    await meter('bytes', 'level', '0.000001');
    await use('bytes', addMs(today, -10_000), { level: '5' });
    expect(only(await read()).closing.atomic).toBe('50');
    clock.time = addMs(today, 2_000);
    expect(only(await read()).closing.atomic).toBe('60');
  });

  it('shows usage that has not come to one atomic unit yet', async () => {
    await meter('dust', 'count', '0.0000001', { fraction: 'carry' });
    await use('dust', addMs(today, -1_000));
    const section = only(await read());
    expect(section).toMatchObject({ charges: { atomic: '0' }, closing: { atomic: '0' } });
    expect(section.lines.charges).toMatchObject([{ quantity: '1', amount: { atomic: '0' } }]);
  });

  it('shows what a plan asks without a meter, and how an amount came about', async () => {
    await meter('calls', 'count', '1', { maximum: '1.5' });
    const items = [{ name: 'seat', model: 'flat', definition: { amount: '49' } }];
    await new CreatePlan(database, clock, ids).run({
      provider: seeded.provider,
      name: 'pro',
      items,
      modifiers: { maximum: '40' },
      asset: usdc,
    });
    await new MoveAccount(database, new Outbox(), clock).run({
      provider: seeded.provider,
      account: 'agent-1',
      plan: 'pro',
    });
    await use('calls', addMs(today, -1_000));
    await use('calls', addMs(today, -2_000));
    const section = only(await read());
    expect(section).toMatchObject({ charges: { amount: '41.5' }, closing: { amount: '41.5' } });
    const lines = section.lines.charges.map((line) => [
      'name' in line ? line.name : line.meter?.name,
      line.amount.amount,
      'parts' in line ? line.parts : undefined,
    ]);
    expect(lines).toEqual(
      expect.arrayContaining([
        [
          'calls',
          '1.5',
          [
            { kind: 'usage', amount: '2' },
            { kind: 'maximum', amount: '-0.5' },
          ],
        ],
        ['seat', '49', undefined],
        ['plan', '-9', [{ kind: 'maximum', amount: '-9' }]],
      ]),
    );
    expect(BigInt(section.closing.atomic)).toBe(await owed());
    const statement = await statements.run({ provider: seeded.provider, account: 'agent-1', period });
    expect(renderStatementCsv(statement)).toMatch(/,-9,-9000000,.*plan; maximum -9/);
  });

  it('shows a correction of a closed period with the charge it corrects', async () => {
    await meter('calls', 'count', '0.004');
    const before = addMs(period.start, -3_600_000);
    await use('calls', before);
    await read();
    const [original] = await database.forProvider(seeded.provider, (tx) => tx.charge.findMany());
    await owner.query(
      `INSERT INTO closed_periods (provider_id, period_start, period_end, position)
      VALUES ($1, $2::timestamptz - interval '1 month', $2, 0)`,
      [seeded.provider, formatInstant(period.start)],
    );
    await use('calls', addMs(before, -1_000));
    // What was charged before the close belongs to the month that was over; what corrects it, to the open one.
    const lines = [...only(await read(monthOf(before))).lines.charges, ...only(await read()).lines.charges];
    expect(lines).toMatchObject([
      { quantity: '1', amount: { atomic: '4000' }, charge: original?.id },
      { quantity: '1', amount: { atomic: '4000' }, corrects: original?.id },
    ]);
    const services = lines.map((line) => ('serviceStart' in line ? line.serviceStart : ''));
    expect(services[0]).toBe(services[1]);
    expect(services[0]?.localeCompare(formatInstant(period.start))).toBe(-1);
    expect(await owed()).toBe(8000n);
  });

  it('refuses to be read when the ledger and the charges tell different stories', async () => {
    const calls = await meter('calls', 'count', '0.004');
    await use('calls', addMs(today, -1_000));
    await read();
    const [charge] = await database.forProvider(seeded.provider, (tx) => tx.charge.findMany());
    const forged = accrueUsage({
      provider: seeded.provider,
      account: seeded.account,
      charge: charge?.id ?? '',
      revision: 2,
      meter: calls.id,
      before: amount(usdc.id, 4000n),
      after: amount(usdc.id, 4001n),
    });
    await database.forProvider(seeded.provider, (tx) => ledger.post(tx, forged));
    await expect(read()).rejects.toMatchObject({ code: 'invariant_broken', reason: 'statement_disagrees' });
  });

  it('is empty for an account that owed nothing, and unknown for another provider', async () => {
    expect((await read()).assets).toEqual([]);
    const stranger = await seedProvider(db, { accountName: 'other' });
    const foreign = statements.run({ provider: stranger.provider, account: seeded.account, period });
    await expect(foreign).rejects.toMatchObject({ code: 'not_found', reason: 'unknown_account' });
  });

  it('stays whole while usage is rated and calls are paid at once', async () => {
    const calls = await meter('calls', 'count', '0.001');
    const writing = Promise.all(
      Array.from({ length: 12 }, (_, i) => (i % 2 ? pay('1000', calls) : use('calls', addMs(today, -1_000 - i)))),
    );
    const reading = Array.from({ length: 8 }, () => read());
    for (const statement of await Promise.all(reading)) expect(statement.assets.length).toBeLessThanOrEqual(1);
    await writing;
    const section = only(await read());
    expect([section.charges.atomic, section.payments.atomic, section.closing.atomic]).toEqual([
      '12000',
      '6000',
      '6000',
    ]);
  });
});

describe('the CSV of a statement', () => {
  it('has one typed row for each line, safe for spreadsheets', async () => {
    const calls = await meter('calls', 'count', '0.004');
    const payment = await pay('4000', calls);
    await owner.query(`UPDATE providers SET name = '=cmd|"x", Inc.' WHERE id = $1`, [seeded.provider]);
    const statement = await statements.run({ provider: seeded.provider, account: seeded.account, period });
    const csv = renderStatementCsv(statement);
    const lines = csv.split('\r\n');
    expect(lines.at(-1)).toBe('');
    const header = lines[0]?.split(',') ?? [];
    expect(header.slice(0, 2)).toEqual(['record', 'provider_name']);
    expect(lines.slice(1, -1).map((line) => line.split(',')[0])).toEqual([
      'header',
      'total',
      'charge',
      'payment',
      'total',
      'total',
      'total',
      'total',
    ]);
    expect(lines[1]).toContain(`header,"'=cmd|""x"", Inc.",${seeded.account},agent-1,${formatInstant(period.start)}`);
    const cells = lines[4]?.split(',') ?? [];
    const cell = (name: string) => cells[header.indexOf(name)];
    expect([
      cell('payment_id'),
      cell('amount'),
      cell('amount_atomic'),
      cell('payment_status'),
      cell('description'),
    ]).toEqual([payment, '0.004', '4000', 'served', "'=GET /thing"]);
    expect(parsePeriod(formatInstant(period.start).slice(0, 7))).toEqual(period);
  });
});

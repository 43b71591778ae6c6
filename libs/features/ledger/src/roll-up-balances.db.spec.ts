import pg from 'pg';
import { capturePayment } from '@core/ledger';
import { amount, assetId } from '@core/money';
import { Writer } from '@platform/database';
import {
  createTestDatabase,
  seedProvider,
  type SeededProvider,
  type TestDatabase,
} from '../../../../test/support/database.js';
import { Ledger, postings, RollUpBalances } from './index.js';

const USDC = assetId('eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e');

describe('rolled-up balances', () => {
  let db: TestDatabase;
  let owner: pg.Pool;
  let writer: Writer;
  let seeded: SeededProvider;
  let captured = 0;

  beforeAll(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 3 });
    writer = new Writer(db.writerUrl, 4);
    seeded = await seedProvider(db);
  });

  afterAll(async () => {
    await writer.close();
    await owner.end();
    await db.drop();
  });

  const capture = (charged: bigint) => {
    captured += 1;
    const payment = `pay_${captured.toString(16).padStart(32, '0')}`;
    return capturePayment({ ...seeded, payment, meter: 'calls', charged: amount(USDC, charged) });
  };

  const post = (charged: bigint) => writer.transaction((tx) => new Ledger().post(tx, capture(charged)));

  const stored = async () =>
    (
      await owner.query(
        'SELECT ledger_account_id, debits::text, credits::text, through::text FROM ledger_balances ORDER BY 1',
      )
    ).rows;

  /** What the transfers say by themselves, up to where the balances are. */
  const summed = async () =>
    (
      await owner.query(
        `SELECT b.ledger_account_id, b.through::text,
           (SELECT coalesce(sum(amount), 0) FROM transfers t WHERE t.debit_id = b.ledger_account_id AND t.id <= b.through)::text AS debits,
           (SELECT coalesce(sum(amount), 0) FROM transfers t WHERE t.credit_id = b.ledger_account_id AND t.id <= b.through)::text AS credits
         FROM ledger_balances b ORDER BY 1`,
      )
    ).rows;

  /** Other tests' transactions on the server hold roll-ups back for as long as they run. */
  const rollUp = async (balances: RollUpBalances, until: () => Promise<boolean>) => {
    for (let i = 0; i < 1_000 && !(await until()); i += 1) await balances.run();
    expect(await until()).toBe(true);
  };

  const newest = async () =>
    (await owner.query<{ id: string }>('SELECT max(id)::text AS id FROM transfers')).rows[0]?.id;
  const reached = async () =>
    (await owner.query<{ id: string }>('SELECT max(through)::text AS id FROM ledger_balances')).rows[0]?.id;
  const isLevel = async () => (await newest()) === (await reached());

  it('follow the ledger, and are the sums of its transfers', async () => {
    const balances = new RollUpBalances(writer);
    for (let i = 1n; i <= 20n; i += 1n) {
      await post(i);
      if (i % 7n === 0n) await rollUp(balances, isLevel);
    }
    await rollUp(balances, isLevel);
    expect(await stored()).toHaveLength(3);
    expect(await stored()).toEqual(await summed());
  });

  it('come out the same when they are made anew', async () => {
    const before = await stored();
    await new RollUpBalances(writer).rebuild();
    expect(await stored()).toEqual(before);
  });

  it('do not pass a transfer that is not committed yet, though later ones are', async () => {
    const balances = new RollUpBalances(writer);
    const slow = await owner.connect();
    try {
      await slow.query('BEGIN');
      await slow.query('SELECT post_transfers($1::jsonb)', [JSON.stringify(postings([capture(1_000n)]))]);
      await post(5n);
      const before = await reached();
      for (let i = 0; i < 5; i += 1) await balances.run();
      expect(await reached()).toBe(before);
      await slow.query('COMMIT');
    } finally {
      slow.release();
    }
    await rollUp(balances, isLevel);
    expect(await stored()).toEqual(await summed());
  });

  it('are the same whoever rolls up, and however many do at once', async () => {
    const several = Array.from({ length: 4 }, () => new RollUpBalances(writer));
    for (let i = 0; i < 6; i += 1) await Promise.all([post(3n), ...several.map((balances) => balances.run())]);
    await rollUp(new RollUpBalances(writer), isLevel);
    expect(await stored()).toEqual(await summed());
  });
});

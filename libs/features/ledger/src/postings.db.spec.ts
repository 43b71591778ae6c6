import pg from 'pg';
import { capturePayment } from '@core/ledger';
import { amount, assetId } from '@core/money';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../test/support/database.js';
import { postings } from './index.js';

const USDC = assetId('eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e');

describe('postings', () => {
  let db: TestDatabase;
  let owner: pg.Pool;

  beforeAll(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 1 });
  });

  afterAll(async () => {
    await owner.end();
    await db.drop();
  });

  const post = async (items: readonly object[]): Promise<unknown> => {
    const { rows } = await owner.query<{ posted: number }>('SELECT post_transfers($1::jsonb) AS posted', [
      JSON.stringify(items),
    ]);
    return rows[0]?.posted;
  };

  it('count what is new, leave what says the same and refuse what says something else', async () => {
    const seeded = await seedProvider(db);
    const items = [1, 2, 3].flatMap((n) =>
      postings([capturePayment({ ...seeded, payment: `pay_${n}`, meter: 'calls', charged: amount(USDC, 5n) })]),
    );
    const [first, ...others] = items;
    if (!first) throw new Error('a capture has transfers');
    expect(await post([first])).toBe(1);
    expect(await post(items)).toBe(others.length);
    expect(await post(items)).toBe(0);
    await expect(post([...others, { ...first, amount: '6' }])).rejects.toThrow('says something else');
    await expect(post([{ ...first, creditDetail: 'seconds' }])).rejects.toThrow('says something else');
  });

  it('name ledger accounts that are there, of the asset that moves', async () => {
    const copy = (changed: string) =>
      owner.query(
        `INSERT INTO transfers (provider_id, entry, posting_key, debit_id, credit_id, asset, amount, reason, reference)
         SELECT provider_id, entry, posting_key || ':again', ${changed}, amount, reason, reference FROM transfers LIMIT 1`,
      );
    await expect(copy("debit_id, 'la_nobody', asset")).rejects.toThrow('no ledger account la_nobody');
    await expect(copy("'la_nobody', credit_id, asset")).rejects.toThrow('no ledger account la_nobody');
    await expect(copy("debit_id, credit_id, 'iso4217:USD'")).rejects.toThrow('no ledger account');
    expect((await copy('debit_id, credit_id, asset')).rowCount).toBe(1);
    await expect(owner.query('TRUNCATE ledger_accounts CASCADE')).rejects.toThrow('append-only');
  });
});

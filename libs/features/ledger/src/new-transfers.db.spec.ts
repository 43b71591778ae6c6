import pg from 'pg';
import { capturePayment, type Entry } from '@core/ledger';
import { amount, assetId } from '@core/money';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../test/support/database.js';
import { KnownPlaces, ledgerAccountId } from './index.js';

const USDC = assetId('eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e');

describe('new transfers', () => {
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

  const capture = (seeded: { provider: string; account: string }, payment: string, charged: bigint): Entry =>
    capturePayment({ ...seeded, payment, meter: 'calls', charged: amount(USDC, charged) });

  async function post(known: KnownPlaces, entries: readonly Entry[]): Promise<number> {
    const { places, transfers, opened } = known.newTransfers(entries);
    await owner.query('SELECT post_new_transfers($1::text, $2::text)', [places, transfers]);
    known.learn(opened);
    return opened.length;
  }

  it('are what `post_transfers` would write, to ledger accounts that are opened once and known from then on', async () => {
    const seeded = await seedProvider(db);
    const known = new KnownPlaces();
    const entries = [capture(seeded, 'pay_1', 5n), capture(seeded, 'pay_2', 7n)];
    expect(await post(known, entries)).toBeGreaterThan(1);
    expect(await post(known, [capture(seeded, 'pay_3', 5n)])).toBe(0);
    expect(await post(new KnownPlaces(), [capture(seeded, 'pay_4', 9n)])).toBeGreaterThan(1);
    const { rows } = await owner.query(
      `SELECT t.provider_id AS provider, t.entry, t.posting_key AS key, t.debit_id, t.credit_id, t.asset, t.amount::text, t.reason, t.reference
       FROM transfers t WHERE t.entry <> 'capture:pay_4' ORDER BY t.id`,
    );
    expect(rows).toEqual(
      [...entries, capture(seeded, 'pay_3', 5n)].flat().map((transfer) => ({
        provider: transfer.provider,
        entry: transfer.entry,
        key: transfer.key,
        debit_id: ledgerAccountId(transfer.provider, transfer.debit),
        credit_id: ledgerAccountId(transfer.provider, transfer.credit),
        asset: transfer.amount.asset,
        amount: transfer.amount.atomic.toString(),
        reason: transfer.reason,
        reference: transfer.reference,
      })),
    );
    const { rows: places } = await owner.query<{ id: string; same: string }>(
      'SELECT id, ledger_account_id(provider_id, code, asset, account_id, detail) AS same FROM ledger_accounts',
    );
    expect(places.length).toBeGreaterThan(1);
    for (const { id, same } of places) expect(id).toBe(same);
  });

  it('are refused under a posting key that is taken, and between ledger accounts that are not there', async () => {
    const seeded = await seedProvider(db);
    const known = new KnownPlaces();
    await post(known, [capture(seeded, 'pay_1', 5n)]);
    await expect(post(known, [capture(seeded, 'pay_1', 5n)])).rejects.toThrow('posting_key');
    const mistaken = new KnownPlaces();
    const { opened } = mistaken.newTransfers([capture({ ...seeded, account: 'acct_nobody' }, 'pay_2', 5n)]);
    mistaken.learn(opened);
    await expect(post(mistaken, [capture({ ...seeded, account: 'acct_nobody' }, 'pay_2', 5n)])).rejects.toThrow(
      'no ledger account',
    );
  });
});

import pg from 'pg';
import { USD, erc20Asset } from '@core/money';
import { Ledger } from '@features/ledger';
import { IssueGrant } from '@features/wallet';
import { Announce } from '@features/webhooks';
import { Database, Writer } from '@platform/database';
import { openStripe, StripeCheckout } from '@platform/stripe';
import { SystemClock, SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../../test/support/database.js';
import { StripeStandIn } from '../../../../../test/support/stripe-stand-in.js';
import { ManageMethods, StoredMethods } from '../methods/stored-methods.js';
import { OpenCheckout } from './open-checkout.js';
import { SettleCheckouts } from './settle-checkouts.js';

const RETURNS = { successUrl: 'https://shop.example/done', cancelUrl: 'https://shop.example/cancelled' };
const DAY = 86_400_000;

describe('hosted pages', () => {
  let db: TestDatabase;
  let owner: pg.Pool;
  let database: Database;
  let writer: Writer;
  let standIn: StripeStandIn;
  let provider: string;
  let account: string;
  let open: OpenCheckout;
  let settle: SettleCheckouts;
  let manage: ManageMethods;
  let methods: StoredMethods;

  beforeAll(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    database = new Database(db.appUrl, 4);
    writer = new Writer(db.writerUrl, 4);
  });

  afterAll(async () => {
    await Promise.all([database.close(), writer.close(), owner.end()]);
    await db.drop();
  });

  beforeEach(async () => {
    ({ provider, account } = await seedProvider(db));
    standIn = await StripeStandIn.open();
    const ids = new SystemIds();
    const rail = new StripeCheckout(openStripe({ secretKey: 'sk_test_any', apiUrl: standIn.url }));
    const announce = new Announce(ids);
    methods = new StoredMethods(ids, announce);
    open = new OpenCheckout(database, rail, ids, new SystemClock());
    settle = new SettleCheckouts(writer, rail, methods, new IssueGrant(database, ids), new Ledger(), announce);
    manage = new ManageMethods(database);
  });

  afterEach(() => standIn.close());

  const stripeIdOf = async (id: string): Promise<string> => {
    const { rows } = await owner.query<{ stripe_id: string }>('SELECT stripe_id FROM checkouts WHERE id = $1', [id]);
    return rows[0]?.stripe_id ?? '';
  };
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await owner.query<{ state: string }>('SELECT state FROM checkouts WHERE id = $1', [id])).rows[0]?.state;
  const booked = async (code: string, asset: string): Promise<bigint> => {
    const { rows } = await owner.query<{ sum: string }>(
      `SELECT coalesce(sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END), 0)::text AS sum
       FROM ledger_accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id)
       WHERE a.provider_id = $1 AND a.code = $2 AND a.asset = $3`,
      [provider, code, asset],
    );
    return BigInt(rows[0]?.sum ?? 0);
  };
  const storedBy = async (paymentMethod: string, types: readonly ('card' | 'us_bank_account')[]) => {
    const { checkout } = await open.storeMethod({ ...RETURNS, provider, account, types });
    standIn.drive.completeCheckout(await stripeIdOf(checkout.id), { paymentMethod });
    await settle.run(checkout.id);
    return checkout.id;
  };

  it('store a card and a bank account, each once and announced, the first of a rail preferred', async () => {
    const page = await open.storeMethod({ ...RETURNS, provider, account, types: ['card'] });
    expect(page.url).toContain(await stripeIdOf(page.checkout.id));
    expect(await settle.run(page.checkout.id)).toBe(0);
    expect(await manage.list({ provider, account })).toEqual([]);

    standIn.drive.completeCheckout(await stripeIdOf(page.checkout.id), { paymentMethod: 'pm_card_visa' });
    const looks = await Promise.all([1, 2, 3].map(() => settle.run(page.checkout.id)));
    expect(looks.reduce((sum, ended) => sum + ended, 0)).toBe(1);
    await storedBy('pm_usBankAccount_success', ['us_bank_account']);
    await storedBy('pm_card_mastercard', ['card']);

    const stored = await manage.list({ provider, account });
    expect(stored.map(({ rail, type, isDefault, state }) => [rail, type, isDefault, state])).toEqual([
      ['card', 'card', false, 'active'],
      ['bank', 'us_bank_account', true, 'active'],
      ['card', 'card', true, 'active'],
    ]);
    expect(stored[2]?.label).toMatch(/visa 4242/);
    const usable = () =>
      database.forProvider(provider, (tx) => methods.usable(tx, { provider, account, rails: ['bank', 'card'] }));
    expect((await usable()).map(({ rail }) => rail)).toEqual(['bank', 'card', 'card']);
    expect((await usable())[1]?.id).toBe(stored[2]?.id);

    await manage.prefer({ provider, account, method: stored[0]?.id ?? '' });
    expect((await usable())[1]?.id).toBe(stored[0]?.id);
    await manage.remove({ provider, account, method: stored[0]?.id ?? '' });
    await writer.transaction((tx) =>
      methods.markDead(tx, { provider, method: stored[1]?.id ?? '', reason: 'account_closed' }),
    );
    expect((await usable()).map(({ id }) => id)).toEqual([stored[2]?.id]);
    const { rows } = await owner.query<{ type: string }>(
      'SELECT type FROM webhook_events WHERE provider_id = $1 ORDER BY id',
      [provider],
    );
    expect(rows.map(({ type }) => type)).toEqual([
      ...['payment_method.attached', 'payment_method.attached', 'payment_method.attached'],
      'payment_method.dead',
    ]);
    // One customer, whatever was asked for.
    expect(standIn.books()).toBeDefined();
    const customers = await owner.query('SELECT stripe_id FROM stripe_customers WHERE account_id = $1', [account]);
    expect(customers.rowCount).toBe(1);
  });

  it('sell balance in dollars and at par in a token, once, and only when it is paid', async () => {
    const usdc = erc20Asset(84532, `0x${'3'.repeat(40)}`);
    const card = await open.buyBalance({ ...RETURNS, provider, account, cents: 2_500n, asset: USD.id });
    const bank = await open.buyBalance({ ...RETURNS, provider, account, cents: 1_000n, asset: usdc });
    standIn.drive.completeCheckout(await stripeIdOf(card.checkout.id), { paymentMethod: 'pm_card_visa' });
    standIn.drive.completeCheckout(await stripeIdOf(bank.checkout.id), { paymentMethod: 'pm_usBankAccount_success' });
    await Promise.all([settle.run(card.checkout.id), settle.run(card.checkout.id), settle.run(bank.checkout.id)]);
    expect([await stateOf(card.checkout.id), await stateOf(bank.checkout.id)]).toEqual(['complete', 'open']);
    expect([await booked('1015', USD.id), await booked('2010', USD.id), await booked('2020', USD.id)]).toEqual([
      2_500n,
      -2_500n,
      0n,
    ]);

    await standIn.clock.advance(7 * DAY);
    await settle.run(bank.checkout.id);
    expect(await stateOf(bank.checkout.id)).toBe('complete');
    expect([await booked('1015', USD.id), await booked('5060', USD.id)]).toEqual([3_500n, -1_000n]);
    expect([await booked('5060', usdc), await booked('2010', usdc)]).toEqual([10_000_000n, -10_000_000n]);
  });

  it('that nobody finishes, or whose debit fails, give nothing', async () => {
    const left = await open.buyBalance({ ...RETURNS, provider, account, cents: 500n, asset: USD.id });
    const failing = await open.buyBalance({ ...RETURNS, provider, account, cents: 700n, asset: USD.id });
    standIn.drive.completeCheckout(await stripeIdOf(failing.checkout.id), {
      paymentMethod: 'pm_usBankAccount_insufficientFunds',
    });
    await standIn.clock.advance(8 * DAY);
    await settle.run(left.checkout.id);
    await settle.run(failing.checkout.id);
    expect([await stateOf(left.checkout.id), await stateOf(failing.checkout.id)]).toEqual(['expired', 'failed']);
    expect(await booked('1015', USD.id)).toBe(0n);
  });

  it('of which the answer was lost are the same page when they are asked for again', async () => {
    standIn.faults.add({ path: 'POST /v1/checkout/sessions', script: ['close_after', 'close_after'] });
    await expect(open.storeMethod({ ...RETURNS, provider, account, types: ['card'] })).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'rail_unreachable',
    });
    const { rows } = await owner.query<{ id: string; state: string }>(
      'SELECT id, state FROM checkouts WHERE account_id = $1',
      [account],
    );
    expect(rows).toMatchObject([{ state: 'opening' }]);
    await settle.run(rows[0]?.id);
    const page = await stripeIdOf(rows[0]?.id ?? '');
    standIn.drive.completeCheckout(page, { paymentMethod: 'pm_card_visa' });
    await settle.run(page);
    expect(await manage.list({ provider, account })).toHaveLength(1);
  });

  it('are not opened without a key for Stripe, nor for too little', async () => {
    const without = new OpenCheckout(database, undefined, new SystemIds(), new SystemClock());
    await expect(without.storeMethod({ ...RETURNS, provider, account, types: ['card'] })).rejects.toMatchObject({
      reason: 'no_card_rail',
    });
    await expect(open.buyBalance({ ...RETURNS, provider, account, cents: 49n, asset: USD.id })).rejects.toMatchObject({
      reason: 'invalid_amount',
    });
    await expect(
      open.storeMethod({ ...RETURNS, provider, account: 'acct_none', types: ['card'] }),
    ).rejects.toMatchObject({ reason: 'unknown_account' });
  });
});

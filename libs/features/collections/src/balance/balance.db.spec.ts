import pg from 'pg';
import { USD } from '@core/money';
import { instant } from '@core/time';
import { Ledger } from '@features/ledger';
import { IssueGrant } from '@features/wallet';
import { Announce } from '@features/webhooks';
import { Database, Writer } from '@platform/database';
import { openStripe, StripeBalance, StripeCheckout } from '@platform/stripe';
import { SystemClock, SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type TestDatabase } from '../../../../../test/support/database.js';
import { StripeStandIn } from '../../../../../test/support/stripe-stand-in.js';
import { OpenCheckout } from '../checkouts/open-checkout.js';
import { SettleCheckouts } from '../checkouts/settle-checkouts.js';
import { StoredMethods } from '../methods/stored-methods.js';
import { ImportBalance } from './import-balance.js';

const RETURNS = { successUrl: 'https://shop.example/done', cancelUrl: 'https://shop.example/cancelled' };
const DAY = 86_400_000;

describe('Stripe’s own books', () => {
  let db: TestDatabase;
  let owner: pg.Pool;
  let database: Database;
  let writer: Writer;
  let standIn: StripeStandIn;
  let open: OpenCheckout;
  let settle: SettleCheckouts;
  let importing: ImportBalance;
  let other: ImportBalance;

  beforeEach(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    database = new Database(db.appUrl, 4);
    writer = new Writer(db.writerUrl, 4);
    standIn = await StripeStandIn.open();
    const ids = new SystemIds();
    const stripe = openStripe({ secretKey: 'sk_test_any', apiUrl: standIn.url });
    const announce = new Announce(ids);
    open = new OpenCheckout(database, new StripeCheckout(stripe), ids, new SystemClock());
    settle = new SettleCheckouts(
      writer,
      new StripeCheckout(stripe),
      new StoredMethods(ids, announce),
      new IssueGrant(database, ids),
      new Ledger(),
      announce,
    );
    const clock = { now: () => instant(standIn.clock.now()) };
    importing = new ImportBalance(writer, new StripeBalance(stripe), new Ledger(), clock);
    other = new ImportBalance(writer, new StripeBalance(stripe), new Ledger(), clock);
  });

  afterEach(async () => {
    await Promise.all([database.close(), writer.close(), owner.end(), standIn.close()]);
    await db.drop();
  });

  /** Balance bought by card, by a new account. */
  async function bought(provider: string, account: string, cents: bigint): Promise<string> {
    const { checkout } = await open.buyBalance({ ...RETURNS, provider, account, cents, asset: USD.id });
    const page = await owner.query<{ stripe_id: string }>('SELECT stripe_id FROM checkouts WHERE id = $1', [
      checkout.id,
    ]);
    standIn.drive.completeCheckout(page.rows[0]?.stripe_id ?? '', { paymentMethod: 'pm_card_visa' });
    await settle.run(checkout.id);
    return checkout.id;
  }

  const booked = async (provider: string | undefined, ...codes: string[]): Promise<bigint> => {
    const { rows } = await owner.query<{ sum: string }>(
      `SELECT coalesce(sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END), 0)::text AS sum
       FROM ledger_accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id)
       WHERE ($1::text IS NULL OR a.provider_id = $1) AND a.code = ANY ($2::text[]) AND a.asset = $3`,
      [provider ?? null, codes, USD.id],
    );
    return BigInt(rows[0]?.sum ?? 0);
  };
  const atStripe = (): bigint => {
    const { available, pending } = standIn.books().balance;
    return [...available, ...pending].reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  };
  const moved = async (which: string): Promise<bigint> => {
    const { rows } = await owner.query<{ sum: string }>(
      `SELECT coalesce(sum(net), 0)::text AS sum FROM stripe_movements WHERE ${which}`,
    );
    return BigInt(rows[0]?.sum ?? 0);
  };
  /** What was imported is Stripe's balance, and what of it is a provider's is in the ledger: at Stripe, or paid out to a bank. */
  const agrees = async () => {
    expect(await moved('true')).toBe(atStripe());
    expect(await booked(undefined, '1010', '1015', '1030')).toBe(
      await moved("provider_id IS NOT NULL AND category NOT IN ('payout', 'payout_reversal')"),
    );
  };

  it('are ours to the cent: fees, what is available, and each provider’s share of a payout', async () => {
    const a = await seedProvider(db);
    const b = await seedProvider(db);
    await bought(a.provider, a.account, 10_000n);
    await bought(b.provider, b.account, 5_000n);
    const both = await Promise.all([importing.run(), other.run()]);
    expect(both.reduce((sum, { imported }) => sum + imported, 0)).toBe(2);
    await agrees();
    // 2.9 % + 30 cents, as the stand-in has it.
    expect(await booked(a.provider, '5010')).toBe(320n);
    expect([await booked(a.provider, '1010'), await booked(a.provider, '1015')]).toEqual([0n, 9_680n]);

    await standIn.clock.advance(3 * DAY);
    await importing.run();
    await agrees();
    expect(await booked(a.provider, '1015')).toBe(0n);
    expect([await booked(a.provider, '1030'), await booked(b.provider, '1030')]).toEqual([9_680n, 4_825n]);
    expect(atStripe()).toBe(0n);
    expect((await importing.run()).imported).toBe(0);
  });

  it('say what a dispute and a refund took, and what they gave back', async () => {
    const { provider, account } = await seedProvider(db);
    await bought(provider, account, 10_000n);
    await bought(provider, account, 2_000n);
    const [first, second] = [...standIn.books().charges].reverse();
    if (!first || !second) throw new Error('nothing was charged');
    const dispute = standIn.drive.openDispute(first.id);
    await importing.run();
    await agrees();
    const held = BigInt(first.amount);
    expect(await booked(provider, '2050')).toBe(held);
    expect(await booked(provider, '5040')).toBe(1_500n);
    standIn.drive.decideDispute(dispute.id, { won: true });
    await importing.run();
    await agrees();
    expect(await booked(provider, '2050')).toBe(0n);
  });

  it('that name no account of ours are in nobody’s books, and are told apart', async () => {
    const stripe = openStripe({ secretKey: 'sk_test_any', apiUrl: standIn.url });
    const a = await seedProvider(db);
    const b = await seedProvider(db);
    await bought(a.provider, a.account, 1_000n);
    await bought(b.provider, b.account, 1_000n);
    await stripe.paymentIntents.create({
      ...{ amount: 700, currency: 'usd', payment_method: 'pm_card_visa', confirm: true },
      return_url: 'https://shop.example',
    });
    await importing.run();
    expect(await moved('provider_id IS NULL')).toBe(650n);
    await agrees();
  });
});

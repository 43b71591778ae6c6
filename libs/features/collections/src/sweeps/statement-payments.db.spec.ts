import { entry } from '@core/ledger';
import { type AssetId, amount, erc20Asset, USD } from '@core/money';
import type { PayableAssets } from '@core/payments';
import { Ledger } from '@features/ledger';
import { StatementStates } from '@features/statements';
import { CollectionScene } from '../../../../../test/support/collection-scene.js';
import { verifyBooks } from '../../../../../test/support/books.js';
import { USDC } from '../../../../../test/support/paid-path.js';
import type { Payer } from '../../../../../test/support/payer.js';
import { SettlementScene } from '../../../../../test/support/settlement-scene.js';
import { CHAIN_ID } from '../../../../../tools/servers/chain.mjs';
import { USDC_ADDRESS } from '../../../../../tools/servers/usdc.mjs';
import { openApplyStatementPayments } from './open-sweeps.js';
import { StatementPaymentsStore } from './statement-payments.store.js';
import { StatementSale } from './statement-sale.js';

// Statements that are paid in a token, on a real chain whose blocks come when the story says so, and collected by the local stand-in for
// Stripe beside it.

const TOKEN = erc20Asset(CHAIN_ID, USDC_ADDRESS);

describe('statements that are paid in a token', () => {
  let chain: SettlementScene;
  let scene: CollectionScene;
  let sale: StatementSale;
  const store = new StatementPaymentsStore();

  beforeEach(async () => {
    chain = await SettlementScene.build({ mining: false, finality: 4 });
    const [{ id: provider, account } = { id: '', account: '' }] = chain.providers;
    scene = await CollectionScene.build({ on: { db: chain.db, seeded: { provider, account } } });
    const assets: PayableAssets = () => [USDC];
    const settings = { publicUrl: 'https://farebox.example' };
    sale = new StatementSale(scene.writer, store, new StatementStates(scene.ids), assets, scene.ids, settings);
    await chain.mine(8);
  });

  afterEach(async () => {
    await scene.close();
    await chain.close();
  });

  const apply = () =>
    openApplyStatementPayments({
      writer: scene.writer,
      database: scene.database,
      ledger: new Ledger(),
      ids: scene.ids,
    }).run();

  const billed = async (
    due: bigint,
    asset: AssetId,
    rails: readonly ('card' | 'bank' | 'usdc')[] = ['usdc', 'card'],
  ) => {
    await scene.terms({ asset, rails, pastDue: 'suspend' });
    return scene.statement(due, { asset });
  };
  const asked = (statement: string) => ({ statement, paymentSignature: undefined, xPayment: undefined });

  const claim = async (value: bigint) => {
    const payer = await chain.payer(10_000_000n);
    await chain.mine(chain.finality);
    const claimed = await chain.claim(payer, { origin: 'statement', value, lifetime: 900 });
    return { payer, ...claimed, payment: { ...claimed, assetId: TOKEN, amount: value } };
  };
  const pay = async (statement: string, value: bigint) => {
    const claimed = await claim(value);
    expect(await sale.capture(asked(statement), claimed.payment, scene.seeded.account)).toBe('captured');
    return claimed;
  };
  const finish = async () => {
    await chain.untilDone(true);
    return apply();
  };
  const fail = async ({ payer, authorization }: { payer: Payer; authorization: { nonce: `0x${string}` } }) => {
    await chain.cancel(payer, authorization.nonce);
    await chain.mine(chain.finality + 1);
    return finish();
  };
  const findings = async () =>
    (await verifyBooks(chain.db.auditUrl, chain.rail)).flatMap(({ invariant, faults }) =>
      // The scene draws up its statements by hand.
      invariant === 'M5' || invariant === 'S1' ? [] : faults,
    );

  it('takes nothing as paid before it is final, and then all of it once, whoever looks how often', async () => {
    const statement = await billed(250n, USD.id);
    await pay(statement, 2_500_000n);
    expect(await scene.books()).toMatchObject({
      ledger: { '1025 usdc': 2_500_000n, '1100': 250n, '2020 usdc': -2_500_000n },
      due: 250n,
    });
    await chain.hurry();
    await chain.round();
    await chain.mine();
    await chain.round();
    expect(await apply()).toEqual({ applied: 0, failed: 0 });
    await chain.untilDone(true);
    const runs = await Promise.all([apply(), apply(), apply()]);
    expect(runs.map(({ applied }) => applied).sort()).toEqual([0, 0, 1]);
    expect(await scene.statementState(statement)).toEqual({ state: 'paid', open: 0n, paid: 250n });
    const { ledger, due } = await scene.books();
    // A currency and a token meet at par.
    expect(ledger).toMatchObject({ '1020 usdc': 2_500_000n, '5060': 250n, '5060 usdc': -2_500_000n });
    expect([ledger['1100'], ledger['2020 usdc'], due]).toEqual([undefined, undefined, 0n]);
    expect(await findings()).toEqual([]);
  });

  it('is tried by no card while a payment is on its way, and is not past due', async () => {
    const statement = await billed(900_000n, TOKEN);
    await scene.method('pm_card_visa');
    await pay(statement, 900_000n);
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'waiting', reason: 'payment_under_way' });
    expect(await scene.statementState(statement)).toMatchObject({ state: 'issued' });
    await finish();
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'closed', reason: 'nothing_due' });
    expect([await scene.attempts(statement), scene.paidAtStripe(statement)]).toEqual([[], []]);
    expect(await scene.announced()).toEqual(['statement.paid']);
  });

  it('goes on to the card at once when the payment is proven never to have happened', async () => {
    const statement = await billed(900_000n, TOKEN);
    await scene.method('pm_card_visa');
    const paid = await pay(statement, 900_000n);
    await scene.round();
    expect(await fail(paid)).toEqual({ applied: 0, failed: 1 });
    await scene.round();
    expect(await scene.attempts(statement)).toEqual(['card succeeded']);
    expect(scene.paidAtStripe(statement)).toEqual([90]);
    expect(await scene.statementState(statement)).toEqual({ state: 'paid', open: 0n, paid: 900_000n });
    const { ledger } = await scene.books();
    expect([ledger['1025 usdc'], ledger['2020 usdc'], ledger['1020 usdc']]).toEqual([undefined, undefined, undefined]);
    expect(await findings()).toEqual([]);
  });

  it('is not for sale while a bank debit is under way: what was signed before is let go', async () => {
    const statement = await billed(7_000n, USD.id, ['bank']);
    const token = await sale.sold(asked(statement));
    expect(await sale.price(asked(statement), token)).toBe(70_000_000n);
    const { payment } = await claim(70_000_000n);
    await scene.method('pm_usBankAccount_processing');
    await scene.round();
    expect(await scene.collection(statement)).toMatchObject({ state: 'processing' });
    await expect(sale.price(asked(statement), token)).rejects.toMatchObject({ reason: 'collection_under_way' });
    expect(await sale.capture(asked(statement), payment, scene.seeded.account)).toBe('gone');
    expect(await chain.payment(payment.id)).toMatchObject({ state: 'reserved' });
  });

  it('is past due where nobody pays it, and its account good again once somebody has', async () => {
    const statement = await billed(500_000n, TOKEN, ['usdc']);
    await scene.round();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'overdue' });
    expect(await scene.standing()).toBe('suspended');
    await pay(statement, 500_000n);
    await finish();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid' });
    expect(await scene.standing()).toBe('good');
    expect((await scene.announced()).slice(-2)).toEqual(['statement.paid', 'account.restored']);
  });

  it('takes a payment of what is open and no more, and one at a time', async () => {
    const statement = await billed(500_000n, TOKEN);
    const more = await claim(500_001n);
    expect(await sale.capture(asked(statement), more.payment, scene.seeded.account)).toBe('gone');
    const claims = [await claim(500_000n), await claim(500_000n)];
    const outcomes = await Promise.all(
      claims.map(({ payment }) => sale.capture(asked(statement), payment, scene.seeded.account)),
    );
    expect([...outcomes].sort()).toEqual(['captured', 'gone']);
    const [winner] = claims.filter((_, i) => outcomes[i] === 'captured');
    if (!winner) throw new Error('none was captured');
    // The same one again is the same one.
    expect(await sale.capture(asked(statement), winner.payment, scene.seeded.account)).toBe('captured');
    await finish();
    expect(await scene.statementState(statement)).toMatchObject({ state: 'paid', paid: 500_000n });
  });

  it('keeps what is over for the account, when it was credited meanwhile', async () => {
    const statement = await billed(500_000n, TOKEN);
    await pay(statement, 500_000n);
    await scene.database.forProvider(scene.seeded.provider, async (tx) => {
      const note = { leg: 'note', amount: amount(TOKEN, 200_000n) };
      const { provider, account } = scene.seeded;
      await new Ledger().post(
        tx,
        entry({ provider, name: 'note:1', reference: statement, reason: 'credit note' }, [
          {
            ...note,
            debit: { code: '4010', asset: TOKEN, detail: 'mtr_1' },
            credit: { code: '1100', asset: TOKEN, account },
          },
        ]),
      );
      await new StatementStates(scene.ids).credit(tx, { statement, amount: 200_000n });
    });
    expect(await finish()).toEqual({ applied: 1, failed: 0 });
    expect(await scene.statementState(statement)).toEqual({ state: 'paid', open: 0n, paid: 300_000n });
    expect((await scene.books()).ledger['2020 usdc']).toBe(-200_000n);
    expect(await findings()).toEqual([]);
  });
});

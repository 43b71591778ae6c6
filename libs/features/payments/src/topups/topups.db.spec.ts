import { createHash, randomBytes } from 'node:crypto';
import { erc20Asset } from '@core/money';
import type { CrashPoint } from '@core/settlement';
import { Clock, type Instant, instant } from '@core/time';
import { Ledger } from '@features/ledger';
import { ExpireGrants, Holds, IssueGrant, RefundGrant, VoidGrant } from '@features/wallet';
import { Eip3009Verifier, UsdcReader } from '@platform/chain';
import { Announce } from '@features/webhooks';
import { Database } from '@platform/database';
import { SystemIds } from '@platform/system';
import { verifyBooks } from '../../../../../test/support/books.js';
import { Interrupt, NoCrash } from '../../../../../test/support/interrupt.js';
import { USDC } from '../../../../../test/support/paid-path.js';
import { Payer, USDC_ADDRESS } from '../../../../../test/support/payer.js';
import { SettlementScene } from '../../../../../test/support/settlement-scene.js';
import { CHAIN_ID } from '../../../../../tools/servers/chain.mjs';
import { MULTICALL3_ADDRESS } from '../../../../../tools/servers/usdc.mjs';
import { PaymentStore } from '../exact/payments.store.js';
import { Payees } from '../gate/payees.js';
import { CreditTopUps } from './credit-topups.js';
import { RefundsStore } from './refunds.store.js';
import { AuthorizeRefund, ReadRefunds } from './send-refund.js';
import { TopUpsStore } from './topups.store.js';

// Balance that is bought, on a real chain whose blocks come, and go, when the story says so.

const ASSET = erc20Asset(CHAIN_ID, USDC_ADDRESS);
const ids = new SystemIds();

class WallClock extends Clock {
  now(): Instant {
    return instant(Date.now());
  }
}

describe('balance that is bought', () => {
  let scene: SettlementScene;
  let database: Database;
  let payments: PaymentStore;
  let topUps: TopUpsStore;
  let treasury: Payer;
  const clock = new WallClock();

  beforeEach(async () => {
    scene = await SettlementScene.build({ mining: false, finality: 4 });
    database = new Database(scene.db.appUrl, 4);
    payments = new PaymentStore(scene.writer, undefined);
    topUps = new TopUpsStore(scene.writer);
    treasury = new Payer();
    scene.payees[0] = treasury.address;
    await scene.owner.query('UPDATE providers SET pay_to = $1', [treasury.address]);
    await scene.mine(8);
  });

  afterEach(async () => {
    await database.close();
    await scene.close();
  });

  const provider = (): string => scene.providers[0]?.id ?? '';

  const credit = (crash: CrashPoint = new NoCrash()) =>
    new CreditTopUps(
      scene.writer,
      new IssueGrant(database, ids),
      new VoidGrant(database, ids),
      new Ledger(),
      crash,
      new Announce(ids),
    ).run();

  const round = async () => {
    await scene.hurry();
    await scene.round();
    await credit();
  };

  /** As far as its block, which is not final. */
  const include = async () => {
    await round();
    await scene.mine();
    await round();
  };

  const finish = async () => {
    await scene.untilDone(true);
    await credit();
  };

  const buy = async (payer: Payer, value: bigint) => {
    const validBefore = (await scene.headTime()) + 300n;
    const authorization = await payer.authorize({ to: treasury.address, value, validBefore });
    const [claimed] = await payments.claim([
      {
        id: ids.next('pay'),
        provider: provider(),
        newAccount: ids.next('acct'),
        origin: 'topup',
        network: `eip155:${CHAIN_ID}`,
        chainId: CHAIN_ID,
        asset: USDC_ADDRESS.toLowerCase(),
        assetId: ASSET,
        authorization,
        binding: createHash('sha256').update(randomBytes(8)).digest('hex'),
        resource: 'https://farebox.example/v1/topups',
        attempt: undefined,
        meterId: undefined,
        quantity: undefined,
        priceId: undefined,
        release: 'confirmed',
        ttlSeconds: 60,
        identified: undefined,
        balance: 10n ** 12n,
      },
    ]);
    if (claimed?.outcome !== 'claimed') throw new Error(`not claimed: ${claimed?.outcome}`);
    const payment = await payments.find(claimed.id);
    if (!payment) throw new Error('the claim is gone');
    const id = ids.next('top');
    await topUps.capture(id, payment, payment.account);
    return { id, payment: payment.id, account: payment.account, authorization };
  };

  const funded = async () => {
    const payer = await scene.payer(10_000_000n);
    await scene.mine(scene.finality);
    return payer;
  };

  const cap = (most: bigint) =>
    scene.owner.query(
      `INSERT INTO topup_settings (provider_id, least, most, provisional_credit_cap) VALUES ($1, 1, 1000000000, $2)
       ON CONFLICT (provider_id) DO UPDATE SET provisional_credit_cap = $2`,
      [provider(), most],
    );

  const standing = async (id: string) => {
    const topUp = await topUps.find(id);
    if (!topUp) throw new Error('the top-up is gone');
    const { rows } = await scene.owner.query<{ posted: string }>(
      'SELECT posted::text FROM wallets WHERE account_id = $1 AND asset = $2',
      [topUp.account, ASSET],
    );
    return [topUp.state, topUp.paymentState, rows[0]?.posted ?? '0'];
  };

  const balance = async (code: string): Promise<bigint> => {
    const { rows } = await scene.owner.query<{ n: string }>(
      `SELECT coalesce(sum(CASE WHEN t.debit_id = a.id THEN t.amount ELSE -t.amount END), 0)::text AS n
       FROM ledger_accounts a JOIN transfers t ON a.id IN (t.debit_id, t.credit_id) WHERE a.code = $1`,
      [code],
    );
    return BigInt(rows[0]?.n ?? '0');
  };

  const booksHold = async () => {
    const { ledger, chain } = await scene.books();
    expect(ledger).toEqual(chain);
    const findings = await verifyBooks(scene.db.auditUrl, scene.rail);
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  };

  const spend = async (account: string, value: bigint, capture = true) => {
    const holds = new Holds(scene.writer, ids);
    const taken = await holds.take({
      provider: provider(),
      account,
      asset: ASSET,
      amount: value,
      key: `once:${randomBytes(8).toString('hex')}`,
      fingerprint: 'a request',
      ttlSeconds: 60,
      quantity: '1',
      payer: 'key_of_the_test',
      resource: 'https://api.example.com/',
    });
    if (taken.outcome !== 'held') throw new Error(taken.outcome);
    const { id: hold } = taken.hold;
    if (capture) await holds.capture({ provider: provider(), hold, amount: value, quantity: '1', reply: undefined });
    return { holds, hold };
  };

  it('is there when its payment is final and not before, once, whoever looks how often', async () => {
    const { id } = await buy(await funded(), 50_000n);
    await include();
    expect(await standing(id)).toEqual(['paid', 'included', '0']);
    await scene.mine(scene.finality - 1);
    await round();
    expect(await standing(id)).toEqual(['paid', 'included', '0']);
    await scene.mine();
    await scene.hurry();
    await scene.round();
    await Promise.all([credit(), credit(), credit()]);
    expect(await standing(id)).toEqual(['credited', 'settled', '50000']);
    expect([await balance('2010'), await balance('2020'), await balance('4010')]).toEqual([-50_000n, 0n, 0n]);
    await finish();
    await booksHold();
  });

  it('does not count as unsettled: what may be owed at once bounds calls, not balance', async () => {
    await scene.owner.query('UPDATE providers SET exposure_cap_payer = 1000, exposure_cap_provider = 1000');
    const payer = await funded();
    const first = await buy(payer, 50_000n);
    await expect(scene.serve(payer, { value: 1_001n })).rejects.toThrow('payer_cap');
    await scene.serve(payer, { value: 1_000n });
    await finish();
    expect(await standing(first.id)).toEqual(['credited', 'settled', '50000']);
    await booksHold();
  });

  it('is given once when the worker dies between finality and credit, or before the commit', async () => {
    const { id } = await buy(await funded(), 50_000n);
    await include();
    await scene.mine(scene.finality);
    await scene.hurry();
    await scene.round();
    for (const place of ['topups.before-credit', 'topups.credited'] as const) {
      const crash = new Interrupt();
      crash.arm(place);
      await expect(credit(crash)).rejects.toThrow('interrupted');
      expect(await standing(id)).toEqual(['paid', 'settled', '0']);
    }
    await credit();
    await credit();
    expect(await standing(id)).toEqual(['credited', 'settled', '50000']);
    await finish();
    await booksHold();
  });

  it('never comes when its payment is proven failed: no balance, no revenue, no loss', async () => {
    const payer = await funded();
    const { id, authorization } = await buy(payer, 50_000n);
    await scene.cancel(payer, authorization.nonce);
    await scene.mine();
    await finish();
    expect(await standing(id)).toEqual(['failed', 'failed', '0']);
    expect(await Promise.all(['1025', '2020', '2010', '4010', '5030'].map(balance))).toEqual([0n, 0n, 0n, 0n, 0n]);
    await booksHold();
  });

  it('comes before finality up to the cap of the account, and stays when the payment is final', async () => {
    await cap(70_000n);
    const payer = await funded();
    const first = await buy(payer, 50_000n);
    const second = await buy(payer, 30_000n);
    await include();
    expect(await standing(first.id)).toEqual(['provisional', 'included', '50000']);
    expect(await standing(second.id)).toEqual(['paid', 'included', '50000']);
    const third = await buy(payer, 20_000n);
    await include();
    expect(await standing(third.id)).toEqual(['provisional', 'included', '70000']);
    await spend(first.account, 60_000n);
    await finish();
    expect(await standing(first.id)).toEqual(['credited', 'settled', '40000']);
    expect(await standing(second.id)).toEqual(['credited', 'settled', '40000']);
    expect(await balance('5030')).toBe(0n);
    await booksHold();
  });

  it('survives a reorganisation that carries its payment again', async () => {
    await cap(70_000n);
    const { id } = await buy(await funded(), 50_000n);
    await include();
    expect(await standing(id)).toEqual(['provisional', 'included', '50000']);
    await scene.rpc('anvil_reorg', 2, []);
    await round();
    expect(await standing(id)).toEqual(['provisional', 'settling', '50000']);
    await finish();
    expect(await standing(id)).toEqual(['credited', 'settled', '50000']);
    await booksHold();
  });

  it('goes again when a reorganisation takes its payment away for good: what was used of it is a loss, to the unit', async () => {
    await cap(70_000n);
    const payer = await funded();
    const { id, account, authorization } = await buy(payer, 50_000n);
    await include();
    await spend(account, 12_345n);
    const open = await spend(account, 10_000n, false);
    const [ours] = await scene.transactions();
    await scene.rpc('anvil_reorg', 1, []);
    await scene.rpc('anvil_dropTransaction', `0x${ours?.hash.toString('hex')}`);
    await scene.cancel(payer, authorization.nonce);
    await scene.mine();
    await finish();
    // What an open request has set aside stays until it ends.
    expect(await standing(id)).toEqual(['failed', 'failed', '10000']);
    expect(await balance('5030')).toBe(12_345n);
    await open.holds.capture({
      provider: provider(),
      hold: open.hold,
      amount: 4_000n,
      quantity: '1',
      reply: undefined,
    });
    await new ExpireGrants(scene.writer, ids, clock).run();
    await credit();
    expect(await standing(id)).toEqual(['failed', 'failed', '0']);
    expect(await Promise.all(['1025', '2020', '2010'].map(balance))).toEqual([0n, 0n, 0n]);
    expect([await balance('4010'), await balance('5030')]).toEqual([-16_345n, 16_345n]);
    await booksHold();
  });

  describe('and goes back', () => {
    let reader: ReadRefunds;
    let authorize: AuthorizeRefund;

    beforeEach(async () => {
      const store = new RefundsStore(scene.writer);
      const payees = new Payees(scene.writer, clock);
      const chain = new UsdcReader({ rpcUrl: scene.chain.url, multicall: MULTICALL3_ADDRESS, pollMs: 50 }, clock);
      const verifier = await Eip3009Verifier.create();
      reader = new ReadRefunds(store, payees, () => [USDC], clock);
      authorize = new AuthorizeRefund(store, payees, verifier, chain, () => [USDC], ids, {
        publicUrl: 'https://farebox.example',
      });
    });

    const refund = async (topUp: string) => {
      const grant = (await topUps.find(topUp))?.grant ?? '';
      const { refund: owed } = await new RefundGrant(database, ids).run({ provider: provider(), grant });
      return owed.id;
    };

    const sign = async (id: string, by = treasury) => {
      const { typedData } = await reader.one(provider(), id);
      if (!typedData) throw new Error('nothing is to be signed');
      const { to, value, nonce } = typedData.message;
      const validBefore = (await scene.headTime()) + 600n;
      const signed = await by.authorize({
        to,
        value: BigInt(value),
        validBefore,
        nonce: `0x${nonce.slice(2)}`,
      });
      return { signed, send: () => authorize.run({ ...signed, provider: provider(), refund: id }) };
    };

    const bought = async (value = 50_000n) => {
      const payer = await funded();
      const topUp = await buy(payer, value);
      await finish();
      expect(await standing(topUp.id)).toEqual(['credited', 'settled', value.toString()]);
      return { ...topUp, payer };
    };

    it('to the wallet that paid, by the treasury’s signature alone, once', async () => {
      const { id, account, payer } = await bought();
      await spend(account, 20_000n);
      const owed = await refund(id);
      expect(await balance('2040')).toBe(-30_000n);
      const before = await scene.usdc.balance(payer.address);
      const stranger = await sign(owed, new Payer());
      await expect(stranger.send()).rejects.toMatchObject({ reason: 'invalid_signature' });
      const { send } = await sign(owed);
      const sent = await Promise.all([send(), send(), send()]);
      expect(new Set(sent.map(({ payment }) => payment)).size).toBe(1);
      await finish();
      expect((await reader.one(provider(), owed)).refund).toMatchObject({ state: 'paid', cash: 30_000n });
      expect(await scene.usdc.balance(payer.address)).toBe(before + 30_000n);
      expect(await Promise.all(['2040', '2010', '2020'].map(balance))).toEqual([0n, 0n, 0n]);
      expect(await balance('1020')).toBe(20_000n);
      await booksHold();
    });

    it('is owed again, under another nonce, when the transfer is proven not to have happened', async () => {
      const { id } = await bought();
      const owed = await refund(id);
      const { signed, send } = await sign(owed);
      await send();
      await scene.cancel(treasury, signed.nonce);
      await scene.mine();
      await finish();
      const { refund: again, typedData } = await reader.one(provider(), owed);
      expect(again).toMatchObject({ state: 'owed', attempt: 1, reason: 'canceled' });
      expect(typedData?.message.nonce).not.toBe(signed.nonce);
      expect(await balance('2040')).toBe(-50_000n);
      await booksHold();
      await (await sign(owed)).send();
      await finish();
      expect((await reader.one(provider(), owed)).refund.state).toBe('paid');
      expect(await balance('1020')).toBe(0n);
      await booksHold();
    });

    it('not before it was paid for: a refund of provisional balance waits, and ends with a payment that failed', async () => {
      await cap(70_000n);
      const payer = await funded();
      const { id, authorization } = await buy(payer, 50_000n);
      await include();
      const owed = await refund(id);
      const { refund: waiting, typedData } = await reader.one(provider(), owed);
      expect([waiting.state, typedData]).toEqual(['owed', undefined]);
      await expect(authorize.run({ ...authorization, provider: provider(), refund: owed })).rejects.toMatchObject({
        reason: 'funding_not_final',
      });
      const [ours] = await scene.transactions();
      await scene.rpc('anvil_reorg', 1, []);
      await scene.rpc('anvil_dropTransaction', `0x${ours?.hash.toString('hex')}`);
      await scene.cancel(payer, authorization.nonce);
      await scene.mine();
      await finish();
      expect((await reader.one(provider(), owed)).refund).toMatchObject({
        state: 'cancelled',
        reason: 'funding_failed',
      });
      expect(await standing(id)).toEqual(['failed', 'failed', '0']);
      expect(await Promise.all(['2040', '2010', '2020', '5030'].map(balance))).toEqual([0n, 0n, 0n, 0n]);
      await booksHold();
    });
  });
});

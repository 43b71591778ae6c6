import { randomBytes } from 'node:crypto';
import { mnemonicToAccount } from 'viem/accounts';
import type { SettlementPlace } from '@core/settlement';
import { CHAIN_ID, TEST_MNEMONIC } from '../../../../tools/servers/chain.mjs';
import { Interrupt } from '../../../../test/support/interrupt.js';
import { SettlementScene } from '../../../../test/support/settlement-scene.js';
import { SettlementReader, SweepSettlement, VoidExpired } from './index.js';

const chainId = CHAIN_ID;

describe('settlement, on PostgreSQL and a chain with the genuine USDC', () => {
  let scene: SettlementScene;

  beforeEach(async () => {
    scene = await SettlementScene.build({ mining: false, providers: 2 });
  });

  afterEach(() => scene.close());

  const round = async () => {
    await scene.hurry();
    return scene.round();
  };

  const ledgerIsChain = async () => {
    const { ledger, chain, inTransit } = await scene.books();
    expect(ledger).toEqual(chain);
    expect(inTransit).toBe(0n);
    return chain;
  };

  it('carries many payments in one transaction and settles each when its block is final', async () => {
    for (let i = 0; i < 5; i += 1)
      await scene.serve(await scene.payer(), { value: BigInt(1_000 + i), provider: i % 2 });
    await scene.round();
    expect(await scene.states()).toEqual({ settling: 5 });
    expect((await scene.transactions()).map(({ state }) => state)).toEqual(['broadcast']);
    await scene.mine();
    await round();
    expect(await scene.states()).toEqual({ included: 5 });
    await scene.mine(scene.finality - 1);
    await round();
    expect(await scene.states()).toEqual({ included: 5 });
    await scene.mine();
    await round();
    expect(await scene.states()).toEqual({ settled: 5 });
    const chain = await ledgerIsChain();
    expect(chain[scene.payees[0] ?? '']).toBe(1_000n + 1_002n + 1_004n);
  });

  it('sends no transaction for a payment that would fail, does not let it spoil the others, and tries it again', async () => {
    const poor = await scene.payer(10n);
    const late = await scene.serve(poor, { value: 4_000n });
    await scene.serve(await scene.payer());
    await scene.round();
    expect((await scene.payment(late.id)).batch).toBeNull();
    await scene.mine(1 + scene.finality);
    await round();
    await round();
    expect(await scene.states()).toEqual({ settled: 1, settling: 1 });
    await scene.usdc.mint(poor.address, 4_000n);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 2 });
    await ledgerIsChain();
  });

  it('shares the work between runs at the same moment: each payment in one transaction, each key without a gap', async () => {
    for (let i = 0; i < 24; i += 1) await scene.serve(await scene.payer());
    const workers = Array.from({ length: 4 }, (_, i) => scene.commands(undefined, { batch: 5, owner: `worker ${i}` }));
    await Promise.all(workers.flatMap(({ submit, confirm }) => [submit.run({ chainId }), confirm.run({ chainId })]));
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 24 });
    const transactions = await scene.transactions();
    for (const signer of scene.rail.signers) {
      const nonces = transactions
        .filter((transaction) => transaction.signer === signer)
        .map(({ nonce }) => Number(nonce));
      expect(nonces).toEqual(nonces.map((_, i) => i));
      expect(nonces.length).toBeGreaterThan(0);
    }
    await ledgerIsChain();
  });

  it('counts a payment as paid when somebody else carried it first', async () => {
    const { id, authorization } = await scene.serve(await scene.payer());
    const theirs = await scene.relay(authorization);
    await scene.mine();
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'settled', transaction: theirs });
    expect(await scene.transactions()).toEqual([]);
    await ledgerIsChain();
  });

  it('counts it as paid when the other transaction came in ahead of ours in the same block', async () => {
    const { id, authorization } = await scene.serve(await scene.payer());
    await scene.round();
    const theirs = await scene.relay(authorization, 50);
    await scene.mine();
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'settled', transaction: theirs });
    expect((await scene.transactions()).map(({ state }) => state)).toEqual(['final']);
    await ledgerIsChain();
  });

  it('fails a cancelled payment, but not before the cancellation is final', async () => {
    const payer = await scene.payer();
    const { id, authorization } = await scene.serve(payer);
    await scene.cancel(payer, authorization.nonce);
    await scene.mine();
    await round();
    await round();
    expect((await scene.payment(id)).state).toBe('settling');
    await scene.mine(scene.finality);
    await round();
    expect(await scene.payment(id)).toMatchObject({ state: 'failed', failure: { kind: 'canceled' } });
    const { inTransit, badDebt } = await scene.books();
    expect({ inTransit, badDebt }).toEqual({ inTransit: 0n, badDebt: 4_000n });
  });

  it('fails a payment whose nonce paid somebody else, though the token calls it used', async () => {
    const payer = await scene.payer();
    const { id, authorization } = await scene.serve(payer);
    const other = await payer.authorize({
      to: payer.address,
      value: 4_000n,
      validBefore: authorization.validBefore,
      nonce: authorization.nonce,
    });
    await scene.relay(other);
    await scene.untilDone(true);
    expect(await scene.payment(id)).toMatchObject({ state: 'failed', failure: { kind: 'used_otherwise' } });
    await ledgerIsChain();
  });

  it('fails an unused payment only by a final block after its time', async () => {
    const { id } = await scene.serve(await scene.payer(1n), { lifetime: 60 });
    await round();
    expect((await scene.payment(id)).state).toBe('settling');
    await scene.pass(100);
    await round();
    expect((await scene.payment(id)).state).toBe('settling');
    await scene.mine(scene.finality);
    await round();
    expect(await scene.payment(id)).toMatchObject({ state: 'failed', failure: { kind: 'expired_unused' } });
  });

  it('raises the fees of a transaction that is not mined, and knows it by any of its hashes', async () => {
    await scene.serve(await scene.payer());
    const impatient = scene.commands(undefined, { replaceAfterMs: 0 });
    await scene.round(impatient);
    await scene.hurry();
    await scene.round(impatient);
    const [transaction] = await scene.transactions();
    expect(transaction).toMatchObject({ state: 'broadcast' });
    expect(transaction?.candidates).toBeGreaterThanOrEqual(2);
    const { rows } = await scene.owner.query<{ max: string; tip: string }>(
      'SELECT max_fee_per_gas::text AS max, max_priority_fee_per_gas::text AS tip FROM chain_candidates ORDER BY created_at LIMIT 2',
    );
    const [first, second] = rows.map(({ max, tip }) => ({ max: BigInt(max), tip: BigInt(tip) }));
    expect((second?.max ?? 0n) * 100n).toBeGreaterThanOrEqual((first?.max ?? 0n) * 112n);
    expect((second?.tip ?? 0n) * 100n).toBeGreaterThanOrEqual((first?.tip ?? 0n) * 112n);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 1 });
    await ledgerIsChain();
  });

  it('sends the same bytes again when a node has lost them', async () => {
    await scene.serve(await scene.payer());
    await scene.round();
    const [before] = await scene.transactions();
    await scene.rpc('anvil_dropTransaction', `0x${before?.hash.toString('hex')}`);
    await scene.mine();
    await scene.owner.query("UPDATE chain_candidates SET broadcast_at = now() - interval '1 minute'");
    await round();
    await scene.untilDone(true);
    const [after] = await scene.transactions();
    expect(after?.hash).toEqual(before?.hash);
    expect(after?.candidates).toBe(1);
    await ledgerIsChain();
  });

  it('pauses a key that cannot pay for gas, uses another, and goes on with it when it can', async () => {
    const [first, second] = scene.rail.signers;
    for (const signer of [first, second]) await scene.rpc('anvil_setBalance', signer, '0x1');
    await scene.serve(await scene.payer());
    const alarms = [...(await round()), ...(await round())];
    expect(alarms.join()).toContain('cannot pay for gas');
    const standing = await new SettlementReader(scene.writer).standing(chainId);
    expect(standing.pausedSigners).toHaveLength(2);
    expect((await scene.transactions()).length).toBe(0);
    await scene.rpc('anvil_setBalance', second, `0x${(10n ** 21n).toString(16)}`);
    await round();
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 1 });
    expect(
      (await new SettlementReader(scene.writer).standing(chainId)).pausedSigners.map(({ signer }) => signer),
    ).toEqual([first]);
  });

  it('pauses a key whose nonce something else has used, and sends its payments with another', async () => {
    await scene.serve(await scene.payer());
    await scene.round();
    const [ours] = await scene.transactions();
    await scene.rpc('anvil_dropTransaction', `0x${ours?.hash.toString('hex')}`);
    const thief = scene.rail.signers.findIndex((signer) => signer === ours?.signer);
    await scene.rpc('eth_sendTransaction', {
      from: mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 1 + thief }).address,
      to: scene.payees[0],
      value: '0x1',
      nonce: '0x0',
    });
    await scene.mine();
    await round();
    expect((await scene.transactions())[0]?.state).toBe('broadcast');
    await scene.mine(scene.finality);
    await round();
    const standing = await new SettlementReader(scene.writer).standing(chainId);
    expect(standing.pausedSigners).toEqual([{ signer: ours?.signer, reason: expect.stringContaining('nonce 0') }]);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 1 });
    expect((await scene.transactions()).map(({ state }) => state).sort()).toEqual(['dropped', 'final']);
  });

  it('fills the nonce of a transaction no block can hold, and sends its payments in another one', async () => {
    for (let i = 0; i < 3; i += 1) await scene.serve(await scene.payer());
    // Simulated against the usual limit, signed for it, and refused by a node that has another.
    const lowered = new Interrupt();
    lowered.arm('settlement.bytes-stored');
    await expect(scene.commands(lowered).submit.run({ chainId })).rejects.toThrow('interrupted');
    await scene.rpc('evm_setBlockGasLimit', '0x30d40');
    await scene.mine();
    const alarms = await round();
    expect(alarms.join()).toContain('can never be mined');
    await scene.rpc('evm_setBlockGasLimit', '0x1c9c380');
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 3 });
    expect((await scene.transactions()).map(({ state }) => state).sort()).toEqual(['dropped', 'final']);
    await ledgerIsChain();
  });

  const places: SettlementPlace[] = [
    'settlement.claimed',
    'settlement.before-sign',
    'settlement.bytes-stored',
    'settlement.broadcast',
    'settlement.receipt-seen',
    'settlement.before-final',
  ];

  it.each(places)('goes on after an interruption at %s, and settles each payment once', async (place) => {
    for (let i = 0; i < 3; i += 1) await scene.serve(await scene.payer());
    const interrupt = new Interrupt();
    interrupt.arm(place);
    const interrupted = scene.commands(interrupt);
    const attempt = async (): Promise<boolean> => {
      await scene.mine();
      await scene.hurry();
      return scene.round(interrupted).then(
        () => false,
        (error: unknown) => String(error).includes(place),
      );
    };
    let done = false;
    for (let i = 0; i < 10 && !done; i += 1) done = await attempt();
    expect(done).toBe(true);
    await scene.untilDone(true);
    expect(await scene.states()).toEqual({ settled: 3 });
    const chain = await ledgerIsChain();
    expect(chain[scene.payees[0] ?? '']).toBe(12_000n);
    expect(await scene.transactions()).toHaveLength(1);
  });

  it('lets go of reservations whose time is over, and of no others', async () => {
    const served = await scene.serve(await scene.payer());
    const held = await scene.reserve(await scene.payer(), 60);
    const expired = await scene.reserve(await scene.payer(), 0);
    expect(await new VoidExpired(scene.writer).run()).toBe(1);
    expect((await scene.payment(expired)).state).toBe('voided');
    expect((await scene.payment(held)).state).toBe('reserved');
    expect((await scene.payment(served.id)).state).toBe('served');
  });

  it('finds what the queue forgot, and stages it once', async () => {
    await scene.serve(await scene.payer());
    const sweep = new SweepSettlement(scene.writer);
    expect(await sweep.run()).toEqual([]);
    await scene.owner.query("UPDATE payments SET served_at = now() - interval '9 s'");
    await scene.owner.query('DELETE FROM outbox');
    expect(await sweep.run()).toEqual([{ chainId, queue: 'submit-settlement', seconds: 9 }]);
    await sweep.run();
    const { rows } = await scene.owner.query('SELECT queue, payload FROM outbox');
    expect(rows).toEqual([{ queue: 'submit-settlement', payload: { chainId } }]);
  });

  it('refuses to change signed bytes or to leave the table of states', async () => {
    await scene.serve(await scene.payer());
    await scene.round();
    await expect(scene.writer.query('UPDATE chain_candidates SET raw = $1', [randomBytes(3)])).rejects.toThrow(
      'never change',
    );
    await expect(scene.writer.query("UPDATE chain_transactions SET state = 'final'")).rejects.toThrow('cannot go from');
  });
});

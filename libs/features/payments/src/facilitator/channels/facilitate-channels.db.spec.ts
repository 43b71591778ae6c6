import { Interrupt } from '../../../../../../test/support/interrupt.js';
import { initiateWithdraw, finalizeWithdraw } from '../../../../../../test/support/channel-payer.js';
import { type RelayBody, RelayScene } from '../../../../../../test/support/relay-scene.js';
import { CHAIN_ID } from '../../../../../../tools/servers/chain.mjs';

const CODE = 'invalid_batch_settlement_evm_';

describe('orders of servers with channels of their own, on a real chain and PostgreSQL', () => {
  let scene: RelayScene;

  beforeEach(async () => {
    scene = await RelayScene.open();
  });

  afterEach(() => scene.close());

  const settle = (body: RelayBody) => scene.door.settleFacilitated.run(body);
  /** Asks, and leaves the order to the worker. */
  const order = (body: RelayBody) =>
    expect(settle(body)).rejects.toMatchObject({ code: 'unavailable', reason: 'settlement_not_sent_yet' });
  const send = () => scene.worker().relay.run({ chainId: CHAIN_ID });
  /** Asks, and has the chain do it. */
  const done = async (body: RelayBody): Promise<void> => {
    await order(body);
    await send();
    await scene.settlement.mine();
    await scene.round();
    expect(await settle(body)).toMatchObject({ success: true });
  };
  const funded = async (amount = 10_000n) => {
    const channel = await scene.channel();
    const deposit = await scene.deposit(channel, amount);
    await done(deposit);
    return { ...channel, deposit };
  };
  const onChain = async (id: `0x${string}`) => (await scene.chain.channels([id], 'latest')).channels[0];

  it('are unknown until the chain has them, and answered alike for ever after', async () => {
    const channel = await scene.channel();
    const body = await scene.deposit(channel, 10_000n);
    const valid = await scene.door.verifyFacilitated.run(body);
    expect(valid).toEqual({
      isValid: true,
      payer: channel.payer.address,
      extra: { channelId: channel.id, balance: '0', totalClaimed: '0', withdrawRequestedAt: 0, refundNonce: '0' },
    });
    await order(body);
    await order(body);
    expect(await scene.orders()).toMatchObject([{ kind: 'deposit', state: 'open', attempts: 0 }]);
    expect(await scene.door.verifyFacilitated.run(body)).toMatchObject({ isValid: false });

    await send();
    const [{ hash } = { hash: Buffer.of() }] = await scene.settlement.transactions();
    const transaction = `0x${hash.toString('hex')}`;
    for (let i = 0; i < 2; i += 1) {
      expect(await settle(body)).toMatchObject({ success: false, errorReason: 'settlement_pending', transaction });
    }
    await scene.settlement.mine();
    await scene.round();
    const answer = {
      success: true,
      payer: channel.payer.address,
      transaction,
      network: 'eip155:84532',
      amount: '10000',
      extra: {
        channelState: {
          ...{ channelId: channel.id, balance: '10000', totalClaimed: '0', withdrawRequestedAt: 0, refundNonce: '0' },
        },
      },
    };
    expect(await settle(body)).toEqual(answer);
    await scene.untilEnded();
    expect(await scene.orders()).toMatchObject([{ state: 'done', attempts: 1 }]);
    expect(await settle(body)).toEqual(answer);
    expect(await scene.settlement.transactions()).toHaveLength(1);
  });

  it('travel together, once, though two workers run at the same time, and cost nothing but gas', async () => {
    const bodies = await Promise.all(
      Array.from({ length: 4 }, async () => scene.deposit(await scene.channel(), 10_000n)),
    );
    await Promise.all(bodies.map(order));
    const [one, other] = [scene.worker(), scene.worker()];
    const sent = await Promise.all([one.relay.run({ chainId: CHAIN_ID }), other.relay.run({ chainId: CHAIN_ID })]);
    expect(sent.reduce((sum, { orders }) => sum + orders, 0)).toBe(4);
    await scene.untilEnded();
    expect((await scene.orders()).map(({ state, attempts }) => ({ state, attempts }))).toEqual(
      Array.from({ length: 4 }, () => ({ state: 'done', attempts: 1 })),
    );
    const { ledger, chain } = await scene.settlement.books();
    expect(ledger).toEqual(chain);
    const { rows } = await scene.settlement.owner.query<{ code: string }>(
      'SELECT DISTINCT l.code FROM ledger_accounts l JOIN transfers t ON l.id IN (t.debit_id, t.credit_id) ORDER BY 1',
    );
    expect(rows.map(({ code }) => code)).toEqual(['1021', '5020']);
  });

  it('claim, pay out and refund; a payout is asked for again when more was claimed', async () => {
    const channel = await funded();
    await done(await scene.claim([channel], 3_000n));
    await done(scene.settle());
    expect(await scene.settlement.usdc.balance(scene.payTo)).toBe(3_000n);
    const first = await settle(scene.settle());
    expect(first).toMatchObject({ success: true, amount: '3000' });
    await done(await scene.refund(channel, 100_000n, 0n, 4_000n));
    expect(await onChain(channel.id)).toMatchObject({ balance: 4_000n, totalClaimed: 4_000n, refundNonce: 1n });
    await done(scene.settle());
    expect(await settle(scene.settle())).toMatchObject({ success: true, amount: '1000' });
    expect(await scene.settlement.usdc.balance(scene.payTo)).toBe(4_000n);
    expect((await scene.orders()).map(({ kind, moved }) => `${kind} ${moved}`)).toEqual([
      ...['deposit 10000', 'claim 0', 'settle 3000', 'refund 6000', 'settle 1000'],
    ]);
  });

  it('count as done when somebody else was faster, before ours was sent or after', async () => {
    const channel = await funded();
    const claim = await scene.claim([channel], 3_000n);
    await order(claim);
    const theirs = await scene.asStranger(claim);
    await scene.settlement.mine();
    await scene.round();
    expect(await settle(claim)).toMatchObject({ success: true, transaction: theirs, amount: '' });
    expect(await scene.orders()).toMatchObject([{}, { kind: 'claim', attempts: 0 }]);

    const refund = await scene.refund(channel, 2_000n, 0n);
    await order(refund);
    await send();
    const faster = await scene.asStranger(refund);
    await scene.settlement.mine();
    await scene.round();
    expect(await settle(refund)).toMatchObject({ success: true, transaction: faster, amount: '2000' });
    await scene.untilEnded();
    expect(await scene.orders()).toMatchObject([{}, { state: 'done' }, { state: 'done', attempts: 1 }]);
    expect(await onChain(channel.id)).toMatchObject({ balance: 8_000n, totalClaimed: 3_000n, refundNonce: 1n });
  });

  it('are not sent at all when the chain is there already', async () => {
    const channel = await funded();
    await scene.asStranger(await scene.claim([channel], 3_000n));
    await scene.settlement.mine();
    const before = (await scene.settlement.transactions()).length;
    expect(await settle(await scene.claim([channel], 2_000n))).toMatchObject({ success: true, transaction: '' });
    expect(await scene.orders()).toHaveLength(1);
    expect(await scene.settlement.transactions()).toHaveLength(before);
  });

  it('are carried out again when their block goes away, and move value once', async () => {
    const channel = await funded();
    const refund = await scene.refund(channel, 2_000n, 0n);
    await done(refund);
    await scene.settlement.rpc('anvil_reorg', 1, []);
    expect(await onChain(channel.id)).toMatchObject({ balance: 10_000n, refundNonce: 0n });
    await scene.untilEnded();
    expect(await onChain(channel.id)).toMatchObject({ balance: 8_000n, refundNonce: 1n });
    expect(await settle(refund)).toMatchObject({ success: true, amount: '2000' });
    expect(await scene.settlement.usdc.balance(channel.payer.address)).toBe(992_000n);
    const { ledger, chain } = await scene.settlement.books();
    expect(ledger).toEqual(chain);
  });

  it('are carried out by us when the block in which somebody else did it goes away', async () => {
    const channel = await funded();
    const refund = await scene.refund(channel, 2_000n, 0n);
    await order(refund);
    const theirs = await scene.asStranger(refund);
    await scene.settlement.mine();
    await scene.round();
    expect(await settle(refund)).toMatchObject({ success: true, transaction: theirs });
    await scene.settlement.rpc('anvil_reorg', 1, []);
    await scene.settlement.rpc('anvil_dropTransaction', theirs);
    await scene.untilEnded();
    expect(await onChain(channel.id)).toMatchObject({ balance: 8_000n, refundNonce: 1n });
    expect(await scene.orders()).toMatchObject([{}, { kind: 'refund', state: 'done', attempts: 1, moved: '2000' }]);
    const answer = await settle(refund);
    expect(answer).toMatchObject({ success: true, amount: '2000' });
    expect(answer.transaction).not.toBe(theirs);
  });

  it('claim a hundred channels in one transaction', async () => {
    const channels = await Promise.all(Array.from({ length: 100 }, () => scene.channel(1_000n)));
    const deposits = await Promise.all(channels.map((channel) => scene.deposit(channel, 1_000n)));
    await Promise.all(deposits.map(order));
    await scene.untilEnded();
    const sent = (await scene.settlement.transactions()).length;
    expect(sent).toBeGreaterThanOrEqual(5);
    await done(await scene.claim(channels, 1_000n));
    await done(scene.settle());
    expect(await scene.settlement.usdc.balance(scene.payTo)).toBe(100_000n);
    expect(await scene.settlement.transactions()).toHaveLength(sent + 2);
    await scene.untilEnded();
    const { ledger, chain } = await scene.settlement.books();
    expect(ledger).toMatchObject(Object.fromEntries(scene.settlement.rail.signers.map((key) => [key, chain[key]])));
  }, 120_000);

  it.each([
    'settlement.before-sign',
    'settlement.bytes-stored',
    'settlement.broadcast',
    'settlement.receipt-seen',
  ] as const)('are carried out once by a worker that dies at %s', async (place) => {
    const channel = await scene.channel();
    const body = await scene.deposit(channel, 10_000n);
    await order(body);
    const dying = new Interrupt();
    dying.arm(place);
    const worker = scene.worker(dying);
    if (place === 'settlement.receipt-seen') {
      await worker.relay.run({ chainId: CHAIN_ID });
      await scene.settlement.mine();
      await scene.settlement.hurry();
      await expect(worker.confirm.run({ chainId: CHAIN_ID })).rejects.toThrow(place);
    } else {
      await expect(worker.relay.run({ chainId: CHAIN_ID })).rejects.toThrow(place);
    }
    await scene.untilEnded();
    expect(await settle(body)).toMatchObject({ success: true, amount: '10000' });
    expect(await onChain(channel.id)).toMatchObject({ balance: 10_000n });
    expect(await scene.settlement.transactions()).toHaveLength(1);
  });

  it('fail with a deposit that its payer took back, once that is final', async () => {
    const channel = await scene.channel();
    const body = await scene.deposit(channel, 10_000n);
    await order(body);
    const { salt } = Object(body.paymentPayload.payload['deposit']).authorization.erc3009Authorization as {
      salt: `0x${string}`;
    };
    await scene.settlement.cancel(channel.payer, scene.verifier.depositNonce(channel.id, salt));
    await scene.settlement.mine();
    await scene.round();
    expect(await scene.orders()).toMatchObject([{ state: 'open' }]);
    await scene.untilEnded();
    expect(await scene.orders()).toMatchObject([
      { state: 'failed', reason: `${CODE}deposit_transaction_failed`, attempts: 0 },
    ]);
    // It ended; the same payload is checked afresh, and can never pass.
    expect(await settle(body)).toMatchObject({ success: false, errorReason: `${CODE}deposit_simulation_failed` });
  });

  it('fail with a deposit whose time is over, and not before a final block says so', async () => {
    const channel = await scene.channel();
    const body = await scene.deposit(channel, 10_000n, 60n);
    await order(body);
    await scene.settlement.pass(61);
    await scene.round();
    expect(await scene.orders()).toMatchObject([{ state: 'open' }]);
    await scene.untilEnded();
    expect(await scene.orders()).toMatchObject([{ state: 'failed', attempts: 0 }]);
    expect(await settle(body)).toMatchObject({
      success: false,
      errorReason: `${CODE}payload_authorization_valid_before`,
    });
  });

  it('fail with a claim that the channel can no longer pay, and may be asked for again', async () => {
    const channel = await funded();
    await channel.payer.fundGas(scene.settlement.chain.url);
    const claim = await scene.claim([channel], 3_000n);
    await order(claim);
    await initiateWithdraw(scene.settlement.chain.url, channel.payer, channel.config, 9_000n);
    await scene.settlement.pass(901);
    await finalizeWithdraw(scene.settlement.chain.url, channel.payer, channel.config);
    await scene.round();
    expect(await scene.orders()).toMatchObject([
      {},
      { state: 'failed', reason: `${CODE}claim_simulation_failed`, attempts: 0 },
    ]);
    expect(await settle(claim)).toMatchObject({ success: false, errorReason: `${CODE}claim_simulation_failed` });
    await done(await scene.deposit(channel, 5_000n));
    await done(claim);
    expect(await onChain(channel.id)).toMatchObject({ totalClaimed: 3_000n });
  });

  it('are not taken for the gate’s own channels, whichever key they name', async () => {
    const named = await scene.channel(1_000_000n, { receiverAuthorizer: scene.chain.authorizer });
    const refused = { errorReason: `${CODE}receiver_authorizer_mismatch`, transaction: '' };
    expect(await settle(await scene.claim([named], 1_000n))).toMatchObject(refused);
    expect(await settle(await scene.refund(named, 1_000n, 0n))).toMatchObject(refused);

    // A channel that the gate keeps under a key it had before.
    const kept = await funded();
    const [provider] = scene.settlement.providers;
    await scene.settlement.owner.query(
      `INSERT INTO channels (id, provider_id, account_id, chain_id, network, asset_id, channel_id, payer, payer_authorizer, receiver,
         receiver_authorizer, token, withdraw_delay, salt)
       VALUES ('chn_kept', $1, $2, $3, 'eip155:84532', 'x', decode($4, 'hex'), $5, $5, $6, $7, $8, 900, decode($9, 'hex'))`,
      [
        ...[provider?.id, provider?.account, CHAIN_ID, kept.id.slice(2), kept.payer.address, scene.payTo],
        ...[scene.authorizer, kept.config.token, kept.config.salt.slice(2)],
      ],
    );
    expect(await settle(await scene.claim([kept], 1_000n))).toMatchObject(refused);
    expect(await settle(await scene.refund(kept, 1_000n, 0n))).toMatchObject(refused);
    expect(await scene.door.verifyFacilitated.run(await scene.deposit(kept, 1_000n))).toMatchObject({
      isValid: false,
      invalidReason: `${CODE}receiver_authorizer_mismatch`,
    });
    expect(await scene.orders()).toHaveLength(1);
  });
});

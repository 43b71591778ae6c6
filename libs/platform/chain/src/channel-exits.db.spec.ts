import type { ChannelMove } from '@core/settlement';
import { finalizeWithdraw, initiateWithdraw } from '../../../../test/support/channel-payer.js';
import { ChannelScene } from '../../../../test/support/channel-scene.js';

describe('payment channels on a chain: out again', () => {
  let scene: ChannelScene;
  beforeAll(async () => {
    scene = await ChannelScene.build();
  });
  afterAll(() => scene.stop());

  it('the payer takes value out only after the delay, and what was claimed in time stays ours', async () => {
    const { url } = scene.chain;
    const channel = await scene.funded(30_000n);
    const { payer, config, id } = channel;
    await payer.fundGas(url);
    await expect(finalizeWithdraw(url, payer, config)).rejects.toThrow('WithdrawalNotPending');
    await initiateWithdraw(url, payer, config, 30_000n);
    const requestedAt = await scene.now();
    expect(await scene.at(id)).toMatchObject({ withdrawal: { amount: 30_000n, requestedAt } });
    await expect(finalizeWithdraw(url, payer, config)).rejects.toThrow('WithdrawDelayNotElapsed');
    await scene.send({ kind: 'claim', rows: [await scene.row(channel, 12_000n)] });
    await scene.pass(900);
    await finalizeWithdraw(url, payer, config);
    expect(await scene.at(id)).toMatchObject({ balance: 12_000n, totalClaimed: 12_000n, withdrawal: undefined });
    expect(await scene.usdc.balance(payer.address)).toBe(18_000n);
    expect(await scene.verdict({ kind: 'claim', rows: [await scene.row(channel, 13_000n)] })).toBe(
      'ClaimExceedsBalance',
    );

    const { head } = await scene.channels.view();
    const logs = await scene.channels.events(0n, head.number);
    const mine = logs.filter((log) => log.kind !== 'settled' && log.channelId === id);
    expect(mine).toMatchObject([
      { kind: 'created' },
      { kind: 'deposited', balance: 30_000n },
      { kind: 'withdraw-requested', amount: 30_000n, finalizeAfter: requestedAt + 900n },
      { kind: 'claimed', amount: 12_000n, totalClaimed: 12_000n },
      { kind: 'withdrawn', amount: 18_000n },
    ]);
    const hashes = await scene.rail.blockHashes(mine.map(({ block }) => block.number));
    for (const { block } of mine) expect(hashes.get(block.number)).toBe(block.hash);
    expect(await scene.channels.events(head.number + 1n, head.number)).toEqual([]);
  });

  it('a refund claims first, gives back the rest, and serves once', async () => {
    const channel = await scene.funded(30_000n);
    const { payer, config, id } = channel;
    const claim = await scene.row(channel, 11_000n);
    const refund: ChannelMove = { kind: 'refund', config, amount: 100_000n, nonce: 0n, claim };
    expect(await scene.verdict({ ...refund, nonce: 1n })).toBe('InvalidRefundNonce');
    expect(await scene.verdict(refund)).toBe('passes');
    const receipt = await scene.send(refund);
    expect(receipt.channelEvents).toMatchObject([
      { kind: 'claimed', totalClaimed: 11_000n },
      { kind: 'refunded', amount: 19_000n },
    ]);
    expect(receipt.gasUsed < scene.channels.gasLimit([refund])).toBe(true);
    expect(await scene.at(id)).toMatchObject({ balance: 11_000n, totalClaimed: 11_000n, refundNonce: 1n });
    expect(await scene.usdc.balance(payer.address)).toBe(19_000n);
    expect(await scene.verdict(refund)).toBe('InvalidRefundNonce');
    await scene.send(await scene.deposit(channel, 5_000n));
    const part = await scene.send({ kind: 'refund', config, amount: 2_000n, nonce: 1n, claim: undefined });
    expect(part.channelEvents).toMatchObject([{ kind: 'refunded', amount: 2_000n }]);
    expect(await scene.at(id)).toMatchObject({ balance: 14_000n, refundNonce: 2n });
  });

  it('a refund whose claim is refused gives nothing back', async () => {
    const channel = await scene.funded(30_000n);
    const claim = await scene.row(channel, 30_001n);
    const refund: ChannelMove = { kind: 'refund', config: channel.config, amount: 1n, nonce: 0n, claim };
    expect(await scene.verdict(refund)).toBe('ClaimExceedsBalance');
    await scene.send(refund);
    expect(await scene.at(channel.id)).toMatchObject({ balance: 30_000n, refundNonce: 0n });
  });

  it('a refund lowers a withdrawal that was announced, and ends one that it covers', async () => {
    const { url } = scene.chain;
    const { payer, config, id } = await scene.funded(10_000n);
    await payer.fundGas(url);
    await initiateWithdraw(url, payer, config, 6_000n);
    await scene.send({ kind: 'refund', config, amount: 1_000n, nonce: 0n, claim: undefined });
    expect(await scene.at(id)).toMatchObject({ balance: 9_000n, withdrawal: { amount: 5_000n } });
    await scene.send({ kind: 'refund', config, amount: 5_000n, nonce: 1n, claim: undefined });
    expect(await scene.at(id)).toMatchObject({ balance: 4_000n, withdrawal: undefined });
  });

  it('a channel that was never claimed closes when all of it goes back, and may be funded again', async () => {
    const channel = await scene.funded(4_000n);
    const { config, id } = channel;
    const receipt = await scene.send({ kind: 'refund', config, amount: 4_000n, nonce: 0n, claim: undefined });
    expect(receipt.channelEvents).toMatchObject([{ kind: 'refunded' }, { kind: 'closed', channelId: id, config }]);
    const again = await scene.send(await scene.deposit(channel, 1_000n));
    expect(again.channelEvents).toMatchObject([{ kind: 'created' }, { kind: 'deposited', balance: 1_000n }]);
  });
});

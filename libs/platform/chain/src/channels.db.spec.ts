import { type ChannelMove, type ClaimRow, evidenceIn } from '@core/settlement';
import { BATCH_CONTRACTS, type Hex } from '@core/x402';
import { ChannelScene, RECEIVER, TOKEN } from '../../../../test/support/channel-scene.js';
import { EvmChannelChain } from './index.js';
import { until } from '../../../../test/support/until.js';

const DOMAIN = { chainId: 84532, address: TOKEN, name: 'USDC', version: '2' };
const CLAIMABLE = 30_000n;

describe('payment channels on a chain: in and claimed', () => {
  let scene: ChannelScene;
  beforeAll(async () => {
    scene = await ChannelScene.build();
  });
  afterAll(() => scene.stop());

  it('a deposit the verifier takes funds the channel with genuine USDC, once', async () => {
    const channel = await scene.opened();
    const { payer, config, id } = channel;
    const move = await scene.deposit(channel, 50_000n);
    expect(scene.verifier.deposit(DOMAIN, config, move.deposit)).toEqual({ valid: true });
    expect(await scene.verdict(move)).toBe('passes');
    const receipt = await scene.send(move);
    expect(receipt.channelEvents).toMatchObject([
      { kind: 'created', channelId: id, config },
      { kind: 'deposited', channelId: id, amount: 50_000n, balance: 50_000n },
    ]);
    expect(receipt.gasUsed < scene.channels.gasLimit([move])).toBe(true);
    expect(await scene.usdc.balance(payer.address)).toBe(950_000n);
    expect(await scene.at(id)).toEqual({
      channelId: id,
      balance: 50_000n,
      totalClaimed: 0n,
      withdrawal: undefined,
      refundNonce: 0n,
    });
    expect(await scene.verdict(move)).toBe('FiatTokenV2: authorization is used or canceled');
    expect((await scene.send(move)).channelEvents).toEqual([]);
  });

  it('a deposit also travels as a transfer among others, proved by the same two events of the token', async () => {
    const { rail, verifier } = scene;
    const channel = await scene.opened();
    const { payer, config, id } = channel;
    const { deposit } = await scene.deposit(channel, 20_000n);
    const { validAfter, validBefore, salt, signature } = deposit.authorization;
    const item = {
      token: TOKEN,
      payer: payer.address,
      payTo: BATCH_CONTRACTS.erc3009Collector,
      value: deposit.amount,
      nonce: verifier.depositNonce(id, salt),
      validAfter,
      validBefore,
      signature,
      deposit: { config, salt },
    };
    const other = await payer.authorize({ to: RECEIVER, value: 5n, validBefore: (await scene.now()) + 600n });
    const transfer = { token: TOKEN, payer: payer.address, payTo: RECEIVER, ...other };
    expect(await rail.simulate([transfer, item])).toEqual({ kind: 'verdicts', passes: [true, true] });
    const signer = rail.signers[0] ?? '0x';
    const nonce = await rail.nextNonce(signer, 'latest');
    const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };
    const sent = await rail.sign({ signer, nonce, items: [transfer, item], fees });
    expect(await rail.broadcast(sent.raw)).toEqual({ kind: 'accepted' });
    const receipt = await until('the transaction to be mined', async () => (await rail.receipts([sent.hash]))[0]);
    expect(receipt.gasUsed < rail.gasLimit(2, 1)).toBe(true);
    const evidence = evidenceIn(receipt);
    expect([evidence(item).kind, evidence(transfer).kind]).toEqual(['paid', 'paid']);
    expect(await scene.at(id)).toMatchObject({ balance: 20_000n });
    expect(await rail.usedAt([item], receipt.block.number)).toEqual([true]);
    expect(await rail.findEnd(item, 0n)).toMatchObject({ kind: 'used', receipt: { hash: sent.hash } });
    expect(await rail.simulate([item])).toEqual({ kind: 'verdicts', passes: [false] });
  });

  it('refuses a deposit for another channel than the one it was signed for', async () => {
    const channel = await scene.opened();
    const { deposit } = await scene.deposit(channel, 10_000n);
    const other = { ...channel.config, salt: `0x${'33'.repeat(32)}` } as const;
    expect(scene.verifier.deposit(DOMAIN, other, deposit).valid).toBe(false);
    expect(await scene.verdict({ kind: 'deposit', config: other, deposit })).toBe('FiatTokenV2: invalid signature');
    const impatient = await scene.opened(10_000n, { withdrawDelay: 899 });
    expect(await scene.verdict(await scene.deposit(impatient, 10_000n))).toBe('WithdrawDelayOutOfRange');
  });

  it('claims many channels in one and settles them to their receiver in the same transaction', async () => {
    const { channels, usdc } = scene;
    const open = await Promise.all(Array.from({ length: 3 }, () => scene.opened()));
    for (const channel of open) await scene.send(await scene.deposit(channel, 30_000n));
    const before = await usdc.balance(RECEIVER);
    const paid = await channels.receiver(RECEIVER, TOKEN, 'latest');
    const rows = await Promise.all(open.map((channel, i) => scene.row(channel, BigInt(i + 1) * 1_000n, 20_000n)));
    const moves: ChannelMove[] = [
      { kind: 'claim', rows },
      { kind: 'settle', receiver: RECEIVER, token: TOKEN },
    ];
    const passes = { passes: true };
    expect(await channels.simulate(moves)).toEqual({ kind: 'verdicts', verdicts: [passes, passes] });
    const receipt = await scene.send(...moves);
    expect(receipt.channelEvents.map(({ kind }) => kind)).toEqual(['claimed', 'claimed', 'claimed', 'settled']);
    expect(await usdc.balance(RECEIVER)).toBe(before + 6_000n);
    expect(await channels.receiver(RECEIVER, TOKEN, 'finalized')).toEqual({
      totalClaimed: paid.totalClaimed + 6_000n,
      totalSettled: paid.totalSettled + 6_000n,
    });
    const { block, channels: states } = await channels.channels(
      open.map(({ id }) => id),
      'finalized',
    );
    expect(block.number).toBeGreaterThanOrEqual(receipt.block.number);
    expect(states.map(({ totalClaimed }) => totalClaimed)).toEqual([1_000n, 2_000n, 3_000n]);
    // Totals are set, not added: the same claim again changes nothing and pays nothing.
    const again = await scene.send(...moves);
    expect([again.success, again.channelEvents]).toEqual([true, []]);
    expect(await usdc.balance(RECEIVER)).toBe(before + 6_000n);
  });

  const raised = (row: ClaimRow, totalClaimed: bigint, maxClaimable: bigint): ClaimRow => ({
    ...row,
    totalClaimed,
    voucher: { ...row.voucher, maxClaimable },
  });

  it.each<[string, (row: ClaimRow) => ClaimRow, string]>([
    ['above the balance', (row) => row, 'ClaimExceedsBalance'],
    ['above the ceiling', (row) => raised(row, CLAIMABLE, CLAIMABLE - 1n), 'ClaimExceedsCeiling'],
    ['of a changed ceiling', (row) => raised(row, 10n, 40_002n), 'InvalidSignature'],
  ])('a claim %s is refused, and with it every other row', async (_name, change, reason) => {
    const [good, bad] = [await scene.funded(CLAIMABLE), await scene.funded(CLAIMABLE)];
    const fine = await scene.row(good, 10_000n);
    const spoiled = change(await scene.row(bad, 40_000n, 40_001n));
    expect(await scene.verdict({ kind: 'claim', rows: [fine, spoiled] })).toBe(reason);
    await scene.send({ kind: 'claim', rows: [fine, spoiled] });
    expect(await scene.at(good.id)).toMatchObject({ totalClaimed: 0n });
    expect(await scene.verdict({ kind: 'claim', rows: [fine] })).toBe('passes');
  });

  it('refuses what the verifier refuses: a signature in the upper half, v 0 or 1, 64 bytes, none', async () => {
    const channel = await scene.funded(CLAIMABLE);
    const good = await scene.row(channel, 10_000n);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const text = good.voucher.signature.slice(2);
    const [r, s, v] = [text.slice(0, 64), text.slice(64, 128), text.slice(128)];
    const upper = (order - BigInt(`0x${s}`)).toString(16).padStart(64, '0');
    const [flipped, low] = v === '1b' ? ['1c', '00'] : ['1b', '01'];
    for (const signature of [`${r}${upper}${flipped}`, `${r}${s}${low}`, `${r}${s}`, '']) {
      const voucher = { ...good.voucher, signature: `0x${signature}` } as const;
      expect(scene.verifier.voucher(channel.config, voucher).valid).toBe(false);
      expect(await scene.verdict({ kind: 'claim', rows: [{ ...good, voucher }] })).toBe('InvalidSignature');
    }
    expect(scene.verifier.voucher(channel.config, good.voucher)).toEqual({ valid: true });
  });

  it('claims nothing from channels that name another authorizer', async () => {
    const channel = await scene.opened(5_000n, { receiverAuthorizer: RECEIVER });
    await scene.send(await scene.deposit(channel, 5_000n));
    expect(await scene.verdict({ kind: 'claim', rows: [await scene.row(channel, 1_000n)] })).toBe('InvalidSignature');
  });

  it('gas limits hold for a claim of a hundred channels to a receiver that never had any', async () => {
    const { channels, usdc } = scene;
    const receiver: Hex = '0x2222222222222222222222222222222222222222';
    const { payer, config } = await scene.opened(1_000_000n, { receiver });
    // A payer may have as many channels to one receiver as it finds salts.
    const open = Array.from({ length: channels.mostClaimRows }, (_, i) => {
      const other = { ...config, salt: `0x${i.toString(16).padStart(64, '0')}` } as const;
      return { payer, config: other, id: scene.verifier.channelId(other) };
    });
    for (let i = 0; i < open.length; i += 50) {
      const moves = await Promise.all(open.slice(i, i + 50).map((channel) => scene.deposit(channel, 1_000n)));
      const receipt = await scene.send(...moves);
      expect(receipt.channelEvents).toHaveLength(2 * moves.length);
      expect(receipt.gasUsed < channels.gasLimit(moves)).toBe(true);
    }
    const rows = await Promise.all(open.map((channel) => scene.row(channel, 700n)));
    const moves: ChannelMove[] = [
      { kind: 'claim', rows },
      { kind: 'settle', receiver, token: TOKEN },
    ];
    const receipt = await scene.send(...moves);
    expect(receipt.channelEvents).toHaveLength(rows.length + 1);
    expect(receipt.gasUsed < channels.gasLimit(moves)).toBe(true);
    expect(await usdc.balance(receiver)).toBe(70_000n);
  });

  it('channels read at the same moment share one look, and a channel nobody funded is empty', async () => {
    const { id } = await scene.funded(3_000n);
    const nobody: Hex = `0x${'77'.repeat(32)}`;
    const [one, other] = await Promise.all([scene.channels.channel(id), scene.channels.channel(nobody)]);
    expect(one.channel.balance).toBe(3_000n);
    const empty = { channelId: nobody, balance: 0n, totalClaimed: 0n, withdrawal: undefined, refundNonce: 0n };
    expect(other.channel).toEqual(empty);
    expect(one.block).toEqual(other.block);
  });

  it('is unavailable without the contract or without a chain, and says nothing else', async () => {
    const settings = ChannelScene.settings(scene.chain.url);
    const away = await EvmChannelChain.create({ ...settings, rpcUrl: 'http://127.0.0.1:1' });
    await expect(away.channel(`0x${'77'.repeat(32)}`)).rejects.toMatchObject({ code: 'unavailable' });
    const contracts = { ...BATCH_CONTRACTS, settlement: RECEIVER };
    const nowhere = await EvmChannelChain.create({ ...settings, contracts });
    await expect(nowhere.channel(`0x${'77'.repeat(32)}`)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

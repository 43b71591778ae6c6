import {
  BATCH_SETTLEMENT,
  BATCH_CONTRACTS,
  batchPaymentOf,
  type BatchPayment,
  type ChannelConfig,
  channelProblem,
  correctiveExtra,
  decodePaymentHeader,
  encodePaymentRequired,
  encodeSettlementResponse,
  type Hex,
  paidByVoucherExtra,
} from '@core/x402';
import { ChannelAuthorizer, ChannelTypedData, ChannelVerifier, EvmChannelChain } from '@platform/chain';
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types';
import { toClientEvmSigner, toFacilitatorEvmSigner } from '@x402/evm';
import {
  BatchSettlementEvmScheme as Paying,
  computeChannelId,
  InMemoryClientChannelStorage,
} from '@x402/evm/batch-settlement/client';
import { BatchSettlementEvmScheme as Settling } from '@x402/evm/batch-settlement/facilitator';
import fc from 'fast-check';
import { createPublicClient, createWalletClient, hashTypedData, http, publicActions, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { rpc } from '../../tools/servers/rpc.mjs';
import { connectUsdc, MULTICALL3_ADDRESS } from '../../tools/servers/usdc.mjs';
import { CHAIN_ID } from './batch-samples.js';
import { TOKEN } from './samples.js';

const NETWORK = 'eip155:84532';
const url = process.env['TEST_CHAIN_URL'] ?? '';
const AUTHORIZER_KEY = generatePrivateKey();
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

const publicClient = createPublicClient({ chain: baseSepolia, transport: http(url), pollingInterval: 20 });

/** The public facilitator, as its users run it. */
function facilitator(): Settling {
  const account = privateKeyToAccount(FACILITATOR_KEY);
  const transport = http(url);
  const client = createWalletClient({ account, chain: baseSepolia, transport, pollingInterval: 20 }).extend(
    publicActions,
  );
  return new Settling(
    toFacilitatorEvmSigner({
      address: account.address,
      getCode: (asked) => client.getCode(asked),
      readContract: (asked) => client.readContract({ ...asked, args: asked.args ?? [] }),
      verifyTypedData: (asked) => client.verifyTypedData(asked as Parameters<typeof client.verifyTypedData>[0]),
      writeContract: (asked) => client.writeContract({ ...asked, args: asked.args ?? [] }),
      sendTransaction: (asked) => client.sendTransaction(asked),
      waitForTransactionReceipt: (asked) => client.waitForTransactionReceipt({ ...asked, pollingInterval: 20 }),
    }),
    privateKeyToAccount(AUTHORIZER_KEY),
  );
}
const FACILITATOR_KEY = generatePrivateKey();

describe('channels of ours and of the public packages', () => {
  let verifier: ChannelVerifier;
  let channels: EvmChannelChain;
  let offer: PaymentRequirements;

  beforeAll(async () => {
    verifier = await ChannelVerifier.create(CHAIN_ID, BATCH_CONTRACTS);
    channels = await EvmChannelChain.create({
      rpcUrl: url,
      chainId: CHAIN_ID,
      multicall: MULTICALL3_ADDRESS,
      contracts: BATCH_CONTRACTS,
      relayerKeys: [FACILITATOR_KEY],
      authorizerKey: AUTHORIZER_KEY,
      finality: 0,
    });
    await rpc(url, 'anvil_setBalance', privateKeyToAccount(FACILITATOR_KEY).address, toHex(10n ** 20n));
    const receiver = privateKeyToAccount(generatePrivateKey()).address;
    offer = {
      scheme: BATCH_SETTLEMENT,
      network: NETWORK,
      amount: '1000',
      asset: TOKEN.address,
      payTo: receiver,
      maxTimeoutSeconds: 300,
      extra: {
        receiverAuthorizer: channels.authorizer,
        withdrawDelay: 900,
        name: 'USDC',
        version: '2',
        minDeposit: '10000',
      },
    };
  });

  const terms = () => ({
    token: lower(offer.asset),
    payTo: lower(offer.payTo),
    receiverAuthorizer: channels.authorizer,
    withdrawDelay: 900,
  });

  const payer = async (funds = 1_000_000n) => {
    const account = privateKeyToAccount(generatePrivateKey());
    await connectUsdc(url).mint(account.address, funds);
    const storage = new InMemoryClientChannelStorage();
    return { account, storage, paying: new Paying(toClientEvmSigner(account, publicClient), { storage }) };
  };

  const envelope = (payload: Record<string, unknown>): PaymentPayload => ({
    x402Version: 2,
    accepted: offer,
    resource: { url: 'https://api.example.com/v1/compute' },
    payload,
  });

  /** Through a header, as it would come in. */
  const received = (payload: Record<string, unknown>): BatchPayment => {
    const text = Buffer.from(JSON.stringify(envelope(payload))).toString('base64');
    const header = decodePaymentHeader(text);
    if (!header.ok) throw new Error(header.message);
    const reading = batchPaymentOf(header.payload);
    if (!reading.ok) throw new Error(reading.message);
    return reading.payment;
  };

  it('channel ids and digests agree on random channels', async () => {
    const typedData = await ChannelTypedData.create(CHAIN_ID, BATCH_CONTRACTS);
    const domain = {
      name: 'x402 Batch Settlement',
      version: '1',
      chainId: CHAIN_ID,
      verifyingContract: BATCH_CONTRACTS.settlement,
    };
    const bytes = (length: number) =>
      fc.uint8Array({ minLength: length, maxLength: length }).map((array) => toHex(array));
    const uint128 = fc.oneof(fc.bigInt(0n, 1n << 40n), fc.bigInt(0n, (1n << 128n) - 1n));
    const config = fc.record({
      payer: bytes(20),
      payerAuthorizer: bytes(20),
      receiver: bytes(20),
      receiverAuthorizer: bytes(20),
      token: bytes(20),
      withdrawDelay: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
      salt: bytes(32),
    });
    const entry = fc.record({ channelId: bytes(32), maxClaimable: uint128, totalClaimed: uint128 });
    fc.assert(
      fc.property(config, fc.array(entry, { maxLength: 6 }), uint128, (random: ChannelConfig, entries, amount) => {
        const id = verifier.channelId(random);
        expect(id).toBe(computeChannelId(random, NETWORK));
        expect(hex(typedData.refundDigest(id, amount, amount))).toBe(
          hashTypedData({
            domain,
            primaryType: 'Refund',
            types: { Refund: fields('bytes32 channelId', 'uint256 nonce', 'uint128 amount') },
            message: { channelId: id, nonce: amount, amount },
          }),
        );
        expect(hex(typedData.claimBatchDigest(entries))).toBe(
          hashTypedData({
            domain,
            primaryType: 'ClaimBatch',
            types: {
              ClaimBatch: fields('ClaimEntry[] claims'),
              ClaimEntry: fields('bytes32 channelId', 'uint128 maxClaimableAmount', 'uint128 totalClaimed'),
            },
            message: { claims: entries.map((e) => ({ ...e, maxClaimableAmount: e.maxClaimable })) },
          }),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('what the public client pays with is read, verified, and carried; the client adopts what we answer', async () => {
    const { paying, storage, account } = await payer();
    const first = await paying.createPaymentPayload(2, offer);
    const deposit = received(first.payload);
    if (deposit.type !== 'deposit') throw new Error(`the client sent a ${deposit.type}`);
    expect(deposit.deposit.amount).toBe(10_000n);
    expect(deposit.voucher.maxClaimable).toBe(1_000n);
    expect(channelProblem(deposit.config, terms())).toBeUndefined();
    expect(verifier.voucher(deposit.config, deposit.voucher)).toEqual({ valid: true });
    const domain = { ...TOKEN, address: lower(TOKEN.address) };
    expect(verifier.deposit(domain, deposit.config, deposit.deposit)).toEqual({ valid: true });
    expect(await channels.simulate([{ kind: 'deposit', config: deposit.config, deposit: deposit.deposit }])).toEqual({
      kind: 'verdicts',
      verdicts: [{ passes: true }],
    });
    const settled = await facilitator().settle(envelope(first.payload), offer);
    expect(settled).toMatchObject({ success: true, amount: '10000' });

    const { channel } = await channels.channel(deposit.voucher.channelId);
    expect(channel).toMatchObject({ balance: 10_000n, totalClaimed: 0n });
    const standing = { ...channel, withdrawRequestedAt: undefined, charged: 700n };
    // The price turned out lower than the ceiling, which is what the client signed up to.
    await paying.schemeHooks.onPaymentResponse?.({
      paymentPayload: envelope(first.payload),
      requirements: offer,
      settleResponse: {
        success: true,
        transaction: settled.transaction,
        network: NETWORK,
        extra: paidByVoucherExtra(700n, standing),
      },
    });
    expect(await storage.get(channel.channelId)).toMatchObject({ chargedCumulativeAmount: '700', balance: '10000' });
    const next = received((await paying.createPaymentPayload(2, offer)).payload);
    expect(next).toMatchObject({ type: 'voucher', voucher: { maxClaimable: 1_700n } });
    expect(verifier.voucher(next.config, next.voucher)).toEqual({ valid: true });
    expect(await facilitator().verify(envelope(wireOf(next)), offer)).toMatchObject({
      isValid: true,
      payer: lower(account.address),
    });
  });

  it('a client that lost its records adopts our corrective answer and signs on top of it', async () => {
    const { paying, account } = await payer();
    const first = (await paying.createPaymentPayload(2, offer)).payload;
    const { voucher, config } = received(first);
    await facilitator().settle(envelope(first), offer);
    const { channel } = await channels.channel(voucher.channelId);
    const standing = { ...channel, withdrawRequestedAt: undefined, charged: 1_000n };
    const forgetful = new Paying(toClientEvmSigner(account, publicClient));
    const stale = received((await forgetful.createPaymentPayload(2, offer)).payload);
    // On the chain nothing was claimed yet, so it begins at nothing again, which is not what was charged.
    expect(stale).toMatchObject({ type: 'voucher', voucher: { maxClaimable: 1_000n } });
    const corrected = { ...offer, extra: correctiveExtra(offer.extra ?? {}, standing, voucher) };
    const error = 'invalid_batch_settlement_evm_cumulative_amount_mismatch';
    const resource = { url: 'https://api.example.com/v1/compute' };
    const answer = { x402Version: 2, error, resource, accepts: [corrected] };
    expect(await forgetful.processCorrectivePaymentRequired(answer)).toBe(true);
    const again = received((await forgetful.createPaymentPayload(2, offer)).payload);
    expect(again).toMatchObject({ type: 'voucher', config, voucher: { maxClaimable: 2_000n } });
    // Somebody else's voucher is no proof, and the client does not follow.
    const forged = { ...voucher, signature: `0x${'11'.repeat(64)}1b` } as const;
    const lie = { ...offer, extra: correctiveExtra(offer.extra ?? {}, { ...standing, charged: 5_000n }, forged) };
    await expect(forgetful.processCorrectivePaymentRequired({ ...answer, accepts: [lie] })).resolves.toBe(false);
  });

  it('asks for its money back in a form that is read, and our refund is what it expects', async () => {
    const { paying, storage } = await payer();
    const first = (await paying.createPaymentPayload(2, offer)).payload;
    const { voucher, config } = received(first);
    await facilitator().settle(envelope(first), offer);
    await storage.set(voucher.channelId, { chargedCumulativeAmount: '1000', balance: '10000' });
    const asked: BatchPayment[] = [];
    const server: typeof fetch = async (_input, init) => {
      const header = new Headers(init?.headers).get('PAYMENT-SIGNATURE');
      if (header === null) {
        const challenge = { x402Version: 2 as const, resource: { url: 'https://api.example.com' }, accepts: [offer] };
        return new Response('{}', { status: 402, headers: { 'PAYMENT-REQUIRED': encodePaymentRequired(challenge) } });
      }
      const decoded = decodePaymentHeader(header);
      const reading = decoded.ok ? batchPaymentOf(decoded.payload) : decoded;
      if (!('payment' in reading)) throw new Error(reading.message);
      asked.push(reading.payment);
      const answer = { success: true, transaction: '0x', network: NETWORK, amount: '9000' };
      return new Response('{}', { headers: { 'PAYMENT-RESPONSE': encodeSettlementResponse(answer) } });
    };
    await paying.refund('https://api.example.com', { fetch: server });
    await storage.set(voucher.channelId, { chargedCumulativeAmount: '1000', balance: '10000' });
    await paying.refund('https://api.example.com', { fetch: server, amount: '300' });
    expect(asked).toMatchObject([
      { type: 'refund', amount: undefined, config, voucher: { maxClaimable: 1_000n } },
      { type: 'refund', amount: 300n, config },
    ]);
    for (const { voucher: final } of asked) expect(verifier.voucher(config, final)).toEqual({ valid: true });
    const claim = { config, voucher, totalClaimed: 1_000n };
    expect(await channels.simulate([{ kind: 'refund', config, amount: 9_000n, nonce: 0n, claim }])).toEqual({
      kind: 'verdicts',
      verdicts: [{ passes: true }],
    });
  });

  it('the public facilitator claims, settles and refunds on our contract with our authorizer’s signatures', async () => {
    const { paying, account } = await payer();
    const usdc = connectUsdc(url);
    const first = (await paying.createPaymentPayload(2, offer)).payload;
    const { voucher, config } = received(first);
    const settling = facilitator();
    await settling.settle(envelope(first), offer);
    const authorizer = await ChannelAuthorizer.create(AUTHORIZER_KEY, CHAIN_ID, BATCH_CONTRACTS);
    const before = await usdc.balance(lower(offer.payTo));
    const claims = [
      {
        voucher: { channel: config, maxClaimableAmount: voucher.maxClaimable.toString() },
        signature: voucher.signature,
        totalClaimed: '800',
      },
    ];
    const { channelId, maxClaimable } = voucher;
    const claimAuthorizerSignature = authorizer.signClaims([{ channelId, maxClaimable, totalClaimed: 800n }]);
    const claimed = await settling.settle(envelope({ type: 'claim', claims, claimAuthorizerSignature }), offer);
    expect(claimed).toMatchObject({ success: true });
    const paid = await settling.settle(envelope({ type: 'settle', receiver: offer.payTo, token: offer.asset }), offer);
    expect(paid).toMatchObject({ success: true, amount: '800' });
    expect(await usdc.balance(lower(offer.payTo))).toBe(before + 800n);
    const nothing = await settling.settle(
      envelope({ type: 'settle', receiver: offer.payTo, token: offer.asset }),
      offer,
    );
    expect(nothing).toMatchObject({ success: false, errorReason: 'invalid_batch_settlement_evm_nothing_to_settle' });

    const refund = {
      ...wireOf({ type: 'refund', config, voucher, amount: undefined }),
      amount: '9200',
      refundNonce: '0',
      claims: [],
      refundAuthorizerSignature: authorizer.signRefund(channelId, 0n, 9_200n),
    };
    expect(await settling.settle(envelope(refund), offer)).toMatchObject({ success: true, amount: '9200' });
    expect(await usdc.balance(account.address)).toBe(999_200n);
    expect((await channels.channel(channelId)).channel).toMatchObject({ balance: 800n, refundNonce: 1n });
  });

  it('the public facilitator claims and refunds in one call, both or none', async () => {
    const { paying, account } = await payer();
    const first = (await paying.createPaymentPayload(2, offer)).payload;
    const { voucher, config } = received(first);
    const settling = facilitator();
    await settling.settle(envelope(first), offer);
    const refund = (totalClaimed: string) => ({
      ...wireOf({ type: 'refund', config, voucher }),
      amount: '5000',
      refundNonce: '0',
      claims: [
        {
          voucher: { channel: config, maxClaimableAmount: voucher.maxClaimable.toString() },
          signature: voucher.signature,
          totalClaimed,
        },
      ],
    });
    // Above the ceiling: the refund that stands beside it must not happen either.
    expect(await settling.settle(envelope(refund('1001')), offer)).toMatchObject({
      errorReason: 'invalid_batch_settlement_evm_refund_simulation_failed',
    });
    // Without our signatures: the facilitator holds the authorizer's key and signs by itself.
    const done = await settling.settle(envelope(refund('1000')), offer);
    expect(done).toMatchObject({ success: true, amount: '5000' });
    expect((await channels.channel(voucher.channelId)).channel).toMatchObject({
      balance: 5_000n,
      totalClaimed: 1_000n,
      refundNonce: 1n,
    });
    expect(await connectUsdc(url).balance(account.address)).toBe(995_000n);
    expect((await channels.receipts([lower(done.transaction)]))[0]?.channelEvents).toMatchObject([
      { kind: 'claimed', totalClaimed: 1_000n },
      { kind: 'refunded', amount: 5_000n },
    ]);
  });

  it('the public facilitator refuses a voucher above the balance, and our contract its claim', async () => {
    const { paying, storage } = await payer();
    const first = (await paying.createPaymentPayload(2, offer)).payload;
    const { voucher } = received(first);
    await facilitator().settle(envelope(first), offer);
    // A client that believes in more than it has deposited.
    await storage.set(voucher.channelId, { chargedCumulativeAmount: '9500', balance: '99999' });
    const high = (await paying.createPaymentPayload(2, offer)).payload;
    expect(await facilitator().verify(envelope(high), offer)).toMatchObject({
      invalidReason: 'invalid_batch_settlement_evm_cumulative_exceeds_balance',
    });
    const { config, voucher: beyond } = received(high);
    expect(verifier.voucher(config, beyond)).toEqual({ valid: true });
    const rows = [{ config, voucher: beyond, totalClaimed: 10_500n }];
    expect(await channels.simulate([{ kind: 'claim', rows }])).toEqual({
      kind: 'verdicts',
      verdicts: [{ passes: false, reason: 'ClaimExceedsBalance' }],
    });
  });
});

const fields = (...texts: string[]) =>
  texts.map((text) => {
    const [type = '', name = ''] = text.split(' ');
    return { type, name };
  });

/** The wire form of a voucher or a refund. */
const wireOf = ({
  type,
  config,
  voucher,
}: Pick<BatchPayment, 'type' | 'config' | 'voucher'> & { amount?: unknown }) => ({
  type,
  channelConfig: config,
  voucher: {
    channelId: voucher.channelId,
    maxClaimableAmount: voucher.maxClaimable.toString(),
    signature: voucher.signature,
  },
});

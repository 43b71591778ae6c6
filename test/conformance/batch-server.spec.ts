import { createServer, type Server } from 'node:http';
import type { ChannelMove } from '@core/settlement';
import {
  BATCH_CONTRACTS,
  batchPaymentOf,
  batchRelayOf,
  channelProblem,
  channelStateOf,
  fundsProblem,
  type Hex,
  type RelayedClaim,
} from '@core/x402';
import { ChannelVerifier, EvmChannelChain, UsdcRail } from '@platform/chain';
import { type FacilitatorClient, x402ResourceServer } from '@x402/core/server';
import type {
  PaymentPayload,
  PaymentRequirements,
  SettleResponse,
  SupportedResponse,
  VerifyResponse,
} from '@x402/core/types';
import { toClientEvmSigner } from '@x402/evm';
import { BatchSettlementEvmScheme as Paying } from '@x402/evm/batch-settlement/client';
import { BatchSettlementEvmScheme as Selling } from '@x402/evm/batch-settlement/server';
import { paymentMiddleware } from '@x402/express';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import express from 'express';
import { createPublicClient, http, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { rpc } from '../../tools/servers/rpc.mjs';
import { connectUsdc, MULTICALL3_ADDRESS } from '../../tools/servers/usdc.mjs';
import { CHAIN_ID } from './batch-samples.js';
import { TOKEN } from './samples.js';
import { until } from '../support/until.js';

const NETWORK = 'eip155:84532';
const url = process.env['TEST_CHAIN_URL'] ?? '';
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

/** A facilitator of nothing but our pieces: reading, signatures, rules, and the chain. It holds no key of any receiver. */
class Relay implements FacilitatorClient {
  constructor(
    private readonly channels: EvmChannelChain,
    private readonly verifier: ChannelVerifier,
    private readonly rail: UsdcRail,
  ) {}

  getSupported(): Promise<SupportedResponse> {
    return Promise.resolve({
      kinds: [{ x402Version: 2, scheme: 'batch-settlement', network: NETWORK }],
      extensions: [],
      signers: { 'eip155:*': [...this.rail.signers] },
    });
  }

  async verify({ payload }: PaymentPayload, terms: PaymentRequirements): Promise<VerifyResponse> {
    const reading = batchPaymentOf({ payload });
    if (!reading.ok) return { isValid: false, invalidReason: reading.reason, invalidMessage: reading.message };
    const { payment } = reading;
    const { config, voucher } = payment;
    const invalid = (invalidReason: string): VerifyResponse => ({ isValid: false, invalidReason, payer: config.payer });
    const extra = terms.extra ?? {};
    const problem = channelProblem(config, {
      token: lower(terms.asset),
      payTo: lower(terms.payTo),
      receiverAuthorizer: lower(String(extra['receiverAuthorizer'])),
      withdrawDelay: Number(extra['withdrawDelay']),
    });
    if (problem) return invalid(problem);
    const domain = { ...TOKEN, address: lower(TOKEN.address) };
    const verdicts = [
      this.verifier.voucher(config, voucher),
      ...(payment.type === 'deposit' ? [this.verifier.deposit(domain, config, payment.deposit)] : []),
    ];
    for (const verdict of verdicts) if (!verdict.valid) return invalid(verdict.reason);
    const { block, channel } = await this.channels.channel(voucher.channelId);
    const payerBalance = await connectUsdc(url).balance(config.payer);
    const short = fundsProblem(payment, { ...channel, payerBalance, now: block.timestamp });
    if (short) return invalid(short);
    const state = channelStateOf({ ...channel, withdrawRequestedAt: undefined, charged: undefined });
    return { isValid: true, payer: config.payer, extra: { ...state } };
  }

  async settle({ payload }: PaymentPayload, terms: PaymentRequirements): Promise<SettleResponse> {
    const failed = (errorReason: string): SettleResponse => ({
      success: false,
      errorReason,
      transaction: '',
      network: terms.network,
    });
    const reading = batchRelayOf({ payload });
    if (!reading.ok) return failed(reading.reason);
    const { relay } = reading;
    const move = this.#moveOf(relay);
    if (typeof move === 'string') return failed(move);
    const simulation = await this.channels.simulate([move]);
    if (simulation.kind === 'refused' || simulation.verdicts.some(({ passes }) => !passes)) {
      return failed(`invalid_batch_settlement_evm_${relay.type}_simulation_failed`);
    }
    const signer = this.rail.signers[0] ?? '0x';
    const nonce = await this.rail.nextNonce(signer, 'latest');
    const fees = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };
    const sent = await this.channels.sign({ signer, nonce, moves: [move], fees });
    expect(await this.rail.broadcast(sent.raw)).toEqual({ kind: 'accepted' });
    // The chain mines at once, and yet a moment after it took the transaction.
    const receipt = await until(
      'the transaction to be mined',
      async () => (await this.channels.receipts([sent.hash]))[0],
    );
    if (!receipt.success) return failed(`invalid_batch_settlement_evm_${relay.type}_transaction_failed`);
    const moved = receipt.channelEvents.find(({ kind }) => ['deposited', 'settled', 'refunded'].includes(kind));
    const answer = {
      success: true,
      transaction: sent.hash,
      network: terms.network,
      amount: moved && 'amount' in moved ? moved.amount.toString() : relay.type === 'claim' ? '' : '0',
    };
    if (relay.type !== 'deposit' && relay.type !== 'refund') return answer;
    const { channel } = await this.channels.channel(relay.payment.voucher.channelId);
    const state = channelStateOf({ ...channel, withdrawRequestedAt: undefined, charged: undefined });
    return { ...answer, payer: relay.payment.config.payer, extra: { channelState: state } };
  }

  #moveOf(relay: Extract<ReturnType<typeof batchRelayOf>, { ok: true }>['relay']): ChannelMove | string {
    switch (relay.type) {
      case 'deposit':
        return { kind: 'deposit', config: relay.payment.config, deposit: relay.payment.deposit };
      case 'settle':
        return { kind: 'settle', receiver: relay.receiver, token: relay.token };
      case 'claim': {
        if (!relay.signature) return 'invalid_batch_settlement_evm_authorizer_not_configured';
        return { kind: 'claim', rows: relay.claims.map((row) => this.#rowOf(row)), signature: relay.signature };
      }
      case 'refund': {
        const { amount, nonce, claim, refundSignature, claimSignature } = relay;
        if (!refundSignature) return 'invalid_batch_settlement_evm_authorizer_not_configured';
        return {
          kind: 'refund',
          config: relay.payment.config,
          amount,
          nonce,
          claim: claim && this.#rowOf(claim),
          signatures: { refund: refundSignature, claim: claimSignature },
        };
      }
    }
  }

  #rowOf({ config, maxClaimable, signature, totalClaimed }: RelayedClaim) {
    return { config, voucher: { channelId: this.verifier.channelId(config), maxClaimable, signature }, totalClaimed };
  }
}

describe('a server of the public packages with a facilitator of our pieces', () => {
  let server: Server;
  let address: string;
  let selling: Selling;
  let relay: Relay;
  let channels: EvmChannelChain;
  const receiver = privateKeyToAccount(generatePrivateKey()).address;
  const usdc = connectUsdc(url);

  beforeAll(async () => {
    const relayer = generatePrivateKey();
    await rpc(url, 'anvil_setBalance', privateKeyToAccount(relayer).address, toHex(10n ** 20n));
    const settings = {
      rpcUrl: url,
      chainId: CHAIN_ID,
      multicall: MULTICALL3_ADDRESS,
      contracts: BATCH_CONTRACTS,
      relayerKeys: [relayer],
      authorizerKey: generatePrivateKey(),
      finality: 0,
    };
    channels = await EvmChannelChain.create(settings);
    relay = new Relay(channels, await ChannelVerifier.create(CHAIN_ID, BATCH_CONTRACTS), new UsdcRail(settings));
    selling = new Selling(receiver, { receiverAuthorizerSigner: privateKeyToAccount(generatePrivateKey()) });
    const offer = { scheme: 'batch-settlement', network: NETWORK, payTo: receiver, price: '$0.001' } as const;
    const app = express();
    app.use(
      paymentMiddleware(
        { 'GET /hello': { accepts: [offer], description: 'One greeting', mimeType: 'application/json' } },
        new x402ResourceServer(relay).register(NETWORK, selling),
      ),
    );
    app.get('/hello', (_request, response) => void response.json({ hello: 'agent' }));
    server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = server.address();
    address = typeof at === 'object' && at ? `http://127.0.0.1:${at.port}/hello` : '';
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('sells to the public client: a deposit, vouchers, a claim, a payout and a refund', async () => {
    const account = privateKeyToAccount(generatePrivateKey());
    await usdc.mint(account.address, 1_000_000n);
    const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(url) }));
    const paying = new Paying(signer);
    const buy = wrapFetchWithPayment(fetch, new x402Client().register(NETWORK, paying));
    for (let call = 1; call <= 4; call += 1) {
      const response = await buy(address);
      expect(response.status).toBe(200);
      const settled = decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '');
      expect(settled).toMatchObject({
        success: true,
        amount: call === 1 ? '10000' : '',
        extra: { chargedAmount: '1000', channelState: { chargedCumulativeAmount: String(1_000 * call) } },
      });
    }
    const manager = selling.createChannelManager(relay, NETWORK, lower(TOKEN.address));
    const { claims } = await manager.claimAndSettle();
    expect(claims).toMatchObject([{ vouchers: 1 }]);
    expect(await usdc.balance(receiver)).toBe(4_000n);
    await expect(manager.settle()).resolves.toBeDefined();
    expect(await usdc.balance(receiver)).toBe(4_000n);

    expect(await buy(address)).toMatchObject({ status: 200 });
    const refund = await paying.refund(address);
    expect(refund).toMatchObject({ success: true, amount: '5000' });
    expect(await usdc.balance(account.address)).toBe(995_000n);
    await manager.settle();
    expect(await usdc.balance(receiver)).toBe(5_000n);
  });

  it('is refused what nobody signed for', async () => {
    const claim = { type: 'claim', claims: [], claimAuthorizerSignature: `0x${'11'.repeat(65)}` };
    const terms: PaymentRequirements = {
      scheme: 'batch-settlement',
      network: NETWORK,
      asset: TOKEN.address,
      amount: '0',
      payTo: receiver,
      maxTimeoutSeconds: 0,
      extra: {},
    };
    const asked = (payload: Record<string, unknown>) =>
      relay.settle({ x402Version: 2, accepted: terms, payload }, terms);
    expect(await asked(claim)).toMatchObject({ success: false, errorReason: 'invalid_payload' });
    expect(await asked({ type: 'withdraw' })).toMatchObject({
      errorReason: 'invalid_batch_settlement_evm_payload_type',
    });
  });
});

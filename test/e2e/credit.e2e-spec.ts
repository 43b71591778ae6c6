import { decodePaymentRequiredHeader } from '@x402/core/http';
import { toClientEvmSigner } from '@x402/evm';
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/client';
import { x402Client } from '@x402/fetch';
import { createPublicClient, http } from 'viem';
import { baseSepolia } from 'viem/chains';
import { addMs } from '@core/time';
import { SystemClock } from '@platform/system';
import { agentWith } from '../support/agent.js';
import { railOf, verifyBooks } from '../support/books.js';
import { CreditAgent } from '../support/credit-agent.js';
import { ASSET, CreditScene, errorOf, PRICE, settlementOf } from '../support/credit-scene.js';
import { until } from '../support/until.js';

// An agent with a credit line pays calls on the wire by signing each together with its payment: it is served and owed once.

describe('credit on the wire', () => {
  let scene: CreditScene;

  beforeAll(async () => {
    scene = await CreditScene.open();
  });
  afterAll(() => scene.close());

  it('is offered after what is paid on a chain, with its draft version, and by whom agents are known', async () => {
    const response = await fetch(`${scene.shop}/hello`);
    const { accepts, extensions } = decodePaymentRequiredHeader(response.headers.get('payment-required') ?? '');
    expect(accepts.length).toBeGreaterThan(1);
    expect(accepts.at(-1)).toMatchObject({
      scheme: 'batch-settlement',
      network: 'farebox:credit',
      amount: String(PRICE),
      asset: ASSET,
      payTo: scene.house.provider,
      extra: {
        version: '0.1.0-draft',
        authority: scene.house.url,
        authorizeUrl: `${scene.house.url}/v1/credit/authorize`,
      },
    });
    expect(accepts.filter(({ network }) => network === 'farebox:credit')).toHaveLength(1);
    expect(extensions?.['http-message-signatures']).toMatchObject({
      info: { signatureSchemes: ['ed25519'], tags: ['web-bot-auth'] },
    });
  });

  describe('by a signed request', () => {
    it('serves, and owes what was used, once', async () => {
      const { agent, account: of, host: own } = await scene.signing(100n * PRICE);
      const paid = await agent.signed(`${scene.shop}/hello`, await agent.offer(`${scene.shop}/hello`));
      const response = await scene.ask('/hello', paid);
      expect(response.status).toBe(200);
      const settlement = settlementOf(response);
      expect(settlement).toMatchObject({
        success: true,
        transaction: '',
        network: 'farebox:credit',
        payer: own.name,
        amount: String(PRICE),
        extra: { chargedAmount: String(PRICE), commitmentId: expect.stringMatching(/^hld_/) },
      });
      expect(await scene.owes(of)).toEqual({ owed: PRICE, held: 0n });
      const id = String((settlement as { extra?: Record<string, unknown> }).extra?.commitmentId);
      expect((await scene.api('GET', `/v1/payments/${id}`)).json).toMatchObject({
        status: 'final',
        network: 'farebox:credit',
        account: of,
        charged: String(PRICE),
      });
      const compute = await agent.offer(`${scene.shop}/compute`);
      expect((await scene.ask('/compute', await agent.signed(`${scene.shop}/compute`, compute))).status).toBe(200);
      const broken = await agent.offer(`${scene.shop}/broken`);
      expect((await scene.ask('/broken', await agent.signed(`${scene.shop}/broken`, broken))).status).toBe(500);
      expect(await scene.owes(of)).toEqual({ owed: 3n * PRICE, held: 0n });
    });

    it('is refused again, for another resource, another amount, too late, or without the payment', async () => {
      const { agent, account: of } = await scene.signing(100n * PRICE);
      const hello = `${scene.shop}/hello`;
      const offer = await agent.offer(hello);
      const paid = await agent.signed(hello, offer);
      expect((await scene.ask('/hello', paid)).status).toBe(200);
      expect(await scene.refusal('/hello', paid)).toBe('invalid_signature');
      expect(await scene.refusal('/other', await agent.signed(`${scene.shop}/other`, offer))).toBe(
        'price_not_acceptable',
      );
      const less = { said: { amount: String(PRICE - 1n) } };
      expect(await scene.refusal('/hello', await agent.signed(hello, offer, less))).toBe('price_not_acceptable');
      const cheap = { ...offer, amount: '1' };
      expect(await scene.refusal('/hello', await agent.signed(hello, cheap))).toBe('price_not_acceptable');
      const old = { now: addMs(new SystemClock().now(), -120_000) };
      expect(await scene.refusal('/hello', await agent.signed(hello, offer, old))).toBe('invalid_signature');
      const bare = await agent.signed(hello, offer, { components: ['@authority', 'signature-agent'] });
      expect(await scene.refusal('/hello', bare)).toBe('invalid_payment_signature');
      const { signature: _, ...unsigned } = await agent.signed(hello, offer);
      expect(await scene.refusal('/hello', unsigned)).toBe('invalid_signature');
      const swapped = {
        ...(await agent.signed(hello, offer)),
        ...agent.presented(offer, { amount: '9999999', asset: ASSET }),
      };
      expect(await scene.refusal('/hello', swapped)).toBe('invalid_signature');
      expect(await scene.owes(of)).toEqual({ owed: PRICE, held: 0n });
    });

    it('is refused by a key that its host no longer publishes, for an agent that is let go, and for one that nobody knows', async () => {
      const { agent, host: own, account: of } = await scene.signing(100n * PRICE);
      const hello = `${scene.shop}/hello`;
      const offer = await agent.offer(hello);
      expect(await scene.refusal('/hello', await agent.signed(hello, offer, { by: await scene.host() }))).toBe(
        'invalid_signature',
      );
      await scene.api('DELETE', `/v1/accounts/${of}/identities/directory/${encodeURIComponent(own.name)}`);
      const gone = await until('the agent to be unknown', async () => {
        const response = await scene.ask('/hello', await agent.signed(hello, offer));
        if (response.status === 200) return undefined;
        return errorOf(response);
      });
      expect(gone).toBe('signature_agent_unknown');
      const stranger = new CreditAgent(scene.house.url, '', await scene.host());
      expect(await scene.refusal('/hello', await stranger.signed(hello, offer))).toBe('signature_agent_unknown');
    });

    it('is served once under its name, however often it is signed, also when no credit is left', async () => {
      const { agent, account: of } = await scene.signing(PRICE);
      const hello = `${scene.shop}/hello`;
      const offer = await agent.offer(hello);
      const name = 'order-0123456789abcdef';
      const first = await scene.ask('/hello', await agent.signed(hello, offer, { name }));
      expect(first.status).toBe(200);
      const again = await scene.ask('/hello', await agent.signed(hello, offer, { name }));
      expect([again.status, await again.json()]).toEqual([200, await first.json()]);
      const other = await agent.signed(`${scene.shop}/other`, await agent.offer(`${scene.shop}/other`), { name });
      expect((await scene.ask('/other', other)).status).toBe(409);
      expect(await scene.owes(of)).toEqual({ owed: PRICE, held: 0n });
    });

    it('serves up to the limit, and answers 402 beyond it', async () => {
      const { agent, account: of } = await scene.signing(3n * PRICE);
      const hello = `${scene.shop}/hello`;
      const offer = await agent.offer(hello);
      const paid = await Promise.all(Array.from({ length: 8 }, () => agent.signed(hello, offer)));
      const statuses = await Promise.all(paid.map(async (one) => (await scene.ask('/hello', one)).status));
      expect(statuses.filter((status) => status === 200)).toHaveLength(3);
      expect(await scene.refusal('/hello', await agent.signed(hello, offer))).toBe('payment_failed');
      expect(await scene.owes(of)).toEqual({ owed: 3n * PRICE, held: 0n });
    });
  });

  it('leaves books that hold', async () => {
    const checks = await verifyBooks(scene.house.db.auditUrl, railOf(scene.house.config));
    expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
    expect(checks.length).toBeGreaterThan(15);
  });

  it('confuses no client that knows only what is paid on a chain', async () => {
    const { house, shop } = scene;
    const [one, other] = await Promise.all([house.wallet(30, 1_000_000n), house.wallet(31, 1_000_000n)]);
    const response = await agentWith(one, house.chain.url)(`${shop}/hello`);
    expect(response.status).toBe(200);
    expect(settlementOf(response)).toMatchObject({ success: true, network: 'eip155:84532' });

    const signer = toClientEvmSigner(
      other,
      createPublicClient({ chain: baseSepolia, transport: http(house.chain.url) }),
    );
    const client = new x402Client().register('eip155:84532', new BatchSettlementEvmScheme(signer));
    const challenge = decodePaymentRequiredHeader((await fetch(`${shop}/hello`)).headers.get('payment-required') ?? '');
    const payload = await client.createPaymentPayload(challenge);
    expect(payload).toMatchObject({
      accepted: { scheme: 'batch-settlement', network: 'eip155:84532' },
      payload: { type: 'deposit' },
    });
  });
});

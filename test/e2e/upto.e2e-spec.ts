import { HTTPFacilitatorClient } from '@x402/core/server';
import { UptoEvmScheme as UptoClientScheme } from '@x402/evm/upto/client';
import { UptoEvmScheme as UptoServerScheme } from '@x402/evm/upto/server';
import { paymentMiddleware, setSettlementOverrides, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import express from 'express';
import type { LocalAccount } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { decodePaymentRequired, encodePaymentPayload, type Hex, uptoPayloadOf } from '@core/x402';
import { paywall } from '@farebox/paywall/express';
import { TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';
import { approvePermit2, UptoPayer } from '../support/upto-payer.js';

const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;
const relayer = (addressIndex: number): Hex => lower(mnemonicToAccount(TEST_MNEMONIC, { addressIndex }).address);
const FACILITATORS = [relayer(1), relayer(2)];

/** The public client, unmodified, which knows this scheme and no other. */
const agentOf = (account: LocalAccount): typeof fetch =>
  wrapFetchWithPayment(fetch, new x402Client().register('eip155:84532', new UptoClientScheme(account)));

interface PaymentKept {
  readonly id: string;
  readonly state: string;
  readonly charged: string | null;
  readonly failure: { readonly kind?: string } | null;
  readonly transaction: Buffer | null;
  readonly facilitator: string;
}

describe('an agent pays by a ceiling, with the public client', () => {
  let house: House;
  let provider: string;

  beforeAll(async () => {
    house = await House.build({ release: 'authorized', config: { UPTO_FACILITATORS: FACILITATORS.join(',') } });
    const app = express();
    const price = paywall({ gateUrl: house.url, key: house.key });
    app.get('/compute', price({ meter: 'compute.seconds', quantity: '60' }), (request, response) => {
      const { seconds } = request.query;
      request.farebox?.measure(typeof seconds === 'string' ? seconds : '60');
      response.json({ computed: true });
    });
    provider = await house.serve(app);
  });

  afterAll(() => house.close());

  const walletOf = async (index: number): Promise<LocalAccount> => {
    const wallet = await house.wallet(index, 1_000_000n);
    await approvePermit2(house.chain.url, lower(wallet.address));
    return wallet;
  };

  const paymentsOf = async (payer: string): Promise<PaymentKept[]> => {
    const { rows } = await house.owner.query<PaymentKept>(
      'SELECT id, state, charged::text, failure, transaction, facilitator FROM payments WHERE payer = $1 ORDER BY reserved_at',
      [payer.toLowerCase()],
    );
    return rows;
  };

  const untilEnded = (payer: string, state: string): Promise<PaymentKept> =>
    until(
      `the payment of ${payer} to be ${state}`,
      async () => (await paymentsOf(payer)).find((payment) => payment.state === state),
      undefined,
      60_000,
    );

  const settlementIn = (response: Response) =>
    decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '');

  /** An offer of the scheme, accepted and signed by hand: what an agent does that keeps its payment to present it again. */
  const signed = async (payer: UptoPayer, path: string) => {
    const challenge = await fetch(`${provider}${path}`);
    const required = decodePaymentRequired(challenge.headers.get('PAYMENT-REQUIRED') ?? '');
    const offer = required.ok ? required.payload.accepts.find(({ scheme }) => scheme === 'upto') : undefined;
    if (!offer) throw new Error('no ceiling is offered');
    const authorization = await payer.acceptCeiling(offer, Math.floor(Date.now() / 1000));
    const header = encodePaymentPayload({ x402Version: 2, accepted: offer, payload: uptoPayloadOf(authorization) });
    return { offer, authorization, header };
  };

  const pay = (path: string, header: string): Promise<Response> =>
    fetch(`${provider}${path}`, { headers: { 'PAYMENT-SIGNATURE': header } });

  it('whose nonce is taken back after the service ends as failed, by proof', async () => {
    const payer = new UptoPayer();
    await house.usdc.mint(payer.address, 1_000_000n);
    await payer.approve(house.chain.url);
    const { header, authorization } = await signed(payer, '/compute?seconds=10');
    expect((await pay('/compute?seconds=10', header)).status).toBe(200);
    // No worker runs yet, so the payer is faster.
    await payer.invalidate(house.chain.url, authorization.nonce);
    await house.startWorker();
    const failed = await untilEnded(payer.address, 'failed');
    expect(failed.failure).toMatchObject({ kind: 'used_unpaid', permit2Nonce: authorization.nonce.toString() });
    expect(await house.usdc.balance(payer.address)).toBe(1_000_000n);
    const again = await pay('/compute?seconds=10', header);
    expect(again.status).toBe(402);
    expect(settlementIn(again)).toMatchObject({ success: false, errorReason: 'invalid_upto_evm_transaction_failed' });
  }, 90_000);

  it('pays what it used, less than the ceiling, and ledger and chain agree', async () => {
    const wallet = await walletOf(10);
    const before = await house.usdc.balance(house.payTo);
    const response = await agentOf(wallet)(`${provider}/compute?seconds=7.5`);
    expect([response.status, await response.json()]).toEqual([200, { computed: true }]);
    expect(settlementIn(response)).toMatchObject({ success: true, amount: '3750', network: 'eip155:84532' });
    const settled = await untilEnded(wallet.address, 'settled');
    expect(settled.charged).toBe('3750');
    expect(await house.usdc.balance(wallet.address)).toBe(996_250n);
    expect((await house.usdc.balance(house.payTo)) - before).toBe(3_750n);
    const hash = `0x${settled.transaction?.toString('hex')}`;
    expect(await rpc(house.chain.url, 'eth_getTransactionByHash', hash)).toMatchObject({ from: settled.facilitator });
    expect(FACILITATORS).toContain(settled.facilitator);
    const { rows } = await house.owner.query<{ kind: string; state: string }>(
      'SELECT kind, state FROM chain_transactions WHERE hash = $1',
      [settled.transaction],
    );
    expect(rows).toMatchObject([{ kind: 'upto' }]);
  }, 90_000);

  it('is sent nothing for what used nothing, and the signature is good for nothing more', async () => {
    const payer = new UptoPayer();
    await house.usdc.mint(payer.address, 1_000_000n);
    await payer.approve(house.chain.url);
    const { header } = await signed(payer, '/compute?seconds=0');
    const response = await pay('/compute?seconds=0', header);
    expect(response.status).toBe(200);
    expect(settlementIn(response)).toMatchObject({ success: true, transaction: '', amount: '0' });
    expect(await paymentsOf(payer.address)).toMatchObject([{ state: 'voided', charged: null, transaction: null }]);
    const again = await pay('/compute?seconds=0', header);
    expect(again.status).toBe(402);
    const required = decodePaymentRequired(again.headers.get('PAYMENT-REQUIRED') ?? '');
    expect(required).toMatchObject({ ok: true, payload: { error: 'authorization_voided' } });
    expect(await house.usdc.balance(payer.address)).toBe(1_000_000n);
  });

  it('is served once for a signature: the same answer again, another request refused', async () => {
    const payer = new UptoPayer();
    await house.usdc.mint(payer.address, 1_000_000n);
    await payer.approve(house.chain.url);
    const { header, offer, authorization } = await signed(payer, '/compute?seconds=2');
    const answers = await Promise.all([1, 2, 3, 4].map(() => pay('/compute?seconds=2', header)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses[0]).toBe(200);
    expect(statuses.every((status) => status === 200 || status === 409)).toBe(true);
    expect((await pay('/compute?seconds=2', header)).status).toBe(200);
    // Under the offer for another request it is refused, and so it is with a new offer and the same nonce.
    expect((await pay('/compute?seconds=3', header)).status).toBe(402);
    const other = await signed(payer, '/compute?seconds=3');
    const reused = await payer.acceptCeiling(other.offer, Math.floor(Date.now() / 1000), {
      nonce: authorization.nonce,
    });
    const second = encodePaymentPayload({ x402Version: 2, accepted: other.offer, payload: uptoPayloadOf(reused) });
    expect((await pay('/compute?seconds=3', second)).status).toBe(409);
    expect(offer.scheme).toBe('upto');
    await untilEnded(payer.address, 'settled');
    expect(await house.usdc.balance(payer.address)).toBe(999_000n);
    expect(await paymentsOf(payer.address)).toHaveLength(1);
  }, 90_000);

  it('is told to let Permit2 move its tokens first, with status 412', async () => {
    const wallet = await house.wallet(12, 1_000_000n);
    const response = await agentOf(wallet)(`${provider}/compute?seconds=1`);
    expect(response.status).toBe(412);
    const required = decodePaymentRequired(response.headers.get('PAYMENT-REQUIRED') ?? '');
    expect(required).toMatchObject({ ok: true, payload: { error: 'permit2_allowance_required' } });
    expect(await paymentsOf(wallet.address)).toEqual([]);
    await approvePermit2(house.chain.url, lower(wallet.address));
    expect((await agentOf(wallet)(`${provider}/compute?seconds=1`)).status).toBe(200);
  });

  it('pays a stock @x402/express server that has Farebox as its facilitator', async () => {
    const supported: unknown = await (await fetch(`${house.url}/x402/supported`)).json();
    expect(supported).toMatchObject({
      kinds: expect.arrayContaining([
        { x402Version: 2, scheme: 'upto', network: 'eip155:84532', extra: { facilitatorAddress: FACILITATORS[0] } },
      ]),
      signers: { 'eip155:*': expect.arrayContaining(FACILITATORS) },
    });
    const facilitator = new HTTPFacilitatorClient({ url: `${house.url}/x402` });
    const bodies: string[] = [];
    const settle = facilitator.settle.bind(facilitator);
    facilitator.settle = (paymentPayload, paymentRequirements) => {
      bodies.push(JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements }));
      return settle(paymentPayload, paymentRequirements);
    };
    const server = new x402ResourceServer(facilitator).register('eip155:84532', new UptoServerScheme());
    const terms = { network: 'eip155:84532', payTo: house.payTo, price: '$0.01', maxTimeoutSeconds: 300 } as const;
    const route = { accepts: [{ scheme: 'upto', ...terms }], description: 'by use' };
    const app = express();
    app.use(paymentMiddleware({ 'GET /work': route, 'GET /idle': route }, server));
    app.get('/work', (_request, response) => {
      setSettlementOverrides(response, { amount: '1234' });
      response.json({ done: true });
    });
    app.get('/idle', (_request, response) => {
      setSettlementOverrides(response, { amount: '0' });
      response.json({ done: false });
    });
    const stock = await house.serve(app);

    const wallet = await walletOf(13);
    const before = await house.usdc.balance(house.payTo);
    const worked = await agentOf(wallet)(`${stock}/work`);
    expect([worked.status, await worked.json()]).toEqual([200, { done: true }]);
    expect(settlementIn(worked)).toMatchObject({
      success: true,
      amount: '1234',
      transaction: expect.stringMatching(/^0x/),
    });
    expect((await house.usdc.balance(house.payTo)) - before).toBe(1_234n);

    const post = async (path: string, body: unknown): Promise<unknown> =>
      (
        await fetch(`${house.url}/x402/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        })
      ).json();
    const [body = '{}'] = bodies;
    const first: unknown = JSON.parse(body);
    if (typeof first !== 'object' || first === null || !('paymentRequirements' in first)) throw new Error('no body');
    expect(await post('settle', body)).toMatchObject({ success: true, amount: '1234' });
    const requirements = Object(first.paymentRequirements) as object;
    expect(await post('settle', { ...first, paymentRequirements: { ...requirements, amount: '1235' } })).toMatchObject({
      success: false,
      errorReason: 'permit2_invalid_nonce',
    });
    expect(await post('settle', { ...first, paymentRequirements: { ...requirements, amount: '10001' } })).toMatchObject(
      { success: false, errorReason: 'invalid_upto_evm_payload_settlement_exceeds_amount' },
    );
    expect(await post('verify', { ...first, paymentRequirements: { ...requirements, amount: '10000' } })).toMatchObject(
      {
        isValid: false,
        invalidReason: 'permit2_invalid_nonce',
      },
    );

    const idle = await agentOf(wallet)(`${stock}/idle`);
    expect(idle.status).toBe(200);
    expect(settlementIn(idle)).toMatchObject({ success: true, transaction: '', amount: '0' });
    await untilEnded(wallet.address, 'settled');
    expect(await house.usdc.balance(wallet.address)).toBe(998_766n);
  }, 90_000);

  it('and the books hold', async () => {
    await until(
      'every payment to end',
      async () =>
        (await house.owner.query("SELECT 1 FROM payments WHERE state IN ('served', 'settling', 'included')"))
          .rowCount === 0 &&
        (await house.owner.query("SELECT 1 FROM chain_transactions WHERE state NOT IN ('final', 'dropped')"))
          .rowCount === 0,
      undefined,
      60_000,
    );
    const { rows } = await house.owner.query<{ wallet: string }>(
      `SELECT (coalesce(sum(t.amount) FILTER (WHERE t.debit_id = l.id), 0) - coalesce(sum(t.amount) FILTER (WHERE t.credit_id = l.id), 0))::text AS wallet
       FROM ledger_accounts l JOIN transfers t ON l.id IN (t.debit_id, t.credit_id) WHERE l.code = '1020'`,
    );
    expect(BigInt(rows[0]?.wallet ?? '')).toBe(await house.usdc.balance(house.payTo));
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  }, 90_000);
});

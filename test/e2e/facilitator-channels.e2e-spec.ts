import { HTTPFacilitatorClient } from '@x402/core/server';
import { toClientEvmSigner } from '@x402/evm';
import { BatchSettlementEvmScheme as Paying } from '@x402/evm/batch-settlement/client';
import { BatchSettlementEvmScheme as Selling } from '@x402/evm/batch-settlement/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import express from 'express';
import { createPublicClient, http, type LocalAccount } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { railOf, verifyBooks } from '../support/books.js';
import { seedProvider } from '../support/database.js';
import { House } from '../support/house.js';
import { relayerKey } from '../support/settlement-scene.js';
import { until } from '../support/until.js';

const NETWORK = 'eip155:84532';
const TOKEN = `0x${USDC_ADDRESS.slice(2)}` as const;
const CODE = 'invalid_batch_settlement_evm_';

interface Asked {
  readonly paymentPayload: {
    readonly accepted: Record<string, unknown>;
    readonly payload: Record<string, unknown>;
  };
  readonly paymentRequirements: Record<string, unknown>;
}

/** The public client's way to a facilitator, with everything it asks written down. */
class Watched extends HTTPFacilitatorClient {
  readonly verified: Asked[] = [];
  readonly settled: Asked[] = [];

  override verify(...[payload, terms]: Parameters<HTTPFacilitatorClient['verify']>) {
    this.verified.push(asked(payload, terms));
    return super.verify(payload, terms);
  }

  override settle(...[payload, terms]: Parameters<HTTPFacilitatorClient['settle']>) {
    this.settled.push(asked(payload, terms));
    return super.settle(payload, terms);
  }
}

const asked = (paymentPayload: object, paymentRequirements: object): Asked => {
  const body: Asked = JSON.parse(JSON.stringify({ x402Version: 2, paymentPayload, paymentRequirements }));
  return body;
};

const hashIn = (answer: unknown): unknown =>
  typeof answer === 'object' && answer !== null && 'transaction' in answer ? answer.transaction : '';

/** Every place in a JSON value. */
function pathsIn(value: unknown, from: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[...from, key], ...pathsIn(inner, [...from, key])]);
}

/** The same with something else in that place. */
function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((item: unknown, i) => (String(i) === key ? replaced(item, rest, by) : item));
  if (typeof value !== 'object' || value === null) return value;
  return { ...value, [key]: replaced(Reflect.get(value, key), rest, by) };
}

describe('a stock @x402/express server with channels of its own and Farebox as its facilitator', () => {
  let house: House;
  let facilitator: Watched;
  let selling: Selling;
  let shop: string;
  let manager: ReturnType<Selling['createChannelManager']>;
  let agent: LocalAccount;

  /** A server as servers are: the public packages, unmodified, with a key of its own that signs claims and refunds. */
  const open = async (payTo: `0x${string}`): Promise<string> => {
    const app = express();
    const offer = { scheme: 'batch-settlement', network: NETWORK, payTo, price: '$0.001' } as const;
    app.use(
      paymentMiddleware(
        { 'GET /hello': { accepts: [offer], description: 'One greeting', mimeType: 'application/json' } },
        new x402ResourceServer(facilitator).register(NETWORK, selling),
      ),
    );
    app.get('/hello', (_request, response) => void response.json({ hello: 'agent' }));
    return house.serve(app);
  };

  const clientOf = (account: LocalAccount) => {
    const reads = createPublicClient({ chain: baseSepolia, transport: http(house.chain.url) });
    const scheme = new Paying(toClientEvmSigner(account, reads));
    return { scheme, fetch: wrapFetchWithPayment(fetch, new x402Client().register(NETWORK, scheme)) };
  };

  const post = async (path: 'verify' | 'settle', body: unknown): Promise<{ status: number; answer: unknown }> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${house.url}/x402/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, answer: await response.json() };
  };

  const transactions = async (): Promise<number> => {
    const { rows } = await house.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM chain_transactions');
    return rows[0]?.n ?? 0;
  };

  const last = (type: string): Asked => {
    const found = facilitator.settled.filter(({ paymentPayload }) => paymentPayload.payload['type'] === type).at(-1);
    if (!found) throw new Error(`no ${type} was settled`);
    return found;
  };

  beforeAll(async () => {
    house = await House.build({ config: { CHANNEL_AUTHORIZER_KEY: relayerKey(7) } });
    await house.startWorker();
    facilitator = new Watched({ url: `${house.url}/x402` });
    const key = privateKeyToAccount(generatePrivateKey());
    selling = new Selling(house.payTo, { receiverAuthorizerSigner: key });
    manager = selling.createChannelManager(facilitator, NETWORK, TOKEN);
    shop = await open(house.payTo);
    agent = await house.wallet(20, 1_000_000n);
  });

  afterAll(() => house.close());

  it('is told that channels are settled, and not that we would sign for them', async () => {
    const supported = await facilitator.getSupported();
    expect(supported.kinds.filter(({ scheme }) => scheme === 'batch-settlement')).toEqual([
      { x402Version: 2, scheme: 'batch-settlement', network: NETWORK },
    ]);
    expect(supported.signers['eip155:*']).toHaveLength(2);
  });

  it('takes a deposit with the first call and vouchers with the next ones', async () => {
    const { fetch: buy } = clientOf(agent);
    for (let call = 1; call <= 4; call += 1) {
      const response = await buy(`${shop}/hello`);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ hello: 'agent' });
      const settled = decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '');
      expect(settled).toMatchObject({
        success: true,
        amount: call === 1 ? '10000' : '',
        extra: { chargedAmount: '1000', channelState: { chargedCumulativeAmount: String(1_000 * call) } },
      });
    }
    expect(await house.usdc.balance(agent.address)).toBe(990_000n);
    expect(await transactions()).toBe(1);
  });

  it('has its vouchers claimed and paid out', async () => {
    const { claims, settle } = await manager.claimAndSettle();
    expect(claims).toEqual([{ vouchers: 1, transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) }]);
    expect(settle?.transaction).toMatch(/^0x[0-9a-f]{64}$/);
    expect(await house.usdc.balance(house.payTo)).toBe(4_000n);
    expect(await transactions()).toBe(3);
  });

  it('gives an agent back what is left, and claims what it charged meanwhile', async () => {
    const client = clientOf(agent);
    expect((await client.fetch(`${shop}/hello`)).status).toBe(200);
    const refund = await client.scheme.refund(`${shop}/hello`);
    expect(refund).toMatchObject({
      success: true,
      amount: '5000',
      extra: { channelState: { balance: '5000', totalClaimed: '5000', refundNonce: '1', withdrawRequestedAt: 0 } },
    });
    expect(await house.usdc.balance(agent.address)).toBe(995_000n);
    await manager.settle();
    expect(await house.usdc.balance(house.payTo)).toBe(5_000n);
    expect(await transactions()).toBe(5);
  });

  it('answers whatever is settled again as before, and sends nothing twice', async () => {
    for (const type of ['deposit', 'claim', 'refund', 'settle']) {
      const again = await Promise.all(Array.from({ length: 3 }, () => post('settle', last(type))));
      for (const each of again) {
        expect(each).toMatchObject({ status: 200, answer: { success: true, network: NETWORK } });
        expect(each).toEqual(again[0]);
      }
    }
    expect(await transactions()).toBe(5);
    const { rows } = await house.owner.query(
      'SELECT DISTINCT ON (kind) kind, moved::text FROM relay_orders ORDER BY kind, id',
    );
    expect(rows).toEqual([
      { kind: 'claim', moved: '0' },
      { kind: 'deposit', moved: '10000' },
      { kind: 'refund', moved: '5000' },
      { kind: 'settle', moved: '4000' },
    ]);
    expect((await post('verify', last('deposit'))).answer).toMatchObject({ isValid: false });
  });

  it('carries the same request once, though it comes many times at once', async () => {
    const payer = await house.wallet(21, 1_000_000n);
    const before = await transactions();
    const count = facilitator.settled.length;
    expect((await clientOf(payer).fetch(`${shop}/hello`)).status).toBe(200);
    const [deposit] = facilitator.settled.slice(count);
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('settle', deposit)));
    for (const { answer } of answers) expect(answer).toEqual(answers[0]?.answer);
    expect(await transactions()).toBe(before + 1);
    expect(await house.usdc.balance(payer.address)).toBe(990_000n);
  });

  it('says no with a reason to whatever is not in order, and sends nothing', async () => {
    const [deposit, claim, settle, refund] = ['deposit', 'claim', 'settle', 'refund'].map(last);
    if (!deposit || !claim || !settle || !refund) throw new Error('one of each was settled');
    const before = await transactions();
    const changed = (from: Asked, payload: object, terms: object = {}): unknown => ({
      x402Version: 2,
      paymentPayload: {
        ...from.paymentPayload,
        accepted: { ...from.paymentPayload.accepted, ...terms },
        payload: { ...from.paymentPayload.payload, ...payload },
      },
      paymentRequirements: { ...from.paymentRequirements, ...terms },
    });
    const stranger = '0x00000000000000000000000000000000000000aa';
    const config = JSON.parse(JSON.stringify(deposit.paymentPayload.payload['channelConfig'])) as object;
    const ours = privateKeyToAccount(relayerKey(7)).address;
    const rows = JSON.parse(JSON.stringify(claim.paymentPayload.payload['claims'])) as {
      voucher: { channel: object };
    }[];
    const rowsOf = (channel: object) =>
      rows.map((row) => ({ ...row, voucher: { ...row.voucher, channel: { ...row.voucher.channel, ...channel } } }));
    const hostile: readonly (readonly [string, 'verify' | 'settle', unknown, string])[] = [
      [
        'a body that is a list',
        'settle',
        { paymentRequirements: { scheme: 'batch-settlement' } },
        'invalid_x402_version',
      ],
      ['version 1', 'settle', { ...claim, x402Version: 1 }, 'invalid_x402_version'],
      ['no payload', 'settle', { ...claim, paymentPayload: null, x402Version: 2 }, 'invalid_payload'],
      ['an unknown type', 'settle', changed(claim, { type: 'withdraw' }), `${CODE}payload_type`],
      ['another network', 'settle', changed(claim, {}, { network: 'eip155:1' }), 'invalid_network'],
      ['another token', 'settle', changed(claim, {}, { asset: stranger }), 'asset_not_deployed_contract'],
      [
        'a payee nobody registered',
        'settle',
        changed(settle, { receiver: stranger }, { payTo: stranger }),
        'invalid_payment_requirements',
      ],
      ['a payout to another receiver', 'settle', changed(settle, { receiver: stranger }), `${CODE}receiver_mismatch`],
      [
        'a claim that nobody signed',
        'settle',
        changed(claim, { claimAuthorizerSignature: undefined }),
        `${CODE}authorizer_not_configured`,
      ],
      [
        'a claim with a wrong signature',
        'settle',
        changed(claim, { claimAuthorizerSignature: `0x${'11'.repeat(65)}` }),
        `${CODE}claim_simulation_failed`,
      ],
      [
        'a claim of our gate’s channel',
        'settle',
        changed(claim, { claims: rowsOf({ receiverAuthorizer: ours }) }),
        `${CODE}receiver_authorizer_mismatch`,
      ],
      [
        'a claim for another receiver',
        'settle',
        changed(claim, { claims: rowsOf({ receiver: stranger }) }),
        `${CODE}receiver_mismatch`,
      ],
      ['a claim with a text that cannot be kept', 'settle', changed(claim, { more: '\0' }), 'invalid_payload'],
      [
        'a refund that nobody signed',
        'settle',
        changed(refund, { refundAuthorizerSignature: undefined }),
        `${CODE}authorizer_not_configured`,
      ],
      [
        'a refund of more, under a nonce that was used',
        'settle',
        changed(refund, { amount: '9999' }),
        `${CODE}refund_simulation_failed`,
      ],
      ['a refund under the next nonce', 'settle', changed(refund, { refundNonce: '1' }), `${CODE}refund_no_balance`],
      [
        'a deposit into another channel',
        'settle',
        changed(deposit, { channelConfig: { ...config, withdrawDelay: 1000 } }),
        `${CODE}channel_id_mismatch`,
      ],
      ['a deposit that was made', 'verify', deposit, `${CODE}deposit_simulation_failed`],
      [
        'a voucher of another channel',
        'verify',
        changed(deposit, { type: 'voucher', channelConfig: { ...config, salt: `0x${'1'.repeat(64)}` } }),
        `${CODE}channel_id_mismatch`,
      ],
      ['a claim to be verified', 'verify', claim, `${CODE}payload_type`],
      [
        'numbers out of all bounds',
        'settle',
        changed(refund, { refundNonce: '9'.repeat(90) }),
        `${CODE}refund_payload`,
      ],
    ];
    for (const [name, path, body, reason] of hostile) {
      const { status, answer } = await post(path, body);
      expect({ name, status, answer }).toMatchObject({
        name,
        status: 200,
        answer: path === 'verify' ? { isValid: false, invalidReason: reason } : { success: false, errorReason: reason },
      });
    }
    expect(await transactions()).toBe(before);
  });

  it('never stumbles over a field that is something else', async () => {
    const before = await transactions();
    const junk = [null, {}, '9'.repeat(100), `0x${'ff'.repeat(32)}`];
    const stored = new Set<unknown>();
    for (const type of ['deposit', 'claim', 'refund', 'settle']) {
      const body = { x402Version: 2, ...last(type) };
      stored.add(hashIn((await post('settle', body)).answer));
      for (const path of pathsIn(body)) {
        await Promise.all(
          junk.map(async (value) => {
            const wrong = { path: path.join('.'), value };
            for (const door of ['verify', 'settle'] as const) {
              const { status, answer } = await post(door, replaced(body, path, value));
              expect({ ...wrong, status }).toEqual({ ...wrong, status: 200 });
              // Fields that do not matter leave the request what it was: then it is answered as before.
              const hash = hashIn(answer);
              if (hash !== '') expect(stored).toContain(hash);
            }
          }),
        );
      }
    }
    expect(await transactions()).toBe(before);
  }, 120_000);

  it('serves a provider’s key for its own wallet only', async () => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(last('settle'));
    const own = await house.call('/x402/settle', { method: 'POST', headers, body });
    expect(await own.json()).toMatchObject({ success: true });
    const payTo = '0x00000000000000000000000000000000000000bb';
    await seedProvider(house.db, { payTo });
    const theirs = { ...last('settle'), paymentRequirements: { ...last('settle').paymentRequirements, payTo } };
    const other = await house.call('/x402/settle', { method: 'POST', headers, body: JSON.stringify(theirs) });
    expect(await other.json()).toMatchObject({ success: false, errorReason: 'invalid_payment_requirements' });
  });

  it('leaves nothing in the provider’s books but the gas', async () => {
    await until(
      'the orders to be final',
      async () =>
        (await house.owner.query("SELECT FROM relay_orders WHERE state <> 'done'")).rowCount === 0 &&
        (await house.owner.query("SELECT FROM chain_transactions WHERE state <> 'final'")).rowCount === 0,
    );
    const { rows } = await house.owner.query<{ code: string; provider_id: string }>(
      'SELECT DISTINCT l.code, l.provider_id FROM ledger_accounts l JOIN transfers t ON l.id IN (t.debit_id, t.credit_id) ORDER BY 1',
    );
    expect(rows.map(({ code }) => code)).toEqual(['1021', '5020']);
    expect(new Set(rows.map(({ provider_id }) => provider_id))).toEqual(new Set([house.provider]));
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  });
});

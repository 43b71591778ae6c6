import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { decodePaymentRequiredHeader } from '@x402/core/http';
import { toClientEvmSigner } from '@x402/evm';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import {
  decodeSignedOffers,
  extractOffersFromPaymentRequired,
  extractReceiptFromResponse,
  verifyOfferSignatureJWS,
  verifyReceiptMatchesOffer,
  verifyReceiptSignatureJWS,
} from '@x402/extensions/offer-receipt';
import { appendPaymentIdentifierToExtensions } from '@x402/extensions/payment-identifier';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import type { LocalAccount } from 'viem';
import { createPublicClient, http } from 'viem';
import { baseSepolia } from 'viem/chains';
import { paywall } from '@farebox/paywall/express';
import { House } from '../support/house.js';
import { until } from '../support/until.js';

/** The public client with the public extension: it names each payment as it is told. */
function namingAgent(account: LocalAccount, rpcUrl: string, identifier: string, through: typeof fetch = fetch) {
  const signer = toClientEvmSigner(account, createPublicClient({ chain: baseSepolia, transport: http(rpcUrl) }));
  const client = new x402Client()
    .register('eip155:84532', new ExactEvmScheme(signer))
    .onBeforePaymentCreation(({ paymentRequired }) => {
      appendPaymentIdentifierToExtensions(paymentRequired.extensions ?? {}, identifier);
      return Promise.resolve();
    });
  return wrapFetchWithPayment(through, client);
}

const nonceIn = (header: string): unknown => {
  const payload = JSON.parse(Buffer.from(header, 'base64').toString());
  return payload.payload.authorization.nonce;
};

describe('a payment whose answer is lost', () => {
  let house: House;
  let provider: string;
  let served = 0;

  beforeAll(async () => {
    house = await House.build({ config: { SIGNING_KEYS: `${'a1'.repeat(32)},${'b2'.repeat(32)}` } });
    await house.startWorker();
    const app = express();
    const price = paywall({ gateUrl: house.url, key: house.key });
    app.post('/compute', price({ meter: 'compute.seconds', quantity: () => '2' }), (_request, response) => {
      served += 1;
      response.json({ answer: served });
    });
    provider = await house.serve(app);
  });

  afterAll(() => house.close());

  const request = (body = '{"job":1}'): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });

  /** Pays over a network that loses the answer to the paid request, and keeps what was sent. */
  async function loseTheAnswer(account: LocalAccount, identifier: string): Promise<Headers> {
    let paid: Headers | undefined;
    const losing: typeof fetch = async (input, init) => {
      const asked = new Request(input, init);
      const headers = new Headers(asked.headers);
      const response = await fetch(asked);
      if (!headers.has('PAYMENT-SIGNATURE')) return response;
      paid = headers;
      await response.arrayBuffer();
      throw new TypeError('the connection was lost');
    };
    const agent = namingAgent(account, house.chain.url, identifier, losing);
    await expect(agent(`${provider}/compute`, request())).rejects.toThrow('the connection was lost');
    if (!paid) throw new Error('nothing was paid');
    return paid;
  }

  const chargesOf = async (account: LocalAccount): Promise<string[]> => {
    const { rows } = await house.owner.query<{ charged: string }>('SELECT charged FROM payments WHERE payer = $1', [
      account.address.toLowerCase(),
    ]);
    return rows.map(({ charged }) => charged);
  };

  it('is answered with the same content when the same request is sent again, and charged once', async () => {
    const wallet = await house.wallet(10, 1_000_000n);
    const paid = await loseTheAnswer(wallet, `lost-${randomUUID()}`);
    const ran = served;
    const again = await fetch(`${provider}/compute`, { ...request(), headers: paid });
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ answer: ran });
    expect(served).toBe(ran);
    expect(await chargesOf(wallet)).toEqual(['1000']);
  });

  it('is answered with the same content under a new signature of the same name, and charged once', async () => {
    const wallet = await house.wallet(11, 1_000_000n);
    const identifier = `named-${randomUUID()}`;
    const paid = await loseTheAnswer(wallet, identifier);
    const ran = served;
    let signedAnew: string | null = null;
    const watching: typeof fetch = (input, init) => {
      const asked = new Request(input, init);
      signedAnew = asked.headers.get('PAYMENT-SIGNATURE') ?? signedAnew;
      return fetch(asked);
    };
    const again = await namingAgent(wallet, house.chain.url, identifier, watching)(`${provider}/compute`, request());
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual({ answer: ran });
    expect(nonceIn(signedAnew ?? '')).not.toBe(nonceIn(paid.get('PAYMENT-SIGNATURE') ?? ''));
    expect(served).toBe(ran);
    expect(await chargesOf(wallet)).toEqual(['1000']);
    await house.untilAll('settled');
    expect(await house.usdc.balance(wallet.address)).toBe(999_000n);
  });

  it('does not lend its name to another body', async () => {
    const wallet = await house.wallet(12, 1_000_000n);
    const identifier = `named-${randomUUID()}`;
    await loseTheAnswer(wallet, identifier);
    const other = await namingAgent(wallet, house.chain.url, identifier)(`${provider}/compute`, request('{"job":2}'));
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({
      reason: 'payment_identifier_taken',
      detail: expect.stringContaining('its body differs'),
    });
    expect(await chargesOf(wallet)).toEqual(['1000']);
  });

  it('leaves an offer, a receipt and a record that others can check', async () => {
    const wallet = await house.wallet(13, 1_000_000n);
    const unpaid = await fetch(`${provider}/compute`, request());
    const required = decodePaymentRequiredHeader(unpaid.headers.get('PAYMENT-REQUIRED') ?? '');
    const [offer] = decodeSignedOffers(extractOffersFromPaymentRequired(required));
    if (!offer) throw new Error('no offer is signed');
    // No key is given: the public package finds ours by did:web.
    expect(await verifyOfferSignatureJWS(offer.signedOffer as never)).toMatchObject({ amount: '1000', version: 1 });

    const answer = await namingAgent(
      wallet,
      house.chain.url,
      `bought-${randomUUID()}`,
    )(`${provider}/compute`, request());
    const receipt = extractReceiptFromResponse(answer);
    if (!receipt) throw new Error('there is no receipt');
    await verifyReceiptSignatureJWS(receipt as never);
    expect(verifyReceiptMatchesOffer(receipt, offer, [wallet.address])).toBe(true);

    const { extensions } = decodePaymentResponseHeader(answer.headers.get('PAYMENT-RESPONSE') ?? '');
    const { recordUrl, statusUrl } = Object(extensions?.['farebox']);
    await until('the payment to be final', async () => {
      const { status } = Object(await (await fetch(statusUrl)).json());
      return status === 'final';
    });
    const [first, second] = await Promise.all([fetch(recordUrl), fetch(recordUrl)]);
    expect(first.headers.get('content-type')).toContain('application/jose');
    const record = await first.text();
    expect(await second.text()).toBe(record);

    const folder = mkdtempSync(join(tmpdir(), 'record-'));
    const [recordFile, keysFile, bodyFile] = ['record', 'keys', 'body'].map((name) => join(folder, name));
    writeFileSync(recordFile ?? '', record);
    writeFileSync(keysFile ?? '', await (await fetch(`${house.url}/.well-known/jwks.json`)).text());
    writeFileSync(bodyFile ?? '', '{"job":1}');
    const asked = [
      '--request-method',
      'POST',
      '--request-url',
      `${provider}/compute`,
      '--request-body',
      bodyFile ?? '',
    ];

    const online = await verifyRecord(recordUrl, ...asked);
    expect(online).toMatchObject({ code: 0, output: expect.stringContaining('Everything holds') });
    expect(online.output).toContain('per_unit price × 2 = 1000 atomic units');
    expect(online.output).toContain(`It was paid for POST ${provider}/compute`);
    expect(online.output).toContain('Settled for good.');
    expect((await verifyRecord(recordFile ?? '', '--jwks', keysFile ?? '')).code).toBe(0);

    const [header, payload = '', signature] = record.split('.');
    const dearer = Buffer.from(payload, 'base64url').toString().replace('"charged":"1000"', '"charged":"1"');
    writeFileSync(recordFile ?? '', `${header}.${Buffer.from(dearer).toString('base64url')}.${signature}`);
    expect(readFileSync(recordFile ?? '', 'utf8')).not.toBe(record);
    expect(await verifyRecord(recordFile ?? '', '--jwks', keysFile ?? '')).toMatchObject({
      code: 1,
      output: expect.stringContaining('This record is false'),
    });
    expect((await verifyRecord(join(folder, 'no such file'))).code).toBe(2);
    expect((await verifyRecord(`${house.url}/v1/payments/pay_${'0'.repeat(32)}/record`)).code).toBe(2);
  });
});

/** Runs the command as a process of its own. */
function verifyRecord(...args: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const command = join(process.cwd(), 'apps/api/src/commands/verify-record.ts');
    const loader = join(process.cwd(), 'tools/register-typescript.mjs');
    const child = spawn(process.execPath, ['--import', loader, command, ...args]);
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

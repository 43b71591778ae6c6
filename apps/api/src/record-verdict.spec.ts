import { createHash } from 'node:crypto';
import { exactBindingText, type Json, jsonOf, requestText } from '@core/records';
import { Ed25519Keys } from '@platform/signing';
import { judgeRecord } from './record-verdict.js';

const keys = new Ed25519Keys(['33'.repeat(32)], 'https://pay.example.com');
const published = JSON.parse(JSON.stringify(keys.jwks()));

const ASSET = 'eip155:84532/erc20:0x036cbd53842c5426634e7929541ec2318f3dcf7e';
const TERMS = {
  network: 'eip155:84532',
  asset: '0x036cbd53842c5426634e7929541ec2318f3dcf7e',
  payTo: `0x${'7e'.repeat(20)}`,
};
const URL = 'https://api.example.com/compute?job=1';
const BODY = Buffer.from('{"job":1}');

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest();

const record = (change: Record<string, unknown> = {}) => {
  const request = sha256(
    requestText({
      method: 'POST',
      url: URL,
      bodyDigest: sha256(BODY).toString('hex'),
      meter: 'compute.seconds',
      quantity: '2.5',
    }),
  ).toString('base64url');
  const digest = sha256(exactBindingText({ provider: 'prv_1', request, ...TERMS, amount: '1250' })).toString('hex');
  return {
    type: 'farebox.usage-record',
    version: 1,
    payment: 'pay_1',
    provider: 'prv_1',
    account: 'acct_1',
    payer: `0x${'aa'.repeat(20)}`,
    way: 'exact',
    quote: { digest, ...TERMS, ceiling: '1250' },
    usage: { meter: 'compute.seconds', quantity: '2.5', unit: 'seconds' },
    price: {
      version: 'prc_1',
      model: 'per_unit',
      definition: { rate: '0.0005' },
      modifiers: {},
      asset: ASSET,
      assetDecimals: 6,
    },
    charged: '1250',
    settlement: { status: 'final', transaction: `0x${'cd'.repeat(32)}` },
    ledger: { entries: ['capture:pay_1', 'settle:pay_1'] },
    reservedAt: '2026-11-21T10:00:00.000Z',
    servedAt: '2026-11-21T10:00:01.000Z',
    ...change,
  };
};

const signed = (document: unknown): string => keys.sign(jsonOf(document) satisfies Json);

describe('what a signed usage record proves', () => {
  it('proves the signature, the charge by the price in it, and what it was paid for', async () => {
    const verdict = await judgeRecord(signed(record()), published, { method: 'POST', url: URL, body: BODY });
    expect(verdict.holds).toBe(true);
    const text = verdict.lines.join('\n');
    expect(text).toContain('proven per_unit price × 2.5 = 1250 atomic units');
    expect(text).toContain(`proven It was paid for POST ${URL}`);
    expect(text).toContain('Settled for good.');
  });

  it.each([
    ['a charge that is not the price of the quantity', { charged: '1249' }, 'the price of this quantity is 1250'],
    ['a charge above the ceiling', { charged: '1251' }, 'more than the ceiling'],
    [
      'a dearer quantity',
      { usage: { meter: 'compute.seconds', quantity: '2.6', unit: 'seconds' } },
      'the price of this quantity is 1300',
    ],
  ])('finds %s false, though it is signed', async (_, change, says) => {
    const verdict = await judgeRecord(signed(record(change)), published);
    expect(verdict.holds).toBe(false);
    expect(verdict.lines.find((line) => line.startsWith('FALSE'))).toContain(says);
  });

  it('finds it false for another request: method, URL or body', async () => {
    for (const claimed of [
      { method: 'GET', url: URL, body: BODY },
      { method: 'POST', url: `${URL}0`, body: BODY },
      { method: 'POST', url: URL, body: Buffer.from('{"job":2}') },
      { method: 'POST', url: URL },
    ]) {
      expect((await judgeRecord(signed(record()), published, claimed)).holds).toBe(false);
    }
  });

  it('takes a signed transfer of more than what was measured for what it is', async () => {
    const less = record({ usage: { meter: 'compute.seconds', quantity: '1', unit: 'seconds' } });
    const verdict = await judgeRecord(signed(less), published);
    expect(verdict.holds).toBe(true);
    expect(verdict.lines.join('\n')).toContain('would have cost 500');
    const prepaid = await judgeRecord(signed({ ...less, way: 'prepaid' }), published);
    expect(prepaid.holds).toBe(false);
  });

  it('says of a price that needs a whole period that it cannot be computed', async () => {
    const price = {
      ...record().price,
      model: 'volume',
      definition: { tiers: [{ upTo: '10', rate: '1' }, { rate: '0.5' }] },
    };
    const verdict = await judgeRecord(signed(record({ price })), published);
    expect(verdict.holds).toBe(true);
    expect(verdict.lines.join('\n')).toContain('cannot be computed again');
  });

  it('finds what is signed and no record false, and what is not signed by these keys', async () => {
    expect((await judgeRecord(signed({ hello: 'world' }), published)).holds).toBe(false);
    expect((await judgeRecord(signed(record({ more: 'than we know' })), published)).holds).toBe(false);
    const foreign = new Ed25519Keys(['44'.repeat(32)], 'https://pay.example.com').sign(jsonOf(record()));
    expect((await judgeRecord(foreign, published)).holds).toBe(false);
    const [header, , signature] = signed(record()).split('.');
    const cheaper = Buffer.from(JSON.stringify(record({ charged: '1' }))).toString('base64url');
    expect((await judgeRecord(`${header}.${cheaper}.${signature}`, published)).holds).toBe(false);
  });
});

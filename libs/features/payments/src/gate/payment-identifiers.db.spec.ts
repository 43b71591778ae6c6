import { randomBytes, randomUUID } from 'node:crypto';
import { encodePaymentPayload, exactPayloadOf, type Hex } from '@core/x402';
import { Writer } from '@platform/database';
import { SystemIds } from '@platform/system';
import {
  ANSWER,
  body,
  challengeOf,
  PaidPath,
  paymentOf,
  replyOf,
  USDC,
} from '../../../../../test/support/paid-path.js';
import { Payer } from '../../../../../test/support/payer.js';
import { type ClaimItem, PaymentStore } from '../exact/payments.store.js';
import type { RequestToCheck } from './way-to-pay.js';
import { SweepIdentifiers } from '../receipts/sweep-identifiers.js';

const newIdentifier = (): string => `idn-${randomUUID()}`;

describe('a payment its payer gave a name', () => {
  let path: PaidPath;

  beforeAll(async () => {
    path = await PaidPath.open();
  });

  afterEach(() => path.chain.reset());

  afterAll(() => path.close());

  /** A fresh signature over a fresh nonce, under a name. */
  async function named(identifier: unknown, payer: Payer, asked: Partial<RequestToCheck> = {}): Promise<string> {
    const required = challengeOf(await path.check(asked));
    const [offer] = required.accepts;
    if (!offer) throw new Error('the challenge offers nothing');
    return encodePaymentPayload({
      x402Version: 2,
      accepted: offer,
      payload: { ...exactPayloadOf(await path.signed(payer, {}, asked).then(({ authorization }) => authorization)) },
      extensions: { 'payment-identifier': { info: { required: false, id: identifier } } },
    });
  }

  const capture = (payment: string) =>
    path.a.capture.run({ provider: path.provider, request: { payment, reply: ANSWER } });

  const claimsOf = async (payer: Payer): Promise<string[]> => {
    const { rows } = await path.owner.query<{ id: string }>('SELECT id FROM payments WHERE payer = $1', [
      payer.address,
    ]);
    return rows.map(({ id }) => id);
  };

  it('is advertised in every challenge', async () => {
    const required = challengeOf(await path.check());
    expect(required.extensions?.['payment-identifier']).toMatchObject({ info: { required: false } });
  });

  it('is paid once: a new signature under its name gets the progress, and then the answer, of the first', async () => {
    const payer = new Payer();
    const identifier = newIdentifier();
    const payment = paymentOf(await path.check({ paymentSignature: await named(identifier, payer) }));

    const meanwhile = replyOf(await path.check({ paymentSignature: await named(identifier, payer) }, path.b));
    expect(meanwhile).toMatchObject({ status: 409, headers: { 'retry-after': '1' } });
    expect(body(meanwhile)).toMatchObject({ reason: 'payment_in_progress' });

    await capture(payment.id);
    const again = await path.check({ paymentSignature: await named(identifier, payer) }, path.b);
    expect({ decision: again.decision, body: replyOf(again).body }).toEqual({ decision: 'replay', body: ANSWER.body });
    expect(await claimsOf(payer)).toEqual([payment.id]);
  });

  it('answers even when the payer could not pay a second time', async () => {
    const payer = new Payer();
    const identifier = newIdentifier();
    const { id } = paymentOf(await path.check({ paymentSignature: await named(identifier, payer) }));
    await capture(id);
    path.chain.payer = { ...path.chain.payer, balance: 1n };
    expect((await path.check({ paymentSignature: await named(identifier, payer) })).decision).toBe('replay');
    expect(replyOf(await path.check({ paymentSignature: await named(newIdentifier(), payer) })).status).toBe(402);
  });

  it('shows nothing to a signature that was used before, whoever holds it', async () => {
    const payer = new Payer();
    const identifier = newIdentifier();
    const { id } = paymentOf(await path.check({ paymentSignature: await named(identifier, payer) }));
    await capture(id);
    path.chain.payer = { ...path.chain.payer, nonceUsed: true };
    expect(replyOf(await path.check({ paymentSignature: await named(identifier, payer) })).status).toBe(402);
    path.chain.reset();
    const foreign = await named(identifier, new Payer());
    expect(paymentOf(await path.check({ paymentSignature: foreign })).id).not.toBe(id);
  });

  it.each([
    ['url', { url: 'https://api.example.com/hello?name=y' }],
    ['body', { bodyDigest: 'ab'.repeat(32) }],
    ['method', { method: 'POST' }],
    ['quantity', { quantity: '2' }],
  ] satisfies [string, Partial<RequestToCheck>][])(
    'is refused for another purchase, which is told that its %s differs',
    async (field, change) => {
      const payer = new Payer();
      const identifier = newIdentifier();
      paymentOf(await path.check({ paymentSignature: await named(identifier, payer) }));
      const other = replyOf(await path.check({ ...change, paymentSignature: await named(identifier, payer, change) }));
      expect(body(other)).toMatchObject({ status: 409, reason: 'payment_identifier_taken' });
      expect(String(body(other)['detail'])).toContain(`its ${field} differs`);
      expect(await claimsOf(payer)).toHaveLength(1);
    },
  );

  it('may be named again after nothing was claimed, and after it was let go', async () => {
    const payer = new Payer();
    const identifier = newIdentifier();
    path.chain.payer = { ...path.chain.payer, balance: 1n };
    expect(replyOf(await path.check({ paymentSignature: await named(identifier, payer) })).status).toBe(402);
    path.chain.reset();
    const first = paymentOf(await path.check({ paymentSignature: await named(identifier, payer) }));
    await path.a.void.run({ provider: path.provider, request: { payment: first.id } });
    const second = paymentOf(await path.check({ paymentSignature: await named(identifier, payer) }));
    await capture(second.id);
    expect((await path.check({ paymentSignature: await named(identifier, payer) })).decision).toBe('replay');
    expect((await claimsOf(payer)).sort()).toEqual([first.id, second.id].sort());
  });

  it.each([['short'], ['x'.repeat(129)], ['no spaces are allowed'], [42]])('is refused as a name: %s', async (name) => {
    const refused = replyOf(await path.check({ paymentSignature: await named(name, new Payer()) }));
    expect(body(refused)).toMatchObject({ status: 400, reason: 'invalid_payment_identifier' });
  });

  it('is forgotten a day after its payment ended, and not before', async () => {
    const payer = new Payer();
    const [done, open] = [newIdentifier(), newIdentifier()];
    const { id } = paymentOf(await path.check({ paymentSignature: await named(done, payer) }));
    paymentOf(await path.check({ paymentSignature: await named(open, payer) }));
    await path.a.void.run({ provider: path.provider, request: { payment: id } });
    const writer = new Writer(path.db.writerUrl, 1);
    const left = async () => {
      await new SweepIdentifiers(writer).run();
      const { rows } = await path.owner.query<{ identifier: string }>(
        'SELECT identifier FROM payment_identifiers WHERE identifier = ANY ($1)',
        [[done, open]],
      );
      return rows.map(({ identifier }) => identifier).sort();
    };
    await path.owner.query("UPDATE payment_identifiers SET taken_at = now() - interval '3 days'");
    expect(await left()).toEqual([done, open].sort());
    await path.owner.query("UPDATE payments SET voided_at = now() - interval '25 hours' WHERE id = $1", [id]);
    expect(await left()).toEqual([open]);
    await writer.close();
  });

  describe('presented 1,000 times at once, each time with another nonce, to four stores', () => {
    const writers: Writer[] = [];

    afterAll(async () => {
      await Promise.all(writers.map((writer) => writer.close()));
    });

    it.each([1, 2, 3])('is claimed once (round %i)', async () => {
      const ids = new SystemIds();
      const payer = new Payer();
      const identifier = newIdentifier();
      if (writers.length === 0) for (let i = 0; i < 4; i += 1) writers.push(new Writer(path.db.writerUrl, 3));
      const stores = writers.map((writer) => new PaymentStore(writer, undefined));
      const item = (): ClaimItem => ({
        id: ids.next('pay'),
        provider: path.provider,
        newAccount: ids.next('acct'),
        origin: 'gate',
        network: USDC.network,
        chainId: USDC.domain.chainId,
        asset: USDC.domain.address,
        assetId: USDC.id,
        authorization: {
          from: payer.address,
          to: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
          value: 4_000n,
          validAfter: 0n,
          validBefore: BigInt(path.seconds() + 300),
          nonce: `0x${randomBytes(32).toString('hex')}` satisfies Hex,
          signature: `0x${randomBytes(65).toString('hex')}` satisfies Hex,
        },
        binding: 'ab'.repeat(32),
        resource: 'https://api.example.com/hello',
        attempt: undefined,
        meterId: undefined,
        quantity: '1',
        priceId: undefined,
        release: 'authorized',
        ttlSeconds: 60,
        identified: {
          identifier,
          fingerprint: {
            method: 'GET',
            url: 'digest',
            body: '',
            meter: 'calls',
            quantity: '1',
            scheme: 'exact',
            network: USDC.network,
            asset: USDC.domain.address,
            amount: '4000',
            payTo: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
          },
        },
        balance: 1_000_000n,
      });
      const outcomes = (
        await Promise.all(
          stores.flatMap((store) => Array.from({ length: 10 }, () => store.claim(Array.from({ length: 25 }, item)))),
        )
      ).flat();
      expect(outcomes).toHaveLength(1_000);
      const claimed = outcomes.flatMap((outcome) => (outcome.outcome === 'claimed' ? [outcome.id] : []));
      expect(claimed).toHaveLength(1);
      const others = outcomes.filter(({ outcome }) => outcome !== 'claimed');
      expect(others).toEqual(Array.from({ length: 999 }, () => ({ outcome: 'identified', id: claimed[0] })));
      expect(await claimsOf(payer)).toEqual(claimed);
    });
  });
});

import pg from 'pg';
import { erc20Asset } from '@core/money';
import { type PaymentAsset, PAYMENT_STATES, PAYMENT_TRANSITIONS } from '@core/payments';
import { type ChainHead, ChainReader, type PayerState } from '@core/settlement';
import { Clock, instant, type Instant } from '@core/time';
import { decodePaymentRequired, decodeSettlementResponse, encodePaymentPayload, encodePaymentPayloadV1, exactPayloadOf, type PaymentRequired } from '@core/x402';
import { CreateMeter } from '@features/metering';
import { CreatePrice, PriceBookCache } from '@features/pricing';
import { Eip3009Verifier } from '@platform/chain';
import { Database, Writer } from '@platform/database';
import { Outbox } from '@platform/queues';
import { SystemIds } from '@platform/system';
import { createTestDatabase, seedProvider, type SeededProvider, type TestDatabase } from '../../../../test/support/database.js';
import { Payer, USDC_ADDRESS, USDC_DOMAIN } from '../../../../test/support/payer.js';
import { type CheckDecision, openPayments, type Payments, type RequestToCheck, type WireReply } from './index.js';

class HeldClock extends Clock {
  constructor(public at: Instant) {
    super();
  }
  now(): Instant {
    return this.at;
  }
}

/** What a chain says is set by the test; the real reader has its own tests against a real chain. */
class ScriptedChain extends ChainReader {
  payer: PayerState = { balance: 1_000_000_000n, nonceUsed: false, blocked: false, paused: false, hasCode: false };
  constructor(private readonly clock: Clock) {
    super();
  }
  head(): Promise<ChainHead> {
    const fetchedAt = this.clock.now();
    return Promise.resolve({ number: 1n, hash: '0x', timestamp: BigInt(Math.floor(fetchedAt / 1000)), fetchedAt });
  }
  payerState(requests: readonly unknown[]): Promise<PayerState[]> {
    return Promise.resolve(requests.map(() => this.payer));
  }
}

const USDC: PaymentAsset = {
  id: erc20Asset(84532, USDC_ADDRESS),
  network: 'eip155:84532',
  networkV1: 'base-sepolia',
  domain: USDC_DOMAIN,
  displayAddress: USDC_ADDRESS,
  symbol: 'USDC',
  decimals: 6,
};

const body = (reply: WireReply): { [field: string]: unknown } => {
  const text = Buffer.from(reply.body, 'base64').toString();
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null ? { ...value } : {};
};

const replyOf = (decision: CheckDecision): WireReply => {
  if (decision.decision === 'serve') throw new Error('expected an answer, not leave to serve');
  return decision.reply;
};

const paymentOf = (decision: CheckDecision) => {
  if (decision.decision !== 'serve') throw new Error(`expected leave to serve, got ${decision.decision} ${JSON.stringify(body(decision.reply))}`);
  return decision.payment;
};

function challengeOf(decision: CheckDecision): PaymentRequired {
  const read = decodePaymentRequired(replyOf(decision).headers['PAYMENT-REQUIRED'] ?? '');
  if (!read.ok) throw new Error(read.message);
  return read.payload;
}

const ANSWER: WireReply = { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('42').toString('base64') };

describe('the paid path, on PostgreSQL', () => {
  let db: TestDatabase;
  let owner: pg.Pool;
  let database: Database;
  let writer: Writer;
  let writerB: Writer;
  let clock: HeldClock;
  let chain: ScriptedChain;
  let payments: Payments;
  let paymentsB: Payments;
  let seeded: SeededProvider;
  const payTo = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8';
  const request: RequestToCheck = { method: 'GET', url: 'https://api.example.com/hello?name=x', meter: 'calls' };

  beforeAll(async () => {
    db = await createTestDatabase();
    owner = new pg.Pool({ connectionString: db.ownerUrl, max: 2 });
    database = new Database(db.appUrl, 4);
    writer = new Writer(db.writerUrl, 4);
    writerB = new Writer(db.writerUrl, 4);
    clock = new HeldClock(instant(Date.now()));
    chain = new ScriptedChain(clock);
    seeded = await seedProvider(db, { payTo });
    const ids = new SystemIds();
    await new CreateMeter(database, ids).run({ provider: seeded.provider, name: 'calls', aggregation: 'count', unit: 'calls' });
    await new CreatePrice(database, new Outbox(), clock, ids).run({
      provider: seeded.provider,
      meter: 'calls',
      model: 'per_unit',
      definition: { rate: '0.004' },
      asset: USDC,
      release: 'authorized',
    });
    await owner.query('UPDATE providers SET raise_first_payment = false');
    const open = async (through: Writer) =>
      openPayments({
        writer: through,
        book: new PriceBookCache(database, clock),
        chain,
        verifier: await Eip3009Verifier.create(),
        clock,
        ids,
        assets: () => [USDC],
        settings: { publicUrl: 'https://farebox.example', quoteSecret: 'q'.repeat(40), quoteSeconds: 300, releaseWaitMs: 300, staleSeconds: 30, exposureCap: undefined },
      });
    payments = await open(writer);
    paymentsB = await open(writerB);
  });

  afterAll(async () => {
    await Promise.all([payments.close(), paymentsB.close()]);
    await Promise.all([database.close(), writer.close(), writerB.close(), owner.end()]);
    await db.drop();
  });

  beforeEach(() => {
    chain.payer = { balance: 1_000_000_000n, nonceUsed: false, blocked: false, paused: false, hasCode: false };
  });

  const check = (change: Partial<RequestToCheck> = {}, through = payments) => through.check.run({ provider: seeded.provider, request: { ...request, ...change } });
  const seconds = () => Math.floor(clock.now() / 1000);
  const count = async (table: string): Promise<number> => Number((await owner.query<{ n: string }>(`SELECT count(*) AS n FROM ${table}`)).rows[0]?.n);

  async function signed(payer = new Payer(), change: Parameters<Payer['accept']>[2] = {}, asked: Partial<RequestToCheck> = {}) {
    const required = challengeOf(await check(asked));
    const [offer] = required.accepts;
    if (!offer) throw new Error('the challenge offers nothing');
    const authorization = await payer.accept(offer, seconds(), change);
    return { required, offer, authorization, header: encodePaymentPayload({ x402Version: 2, accepted: offer, payload: { ...exactPayloadOf(authorization) } }) };
  }

  it('answers an unpaid request with a sealed, sticky quote and writes nothing', async () => {
    const before = await count('payments');
    const first = challengeOf(await check());
    clock.at = instant(clock.at + 1000);
    const again = challengeOf(await check());
    expect(first.accepts).toHaveLength(1);
    expect(first.accepts[0]).toMatchObject({ scheme: 'exact', network: 'eip155:84532', amount: '4000', payTo, extra: { name: 'USDC', version: '2' } });
    expect(first.accepts[0]?.extra?.['priceVersion']).toMatch(/^prc_/);
    expect(again.accepts).toEqual(first.accepts);
    expect(first.resource.url).toBe('https://api.example.com/hello');
    expect(body(replyOf(await check()))).toMatchObject({ x402Version: 1, accepts: [{ network: 'base-sepolia', maxAmountRequired: '4000' }] });
    expect(await count('payments')).toBe(before);
    expect(await count('accounts')).toBe(1);
  });

  it('claims, captures and gives the stored answer to whoever presents the payment again', async () => {
    const { header } = await signed();
    const payment = paymentOf(await check({ paymentSignature: header }));
    expect(payment).toMatchObject({ status: 'reserved', amount: '4000', meter: 'calls', quantity: '1' });
    expect(body(replyOf(await check({ paymentSignature: header })))).toMatchObject({ status: 409, reason: 'payment_in_progress' });

    const captured = await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } });
    expect(captured).toMatchObject({ decision: 'release', payment: { status: 'served', charged: '4000' } });
    const again = await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } });
    expect(again).toEqual(captured);

    const replay = await check({ paymentSignature: header }, paymentsB);
    expect(replay).toMatchObject({ decision: 'replay', reply: { status: 200, body: ANSWER.body } });
    const response = decodeSettlementResponse(replyOf(replay).headers['PAYMENT-RESPONSE'] ?? '');
    expect(response.ok && response.payload).toMatchObject({ success: true, network: 'eip155:84532', amount: '4000', extensions: { farebox: { payment: payment.id } } });

    const { rows } = await owner.query<{ posting_key: string; amount: string }>('SELECT posting_key, amount FROM transfers WHERE reference = $1 ORDER BY 1', [payment.id]);
    expect(rows).toEqual([
      { posting_key: `capture:${payment.id}:charge`, amount: '4000' },
      { posting_key: `capture:${payment.id}:payment`, amount: '4000' },
    ]);
    expect((await owner.query('SELECT value::text FROM usage_events WHERE payment_id = $1', [payment.id])).rows).toEqual([{ value: '1' }]);
  });

  it('opens a walk-up account for a new wallet and keeps it for the next payment', async () => {
    const payer = new Payer();
    const first = paymentOf(await check({ paymentSignature: (await signed(payer)).header }));
    const second = paymentOf(await check({ paymentSignature: (await signed(payer)).header }));
    expect(second.account).toBe(first.account);
    expect(second.id).not.toBe(first.id);
  });

  it('serves protocol version 1', async () => {
    const payer = new Payer();
    const { authorization } = await signed(payer);
    const xPayment = encodePaymentPayloadV1({ x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload: { ...exactPayloadOf(authorization) } });
    const payment = paymentOf(await check({ xPayment }));
    const captured = await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } });
    if (captured.decision !== 'release') throw new Error('expected the answer to leave');
    const response = decodeSettlementResponse(captured.headers['X-PAYMENT-RESPONSE'] ?? '');
    expect(response.ok && response.payload).toMatchObject({ success: true, network: 'base-sepolia' });
  });

  it('grants one of 200 presentations at once through two processes, and only that one', async () => {
    const { header } = await signed();
    const decisions = await Promise.all(Array.from({ length: 200 }, (_, i) => check({ paymentSignature: header }, i % 2 ? paymentsB : payments)));
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(1);
    const others = decisions.filter(({ decision }) => decision !== 'serve');
    expect(new Set(others.map((each) => `${each.decision} ${replyOf(each).status} ${String(body(replyOf(each))['reason'])}`))).toEqual(new Set(['refuse 409 payment_in_progress']));
  });

  it('refuses the same authorization for anything else', async () => {
    const { header, authorization } = await signed();
    paymentOf(await check({ paymentSignature: header }));
    for (const other of [{ method: 'POST' }, { url: 'https://api.example.com/dear' }, { url: 'https://api.example.com/hello?name=y' }, { bodyDigest: 'ab'.repeat(32) }]) {
      const decision = await check({ ...other, paymentSignature: header });
      expect(challengeOf(decision).error).toBe('quote_is_for_another_request');
      const offer = challengeOf(await check(other)).accepts[0];
      if (!offer) throw new Error('no offer');
      const moved = encodePaymentPayload({ x402Version: 2, accepted: offer, payload: { ...exactPayloadOf(authorization) } });
      expect(body(replyOf(await check({ ...other, paymentSignature: moved })))).toMatchObject({ status: 409, reason: 'authorization_consumed' });
    }
  });

  it('refuses what does not pay the offer, writes nothing and says why', async () => {
    const before = await count('payments');
    const errorOf = async (change: Parameters<Payer['accept']>[2]) => challengeOf(await check({ paymentSignature: (await signed(new Payer(), change)).header })).error;
    expect(await errorOf({ value: 3999n })).toBe('invalid_exact_evm_payload_authorization_value_mismatch');
    expect(await errorOf({ to: new Payer().address })).toBe('invalid_exact_evm_recipient_mismatch');
    expect(await errorOf({ validBefore: BigInt(seconds()) })).toBe('invalid_exact_evm_payload_authorization_valid_before');
    expect(await errorOf({ validAfter: BigInt(seconds() + 60) })).toBe('invalid_exact_evm_payload_authorization_valid_after');
    const stolen = await signed();
    const other = encodePaymentPayload({ x402Version: 2, accepted: stolen.offer, payload: { ...exactPayloadOf({ ...stolen.authorization, from: new Payer().address }) } });
    expect(challengeOf(await check({ paymentSignature: other })).error).toBe('invalid_exact_evm_signature');
    expect(body(replyOf(await check({ paymentSignature: 'not base64!' })))).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(await count('payments')).toBe(before);
  });

  it('refuses a changed offer: amount, payee, quote', async () => {
    const { offer, authorization } = await signed();
    const seal = String(offer.extra?.['quote']);
    const sealedAs = (quote: string) => ({ ...offer, extra: { ...offer.extra, quote } });
    const forged = [
      { ...offer, amount: '1' },
      { ...offer, payTo: new Payer().address },
      { ...offer, network: 'eip155:8453' },
      { ...offer, asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913' },
      sealedAs(`${seal.slice(0, -1)}${seal.endsWith('A') ? 'B' : 'A'}`),
      sealedAs(`A${seal.slice(1)}`),
      sealedAs(''),
    ];
    for (const accepted of forged) {
      const decision = await check({ paymentSignature: encodePaymentPayload({ x402Version: 2, accepted, payload: { ...exactPayloadOf(authorization) } }) });
      expect(challengeOf(decision).error).toMatch(/^invalid_(payment_requirements|network)$/);
    }
  });

  it('refuses what the chain would refuse, and says 503 rather than invalid when it cannot be asked', async () => {
    const errorOf = async (state: Partial<PayerState>) => {
      const { header } = await signed();
      chain.payer = { ...chain.payer, ...state };
      const { error } = challengeOf(await check({ paymentSignature: header }));
      chain.payer = { balance: 1_000_000_000n, nonceUsed: false, blocked: false, paused: false, hasCode: false };
      return error;
    };
    expect(await errorOf({ nonceUsed: true })).toBe('invalid_exact_evm_nonce_already_used');
    expect(await errorOf({ balance: 3999n })).toBe('invalid_exact_evm_insufficient_balance');
    expect(await errorOf({ blocked: true })).toBe('payer_blocked');
    expect(await errorOf({ paused: true })).toBe('token_paused');
    expect(await errorOf({ hasCode: true })).toBe('contract_wallet_not_supported');
    const { header } = await signed();
    const head = jest.spyOn(chain, 'head').mockResolvedValue({ number: 1n, hash: '0x', timestamp: BigInt(seconds() - 31), fetchedAt: clock.now() });
    await expect(check({ paymentSignature: header })).rejects.toMatchObject({ code: 'unavailable', reason: 'chain_head_stale' });
    head.mockRestore();
  });

  it('counts what a wallet has signed for against its balance, in one batch and over many', async () => {
    chain.payer = { ...chain.payer, balance: 10_000n };
    const payer = new Payer();
    const headers = await Promise.all(Array.from({ length: 5 }, async () => (await signed(payer)).header));
    const decisions = await Promise.all(headers.map((paymentSignature, i) => check({ paymentSignature }, i % 2 ? paymentsB : payments)));
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(2);
    expect(challengeOf(await check({ paymentSignature: (await signed(payer)).header })).error).toBe('invalid_exact_evm_insufficient_balance');
  });

  it('keeps the exposure caps, whatever the concurrency', async () => {
    const payer = new Payer();
    await owner.query('UPDATE providers SET exposure_cap_payer = 20000');
    const headers = await Promise.all(Array.from({ length: 20 }, async () => (await signed(payer)).header));
    const decisions = await Promise.all(headers.map((paymentSignature, i) => check({ paymentSignature }, i % 2 ? paymentsB : payments)));
    await owner.query('UPDATE providers SET exposure_cap_payer = 1000000000000');
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(5);
    const refused = decisions.filter(({ decision }) => decision !== 'serve').map((each) => challengeOf(each).error);
    expect(new Set(refused)).toEqual(new Set(['exposure_cap_reached']));
  });

  it('does not charge what was voided, and does not serve it again', async () => {
    const { header } = await signed();
    const payment = paymentOf(await check({ paymentSignature: header }));
    const voided = await payments.void.run({ provider: seeded.provider, request: { payment: payment.id, reason: 'handler failed' } });
    expect(voided.payment.status).toBe('voided');
    expect(await payments.void.run({ provider: seeded.provider, request: { payment: payment.id } })).toEqual(voided);
    expect(await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } })).toMatchObject({ decision: 'withhold', reply: { status: 503 } });
    expect(challengeOf(await check({ paymentSignature: header })).error).toBe('authorization_voided');
    expect((await owner.query('SELECT 1 FROM transfers WHERE reference = $1', [payment.id])).rows).toEqual([]);
  });

  it('withholds what outlived its reservation', async () => {
    const payment = paymentOf(await check({ paymentSignature: (await signed()).header }));
    await owner.query("UPDATE payments SET expires_at = now() - interval '1 second' WHERE id = $1", [payment.id]);
    expect(await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } })).toMatchObject({ decision: 'withhold', reply: { status: 503 } });
  });

  it('shows a settlement it does not know the outcome of as pending, never as failed and never as a new challenge', async () => {
    await owner.query('UPDATE providers SET raise_first_payment = true');
    clock.at = instant(clock.at + 6000);
    const { header } = await signed();
    const payment = paymentOf(await check({ paymentSignature: header }));
    const captured = await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } });
    expect(captured).toMatchObject({ decision: 'withhold', reply: { status: 202, headers: { location: `https://farebox.example/v1/payments/${payment.id}` } } });
    expect(await check({ paymentSignature: header })).toMatchObject({ decision: 'replay', reply: { status: 202 } });

    const waiting = check({ paymentSignature: header }, paymentsB);
    await owner.query("UPDATE payments SET state = 'settling', submitted_at = now(), transaction = decode(repeat('ab', 32), 'hex') WHERE id = $1", [payment.id]);
    await owner.query("SELECT pg_notify('farebox_payment', '')");
    expect(await waiting).toMatchObject({ decision: 'replay', reply: { status: 200, body: ANSWER.body } });
    expect(await payments.read.run(payment.id)).toMatchObject({ status: 'submitted', transaction: `0x${'ab'.repeat(32)}` });

    await owner.query("UPDATE payments SET state = 'failed', failed_at = now(), failure = '{}' WHERE id = $1", [payment.id]);
    expect(await check({ paymentSignature: header })).toMatchObject({ decision: 'refuse', reply: { status: 402 } });
    await owner.query('UPDATE providers SET raise_first_payment = false');
    clock.at = instant(clock.at + 6000);
  });

  it('answers for a payment after its quote has expired, and takes no new one on it', async () => {
    const used = await signed();
    const payment = paymentOf(await check({ paymentSignature: used.header }));
    await payments.capture.run({ provider: seeded.provider, request: { payment: payment.id, reply: ANSWER } });
    const unused = await signed();
    const at = clock.at;
    clock.at = instant(at + 301_000);
    expect(await check({ paymentSignature: used.header })).toMatchObject({ decision: 'replay', reply: { status: 200 } });
    expect(challengeOf(await check({ paymentSignature: unused.header })).error).toBe('quote_expired');
    clock.at = at;
  });

  it('keeps a quoted price for the life of the quote', async () => {
    const { header } = await signed();
    const ids = new SystemIds();
    await new CreatePrice(database, new Outbox(), clock, ids).run({
      provider: seeded.provider,
      meter: 'calls',
      model: 'per_unit',
      definition: { rate: '0.005' },
      asset: USDC,
      release: 'authorized',
      effectiveAt: instant(clock.at + 1000),
    });
    clock.at = instant(clock.at + 7000);
    expect(challengeOf(await check()).accepts[0]?.amount).toBe('5000');
    expect(paymentOf(await check({ paymentSignature: header })).amount).toBe('4000');
  });

  it('is kept by the database along the same table as core', async () => {
    const payment = paymentOf(await check({ paymentSignature: (await signed()).header }));
    for (const from of PAYMENT_STATES) {
      for (const to of PAYMENT_STATES) {
        if (from === to) continue;
        const client = await owner.connect();
        try {
          await client.query('BEGIN');
          await client.query('ALTER TABLE payments DISABLE TRIGGER legal_transition');
          const filled = `charged = CASE WHEN $2 = 'voided' THEN NULL ELSE 1 END, served_at = CASE WHEN $2 = 'voided' THEN NULL ELSE now() END, voided_at = now(),
            failed_at = now(), failure = '{}', transaction = '\\x00', log_index = 0, block_number = 0, block_hash = '\\x00', state = $2::text`;
          await client.query(`UPDATE payments SET ${filled} WHERE id = $1`, [payment.id, from]);
          await client.query('ALTER TABLE payments ENABLE TRIGGER legal_transition');
          const moved = client.query(`UPDATE payments SET ${filled} WHERE id = $1`, [payment.id, to]);
          if (PAYMENT_TRANSITIONS[from].includes(to)) await moved;
          else await expect(moved).rejects.toThrow(`cannot go from ${from} to ${to}`);
        } finally {
          await client.query('ROLLBACK');
          client.release();
        }
      }
    }
  });
});

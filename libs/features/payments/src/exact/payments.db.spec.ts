import { PAYMENT_STATES, PAYMENT_TRANSITIONS } from '@core/payments';
import type { PayerState } from '@core/settlement';
import { instant } from '@core/time';
import { decodeSettlementResponse, encodePaymentPayload, encodePaymentPayloadV1, exactPayloadOf } from '@core/x402';
import { ANSWER, body, challengeOf, PaidPath, paymentOf, replyOf } from '../../../../../test/support/paid-path.js';
import { Payer } from '../../../../../test/support/payer.js';

describe('the paid path, on PostgreSQL', () => {
  let path: PaidPath;

  beforeAll(async () => {
    path = await PaidPath.open();
  });

  afterAll(() => path.close());

  beforeEach(() => path.chain.reset());

  it('answers an unpaid request with a sealed, sticky quote and writes nothing', async () => {
    const before = await path.count('payments');
    // A quote is the same for half its life: both are asked for in the same half.
    if (path.clock.at % 150_000 > 148_000) path.clock.at = instant(path.clock.at + 2_000);
    const first = challengeOf(await path.check());
    path.clock.at = instant(path.clock.at + 1000);
    const again = challengeOf(await path.check());
    expect(first.accepts).toHaveLength(1);
    expect(first.accepts[0]).toMatchObject({
      scheme: 'exact',
      network: 'eip155:84532',
      amount: '4000',
      payTo: path.payTo,
      extra: { name: 'USDC', version: '2' },
    });
    expect(first.accepts[0]?.extra?.['priceVersion']).toMatch(/^prc_/);
    expect(again.accepts).toEqual(first.accepts);
    expect(first.resource.url).toBe('https://api.example.com/hello');
    expect(body(replyOf(await path.check()))).toMatchObject({
      x402Version: 1,
      accepts: [{ network: 'base-sepolia', maxAmountRequired: '4000' }],
    });
    expect(await path.count('payments')).toBe(before);
    expect(await path.count('accounts')).toBe(1);
  });

  it('claims, captures and gives the stored answer to whoever presents the payment again', async () => {
    const { header } = await path.signed();
    const payment = paymentOf(await path.check({ paymentSignature: header }));
    expect(payment).toMatchObject({ status: 'reserved', amount: '4000', meter: 'calls', quantity: '1' });
    expect(body(replyOf(await path.check({ paymentSignature: header })))).toMatchObject({
      status: 409,
      reason: 'payment_in_progress',
    });

    const captured = await path.a.capture.run({
      provider: path.provider,
      request: { payment: payment.id, reply: ANSWER },
    });
    expect(captured).toMatchObject({ decision: 'release', payment: { status: 'served', charged: '4000' } });
    const again = await path.a.capture.run({
      provider: path.provider,
      request: { payment: payment.id, reply: ANSWER },
    });
    expect(again).toEqual(captured);

    const replay = await path.check({ paymentSignature: header }, path.b);
    expect(replay).toMatchObject({ decision: 'replay', reply: { status: 200, body: ANSWER.body } });
    const response = decodeSettlementResponse(replyOf(replay).headers['PAYMENT-RESPONSE'] ?? '');
    expect(response.ok && response.payload).toMatchObject({
      success: true,
      network: 'eip155:84532',
      amount: '4000',
      extensions: { farebox: { payment: payment.id } },
    });

    const { rows } = await path.owner.query<{ posting_key: string; amount: string }>(
      'SELECT posting_key, amount FROM transfers WHERE reference = $1 ORDER BY 1',
      [payment.id],
    );
    expect(rows).toEqual([
      { posting_key: `capture:${payment.id}:charge`, amount: '4000' },
      { posting_key: `capture:${payment.id}:payment`, amount: '4000' },
    ]);
    expect(
      (
        await path.owner.query(
          `SELECT item ->> 3 AS value FROM usage_log, json_array_elements(body::json -> 'items') AS item
          WHERE kind = 'sold' AND item ->> 4 = $1`,
          [payment.id],
        )
      ).rows,
    ).toEqual([{ value: '1' }]);
  });

  it('tells the attempt that was told to serve again, when its answer was lost, and no other', async () => {
    const { header } = await path.signed();
    const attempt = 'attempt-of-this-arrival';
    const payment = paymentOf(await path.check({ paymentSignature: header, attempt }));
    expect(paymentOf(await path.check({ paymentSignature: header, attempt }, path.b))).toEqual(payment);
    for (const other of ['attempt-of-another-one', undefined]) {
      expect(body(replyOf(await path.check({ paymentSignature: header, attempt: other })))).toMatchObject({
        status: 409,
        reason: 'payment_in_progress',
      });
    }
    await path.a.capture.run({ provider: path.provider, request: { payment: payment.id, reply: ANSWER } });
    expect(await path.check({ paymentSignature: header, attempt })).toMatchObject({ decision: 'replay' });
  });

  it('opens a walk-up account for a new wallet and keeps it for the next payment', async () => {
    const payer = new Payer();
    const first = paymentOf(await path.check({ paymentSignature: (await path.signed(payer)).header }));
    const second = paymentOf(await path.check({ paymentSignature: (await path.signed(payer)).header }));
    expect(second.account).toBe(first.account);
    expect(second.id).not.toBe(first.id);
  });

  it('serves protocol version 1', async () => {
    const payer = new Payer();
    const { authorization } = await path.signed(payer);
    const xPayment = encodePaymentPayloadV1({
      x402Version: 1,
      scheme: 'exact',
      network: 'base-sepolia',
      payload: { ...exactPayloadOf(authorization) },
    });
    const payment = paymentOf(await path.check({ xPayment }));
    const captured = await path.a.capture.run({
      provider: path.provider,
      request: { payment: payment.id, reply: ANSWER },
    });
    if (captured.decision !== 'release') throw new Error('expected the answer to leave');
    const response = decodeSettlementResponse(captured.headers['X-PAYMENT-RESPONSE'] ?? '');
    expect(response.ok && response.payload).toMatchObject({ success: true, network: 'base-sepolia' });
  });

  it('grants one of 200 presentations at once through two processes, and only that one', async () => {
    const { header } = await path.signed();
    const decisions = await Promise.all(
      Array.from({ length: 200 }, (_, i) => path.check({ paymentSignature: header }, i % 2 ? path.b : path.a)),
    );
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(1);
    const others = decisions.filter(({ decision }) => decision !== 'serve');
    expect(
      new Set(
        others.map((each) => `${each.decision} ${replyOf(each).status} ${String(body(replyOf(each))['reason'])}`),
      ),
    ).toEqual(new Set(['refuse 409 payment_in_progress']));
  });

  it('refuses the same authorization for anything else', async () => {
    const { header, authorization } = await path.signed();
    paymentOf(await path.check({ paymentSignature: header }));
    for (const other of [
      { method: 'POST' },
      { url: 'https://api.example.com/dear' },
      { url: 'https://api.example.com/hello?name=y' },
      { bodyDigest: 'ab'.repeat(32) },
    ]) {
      const decision = await path.check({ ...other, paymentSignature: header });
      expect(challengeOf(decision).error).toBe('quote_is_for_another_request');
      const offer = challengeOf(await path.check(other)).accepts[0];
      if (!offer) throw new Error('no offer');
      const moved = encodePaymentPayload({
        x402Version: 2,
        accepted: offer,
        payload: { ...exactPayloadOf(authorization) },
      });
      expect(body(replyOf(await path.check({ ...other, paymentSignature: moved })))).toMatchObject({
        status: 409,
        reason: 'authorization_consumed',
      });
    }
  });

  it('refuses what does not pay the offer, writes nothing and says why', async () => {
    const before = await path.count('payments');
    const errorOf = async (change: Parameters<Payer['accept']>[2]) =>
      challengeOf(await path.check({ paymentSignature: (await path.signed(new Payer(), change)).header })).error;
    expect(await errorOf({ value: 3999n })).toBe('invalid_exact_evm_payload_authorization_value_mismatch');
    expect(await errorOf({ to: new Payer().address })).toBe('invalid_exact_evm_recipient_mismatch');
    expect(await errorOf({ validBefore: BigInt(path.seconds()) })).toBe(
      'invalid_exact_evm_payload_authorization_valid_before',
    );
    expect(await errorOf({ validAfter: BigInt(path.seconds() + 60) })).toBe(
      'invalid_exact_evm_payload_authorization_valid_after',
    );
    const stolen = await path.signed();
    const other = encodePaymentPayload({
      x402Version: 2,
      accepted: stolen.offer,
      payload: { ...exactPayloadOf({ ...stolen.authorization, from: new Payer().address }) },
    });
    expect(challengeOf(await path.check({ paymentSignature: other })).error).toBe('invalid_exact_evm_signature');
    expect(body(replyOf(await path.check({ paymentSignature: 'not base64!' })))).toMatchObject({
      status: 400,
      code: 'invalid_request',
    });
    expect(await path.count('payments')).toBe(before);
  });

  it('refuses a changed offer: amount, payee, quote', async () => {
    const { offer, authorization } = await path.signed();
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
      const decision = await path.check({
        paymentSignature: encodePaymentPayload({
          x402Version: 2,
          accepted,
          payload: { ...exactPayloadOf(authorization) },
        }),
      });
      expect(challengeOf(decision).error).toMatch(/^invalid_(payment_requirements|network)$/);
    }
  });

  it('refuses what the chain would refuse, and says 503 rather than invalid when it cannot be asked', async () => {
    const errorOf = async (state: Partial<PayerState>) => {
      const { header } = await path.signed();
      path.chain.payer = { ...path.chain.payer, ...state };
      const { error } = challengeOf(await path.check({ paymentSignature: header }));
      path.chain.reset();
      return error;
    };
    expect(await errorOf({ nonceUsed: true })).toBe('invalid_exact_evm_nonce_already_used');
    expect(await errorOf({ balance: 3999n })).toBe('invalid_exact_evm_insufficient_balance');
    expect(await errorOf({ blocked: true })).toBe('payer_blocked');
    expect(await errorOf({ paused: true })).toBe('token_paused');
    expect(await errorOf({ hasCode: true })).toBe('contract_wallet_not_supported');
    const { header } = await path.signed();
    const head = jest.spyOn(path.chain, 'head').mockResolvedValue({
      number: 1n,
      hash: '0x',
      timestamp: BigInt(path.seconds() - 31),
      fetchedAt: path.clock.now(),
    });
    await expect(path.check({ paymentSignature: header })).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'chain_head_stale',
    });
    head.mockRestore();
  });

  it('counts what a wallet has signed for against its balance, in one batch and over many', async () => {
    path.chain.payer = { ...path.chain.payer, balance: 10_000n };
    const payer = new Payer();
    const headers = await Promise.all(Array.from({ length: 5 }, async () => (await path.signed(payer)).header));
    const decisions = await Promise.all(
      headers.map((paymentSignature, i) => path.check({ paymentSignature }, i % 2 ? path.b : path.a)),
    );
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(2);
    expect(challengeOf(await path.check({ paymentSignature: (await path.signed(payer)).header })).error).toBe(
      'invalid_exact_evm_insufficient_balance',
    );
  });

  it('keeps the exposure caps, whatever the concurrency', async () => {
    const payer = new Payer();
    await path.owner.query('UPDATE providers SET exposure_cap_payer = 20000');
    const headers = await Promise.all(Array.from({ length: 20 }, async () => (await path.signed(payer)).header));
    const decisions = await Promise.all(
      headers.map((paymentSignature, i) => path.check({ paymentSignature }, i % 2 ? path.b : path.a)),
    );
    await path.owner.query('UPDATE providers SET exposure_cap_payer = 1000000000000');
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(5);
    const refused = decisions.filter(({ decision }) => decision !== 'serve').map((each) => challengeOf(each).error);
    expect(new Set(refused)).toEqual(new Set(['exposure_cap_reached']));
  });

  it('does not charge what was voided, and does not serve it again', async () => {
    const { header } = await path.signed();
    const payment = paymentOf(await path.check({ paymentSignature: header }));
    const voided = await path.a.void.run({
      provider: path.provider,
      request: { payment: payment.id, reason: 'handler failed' },
    });
    expect(voided.payment.status).toBe('voided');
    expect(await path.a.void.run({ provider: path.provider, request: { payment: payment.id } })).toEqual(voided);
    expect(
      await path.a.capture.run({ provider: path.provider, request: { payment: payment.id, reply: ANSWER } }),
    ).toMatchObject({ decision: 'withhold', reply: { status: 503 } });
    expect(challengeOf(await path.check({ paymentSignature: header })).error).toBe('authorization_voided');
    expect((await path.owner.query('SELECT 1 FROM transfers WHERE reference = $1', [payment.id])).rows).toEqual([]);
  });

  it('withholds what outlived its reservation', async () => {
    const payment = paymentOf(await path.check({ paymentSignature: (await path.signed()).header }));
    await path.owner.query("UPDATE payments SET expires_at = now() - interval '1 second' WHERE id = $1", [payment.id]);
    expect(
      await path.a.capture.run({ provider: path.provider, request: { payment: payment.id, reply: ANSWER } }),
    ).toMatchObject({ decision: 'withhold', reply: { status: 503 } });
  });

  it('shows a settlement it does not know the outcome of as pending, never as failed and never as a new challenge', async () => {
    await path.owner.query('UPDATE providers SET raise_first_payment = true');
    path.clock.at = instant(path.clock.at + 6000);
    const { header } = await path.signed();
    const payment = paymentOf(await path.check({ paymentSignature: header }));
    const captured = await path.a.capture.run({
      provider: path.provider,
      request: { payment: payment.id, reply: ANSWER },
    });
    expect(captured).toMatchObject({
      decision: 'withhold',
      reply: { status: 202, headers: { location: `https://farebox.example/v1/payments/${payment.id}` } },
    });
    expect(await path.check({ paymentSignature: header })).toMatchObject({
      decision: 'replay',
      reply: { status: 202 },
    });

    const waiting = path.check({ paymentSignature: header }, path.b);
    await path.owner.query(
      "UPDATE payments SET state = 'settling', submitted_at = now(), transaction = decode(repeat('ab', 32), 'hex') WHERE id = $1",
      [payment.id],
    );
    await path.owner.query("SELECT pg_notify('farebox_payment', '')");
    expect(await waiting).toMatchObject({ decision: 'replay', reply: { status: 200, body: ANSWER.body } });
    expect(await path.a.read.run(payment.id)).toMatchObject({
      status: 'submitted',
      transaction: `0x${'ab'.repeat(32)}`,
    });

    await path.owner.query("UPDATE payments SET state = 'failed', failed_at = now(), failure = '{}' WHERE id = $1", [
      payment.id,
    ]);
    expect(await path.check({ paymentSignature: header })).toMatchObject({
      decision: 'refuse',
      reply: { status: 402 },
    });
    await path.owner.query('UPDATE providers SET raise_first_payment = false');
    path.clock.at = instant(path.clock.at + 6000);
  });

  it('answers for a payment after its quote has expired, and takes no new one on it', async () => {
    const used = await path.signed();
    const payment = paymentOf(await path.check({ paymentSignature: used.header }));
    await path.a.capture.run({ provider: path.provider, request: { payment: payment.id, reply: ANSWER } });
    const unused = await path.signed();
    const at = path.clock.at;
    path.clock.at = instant(at + 301_000);
    expect(await path.check({ paymentSignature: used.header })).toMatchObject({
      decision: 'replay',
      reply: { status: 200 },
    });
    expect(challengeOf(await path.check({ paymentSignature: unused.header })).error).toBe('quote_expired');
    path.clock.at = at;
  });

  it('keeps a quoted price for the life of the quote', async () => {
    const { header } = await path.signed();
    await path.price('0.005', instant(path.clock.at + 1000));
    path.clock.at = instant(path.clock.at + 7000);
    expect(challengeOf(await path.check()).accepts[0]?.amount).toBe('5000');
    expect(paymentOf(await path.check({ paymentSignature: header })).amount).toBe('4000');
  });

  it('is kept by the database along the same table as core', async () => {
    const payment = paymentOf(await path.check({ paymentSignature: (await path.signed()).header }));
    for (const from of PAYMENT_STATES) {
      for (const to of PAYMENT_STATES) {
        if (from === to) continue;
        const client = await path.owner.connect();
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

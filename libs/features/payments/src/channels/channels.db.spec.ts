import { addMs } from '@core/time';
import { decodePaymentRequired, decodeSettlementResponse, type JsonObject, ZERO_ADDRESS } from '@core/x402';
import { type Channel, ChannelPath } from '../../../../../test/support/channel-path.js';
import { ANSWER, body, challengeOf, paymentOf, replyOf } from '../../../../../test/support/paid-path.js';
import type { CheckDecision } from '../gate/gate-decisions.js';

const PRICE = 4_000n;
const MISMATCH = 'invalid_batch_settlement_evm_cumulative_amount_mismatch';

describe('channels behind the gate, on PostgreSQL', () => {
  let path: ChannelPath;

  beforeAll(async () => {
    path = await ChannelPath.open();
  });

  afterAll(() => path.close());

  const call = async (
    channel: Channel,
    ceiling: bigint,
    {
      url = 'https://api.example.com/hello',
      quantity,
      through = path.a,
    }: { url?: string; quantity?: string; through?: ChannelPath['a'] } = {},
  ) => {
    const asked = { url, ...(quantity === undefined ? {} : { quantity }) };
    return path.check({ ...asked, paymentSignature: await path.header(channel, ceiling, asked) }, through);
  };

  const capture = (payment: string, quantity?: string, through = path.a) =>
    through.capture.run({ provider: path.provider, request: { payment, quantity, reply: ANSWER } });

  const responseOf = (headers: Readonly<Record<string, string>>): JsonObject => {
    const read = decodeSettlementResponse(headers['PAYMENT-RESPONSE'] ?? '');
    if (!read.ok) throw new Error(read.message);
    return { ...read.payload };
  };

  /** Why a call has to be paid anew, and what its offer says to correct it. */
  const correction = (decision: CheckDecision) => {
    expect(decision.decision).toBe('pay');
    const read = decodePaymentRequired(replyOf(decision).headers['PAYMENT-REQUIRED'] ?? '');
    if (!read.ok) throw new Error(read.message);
    const offer = read.payload.accepts.find(({ scheme }) => scheme === 'batch-settlement');
    return { error: read.payload.error, extra: offer?.extra ?? {} };
  };

  it('offers a channel before the exact transfer, the same for the same quote', async () => {
    const offer = await path.offer();
    expect(offer).toMatchObject({
      network: 'eip155:84532',
      amount: '4000',
      extra: { withdrawDelay: 900, minDeposit: '40000', name: 'USDC', version: '2' },
    });
    expect(await path.offer()).toEqual(offer);
  });

  it('serves a call by a voucher, charges what it measured, and says where the channel stands', async () => {
    const channel = path.channel(100_000n);
    const payment = paymentOf(await call(channel, 40_000n, { quantity: '10' }));
    expect(payment.id).toMatch(/^vch_/);
    const captured = await capture(payment.id, '2.5');
    if (captured.decision !== 'release') throw new Error('the answer was withheld');
    expect(captured.payment).toMatchObject({ status: 'served', charged: '10000', quantity: '2.5' });
    expect(responseOf(captured.headers)).toMatchObject({
      success: true,
      transaction: '',
      amount: '',
      extra: {
        chargedAmount: '10000',
        channelState: { channelId: channel.id, balance: '100000', chargedCumulativeAmount: '10000' },
      },
    });
    expect(await path.row(channel)).toMatchObject({ charged: '10000', signed_max: '40000' });
    const { rows } = await path.owner.query<{ amount: string; codes: string }>(
      `SELECT t.amount::text, d.code || '/' || c.code AS codes FROM transfers t JOIN ledger_accounts d ON d.id = t.debit_id
         JOIN ledger_accounts c ON c.id = t.credit_id WHERE t.reference = $1 ORDER BY codes`,
      [payment.id],
    );
    expect(rows).toEqual([
      { amount: '10000', codes: '1026/1110' },
      { amount: '10000', codes: '1110/4010' },
    ]);
    expect(await capture(payment.id, '2.5')).toMatchObject({ decision: 'release', payment: { charged: '10000' } });
    expect((await path.row(channel)).charged).toBe('10000');
  });

  it('captures the calls of a batch that still can be, when others were let go meanwhile', async () => {
    const [one, other] = [path.channel(100_000n), path.channel(100_000n)];
    const calls = [await call(one, PRICE), await call(one, 2n * PRICE), await call(other, PRICE)].map(paymentOf);
    const [first, gone, third] = calls.map(({ id }) => id);
    if (first === undefined || gone === undefined || third === undefined) throw new Error('a call was not let through');
    // Behind this process's back: it remembers the call as open.
    await path.owner.query("UPDATE vouchers SET state = 'voided', voided_at = now() WHERE id = $1", [gone]);
    const answers = await Promise.all([first, gone, third].map((id) => capture(id)));
    expect(answers.map(({ decision }) => decision)).toEqual(['release', 'withhold', 'release']);
    expect([await path.row(one), await path.row(other)]).toMatchObject([{ charged: '4000' }, { charged: '4000' }]);
    const { rows } = await path.owner.query<{ reference: string }>(
      'SELECT DISTINCT reference FROM transfers WHERE reference = ANY ($1) ORDER BY 1',
      [[first, gone, third]],
    );
    expect(rows.map(({ reference }) => reference)).toEqual([first, third].sort());
  });

  it('keeps a call to its channel, and both for good', async () => {
    const payment = paymentOf(await call(path.channel(100_000n), PRICE));
    const refused = (sql: string) => expect(path.owner.query(sql, [payment.id])).rejects.toThrow('append-only');
    await refused("UPDATE vouchers SET account_id = 'acct_other' WHERE id = $1");
    await refused('DELETE FROM vouchers WHERE id = $1');
    await refused('DELETE FROM channels WHERE id = (SELECT channel FROM vouchers WHERE id = $1)');
    await expect(
      path.owner.query(
        `INSERT INTO vouchers (id, provider_id, account_id, channel, state, ceiling, amount, binding, resource, expires_at)
         SELECT id || 'x', provider_id, 'acct_other', channel, 'reserved', ceiling + 1, amount, binding, resource, expires_at
         FROM vouchers WHERE id = $1`,
        [payment.id],
      ),
    ).rejects.toThrow('is of no channel of this provider and account');
    await expect(
      path.owner.query(
        "INSERT INTO voucher_replies (voucher_id, provider_id, status, headers, body) VALUES ($1 || 'x', 'prv_x', 200, '{}', '')",
        [payment.id],
      ),
    ).rejects.toThrow('there is no voucher');
  });

  it('looks at the chain for a channel it does not know and not again while the mirror is fresh', async () => {
    const channel = path.channel(100_000n);
    const before = path.chain.looks;
    for (let i = 1n; i <= 3n; i += 1n) await capture(paymentOf(await call(channel, i * PRICE)).id);
    expect(path.chain.looks).toBe(before + 1);
    await path.owner.query("UPDATE channels SET synced_at = now() - interval '10 min'");
    await capture(paymentOf(await call(channel, 4n * PRICE)).id);
    expect(path.chain.looks).toBe(before + 2);
    expect((await path.row(channel)).charged).toBe('16000');
  });

  it('begins with what was claimed where its own record is gone', async () => {
    const channel = path.channel(100_000n, { totalClaimed: 20_000n });
    expect(correction(await call(channel, PRICE)).extra).toMatchObject({
      channelState: { chargedCumulativeAmount: '20000', totalClaimed: '20000' },
    });
    await capture(paymentOf(await call(channel, 20_000n + PRICE)).id);
    expect((await path.row(channel)).charged).toBe('24000');
  });

  it('corrects a payer that lost its state, with the payer’s own newest voucher', async () => {
    const channel = path.channel(100_000n);
    await capture(paymentOf(await call(channel, PRICE)).id);
    await capture(paymentOf(await call(channel, 2n * PRICE)).id);
    const { error, extra } = correction(await call(channel, PRICE, { url: 'https://api.example.com/other' }));
    expect(error).toBe(MISMATCH);
    const newest = await channel.payer.voucher(channel.config, 2n * PRICE);
    expect(extra).toMatchObject({
      channelState: { chargedCumulativeAmount: '8000' },
      voucherState: { signedMaxClaimable: '8000', signature: newest.signature },
    });
  });

  it('takes a corrected offer that is echoed with its correction, and none that was changed otherwise', async () => {
    const channel = path.channel(100_000n);
    await capture(paymentOf(await call(channel, PRICE)).id);
    const refused = replyOf(await call(channel, PRICE, { url: 'https://api.example.com/echo' }));
    const offer = challengeOf({ decision: 'pay', reply: refused }).accepts.find(({ extra }) => extra?.['channelState']);
    if (!offer) throw new Error('the offer was not corrected');
    const asked = { url: 'https://api.example.com/echo' };
    const changed = { ...offer, extra: { ...offer.extra, minDeposit: '1' } };
    const paying = async (accepted: typeof offer) =>
      path.check({ ...asked, paymentSignature: await path.header(channel, 2n * PRICE, asked, {}, accepted) });
    expect(correction(await paying(changed)).error).toBe('invalid_payment_requirements');
    await capture(paymentOf(await paying(offer)).id);
    expect((await path.row(channel)).charged).toBe('8000');
  });

  it('takes vouchers of a channel without an authorizer only while its payer has no code', async () => {
    const { payer, config: named } = path.channel(0n);
    const config = { ...named, payerAuthorizer: ZERO_ADDRESS };
    const channel = { payer, config, id: path.verifier.channelId(config) };
    path.chain.put(channel.id, { balance: 100_000n });
    const usual = path.channel(100_000n);
    try {
      await capture(paymentOf(await call(channel, PRICE)).id);
      path.payers.payer = { ...path.payers.payer, hasCode: true };
      // What the chain said lasts a minute.
      await capture(paymentOf(await call(channel, 2n * PRICE)).id);
      path.clock.at = addMs(path.clock.at, 60_000);
      expect(correction(await call(channel, 3n * PRICE)).error).toBe('contract_wallet_not_supported');
      expect(await call(channel, 2n * PRICE)).toMatchObject({ decision: 'replay', reply: { status: 200 } });
      expect(paymentOf(await call(usual, PRICE)).id).toMatch(/^vch_/);
      path.payers.reset();
      await capture(paymentOf(await call(channel, 3n * PRICE)).id);
      expect((await path.row(channel)).charged).toBe('12000');
    } finally {
      path.payers.reset();
    }
  });

  it('renews the time of a long answer within what was signed, and not while its payer is leaving', async () => {
    const channel = path.channel(100_000n);
    const { id } = paymentOf(await call(channel, 40_000n, { quantity: '10' }));
    const extend = (upTo: string) =>
      path.a.extend.run({ provider: path.provider, request: { payment: id, used: '0', upTo } });
    const left = async (): Promise<number> => {
      const { rows } = await path.owner.query<{ left: number }>(
        'SELECT extract(epoch FROM expires_at - now())::integer AS left FROM vouchers WHERE id = $1',
        [id],
      );
      return rows[0]?.left ?? 0;
    };
    await path.owner.query("UPDATE vouchers SET expires_at = now() + interval '5 s' WHERE id = $1", [id]);
    expect(await extend('11')).toMatchObject({ decision: 'stop', reason: 'amount_signed_for_is_used' });
    expect(await left()).toBeLessThanOrEqual(5);
    const renewed = await extend('10');
    expect(renewed).toMatchObject({ decision: 'go', payment: { id } });
    if (renewed.decision === 'go') expect(renewed.captureWithinSeconds).toBeGreaterThan(100);
    expect(await left()).toBeGreaterThan(100);
    await path.owner.query('UPDATE channels SET withdraw_requested_at = 5 WHERE payer = $1', [channel.payer.address]);
    expect(await extend('10')).toMatchObject({ decision: 'stop', reason: 'reservation_ended' });
    expect(await capture(id, '2.5')).toMatchObject({ decision: 'release', payment: { charged: '10000' } });
    expect(await extend('2')).toMatchObject({ decision: 'stop', reason: 'reservation_ended' });
  });

  it('gives the stored answer to the same voucher for the same request, and sells nothing else for it', async () => {
    const channel = path.channel(100_000n);
    const paymentSignature = await path.header(channel, PRICE);
    const payment = paymentOf(await path.check({ paymentSignature, attempt: 'first' }));
    expect(paymentOf(await path.check({ paymentSignature, attempt: 'first' })).id).toBe(payment.id);
    expect(body(replyOf(await path.check({ paymentSignature, attempt: 'second' })))).toMatchObject({
      status: 409,
      reason: 'payment_in_progress',
    });
    await capture(payment.id);
    const replay = await path.check({ paymentSignature }, path.b);
    expect(replay).toMatchObject({ decision: 'replay', reply: { status: 200, body: ANSWER.body } });
    expect(responseOf(replyOf(replay).headers)).toMatchObject({ extra: { chargedAmount: '4000' } });
    expect(correction(await call(channel, PRICE, { url: 'https://api.example.com/other' })).error).toBe(MISMATCH);
    expect((await path.row(channel)).charged).toBe('4000');
  });

  it('charges nothing for a call that was not served, and takes its voucher again', async () => {
    const channel = path.channel(100_000n);
    const payment = paymentOf(await call(channel, PRICE));
    await path.a.void.run({ provider: path.provider, request: { payment: payment.id, reason: 'the handler failed' } });
    const again = paymentOf(await call(channel, PRICE));
    expect(again.id).not.toBe(payment.id);
    await capture(again.id);
    expect(await capture(payment.id)).toMatchObject({ decision: 'withhold' });
    expect((await path.row(channel)).charged).toBe('4000');
  });

  it.each([
    [
      'a ceiling above what the channel holds',
      'invalid_batch_settlement_evm_cumulative_exceeds_balance',
      {},
      14_000n,
      {},
    ],
    [
      'a channel whose payer is leaving',
      'channel_is_closing',
      { withdrawal: { amount: 1n, requestedAt: 5n } },
      PRICE,
      {},
    ],
    [
      'another authorizer',
      'invalid_batch_settlement_evm_receiver_authorizer_mismatch',
      {},
      PRICE,
      { receiverAuthorizer: '0x0000000000000000000000000000000000000001' },
    ],
    ['another delay', 'invalid_batch_settlement_evm_withdraw_delay_mismatch', {}, PRICE, { withdrawDelay: 901 }],
    [
      'another receiver',
      'invalid_batch_settlement_evm_receiver_mismatch',
      {},
      PRICE,
      { receiver: `0x${'2'.repeat(40)}` },
    ],
    ['a changed salt', 'invalid_batch_settlement_evm_channel_id_mismatch', {}, PRICE, { salt: `0x${'3'.repeat(64)}` }],
  ])('refuses %s', async (_, error, onChain, ceiling, change) => {
    const channel = path.channel(10_000n, onChain);
    const header = await path.header(channel, ceiling, {}, { channelConfig: { ...channel.config, ...change } });
    expect(correction(await path.check({ paymentSignature: header })).error).toBe(error);
    expect(
      await path.owner.query('SELECT FROM vouchers v JOIN channels c ON c.id = v.channel WHERE c.payer = $1', [
        channel.payer.address,
      ]),
    ).toMatchObject({ rowCount: 0 });
  });

  it('refuses a signature that the contract would refuse', async () => {
    const channel = path.channel(10_000n);
    const voucher = await channel.payer.voucher(channel.config, PRICE);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = (order - BigInt(`0x${voucher.signature.slice(66, 130)}`)).toString(16).padStart(64, '0');
    const v = voucher.signature.endsWith('1b') ? '1c' : '1b';
    const header = await path.header(
      channel,
      PRICE,
      {},
      {
        voucher: {
          channelId: channel.id,
          maxClaimableAmount: PRICE.toString(),
          signature: `${voucher.signature.slice(0, 66)}${s}${v}`,
        },
      },
    );
    expect(correction(await path.check({ paymentSignature: header })).error).toBe(
      'invalid_batch_settlement_evm_voucher_signature',
    );
  });

  it('serves 200 parallel calls of a payer that signs ahead, over two processes, whatever order they arrive in', async () => {
    const channel = path.channel(1_000_000n);
    const ceilings = Array.from({ length: 200 }, (_, i) => BigInt(i + 1) * PRICE);
    const shuffled = ceilings.map((ceiling, i) => ({ ceiling, at: (i * 73) % 200 })).sort((a, b) => a.at - b.at);
    const headers = await Promise.all(shuffled.map(async ({ ceiling }) => path.header(channel, ceiling)));
    const served = await Promise.all(
      headers.map(async (paymentSignature, i) => {
        const through = i % 2 === 0 ? path.a : path.b;
        const payment = paymentOf(await path.check({ paymentSignature }, through));
        // Every other call turns out to cost half.
        const captured = await capture(payment.id, i % 2 === 0 ? undefined : '0.5', i % 3 === 0 ? path.a : path.b);
        if (captured.decision !== 'release') throw new Error('the answer was withheld');
        return BigInt(captured.payment.charged ?? '0');
      }),
    );
    expect(served).toHaveLength(200);
    const total = served.reduce((sum, charged) => sum + charged, 0n);
    expect(total).toBe(100n * PRICE + 100n * (PRICE / 2n));
    expect(await path.row(channel)).toMatchObject({ charged: total.toString(), signed_max: (200n * PRICE).toString() });
  });

  it('serves parallel calls of the public client, which signs the same total for each and tries once more when corrected', async () => {
    const channel = path.channel(1_000_000n);
    const served = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const url = `https://api.example.com/item/${i}`;
        let decision = await call(channel, PRICE, { url });
        if (decision.decision === 'pay') {
          const state = correction(decision).extra['channelState'];
          const charged =
            typeof state === 'object' && state !== null ? Reflect.get(state, 'chargedCumulativeAmount') : '0';
          decision = await call(channel, BigInt(String(charged)) + PRICE, { url });
        }
        const captured = await capture(paymentOf(decision).id);
        return captured.decision;
      }),
    );
    expect(served.every((decision) => decision === 'release')).toBe(true);
    expect((await path.row(channel)).charged).toBe((20n * PRICE).toString());
  });

  it('never sells one voucher twice, however often it is presented at once', async () => {
    const channel = path.channel(1_000_000n);
    const url = 'https://api.example.com/once';
    const paymentSignature = await path.header(channel, PRICE, { url });
    const decisions = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        path.check({ url, paymentSignature, attempt: `attempt ${i}` }, i % 2 ? path.a : path.b),
      ),
    );
    expect(decisions.filter(({ decision }) => decision === 'serve')).toHaveLength(1);
  });
});

import { CeilingReader, type CeilingState } from '@core/settlement';
import {
  encodePaymentPayload,
  type Hex,
  type PaymentRequirements,
  type UptoAuthorization,
  uptoPayloadOf,
} from '@core/x402';
import { Permit2UptoVerifier } from '@platform/chain';
import { ANSWER, body, challengeOf, PaidPath, paymentOf, replyOf } from '../../../../../test/support/paid-path.js';
import { UptoPayer } from '../../../../../test/support/upto-payer.js';

const FACILITATORS: readonly [Hex, ...Hex[]] = [`0x${'a1'.repeat(20)}`, `0x${'b2'.repeat(20)}`];

const FINE: CeilingState = {
  balance: 1_000_000_000n,
  allowance: 1_000_000_000n,
  nonceUsed: false,
  blocked: false,
  paused: false,
  hasCode: false,
  deployed: true,
  passes: true,
};

/** What the chain says is set by the test; the real reader has its own tests against a real chain. */
class ScriptedCeilings extends CeilingReader {
  said = FINE;
  state(): Promise<CeilingState> {
    return Promise.resolve(this.said);
  }
}

interface Signed {
  readonly offer: PaymentRequirements;
  readonly authorization: UptoAuthorization;
  readonly header: string;
}

describe('ceilings at the gate', () => {
  let path: PaidPath;
  const reader = new ScriptedCeilings();

  beforeAll(async () => {
    path = await PaidPath.open({
      upto: { reader, verifier: await Permit2UptoVerifier.create(84532), facilitators: FACILITATORS },
    });
  });
  afterAll(() => path.close());
  beforeEach(() => {
    reader.said = FINE;
  });

  const asked = { url: 'https://api.example.com/hello?name=x', quantity: '10' };

  const sign = async (
    payer = new UptoPayer(),
    change: Partial<UptoAuthorization> = {},
    request: Parameters<PaidPath['check']>[0] = asked,
    extensions?: Record<string, unknown>,
  ): Promise<Signed> => {
    const offer = challengeOf(await path.check(request)).accepts.find(({ scheme }) => scheme === 'upto');
    if (!offer) throw new Error('no ceiling is offered');
    const authorization = await payer.acceptCeiling(offer, path.seconds(), change);
    const payload = uptoPayloadOf(authorization);
    const header = encodePaymentPayload({
      ...{ x402Version: 2, accepted: offer, payload },
      ...(extensions ? { extensions } : {}),
    });
    return { offer, authorization, header };
  };

  const errorOf = (decision: Awaited<ReturnType<PaidPath['check']>>) => ({
    status: replyOf(decision).status,
    error: challengeOf(decision).error,
  });

  const capture = (payment: string, quantity?: string, through = path.a) =>
    through.capture.run({ provider: path.provider, request: { payment, quantity, reply: ANSWER } });

  const row = async (id: string) => {
    const { rows } = await path.owner.query<Record<string, string | null>>(
      'SELECT state, amount::text, charged::text, facilitator, permit2_nonce::text, void_reason FROM payments WHERE id = $1',
      [id],
    );
    return rows[0];
  };

  it('are offered beside exact, by one of our keys, the same for the same quote', async () => {
    const offers = challengeOf(await path.check(asked)).accepts;
    expect(offers.map(({ scheme, amount }) => [scheme, amount])).toEqual([
      ['exact', '40000'],
      ['upto', '40000'],
    ]);
    const { extra } = offers[1] ?? {};
    expect(extra).toMatchObject({ assetTransferMethod: 'permit2', name: 'USDC', version: '2' });
    expect(FACILITATORS).toContain(extra?.['facilitatorAddress']);
    expect(challengeOf(await path.check(asked, path.b)).accepts).toEqual(offers);
    const named = new Set<unknown>();
    for (let i = 0; i < 24; i += 1) {
      const [, other] = challengeOf(await path.check({ ...asked, url: `https://api.example.com/${i}` })).accepts;
      named.add(other?.extra?.['facilitatorAddress']);
    }
    expect(named.size).toBe(FACILITATORS.length);
  });

  it('are claimed once, charged for what was measured, and posted', async () => {
    const { header, authorization } = await sign();
    const decisions = await Promise.all(
      [path.a, path.b, path.a, path.b].map((p) => path.check({ ...asked, paymentSignature: header }, p)),
    );
    const [served, ...others] = decisions.filter(({ decision }) => decision === 'serve');
    if (!served) throw new Error('nobody was served');
    expect(others).toEqual([]);
    const { id } = paymentOf(served);
    expect(await row(id)).toMatchObject({
      state: 'reserved',
      amount: '40000',
      facilitator: authorization.facilitator,
      permit2_nonce: authorization.nonce.toString(),
    });
    await expect(capture(id, '10.5')).rejects.toMatchObject({ reason: 'invalid_quantity' });
    // By the process that did not claim it.
    const released = await capture(id, '2.5', path.b);
    expect(released).toMatchObject({ decision: 'release', payment: { status: 'served', charged: '10000' } });
    expect(await row(id)).toMatchObject({ state: 'served', charged: '10000' });
    const { rows } = await path.owner.query<{ amount: string }>(
      "SELECT amount::text FROM transfers WHERE posting_key = 'capture:' || $1 || ':charge'",
      [id],
    );
    expect(rows).toEqual([{ amount: '10000' }]);
    const again = await path.check({ ...asked, paymentSignature: header });
    expect([again.decision, replyOf(again).body]).toEqual(['replay', ANSWER.body]);
    expect(await capture(id, '9')).toMatchObject({ decision: 'release', payment: { charged: '10000' } });
  });

  it('that nobody measured are charged as they were checked', async () => {
    const { id } = paymentOf(await path.check({ ...asked, paymentSignature: (await sign()).header }));
    expect(await capture(id)).toMatchObject({ decision: 'release', payment: { charged: '40000' } });
  });

  it('of which nothing was used are let go, and cannot be used again', async () => {
    const { header } = await sign();
    const { id } = paymentOf(await path.check({ ...asked, paymentSignature: header }));
    const released = await capture(id, '0');
    expect(released).toMatchObject({ decision: 'release', payment: { status: 'voided' } });
    expect(await row(id)).toMatchObject({ state: 'voided', charged: null, void_reason: 'nothing used' });
    // Captured again, it is what it was.
    expect(await capture(id, '5', path.b)).toMatchObject({ decision: 'release', payment: { status: 'voided' } });
    expect(errorOf(await path.check({ ...asked, paymentSignature: header }))).toEqual({
      status: 402,
      error: 'authorization_voided',
    });
  });

  it('are bound to their request and to their nonce, whatever else is signed under it', async () => {
    const payer = new UptoPayer();
    const { header, authorization } = await sign(payer);
    paymentOf(await path.check({ ...asked, paymentSignature: header }));
    const other = { ...asked, url: 'https://api.example.com/other' };
    expect(errorOf(await path.check({ ...other, paymentSignature: header })).error).toBe(
      'quote_is_for_another_request',
    );
    const { header: reused } = await sign(payer, { nonce: authorization.nonce }, other);
    const refused = await path.check({ ...other, paymentSignature: reused });
    expect(body(replyOf(refused))).toMatchObject({ code: 'conflict', reason: 'authorization_consumed' });
  });

  it('and authorizations of exact keep their nonces apart', async () => {
    const payer = new UptoPayer();
    const exact = await path.signed(payer);
    paymentOf(await path.check({ paymentSignature: exact.header }));
    const { header } = await sign(payer, { nonce: BigInt(exact.authorization.nonce) });
    expect((await path.check({ ...asked, paymentSignature: header })).decision).toBe('serve');
  });

  it('a nonce of Permit2 is one for all tokens', async () => {
    const payer = new UptoPayer();
    const { header, authorization } = await sign(payer);
    const { id } = paymentOf(await path.check({ ...asked, paymentSignature: header }));
    const items = [1, 2].map((ord) => ({
      ...{
        ord,
        id: `pay_other_${ord}`,
        provider: path.provider,
        newAccount: 'acct_x',
        origin: 'gate',
        network: 'eip155:84532',
      },
      ...{ chainId: 84532, asset: `0x${`${ord}`.repeat(40)}`, assetId: 'x', payer: payer.address, payTo: path.payTo },
      ...{ nonce: '00'.repeat(32), amount: '1', validAfter: '0', validBefore: '9', signature: '00'.repeat(65) },
      ...{ binding: '00'.repeat(32), resource: '', release: 'authorized', ttlSeconds: 1, balance: '9' },
      ...{ facilitator: FACILITATORS[0], permit2Nonce: authorization.nonce.toString() },
    }));
    const claim = async (asked: readonly object[]) => {
      const { rows } = await path.owner.query<{ ord: number; outcome: string; payment_id: string | null }>(
        'SELECT ord, outcome, payment_id FROM claim_ceilings($1::jsonb, NULL) ORDER BY ord',
        [JSON.stringify(asked)],
      );
      return rows;
    };
    expect(await claim(items)).toEqual([
      { ord: 1, outcome: 'exists', payment_id: id },
      { ord: 2, outcome: 'exists', payment_id: id },
    ]);
    const fresh = items.map((item) => ({ ...item, permit2Nonce: (authorization.nonce ^ 1n).toString() }));
    expect(await claim(fresh)).toEqual([
      { ord: 1, outcome: 'claimed', payment_id: 'pay_other_1' },
      { ord: 2, outcome: 'again', payment_id: null },
    ]);
  });

  it.each<[string, Partial<CeilingState>, number]>([
    ['permit2_invalid_nonce', { nonceUsed: true }, 402],
    ['contract_wallet_not_supported', { hasCode: true }, 402],
    ['token_paused', { paused: true }, 402],
    ['payer_blocked', { blocked: true }, 402],
    ['permit2_insufficient_balance', { balance: 39_999n }, 402],
    ['permit2_allowance_required', { allowance: 39_999n }, 412],
    ['permit2_proxy_not_deployed', { deployed: false }, 402],
    ['permit2_simulation_failed', { passes: false }, 402],
  ])('%s refuses and writes nothing', async (error, said, status) => {
    const { header } = await sign();
    const before = await path.count('payments');
    reader.said = { ...FINE, ...said };
    expect(errorOf(await path.check({ ...asked, paymentSignature: header }))).toEqual({ status, error });
    expect(await path.count('payments')).toBe(before);
  });

  it('what is signed for and not yet paid counts against balance and allowance', async () => {
    const payer = new UptoPayer();
    reader.said = { ...FINE, balance: 60_000n, allowance: 60_000n };
    paymentOf(await path.check({ ...asked, paymentSignature: (await sign(payer)).header }));
    const second = (await sign(payer)).header;
    expect(errorOf(await path.check({ ...asked, paymentSignature: second })).error).toBe(
      'permit2_insufficient_balance',
    );
    reader.said = { ...FINE, balance: 80_000n, allowance: 60_000n };
    expect(errorOf(await path.check({ ...asked, paymentSignature: second }))).toEqual({
      status: 412,
      error: 'permit2_allowance_required',
    });
    reader.said = { ...FINE, balance: 80_000n };
    expect((await path.check({ ...asked, paymentSignature: second })).decision).toBe('serve');
  });

  it('is answered from the claim when the chain says that the nonce is used by now, to who can sign alone', async () => {
    const { header, authorization, offer } = await sign();
    const { id } = paymentOf(await path.check({ ...asked, paymentSignature: header }));
    await capture(id, '1');
    reader.said = { ...FINE, nonceUsed: true, passes: false };
    expect((await path.check({ ...asked, paymentSignature: header })).decision).toBe('replay');
    const forged = { ...authorization, signature: (await sign()).authorization.signature };
    const forgedHeader = encodePaymentPayload({ x402Version: 2, accepted: offer, payload: uptoPayloadOf(forged) });
    expect(errorOf(await path.check({ ...asked, paymentSignature: forgedHeader })).error).toBe(
      'invalid_permit2_signature',
    );
  });

  it('under a name is paid for once, whatever it is signed with', async () => {
    const payer = new UptoPayer();
    const named = { 'payment-identifier': { info: { required: false, id: 'order-2026-11-21-0001' } } };
    const first = await sign(payer, {}, asked, named);
    const { id } = paymentOf(await path.check({ ...asked, paymentSignature: first.header }));
    await capture(id, '3');
    const second = await sign(payer, {}, asked, named);
    // The first has used what Permit2 might move.
    reader.said = { ...FINE, allowance: 10n, passes: false };
    const again = await path.check({ ...asked, paymentSignature: second.header });
    expect([again.decision, replyOf(again).body]).toEqual(['replay', ANSWER.body]);
    const { rows } = await path.owner.query('SELECT 1 FROM payments WHERE payer = $1', [payer.address]);
    expect(rows).toHaveLength(1);
  });

  it('with terms that are not the offer’s are refused by name', async () => {
    const named: [string, Partial<UptoAuthorization>][] = [
      ['invalid_permit2_recipient_mismatch', { to: FACILITATORS[0] }],
      ['permit2_amount_mismatch', { amount: 39_999n }],
      ['permit2_deadline_expired', { deadline: BigInt(path.seconds()) + 29n }],
      ['permit2_deadline_expired', { deadline: BigInt(path.seconds()) + 361n }],
      ['permit2_not_yet_valid', { validAfter: BigInt(path.seconds()) + 1n }],
    ];
    for (const [error, change] of named) {
      const { header } = await sign(new UptoPayer(), change);
      expect(errorOf(await path.check({ ...asked, paymentSignature: header })).error).toBe(error);
    }
    const { offer } = await sign();
    const other = FACILITATORS.find((each) => each !== offer.extra?.['facilitatorAddress']) ?? FACILITATORS[0];
    const { header } = await sign(new UptoPayer(), { facilitator: other });
    expect(errorOf(await path.check({ ...asked, paymentSignature: header })).error).toBe('upto_facilitator_mismatch');
  });
});

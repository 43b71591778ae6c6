import { generateKeyPairSync } from 'node:crypto';
import { createSIWxPayload, encodeSIWxHeader } from '@x402/extensions/sign-in-with-x';
import { createRemoteJWKSet, jwtVerify, SignJWT } from 'jose';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { addMs } from '@core/time';
import { Holds } from '@features/wallet';
import { SystemClock } from '@platform/system';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import type { AgentHost } from '../support/agent-scene.js';
import type { Called } from '../support/api.js';
import { railOf, verifyBooks } from '../support/books.js';
import { CreditAgent } from '../support/credit-agent.js';
import { ASSET, CreditScene, PRICE, settlementOf } from '../support/credit-scene.js';

// An agent gets an attestation of its credit and pays with it: whatever is tried, one request is served for it, or one settlement made.

/** Six minutes ahead: what was attested may no longer be presented. */
class LaterClock extends SystemClock {
  override now() {
    return addMs(super.now(), 360_000);
  }
}

describe('credit by an attestation', () => {
  let scene: CreditScene;
  let later: Api;
  let laterShop: string;

  beforeAll(async () => {
    scene = await CreditScene.open();
    later = await createApp(scene.house.config, { clock: new LaterClock() });
    laterShop = await scene.shopBehind(await later.listen(0, '127.0.0.1'));
  });
  afterAll(async () => {
    await later.close();
    await scene.close();
  });

  it('can be checked by anyone with the published keys, and sets aside what it promises', async () => {
    const { account: of, attestation } = await scene.attested('/hello');
    const keys = createRemoteJWKSet(new URL(`${scene.house.url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(attestation, keys, {
      issuer: scene.house.url,
      audience: scene.house.provider,
      typ: 'credit-attestation+jwt',
    });
    expect(payload).toMatchObject({
      sub: of,
      amount: String(PRICE),
      asset: ASSET,
      jti: expect.stringMatching(/^cra_[0-9a-f]{32}$/),
      resource: expect.stringMatching(/^sha256:/),
    });
    expect(Number(payload['holdExp'])).toBeGreaterThan(payload.exp ?? 0);
    expect(protectedHeader.alg).toBe('EdDSA');
    expect(await scene.owes(of)).toEqual({ owed: 0n, held: PRICE });
  });

  it('serves, owes what was used and lets the rest go, and answers the same again', async () => {
    const { account: of, paid, key, attestation } = await scene.attested('/compute', { amount: String(9n * PRICE) });
    const first = await scene.ask('/compute', paid);
    expect(first.status).toBe(200);
    expect(settlementOf(first)).toMatchObject({
      success: true,
      transaction: '',
      network: 'farebox:credit',
      payer: key,
      amount: String(2n * PRICE),
      extra: { chargedAmount: String(2n * PRICE), commitmentId: expect.stringMatching(/^cra_/) },
    });
    expect(await scene.owes(of)).toEqual({ owed: 2n * PRICE, held: 0n });
    const again = await scene.ask('/compute', paid);
    expect([again.status, await again.json()]).toEqual([200, await first.json()]);
    const { statusUrl } = (settlementOf(first).extensions as { farebox: { statusUrl: string } }).farebox;
    expect(await (await fetch(statusUrl)).json()).toMatchObject({ status: 'final', charged: String(2n * PRICE) });
    const record = await fetch(`${statusUrl}/record`);
    const said = JSON.parse(Buffer.from((await record.text()).split('.')[1] ?? '', 'base64url').toString());
    expect(said).toMatchObject({
      way: 'credit',
      quote: {
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        network: 'farebox:credit',
        ceiling: String(5n * PRICE),
      },
      usage: { meter: 'api.calls', quantity: '2' },
      charged: String(2n * PRICE),
      settlement: { status: 'final' },
    });
    expect(await scene.owes(of)).toEqual({ owed: 2n * PRICE, held: 0n });
    expect(attestation.length).toBeLessThan(1200);
  });

  it('covers a long answer up to what it promises, and no further', async () => {
    const { agent, account: of } = await scene.keyed(100n * PRICE);
    const offer = await agent.offer(`${scene.shop}/hello`);
    const { json } = await agent.authorize(`${scene.shop}/hello`, offer, { amount: String(3n * PRICE) });
    const paid = agent.consume(offer, json.attestation)['payment-signature'];
    const asked = { method: 'GET', url: `${scene.shop}/hello`, meter: 'api.calls', paymentSignature: paid };
    const { payment } = (await scene.api('POST', '/v1/gate/check', asked)).json;
    expect(await scene.owes(of)).toEqual({ owed: 0n, held: PRICE });
    const extend = (used: string, upTo: string) =>
      scene.api('POST', '/v1/gate/extend', { payment: payment.id, used, upTo });
    expect((await extend('1', '3')).json).toMatchObject({ decision: 'go' });
    expect(await scene.owes(of)).toEqual({ owed: 0n, held: 3n * PRICE });
    expect((await extend('3', '4')).json).toMatchObject({ decision: 'stop', reason: 'amount_signed_for_is_used' });
    const reply = { status: 200, headers: {}, body: '' };
    const captured = await scene.api('POST', '/v1/gate/capture', { payment: payment.id, quantity: '3', reply });
    expect(captured.json).toMatchObject({ decision: 'release', payment: { charged: String(3n * PRICE) } });
    expect(await scene.owes(of)).toEqual({ owed: 3n * PRICE, held: 0n });
  });

  it('lets all of it go for what was not served', async () => {
    const { account: of, paid } = await scene.attested('/broken');
    expect((await scene.ask('/broken', paid)).status).toBe(500);
    expect(await scene.owes(of)).toEqual({ owed: 0n, held: 0n });
    expect((await scene.ask('/broken', paid)).status).toBe(409);
  });

  it('is refused for another resource, before and after it was used', async () => {
    const { agent, account: of, attestation, paid } = await scene.attested('/hello');
    const other = agent.consume(await agent.offer(`${scene.shop}/other`), attestation);
    expect(await scene.refusal('/other', other)).toBe('attestation_invalid');
    expect(await scene.refusal('/other', paid)).toBe('price_not_acceptable');
    const query = agent.consume(await agent.offer(`${scene.shop}/hello?q=1`), attestation);
    expect((await scene.ask('/hello', paid)).status).toBe(200);
    expect(await scene.refusal('/hello?q=1', query)).toBe('attestation_invalid');
    expect(await scene.owes(of)).toEqual({ owed: PRICE, held: 0n });
  });

  it('is refused for a price above it, and for a payment whose terms are not the offer’s', async () => {
    const { agent, offer, attestation, paid } = await scene.attested('/hello', { amount: String(PRICE - 1n) });
    expect(await scene.refusal('/hello', paid)).toBe('price_not_acceptable');
    const cheap = agent.consume({ ...offer, amount: String(PRICE - 1n) }, attestation);
    expect(await scene.refusal('/hello', cheap)).toBe('price_not_acceptable');
  });

  it('is refused when it has expired, or what it promises has', async () => {
    const { agent, attestation } = await scene.attested('/hello', { resource: `${laterShop}/hello` });
    const offer = await agent.offer(`${laterShop}/hello`);
    expect(await scene.refusal('/hello', agent.consume(offer, attestation), laterShop)).toBe('attestation_expired');
    const overdue = await scene.attested('/hello');
    await scene.house.owner.query("UPDATE holds SET expires_at = now() - interval '1 second' WHERE account_id = $1", [
      overdue.account,
    ]);
    await new Holds(scene.ownApi.rim.writer, scene.ownApi.rim.ids).expireHolds();
    expect(await scene.owes(overdue.account)).toEqual({ owed: 0n, held: 0n });
    expect(await scene.refusal('/hello', overdue.paid)).toBe('attestation_expired');
  });

  it('is refused once the key is revoked that asked for it', async () => {
    const { account: of, key, paid } = await scene.attested('/hello');
    expect((await scene.api('DELETE', `/v1/accounts/${of}/keys/${key}`)).status).toBe(200);
    expect(await scene.refusal('/hello', paid)).toBe('attestation_revoked');
  });

  it('is refused when anybody else signed it, or it says anything else', async () => {
    const { agent, offer, attestation } = await scene.attested('/hello');
    const [head = '', , signature = ''] = attestation.split('.');
    const claims = JSON.parse(Buffer.from(attestation.split('.')[1] ?? '', 'base64url').toString());
    const more = Buffer.from(JSON.stringify({ ...claims, amount: '99999999' })).toString('base64url');
    const { privateKey } = generateKeyPairSync('ed25519');
    const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString());
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'credit-attestation+jwt' })
      .sign(privateKey);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${head}.x`;
    for (const text of [`${head}.${more}.${signature}`, forged, unsigned])
      expect(await scene.refusal('/hello', agent.consume(offer, text))).toBe('attestation_invalid');
  });

  it('is not given to an agent that is not known, has no scope, or no credit', async () => {
    const { agent, offer, key: id, account: of } = await scene.attested('/hello');
    const stranger = await new CreditAgent(scene.house.url, `fbx_test_${'x'.repeat(40)}`).authorize(
      `${scene.shop}/hello`,
      offer,
    );
    expect(stranger.status).toBe(401);
    const nobody = await new CreditAgent(scene.house.url).authorize(`${scene.shop}/hello`, offer);
    expect(nobody).toMatchObject({ status: 401, json: { reason: 'missing_proof', signIn: { info: {} } } });
    const reader = await scene.keyed(PRICE, { scopes: ['read'] });
    expect(await reader.agent.authorize(`${scene.shop}/hello`, offer)).toMatchObject({ status: 403 });
    const much = { amount: String(1_000n * PRICE) };
    expect(await agent.authorize(`${scene.shop}/hello`, offer, much)).toMatchObject({
      status: 422,
      json: { reason: 'insufficient_credits', needed: much.amount, available: String(99n * PRICE) },
    });
    expect(await agent.authorize(`${scene.shop}/hello`, offer, { amount: '0' })).toMatchObject({ status: 400 });
    expect([id, of]).toEqual([expect.stringMatching(/^key_/), expect.stringMatching(/^acct_/)]);
  });

  it('is given to a wallet that signs in and to a host that signs, and is worth nothing once they are let go', async () => {
    const { house, shop } = scene;
    const url = `${house.url}/v1/credit/authorize`;
    const wallet = privateKeyToAccount(generatePrivateKey());
    const host = await scene.signing(100n * PRICE);
    const linked = await scene.account(100n * PRICE);
    await house.owner.query(
      "INSERT INTO identities (provider_id, kind, subject, account_id) VALUES ($1, 'wallet', $2, $3)",
      [house.provider, wallet.address.toLowerCase(), linked],
    );
    const offer = await host.agent.offer(`${shop}/hello`);
    const authorize = async (shown: Record<string, string>): Promise<Called['json']> => {
      const terms = { audience: offer.payTo, amount: offer.amount, asset: offer.asset, resource: `${shop}/hello` };
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...shown },
        body: JSON.stringify({ ...terms, idempotencyKey: crypto.randomUUID() }),
      });
      return response.json();
    };
    const { info, supportedChains } = (await authorize({})).signIn;
    const signedIn = encodeSIWxHeader(await createSIWxPayload({ ...info, ...supportedChains[0] }, wallet, info.uri));
    const components: Parameters<AgentHost['sign']>[1]['components'] = ['@authority', 'signature-agent'];
    const proof = await host.host.sign({ method: 'POST', url }, { now: new SystemClock().now(), components });
    const signed = {
      signature: proof.signature,
      'signature-input': proof.signatureInput,
      'signature-agent': proof.signatureAgent,
    };
    for (const [account, shown] of [
      [linked, { 'sign-in-with-x': signedIn }],
      [host.account, signed],
    ] as const) {
      const first = await authorize(shown);
      expect(first.attestation).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
      expect(await authorize(shown)).toMatchObject({ status: 401 });
      await house.owner.query('DELETE FROM identities WHERE account_id = $1', [account]);
      expect(await scene.refusal('/hello', host.agent.consume(offer, first.attestation))).toBe('attestation_revoked');
    }
  });

  it('is the same for the same idempotency key, before and after it is used', async () => {
    const { agent, account: of } = await scene.keyed(100n * PRICE);
    const hello = `${scene.shop}/hello`;
    const offer = await agent.offer(hello);
    const named = { idempotencyKey: 'order-1' };
    const first = await agent.authorize(hello, offer, named);
    expect((await agent.authorize(hello, offer, named)).json).toEqual(first.json);
    expect(await scene.owes(of)).toEqual({ owed: 0n, held: PRICE });
    expect(await agent.authorize(hello, offer, { ...named, amount: '5000' })).toMatchObject({
      status: 409,
      json: { reason: 'idempotency_conflict' },
    });
    expect((await scene.ask('/hello', agent.consume(offer, first.json.attestation))).status).toBe(200);
    expect((await agent.authorize(hello, offer, named)).json).toEqual(first.json);
    expect(await scene.owes(of)).toEqual({ owed: PRICE, held: 0n });
  });

  it('serves once, however many present it at the same time', async () => {
    const { account: of, paid } = await scene.attested('/hello');
    const before = scene.served;
    const answers = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const response = await scene.ask('/hello', paid);
        return { status: response.status, body: await response.text() };
      }),
    );
    expect(scene.served).toBe(before + 1);
    const good = answers.filter(({ status }) => status === 200);
    expect(good.length).toBeGreaterThan(0);
    expect(new Set(good.map(({ body }) => body)).size).toBe(1);
    expect(answers.filter(({ status }) => status !== 200 && status !== 409)).toEqual([]);
    expect(await scene.owes(of)).toEqual({ owed: PRICE, held: 0n });
  });

  describe('at the facilitator’s door', () => {
    const door = async (path: string, body: unknown, withKey = true) => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const response = withKey ? await scene.house.call(path, init) : await fetch(`${scene.house.url}${path}`, init);
      expect(response.status).toBe(200);
      return response.json();
    };
    async function shown(amount?: bigint) {
      const known = await scene.attested('/hello', { amount: String(10n * PRICE) });
      const { offer, attestation } = known;
      const body = (charged: bigint) => ({
        x402Version: 2,
        paymentPayload: {
          x402Version: 2,
          resource: { url: `${scene.shop}/hello` },
          accepted: offer,
          payload: { type: 'consume', attestation },
        },
        paymentRequirements: { ...offer, amount: String(charged) },
      });
      return { ...known, body, amount };
    }

    it('is listed, verified and settled once with what was used', async () => {
      const supported = (await scene.api('GET', '/x402/supported')).json;
      expect(supported.kinds).toContainEqual({
        x402Version: 2,
        scheme: 'batch-settlement',
        network: 'farebox:credit',
        extra: { version: '0.1.0-draft', authority: scene.house.url },
      });
      const { body, account: of, key, paid } = await shown();
      expect(await door('/x402/verify', body(10n * PRICE))).toMatchObject({ isValid: true, payer: key });
      const first = await door('/x402/settle', body(3n * PRICE));
      expect(first).toMatchObject({
        success: true,
        transaction: '',
        network: 'farebox:credit',
        amount: String(3n * PRICE),
        extra: { chargedAmount: String(3n * PRICE) },
      });
      expect(await door('/x402/settle', body(3n * PRICE))).toEqual(first);
      expect(await door('/x402/settle', body(4n * PRICE))).toMatchObject({
        success: false,
        errorReason: 'settle_conflict',
      });
      expect(await door('/x402/verify', body(3n * PRICE))).toMatchObject({ invalidReason: 'attestation_invalid' });
      expect(await scene.refusal('/hello', paid)).toBe('attestation_invalid');
      expect(await scene.owes(of)).toEqual({ owed: 3n * PRICE, held: 0n });
    });

    it('is let go with nothing, and refused to who may not have it', async () => {
      const { body, account: of } = await shown();
      for (const path of ['/x402/verify', '/x402/settle'])
        expect(JSON.stringify(await door(path, body(PRICE), false))).toContain('unauthorized_server');
      expect(await door('/x402/settle', body(11n * PRICE))).toMatchObject({ errorReason: 'price_not_acceptable' });
      const elsewhere = body(PRICE);
      elsewhere.paymentPayload.resource.url = `${scene.shop}/other`;
      expect(await door('/x402/verify', elsewhere)).toMatchObject({ invalidReason: 'attestation_invalid' });
      expect(await door('/x402/settle', body(0n))).toMatchObject({ success: true, amount: '0' });
      expect(await scene.owes(of)).toEqual({ owed: 0n, held: 0n });
      expect(await door('/x402/settle', body(PRICE))).toMatchObject({ errorReason: 'settle_conflict' });
    });
  });

  it('leaves books that hold', async () => {
    const checks = await verifyBooks(scene.house.db.auditUrl, railOf(scene.house.config));
    expect(checks.flatMap(({ faults }) => faults)).toEqual([]);
    expect(checks.length).toBeGreaterThan(15);
  });
});

import { createHash } from 'node:crypto';
import type { Quote } from '@core/payments';
import { addMs, epochSeconds } from '@core/time';
import { ATTESTED_HOLD_SECONDS, type AttestationClaims } from '@core/x402';
import { AssignHold, SetCredit, type StoredHold } from '@features/wallet';
import { Writer } from '@platform/database';
import { WalletScene } from '../../../../../test/model/wallet-scene.js';
import { USDC } from '../../../../../test/support/paid-path.js';
import { ATTESTED_KEY, attestationIdOf } from '../prepaid/hold-view.js';
import { AttestationStore, type IssuedAttestation } from './attestations.store.js';
import { PresentAttestation } from './present-attestation.js';

const PRESENT_MS = 300_000;
const KEY = 'key_00000000000000000000000000000001';
const binding = (text: string) => createHash('sha256').update(text).digest();

/** An account with a credit of 100, an agent key, and two processes that take attestations. */
class CreditScene {
  private constructor(
    readonly wallet: WalletScene,
    readonly writers: readonly [Writer, Writer],
  ) {}

  static async open(): Promise<CreditScene> {
    const wallet = await WalletScene.open();
    const { provider, account, asset } = wallet;
    await new SetCredit(wallet.database).run({ provider, account, asset, limit: 100n });
    await wallet.owner.query(
      `INSERT INTO agent_keys (id, provider_id, account_id, name, scopes, hash) VALUES ($1, $2, $3, 'agent', '{pay}', $4)`,
      [KEY, provider, account, Buffer.alloc(32)],
    );
    return new CreditScene(wallet, [new Writer(wallet.db.writerUrl, 6), new Writer(wallet.db.writerUrl, 6)]);
  }

  async close(): Promise<void> {
    await Promise.all(this.writers.map((writer) => writer.close()));
    await this.wallet.close();
  }

  store(process: 0 | 1 = 0): AttestationStore {
    return new AttestationStore(this.writers[process]);
  }

  presenting(process: 0 | 1 = 0): PresentAttestation {
    const { ids, clock } = this.wallet;
    return new PresentAttestation(this.writers[process], this.store(process), new AssignHold(ids, clock), clock);
  }

  async attested(amount: bigint): Promise<{ hold: StoredHold; claims: AttestationClaims }> {
    const hold = await this.wallet.held(amount, {
      key: `${ATTESTED_KEY}${crypto.randomUUID()}`,
      meter: undefined,
      payer: KEY,
      agentKey: KEY,
      ttlSeconds: ATTESTED_HOLD_SECONDS,
    });
    const issued: IssuedAttestation = {
      id: attestationIdOf(hold.id),
      provider: hold.provider,
      account: hold.account,
      hold: hold.id,
      knownBy: 'key',
      subject: KEY,
      resource: 'sha256:x',
      method: undefined,
      asset: hold.asset,
      amount,
      issuedAt: hold.takenAt,
      expiresAt: later(hold, PRESENT_MS),
      holdExpiresAt: hold.expiresAt,
    };
    await this.store().issue(issued);
    await this.store(1).issue(issued);
    const claims: AttestationClaims = {
      iss: 'https://farebox.example',
      sub: hold.account,
      aud: hold.provider,
      resource: issued.resource,
      amount,
      asset: hold.asset,
      jti: issued.id,
      iat: epochSeconds(issued.issuedAt),
      exp: epochSeconds(issued.expiresAt),
      holdExp: epochSeconds(issued.holdExpiresAt),
    };
    return { hold, claims };
  }

  quote(amount: bigint, meter: 'calls' | 'seconds' = 'calls'): Quote {
    const now = epochSeconds(this.wallet.clock.now());
    return {
      provider: this.wallet.provider,
      request: { method: 'GET', url: 'https://api.example.com/', bodyDigest: '', meter, quantity: '4' },
      meterId: this.wallet.meters[meter],
      priceId: 'prc_1',
      amount,
      asset: { ...USDC, id: this.wallet.asset },
      payTo: `0x${'7'.repeat(40)}`,
      release: 'submitted',
      issuedAt: now,
      expiresAt: now + 10_000,
    };
  }
}

const later = ({ takenAt }: StoredHold, ms: number) => addMs(takenAt, ms);

describe('presenting an attestation', () => {
  let scene: CreditScene;
  const first = { binding: binding('one request'), attempt: 'attempt-of-the-first' };

  beforeEach(async () => {
    scene = await CreditScene.open();
  });
  afterEach(() => scene.close());

  it('ties its hold to the call, which any process captures, however it remembers the hold', async () => {
    const { wallet } = scene;
    const { hold, claims } = await scene.attested(60n);
    // Both processes have it in mind as it was.
    await wallet.b.take(wallet.request(1n));
    expect(await scene.presenting(1).run(claims, scene.quote(40n), first)).toMatchObject({
      outcome: 'presented',
      hold: { id: hold.id, amount: 40n, credit: 40n, meter: 'calls', quantity: '4', priceId: 'prc_1' },
    });
    expect(await wallet.sums()).toEqual([0n, 41n, 0n, 41n]);
    const captured = await wallet.a.capture({ provider: wallet.provider, hold: hold.id, amount: 25n, quantity: '2.5' });
    expect(captured).toMatchObject({ outcome: 'captured', hold: { captured: 25n, onCredit: 25n, meter: 'calls' } });
    expect(await wallet.booked('1110')).toBe(25n);
    const log = await wallet.owner.query<{ body: string }>("SELECT body FROM usage_log WHERE kind = 'sold'");
    expect(JSON.parse(log.rows[0]?.body ?? '')).toMatchObject({
      items: [[expect.any(Number), expect.any(Number), expect.any(Number), '2.5', hold.id]],
    });
  });

  it('succeeds once among many, in two processes', async () => {
    const { hold, claims } = await scene.attested(60n);
    const tries = Array.from({ length: 32 }, (_, i) =>
      scene.presenting(i % 2 === 0 ? 0 : 1).run(claims, scene.quote(40n), { ...first, attempt: `attempt ${i}` }),
    );
    const outcomes = (await Promise.all(tries)).map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'presented')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'again')).toHaveLength(31);
    const others = await scene.presenting().run(claims, scene.quote(40n), { ...first, binding: binding('another') });
    expect(others).toMatchObject({ outcome: 'refused', reason: 'attestation_invalid' });
    expect(await scene.wallet.a.find(hold.id)).toMatchObject({ state: 'held', amount: 40n });
  });

  it('is refused for what it does not cover, and can be presented for what it does afterwards', async () => {
    const { wallet } = scene;
    const { provider, account, asset } = wallet;
    await wallet.limit.run({
      provider,
      account,
      asset,
      subject: { kind: 'meter', meter: 'calls' },
      window: 'day',
      amount: 30n,
      hard: true,
    });
    const { claims } = await scene.attested(60n);
    const present = (quote: Quote) => scene.presenting().run(claims, quote, first);
    expect(await present(scene.quote(61n, 'seconds'))).toMatchObject({ reason: 'price_not_acceptable' });
    expect(await present(scene.quote(31n))).toMatchObject({ reason: 'price_not_acceptable' });
    expect(await present({ ...scene.quote(30n), expiresAt: 0 })).toMatchObject({ reason: 'price_not_acceptable' });
    expect(await present({ ...scene.quote(30n), provider: 'prv_other' })).toMatchObject({
      reason: 'attestation_invalid',
    });
    expect(await wallet.sums()).toEqual([0n, 60n, 0n, 60n]);
    expect(await present(scene.quote(30n))).toMatchObject({ outcome: 'presented' });
  });

  it('is refused when it has expired, what it promises was let go, or its key was revoked', async () => {
    const { wallet } = scene;
    const present = async ({ claims }: { claims: AttestationClaims }) =>
      scene.presenting().run(claims, scene.quote(10n), first);
    const released = await scene.attested(10n);
    await wallet.a.release({ provider: wallet.provider, hold: released.hold.id });
    expect(await present(released)).toMatchObject({ reason: 'attestation_revoked' });
    const overdue = await scene.attested(10n);
    await wallet.owner.query("UPDATE holds SET expires_at = taken_at + interval '1 ms' WHERE id = $1", [
      overdue.hold.id,
    ]);
    wallet.clock.at = later(overdue.hold, 1_000);
    expect(await present(overdue)).toMatchObject({ reason: 'attestation_expired' });
    const expired = await scene.attested(10n);
    const revoked = await scene.attested(10n);
    wallet.clock.at = later(expired.hold, PRESENT_MS);
    expect(await present(expired)).toMatchObject({ reason: 'attestation_expired' });
    wallet.clock.at = later(expired.hold, PRESENT_MS - 1_000);
    await wallet.owner.query('UPDATE agent_keys SET revoked_at = now() WHERE id = $1', [KEY]);
    expect(await present(revoked)).toMatchObject({ reason: 'attestation_revoked' });
    expect(await wallet.a.find(revoked.hold.id)).toMatchObject({ state: 'held', amount: 10n });
  });

  it('is written once and never changed by anybody', async () => {
    const { claims } = await scene.attested(10n);
    await scene.presenting().run(claims, scene.quote(10n), first);
    const change = (set: string) =>
      scene.wallet.owner.query(`UPDATE credit_attestations SET ${set} WHERE id = $1`, [claims.jti]);
    await expect(change("attempt = 'another'")).rejects.toThrow('presented once');
    await expect(change('binding = NULL, presented_at = NULL')).rejects.toThrow('presented once');
    const untouched = await scene.attested(10n);
    const grow = scene.wallet.owner.query('UPDATE credit_attestations SET amount = 11 WHERE id = $1', [
      untouched.claims.jti,
    ]);
    await expect(grow).rejects.toThrow('presented once');
    await expect(scene.wallet.owner.query('DELETE FROM credit_attestations')).rejects.toThrow();
  });
});

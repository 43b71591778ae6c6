import { instant } from '@core/time';
import { NOON, WalletScene } from '../../../../test/model/wallet-scene.js';

describe('holds', () => {
  let scene: WalletScene;

  beforeEach(async () => {
    scene = await WalletScene.open();
  });

  afterEach(() => scene.close());

  it('charge from grants in burn order, with lineage, usage and entry, and keep the answer', async () => {
    const given = await scene.give(30n, { kind: 'promotional', funding: undefined });
    const bought = await scene.give(70n);
    const hold = await scene.held(90n);
    expect(await scene.sums()).toEqual([100n, 90n, 100n, 90n]);
    const reply = { status: 200, headers: { 'content-type': 'text/plain' }, body: 'NDI=' };
    const captured = await scene.b.capture({
      provider: scene.provider,
      hold: hold.id,
      amount: 80n,
      quantity: '2.5',
      reply,
    });
    expect(captured).toMatchObject({
      outcome: 'captured',
      hold: { state: 'captured', captured: 80n, capturedQuantity: '2.5' },
    });
    expect(await scene.sums()).toEqual([20n, 0n, 20n, 0n]);
    const { rows } = await scene.owner.query(
      'SELECT grant_id, kind, amount::text FROM grant_consumptions ORDER BY step',
    );
    expect(rows).toEqual([
      { grant_id: given, kind: 'use', amount: '30' },
      { grant_id: bought, kind: 'use', amount: '50' },
    ]);
    // Earned 80, the account owes nothing, 20 paid for and unused, 30 given away and used.
    expect(await scene.booked('4010', null)).toBe(-80n);
    expect(await scene.booked('1110')).toBe(0n);
    expect(await scene.booked('2010')).toBe(-20n);
    expect(await scene.booked('4090', null)).toBe(30n);
    expect([await scene.booked('9010'), await scene.booked('9015')]).toEqual([0n, 0n]);
    const log = await scene.owner.query<{ body: string }>("SELECT body FROM usage_log WHERE kind = 'sold'");
    expect(JSON.parse(log.rows[0]?.body ?? '')).toMatchObject({
      items: [[expect.any(Number), expect.any(Number), NOON, '2.5', hold.id]],
    });
    expect(await scene.a.reply(hold.id)).toEqual(reply);
    expect(await scene.a.find(hold.id)).toMatchObject({ state: 'captured', captured: 80n, resource: hold.resource });
  });

  it('are refused alone when a text of theirs could not be told apart from two', async () => {
    await scene.give(100n);
    const [odd, plain] = await Promise.allSettled([
      scene.a.take({ ...scene.request(10n), resource: 'https://api.example.com/\x1fhello' }),
      scene.a.take(scene.request(10n)),
    ]);
    expect(odd).toMatchObject({ status: 'rejected', reason: { reason: 'invalid_field' } });
    expect(plain).toMatchObject({ status: 'fulfilled', value: { outcome: 'held' } });
  });

  it('happen once by key: the same is answered with the first, another request is a conflict', async () => {
    await scene.give(100n);
    const request = scene.request(40n);
    const answers = await Promise.all([scene.a, scene.b, scene.a, scene.b].map((through) => through.take(request)));
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['exists', 'exists', 'exists', 'held']);
    expect(new Set(answers.map((answer) => ('hold' in answer ? answer.hold.id : '')))).toMatchObject({ size: 1 });
    expect(await scene.a.take({ ...request, fingerprint: 'another' })).toMatchObject({ outcome: 'conflict' });
    expect(await scene.sums()).toEqual([100n, 40n, 100n, 40n]);
    const [first] = answers;
    const hold = first && 'hold' in first ? first.hold : await scene.held(1n);
    const captures = await Promise.all([scene.a, scene.b, scene.a].map((through) => scene.capture(hold, 40n, through)));
    expect(captures.map(({ outcome }) => outcome).sort()).toEqual(['already', 'already', 'captured']);
    expect(await scene.a.release({ provider: scene.provider, hold: hold.id })).toMatchObject({ outcome: 'captured' });
    expect(await scene.booked('4010', null)).toBe(-40n);
  });

  it('are decided on what is so, whatever this process remembers', async () => {
    await scene.give(100n);
    const request = scene.request(10n);
    const first = await scene.a.take(request);
    const { provider, account, asset } = scene;
    if (first.outcome !== 'held') throw new Error(`expected a hold, got ${first.outcome}`);
    await scene.capture(first.hold, 10n);
    expect(await scene.a.take(request)).toMatchObject({ outcome: 'exists', hold: { state: 'captured' } });
    // Another process takes most of it, and covers more of what this one holds.
    const hold = await scene.held(10n);
    await scene.held(60n, {}, scene.b);
    expect(await scene.a.take(scene.request(40n))).toEqual({ outcome: 'insufficient', available: 20n });
    const extension = { provider, hold: hold.id, used: 0n, usedQuantity: '0', amount: 15n, quantity: '3' };
    expect(await scene.b.extend(extension)).toMatchObject({ outcome: 'extended' });
    expect(await scene.a.capture({ provider, hold: hold.id, amount: 5n, quantity: '1', covers: '1' })).toMatchObject({
      outcome: 'changed',
      hold: { quantity: '3' },
    });
    expect(await scene.capture(hold, 15n)).toMatchObject({ outcome: 'captured', hold: { captured: 15n } });
    // What is set beside a wallet counts from the next call on.
    await scene.owner.query('UPDATE wallets SET credit_limit = 30');
    expect(await scene.a.take(scene.request(40n))).toMatchObject({ outcome: 'held', hold: { credit: 25n } });
    const subject = { kind: 'account' } as const;
    await scene.limit.run({ provider, account, asset, subject, window: 'lifetime', amount: 126n, hard: true });
    expect(await scene.a.take(scene.request(2n))).toMatchObject({ outcome: 'limit', left: 1n });
    await scene.alerts.setThresholds({ provider, account, asset, below: [70n] });
    await scene.give(8n);
    expect(await scene.a.take(scene.request(1n))).toMatchObject({ outcome: 'held', hold: { credit: 0n } });
    expect(await scene.sums()).toEqual([83n, 101n, 83n, 101n]);
  });

  it('stay one batch on top of the other when one of them is not written', async () => {
    await scene.give(1_000n);
    await scene.held(1n);
    // Far more than a batch, decided one on top of the other, while another process changes the wallet under them.
    const taken = await Promise.all(
      Array.from({ length: 400 }, async (_, n) => {
        if (n % 40 === 0) await scene.held(1n, {}, scene.b);
        return scene.held(2n);
      }),
    );
    expect(new Set(taken.map(({ id }) => id)).size).toBe(400);
    await Promise.all(taken.map((hold) => scene.capture(hold, 2n)));
    expect(await scene.sums()).toEqual([200n, 11n, 200n, 11n]);
    expect(await scene.booked('4010', null)).toBe(-800n);
  });

  it('are of their provider alone, and of no wallet of another', async () => {
    await scene.give(100n);
    const hold = await scene.held(10n);
    expect(await scene.a.capture({ provider: 'prv_other', hold: hold.id, amount: 1n, quantity: '1' })).toEqual({
      outcome: 'unknown',
    });
    expect(await scene.a.take(scene.request(1n, { provider: 'prv_other' }))).toEqual({
      outcome: 'insufficient',
      available: 0n,
    });
    expect(await scene.a.release({ provider: scene.provider, hold: 'hld_none' })).toEqual({ outcome: 'unknown' });
  });

  it('that do not fit leave those after them alone', async () => {
    await scene.give(100n);
    const outcomes = await Promise.all([60n, 50n, 40n, 1n].map((amount) => scene.a.take(scene.request(amount))));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['held', 'insufficient', 'held', 'insufficient']);
  });

  it('let what is over go, and charge what was used, when nobody ends them', async () => {
    await scene.give(100n);
    const idle = await scene.held(30n);
    const busy = await scene.held(20n);
    const { provider } = scene;
    expect(
      await scene.a.extend({ provider, hold: busy.id, used: 12n, usedQuantity: '3', amount: 40n, quantity: '10' }),
    ).toMatchObject({ outcome: 'extended', hold: { amount: 40n, used: 12n } });
    scene.clock.at = instant(NOON + 60_000);
    expect(await scene.b.expireHolds()).toBe(2);
    expect(await scene.a.find(idle.id)).toMatchObject({ state: 'expired', captured: undefined });
    expect(await scene.a.find(busy.id)).toMatchObject({ state: 'captured', captured: 12n, capturedQuantity: '3' });
    expect(await scene.sums()).toEqual([88n, 0n, 88n, 0n]);
    expect(await scene.capture(idle, 5n)).toMatchObject({ outcome: 'ended' });
    expect(await scene.capture(busy, 20n)).toMatchObject({ outcome: 'already', hold: { captured: 12n } });
  });

  it('keep their part of a grant that expires meanwhile; what comes back of it is breakage', async () => {
    await scene.give(100n, { expiresAt: instant(NOON + 10_000) });
    const hold = await scene.held(80n);
    scene.clock.at = instant(NOON + 10_000);
    expect(await scene.expire.run()).toBe(1);
    expect(await scene.sums()).toEqual([80n, 80n, 80n, 80n]);
    expect(await scene.a.take(scene.request(1n))).toEqual({ outcome: 'insufficient', available: 0n });
    expect(await scene.capture(hold, 50n)).toMatchObject({ outcome: 'captured', hold: { captured: 50n } });
    expect([await scene.expire.run(), await scene.expire.run()]).toEqual([1, 0]);
    expect(await scene.sums()).toEqual([0n, 0n, 0n, 0n]);
    expect([await scene.booked('2010'), await scene.booked('4020', null), await scene.booked('4010', null)]).toEqual([
      0n,
      -50n,
      -50n,
    ]);
  });

  it('never pass a balance or a hard limit, with 64 clients on one account over two processes', async () => {
    await scene.give(1000n);
    const { provider, account, asset } = scene;
    await scene.limit.run({
      provider,
      account,
      asset,
      subject: { kind: 'account' },
      window: 'day',
      amount: 700n,
      hard: true,
    });
    let served = 0n;
    const client = async (n: number): Promise<void> => {
      const through = n % 2 === 0 ? scene.a : scene.b;
      for (let call = 0; call < 12; call += 1) {
        const taken = await through.take(scene.request(BigInt(3 + (n % 5))));
        if (taken.outcome !== 'held') continue;
        if (call % 4 === 3) await through.release({ provider, hold: taken.hold.id });
        else {
          const used = taken.hold.amount - BigInt(call % 3);
          await scene.capture(taken.hold, used, through);
          served += used;
        }
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => client(n)));
    const [spent = 0n, held = 0n] = await scene.numbers('SELECT spent::text, held::text FROM spend_counters');
    expect([spent, held]).toEqual([served, 0n]);
    expect(served).toBeLessThanOrEqual(700n);
    expect(served).toBeGreaterThan(690n);
    expect(await scene.sums()).toEqual([1000n - served, 0n, 1000n - served, 0n]);
    expect(await scene.booked('2010')).toBe(served - 1000n);
  });

  it('stop at a key’s budget, which extensions count against too', async () => {
    await scene.give(1000n);
    const budget = { agentKey: 'key_1', budget: [{ window: 'day', amount: 50n } as const] };
    const hold = await scene.held(30n, budget);
    expect(await scene.a.take(scene.request(21n, budget))).toMatchObject({
      outcome: 'limit',
      left: 20n,
      limit: { id: 'key_1/day' },
    });
    const { provider } = scene;
    const extension = { provider, hold: hold.id, used: 30n, usedQuantity: '1', amount: 51n, quantity: '2' };
    expect(await scene.b.extend(extension)).toMatchObject({ outcome: 'limit', hold: { used: 30n, amount: 30n } });
    expect(await scene.b.extend({ ...extension, amount: 50n })).toMatchObject({ outcome: 'extended' });
    await scene.capture(hold, 44n);
    expect(await scene.a.take(scene.request(6n, budget))).toMatchObject({ outcome: 'held' });
    expect(await scene.a.take(scene.request(1n, budget))).toMatchObject({ outcome: 'limit', left: 0n });
    expect(await scene.a.take(scene.request(1n))).toMatchObject({ outcome: 'held' });
  });
});

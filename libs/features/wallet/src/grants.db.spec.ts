import { addMs, instant, parseInstant } from '@core/time';
import { NOON, WalletScene } from '../../../../test/model/wallet-scene.js';

const DAY = 86_400_000;

describe('grants', () => {
  let scene: WalletScene;

  beforeEach(async () => {
    scene = await WalletScene.open();
  });

  afterEach(() => scene.close());

  it('are issued once by key, and paid ones come from receipts', async () => {
    const { provider, account, asset } = scene;
    const input = {
      provider,
      account,
      asset,
      kind: 'paid',
      amount: 110n,
      cost: 100n,
      funding: 'top_9',
      key: 'top_9',
    } as const;
    const [first, second] = await Promise.all([scene.issue.run(input), scene.issue.run(input)]);
    expect([first.outcome, second.outcome].sort()).toEqual(['exists', 'issued']);
    expect(first.grant.id).toBe(second.grant.id);
    await expect(scene.issue.run({ ...input, amount: 111n })).rejects.toMatchObject({ reason: 'grant_exists' });
    expect(await scene.sums()).toEqual([110n, 0n, 110n, 0n]);
    expect([await scene.booked('2010'), await scene.booked('2020'), await scene.booked('4090', null)]).toEqual([
      -110n,
      100n,
      10n,
    ]);
  });

  it('are refused where they make no sense', async () => {
    const { provider, account, asset } = scene;
    const paid = { provider, account, asset, kind: 'paid', amount: 10n, funding: 'top_1' } as const;
    const recurrence = { every: 'day', keepsOverage: false } as const;
    for (const [wrong, reason] of [
      [{ ...paid, funding: undefined }, 'invalid_grant'],
      [{ ...paid, cost: 11n }, 'invalid_grant'],
      [{ ...paid, amount: 0n }, 'invalid_grant'],
      [{ ...paid, recurrence }, 'invalid_grant'],
      [{ ...paid, expiresAt: NOON }, 'invalid_grant'],
      [{ ...paid, scope: ['nothing'] }, 'unknown_meter'],
      [{ ...paid, account: 'acct_none' }, 'unknown_account'],
      [{ ...paid, kind: 'goodwill', cost: 5n }, 'invalid_grant'],
    ] as const)
      await expect(scene.issue.run(wrong)).rejects.toMatchObject({ reason });
    expect(await scene.booked('2010')).toBe(0n);
  });

  it('are void once, however many ask at a time', async () => {
    const grant = await scene.give(100n);
    await scene.capture(await scene.held(30n), 30n);
    const held = await scene.held(20n);
    const voided = await Promise.all([1, 2, 3].map(() => scene.voids.run({ provider: scene.provider, grant })));
    expect(voided.map(({ outcome }) => outcome).sort()).toEqual(['unchanged', 'unchanged', 'voided']);
    expect(await scene.sums()).toEqual([20n, 20n, 20n, 20n]);
    // Only the held part is still owed as value; 50 of the money is applied to nothing again.
    expect([await scene.booked('2010'), await scene.booked('2020')]).toEqual([-20n, 50n]);
    await scene.a.release({ provider: scene.provider, hold: held.id });
    expect(await scene.expire.run()).toBe(1);
    expect([await scene.booked('2010'), await scene.booked('2020')]).toEqual([0n, 30n]);
    await expect(scene.voids.run({ provider: scene.provider, grant: 'grt_none' })).rejects.toMatchObject({
      reason: 'unknown_grant',
    });
  });

  it('are refunded up to what is left and not held, at their share of the cost, once by key', async () => {
    const grant = await scene.give(200n, { cost: 100n });
    await scene.held(50n);
    const { provider } = scene;
    await expect(scene.refunds.run({ provider, grant, amount: 151n })).rejects.toMatchObject({
      reason: 'not_refundable',
    });
    const asked = { provider, grant, amount: 41n, key: 'refund 1' };
    const [first, again] = await Promise.all([scene.refunds.run(asked), scene.refunds.run(asked)]);
    expect([first.refund, again.refund]).toMatchObject([
      { value: 41n, cash: 20n },
      { value: 41n, cash: 20n },
    ]);
    expect(await scene.sums()).toEqual([159n, 50n, 159n, 50n]);
    expect([await scene.booked('2010'), await scene.booked('2040'), await scene.booked('4090', null)]).toEqual([
      -159n,
      -20n,
      79n,
    ]);
    expect((await scene.refunds.run({ provider, grant })).refund).toMatchObject({ value: 109n, cash: 54n });
    await expect(scene.refunds.run({ provider, grant })).rejects.toMatchObject({ reason: 'not_refundable' });
  });

  it('get back what a reversal restores, the last to give first, and end with it when they have ended', async () => {
    const soon = await scene.give(30n, { expiresAt: instant(NOON + 5_000) });
    const late = await scene.give(100n);
    const { provider } = scene;
    const hold = await scene.held(80n);
    await scene.capture(hold, 80n);
    scene.clock.at = instant(NOON + 10_000);
    expect(await scene.reverse.run({ provider, hold: hold.id, total: 60n })).toMatchObject({
      reversed: 60n,
      captured: 80n,
    });
    await Promise.all([1, 2].map(() => scene.reverse.run({ provider, hold: hold.id, total: 60n })));
    const { rows } = await scene.owner.query(
      'SELECT grant_id, kind, amount::text FROM grant_consumptions ORDER BY step',
    );
    expect(rows).toEqual([
      { grant_id: soon, kind: 'use', amount: '30' },
      { grant_id: late, kind: 'use', amount: '50' },
      { grant_id: late, kind: 'reversal', amount: '50' },
      { grant_id: soon, kind: 'reversal', amount: '10' },
    ]);
    expect([await scene.booked('4010', null), await scene.booked('1110')]).toEqual([-20n, 0n]);
    expect(await scene.expire.run()).toBe(1);
    expect([await scene.booked('2010'), await scene.booked('4020', null)]).toEqual([-100n, -10n]);
    await expect(scene.reverse.run({ provider, hold: hold.id, total: 81n })).rejects.toMatchObject({
      reason: 'more_than_charged',
    });
  });

  it('that recur are filled up by the calendar, once each time, and are worth nothing in the books until used', async () => {
    const monthly = { every: 'month', keepsOverage: false, until: parseInstant('2027-02-21T12:00:00Z') } as const;
    await scene.give(100n, { kind: 'promotional', funding: undefined, recurrence: monthly });
    await scene.capture(await scene.held(70n), 70n);
    expect(await scene.renew.run()).toBe(0);
    scene.clock.at = parseInstant('2026-12-21T12:00:00Z') ?? NOON;
    expect(
      await Promise.all([scene.renew.run(), scene.renew.run()]).then((runs) => runs.reduce((a, b) => a + b, 0)),
    ).toBe(1);
    expect(await scene.sums()).toEqual([100n, 0n, 100n, 0n]);
    expect([await scene.booked('9015'), await scene.booked('4090', null)]).toEqual([-100n, 70n]);
    scene.clock.at = addMs(scene.clock.at, 200 * DAY);
    expect([await scene.renew.run(), await scene.renew.run()]).toEqual([1, 0]);
  });

  it('that recur pay for use on credit where they keep overage', async () => {
    const rolling = { every: 'day', keepsOverage: true, rollover: { min: 50n, max: 50n } } as const;
    await scene.give(100n, { kind: 'goodwill', funding: undefined, recurrence: rolling });
    await scene.owner.query('UPDATE wallets SET credit_limit = 20');
    await scene.capture(await scene.held(110n), 110n);
    expect(await scene.booked('1110')).toBe(10n);
    scene.clock.at = addMs(NOON, DAY);
    expect(await scene.renew.run()).toBe(1);
    expect(await scene.sums()).toEqual([40n, 0n, 40n, 0n]);
    expect([await scene.booked('1110'), await scene.booked('9015')]).toEqual([0n, -40n]);
  });
});

describe('limits, alerts and top-ups', () => {
  let scene: WalletScene;

  beforeEach(async () => {
    scene = await WalletScene.open();
  });

  afterEach(() => scene.close());

  it('a limit counts what was spent and is held before it was set, and is changed by setting it again', async () => {
    await scene.give(1000n);
    await scene.capture(await scene.held(30n), 20n);
    const open = await scene.held(15n);
    const { provider, account, asset } = scene;
    const limit = {
      provider,
      account,
      asset,
      subject: { kind: 'meter', meter: 'calls' },
      window: 'hour',
      amount: 40n,
      hard: true,
    } as const;
    const set = await scene.limit.run(limit);
    expect(set).toMatchObject({ spent: 20n, held: 15n, windowStart: NOON });
    expect(await scene.a.take(scene.request(6n))).toMatchObject({ outcome: 'limit', left: 5n });
    await scene.capture(open, 10n);
    expect(await scene.limit.run({ ...limit, amount: 31n })).toMatchObject({
      id: set.id,
      amount: 31n,
      spent: 30n,
      held: 0n,
    });
    expect(await scene.a.take(scene.request(2n))).toMatchObject({ outcome: 'limit', left: 1n });
    scene.clock.at = addMs(NOON, 3_600_000);
    expect(await scene.a.take(scene.request(31n))).toMatchObject({ outcome: 'held' });
  });

  it('alerts come once per crossing, and again after recovery', async () => {
    await scene.give(100n);
    const { provider, account, asset } = scene;
    await scene.alerts.setThresholds({ provider, account, asset, below: [50n] });
    await scene.limit.run({
      provider,
      account,
      asset,
      subject: { kind: 'account' },
      window: 'lifetime',
      amount: 100n,
      hard: false,
      alertPercents: [80],
    });
    const spend = async (amount: bigint) => scene.capture(await scene.held(amount), amount);
    for (const amount of [40n, 10n, 5n]) await spend(amount);
    await scene.give(100n);
    for (const amount of [60n, 60n]) await spend(amount);
    const told = await scene.alerts.list({ provider, account, limit: 10 });
    expect(told.map(({ kind, details }) => [kind, details]).reverse()).toEqual([
      ['balance_low', { threshold: '50', value: '50' }],
      ['limit_reached', expect.objectContaining({ percent: 80, threshold: '80', value: '115' })],
      ['balance_low', { threshold: '50', value: '25' }],
    ]);
  });

  it('a top-up is asked for once at a time, and again after a pause', async () => {
    await scene.give(100n);
    const { provider, account, asset } = scene;
    await scene.topUps.set({
      provider,
      account,
      asset,
      threshold: 60n,
      buys: { upTo: 200n },
      coolOffSeconds: 60,
      perDay: 2,
      maxFailures: 2,
    });
    const spend = async (amount: bigint) => scene.capture(await scene.held(amount), amount);
    const asked = async () => {
      const told = await scene.alerts.list({ provider, account, limit: 10 });
      return told
        .filter(({ kind }) => kind === 'top_up_due')
        .map(({ details }) => details)
        .reverse();
    };
    await spend(30n);
    expect(await asked()).toEqual([]);
    await Promise.all([spend(15n), spend(5n)]);
    expect(await asked()).toHaveLength(1);
    await scene.topUps.finish({ provider, account, asset, bought: false });
    await spend(5n);
    expect(await asked()).toHaveLength(1);
    scene.clock.at = addMs(NOON, 60_000);
    await spend(5n);
    expect((await asked())[1]).toEqual({ amount: '160' });
    expect(await scene.topUps.list({ provider, account })).toMatchObject([{ pending: 160n, failures: 1 }]);
  });
});

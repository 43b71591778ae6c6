import { instant, parseInstant } from '@core/time';
import {
  addUp,
  availableFor,
  burn,
  captureHold,
  cashOf,
  EMPTY_WALLET,
  expireHold,
  extendHold,
  fallingTo,
  type Grant,
  grantState,
  type HoldRequest,
  heldOf,
  lapse,
  type Limit,
  limitVerdict,
  multiplesReached,
  nextRenewal,
  postedOf,
  refundable,
  refundGrant,
  releaseHold,
  remainingOf,
  renewGrant,
  restore,
  reverseCharge,
  risingTo,
  takeHold,
  topUpEnded,
  topUpVerdict,
  voidGrant,
  type Wallet,
} from './index.js';

const at = (text: string) => parseInstant(text) ?? instant(Number.NaN);
const NOON = at('2026-11-21T12:00:00Z');
const DAY = 86_400_000;

const grant = (id: string, amount: bigint, more: Partial<Grant> = {}): Grant => ({
  id,
  kind: 'promotional',
  priority: 0,
  effectiveAt: instant(0),
  createdAt: instant(0),
  amount,
  cost: 0n,
  granted: amount,
  consumed: 0n,
  expired: 0n,
  voided: 0n,
  refunded: 0n,
  held: 0n,
  isVoid: false,
  ...more,
});
const wallet = (more: Partial<Wallet> = {}): Wallet => ({ ...EMPTY_WALLET, ...more });
const request = (amount: bigint, more: Partial<HoldRequest> = {}): HoldRequest => ({
  amount,
  meter: 'calls',
  key: undefined,
  budgets: [],
  ttlSeconds: 60,
  ...more,
});
const held = (from: Wallet, amount: bigint, more: Partial<HoldRequest> = {}, when = NOON) => {
  const taken = takeHold(from, request(amount, more), when);
  if (taken.outcome !== 'held') throw new Error(`not held: ${taken.outcome}`);
  return taken;
};
const limit = (amount: bigint, more: Partial<Limit> = {}): Limit => ({
  id: 'lim_1',
  subject: { kind: 'account' },
  window: 'hour',
  amount,
  hard: true,
  alertPercents: [],
  ...more,
});

/** What each grant has left after a use, by id. */
function left(grants: readonly Grant[], amount: bigint): { [id: string]: number } {
  const { parts } = burn(grants, { amount }, NOON);
  const given = new Map(parts.map((part) => [part.grant, part.amount]));
  return Object.fromEntries(grants.map((each) => [each.id, Number(remainingOf(each) - (given.get(each.id) ?? 0n))]));
}

describe('burn order', () => {
  it('priority first', () => {
    expect(left([grant('B', 100n, { priority: 2 }), grant('A', 100n, { priority: 1 })], 120n)).toEqual({ A: 0, B: 80 });
  });

  it('then what expires first', () => {
    const soon = grant('A', 100n, { expiresAt: instant(NOON + 30 * DAY) });
    const late = grant('B', 100n, { expiresAt: instant(NOON + 36_500 * DAY) });
    expect(left([late, soon], 120n)).toEqual({ A: 0, B: 80 });
  });

  it('then the older one', () => {
    const grants = [
      grant('D', 30n, { priority: 2, createdAt: instant(3) }),
      grant('C', 25n, { priority: 2, createdAt: instant(2) }),
      grant('A', 20n, { priority: 1, createdAt: instant(9) }),
      grant('B', 25n, { priority: 2, createdAt: instant(1) }),
    ];
    expect(left(grants, 80n)).toEqual({ A: 0, B: 0, C: 0, D: 20 });
  });

  it('given before paid', () => {
    const paid = grant('P', 70n, { kind: 'paid', cost: 70n });
    expect(left([paid, grant('G', 30n, { createdAt: instant(5) })], 80n)).toEqual({ G: 0, P: 20 });
  });

  it('loses what expired, and use beyond it is overage', () => {
    const ten = at('2026-11-21T10:00:00Z');
    let one = grant('A', 100n, { expiresAt: ten });
    const first = burn([one], { amount: 50n }, instant(ten - 60_000));
    expect(first).toEqual({ parts: [{ grant: 'A', amount: 50n }], overage: 0n });
    one = { ...one, consumed: 50n };
    const lost = lapse(one, ten);
    expect(lost).toMatchObject({ as: 'expired', amount: 50n });
    expect(burn([one], { amount: 50n }, instant(ten + 60_000))).toEqual({ parts: [], overage: 50n });
  });

  it('passes over what is not in force, void, or for another meter', () => {
    const grants = [
      grant('later', 10n, { effectiveAt: instant(NOON + 1) }),
      grant('void', 10n, { isVoid: true }),
      grant('other', 10n, { scope: ['seconds'] }),
      grant('this', 10n, { scope: ['calls', 'seconds'] }),
    ];
    expect(burn(grants, { amount: 15n, meter: 'calls' }, NOON)).toEqual({
      parts: [{ grant: 'this', amount: 10n }],
      overage: 5n,
    });
    expect(burn(grants, { amount: 15n }, NOON).overage).toBe(15n);
  });
});

describe('reversal', () => {
  it('gives back to the same grants, the last to give first', () => {
    const lineage = [
      { grant: 'A', amount: 20n },
      { grant: 'B', amount: 30n },
    ];
    expect(restore(lineage, 35n).parts).toEqual([
      { grant: 'B', amount: 30n },
      { grant: 'A', amount: 5n },
    ]);
  });

  it('takes credit back first, then the grants, and the spend of its window', () => {
    const before = wallet({ grants: [grant('A', 20n)], creditLimit: 50n, limits: [limit(100n)] });
    const taken = held(before, 30n);
    const captured = captureHold(taken.wallet, taken.hold, 30n, NOON);
    expect([captured.credit, postedOf(captured.wallet)]).toEqual([10n, -10n]);
    const back = reverseCharge(
      captured.wallet,
      { charged: 30n, lineage: captured.consumed, credit: captured.credit, counted: captured.hold.counted },
      25n,
    );
    expect(back).toMatchObject({ credit: 10n, restored: [{ grant: 'A', amount: 15n }] });
    expect([postedOf(back.wallet), back.wallet.counters[0]?.spent]).toEqual([15n, 5n]);
  });
});

describe('the end of a grant', () => {
  it('void takes what is left, once', () => {
    const voided = voidGrant(grant('A', 100n, { consumed: 30n }), NOON);
    if (voided.outcome !== 'voided') throw new Error(voided.outcome);
    expect([voided.amount, remainingOf(voided.grant), grantState(voided.grant, NOON)]).toEqual([70n, 0n, 'voided']);
    expect(voidGrant(voided.grant, NOON)).toEqual({ outcome: 'unchanged' });
    expect(voidGrant(grant('A', 100n, { consumed: 100n }), NOON)).toMatchObject({ outcome: 'ended', why: 'exhausted' });
    expect(voidGrant(grant('A', 1n, { expiresAt: NOON }), NOON)).toMatchObject({ outcome: 'ended', why: 'expired' });
  });

  it('leaves what is held to its hold; what that gives back then ends too', () => {
    const taken = held(wallet({ grants: [grant('A', 100n)] }), 40n);
    const [one = grant('?', 0n)] = taken.wallet.grants;
    const voided = voidGrant(one, NOON);
    if (voided.outcome !== 'voided') throw new Error(voided.outcome);
    expect([voided.amount, remainingOf(voided.grant)]).toEqual([60n, 40n]);
    const captured = captureHold({ ...taken.wallet, grants: [voided.grant] }, taken.hold, 25n, NOON);
    const [after = grant('?', 0n)] = captured.wallet.grants;
    expect([remainingOf(after), availableFor(captured.wallet, 'calls', NOON)]).toEqual([15n, 0n]);
    expect(lapse(after, NOON)).toMatchObject({ as: 'voided', amount: 15n, grant: { voided: 75n } });
  });

  it('a refund is at most what is left, at what was paid for it', () => {
    const bought = grant('A', 110n, { kind: 'paid', cost: 100n, consumed: 55n });
    expect([refundable(bought, NOON), cashOf(bought, 1n)]).toEqual([50n, 0n]);
    expect(refundGrant(bought, 56n, NOON)).toEqual({ outcome: 'refused', why: 'too_much' });
    expect(refundGrant(bought, 11n, NOON)).toMatchObject({ outcome: 'refunded', amount: 11n, cash: 10n });
    expect(refundGrant(grant('G', 5n), undefined, NOON)).toEqual({ outcome: 'refused', why: 'not_paid' });
    expect(refundGrant({ ...bought, isVoid: true }, 1n, NOON)).toEqual({ outcome: 'refused', why: 'ended' });
  });
});

describe('renewal', () => {
  const monthly = { every: 'month', keepsOverage: false } as const;

  it('fills up to the amount and adds nothing up', () => {
    expect(renewGrant(grant('A', 100n, { consumed: 30n }), monthly, 0n)).toMatchObject({ added: 30n, dropped: 0n });
    expect(renewGrant(grant('A', 100n), monthly, 0n)).toMatchObject({ added: 0n, dropped: 0n });
  });

  it('lets what rolls over stay: used 110 of 100 with 50 to roll and overage kept leaves 40; used 10 leaves 50', () => {
    const rolling = { ...monthly, rollover: { min: 50n, max: 50n }, keepsOverage: true };
    const over = renewGrant(grant('A', 100n, { consumed: 100n }), rolling, 10n);
    expect([remainingOf(over.grant), over.paid]).toEqual([40n, 10n]);
    const under = renewGrant(grant('A', 100n, { consumed: 10n }), { ...rolling, keepsOverage: false }, 0n);
    expect([remainingOf(under.grant), under.dropped]).toEqual([50n, 40n]);
  });

  it('drops nothing that is held', () => {
    const rolling = { ...monthly, rollover: { min: 0n, max: 10n } };
    const renewed = renewGrant(grant('A', 100n, { held: 60n }), rolling, 0n);
    expect([remainingOf(renewed.grant), renewed.dropped]).toEqual([60n, 40n]);
  });

  it('comes by the calendar in UTC, on the last day where a month has no such day', () => {
    const first = at('2026-01-31T09:30:00Z');
    const renewals = ['2026-02-28T09:30:00Z', '2026-03-31T09:30:00Z', '2026-04-30T09:30:00Z'].map(at);
    expect(nextRenewal(first, monthly, first)).toBe(renewals[0]);
    expect(nextRenewal(first, monthly, renewals[0] ?? first)).toBe(renewals[1]);
    expect(nextRenewal(first, monthly, renewals[1] ?? first)).toBe(renewals[2]);
    expect(nextRenewal(first, { ...monthly, until: at('2026-03-31T09:30:00Z') }, renewals[0] ?? first)).toBeUndefined();
    expect(nextRenewal(first, { every: 'week', keepsOverage: false }, instant(first + 8 * DAY))).toBe(first + 14 * DAY);
  });
});

describe('holds', () => {
  it('set aside, charge what was used and give back the rest', () => {
    const taken = held(wallet({ grants: [grant('A', 100n)] }), 60n);
    expect([availableFor(taken.wallet, 'calls', NOON), heldOf(taken.wallet), postedOf(taken.wallet)]).toEqual([
      40n,
      60n,
      100n,
    ]);
    expect(takeHold(taken.wallet, request(41n), NOON)).toEqual({ outcome: 'insufficient', available: 40n });
    const captured = captureHold(taken.wallet, taken.hold, 34n, NOON);
    expect([captured.charged, postedOf(captured.wallet), heldOf(captured.wallet)]).toEqual([34n, 66n, 0n]);
    expect(() => captureHold(captured.wallet, captured.hold, 1n, NOON)).toThrow('captured');
    expect(heldOf(releaseHold(taken.wallet, taken.hold).wallet)).toBe(0n);
  });

  it('charge no more than was held, and say what was beyond', () => {
    const taken = held(wallet({ grants: [grant('A', 100n)] }), 10n);
    expect(captureHold(taken.wallet, taken.hold, 15n, NOON)).toMatchObject({ charged: 10n, excess: 5n });
  });

  it('keep a grant that expires or is emptied meanwhile', () => {
    const soon = grant('A', 100n, { expiresAt: instant(NOON + 1000) });
    const taken = held(wallet({ grants: [soon, grant('B', 100n)] }), 80n);
    const later = instant(NOON + 2000);
    const swept = taken.wallet.grants.map((each) => lapse(each, later).grant);
    const captured = captureHold({ ...taken.wallet, grants: swept }, taken.hold, 80n, later);
    expect(captured.consumed).toEqual([{ grant: 'A', amount: 80n }]);
    expect(postedOf(captured.wallet)).toBe(100n);
  });

  it('burn in order at the end, whatever other holds had set aside', () => {
    const first = held(
      wallet({ grants: [grant('A', 100n, { priority: 1 }), grant('B', 100n, { priority: 2 })] }),
      100n,
    );
    const second = held(first.wallet, 50n);
    const released = releaseHold(second.wallet, first.hold);
    expect(captureHold(released.wallet, second.hold, 50n, NOON).consumed).toEqual([{ grant: 'A', amount: 50n }]);
  });

  it('cover more as they go, and are charged for what was used when nobody ends them', () => {
    const taken = held(wallet({ grants: [grant('A', 100n)] }), 10n);
    const more = extendHold(taken.wallet, taken.hold, { used: 8n, amount: 30n, ttlSeconds: 600 }, NOON);
    expect(more).toMatchObject({ outcome: 'extended', hold: { amount: 30n, used: 8n, expiresAt: NOON + 600_000 } });
    expect(extendHold(more.wallet, more.hold, { used: 8n, amount: 30n }, NOON)).toMatchObject({ hold: more.hold });
    const stopped = extendHold(more.wallet, more.hold, { used: 40n, amount: 200n }, NOON);
    expect(stopped).toMatchObject({ outcome: 'insufficient', available: 70n, hold: { amount: 30n, used: 30n } });
    expect(expireHold(stopped.wallet, stopped.hold, NOON)).toMatchObject({ outcome: 'captured', charged: 30n });
    expect(expireHold(taken.wallet, taken.hold, NOON)).toMatchObject({
      outcome: 'expired',
      hold: { state: 'expired' },
    });
  });
});

describe('limits', () => {
  it('count what is held like what is spent, in the window in which the hold began', () => {
    const before = wallet({ grants: [grant('A', 1000n)], limits: [limit(100n)] });
    const taken = held(before, 60n, {}, at('2026-11-21T12:59:59Z'));
    const inWindow = at('2026-11-21T12:59:59.500Z');
    expect(takeHold(taken.wallet, request(41n), inWindow)).toMatchObject({ outcome: 'limit', left: 40n });
    const next = at('2026-11-21T13:00:00Z');
    const captured = captureHold(taken.wallet, taken.hold, 60n, next);
    expect(captured.wallet.counters).toEqual([{ limit: 'lim_1', start: NOON, spent: 60n, held: 0n }]);
    expect(takeHold(captured.wallet, request(100n), next).outcome).toBe('held');
  });

  it('hold for one key or one meter alone, and name the tightest', () => {
    const limits = [
      limit(50n, { id: 'a', subject: { kind: 'meter', meter: 'calls' } }),
      limit(20n, { id: 'b', subject: { kind: 'key', key: 'key_1' }, window: 'lifetime' }),
      limit(5n, { id: 'c', hard: false }),
    ];
    const asked = (amount: bigint, key?: string, meter = 'calls') =>
      limitVerdict(limits, [], { amount, key, meter }, NOON);
    expect(asked(51n, 'key_1')).toMatchObject({ ok: false, limit: { id: 'b' }, left: 20n });
    expect(asked(51n)).toMatchObject({ ok: false, limit: { id: 'a' } });
    expect(asked(51n, undefined, 'seconds')).toMatchObject({ ok: true });
  });

  it('bound an extension as they bound a hold, budgets of a key too', () => {
    const budget = limit(40n, { id: 'key_1/day', subject: { kind: 'key', key: 'key_1' }, window: 'day' });
    const taken = held(wallet({ grants: [grant('A', 1000n)] }), 30n, { key: 'key_1', budgets: [budget] });
    expect(extendHold(taken.wallet, taken.hold, { used: 0n, amount: 41n }, NOON)).toMatchObject({
      outcome: 'limit',
      limit: { id: 'key_1/day', amount: 40n },
      left: 10n,
    });
  });
});

describe('alerts', () => {
  it('come once per crossing and again after recovery', () => {
    expect(risingTo([80n, 100n], 79n, 100n)).toEqual([80n, 100n]);
    expect(risingTo([80n], 80n, 90n)).toEqual([]);
    expect(fallingTo([10n, 5n], 11n, 5n)).toEqual([10n, 5n]);
    expect(fallingTo([10n], 10n, 9n)).toEqual([]);
    expect(fallingTo([10n], 20n, 10n)).toEqual([10n]);
    expect(multiplesReached(10n, 9n, 30n)).toEqual({ first: 10n, last: 30n });
    expect(multiplesReached(10n, 10n, 19n)).toBeUndefined();
  });

  it('tell of a soft limit that is passed and of a balance that fell', () => {
    const before = wallet({
      grants: [grant('A', 100n)],
      limits: [limit(40n, { hard: false, alertPercents: [50, 100] })],
      alertBelow: [60n],
    });
    const taken = held(before, 45n);
    const { alerts } = captureHold(taken.wallet, taken.hold, 45n, NOON);
    expect(alerts.map((alert) => [alert.kind, alert.threshold])).toEqual([
      ['balance_low', 60n],
      ['limit_reached', 20n],
      ['limit_reached', 40n],
    ]);
  });
});

describe('auto top-up', () => {
  const settings = { threshold: 10n, buys: { upTo: 50n }, coolOffSeconds: 60, perDay: 2, maxFailures: 2 };
  const none = { pending: false, onThatDay: 0, failures: 0 };

  it('buys up to the target, one at a time, with a pause, so many a day, and stops after failures', () => {
    const first = topUpVerdict(settings, none, 8n, NOON);
    if (!first.due) throw new Error(first.why);
    expect(first.amount).toBe(42n);
    expect(topUpVerdict(settings, first.state, 8n, NOON)).toEqual({ due: false, why: 'pending' });
    const failed = topUpEnded(first.state, false);
    expect(topUpVerdict(settings, failed, 8n, instant(NOON + 59_999))).toEqual({ due: false, why: 'cooling_off' });
    const second = topUpVerdict(settings, failed, 8n, instant(NOON + 60_000));
    if (!second.due) throw new Error(second.why);
    expect(topUpVerdict(settings, topUpEnded(second.state, true), 0n, instant(NOON + 200_000))).toEqual({
      due: false,
      why: 'daily_limit',
    });
    expect(topUpVerdict(settings, topUpEnded(second.state, true), 0n, instant(NOON + DAY))).toMatchObject({
      due: true,
    });
    expect(topUpVerdict(settings, topUpEnded(second.state, false), 0n, instant(NOON + DAY))).toEqual({
      due: false,
      why: 'stopped',
    });
    expect(topUpVerdict(settings, none, 11n, NOON)).toEqual({ due: false, why: 'enough' });
  });
});

it('parts of one grant add up', () => {
  expect(
    addUp([
      { grant: 'A', amount: 1n },
      { grant: 'B', amount: 2n },
      { grant: 'A', amount: 3n },
    ]),
  ).toEqual([
    { grant: 'A', amount: 4n },
    { grant: 'B', amount: 2n },
  ]);
});

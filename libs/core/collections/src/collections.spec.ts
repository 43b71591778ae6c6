import fc from 'fast-check';
import { amount, erc20Asset, USD } from '@core/money';
import {
  afterFailure,
  afterVerdict,
  advanceAttempt,
  advanceCollection,
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  attemptKey,
  chooseMethod,
  collectable,
  COLLECTION_STATES,
  COLLECTION_TRANSITIONS,
  DEFAULT_DUNNING,
  type IntentSeen,
  isAvoided,
  isOpenAttempt,
  judgeIntent,
  KEY_LIVES_MS,
  meaningOf,
  nextStep,
  pollAfterMs,
  troubleAfterMs,
} from './index.js';

const USDC = erc20Asset(8453, '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913');

describe('the states of an attempt and of a collection', () => {
  it('go as the tables say and not otherwise', () => {
    for (const from of ATTEMPT_STATES)
      for (const to of ATTEMPT_STATES)
        if (ATTEMPT_TRANSITIONS[from].includes(to)) expect(advanceAttempt(from, to)).toBe(to);
        else expect(() => advanceAttempt(from, to)).toThrow(`from ${from} to ${to}`);
    for (const from of COLLECTION_STATES)
      for (const to of COLLECTION_STATES)
        if (COLLECTION_TRANSITIONS[from].includes(to)) expect(advanceCollection(from, to)).toBe(to);
        else expect(() => advanceCollection(from, to)).toThrow(`from ${from} to ${to}`);
  });

  it('let every open attempt end, and none that ended be open again', () => {
    for (const state of ATTEMPT_STATES) {
      const reached = new Set([state]);
      for (const at of reached) for (const next of ATTEMPT_TRANSITIONS[at]) reached.add(next);
      const ends = [...reached].some((one) => !isOpenAttempt(one));
      expect(ends).toBe(true);
      if (!isOpenAttempt(state)) expect([...reached].filter(isOpenAttempt)).toEqual([]);
    }
  });

  it('let every collection end paid, closed or uncollectible', () => {
    for (const state of COLLECTION_STATES) {
      const reached = new Set([state]);
      for (const at of reached) for (const next of COLLECTION_TRANSITIONS[at]) reached.add(next);
      expect([...reached]).toEqual(expect.arrayContaining(['closed']));
    }
  });
});

describe('what a refusal means', () => {
  it.each([
    'account_closed',
    'debit_not_authorized',
    'bank_account_restricted',
    'expired_card',
    'stolen_card',
    'lost_card',
    'fraudulent',
  ])('%s ends the method', (code) => expect(meaningOf(code)).toBe('dead'));

  it('is that it may work another day where the code is unknown', () => {
    expect(meaningOf('insufficient_funds')).toBe('later');
    expect(meaningOf('a_code_of_tomorrow')).toBe('later');
    expect(meaningOf('authentication_required')).toBe('holder');
  });

  it('is the next method at once for one that is dead, and the schedule for anything else', () => {
    const failed = { othersLeft: true, step: 0, schedule: DEFAULT_DUNNING };
    expect(afterFailure({ ...failed, code: 'expired_card' })).toEqual({ kind: 'next_method' });
    expect(afterFailure({ ...failed, code: 'insufficient_funds' })).toMatchObject({ kind: 'dunning', step: 1 });
    expect(afterFailure({ ...failed, othersLeft: false, code: 'expired_card' })).toMatchObject({ kind: 'dunning' });
    expect(afterFailure({ ...failed, code: undefined })).toMatchObject({ kind: 'dunning' });
  });

  it('keeps money that was asked back from being asked for there again, but for want of funds', () => {
    expect(isAvoided({ code: 'product_not_received', isReversed: true })).toBe(true);
    expect(isAvoided({ code: 'insufficient_funds', isReversed: true })).toBe(false);
    expect(isAvoided({ code: 'insufficient_funds', isReversed: false })).toBe(false);
    expect(isAvoided({ code: 'expired_card', isReversed: false })).toBe(true);
  });

  it('takes 3, 5 and 7 days and then gives up', () => {
    const days = [0, 1, 2, 3].map((step) =>
      afterFailure({ code: undefined, othersLeft: false, step, schedule: DEFAULT_DUNNING }),
    );
    expect(days.map((after) => (after.kind === 'dunning' ? after.afterMs / 86_400_000 : after.kind))).toEqual([
      3,
      5,
      7,
      'uncollectible',
    ]);
  });
});

describe('the amount a card collects', () => {
  it('is whole cents, never more than is due, and less than a cent below it', () => {
    fc.assert(
      fc.property(fc.bigInt(500_000n, 999_999_999_999n), (due) => {
        const sum = collectable(amount(USDC, due));
        if (sum.kind !== 'cents') throw new Error(sum.kind);
        expect(sum.covers.atomic).toBe(sum.cents * 10_000n);
        expect(sum.covers.atomic <= due && due - sum.covers.atomic < 10_000n).toBe(true);
      }),
    );
    expect(collectable(amount(USD.id, 4_210n))).toEqual({
      kind: 'cents',
      cents: 4_210n,
      covers: amount(USD.id, 4_210n),
    });
  });

  it('is at least 50 cents and at most eight digits', () => {
    expect(collectable(amount(USDC, 499_999n)).kind).toBe('too_small');
    expect(collectable(amount(USD.id, 49n)).kind).toBe('too_small');
    expect(collectable(amount(USD.id, 50n)).kind).toBe('cents');
    expect(collectable(amount(USD.id, 100_000_000n)).kind).toBe('too_large');
  });
});

describe('the method to try', () => {
  const card = { id: 'a', rail: 'card', type: 'card' } as const;
  const bank = { id: 'b', rail: 'bank', type: 'us_bank_account' } as const;
  const sepa = { id: 'c', rail: 'bank', type: 'sepa_debit' } as const;

  it('is the first on the rails of the terms that is not set aside, and never one of another currency', () => {
    expect(chooseMethod([card, bank], ['bank', 'card'], new Set())).toBe(bank);
    expect(chooseMethod([sepa, card, bank], ['bank', 'card'], new Set())).toBe(bank);
    expect(chooseMethod([card, bank], ['bank', 'card'], new Set(['b']))).toBe(card);
    expect(chooseMethod([card, sepa], ['bank'], new Set())).toBeUndefined();
  });
});

describe('a fetched object', () => {
  const attempt = { id: 'att_1', intent: 'pi_1', cents: 500n, currency: 'usd' };
  const seen: IntentSeen = {
    id: 'pi_1',
    status: 'succeeded',
    cents: 500n,
    centsReceived: 500n,
    currency: 'usd',
    attempt: 'att_1',
    code: undefined,
    charge: 'ch_1',
  };

  it('proves a success by everything it says', () => {
    expect(judgeIntent(attempt, seen)).toEqual({ kind: 'succeeded' });
  });

  it.each<[string, Partial<IntentSeen>]>([
    ['another amount', { cents: 501n, centsReceived: 501n }],
    ['another currency', { currency: 'eur' }],
    ['another attempt', { attempt: 'att_2' }],
    ['no attempt', { attempt: undefined }],
    ['another intent', { id: 'pi_2' }],
    ['a part received', { centsReceived: 499n }],
    ['a capture awaited', { status: 'requires_capture' }],
    ['a status of tomorrow', { status: 'other' }],
  ])('with %s is an alarm and nothing else', (_, changed) => {
    expect(judgeIntent(attempt, { ...seen, ...changed }).kind).toBe('alarm');
  });

  it('that is old moves nothing back', () => {
    for (const from of ['succeeded', 'failed', 'disputed', 'reversed', 'abandoned'] as const)
      for (const verdict of [
        { kind: 'processing' },
        { kind: 'requires_action' },
        { kind: 'unconfirmed' },
        { kind: 'refused', code: 'x' },
        { kind: 'canceled', code: 'x' },
      ] as const)
        expect(afterVerdict(from, verdict, true)).toBeUndefined();
    expect(afterVerdict('processing', { kind: 'unconfirmed' }, true)).toBeUndefined();
    expect(afterVerdict('reversed', { kind: 'succeeded' }, true)).toBeUndefined();
  });

  it('that is cancelled failed when it was tried, and was let go otherwise', () => {
    expect(afterVerdict('created', { kind: 'canceled', code: 'x' }, true)).toBe('failed');
    expect(afterVerdict('created', { kind: 'canceled', code: 'x' }, false)).toBe('abandoned');
  });
});

describe('the next call', () => {
  const at = { ageMs: 0, stateAgeMs: 0, confirmAgeMs: undefined, keySpent: false, verdict: undefined, notFound: false };

  it('never uses a key after 23 hours or one that keeps an error', () => {
    for (const old of [{ ageMs: KEY_LIVES_MS }, { keySpent: true }]) {
      expect(nextStep({ ...at, ...old, state: 'prepared' })).toBe('find');
      expect(nextStep({ ...at, ...old, state: 'prepared', notFound: true })).toBe('abandon');
    }
    const tried = { ...at, state: 'created', confirmAgeMs: KEY_LIVES_MS } as const;
    expect(nextStep(tried)).toBe('read');
    expect(nextStep({ ...tried, verdict: 'unconfirmed' })).toBe('cancel');
  });

  it('is to read whenever a confirm may have been sent', () => {
    expect(nextStep({ ...at, state: 'created' })).toBe('confirm');
    expect(nextStep({ ...at, state: 'created', confirmAgeMs: 1 })).toBe('read');
    expect(nextStep({ ...at, state: 'created', confirmAgeMs: 1, verdict: 'unconfirmed' })).toBe('confirm');
    for (const state of ['processing', 'requires_action', 'refused'] as const)
      expect(nextStep({ ...at, state })).toBe('read');
  });

  it('comes 1 m, 5 m, 30 m and 2 h after, and then every 6 hours', () => {
    expect([0, 1, 2, 3, 4, 40].map((polls) => pollAfterMs(polls) / 60_000)).toEqual([1, 5, 30, 120, 360, 360]);
    expect([0, 1, 2, 3, 9].map(troubleAfterMs)).toEqual([1_000, 5_000, 15_000, 60_000, 300_000]);
  });

  it('has a key of its own for each step, short enough for Stripe', () => {
    const statement = `stm_${'0'.repeat(32)}`;
    const keys = (['create', 'confirm', 'cancel'] as const).map((step) => attemptKey(statement, 2, step));
    expect(new Set(keys).size).toBe(3);
    expect(Math.max(...keys.map(({ length }) => length))).toBeLessThan(255);
  });
});

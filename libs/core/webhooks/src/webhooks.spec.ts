import fc from 'fast-check';
import { addMs, instant } from '@core/time';
import {
  afterAttempt,
  attemptsAtOnce,
  bodyOf,
  type Breaker,
  EVENT_KINDS,
  EVENT_TYPES,
  eventKind,
  isEventType,
  messageHeaders,
  MOST_ATTEMPTS,
  nextAttempt,
  requireTrueToType,
  signedText,
  SOUND,
  verdictOn,
} from './index.js';

const HOUR = 3_600_000;
const instants = fc.integer({ min: 0, max: 4_000_000_000_000 }).map(instant);
const spreads = fc.integer({ min: 0, max: 999 });

describe('the schedule', () => {
  it('is ten attempts within three days, and most of them', () => {
    fc.assert(
      fc.property(instants, fc.array(spreads, { minLength: 9, maxLength: 9 }), (start, drawn) => {
        let at = start;
        drawn.forEach((spread, i) => {
          const next = nextAttempt(i + 1, at, spread);
          expect(next).toBeGreaterThan(at);
          at = next ?? at;
        });
        expect(at - start).toBeLessThanOrEqual(72 * HOUR);
        expect(at - start).toBeGreaterThan(56 * HOUR);
        expect(nextAttempt(MOST_ATTEMPTS, at, 0)).toBeUndefined();
      }),
    );
    expect(MOST_ATTEMPTS).toBe(10);
  });

  it('waits longer each time, however the waits are spread', () => {
    fc.assert(
      fc.property(spreads, spreads, fc.integer({ min: 1, max: 8 }), (one, other, attempts) => {
        const now = instant(0);
        expect(nextAttempt(attempts, now, one)).toBeLessThan(nextAttempt(attempts + 1, now, other) ?? 0);
      }),
    );
  });

  it('brings what failed together back apart', () => {
    const back = new Set(Array.from({ length: 1_000 }, (_, spread) => nextAttempt(3, instant(0), spread)));
    expect(back.size).toBe(1_000);
  });
});

describe('the breaker', () => {
  const attempts = fc.array(
    fc.record({ ok: fc.boolean(), afterMs: fc.integer({ min: 0, max: HOUR }), spread: spreads }),
  );

  it('pauses after five failures in a row, never for more than half an hour, and is sound after one success', () => {
    fc.assert(
      fc.property(instants, attempts, (start, seen) => {
        let breaker: Breaker = SOUND;
        let now = start;
        let inRow = 0;
        for (const { ok, afterMs, spread } of seen) {
          now = addMs(now, afterMs);
          breaker = afterAttempt(breaker, ok, now, spread);
          inRow = ok ? 0 : inRow + 1;
          expect(breaker.failures).toBe(inRow);
          expect(breaker.pausedUntil === undefined).toBe(inRow < 5);
          if (breaker.pausedUntil !== undefined) {
            expect(breaker.pausedUntil).toBeGreaterThan(now);
            expect(breaker.pausedUntil - now).toBeLessThanOrEqual(HOUR / 2);
          }
          if (ok) expect(breaker).toEqual(SOUND);
        }
      }),
    );
  });

  it('lets nothing through while it pauses, one attempt to see, and all once that succeeded', () => {
    const now = instant(1_000_000);
    const paused: Breaker = { failures: 7, pausedUntil: addMs(now, 1) };
    expect(attemptsAtOnce(paused, 4, now)).toBe(0);
    expect(attemptsAtOnce(paused, 4, addMs(now, 1))).toBe(1);
    expect(attemptsAtOnce(afterAttempt(paused, true, now, 0), 4, now)).toBe(4);
    expect(attemptsAtOnce({ failures: 4, pausedUntil: undefined }, 3, now)).toBe(3);
  });
});

describe('an answer', () => {
  const now = instant(1_795_000_000_000);
  it.each([
    [{ outcome: 'answered', status: 200 }, 1, 'delivered'],
    [{ outcome: 'answered', status: 204 }, 10, 'delivered'],
    [{ outcome: 'answered', status: 299 }, 1, 'delivered'],
    [{ outcome: 'answered', status: 302 }, 1, 'retrying'],
    [{ outcome: 'answered', status: 404 }, 1, 'retrying'],
    [{ outcome: 'answered', status: 500 }, 9, 'retrying'],
    [{ outcome: 'answered', status: 500 }, 10, 'exhausted'],
    [{ outcome: 'answered', status: 410 }, 1, 'exhausted'],
    [{ outcome: 'failed', why: 'ECONNREFUSED' }, 3, 'retrying'],
    [{ outcome: 'refused', why: 'inside' }, 10, 'exhausted'],
  ] as const)('%j to attempt %i leaves it %s', (answer, attempts, state) => {
    expect(verdictOn(answer, attempts, now, 0).state).toBe(state);
  });

  it('of 410 alone says that nobody is there', () => {
    expect(verdictOn({ outcome: 'answered', status: 410 }, 1, now, 0)).toEqual({ state: 'exhausted', gone: true });
    expect(verdictOn({ outcome: 'answered', status: 500 }, 10, now, 0)).toEqual({ state: 'exhausted', gone: false });
  });
});

describe('events', () => {
  it.each(EVENT_TYPES.map((type) => [type] as const))(
    'of type %s say what they are, by an example that is one',
    (type) => {
      const { about, version, data, example, of } = eventKind(type);
      expect(data.safeParse(example)).toMatchObject({ success: true });
      expect(typeof example[of]).toBe('string');
      expect(about).toMatch(/^[A-Z].*\.$/);
      expect(version).toBe(1);
    },
  );

  it('carry what their type promises and nothing else', () => {
    const object = { id: 'acct_1', version: 1 };
    const data = { account: 'acct_1', reason: 'dispute_lost' };
    expect(() => requireTrueToType({ type: 'account.suspended', object, data })).not.toThrow();
    for (const wrong of [{ account: 'acct_1' }, { ...data, more: 1 }, { ...data, reason: 7 }]) {
      expect(() => requireTrueToType({ type: 'account.suspended', object, data: Object(wrong) })).toThrow();
    }
    for (const version of [-1, 1.5, Number.NaN]) {
      expect(() => requireTrueToType({ type: 'account.suspended', object: { id: 'a', version }, data })).toThrow();
    }
    expect(isEventType('toString')).toBe(false);
  });

  it('are the same bytes at every attempt', () => {
    const event = {
      id: 'evt_1',
      type: 'endpoint.test',
      version: 1,
      object: { id: 'whe_1', version: 1 },
      data: EVENT_KINDS['endpoint.test'].example,
      occurredAt: instant(1_795_000_000_123),
    };
    expect(bodyOf(event)).toBe(bodyOf(structuredClone(event)));
    expect(JSON.parse(bodyOf(event))).toMatchObject({ id: 'evt_1', timestamp: '2026-11-18T11:06:40.123Z', version: 1 });
  });
});

describe('a signature', () => {
  it('is of the id, the second and the body, and one stands for each secret', () => {
    const at = instant(1_795_000_000_999);
    expect(signedText('evt_1', at, '{"a":1}')).toBe('evt_1.1795000000.{"a":1}');
    expect(messageHeaders('evt_1', at, ['one', 'two'])).toMatchObject({
      'webhook-id': 'evt_1',
      'webhook-timestamp': '1795000000',
      'webhook-signature': 'v1,one v1,two',
    });
  });
});

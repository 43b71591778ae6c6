import fc from 'fast-check';
import { timeOrderedIds } from './ids.js';
import { secondsBetween } from './quantity.js';
import { delayBeforeRetry, pauseOf } from './retry.js';

describe('ids', () => {
  it('are version 7, distinct, and sort in the order they were made, whatever the clock does', () => {
    const clockReadings = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(clockReadings, (readings) => {
        const left = [...readings];
        const newId = timeOrderedIds(() => 1_795_000_000_000 + (left.shift() ?? 0));
        const ids = readings.map(() => newId());
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids).toEqual([...ids].sort());
        for (const id of ids)
          expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      }),
      { numRuns: 50 },
    );
  });

  it('stay in order through more ids than a millisecond has room for', () => {
    const newId = timeOrderedIds(() => 1_795_000_000_000);
    const ids = Array.from({ length: 10_000 }, newId);
    expect(ids).toEqual([...ids].sort());
  });

  it('begin with the time', () => {
    expect(timeOrderedIds(() => 0x0123456789ab)()).toMatch(/^01234567-89ab-7000-/);
  });
});

describe('seconds', () => {
  it.each([
    [0, '0'],
    [1, '0.001'],
    [1000, '1'],
    [1250.5, '1.2505'],
    [0.0009, '0'],
    [86_400_000.001, '86400.000001'],
    [-5, '0'],
  ])('%p ms are %s s', (ms, seconds) => expect(secondsBetween(0, ms)).toBe(seconds));
});

describe('delays', () => {
  const backoff = (random: number) => ({ minDelayMs: 250, maxDelayMs: 30_000, random: () => random });

  it('grow twofold up to the longest, and lie anywhere below it', () => {
    const ceilings = [1, 2, 3, 7, 8, 30, 2_000].map((failures) => delayBeforeRetry(failures, 0, backoff(1)));
    expect(ceilings).toEqual([250, 500, 1_000, 16_000, 30_000, 30_000, 30_000]);
    expect(delayBeforeRetry(3, 0, backoff(0))).toBe(0);
  });

  it('are never shorter than the server asked for, an hour at most', () => {
    expect(delayBeforeRetry(1, 5_000, backoff(0))).toBe(5_000);
    expect(delayBeforeRetry(1, 1e12, backoff(0))).toBe(3_600_000);
  });

  it.each([
    [null, 0],
    ['3', 3_000],
    [' 120 ', 120_000],
    ['Thu, 01 Jan 1970 00:00:10 GMT', 9_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', 0],
  ])('Retry-After %p asks for %i ms', (header, ms) => expect(pauseOf(header, 1_000)).toBe(ms));
});

import fc from 'fast-check';
import { bisect, inSettlingOrder, retryDelayMs, searchSince } from './batching.js';

describe('batches', () => {
  it('go by what has the least time left', () => {
    const items = fc.array(fc.record({ id: fc.uuid(), validBefore: fc.bigInt(0n, 5n) }));
    fc.assert(
      fc.property(items, (list) => {
        const ordered = inSettlingOrder(list);
        expect([...ordered].sort((a, b) => a.id.localeCompare(b.id))).toEqual(
          [...list].sort((a, b) => a.id.localeCompare(b.id)),
        );
        ordered
          .slice(1)
          .forEach((item, i) => expect(item.validBefore).toBeGreaterThanOrEqual(ordered[i]?.validBefore ?? 0n));
      }),
    );
  });

  it('are cut into halves that hold every item once, down to single ones', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 2, maxLength: 300 }), (items) => {
        const [first, second] = bisect(items);
        expect([...first, ...second]).toEqual(items);
        expect(Math.max(first.length, second.length)).toBeLessThan(items.length);
      }),
    );
  });
});

describe('attempts', () => {
  it('come half a second apart at first, then twice as far, and ten seconds at most', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 100].map(retryDelayMs)).toEqual([
      500, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
    ]);
  });

  it('search for the use of an authorization ever farther back', () => {
    expect([1, 2, 3].map((attempts) => searchSince(1_000_000n, attempts))).toEqual([996_400n, 992_800n, 985_600n]);
    expect(searchSince(1_000n, 50)).toBe(0n);
  });
});

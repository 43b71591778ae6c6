import { randomBytes } from 'node:crypto';
import { addToFilter, emptyFilter, hashesAt, mayContain } from './identity-filter.js';

describe('a filter of identities', () => {
  it('never denies what was added, and seldom takes another for one of them', () => {
    const [added, others] = [randomBytes(16 * 20_000), randomBytes(16 * 20_000)];
    const filter = emptyFilter(20_000);
    const places = Array.from({ length: 20_000 }, (_, i) => i * 16);
    for (const at of places) addToFilter(filter, ...hashesAt(added, at));
    expect(places.every((at) => mayContain(filter, ...hashesAt(added, at)))).toBe(true);
    const mistaken = places.filter((at) => mayContain(filter, ...hashesAt(others, at))).length;
    expect(mistaken / 20_000).toBeLessThan(0.008);
    expect(filter.length / 20_000).toBe(1.5);
  });

  it('of an empty segment denies everything', () => {
    expect(mayContain(emptyFilter(0), ...hashesAt(randomBytes(16), 0))).toBe(false);
  });
});

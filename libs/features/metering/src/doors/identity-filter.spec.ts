import { randomBytes } from 'node:crypto';
import { addToFilter, emptyFilter, mayContain } from './identity-filter.js';
import { ID_WORDS, wordsOf } from './identity-record.js';

describe('a filter of identities', () => {
  it('never denies what was added, and seldom takes another for one of them', () => {
    const [added, others] = [wordsOf(randomBytes(16 * 20_000)), wordsOf(randomBytes(16 * 20_000))];
    const filter = emptyFilter(20_000);
    const places = Array.from({ length: 20_000 }, (_, i) => i * ID_WORDS);
    for (const at of places) addToFilter(filter, added, at);
    expect(places.every((at) => mayContain(filter, added, at))).toBe(true);
    const mistaken = places.filter((at) => mayContain(filter, others, at)).length;
    expect(mistaken / 20_000).toBeLessThan(0.004);
    expect(filter.byteLength / 20_000).toBeLessThan(2.01);
  });

  it('of an empty segment denies everything', () => {
    expect(mayContain(emptyFilter(0), wordsOf(randomBytes(16)), 0)).toBe(false);
  });
});

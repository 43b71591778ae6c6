import fc from 'fast-check';
import { canonicalJson, jsonOf } from './index.js';

/** JSON of whole numbers. */
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value')),
    fc.dictionary(fc.string(), tie('value')),
  ),
})).value;

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, inner]) => [name, shuffled(inner)]),
  );
};

describe('canonical JSON', () => {
  it('reads back as what it was, and does not depend on the order of keys', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(jsonOf(value));
        expect(JSON.parse(text)).toEqual(value);
        expect(canonicalJson(jsonOf(shuffled(value)))).toBe(text);
      }),
    );
  });

  it('spells as RFC 8785 does', () => {
    expect(
      canonicalJson({ '\u20ac': 'Euro', '\r': 'CR', '1': 'one', ö: -0, a: undefined, b: [true, null, '\u000f'] }),
    ).toBe('{"\\r":"CR","1":"one","b":[true,null,"\\u000f"],"ö":0,"€":"Euro"}');
  });

  it('refuses numbers that have no one spelling', () => {
    for (const number of [0.1, 1e21, Number.NaN]) expect(() => canonicalJson(number)).toThrow(/whole numbers/);
  });
});

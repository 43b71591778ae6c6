import { canonicalJson } from './canonical-json.js';

describe('canonical JSON', () => {
  it('writes the example of its standard', () => {
    const value = {
      numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000f\nA\'B"\\\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it('orders members by UTF-16 units, at every depth, and leaves out what is not there', () => {
    const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, ö: 7, gone: undefined };
    const order = ['\r', '1', '\u0080', 'ö', '\u20ac', '\u{1f600}', '\ufb33'];
    expect([...canonicalJson(keys).matchAll(/"(.*?)":/g)].map(([, key]) => JSON.parse(`"${key}"`) as string)).toEqual(
      order,
    );
    expect(canonicalJson([{ b: { d: 1, c: [] }, a: undefined }, undefined])).toBe('[{"b":{"c":[],"d":1}},null]');
    expect(canonicalJson({ at: new Date(0) })).toBe('{"at":"1970-01-01T00:00:00.000Z"}');
  });

  it.each([Number.NaN, Infinity, 1n, undefined, () => 1])('has no form for %p', (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

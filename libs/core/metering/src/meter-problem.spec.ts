import fc from 'fast-check';
import { exact, exampleMeter } from './meter.examples.js';
import { AGGREGATIONS, type Meter, quantityUnit } from './meter.js';
import { meterChangeProblem, meterProblem } from './meter-problem.js';
import { readMeterRules, writeMeterRules } from './meter-rules.js';

describe('a meter definition', () => {
  it('of every aggregation can be plain', () => {
    expect(AGGREGATIONS.map((each) => meterProblem(exampleMeter(each)))).toEqual(AGGREGATIONS.map(() => undefined));
  });

  it.each([
    ['A meter is named', { name: '-x' }],
    ['An event type has', { eventType: 'a b' }],
    ['A unit is a word', { unit: '5' }],
    ['at most 500', { description: 'x'.repeat(501) }],
    ['Only a unique meter has a "property"', { property: 'user' }],
    ['Only a latest meter carries', { carryOver: true }],
    ['says nothing', { filters: [{ dimension: 'a' }] }],
    ['1 to 100 values', { filters: [{ dimension: 'a', in: [] }] }],
    ['no event meets both', { filters: [{ dimension: 'a', exists: false, in: ['b'] }] }],
    ['no event meets it', { filters: [{ dimension: 'a', in: ['b'], notIn: ['b', 'c'] }] }],
    [
      'Filter 2 must be the name of a dimension',
      {
        filters: [
          { dimension: 'a', exists: true },
          { dimension: 'é'.repeat(33), exists: true },
        ],
      },
    ],
    ['groups by "a" twice', { groupBy: ['a', 'b', 'a'] }],
    ['at most 8 dimensions', { groupBy: Array.from({ length: 9 }, (_, i) => `d${i}`) }],
    ['more than zero, and the conversion says 0', { conversion: { divideBy: exact('0'), unit: 'x' } }],
    ['The unit after conversion', { conversion: { divideBy: exact('1'), unit: '' } }],
    ['rounded to -18 to 18', { rounding: { mode: 'up', places: 19 } }],
    ['Only a duration meter', { duration: {} }],
    ['must be more than zero', { limits: { perEvent: exact('0') } }],
  ] satisfies [string, Partial<Meter>][])('is refused with "… %s …"', (sentence, rules) => {
    expect(meterProblem(exampleMeter('sum', rules))).toContain(sentence);
  });

  it('is refused where rules and aggregation do not go together', () => {
    expect(meterProblem({ ...exampleMeter('count'), itemized: true })).toContain('Only meters of values');
    expect(meterProblem({ ...exampleMeter('count'), limits: { perEvent: exact('2') } })).toContain('counts one');
    const { property, ...unnamed } = exampleMeter('unique');
    expect(property).toBe('user');
    expect(meterProblem(unnamed)).toContain('needs a "property"');
    const run = (seconds: string) =>
      meterProblem(exampleMeter('duration', { duration: { minimumSeconds: exact(seconds) } }));
    expect([run('0.0001'), run('0'), run('31622401')]).toEqual([
      expect.stringContaining('three decimal places'),
      expect.stringContaining('more than zero'),
      expect.stringContaining('at most a year'),
    ]);
  });

  it('says its unit: over time for levels and runs, and what it is converted to', () => {
    const unit = (aggregation: Meter['aggregation'], word: string, rules: Partial<Meter> = {}) =>
      quantityUnit(exampleMeter(aggregation, { unit: word, ...rules }));
    expect(unit('count', 'call')).toBe('call');
    expect(unit('level', 'byte')).toBe('byte-second');
    expect(unit('duration', 'vcpu')).toBe('vcpu-second');
    expect(unit('duration', 'second')).toBe('second');
    expect(unit('level', 'byte', { conversion: { divideBy: exact('3600000000000'), unit: 'GB-hour' } })).toBe(
      'GB-hour',
    );
  });

  it('keeps name, aggregation and unit from version to version', () => {
    const first = exampleMeter('sum', { unit: 'byte' });
    expect(meterChangeProblem(first, { ...first, groupBy: ['region'] })).toBeUndefined();
    expect(meterChangeProblem(first, { ...first, name: 'other' })).toContain('keeps its name');
    expect(meterChangeProblem(first, { ...first, aggregation: 'max' })).toContain('keeps its aggregation');
    expect(meterChangeProblem(first, { ...first, conversion: { divideBy: exact('1000'), unit: 'kB' } })).toContain(
      'keeps the unit',
    );
  });
});

describe('the rules of a meter as JSON', () => {
  const words = fc.string({ minLength: 1, maxLength: 8 });
  const decimals = fc.bigInt(1n, 10n ** 20n).map((units) => exact(units.toString()));
  const rules = fc.record(
    {
      property: words,
      filters: fc.array(
        fc.record(
          { dimension: words, in: fc.array(words), notIn: fc.array(words), exists: fc.boolean() },
          { requiredKeys: ['dimension'] },
        ),
      ),
      groupBy: fc.array(words),
      itemized: fc.boolean(),
      conversion: fc.record({ divideBy: decimals, unit: words }),
      rounding: fc.record({
        mode: fc.constantFrom('up', 'down', 'nearest'),
        places: fc.integer({ min: -18, max: 18 }),
      }),
      carryOver: fc.boolean(),
      duration: fc.record(
        { minimumSeconds: decimals, incrementSeconds: decimals, heartbeatLimitSeconds: decimals },
        { requiredKeys: [] },
      ),
      limits: fc.record({ perEvent: decimals, perHour: decimals }, { requiredKeys: [] }),
    },
    { requiredKeys: ['filters', 'groupBy', 'itemized'] },
  );

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(rules, (given) => {
        expect(readMeterRules(JSON.parse(JSON.stringify(writeMeterRules(given))))).toEqual(given);
      }),
    );
    expect(readMeterRules(undefined)).toEqual({ filters: [], groupBy: [], itemized: false });
  });

  it.each([
    ['"rules" must be an object', []],
    ['"filter" is not a field of "rules"', { filter: [] }],
    ['"filters" must be a list', { filters: {} }],
    ['"filters[0].dimension" must be a string', { filters: [{}] }],
    ['"filters[1].in[0]" must be a string', { filters: [{ dimension: 'a' }, { dimension: 'a', in: [1] }] }],
    ['"itemized" must be true or false', { itemized: 'yes' }],
    ['"conversion.divideBy" must be a plain decimal', { conversion: { divideBy: 1000, unit: 'kB' } }],
    ['"rounding.mode" must be', { rounding: { mode: 'half', places: 0 } }],
    ['"rounding.places" must be an integer', { rounding: { mode: 'up', places: 0.5 } }],
    ['"minimum" is not a field of "duration"', { duration: { minimum: '60' } }],
    ['"limits.perHour" must be a plain decimal', { limits: { perHour: '1e9' } }],
  ])('are refused with %s', (sentence, json) => {
    expect(readMeterRules(json)).toEqual({ problem: expect.stringContaining(sentence) });
  });

  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (json) => expect(() => readMeterRules(json)).not.toThrow()),
    );
  });
});

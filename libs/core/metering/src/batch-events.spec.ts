import fc from 'fast-check';
import { formatDecimal, parseDecimal } from '@core/money';
import { instant } from '@core/time';
import { eventAt, packEvents } from './batch-events.js';
import { canonicalContent } from './content.js';
import { contentMarks } from './content-marks.js';
import { at, exact } from './meter.examples.js';
import { ACTIONS, type LoggedEvent } from './usage-event.js';

const number = fc.oneof(
  fc.constantFrom('0', '-0', '1.0', '007', '1e3', '9007199254740993', 'x', ''),
  fc.bigInt(-(10n ** 20n), 10n ** 20n).map(String),
  fc.bigInt(0n, 10n ** 20n).map((units) => formatDecimal({ units, scale: 6 })),
);
const word = fc.oneof(fc.string(), fc.constantFrom('a', 'b', '__proto__', 'constructor', ''));
const logged: fc.Arbitrary<LoggedEvent> = fc.record(
  {
    source: word,
    id: word,
    type: word,
    subject: word,
    time: fc.integer({ min: -1e12, max: 4e12 }).map(instant),
    timeStated: fc.boolean(),
    value: number,
    level: number,
    delta: number,
    action: fc.constantFrom(...ACTIONS),
    weight: number,
    cost: number,
    resource: word,
    dimensions: fc.dictionary(word, word, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
  },
  { requiredKeys: ['source', 'id', 'type', 'subject', 'time', 'timeStated'] },
);

describe('events in columns', () => {
  it('have one mark exactly when they have one canonical content', () => {
    const canonical = (event: LoggedEvent): string => {
      const number = (text: string | undefined) => (text === undefined ? undefined : parseDecimal(text));
      const { value, level, delta, weight, cost, resource, timeStated, time } = event;
      return canonicalContent({
        ...{ meter: event.type, account: '7', action: event.action, dimensions: event.dimensions },
        ...{ value: number(value), level: number(level), delta: number(delta), weight: number(weight) },
        ...{ cost: number(cost), resource: resource === '' ? undefined : resource },
        time: timeStated ? time : undefined,
      });
    };
    // Events that differ in few things, so that many are the same.
    const few: fc.Arbitrary<LoggedEvent> = fc.record(
      {
        source: fc.constant('/s'),
        id: word,
        type: fc.constantFrom('a', 'b'),
        subject: fc.constant('x'),
        time: fc.constantFrom(0, 1, 2 ** 32, -1).map(instant),
        timeStated: fc.boolean(),
        value: fc.constantFrom('1', '1.0', '10', '0.10', '0.1', '-1', '9007199254740993', '9007199254740993.0', 'x'),
        cost: fc.constantFrom('1', '1.0', '0', '-0', '123456789012345678901.5', '123456789012345678901.50'),
        action: fc.constantFrom(...ACTIONS),
        resource: fc.constantFrom('', 'a', 'b'),
        dimensions: fc.constantFrom<Record<string, string>[]>(
          { a: 'b' },
          { a: 'b', c: 'd' },
          { c: 'd', a: 'b' },
          { a: 'd' },
        ),
      },
      { requiredKeys: ['source', 'id', 'type', 'subject', 'time', 'timeStated'] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(few, logged), { minLength: 1, maxLength: 30 }), (events) => {
        const batch = packEvents(events);
        const words = new Uint32Array(2 * events.length);
        const mark = contentMarks(batch);
        events.forEach((_, i) => mark(i, 7, words, 2 * i));
        const marks = events.map((_, i) => `${words[2 * i]} ${words[2 * i + 1]}`);
        const texts = events.map(canonical);
        const alone = events.map((event) => {
          const one = new Uint32Array(2);
          contentMarks(packEvents([event]))(0, 7, one, 0);
          return `${one[0]} ${one[1]}`;
        });
        expect(alone).toEqual(marks);
        expect(marks.map((each) => marks.indexOf(each))).toEqual(texts.map((each) => texts.indexOf(each)));
        mark(0, 8, words, 0);
        expect(`${words[0]} ${words[1]}`).not.toBe(marks[0]);
        expect(marks).not.toContain('0 0');
      }),
      { numRuns: 500 },
    );
  });

  it('come back as they were packed, also by way of JSON', () => {
    fc.assert(
      fc.property(fc.array(logged, { maxLength: 20 }), (events) => {
        const batch = packEvents(events);
        expect(events.map((_, i) => eventAt(batch, i))).toEqual(events);
        const read = JSON.parse(JSON.stringify(batch)) as typeof batch;
        expect(events.map((_, i) => eventAt(read, i))).toEqual(events);
      }),
    );
  });

  it('leave out columns nobody uses, and keep integers as numbers', () => {
    const event = { source: '/s', type: 'm', subject: 'a', time: at('2026-11-21T08:00:00Z'), timeStated: true };
    const { columns } = packEvents([
      { ...event, id: '1', meter: 'mtr_1', value: exact('5') },
      { ...event, id: '2', value: '0.5' },
    ]);
    expect(columns).toEqual({
      type: [0, 0],
      account: [0, 0],
      time: [0, 0],
      value: [5, '0.5'],
      source: [0, 0],
      id: ['1', '2'],
    });
  });

  it('of a stream are named by stream, number and place', () => {
    const batch = {
      stream: '0198c0de-0000-7000-8000-000000000000',
      source: '/s',
      seq: 7,
      t0: 1000,
      types: ['m'],
      accounts: ['a'],
      columns: { type: [0], account: [0], time: [5], value: [3] },
    };
    expect(eventAt(batch, 0)).toEqual({
      source: '/s',
      id: '0198c0de-0000-7000-8000-000000000000.7.0',
      type: 'm',
      subject: 'a',
      time: 1005,
      timeStated: true,
      value: '3',
    });
    expect(() => eventAt(batch, 1)).toThrow('no event 1');
  });
});

import fc from 'fast-check';
import { formatDecimal, parseDecimal } from '@core/money';
import { instant } from '@core/time';
import { eventAt, packEvents } from './batch-events.js';
import { canonicalContents } from './canonical-contents.js';
import { canonicalContent } from './content.js';
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
  it('have the canonical content that they have one by one', () => {
    fc.assert(
      fc.property(fc.array(logged, { minLength: 1, maxLength: 20 }), (events) => {
        const batch = packEvents(events);
        const texts = canonicalContents(batch);
        const number = (text: string | undefined) => (text === undefined ? undefined : parseDecimal(text));
        events.forEach((event, i) => {
          const { value, level, delta, weight, cost, resource, timeStated, time } = event;
          const content = {
            ...{ meter: event.type, account: '7', action: event.action, dimensions: event.dimensions },
            ...{ value: number(value), level: number(level), delta: number(delta), weight: number(weight) },
            ...{ cost: number(cost), resource: resource === '' ? undefined : resource },
            time: timeStated ? time : undefined,
          };
          expect(texts(i, 7)).toBe(canonicalContent(content));
        });
      }),
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

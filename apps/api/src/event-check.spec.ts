import fc from 'fast-check';
import { isPlainEvent } from './event-check.js';
import { event } from './event-shapes.js';

const text = fc.oneof(fc.string(), fc.constantFrom('', '1.5', 'a\0b', '\ud800'));
const odd = fc.oneof(
  fc.constantFrom<unknown[]>(null, undefined, 1, true, [], {}, ['a'], { a: 1 }, 'start', '1.0', 'application/json'),
  text,
);
const field = (plain: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 8, arbitrary: plain }, { weight: 1, arbitrary: odd });
const dimensions = fc.oneof(
  fc.dictionary(text, text, { noNullPrototype: true }),
  fc.dictionary(text, odd, { noNullPrototype: true, maxKeys: 2 }),
);
const data = fc.record(
  {
    value: field(text),
    level: field(text),
    delta: field(text),
    action: field(fc.constantFrom('start', 'stop', 'resize', 'heartbeat')),
    weight: field(text),
    cost: field(text),
    resource: field(text),
    dimensions: field(dimensions),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const strange = fc.tuple(data, fc.constantFrom('Value', 'extra', 'constructor'), odd).map(([of, name, value]) => ({
  ...of,
  [name]: value,
}));
const sent = fc.oneof(
  { weight: 1, arbitrary: odd },
  {
    weight: 20,
    arbitrary: fc.record(
      {
        specversion: field(fc.constant('1.0')),
        id: field(text),
        source: field(text),
        type: field(text),
        subject: field(text),
        time: field(text),
        datacontenttype: field(fc.constant('application/json')),
        data: field(fc.oneof({ weight: 6, arbitrary: data }, strange, fc.constant(null))),
        traceparent: odd,
      },
      { requiredKeys: ['specversion', 'id', 'source', 'type', 'subject'], noNullPrototype: true },
    ),
  },
);

describe('the quick check of usage events', () => {
  it('says of what JSON can hold what the schema says, and the schema changes nothing of it', () => {
    let plain = 0;
    fc.assert(
      fc.property(sent, (value) => {
        // As it travels: what is undefined is not there.
        const read: unknown = JSON.parse(JSON.stringify(value) ?? 'null');
        const parsed = event.safeParse(read);
        expect({ read, plain: isPlainEvent(read) }).toEqual({ read, plain: parsed.success });
        if (!parsed.success) return;
        plain += 1;
        expect(parsed.data).toEqual(read);
      }),
      { numRuns: 4_000 },
    );
    expect(plain).toBeGreaterThan(200);
  });

  it('does not take for an event what only inherits from one', () => {
    const good = { specversion: '1.0', id: '1', source: '/s', type: 't', subject: 'a' };
    expect([isPlainEvent(good), isPlainEvent(Object.create(good)), isPlainEvent([good])]).toEqual([true, false, false]);
  });
});

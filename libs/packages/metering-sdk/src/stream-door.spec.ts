import fc from 'fast-check';
import { readBatch } from '../test/stream-reader.js';
import { type Batch, bytesIn } from './batch.js';
import { timeOrderedIds } from './ids.js';
import { keptBatch, StreamDoor } from './stream-door.js';
import type { StreamUsage } from './stream-draft.js';
import { isStreamable } from './stream-form.js';
import { eventOf, millisecondsOf, type Usage } from './usage.js';

const NOON = Date.UTC(2026, 10, 21, 12);
const SOURCE = '/compute/"tést"';

const name = fc.oneof(
  fc.constantFrom('calls', 'bytes', 'ünïcode', '"quoted"', '名前'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
);
const plain = fc.oneof(
  fc.bigInt(0n, 10n ** 30n).map(String),
  fc.tuple(fc.bigInt(0n, 10n ** 12n), fc.integer({ min: 1, max: 999 })).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom('0', '1', '9007199254740991', '9007199254740992', '0.10'),
);
const optional = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });
const data = fc
  .record({
    value: optional(plain),
    level: optional(plain),
    delta: optional(
      fc.oneof(
        plain,
        plain.map((text) => `-${text}`),
      ),
    ),
    action: optional(fc.constantFrom('start', 'stop', 'resize', 'heartbeat')),
    weight: optional(plain),
    cost: optional(plain),
    resource: optional(name),
    dimensions: optional(fc.dictionary(name, name, { minKeys: 1, maxKeys: 4, noNullPrototype: true })),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined)));
const usage: fc.Arbitrary<Usage> = fc.record({
  meter: name,
  account: name,
  time: fc.integer({ min: NOON - 86_400_000, max: NOON }),
  data,
});

function door(maxEvents = 5_000, maxBytes = 900 * 1024): StreamDoor {
  return new StreamDoor(
    SOURCE,
    timeOrderedIds(() => NOON),
    { maxEvents, maxBytes },
  );
}

/** All of it in batches, each as large as it may be. */
function batchesOf(usages: readonly StreamUsage[], through: StreamDoor): Batch[] {
  const batches: Batch[] = [];
  let draft = through.newDraft();
  for (const one of usages) {
    if (!draft.add(one)) {
      batches.push(through.seal(draft));
      draft = through.newDraft();
      draft.add(one);
    }
  }
  if (draft.count > 0) batches.push(through.seal(draft));
  return batches;
}

describe('a numbered batch', () => {
  it('says the same as the events it was made of, to a reader who knows the contract only', () => {
    fc.assert(
      fc.property(fc.array(usage, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (usages, most) => {
        const good = usages.filter(isStreamable);
        const batches = batchesOf(good, door(most));
        const read = batches.map(({ body }) => readBatch(body));
        const ids = read.flatMap(({ stream, seq, events }) => events.map((_, index) => `${stream}.${seq}.${index}`));
        expect(read.map(({ seq }) => seq)).toEqual(batches.map((_, index) => index + 1));
        const expected = good.map((one, index) => eventOf(one, ids[index] ?? '', SOURCE));
        expect(read.flatMap(({ events }) => events)).toEqual(expected);
        for (const batch of batches)
          for (const one of [batch, keptBatch(batch.body)])
            expect(Array.from({ length: one.count }, (_, index) => one.event(index))).toEqual(
              expected.slice(ids.indexOf(one.event(0)?.id ?? ''), ids.indexOf(one.event(0)?.id ?? '') + one.count),
            );
      }),
      { numRuns: 200 },
    );
  });

  it('never has more bytes than it was told, nor than it thought', () => {
    fc.assert(
      fc.property(
        fc.array(usage, { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 700, max: 4_000 }),
        (all, most) => {
          const through = door(5_000, most);
          const good = all.filter(isStreamable);
          for (const one of good) {
            const alone = through.newDraft();
            alone.add(one);
            expect(through.sizeAlone(one)).toBeGreaterThanOrEqual(bytesIn(through.seal(alone).body));
          }
          for (const { body, count } of batchesOf(good, through))
            if (count > 1) expect(bytesIn(body)).toBeLessThanOrEqual(most);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('holds 5000 events, 256 meters and 900 KiB at most', () => {
    const one = (index: number): StreamUsage => ({ meter: 'm', account: `acct_${index}`, time: NOON, data: {} });
    const many = Array.from({ length: 5_001 }, (_, index) => one(index));
    expect(batchesOf(many, door()).map(({ count }) => count)).toEqual([5_000, 1]);
    const meters = Array.from({ length: 300 }, (_, index) => ({ ...one(0), meter: `m${index}` }));
    expect(batchesOf(meters, door()).map(({ count }) => count)).toEqual([256, 44]);
    const long = Array.from({ length: 5_000 }, (_, index) => ({ ...one(0), account: `${index}-`.padEnd(256, 'é') }));
    const sizes = batchesOf(long, door()).map(({ body }) => bytesIn(body));
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(900 * 1024);
    expect(sizes[0]).toBeGreaterThan(850 * 1024);
  });

  it('costs about a dozen bytes for a call', () => {
    const calls = Array.from({ length: 1_000 }, (_, n) => ({
      meter: 'calls',
      account: `acct_${n % 50}`,
      time: NOON + n,
      data: {},
    }));
    const [batch] = batchesOf(calls, door());
    expect(bytesIn(batch?.body ?? '') / 1_000).toBeLessThan(12);
  });
});

describe('what is left to the open door', () => {
  const call = { meter: 'calls', account: 'acct_1', time: NOON, data: {} };

  it.each<[string, Usage]>([
    ['an id of its own', { ...call, id: 'mine' }],
    ['a time that is not to the millisecond', { ...call, time: '2026-11-21T12:00:00.000001Z' }],
    ['a time before 1970', { ...call, time: -1 }],
    ['a negative value', { ...call, data: { value: '-1' } }],
    ['too many places', { ...call, data: { level: '0.1234567890123456789' } }],
    ['a leading zero', { ...call, data: { cost: '007' } }],
    ['a name with a line break', { ...call, account: 'a\nb' }],
    ['a name with half a character', { ...call, meter: 'a\ud800' }],
    ['a name that is too long', { ...call, meter: 'm'.repeat(257) }],
    [
      'too many labels',
      { ...call, data: { dimensions: Object.fromEntries([...'abcdefghi'].map((key) => [key, key])) } },
    ],
    ['a label that is too long', { ...call, data: { dimensions: { a: 'é'.repeat(33) } } }],
  ])('%s', (_, one) => expect(isStreamable(one)).toBe(false));

  it('is nothing else', () => {
    expect(isStreamable(call)).toBe(true);
    expect(isStreamable({ ...call, data: { delta: '-1.5', dimensions: { a: 'é'.repeat(32) }, resource: 'é' } })).toBe(
      true,
    );
  });
});

describe('a time in words', () => {
  it.each([
    ['2026-11-21T12:00:00Z', NOON],
    ['2026-11-21T12:00:00.250Z', NOON + 250],
    ['2026-11-21T14:30:00+02:30', NOON],
    ['2026-11-21T04:00:00-08:00', NOON],
    ['2026-11-21T12:00:00.0001Z', undefined],
    ['2026-02-30T12:00:00Z', undefined],
    ['2026-11-21T12:00:60Z', undefined],
    ['2026-11-21 12:00:00Z', undefined],
    ['2026-11-21T12:00:00', undefined],
    ['yesterday', undefined],
  ])('%s', (text, milliseconds) => expect(millisecondsOf(text)).toBe(milliseconds));
});

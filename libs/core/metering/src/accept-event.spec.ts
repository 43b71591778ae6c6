import fc from 'fast-check';
import { formatDecimal } from '@core/money';
import { addMs, formatInstant, instant } from '@core/time';
import { acceptEvent, type SentEvent } from './accept-event.js';
import { canonicalContent, contentOf, differingFields } from './content.js';
import type { Aggregation, Meter } from './meter.js';

const now = instant(Date.UTC(2026, 10, 21, 8));
const meter = (aggregation: Aggregation): Meter => ({
  id: 'mtr_1',
  name: `m.${aggregation}`,
  aggregation,
  unit: 'unit',
});
const event = (fields: Partial<SentEvent> = {}): SentEvent => ({
  source: '/s',
  id: '1',
  type: 'm',
  subject: 'a',
  ...fields,
});
const reasonOf = (fields: Partial<SentEvent>, aggregation: Aggregation = 'count') => {
  const answer = acceptEvent(event(fields), meter(aggregation), now);
  return answer.outcome === 'rejected' ? answer.reason : 'accepted';
};
const contentFrom = (fields: Partial<SentEvent>, aggregation: Aggregation, at = now) => {
  const answer = acceptEvent(event(fields), meter(aggregation), at);
  if (answer.outcome === 'rejected') throw new Error(answer.message);
  return contentOf(answer.event, 'acct_1');
};

describe('acceptance of usage events', () => {
  it('takes five minutes ahead and thirty-five days back, and not a millisecond more', () => {
    const at = (ms: number) => reasonOf({ time: formatInstant(addMs(now, ms)) });
    expect([at(300_000), at(300_001), at(-35 * 86_400_000), at(-35 * 86_400_000 - 1)]).toEqual([
      'accepted',
      'time_in_future',
      'accepted',
      'time_too_old',
    ]);
    expect(reasonOf({ time: '2026-11-21' })).toBe('invalid_time');
  });

  it('wants exact decimals of zero or more where the meter measures', () => {
    const value = (text: string | undefined) => reasonOf({ data: { value: text } }, 'sum');
    for (const good of ['0', '1.25', '0.000000000000000001', '9'.repeat(38)]) expect(value(good)).toBe('accepted');
    for (const bad of [
      undefined,
      '',
      '-1',
      '1e3',
      '+1',
      ' 1',
      '0x10',
      'NaN',
      '01',
      '0.0000000000000000001',
      '9'.repeat(39),
    ]) {
      expect(value(bad)).toBe('invalid_value');
    }
    expect(reasonOf({ data: null }, 'sum')).toBe('invalid_value');
    expect(reasonOf({ data: { level: '-1' } }, 'level')).toBe('invalid_level');
    expect(reasonOf({ data: { level: '5', resource: 'a\u0000b' } }, 'level')).toBe('invalid_resource');
  });

  it('refuses measurements the meter would ignore', () => {
    expect(reasonOf({ data: { value: '5' } }, 'count')).toBe('invalid_value');
    expect(reasonOf({ data: { value: '1.0' } }, 'count')).toBe('accepted');
    expect(reasonOf({ data: { value: '5', level: '5' } }, 'sum')).toBe('invalid_level');
    expect(reasonOf({ data: { value: '5', level: '5' } }, 'level')).toBe('invalid_value');
  });

  it('gives a level without a resource to the single resource of the account', () => {
    expect(contentFrom({ data: { level: '5' } }, 'level').resource).toBe('');
  });

  it('refuses names that cannot be stored, and sources kept for Farebox', () => {
    expect(reasonOf({ id: '' })).toBe('invalid_identity');
    expect(reasonOf({ id: 'x'.repeat(257) })).toBe('invalid_identity');
    expect(reasonOf({ source: 'a\u0000' })).toBe('invalid_identity');
    expect(reasonOf({ subject: '\ud800' })).toBe('invalid_subject');
    expect(reasonOf({ source: 'farebox:gate' })).toBe('reserved_source');
  });

  it('limits dimensions to eight of 64 bytes', () => {
    const nine = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, 'v']));
    expect(reasonOf({ data: { dimensions: nine } })).toBe('invalid_dimensions');
    expect(reasonOf({ data: { dimensions: { region: 'é'.repeat(32) } } })).toBe('accepted');
    expect(reasonOf({ data: { dimensions: { region: 'é'.repeat(33) } } })).toBe('invalid_dimensions');
  });
});

describe('the content of an event', () => {
  it('is the same however it is written', () => {
    const one = contentFrom(
      { time: '2026-11-21T07:00:00Z', data: { value: '1.50', dimensions: { a: '1', b: '2' } } },
      'sum',
    );
    const two = contentFrom(
      { time: '2026-11-21T08:00:00.000+01:00', data: { value: '1.5', dimensions: { b: '2', a: '1' } } },
      'sum',
    );
    expect(canonicalContent(one)).toBe(canonicalContent(two));
  });

  it('of an event without a time does not depend on when it is received', () => {
    const first = contentFrom({ data: { value: '1' } }, 'sum');
    const again = contentFrom({ data: { value: '1' } }, 'sum', addMs(now, 60_000));
    expect(canonicalContent(first)).toBe(canonicalContent(again));
  });

  it('names the fields that differ', () => {
    const time = '2026-11-21T07:00:00Z';
    const stored = contentFrom({ time, data: { level: '5', resource: 'a' } }, 'level');
    expect(differingFields(stored, contentFrom({ time, data: { level: '6', resource: 'b' } }, 'level'))).toEqual([
      'data.level',
      'data.resource',
    ]);
    expect(differingFields(stored, { ...stored, account: 'acct_2' })).toEqual(['subject']);
    expect(differingFields(stored, { ...stored, time: undefined })).toEqual(['time']);
  });

  it('differs whenever a value differs', () => {
    const text = fc
      .tuple(fc.bigInt(0n, 10n ** 20n), fc.integer({ min: 0, max: 6 }))
      .map(([units, scale]) => formatDecimal({ units, scale }));
    fc.assert(
      fc.property(text, text, (a, b) => {
        const same =
          canonicalContent(contentFrom({ data: { value: a } }, 'sum')) ===
          canonicalContent(contentFrom({ data: { value: b } }, 'sum'));
        expect(same).toBe(a === b);
      }),
    );
  });
});

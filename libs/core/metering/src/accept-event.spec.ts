import fc from 'fast-check';
import { formatDecimal } from '@core/money';
import { addMs, formatInstant, instant, parseInstant } from '@core/time';
import { acceptEvent } from './accept-event.js';
import { canonicalContent, contentOf, differingFields } from './content.js';
import { readTime } from './event-time.js';
import { exact, exampleMeter } from './meter.examples.js';
import type { Aggregation, Meter } from './meter.js';
import type { SentEvent } from './usage-event.js';

const now = instant(Date.UTC(2026, 10, 21, 8));
const event = (fields: Partial<SentEvent> = {}): SentEvent => ({
  source: '/s',
  id: '1',
  type: 'm',
  subject: 'a',
  ...fields,
});
const answerFor = (fields: Partial<SentEvent>, meters: Meter | Meter[]) => {
  const answer = acceptEvent(event(fields), meters, now);
  return answer.outcome === 'accepted' ? 'accepted' : answer.reason;
};
const reasonOf = (fields: Partial<SentEvent>, aggregation: Aggregation = 'count') =>
  answerFor(fields, exampleMeter(aggregation));
const contentFrom = (fields: Partial<SentEvent>, aggregation: Aggregation, at = now) => {
  const answer = acceptEvent(event(fields), exampleMeter(aggregation), at);
  if (answer.outcome !== 'accepted') throw new Error(answer.message);
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

  it('takes a level or a change of it, which alone may be negative', () => {
    const data = (fields: SentEvent['data']) => reasonOf({ data: fields }, 'level');
    expect(data({ level: '5' })).toBe('accepted');
    expect(data({ delta: '-5' })).toBe('accepted');
    expect(data({ level: '5', delta: '1' })).toBe('invalid_level');
    expect(data({})).toBe('invalid_level');
    expect(data({ delta: '-0.0000000000000000001' })).toBe('invalid_delta');
    expect(data({ delta: `-${'9'.repeat(39)}` })).toBe('invalid_delta');
    expect(reasonOf({ data: { value: '5', delta: '5' } }, 'sum')).toBe('invalid_delta');
  });

  it('wants an action of a run, and a weight only where the run gets one', () => {
    const data = (fields: SentEvent['data']) => reasonOf({ data: fields }, 'duration');
    expect(data({ action: 'start' })).toBe('accepted');
    expect(data({ action: 'start', weight: '2', resource: 'vm-1' })).toBe('accepted');
    expect(data({ action: 'resize', weight: '0.5' })).toBe('accepted');
    expect(data({ action: 'heartbeat' })).toBe('accepted');
    expect(data({})).toBe('invalid_action');
    expect(data({ action: 'pause' as 'stop' })).toBe('invalid_action');
    expect(data({ action: 'resize' })).toBe('invalid_weight');
    expect(data({ action: 'start', weight: '-1' })).toBe('invalid_weight');
    expect(data({ action: 'stop', weight: '1' })).toBe('invalid_weight');
    expect(reasonOf({ data: { value: '5', action: 'start' } }, 'sum')).toBe('invalid_action');
    expect(reasonOf({ data: { weight: '5' } })).toBe('invalid_weight');
    expect(reasonOf({ data: { resource: 'vm-1' } })).toBe('invalid_resource');
  });

  it('hears what follows a start without its dimensions, and not with others', () => {
    const eu = exampleMeter('duration', { filters: [{ dimension: 'region', in: ['eu'] }] });
    const stop = (dimensions: Record<string, string>) =>
      answerFor({ data: { action: 'stop', weight: '1', dimensions } }, eu);
    expect([stop({}), stop({ region: 'eu' }), stop({ region: 'us' })]).toEqual([
      'invalid_weight',
      'invalid_weight',
      'accepted',
    ]);
  });

  it('takes a cost of zero or more with any event', () => {
    expect(reasonOf({ data: { cost: '0.01' } })).toBe('accepted');
    expect(reasonOf({ data: { cost: '-0.01' } })).toBe('invalid_cost');
  });

  it('must fit every meter that hears it and whose filters it meets', () => {
    const eu = [{ dimension: 'region', in: ['eu'] }];
    const both = [exampleMeter('count'), exampleMeter('sum', { filters: eu })];
    expect(answerFor({ data: { value: '5' } }, both)).toBe('accepted');
    expect(answerFor({ data: {} }, both)).toBe('accepted');
    expect(answerFor({ data: { dimensions: { region: 'eu' } } }, both)).toBe('invalid_value');
    expect(answerFor({ data: { dimensions: { region: 'us' } } }, both)).toBe('accepted');
    expect(answerFor({ data: { value: 'x', dimensions: { region: 'us' } } }, both)).toBe('invalid_value');
    expect(answerFor({ data: { level: '5' } }, both)).toBe('invalid_level');
  });

  it('is decided by the version of the meter in force at its time', () => {
    const change = addMs(now, -3_600_000);
    const versions = [
      exampleMeter('sum', { filters: [{ dimension: 'region', exists: true }] }),
      exampleMeter('sum', { version: 2, effectiveAt: change }),
    ];
    expect(answerFor({ time: formatInstant(addMs(change, -1)) }, versions)).toBe('accepted');
    expect(answerFor({ time: formatInstant(change) }, versions)).toBe('invalid_value');
    expect(answerFor({ time: formatInstant(change) }, versions.toReversed())).toBe('invalid_value');
  });

  it('is held when it exceeds the ceiling for one event, or nothing hears it', () => {
    const limited = (aggregation: Aggregation) => exampleMeter(aggregation, { limits: { perEvent: exact('10.5') } });
    expect(answerFor({ data: { value: '10.5' } }, limited('sum'))).toBe('accepted');
    expect(answerFor({ data: { value: '10.51' } }, limited('sum'))).toBe('over_event_ceiling');
    expect(answerFor({ data: { delta: '-11' } }, limited('level'))).toBe('over_event_ceiling');
    expect(answerFor({ data: { action: 'start', weight: '11' } }, limited('duration'))).toBe('over_event_ceiling');
    expect(answerFor({ data: { value: '5' } }, [])).toBe('unknown_meter');
    expect(answerFor({ data: { value: 'five' } }, [])).toBe('invalid_value');
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

  it('of an event without the newer fields is written as it was before there were any', () => {
    const content = contentFrom({ time: '2026-11-21T07:00:00Z', data: { value: '1.50' } }, 'sum');
    expect(canonicalContent(content)).toBe('["farebox.event.1","mtr_sum","acct_1",1795244400000,"1.5",null,null,[]]');
    expect(canonicalContent({ ...content, cost: exact('0.1') })).toBe(
      '["farebox.event.2","mtr_sum","acct_1",1795244400000,"1.5",null,null,[],null,null,null,"0.1"]',
    );
    expect(differingFields(content, { ...content, cost: exact('0.1'), action: 'stop' })).toEqual([
      'data.action',
      'data.cost',
    ]);
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

describe('readTime', () => {
  const part = (least: number, most: number, width: number) =>
    fc.integer({ min: least, max: most }).map((number) => String(number).padStart(width, '0'));
  const time = fc
    .tuple(
      part(0, 9999, 4),
      part(0, 13, 2),
      part(0, 32, 2),
      part(0, 25, 2),
      part(0, 61, 2),
      part(0, 61, 2),
      part(0, 999, 3),
    )
    .map(
      ([year, month, day, hour, minute, second, ms]) => `${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`,
    );
  const spoilt = fc
    .tuple(time, fc.nat({ max: 23 }), fc.constantFrom('x', ' ', '-', '+', 'z', 't', '٣', ''))
    .map(([text, place, by]) => text.slice(0, place) + by + text.slice(place + 1));

  it('reads what parseInstant reads, as the same instant, and nothing else', () => {
    const days = fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
      .map((date) => date.toISOString());
    fc.assert(
      fc.property(fc.oneof(time, spoilt, days), (text) => expect(readTime(text)).toBe(parseInstant(text))),
      { numRuns: 3_000 },
    );
  });
});

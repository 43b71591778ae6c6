import fc from 'fast-check';
import { formatInstant, instant } from '@core/time';
import { acceptEvent } from './accept-event.js';
import { eventAt, packEvents } from './batch-events.js';
import { judgeBatch } from './judge-batch.js';
import { exact, exampleMeter } from './meter.examples.js';
import type { Meter } from './meter.js';
import { readBatch } from './read-batch.js';
import type { UsageBatch } from './usage-batch.js';
import { ACTIONS, type LoggedEvent } from './usage-event.js';

const now = instant(Date.UTC(2026, 10, 21, 8));
const change = now - 86_400_000;

/** What hears each type. */
const hearing: Readonly<Record<string, readonly Meter[]>> = {
  calls: [exampleMeter('count', { eventType: 'calls' })],
  bytes: [exampleMeter('sum', { eventType: 'bytes', limits: { perEvent: exact('1000.5') } })],
  both: [
    exampleMeter('count', { eventType: 'both' }),
    exampleMeter('max', { eventType: 'both', filters: [{ dimension: 'region', in: ['eu'] }] }),
  ],
  users: [exampleMeter('unique', { eventType: 'users' })],
  runs: [exampleMeter('duration', { eventType: 'runs' })],
  stored: [exampleMeter('level', { eventType: 'stored', limits: { perEvent: exact('500') } })],
  changed: [
    exampleMeter('sum', { eventType: 'changed' }),
    exampleMeter('sum', {
      eventType: 'changed',
      version: 2,
      effectiveAt: instant(change),
      filters: [{ dimension: 'region', exists: true }],
    }),
  ],
};
const types = [...Object.keys(hearing), 'unknown', 'un\u0000printable'];

const number = fc.constantFrom(
  '0',
  '1',
  '1.0',
  '7',
  '999',
  '1000.5',
  '1000.51',
  '1001',
  '-1',
  'x',
  '',
  '01',
  '1e3',
  '0.1234567890123456789',
  '9'.repeat(38),
  '9'.repeat(39),
);
const sometimes = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 3 });
const rarely = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const drafts = fc.array(
  fc.record({
    source: fc.constantFrom('/s', '/s', '/s', 'farebox:gate', ''),
    id: fc.constantFrom('1', '2', 'a\nb'),
    type: fc.constantFrom(...types),
    subject: fc.constantFrom('acct_1', 'acct_1', 'nobody', '\u2028'),
    time: fc.constantFrom(
      now,
      now,
      change - 1,
      change,
      now + 300_000,
      now + 300_001,
      now - 35 * 86_400_000,
      now - 35 * 86_400_000 - 1,
    ),
    value: sometimes(number),
    level: rarely(number),
    delta: rarely(number),
    action: rarely(fc.constantFrom(...ACTIONS)),
    weight: rarely(number),
    cost: rarely(number),
    resource: rarely(fc.constantFrom('vm', '', 'a\u0000')),
    dimensions: sometimes(fc.constantFrom({ region: 'eu' }, { region: 'us' }, { region: 'x'.repeat(65) })),
  }),
  { minLength: 1, maxLength: 6 },
);

const stripped = <Draft extends object>(draft: Draft) =>
  Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined));
const knownTo = (batch: UsageBatch) => ({
  accounts: batch.accounts.map((name) => (name === 'acct_1' ? 1 : undefined)),
  meters: batch.types.map((type) => hearing[type] ?? []),
});

/** What `acceptEvent`, which knows no accounts, says of the same event; accounts are looked up last but for ceilings. */
function expected({ time, source, id, type, subject, ...data }: LoggedEvent): string {
  const sent = { source, id, type, subject, time: formatInstant(time), data };
  const answer = acceptEvent(sent, hearing[type] ?? [], now);
  const unknown = subject !== 'acct_1' && (answer.outcome === 'accepted' || answer.reason === 'over_event_ceiling');
  if (unknown) return 'held unknown_account';
  return answer.outcome === 'accepted' ? 'accepted' : `${answer.outcome} ${answer.reason}`;
}

describe('the judgement of a batch', () => {
  it('is that of each of its events by itself', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(drafts, (given) => {
        const batch = packEvents(given.map((draft) => ({ ...stripped(draft), timeStated: true }) as LoggedEvent));
        const verdicts = judgeBatch(batch, knownTo(batch), now);
        const told = given.map((_, i) => {
          const verdict = verdicts.find(({ index }) => index === i);
          return verdict ? `${verdict.verdict} ${verdict.reason}` : 'accepted';
        });
        told.forEach((each) => seen.add(each));
        expect(told).toEqual(given.map((_, i) => expected(eventAt(batch, i))));
      }),
      { numRuns: 5000 },
    );
    expect([...seen].sort()).toEqual([
      'accepted',
      'held over_event_ceiling',
      'held unknown_account',
      'held unknown_meter',
      'rejected invalid_action',
      'rejected invalid_cost',
      'rejected invalid_delta',
      'rejected invalid_dimensions',
      'rejected invalid_identity',
      'rejected invalid_level',
      'rejected invalid_resource',
      'rejected invalid_subject',
      'rejected invalid_type',
      'rejected invalid_value',
      'rejected invalid_weight',
      'rejected reserved_source',
      'rejected time_in_future',
      'rejected time_too_old',
    ]);
  });

  it('of a stream names what is missing and what to do', () => {
    const batch = readBatch({
      stream: '0198c0de-0000-7000-8000-000000000000',
      source: '/s',
      seq: 1,
      t0: now,
      types: ['bytes', 'unknown'],
      accounts: ['acct_1', 'nobody'],
      columns: { type: [0, 0, 0, 1, 0], account: [0, 0, 0, 0, 1], time: [0, 0, 0, 0, 0], value: [5, null, 1001, 5, 5] },
    });
    if ('problem' in batch) throw new Error(batch.problem);
    expect(judgeBatch(batch, knownTo(batch), now)).toEqual([
      {
        index: 1,
        verdict: 'rejected',
        reason: 'invalid_value',
        message: expect.stringContaining('m.sum sums "data.value": it is missing'),
      },
      {
        index: 2,
        verdict: 'held',
        reason: 'over_event_ceiling',
        message: expect.stringContaining('at most 1000.5 per event and this one says 1001'),
      },
      {
        index: 3,
        verdict: 'held',
        reason: 'unknown_meter',
        message: expect.stringContaining('No meter hears "unknown"'),
      },
      { index: 4, verdict: 'held', reason: 'unknown_account', message: expect.stringContaining('no account "nobody"') },
    ]);
  });
});

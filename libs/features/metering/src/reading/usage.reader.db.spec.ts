import type { Meter } from '@core/metering';
import { ZERO, addDecimals, formatDecimal, parseDecimal } from '@core/money';
import { type Period, formatInstant, instant } from '@core/time';
import type { Tx } from '@platform/database';
import { WrittenLog, at, period } from '../../../../../test/support/written-log.js';
import { CutUsage, type StoredMeter, type UsageQuery, UsageReader } from '../index.js';

const noon = at('2026-11-21T12:00:00Z');
const clock = { now: () => noon };
const reader = new UsageReader();
const november = period('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');
const MINUTE = 60_000;

let opened: WrittenLog;
let log: WrittenLog;

beforeAll(async () => {
  opened = await WrittenLog.open(clock);
});
beforeEach(async () => {
  log = await opened.another();
});
afterAll(() => opened.close());

const asked = async <T>(
  meter: StoredMeter,
  ask: (tx: Tx, query: UsageQuery) => Promise<T>,
  range = november,
  asOf = noon,
): Promise<T> => {
  await log.rollUp().run({ through: 'now' });
  const fresh = await log.fresh(meter);
  return log.database.forProvider(log.provider, (tx) =>
    ask(tx, { account: log.seeded.account, meter: fresh, range, asOf }),
  );
};
const total = async (meter: StoredMeter, range?: Period, asOf?: typeof noon) =>
  formatDecimal(await asked(meter, (tx, query) => reader.total(tx, query), range, asOf));
const meter = (name: string, aggregation: Meter['aggregation'], more: object = {}) =>
  log.meter({ name, aggregation, unit: 'unit', ...more });
const groupsOf = async (of: StoredMeter, by: readonly string[]) =>
  (await asked(of, (tx, query) => reader.groups(tx, { ...query, by }), november, november.end)).map(
    ({ dimensions, quantity }) => [...by.map((name) => dimensions[name]), formatDecimal(quantity)],
  );

describe('quantities', () => {
  it('give the worked byte-seconds of November 2026, by the day too', async () => {
    const bytes = await meter('bytes', 'level');
    const gigabytes = await meter('gb', 'level', {
      eventType: 'bytes',
      conversion: { divideBy: parseDecimal('3600000000000'), unit: 'GB-hour' },
      effectiveAt: november.start,
    });
    await log.send([
      log.event('bytes', '2026-11-20T06:00:00Z', { level: '0' }),
      log.event('bytes', '2026-11-01T00:00:00Z', { level: '5000000000' }),
      log.event('bytes', '2026-11-10T12:00:00Z', { level: '12000000000' }),
    ]);
    expect(await total(bytes)).toBe('14212800000000000');
    expect(await total(gigabytes)).toBe('3948');
    const days = await asked(bytes, (tx, query) => reader.windows(tx, { ...query, window: 'day' }));
    expect(days).toHaveLength(30);
    expect(formatDecimal(days.reduce((sum, { quantity }) => addDecimals(sum, quantity), ZERO))).toBe(
      '14212800000000000',
    );
    expect(days[9] && formatDecimal(days[9].quantity)).toBe(String((5e9 + 12e9) * 43_200));
  });

  it('carry a level in by its last absolute one and every change since', async () => {
    const bytes = await meter('bytes', 'level');
    await log.send([
      log.event('bytes', '2026-10-30T00:00:00Z', { delta: '7' }),
      log.event('bytes', '2026-10-30T01:00:00Z', { level: '10' }),
      log.event('bytes', '2026-10-30T01:00:00Z', { delta: '2' }),
      log.event('bytes', '2026-10-31T01:00:00Z', { delta: '-4' }),
      log.event('bytes', '2026-11-01T00:00:05Z', { delta: '1' }),
    ]);
    expect(await total(bytes, period('2026-11-01T00:00:00Z', '2026-11-01T00:00:10Z'))).toBe('85');
  });

  it('are cut to what a run spends in each month', async () => {
    const vm = await meter('vm', 'duration', { unit: 'second' });
    await log.send([
      log.event('vm', '2026-10-31T22:15:30Z', { action: 'start', resource: 'r' }),
      log.event('vm', '2026-11-01T01:45:10Z', { action: 'stop', resource: 'r' }),
      log.event('vm', '2026-11-02T01:00:00Z', { action: 'stop', resource: 'r' }),
    ]);
    expect(await total(vm, period('2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z'))).toBe('6270');
    expect(await total(vm)).toBe('6310');
    expect(await asked(vm, (tx, query) => reader.flags(tx, query))).toEqual([
      { kind: 'stop_without_start', resource: 'r', time: at('2026-11-02T01:00:00Z') },
    ]);
  });

  it('add usage sold as the quantity that was sold, and leave it out where it is paid', async () => {
    const [calls, bytes] = [await meter('calls', 'count'), await meter('bytes', 'level')];
    await log.send([
      log.event('calls', '2026-11-03T00:00:00Z'),
      log.event('bytes', '2026-11-03T00:00:00Z', { level: '2' }),
    ]);
    await log.sell(calls, '2026-11-03T00:00:05Z', '3');
    await log.sell(bytes, '2026-11-03T00:00:05Z', '1000.5');
    const range = period('2026-11-01T00:00:00Z', '2026-11-03T00:00:10Z');
    const both = async (of: StoredMeter, asOf = range.end) => [
      await total(of, range, asOf),
      formatDecimal(await asked(of, (tx, query) => reader.total(tx, { ...query, unsoldOnly: true }), range, asOf)),
    ];
    expect(await both(calls)).toEqual(['4', '1']);
    expect(await both(bytes)).toEqual(['1020.5', '20']);
  });

  it('are asked for between quarters of an hour or cuts, and to the end of what is stored', async () => {
    const calls = await meter('calls', 'count');
    await log.send([log.event('calls', '2026-11-21T11:55:00Z'), log.event('calls', '2026-11-21T12:00:00Z')]);
    expect(await total(calls, { start: november.start, end: noon })).toBe('1');
    expect(await total(calls, { start: november.start, end: instant(noon + MINUTE) })).toBe('2');
    const odd = period('2026-11-01T00:00:00Z', '2026-11-21T11:52:30Z');
    await expect(total(calls, odd)).rejects.toMatchObject({
      reason: 'unaligned_range',
      message: expect.stringContaining('2026-11-21T11:45:00.000Z and 2026-11-21T12:00:00.000Z'),
    });
    await log.database.forProvider(log.provider, (tx) =>
      new CutUsage().at(tx, { provider: log.provider, meter: calls.number, at: odd.end }),
    );
    expect([await total(calls, odd), await total(calls, { start: odd.end, end: noon })]).toEqual(['0', '1']);
  });

  it('are read by the minute from the log', async () => {
    const [bytes, users] = [
      await meter('bytes', 'sum'),
      await meter('users', 'unique', { eventType: 'bytes', property: 'user', effectiveAt: november.start }),
    ];
    const send = (time: string, value: string, user: string) =>
      log.event('bytes', time, { value, dimensions: { user } });
    await log.send([
      send('2026-11-03T10:00:59.999Z', '1', 'a'),
      send('2026-11-03T10:01:00Z', '2', 'a'),
      send('2026-11-03T10:01:30Z', '0.5', 'b'),
      send('2026-11-03T10:01:40Z', '4', 'b'),
    ]);
    const range = period('2026-11-03T10:00:30Z', '2026-11-03T10:03:00Z');
    const minutes = (of: StoredMeter) =>
      asked(of, (tx, query) => reader.windows(tx, { ...query, window: 'minute' }), range).then((windows) =>
        windows.map(
          ({ period: { start }, quantity }) => `${formatInstant(start).slice(14, 19)} ${formatDecimal(quantity)}`,
        ),
      );
    expect(await minutes(bytes)).toEqual(['00:30 1', '01:00 6.5', '02:00 0']);
    expect(await minutes(users)).toEqual(['00:30 1', '01:00 2', '02:00 0']);
  });

  it('refuse more windows than anyone reads', async () => {
    const range = { start: november.start, end: instant(november.start + 2_001 * 3_600_000) };
    const windows = asked(
      await meter('calls', 'count'),
      (tx, query) => reader.windows(tx, { ...query, window: 'hour' }),
      range,
    );
    await expect(windows).rejects.toMatchObject({ reason: 'too_many_windows' });
  });
});

describe('groups', () => {
  it('have a missing dimension as a group of its own, and add up over dimensions left out', async () => {
    const calls = await meter('calls', 'count', { groupBy: ['region', 'tier'] });
    const call = (dimensions?: Record<string, string>) =>
      log.event('calls', '2026-11-03T00:00:00Z', dimensions ? { dimensions } : {});
    await log.send([call({ region: 'eu', tier: 'a' }), call({ region: 'eu' }), call({ tier: 'a' }), call()]);
    expect(await groupsOf(calls, ['region'])).toEqual([
      ['eu', '2'],
      [null, '2'],
    ]);
    expect(await groupsOf(calls, ['tier', 'region'])).toHaveLength(4);
    await expect(groupsOf(calls, ['zone'])).rejects.toMatchObject({ reason: 'not_grouped' });
  });

  it('of levels follow a resource from one series to another', async () => {
    const bytes = await meter('bytes', 'level', { groupBy: ['region'] });
    const level = (time: string, value: string, region: string) =>
      log.event('bytes', time, { level: value, resource: 'r', dimensions: { region } });
    await log.send([level('2026-10-31T00:00:00Z', '5', 'eu'), level('2026-11-01T00:01:40Z', '7', 'us')]);
    expect(await groupsOf(bytes, ['region'])).toEqual([
      ['eu', '500'],
      ['us', String(7 * (30 * 86_400 - 100))],
    ]);
  });

  it('of runs are those of their starts', async () => {
    const vm = await meter('vm', 'duration', { groupBy: ['region'] });
    const run = (time: string, action: 'start' | 'stop', region?: string) =>
      log.event('vm', time, { action, resource: 'r', ...(region ? { dimensions: { region } } : {}) });
    await log.send([
      run('2026-11-01T00:00:00Z', 'start', 'eu'),
      run('2026-11-01T00:01:00Z', 'stop'),
      run('2026-11-01T00:02:00Z', 'start', 'us'),
      run('2026-11-01T00:04:00Z', 'stop', 'eu'),
    ]);
    expect(await groupsOf(vm, ['region'])).toEqual([
      ['eu', '60'],
      ['us', '120'],
    ]);
  });
});

describe('what prices ask for', () => {
  it('is counted values, costs, groups and buckets of unsold usage', async () => {
    const bytes = await meter('bytes', 'sum', { groupBy: ['region'], itemized: true });
    const send = (time: string, value: string, cost: string, region: string) =>
      log.event('bytes', time, { value, cost, dimensions: { region } });
    await log.send([
      send('2026-11-03T07:59:59Z', '10', '0.01', 'eu'),
      send('2026-11-03T08:00:00Z', '10', '0.02', 'us'),
      send('2026-11-04T09:00:00Z', '2.5', '0.03', 'eu'),
    ]);
    await log.sell(bytes, '2026-11-03T09:00:00Z', '100');
    const eight = at('2026-11-03T08:00:00Z');
    const bucketsOf = ({ start, end }: Period) => [
      { bucket: 'night', period: { start, end: eight } },
      { bucket: 'day', period: { start: eight, end } },
    ];
    const terms = {
      needs: ['quantity', 'values', 'cost', 'groups', 'hours'] as const,
      groupBy: ['region'],
      clock: { zone: 'UTC', bucketsOf },
    };
    const rated = await asked(bytes, (tx, query) => reader.rated(tx, { ...query, terms }));
    expect({
      quantity: formatDecimal(rated.quantity),
      values: rated.values?.map(({ value, count }) => [formatDecimal(value), count]),
      cost: rated.cost && formatDecimal(rated.cost),
      groups: rated.groups?.map(({ dimensions, quantity }) => [dimensions.region, formatDecimal(quantity)]),
      buckets: Object.entries(rated.buckets ?? {}).map(([bucket, quantity]) => [bucket, formatDecimal(quantity)]),
    }).toEqual({
      quantity: '22.5',
      values: [
        ['2.5', 1n],
        ['10', 2n],
      ],
      cost: '0.06',
      groups: [
        ['eu', '12.5'],
        ['us', '10'],
      ],
      buckets: [
        ['night', '10'],
        ['day', '12.5'],
      ],
    });
  });

  it('is whether usage goes on by itself', async () => {
    const [bytes, vm, calls] = [
      await meter('bytes', 'level'),
      await meter('vm', 'duration'),
      await meter('calls', 'count'),
    ];
    const goesOn = (of: StoredMeter, time: string) =>
      asked(of, (tx, query) => reader.accrues(tx, query), november, at(time));
    await log.send([
      log.event('bytes', '2026-11-03T00:00:00Z', { level: '2' }),
      log.event('bytes', '2026-11-04T00:00:00Z', { delta: '-2' }),
      log.event('vm', '2026-11-03T00:00:00Z', { action: 'start' }),
      log.event('vm', '2026-11-04T00:00:00Z', { action: 'stop' }),
      log.event('calls', '2026-11-03T00:00:00Z'),
    ]);
    for (const each of [bytes, vm]) {
      expect(await goesOn(each, '2026-11-02T00:00:00Z')).toBe(true);
      expect(await goesOn(each, '2026-11-03T12:00:00Z')).toBe(true);
      expect(await goesOn(each, '2026-11-04T00:00:00Z')).toBe(false);
    }
    expect(await goesOn(calls, '2026-11-03T12:00:00Z')).toBe(false);
  });
});

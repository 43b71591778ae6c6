import { formatDecimal, parseDecimal } from '@core/money';
import { type Instant, addMs, instant } from '@core/time';
import { WrittenLog, at, period } from '../../../../../test/support/written-log.js';
import { ListMeters, PreviewMeter, ReviseMeter, type StoredMeter, UsageReader } from '../index.js';

const noon = at('2026-11-21T12:00:00Z');
const month = period('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');
const reader = new UsageReader();

let now: Instant = noon;
const clock = { now: () => now };
let opened: WrittenLog;
let log: WrittenLog;

beforeAll(async () => {
  opened = await WrittenLog.open(clock);
});
beforeEach(async () => {
  now = noon;
  log = await opened.another();
});
afterAll(() => opened.close());

const total = async (meter: StoredMeter, range = month): Promise<string> => {
  await log.rollUp().run({ through: 'now' });
  const query = { account: log.seeded.account, meter: await log.fresh(meter), range, asOf: now };
  return formatDecimal(await log.database.forProvider(log.provider, (tx) => reader.total(tx, query)));
};
const call = (time: string, dimensions?: Record<string, string>) =>
  log.event('calls', time, dimensions ? { dimensions } : {});

describe('meters', () => {
  it('are the same when they are defined again, and refuse to be others', async () => {
    const definition = { name: 'calls', aggregation: 'count', unit: 'call', groupBy: ['region'] } as const;
    const first = await log.meter(definition);
    expect(await log.meter({ ...definition, filters: [] })).toEqual(first);
    expect(first).toMatchObject({
      version: 1,
      effectiveAt: 0,
      eventType: 'calls',
      versions: [{ version: 1 }],
      cuts: [],
    });
    await expect(log.meter({ ...definition, aggregation: 'sum' })).rejects.toMatchObject({ reason: 'meter_exists' });
    await expect(log.meter({ ...definition, groupBy: [] })).rejects.toThrow('/v1/meters/calls/versions');
    await expect(log.meter({ ...definition, name: 'other', property: 'x' })).rejects.toMatchObject({
      reason: 'invalid_meter',
    });
    expect(await new ListMeters(log.database).run({ provider: log.provider })).toEqual([first]);
  });

  it('count from now on when another one hears their events, or from an instant, what is stored too', async () => {
    await log.meter({ name: 'calls', aggregation: 'count', unit: 'call' });
    await log.send([call('2026-11-03T10:07:00Z'), call('2026-11-03T10:08:00Z'), call('2026-11-21T12:01:00Z')]);
    await log.rollUp().run({ through: 'now' });
    const late = await log.meter({ name: 'late', eventType: 'calls', aggregation: 'count', unit: 'call' });
    const past = await log.meter({
      name: 'past',
      eventType: 'calls',
      aggregation: 'count',
      unit: 'call',
      effectiveAt: at('2026-11-03T10:08:00Z'),
    });
    expect([await total(late), await total(past)]).toEqual(['1', '2']);
    expect(await log.rebuild().compare({ provider: log.provider })).toEqual([]);
  });

  it('are revised from an instant on: what was used before counts as before', async () => {
    const meter = await log.meter({ name: 'calls', aggregation: 'count', unit: 'call' });
    const revise = new ReviseMeter(log.database, clock);
    const change = {
      provider: log.provider,
      meter: 'calls',
      rules: { filters: [{ dimension: 'region', in: ['eu'] }] },
    };
    await log.send([
      call('2026-11-21T11:59:59Z'),
      call('2026-11-21T12:03:00Z'),
      call('2026-11-21T12:04:00Z', { region: 'eu' }),
    ]);
    expect(await total(meter)).toBe('3');
    const { outcome, meter: revised } = await revise.run({ ...change, effectiveAt: addMs(noon, 90_000) });
    expect({ outcome, version: revised.version, versions: revised.versions.length }).toEqual({
      outcome: 'revised',
      version: 1,
      versions: 2,
    });
    expect(await total(meter)).toBe('2');
    expect(await revise.run({ ...change, effectiveAt: addMs(noon, 95_000) })).toMatchObject({ outcome: 'unchanged' });
    await expect(revise.run({ ...change, rules: {}, effectiveAt: addMs(noon, -1) })).rejects.toMatchObject({
      reason: 'past_instant',
    });
    await expect(
      revise.run({ ...change, rules: { itemized: false, groupBy: ['x'] }, effectiveAt: noon }),
    ).rejects.toMatchObject({
      reason: 'version_exists',
    });
    now = addMs(noon, 120_000);
    expect((await log.fresh(meter)).version).toBe(2);
    expect(await log.rebuild().compare({ provider: log.provider })).toEqual([]);
  });
});

describe('a preview', () => {
  const preview = (most?: number) => new PreviewMeter(log.database, clock, most);

  it('says what a draft would have counted, and what it could not', async () => {
    await log.meter({ name: 'api', aggregation: 'count', unit: 'call' });
    const event = (time: string, value: string | undefined, region: string, subject = 'agent-1') =>
      log.event('api', time, { subject, dimensions: { region }, ...(value === undefined ? {} : { value }) });
    const wrong = event('2026-11-03T10:00:03Z', '1000', 'eu');
    const position = await log.send([
      event('2026-11-03T10:00:00Z', '1', 'eu'),
      event('2026-11-03T10:00:01Z', '2.5', 'us'),
      event('2026-11-03T10:00:02Z', undefined, 'eu'),
      wrong,
      event('2026-11-03T10:00:04Z', '4', 'eu', 'agent-2'),
      event('2026-11-03T10:00:05Z', '8', 'eu'),
    ]);
    const minus = log.batch([wrong]);
    await log.append({
      ...minus,
      kind: 'change',
      body: { parts: [{ sign: -1, batch: minus.body, accounts: minus.accounts, receipts: [[String(position), 3]] }] },
    });
    await log.rollUp().run({ through: 'now' });
    const definition = {
      name: 'draft',
      eventType: 'api',
      aggregation: 'sum',
      unit: 'byte',
      filters: [{ dimension: 'region', in: ['eu'] }],
    } as const;
    const range = { start: month.start, end: at('2026-11-03T10:00:05Z') };
    const found = await preview().run({ provider: log.provider, definition, range });
    expect({
      ...found,
      total: formatDecimal(found.total),
      accounts: found.accounts.map((each) => ({ ...each, quantity: formatDecimal(each.quantity) })),
    }).toEqual({
      unit: 'byte',
      total: '5',
      accounts: [
        { account: log.seeded.account, quantity: '1', events: 1 },
        { account: `${log.seeded.account}2`, quantity: '4', events: 1 },
      ],
      accountCount: 2,
      flags: [],
      events: { seen: 4, kept: 2, invalid: 1 },
      complete: true,
    });
    const one = await preview().run({ provider: log.provider, definition, range, account: `${log.seeded.account}2` });
    expect([formatDecimal(one.total), one.events.seen]).toEqual(['4', 1]);
  });

  it('counts levels that come from before the range, and runs with their flags', async () => {
    await log.meter({ name: 'api', aggregation: 'count', unit: 'call' });
    await log.send([
      log.event('api', '2026-10-30T00:00:00Z', { level: '3' }),
      log.event('api', '2026-11-01T00:00:10Z', { delta: '2' }),
      log.event('api', '2026-11-01T00:00:00Z', { action: 'start' }),
      log.event('api', '2026-11-01T00:00:05Z', { action: 'start' }),
      log.event('api', '2026-11-01T00:00:15Z', { action: 'stop' }),
    ]);
    await log.rollUp().run({ through: 'now' });
    const range = period('2026-11-01T00:00:00Z', '2026-11-01T00:00:20Z');
    const of = (aggregation: 'level' | 'duration') =>
      preview().run({
        provider: log.provider,
        range,
        definition: { name: 'draft', eventType: 'api', aggregation, unit: 'unit' },
      });
    expect(formatDecimal((await of('level')).total)).toBe('80');
    const runs = await of('duration');
    expect([formatDecimal(runs.total), runs.flags.map(({ kind }) => kind)]).toEqual(['15', ['double_start']]);
  });

  it('stops when it has looked at enough, and says so', async () => {
    await log.meter({ name: 'api', aggregation: 'count', unit: 'call' });
    for (let i = 0; i < 3; i += 1) await log.send([log.event('api', '2026-11-03T10:00:00Z')]);
    await log.rollUp().run({ through: 'now' });
    const definition = { name: 'draft', eventType: 'api', aggregation: 'count', unit: 'call' } as const;
    expect(await preview(1).run({ provider: log.provider, definition, range: month })).toMatchObject({
      complete: true,
    });
    const long = { start: month.start, end: instant(month.start + 93 * 86_400_000) };
    await expect(preview().run({ provider: log.provider, definition, range: long })).rejects.toMatchObject({
      reason: 'range_too_long',
    });
    const converted = {
      ...definition,
      conversion: { divideBy: parseDecimal('0') ?? { units: 0n, scale: 0 }, unit: 'k' },
    };
    await expect(preview().run({ provider: log.provider, definition: converted, range: month })).rejects.toMatchObject({
      reason: 'invalid_meter',
    });
  });
});

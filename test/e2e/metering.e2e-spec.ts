import { spawnSync } from 'node:child_process';
import { Metering } from '@farebox/metering';
import { call, type Called } from '../support/api.js';
import { House } from '../support/house.js';
import { until } from '../support/until.js';

// A provider's developer meters an API: defines meters, sends usage with the package and with nothing but HTTP, mends what went
// wrong, and reads what came of it. A real worker rolls usage up meanwhile.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Yesterday, so that every quarter of an hour of it is over. */
const start = Math.floor(Date.now() / DAY) * DAY - DAY;
const at = (hours: number): string => new Date(start + hours * HOUR).toISOString();
const TYPE = 'http.request';

let house: House;
let account: string;

beforeAll(async () => {
  house = await House.build();
  await house.startWorker();
  account = (await post('/v1/accounts', { name: 'agent' })).json.id;
}, 120_000);

afterAll(() => house.close());

const get = (path: string): Promise<Called> => call(house.url, 'GET', path, { key: house.key });
const post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Called> =>
  call(house.url, 'POST', path, { key: house.key, body, headers });

async function usage(meter: string, more = '', of = account): Promise<Called['json']> {
  const { status, json } = await get(`/v1/usage?account=${of}&meter=${meter}&from=${at(0)}&to=${at(24)}${more}`);
  expect({ status, json }).toMatchObject({ status: 200 });
  return json;
}

const untilUsage = (meter: string, total: string, of = account): Promise<unknown> =>
  until(`${meter} to be ${total}`, async () => (await usage(meter, '', of)).total === total);

const cloudEvent = (id: string, hours: number, more: object = {}) => ({
  specversion: '1.0',
  id,
  source: '/curl',
  type: TYPE,
  subject: 'agent',
  time: at(hours),
  ...more,
});

const response = (bytes: number, region: string, status = 'ok') => ({
  data: { value: String(bytes), dimensions: { region, status } },
});

describe('a developer', () => {
  it('defines meters with filters and groups; two hear one type of event', async () => {
    const requests = await post('/v1/meters', {
      name: 'requests',
      eventType: TYPE,
      aggregation: 'count',
      unit: 'request',
      filters: [{ dimension: 'status', in: ['ok'] }],
      groupBy: ['region'],
    });
    expect(requests).toMatchObject({ status: 201, json: { version: 1, eventType: TYPE, groupBy: ['region'] } });
    const egress = await post('/v1/meters', {
      name: 'egress',
      eventType: TYPE,
      aggregation: 'sum',
      unit: 'byte',
      conversion: { divideBy: '1000000', unit: 'MB' },
      limits: { perEvent: '1000000000' },
      effectiveAt: at(0),
    });
    expect(egress).toMatchObject({ status: 201, json: { quantityUnit: 'MB' } });
    await post('/v1/meters', { name: 'machines', aggregation: 'duration', unit: 'vcpu' });
    await post('/v1/meters', {
      name: 'buckets',
      aggregation: 'level',
      unit: 'byte',
      conversion: { divideBy: '3600000000000', unit: 'GB-hour' },
    });
    expect(await post('/v1/meters', { name: 'odd', aggregation: 'unique', unit: 'user' })).toMatchObject({
      status: 400,
      json: { reason: 'invalid_meter', detail: expect.stringContaining('property') },
    });
  });

  it('sends with the package: numbered batches, in order', async () => {
    const metering = new Metering({ url: house.url, key: house.key, source: '/sdk' });
    for (let i = 0; i < 100; i += 1) {
      await metering.record({
        meter: TYPE,
        account: i % 2 === 0 ? 'agent' : account,
        value: 10_000,
        time: at(1 + i / 100),
        dimensions: { region: i % 4 === 0 ? 'eu' : 'us', status: i % 10 === 0 ? 'failed' : 'ok' },
      });
    }
    await metering.start('machines', 'agent', 'vm-1', { weight: 2, time: at(2) });
    await metering.stop('machines', 'agent', 'vm-1', { time: at(3) });
    await metering.level({ meter: 'buckets', account: 'agent', resource: 'b', level: 2_000_000_000n, time: at(4) });
    await metering.delta({ meter: 'buckets', account: 'agent', resource: 'b', delta: -2_000_000_000n, time: at(10) });
    expect(await metering.close()).toMatchObject({ complete: true });
    expect(metering.counters()).toMatchObject({ queued: 104, acknowledged: 104, rejected: 0, held: 0, dropped: 0 });

    await untilUsage('requests', '90');
    await untilUsage('egress', '1');
    await untilUsage('machines', '7200');
    await untilUsage('buckets', '12');
    const { json } = await get('/v1/streams?source=/sdk');
    expect(json.data).toMatchObject([{ events: 104, missing: [] }]);
    expect(json.data[0].completeThrough).toBe(json.data[0].highest);
  });

  it('sends with nothing but HTTP, and a repeat counts once', async () => {
    const events = [cloudEvent('1', 5, response(500_000, 'ap')), cloudEvent('2', 5, response(500_000, 'ap'))];
    expect((await post('/v1/events', events)).json).toMatchObject({ accepted: 2 });
    expect((await post('/v1/events', events)).json).toMatchObject({ accepted: 0, duplicate: 2 });
    expect((await post('/v1/events', cloudEvent('1', 5, response(1, 'ap')))).json).toMatchObject({ conflict: 1 });

    const later = await post('/v1/events', [...events, cloudEvent('3', 5, response(500_000, 'ap'))], {
      prefer: 'respond-async',
    });
    expect(later).toMatchObject({ status: 202, json: { received: 3, rejected: [] } });
    expect(later.headers.get('preference-applied')).toBe('respond-async');
    await untilUsage('egress', '2.5');
    await untilUsage('requests', '93');
  });

  it('reads usage by group, and by day in another zone', async () => {
    const { groups } = await usage('requests', '&groupBy=region');
    const byRegion = Object.fromEntries(
      groups.map(({ dimensions, quantity }: { dimensions: { region: string }; quantity: string }) => [
        dimensions.region,
        quantity,
      ]),
    );
    // Every fourth is in eu and every tenth failed, every twentieth both.
    expect(byRegion).toEqual({ eu: '20', us: '70', ap: '3' });

    // Midnight in Kathmandu is at 18:15 UTC.
    const inZone = await usage('requests', '&window=day&zone=Asia/Kathmandu');
    expect(inZone.windows.map(({ from, quantity }: { from: string; quantity: string }) => [from, quantity])).toEqual([
      [at(0), '93'],
      [at(18.25), '0'],
    ]);
    const hours = await usage('egress', '&window=hour');
    expect(hours.windows).toHaveLength(24);
    expect(hours.windows[1].quantity).toBe('1');
    expect(hours.windows[5].quantity).toBe('1.5');
  });

  it('finds what was held, makes the account it was for, and replays it', async () => {
    const sent = await post('/v1/events', [
      cloudEvent('early', 6, { subject: 'newcomer', ...response(1_000_000, 'eu') }),
      cloudEvent('huge', 6, response(1_000_000_001, 'eu')),
    ]);
    expect(sent.json).toMatchObject({
      held: 2,
      verdicts: [{ reason: 'unknown_account' }, { reason: 'over_event_ceiling' }],
    });
    const held = await get('/v1/held-events');
    expect(held.json.data).toMatchObject([
      { reason: 'unknown_account', event: { id: 'early' } },
      { reason: 'over_event_ceiling', event: { id: 'huge' } },
    ]);
    const tooSoon = await post('/v1/held-events/replay', { reason: 'unknown_account' });
    expect(tooSoon.json).toMatchObject({ replayed: 0, verdicts: [{ verdict: 'held', reason: 'unknown_account' }] });

    const newcomer = (await post('/v1/accounts', { name: 'newcomer' })).json.id;
    // What a process knows of accounts it may know for some seconds.
    await until('the newcomer to be replayed', async () => {
      const { json } = await post('/v1/held-events/replay', { subject: 'newcomer' });
      return json.replayed === 1;
    });
    await untilUsage('egress', '1', newcomer);
    const receipts = held.json.data.map(({ receipt }: { receipt: string }) => receipt);
    expect((await post('/v1/held-events/discard', { receipts })).json).toMatchObject({ discarded: 1 });
    expect((await get('/v1/held-events')).json.data).toEqual([]);
    // Kept and answered for: sending it again changes nothing.
    expect((await post('/v1/events', cloudEvent('huge', 6, response(1_000_000_001, 'eu')))).json).toMatchObject({
      duplicate: 1,
    });
  });

  it('voids one event and amends another, and the quantities follow', async () => {
    const body = { source: '/curl', reason: 'a load test' };
    expect((await post('/v1/events/1/void', body)).json).toMatchObject({
      outcome: 'voided',
      event: { id: '1', state: 'voided', meters: expect.arrayContaining(['requests', 'egress']) },
    });
    expect((await post('/v1/events/1/void', body)).json).toMatchObject({ outcome: 'already_voided' });
    const amended = await post('/v1/events/2/amend', { source: '/curl', ...response(250_000, 'eu') });
    expect(amended.json).toMatchObject({ outcome: 'amended', event: { amended: true, value: '250000' } });
    await untilUsage('egress', '1.75');
    await untilUsage('requests', '92');
    const { groups } = await usage('requests', '&groupBy=region');
    expect(groups).toContainEqual({ dimensions: { region: 'eu' }, quantity: '21' });

    const { json } = await get('/v1/events/2?source=/curl');
    expect(json.versions).toMatchObject([
      { revision: 0, action: 'received', event: { value: '500000' } },
      { revision: 1, action: 'amend', event: { value: '250000' } },
    ]);
    expect((await post('/v1/events', cloudEvent('1', 5, response(500_000, 'ap')))).json).toMatchObject({
      conflict: 1,
      verdicts: [{ reason: 'voided' }],
    });
    expect(await post('/v1/events/nothing/void', { source: '/curl' })).toMatchObject({
      status: 404,
      json: { reason: 'unknown_event' },
    });
  });

  it('corrects an event of a stream by its place', async () => {
    const [{ stream }] = (await get('/v1/streams?source=/sdk')).json.data;
    const id = `${stream}.1.0`;
    expect((await get(`/v1/events/${id}?source=/sdk`)).json.event).toMatchObject({ kind: 'stream', state: 'counted' });
    expect((await post(`/v1/events/${id}/void`, { source: '/sdk' })).json).toMatchObject({ outcome: 'voided' });
    await untilUsage('egress', '1.74');
  });

  it('sees what a draft would have counted, and changes the rules of a meter from now on', async () => {
    const definition = {
      name: 'draft',
      eventType: TYPE,
      aggregation: 'sum',
      unit: 'byte',
      filters: [{ dimension: 'region', in: ['us'] }],
    };
    const preview = await post('/v1/meters/preview', { definition, from: at(0), to: at(24) });
    expect(preview).toMatchObject({
      status: 200,
      json: { total: '750000', unit: 'byte', accounts: [{ account, quantity: '750000' }], complete: true },
    });
    expect((await get('/v1/meters/draft')).status).toBe(404);

    const revised = await post('/v1/meters/requests/versions', { groupBy: ['region', 'status'] });
    expect(revised).toMatchObject({
      status: 201,
      json: {
        versions: [
          { version: 1, groupBy: ['region'] },
          { version: 2, groupBy: ['region', 'status'] },
        ],
      },
    });
    expect((await post('/v1/meters/requests/versions', { groupBy: ['region', 'status'] })).status).toBe(200);
    await untilUsage('requests', '92');
  });

  it('has what is derived rebuilt from the log, to the same', async () => {
    const rebuild = (...args: string[]) =>
      spawnSync(
        process.execPath,
        ['--import', './tools/register-typescript.mjs', 'apps/worker/src/commands/rebuild.ts', ...args],
        { cwd: process.cwd(), env: { PATH: process.env['PATH'], ...house.environment }, encoding: 'utf8' },
      );
    const compare = () => rebuild('--provider', house.provider, '--compare');
    expect(compare()).toMatchObject({ status: 0, stdout: 'A rebuild would change nothing.\n' });
    await house.owner.query('UPDATE usage_cells SET sum = sum + 1 WHERE grain = 1440');
    const differs = compare();
    expect(differs).toMatchObject({ status: 1, stdout: expect.stringContaining('cells {') });
    expect(rebuild('--provider', house.provider, '--meter', 'egress')).toMatchObject({ status: 0 });
    expect(rebuild('--provider', house.provider)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Rebuilt from \d+ entries/),
    });
    expect(compare()).toMatchObject({ status: 0 });
    expect(rebuild('--meter', 'egress')).toMatchObject({ status: 2, stderr: expect.stringContaining('--provider') });
    await untilUsage('egress', '1.74');
  });
});

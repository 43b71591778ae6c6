import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { KEY_SCOPES, type KeyScope } from '@features/accounts';
import { createLogger } from '@platform/telemetry';
import { apiConfig, call, createDatabase, makeKey, rollUp, type Called, type ApiDatabase } from '../support/api.js';

// What a provider's developer does with the api, in order: make a key by command, define meters, open accounts, record usage,
// read it back; and what holds for every request.

let database: ApiDatabase;
let api: Api;
let url: string;
let provider: string;
const lines: string[] = [];
const keys = new Map<KeyScope, string>();
let all: string;

beforeAll(async () => {
  database = await createDatabase();
  const config = apiConfig(database);
  const logger = createLogger({ service: 'api', level: 'info' }, { write: (line) => void lines.push(line) });
  api = await createApp(config, { logger });
  url = await api.listen(0, '127.0.0.1');
  const made = await makeKey(api, { scopes: KEY_SCOPES });
  provider = made.provider;
  all = made.key;
  for (const scope of KEY_SCOPES) keys.set(scope, (await makeKey(api, { provider, scopes: [scope] })).key);
});

afterAll(async () => {
  await api.close();
  await database.drop();
});

const get = (path: string, key: string = all): Promise<Called> => call(url, 'GET', path, { key });
const post = (path: string, body: unknown, headers: Record<string, string> = {}, key = all): Promise<Called> =>
  call(url, 'POST', path, { key, body, headers });

describe('the keys command', () => {
  const keysCommand = (...args: string[]) =>
    spawnSync(
      process.execPath,
      ['--import', './tools/register-typescript.mjs', 'apps/api/src/commands/keys.ts', ...args],
      {
        cwd: join(__dirname, '..', '..'),
        env: { PATH: process.env['PATH'], DATABASE_URL: database.appUrl, KEY_PEPPER: api.rim.config.KEY_PEPPER },
        encoding: 'utf8',
      },
    );

  it('makes the first provider and its key, which works; revoked, it stops within 5 s', async () => {
    const made = keysCommand(
      'create',
      '--provider',
      'Made By Hand',
      '--pay-to',
      `0x${'Ab'.repeat(20)}`,
      '--scopes',
      'read,manage',
    );
    expect(made.stderr).toContain('only time');
    const [, madeProvider = ''] = /(prv_[0-9a-f]{32})/.exec(made.stdout) ?? [];
    const [, keyId = ''] = /(key_[0-9a-f]{32})/.exec(made.stdout) ?? [];
    const [key = ''] = /fbx_live_\S+/.exec(made.stdout) ?? [];
    expect((await get('/v1/provider', key)).json).toMatchObject({
      id: madeProvider,
      name: 'Made By Hand',
      payTo: `0x${'ab'.repeat(20)}`,
    });

    expect(keysCommand('list', '--provider', madeProvider).stdout).toContain(`${keyId}  `);
    expect(keysCommand('revoke', '--provider', madeProvider, '--key', keyId).stdout).toContain('is revoked');
    const revokedAt = performance.now();
    let refused: Called;
    do refused = await get('/v1/provider', key);
    while (refused.status === 200 && performance.now() - revokedAt < 5_500);
    expect(performance.now() - revokedAt).toBeLessThan(5_000);
    expect(refused).toMatchObject({ status: 401, json: { reason: 'revoked_key' } });
  });

  it.each([
    [['create'], '--provider is missing'],
    [['create', '--provider', 'X'], '--pay-to is missing'],
    [['create', '--provider', 'X', '--pay-to', '0x12'], 'not an address'],
    [['create', '--provider', 'X', '--pay-to', `0x${'ab'.repeat(20)}`, '--scopes', 'root'], 'root is none'],
    [['list', '--provider', 'X'], 'give the id'],
    [['explode'], 'no command "explode"'],
    [['create', '--password', 'x'], 'password'],
  ])('refuses %j and says why', (args, said) => {
    const { status, stderr, stdout } = keysCommand(...args);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(said);
    expect(stderr).not.toContain('    at ');
  });
});

describe('a day of a provider', () => {
  let account: string;

  it('changes settings', async () => {
    const before = (await get('/v1/provider')).json;
    const changed = await call(url, 'PATCH', '/v1/provider', {
      key: all,
      body: { exposureCapPayer: '5000000', raiseAbove: null },
    });
    expect(changed).toMatchObject({ status: 200, json: { ...before, exposureCapPayer: '5000000', raiseAbove: null } });
    expect((await get('/v1/provider')).json).toEqual(changed.json);
  });

  it('defines meters, prices them, and repeating either changes nothing', async () => {
    const meter = { name: 'api.calls', aggregation: 'count', unit: 'call' };
    const made = await post('/v1/meters', meter);
    expect(made).toMatchObject({ status: 201, json: { ...meter, quantityUnit: 'call' } });
    expect(await post('/v1/meters', meter)).toMatchObject({ status: 200, json: made.json });
    expect((await post('/v1/meters', { name: 'bytes', aggregation: 'level', unit: 'byte' })).json).toMatchObject({
      quantityUnit: 'byte-second',
    });
    expect(await post('/v1/meters', { ...meter, unit: 'visit' })).toMatchObject({
      status: 409,
      json: { reason: 'meter_exists' },
    });
    expect((await get('/v1/meters')).json.data).toHaveLength(2);

    const price = { meter: 'api.calls', definition: { rate: '0.004' }, effectiveAt: '2026-11-01T00:00:00Z' };
    const priced = await post('/v1/prices', price);
    expect(priced).toMatchObject({
      status: 201,
      json: {
        meter: made.json.id,
        model: 'per_unit',
        definition: { rate: '0.004' },
        assetDecimals: 6,
        release: 'submitted',
      },
    });
    expect(await post('/v1/prices', price)).toMatchObject({ status: 200, json: { id: priced.json.id } });
    expect((await get('/v1/prices?meter=api.calls')).json.data).toEqual([priced.json]);
  });

  it('opens an account, of which there is one by its name', async () => {
    const made = await post('/v1/accounts', { name: 'agent-7' });
    expect(made).toMatchObject({ status: 201, json: { name: 'agent-7', wallets: [] } });
    account = made.json.id;
    expect(await post('/v1/accounts', { name: 'agent-7' })).toMatchObject({ status: 200, json: made.json });
    expect((await get(`/v1/accounts/${account}`)).json).toEqual(made.json);
    expect((await get(`/v1/accounts/${account}/balance`)).json).toEqual({ account, balances: [] });
  });

  it('records usage, one verdict each, and reads it back exactly', async () => {
    const now = new Date().toISOString();
    const event = (id: string, more: object = {}) => ({
      specversion: '1.0',
      id,
      source: '/test',
      type: 'api.calls',
      subject: 'agent-7',
      time: now,
      ...more,
    });
    const batch = [
      event('1'),
      event('2', { subject: account }),
      event('1'),
      event('3', { type: 'no.such' }),
      { hello: 'world' },
      event('1', { data: { resource: 'x' } }),
    ];
    const answer = await call(url, 'POST', '/v1/events', {
      key: keys.get('ingest'),
      body: batch,
      type: 'application/cloudevents-batch+json',
    });
    expect(answer.status).toBe(200);
    expect(answer.json.verdicts.map((each: { verdict: string }) => each.verdict)).toEqual([
      'accepted',
      'accepted',
      'duplicate',
      'held',
      'rejected',
      'rejected',
    ]);
    expect(answer.json.verdicts[3]).toMatchObject({ id: '3', reason: 'unknown_meter' });
    expect(answer.json.verdicts[4]).toMatchObject({
      reason: 'invalid_event',
      message: expect.stringContaining('specversion'),
    });
    expect(answer.json).toMatchObject({ accepted: 2, duplicate: 1, conflict: 0, held: 1, rejected: 2 });

    const single = await call(url, 'POST', '/v1/events', {
      key: keys.get('ingest'),
      body: event('1'),
      type: 'application/cloudevents+json',
    });
    expect(single.json).toMatchObject({ accepted: 0, duplicate: 1 });

    const [from, to] = [`${now.slice(0, 10)}T00:00:00Z`, '2100-01-01T00:00:00Z'];
    await rollUp(api);
    const usage = await get(`/v1/usage?account=${account}&meter=api.calls&from=${from}&to=${to}`);
    expect(usage.json).toMatchObject({ account, meter: 'api.calls', unit: 'call', total: '2' });
    const day = await get(
      `/v1/usage?account=${account}&meter=api.calls&from=${from}&to=${now.slice(0, 10)}T23:59:59Z&window=day`,
    );
    expect(day.json.windows).toHaveLength(1);

    const listed: { id: string; state: string }[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { json } = await get(`/v1/events?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      listed.push(...json.data);
      cursor = json.next;
    }
    expect(listed.map(({ id, state }) => [id, state])).toEqual([
      ['3', 'held'],
      ['2', 'counted'],
      ['1', 'counted'],
    ]);
  });

  it('states what the account owes, in JSON and in CSV, as the ledger has it', async () => {
    const month = new Date().toISOString().slice(0, 7);
    const stated = await get(`/v1/statements/agent-7/${month}`, keys.get('finance'));
    expect(stated).toMatchObject({ status: 200, json: { account: { id: account }, status: 'open' } });
    const [asset] = stated.json.assets;
    expect(asset).toMatchObject({
      opening: { atomic: '0' },
      charges: { atomic: '8000', amount: '0.008' },
      closing: { atomic: '8000' },
    });
    expect((await get(`/v1/accounts/${account}/balance`)).json.balances).toEqual([
      { asset: asset.asset, owed: '8000' },
    ]);
    const rows = (await get('/v1/ledger/balances', keys.get('finance'))).json.data;
    expect(rows).toMatchObject([
      { code: '1110', account, debits: '8000', credits: '0', balance: '8000' },
      { code: '4010', debits: '0', credits: '8000', balance: '8000' },
    ]);
    for (const [path, accept] of [
      [`${month}.csv`, '*/*'],
      [month, 'text/csv'],
    ] as const) {
      const csv = await call(url, 'GET', `/v1/statements/${account}/${path}`, { key: all, headers: { accept } });
      expect(csv.headers.get('content-type')).toContain('text/csv');
      expect(csv.text).toMatch(/^record,/);
    }
    expect((await get(`/v1/statements/${account}/${month}.json`)).json.assets).toEqual(stated.json.assets);
  });

  it('makes a key that can do less, and none that can do more', async () => {
    const body = { name: 'ci', scopes: ['read'], expiresAt: '2100-01-01T00:00:00Z' };
    const made = await post('/v1/keys', body);
    expect(made.status).toBe(201);
    expect((await get('/v1/accounts', made.json.secret)).status).toBe(200);
    expect(await post('/v1/keys', { name: 'x', scopes: ['finance'] }, {}, keys.get('manage'))).toMatchObject({
      status: 403,
      json: { reason: 'scope_escalation' },
    });
    const listed = await get('/v1/keys');
    expect(JSON.stringify(listed.json)).not.toContain(made.json.secret);
    expect(await call(url, 'DELETE', `/v1/keys/${made.json.id}`, { key: all })).toMatchObject({
      status: 200,
      json: { revokedAt: expect.any(String) },
    });
  });
});

describe('an Idempotency-Key', () => {
  it('makes a request happen once, also when it is sent many times at once', async () => {
    const before = (await get('/v1/accounts?limit=200')).json.data.length;
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => post('/v1/accounts', {}, { 'idempotency-key': 'once' })),
    );
    for (const { status, json, headers } of answers) {
      if (status === 409)
        expect({ json, retry: headers.get('retry-after') }).toMatchObject({
          json: { reason: 'idempotency_in_flight' },
          retry: '1',
        });
      else expect(status).toBe(201);
    }
    const again = await post('/v1/accounts', {}, { 'idempotency-key': 'once' });
    expect(again).toMatchObject({ status: 201, json: { id: expect.stringMatching(/^acct_/) } });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await get('/v1/accounts?limit=200')).json.data).toHaveLength(before + 1);
  });

  it('used for something else is refused and named', async () => {
    await post('/v1/accounts', { name: 'first' }, { 'idempotency-key': 'mine' });
    const other = await post('/v1/accounts', { name: 'second' }, { 'idempotency-key': 'mine' });
    expect(other).toMatchObject({ status: 409, json: { reason: 'idempotency_key_reused', idempotencyKey: 'mine' } });
  });

  it('of a request that was refused may be used for the mended one', async () => {
    expect((await post('/v1/accounts', { name: 'acct_no' }, { 'idempotency-key': 'mend' })).status).toBe(400);
    expect((await post('/v1/accounts', { name: 'mended' }, { 'idempotency-key': 'mend' })).status).toBe(201);
  });

  it('does not keep the secret of a key', async () => {
    const first = await post('/v1/keys', { name: 'k', scopes: ['read'] }, { 'idempotency-key': 'key' });
    const again = await post('/v1/keys', { name: 'k', scopes: ['read'] }, { 'idempotency-key': 'key' });
    const { secret, ...rest } = first.json;
    expect(again.json).toEqual(rest);
    const kept = await database.rows('SELECT body FROM idempotency_keys');
    expect(JSON.stringify(kept)).not.toContain(secret);
  });
});

describe('every request', () => {
  it('has an id: the caller’s, or one of ours', async () => {
    const mine = await call(url, 'GET', '/health/live', { headers: { 'x-request-id': 'mine-1' } });
    expect(mine.headers.get('x-request-id')).toBe('mine-1');
    const hostile = await call(url, 'GET', '/v1/accounts', { headers: { 'x-request-id': '<script>' } });
    expect(hostile.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
    expect(hostile.json.instance).toBe(hostile.headers.get('x-request-id'));
  });

  it('leaves one log line with its id and no secret', async () => {
    lines.length = 0;
    await call(url, 'GET', '/v1/accounts?limit=1', {
      key: all,
      headers: { 'x-request-id': 'logged-1', 'payment-signature': 'c2VjcmV0' },
    });
    await call(url, 'POST', '/v1/accounts', { key: all, body: { name: 'acct_secretish' } });
    const found = lines.map((line) => JSON.parse(line)).filter((line) => line.requestId === 'logged-1');
    expect(found).toEqual([
      expect.objectContaining({
        level: 'info',
        method: 'GET',
        route: '/v1/accounts',
        status: 200,
        provider,
        keyId: expect.stringMatching(/^key_/),
      }),
    ]);
    expect(lines.join('')).not.toMatch(new RegExp(`${all.slice(-20)}|c2VjcmV0|secretish`));
  });

  it('is measured by route and status', async () => {
    const { text, headers } = await call(url, 'GET', '/metrics', {});
    expect(headers.get('content-type')).toContain('text/plain');
    expect(text).toMatch(
      /farebox_http_request_seconds_count\{method="GET",route="\/v1\/accounts\/:id",status="200"\} \d+/,
    );
    expect(text).toMatch(/farebox_usage_events_total\{door="open",verdict="accepted"\} 2/);
    expect(text).not.toMatch(/acct_|prv_|0x/);
  });
});

describe('the documents', () => {
  it('describe every route there is, with who may use it', async () => {
    const { json } = await call(url, 'GET', '/openapi.json', {});
    expect(json.openapi).toBe('3.1.0');
    expect(Object.keys(json.paths)).toEqual(
      expect.arrayContaining([
        '/v1/events',
        '/v1/gate/check',
        '/x402/settle',
        '/v1/payments/{id}',
        '/v1/keys/{id}',
        '/health/ready',
      ]),
    );
    expect(json.paths['/v1/events'].post.requestBody.content['application/cloudevents+json'].schema.oneOf).toHaveLength(
      2,
    );
    expect(json.paths['/v1/accounts'].post).toMatchObject({
      security: [{ key: [] }],
      parameters: [{ name: 'Idempotency-Key', in: 'header' }],
    });
    expect(json.paths['/v1/payments/{id}'].get).toMatchObject({
      security: [],
      parameters: [{ name: 'id', in: 'path', required: true }],
    });
    const served = Object.entries<Record<string, { operationId: string }>>(json.paths).flatMap(([, methods]) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(served).size).toBe(served.length);
  });

  it('can be browsed without the network', async () => {
    const page = await call(url, 'GET', '/docs', {});
    expect(page).toMatchObject({ status: 200, text: expect.stringContaining('swagger-ui') });
    const sources = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, source = '']) => new URL(source, `${url}/docs`).href,
    );
    expect(sources.length).toBeGreaterThan(2);
    for (const source of sources) {
      expect(source.startsWith(url)).toBe(true);
      expect((await fetch(source)).status).toBe(200);
    }
  });
});

describe('health', () => {
  it('is live and says of each part how it stands', async () => {
    expect((await call(url, 'GET', '/health/live', {})).json).toEqual({ status: 'live' });
    const { status, json } = await call(url, 'GET', '/health/ready', {});
    expect(status).toBe(200);
    expect(json.parts).toMatchObject([
      { name: 'database', ok: true },
      { name: 'chain', says: expect.stringMatching(/newest block is \d+ s old/) },
      { name: 'queue', ok: true, says: '0 jobs wait' },
    ]);
  });
});

describe('a stop', () => {
  it('ends the running request, and waits for no connection that asks nothing', async () => {
    const stopping = await createApp(apiConfig(database, { LOG_LEVEL: 'silent' }));
    const port = Number(new URL(await stopping.listen(0, '127.0.0.1')).port);
    const silent = connect(port, '127.0.0.1');
    const busy = connect(port, '127.0.0.1');
    let answer = '';
    busy.on('data', (bytes) => (answer += bytes.toString()));
    const ended = Promise.all([silent, busy].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    const body = JSON.stringify({ name: 'opened-while-stopping' });
    const head = `POST /v1/accounts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${all}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`;
    busy.write(head);
    // The server asks for the body: so it has begun with the request.
    while (!answer.includes('100 Continue')) await new Promise((resolve) => busy.once('data', resolve));
    const closed = stopping.close();
    busy.write(body);
    await closed;
    await ended;
    expect(answer).toMatch(/HTTP\/1\.1 201/);
    expect(await database.rows(`SELECT id FROM accounts WHERE name = 'opened-while-stopping'`)).toHaveLength(1);
  }, 10_000);
});

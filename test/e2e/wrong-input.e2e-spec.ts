import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { KEY_SCOPES, type KeyScope } from '@features/accounts';
import { type Api, createApp } from '../../apps/api/src/create-app.js';
import { apiConfig, call, type Called, makeKey } from '../support/api.js';
import { WrongInputScene } from '../support/wrong-input-scene.js';

// Whatever comes in wrong is answered with the right status and a problem document that says what to do, and nothing is
// written. Every table is counted before and after each case.

let scene: WrongInputScene;
let url: string;
let account: string;
let keys: WrongInputScene['keys'];

const counts = () => scene.counts();
const refused: WrongInputScene['refused'] = (...of) => scene.refused(...of);

beforeAll(async () => {
  scene = await WrongInputScene.start();
  ({ url, account, keys } = scene);
});

afterAll(() => scene.close());

describe('a key', () => {
  const good = () => keys.get('read') ?? '';
  const cases: [name: string, headers: () => Record<string, string>, reason: string][] = [
    ['missing', () => ({}), 'missing_key'],
    ['of another kind', () => ({ authorization: 'Basic YTpi' }), 'malformed_key'],
    ['empty', () => ({ authorization: 'Bearer ' }), 'malformed_key'],
    ['cut off', () => ({ authorization: `Bearer ${good().slice(0, -4)}` }), 'malformed_key'],
    ['with something after it', () => ({ authorization: `Bearer ${good()} x` }), 'malformed_key'],
    [
      'unknown',
      () => ({ authorization: `Bearer ${good().replace(/_[0-9a-f]{32}_/, `_${'0'.repeat(32)}_`)}` }),
      'unknown_key',
    ],
    [
      'with a wrong secret',
      () => ({ authorization: `Bearer ${good().slice(0, -43)}${'A'.repeat(43)}` }),
      'unknown_key',
    ],
    [
      'with another environment written into it',
      () => ({ authorization: `Bearer ${good().replace('_test_', '_live_')}` }),
      'unknown_key',
    ],
  ];
  it.each(cases)('that is %s: 401', async (_, headers, reason) => {
    const answer = await refused(() => call(url, 'GET', '/v1/accounts', { headers: headers() }), 401, reason);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
  });

  it('that was revoked stops within 5 s, and that has expired at once: 401', async () => {
    const manage = keys.get('manage');
    const made = await makeKey(scene.api, { provider: scene.provider, scopes: ['read'] });
    expect((await call(url, 'GET', '/v1/accounts', { key: made.key })).status).toBe(200);
    expect((await call(url, 'DELETE', `/v1/keys/${made.id}`, { key: manage })).status).toBe(200);
    scene.clock.advance(5_000);
    await refused(() => call(url, 'GET', '/v1/accounts', { key: made.key }), 401, 'revoked_key');

    const expiresAt = new Date(scene.clock.now() + 1_000_000).toISOString();
    const all = (await makeKey(scene.api, { provider: scene.provider, scopes: KEY_SCOPES })).key;
    const brief = (
      await call(url, 'POST', '/v1/keys', { key: all, body: { name: 'brief', scopes: ['read'], expiresAt } })
    ).json.secret;
    expect((await call(url, 'GET', '/v1/accounts', { key: brief })).status).toBe(200);
    scene.clock.advance(1_000_000);
    await refused(() => call(url, 'GET', '/v1/accounts', { key: brief }), 401, 'expired_key');
  });

  const guarded: [method: string, path: string, scope: KeyScope][] = [
    ['POST', '/v1/events', 'ingest'],
    ['POST', '/v1/events/stream', 'ingest'],
    ['POST', '/v1/gate/check', 'gate'],
    ['POST', '/v1/gate/capture', 'gate'],
    ['POST', '/v1/gate/extend', 'gate'],
    ['POST', '/v1/gate/void', 'gate'],
    ['POST', '/v1/gate/batch', 'gate'],
    ['GET', '/v1/events', 'read'],
    ['GET', '/v1/events/evt_1', 'read'],
    ['POST', '/v1/events/evt_1/void', 'manage'],
    ['POST', '/v1/events/evt_1/amend', 'manage'],
    ['GET', '/v1/usage', 'read'],
    ['GET', '/v1/streams', 'read'],
    ['GET', '/v1/held-events', 'read'],
    ['POST', '/v1/held-events/replay', 'manage'],
    ['POST', '/v1/held-events/discard', 'manage'],
    ['GET', '/v1/backfills', 'read'],
    ['POST', '/v1/backfills', 'manage'],
    ['GET', '/v1/backfills/bkf_1', 'read'],
    ['POST', '/v1/backfills/bkf_1/events', 'manage'],
    ['POST', '/v1/backfills/bkf_1/preview', 'finance'],
    ['POST', '/v1/backfills/bkf_1/commit', 'manage'],
    ['POST', '/v1/backfills/bkf_1/revert', 'manage'],
    ['POST', '/v1/backfills/bkf_1/drop', 'manage'],
    ['GET', '/v1/meters', 'read'],
    ['POST', '/v1/meters', 'manage'],
    ['GET', '/v1/meters/mtr_1', 'read'],
    ['POST', '/v1/meters/mtr_1/versions', 'manage'],
    ['POST', '/v1/meters/preview', 'manage'],
    ['GET', '/v1/prices', 'read'],
    ['POST', '/v1/prices', 'manage'],
    ['POST', '/v1/prices/backtest', 'finance'],
    ['GET', '/v1/rating-problems', 'read'],
    ['GET', '/v1/plans', 'read'],
    ['POST', '/v1/plans', 'manage'],
    ['GET', '/v1/plans/pln_1', 'read'],
    ['POST', '/v1/plans/pln_1/versions', 'manage'],
    ['POST', '/v1/plans/pln_1/migrate', 'manage'],
    ['GET', '/v1/accounts/acct_1/plan', 'read'],
    ['PUT', '/v1/accounts/acct_1/plan', 'manage'],
    ['GET', '/v1/accounts/acct_1/prices', 'read'],
    ['POST', '/v1/accounts/acct_1/prices', 'manage'],
    ['GET', '/v1/periods', 'finance'],
    ['POST', '/v1/periods/close', 'finance'],
    ['GET', '/v1/accounts', 'read'],
    ['POST', '/v1/accounts', 'manage'],
    ['GET', '/v1/accounts/acct_1', 'read'],
    ['GET', '/v1/accounts/acct_1/balance', 'read'],
    ['GET', '/v1/accounts/acct_1/keys', 'manage'],
    ['POST', '/v1/accounts/acct_1/keys', 'manage'],
    ['DELETE', '/v1/accounts/acct_1/keys/key_1', 'manage'],
    ['GET', '/v1/accounts/acct_1/identities', 'read'],
    ['GET', '/v1/accounts/acct_1/identities/challenge', 'manage'],
    ['POST', '/v1/accounts/acct_1/identities', 'manage'],
    ['DELETE', '/v1/accounts/acct_1/identities/kind_1/subject_1', 'manage'],
    ['GET', '/v1/accounts/acct_1/wallet', 'read'],
    ['GET', '/v1/accounts/acct_1/alerts', 'read'],
    ['PUT', '/v1/accounts/acct_1/alerts', 'manage'],
    ['GET', '/v1/accounts/acct_1/auto-topup', 'read'],
    ['PUT', '/v1/accounts/acct_1/auto-topup', 'manage'],
    ['DELETE', '/v1/accounts/acct_1/auto-topup', 'manage'],
    ['GET', '/v1/accounts/acct_1/grants', 'read'],
    ['POST', '/v1/accounts/acct_1/grants', 'manage'],
    ['POST', '/v1/grants/grt_1/void', 'manage'],
    ['POST', '/v1/grants/grt_1/refund', 'finance'],
    ['GET', '/v1/refunds', 'read'],
    ['GET', '/v1/refunds/rfd_1', 'read'],
    ['POST', '/v1/refunds/rfd_1/authorization', 'finance'],
    ['GET', '/v1/accounts/acct_1/limits', 'read'],
    ['PUT', '/v1/accounts/acct_1/limits', 'manage'],
    ['DELETE', '/v1/accounts/acct_1/limits/lim_1', 'manage'],
    ['GET', '/v1/accounts/acct_1/terms', 'read'],
    ['PUT', '/v1/accounts/acct_1/terms', 'manage'],
    ['GET', '/v1/accounts/acct_1/credit', 'read'],
    ['PUT', '/v1/accounts/acct_1/credit', 'manage'],
    ['GET', '/v1/accounts/acct_1/payment-methods', 'read'],
    ['POST', '/v1/accounts/acct_1/payment-methods', 'manage'],
    ['POST', '/v1/accounts/acct_1/payment-methods/pmt_1/default', 'manage'],
    ['DELETE', '/v1/accounts/acct_1/payment-methods/pmt_1', 'manage'],
    ['POST', '/v1/topups/checkout', 'manage'],
    ['GET', '/v1/statements', 'finance'],
    ['GET', '/v1/accounts/acct_1/statements', 'finance'],
    ['GET', '/v1/statements/stm_1', 'finance'],
    ['POST', '/v1/statements/close', 'finance'],
    ['GET', '/v1/statements/stm_1/payments', 'read'],
    ['GET', '/v1/statements/stm_1/collection', 'finance'],
    ['POST', '/v1/statements/stm_1/collect', 'finance'],
    ['GET', '/v1/statements/stm_1/refunds', 'finance'],
    ['POST', '/v1/statements/stm_1/refunds', 'finance'],
    ['PUT', '/v1/resources', 'manage'],
    ['GET', '/v1/resources', 'read'],
    ['DELETE', '/v1/resources/rsc_1', 'manage'],
    ['GET', '/v1/provider/topups', 'read'],
    ['PUT', '/v1/provider/topups', 'manage'],
    ['GET', '/v1/webhook-endpoints', 'manage'],
    ['POST', '/v1/webhook-endpoints', 'manage'],
    ['GET', '/v1/webhook-endpoints/whe_1', 'manage'],
    ['PATCH', '/v1/webhook-endpoints/whe_1', 'manage'],
    ['DELETE', '/v1/webhook-endpoints/whe_1', 'manage'],
    ['POST', '/v1/webhook-endpoints/whe_1/rotate-secret', 'manage'],
    ['POST', '/v1/webhook-endpoints/whe_1/test', 'manage'],
    ['GET', '/v1/webhook-endpoints/whe_1/deliveries', 'manage'],
    ['GET', '/v1/webhook-events', 'manage'],
    ['POST', '/v1/webhook-events/evt_1/replay', 'manage'],
    ['GET', '/v1/provider', 'read'],
    ['PATCH', '/v1/provider', 'manage'],
    ['GET', '/v1/keys', 'manage'],
    ['POST', '/v1/keys', 'manage'],
    ['DELETE', '/v1/keys/key_1', 'manage'],
    ['GET', '/v1/ledger/balances', 'finance'],
    ['GET', '/v1/statements/agent/2026-11', 'finance'],
  ];
  it.each(guarded)('%s %s asks for a key with the scope %s and takes no other', async (method, path, scope) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    await refused(() => call(url, method, path, { body }), 401, 'missing_key');
    for (const other of KEY_SCOPES.filter((each) => each !== scope)) {
      const answer = await refused(() => call(url, method, path, { key: keys.get(other), body }), 403, 'missing_scope');
      expect(answer.json).toMatchObject({ required: scope, granted: [other] });
    }
  });

  it('is asked for on every operation of the documents but these', async () => {
    const { json } = await call(url, 'GET', '/openapi.json', {});
    const inDocuments = Object.entries<Record<string, { security: object[] }>>(json.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => ({
        operation: `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, '*')}`,
        asks: security.length > 0 && security.every((scheme) => Object.keys(scheme).length > 0),
      })),
    );
    const named = (asks: boolean) => inDocuments.filter((one) => one.asks === asks).map(({ operation }) => operation);
    const tested = guarded.map(
      ([method, path]) => `${method} ${path.replace(/[a-z]+_1(?=\/|$)/g, '*').replace('agent/2026-11', '*/*')}`,
    );
    expect(tested.sort()).toEqual(named(true).sort());
    expect(named(false).sort()).toEqual([
      'GET /.well-known/did.json',
      'GET /.well-known/jwks.json',
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
      'GET /openapi.json',
      'GET /v1/agent',
      'GET /v1/agent/balance',
      'GET /v1/agent/identities',
      'GET /v1/agent/identities/challenge',
      'GET /v1/payments/*',
      'GET /v1/payments/*/record',
      'GET /v1/statement-payments/*',
      'GET /v1/topups/*',
      'GET /v1/webhook-event-types',
      'GET /x402/discovery/resources',
      'GET /x402/supported',
      'POST /v1/agent/identities',
      'POST /v1/credit/authorize',
      'POST /v1/statements/*/pay',
      'POST /v1/topups',
      'POST /webhooks/stripe',
      'POST /x402/settle',
      'POST /x402/verify',
    ]);
  });

  it.each(['/x402/verify', '/x402/settle'])('that %s could do without holds all the same', async (path) => {
    await refused(() => call(url, 'POST', path, { key: `${good()} x`, body: {} }), 401, 'malformed_key');
    await refused(() => call(url, 'POST', path, { key: good(), body: {} }), 403, 'missing_scope');
  });
});

describe('a body', () => {
  type Case = [
    name: string,
    path: string,
    scope: KeyScope,
    body: unknown,
    type: string,
    status: number,
    reason: string,
  ];
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  const cases: Case[] = [
    ['that is not JSON', '/v1/accounts', 'manage', '{"name": "a"', 'application/json', 400, 'malformed_json'],
    ['that is not JSON, for the gate', '/v1/gate/check', 'gate', '{', 'application/json', 400, 'malformed_json'],
    ['that is empty', '/v1/accounts', 'manage', '', 'application/json', 400, 'missing_body'],
    [
      'with __proto__',
      '/v1/accounts',
      'manage',
      '{"__proto__": {"name": "a"}}',
      'application/json',
      400,
      'malformed_json',
    ],
    ['that is a list', '/v1/accounts', 'manage', [], 'application/json', 400, 'invalid_body'],
    ['that is a list of lists', '/v1/meters', 'manage', deep, 'application/json', 400, 'invalid_body'],
    ['that is null', '/v1/gate/check', 'gate', 'null', 'application/json', 400, 'invalid_body'],
    ['with a field nobody knows', '/v1/accounts', 'manage', { nmae: 'a' }, 'application/json', 400, 'invalid_body'],
    [
      'of a form',
      '/v1/accounts',
      'manage',
      'name=a',
      'application/x-www-form-urlencoded',
      415,
      'unsupported_media_type',
    ],
    ['of text', '/v1/gate/check', 'gate', '{}', 'text/plain', 415, 'unsupported_media_type'],
    [
      'of events, where none go',
      '/v1/accounts',
      'manage',
      '{}',
      'application/cloudevents+json',
      415,
      'unsupported_media_type',
    ],
    [
      'above 1 MiB',
      '/v1/accounts',
      'manage',
      { name: 'x'.repeat(1_048_576) },
      'application/json',
      413,
      'body_too_large',
    ],
    [
      'above 1 MiB, for the gate',
      '/v1/gate/check',
      'gate',
      { url: 'x'.repeat(1_048_576) },
      'application/json',
      413,
      'body_too_large',
    ],
    [
      'of events above 4 MiB',
      '/v1/events',
      'ingest',
      ['x'.repeat(4_194_304)],
      'application/json',
      413,
      'body_too_large',
    ],
    [
      'of too many events',
      '/v1/events',
      'ingest',
      Array.from({ length: 1_001 }, (_, i) => ({
        specversion: '1.0',
        id: `${i}`,
        source: '/s',
        type: 'calls',
        subject: 'agent',
      })),
      'application/json',
      413,
      '',
    ],
    ['of events that is a number', '/v1/events', 'ingest', '7', 'application/json', 400, 'invalid_body'],
    [
      'without a name for a meter',
      '/v1/meters',
      'manage',
      { aggregation: 'count', unit: 'call' },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'with an unknown aggregation',
      '/v1/meters',
      'manage',
      { name: 'm', aggregation: 'median', unit: 'call' },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'with a bad name for a meter',
      '/v1/meters',
      'manage',
      { name: ' m', aggregation: 'count', unit: 'call' },
      'application/json',
      400,
      'invalid_meter',
    ],
    [
      'that defines a meter otherwise',
      '/v1/meters',
      'manage',
      { name: 'calls', aggregation: 'sum', unit: 'call' },
      'application/json',
      409,
      'meter_exists',
    ],
    [
      'with a price that is a number',
      '/v1/prices',
      'manage',
      { meter: 'seconds', definition: { rate: 0.1 } },
      'application/json',
      400,
      'invalid_price',
    ],
    [
      'with a price below zero',
      '/v1/prices',
      'manage',
      { meter: 'seconds', definition: { rate: '-1' } },
      'application/json',
      400,
      'invalid_price',
    ],
    [
      'with a price in another asset',
      '/v1/prices',
      'manage',
      { meter: 'seconds', definition: { rate: '1' }, asset: 'iso4217:ZZZ' },
      'application/json',
      400,
      'unknown_asset',
    ],
    [
      'with a price in the past',
      '/v1/prices',
      'manage',
      { meter: 'calls', definition: { rate: '1' }, effectiveAt: '2026-01-01T00:00:00Z' },
      'application/json',
      400,
      'price_in_past',
    ],
    [
      'with a price of no meter',
      '/v1/prices',
      'manage',
      { meter: 'nothing', definition: { rate: '1' } },
      'application/json',
      404,
      'unknown_meter',
    ],
    [
      'with a date that is none',
      '/v1/prices',
      'manage',
      { meter: 'seconds', definition: { rate: '1' }, effectiveAt: 'tomorrow' },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'with an account named like a wallet',
      '/v1/accounts',
      'manage',
      { name: `0x${'ab'.repeat(20)}` },
      'application/json',
      400,
      'ambiguous_name',
    ],
    [
      'with a control character',
      '/v1/accounts',
      'manage',
      { name: 'a\u0000b' },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'with a key of no scope',
      '/v1/keys',
      'manage',
      { name: 'k', scopes: [] },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'with a key of an unknown scope',
      '/v1/keys',
      'manage',
      { name: 'k', scopes: ['root'] },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'with a key that may do more',
      '/v1/keys',
      'manage',
      { name: 'k', scopes: ['gate'] },
      'application/json',
      403,
      'scope_escalation',
    ],
    [
      'with a key that has expired',
      '/v1/keys',
      'manage',
      { name: 'k', scopes: ['manage'], expiresAt: '2020-01-01T00:00:00Z' },
      'application/json',
      400,
      'expiry_in_past',
    ],
    [
      'of the gate without a meter',
      '/v1/gate/check',
      'gate',
      { method: 'GET', url: 'http://x/' },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'of the gate with a bad URL',
      '/v1/gate/check',
      'gate',
      { method: 'GET', url: '/x', meter: 'calls' },
      'application/json',
      400,
      'invalid_field',
    ],
    [
      'of the gate with a number for a quantity',
      '/v1/gate/check',
      'gate',
      { method: 'GET', url: 'http://x/', meter: 'calls', quantity: 1 },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'of the gate with a quantity below zero',
      '/v1/gate/check',
      'gate',
      { method: 'GET', url: 'http://x/', meter: 'calls', quantity: '-1' },
      'application/json',
      400,
      'invalid_field',
    ],
    [
      'of the gate with an unknown meter',
      '/v1/gate/check',
      'gate',
      { method: 'GET', url: 'http://x/', meter: 'nothing' },
      'application/json',
      404,
      'unknown_meter',
    ],
    [
      'of the gate with a meter without a price',
      '/v1/gate/check',
      'gate',
      { method: 'GET', url: 'http://x/', meter: 'seconds' },
      'application/json',
      422,
      'no_price',
    ],
    [
      'of a capture with no id',
      '/v1/gate/capture',
      'gate',
      { payment: 'x', reply: { status: 200, headers: {}, body: '' } },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'of a capture with a body that is not base64',
      '/v1/gate/capture',
      'gate',
      { payment: `pay_${'0'.repeat(32)}`, reply: { status: 200, headers: {}, body: '%' } },
      'application/json',
      400,
      'invalid_body',
    ],
    [
      'of a capture of nothing',
      '/v1/gate/capture',
      'gate',
      { payment: `pay_${'0'.repeat(32)}`, reply: { status: 200, headers: {}, body: '' } },
      'application/json',
      404,
      'unknown_payment',
    ],
    [
      'of a void of nothing',
      '/v1/gate/void',
      'gate',
      { payment: `pay_${'0'.repeat(32)}` },
      'application/json',
      404,
      'unknown_payment',
    ],
  ];
  it.each(cases)('%s: %s as %s', async (_, path, scope, body, type, status, reason) => {
    await refused(
      () => call(url, 'POST', path, { key: keys.get(scope), body, type }),
      status,
      reason === '' ? undefined : reason,
    );
  });

  it('names every faulty field, and only repeats names, never values', async () => {
    const body = { name: '', aggregation: 'hunter2', extra: 'hunter3' };
    const answer = await refused(
      () => call(url, 'POST', '/v1/meters', { key: keys.get('manage'), body }),
      400,
      'invalid_body',
    );
    expect(answer.json.fields.map(({ field }: { field: string }) => field).sort()).toEqual([
      'aggregation',
      'extra',
      'unit',
    ]);
    expect(answer.json.detail).toContain('unit is required');
    expect(answer.json.detail).toMatch(/aggregation must be count, sum, .* or level/);
    expect(answer.json.detail).toContain('did you mean one of name, eventType, aggregation, unit, description');
    expect(answer.text).not.toMatch(/hunter/);
  });

  it('for settings is refused field by field, and the settings stay', async () => {
    const before = (await call(url, 'GET', '/v1/provider', { key: keys.get('read') })).json;
    for (const body of [
      { payTo: '0x1' },
      { payTo: `0x${'0'.repeat(40)}` },
      { exposureCapPayer: 5 },
      { exposureCapPayer: '-5' },
      { exposureCapPayer: '1e6' },
      { raiseFirstPayment: 'no' },
      { id: 'prv_x' },
    ]) {
      await refused(() => call(url, 'PATCH', '/v1/provider', { key: keys.get('manage'), body }), 400, undefined);
    }
    expect((await call(url, 'GET', '/v1/provider', { key: keys.get('read') })).json).toEqual(before);
  });

  it('of a malformed payment header is answered to the agent with 400, and nothing is claimed', async () => {
    const before = await counts();
    for (const paymentSignature of [
      '',
      '%%%',
      'e30',
      'e30=',
      'eyJ4NDAyVmVyc2lvbiI6Mn0=',
      'A'.repeat(20_000),
      Buffer.from('[1]').toString('base64'),
    ]) {
      const body = { method: 'GET', url: 'http://x/', meter: 'calls', paymentSignature };
      const { status, json } = await call(url, 'POST', '/v1/gate/check', { key: keys.get('gate'), body });
      expect(status).toBe(200);
      expect(json).toMatchObject({ decision: 'refuse', reply: { status: 400 } });
      expect(JSON.parse(Buffer.from(json.reply.body, 'base64').toString()).detail).toMatch(/Nothing was charged/);
    }
    expect(await counts()).toEqual(before);
  });

  it('of the facilitator that is no object: 400; any other is a normal answer that says no', async () => {
    for (const path of ['/x402/verify', '/x402/settle']) {
      await refused(() => call(url, 'POST', path, { body: '[]' }), 400, 'invalid_body');
      await refused(() => call(url, 'POST', path, { body: '{' }), 400, 'malformed_json');
    }
    const before = await counts();
    expect(await call(url, 'POST', '/x402/verify', { body: {} })).toMatchObject({
      status: 200,
      json: { isValid: false, invalidReason: expect.any(String) },
    });
    expect(await call(url, 'POST', '/x402/settle', { body: {} })).toMatchObject({
      status: 200,
      json: { success: false, errorReason: expect.any(String) },
    });
    expect(await counts()).toEqual(before);
  });
});

describe('usage', () => {
  const event = { specversion: '1.0', id: '1', source: '/s', type: 'calls', subject: 'agent' };
  const faulty: [name: string, event: unknown, reason: string][] = [
    ['no id', { ...event, id: undefined }, 'invalid_event'],
    ['another version', { ...event, specversion: '0.3' }, 'invalid_event'],
    ['a number for a value', { ...event, type: 'seconds', data: { value: 1.5 } }, 'invalid_event'],
    ['a misspelt field', { ...event, type: 'seconds', data: { valeu: '1' } }, 'invalid_event'],
    ['no value', { ...event, type: 'seconds' }, 'invalid_value'],
    ['a value below zero', { ...event, type: 'seconds', data: { value: '-1' } }, 'invalid_value'],
    ['a time to come', { ...event, time: '2100-01-01T00:00:00Z' }, 'time_in_future'],
    ['a time long past', { ...event, time: '2020-01-01T00:00:00Z' }, 'time_too_old'],
    ['nothing in it', null, 'invalid_event'],
  ];
  it.each(faulty)('with %s is rejected with a reason and a way out, and not kept', async (_, sent, reason) => {
    const before = await counts();
    const { status, json } = await call(url, 'POST', '/v1/events', { key: keys.get('ingest'), body: [sent] });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      accepted: 0,
      rejected: 1,
      verdicts: [{ verdict: 'rejected', reason, message: expect.stringMatching(/.{20,}/) }],
    });
    expect(await counts()).toEqual(before);
  });

  it.each([
    ['meter', { ...event, id: 'to-nothing', type: 'nothing' }, 'unknown_meter'],
    ['account', { ...event, id: 'of-nobody', subject: 'nobody' }, 'unknown_account'],
  ])('of an unknown %s is held: kept, told, and counted once', async (_, sent, reason) => {
    const key = keys.get('ingest');
    const first = await call(url, 'POST', '/v1/events', { key, body: [sent] });
    expect(first.json).toMatchObject({ accepted: 0, held: 1, rejected: 0, verdicts: [{ verdict: 'held', reason }] });
    const again = await call(url, 'POST', '/v1/events', { key, body: [sent] });
    expect(again.json).toMatchObject({ duplicate: 1, held: 0 });
    const { json } = await call(url, 'GET', `/v1/held-events?reason=${reason}`, { key: keys.get('read') });
    expect(json.data).toMatchObject([{ reason, state: 'held', event: { id: sent.id } }]);
  });
});

describe('a batch of a stream', () => {
  const stream = '0199a5b0-0000-7000-8000-000000000001';
  const columns = { type: [0], account: [0], time: [0] };
  const batch = () => ({
    stream,
    source: '/s',
    seq: 1,
    t0: scene.clock.now(),
    types: ['calls'],
    accounts: ['agent'],
    columns,
  });
  const send = (body: unknown, type?: string) =>
    call(url, 'POST', '/v1/events/stream', { key: keys.get('ingest'), body, type });

  const faulty: [name: string, body: () => unknown, status: number][] = [
    ['not JSON', () => '{"stream"', 400],
    ['empty', () => '', 400],
    ['a list', () => [], 400],
    ['without a stream', () => ({ ...batch(), stream: undefined }), 400],
    ['of a number 0', () => ({ ...batch(), seq: 0 }), 400],
    ['of columns of two lengths', () => ({ ...batch(), columns: { ...columns, time: [0, 1] } }), 400],
    ['with a place beyond its dictionary', () => ({ ...batch(), columns: { ...columns, type: [7] } }), 400],
    ['above 1 MiB', () => ({ ...batch(), source: 'x'.repeat(1_048_576) }), 413],
  ];
  it.each(faulty)('that is %s is refused whole', async (_, body, status) => {
    await refused(() => send(body()), status, undefined);
  });

  it('that is text is refused', async () => {
    await refused(() => send(JSON.stringify(batch()), 'text/plain'), 415, 'unsupported_media_type');
  });

  it('is stored once; other bytes under its number are refused', async () => {
    const body = JSON.stringify(batch());
    expect(await send(body)).toMatchObject({
      status: 200,
      json: { outcome: 'stored', accepted: 1, completeThrough: 1 },
    });
    expect(await send(body)).toMatchObject({ status: 200, json: { outcome: 'duplicate', accepted: 1, items: [] } });
    await refused(() => send(`${body} `), 409, 'sequence_reused');
  });
});

describe('a query or path', () => {
  const range = 'from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z';
  const cases: [path: () => string, scope: KeyScope, status: number, reason: string][] = [
    [() => '/v1/accounts?limit=0', 'read', 400, 'invalid_query'],
    [() => '/v1/accounts?limit=201', 'read', 400, 'invalid_query'],
    [() => '/v1/accounts?limit=5&limit=6', 'read', 400, 'invalid_query'],
    [() => '/v1/accounts?cursor=x', 'read', 400, 'invalid_query'],
    [() => '/v1/accounts?page=2', 'read', 400, 'invalid_query'],
    [() => '/v1/meters?x=1', 'read', 400, 'invalid_query'],
    [() => '/v1/accounts/x', 'read', 400, 'invalid_path'],
    [() => `/v1/accounts/acct_${'0'.repeat(32)}`, 'read', 404, 'unknown_account'],
    [() => `/v1/accounts/acct_${'0'.repeat(32)}/balance`, 'read', 404, 'unknown_account'],
    [() => '/v1/usage', 'read', 400, 'invalid_query'],
    [
      () => `/v1/usage?account=${account}&meter=calls&from=yesterday&to=2026-11-02T00:00:00Z`,
      'read',
      400,
      'invalid_query',
    ],
    [
      () => `/v1/usage?account=${account}&meter=calls&from=2026-11-02T00:00:00Z&to=2026-11-02T00:00:00Z`,
      'read',
      400,
      'empty_range',
    ],
    [() => `/v1/usage?account=${account}&meter=nothing&${range}`, 'read', 404, 'unknown_meter'],
    [() => `/v1/usage?account=acct_${'0'.repeat(32)}&meter=calls&${range}`, 'read', 404, 'unknown_account'],
    [() => `/v1/usage?account=${account}&meter=calls&${range}&window=week`, 'read', 400, 'invalid_query'],
    [
      () => `/v1/usage?account=${account}&meter=calls&from=2000-01-01T00:00:00Z&to=2026-11-02T00:00:00Z&window=hour`,
      'read',
      400,
      'too_many_windows',
    ],
    [() => `/v1/usage?account=${account}&meter=calls&${range}&zone=Mars/Olympus`, 'read', 400, 'invalid_query'],
    [
      () => `/v1/usage?account=${account}&meter=calls&from=2026-11-01T00:07:00Z&to=2026-11-02T00:00:00Z`,
      'read',
      400,
      'unaligned_range',
    ],
    [() => '/v1/events?cursor=x', 'read', 400, 'invalid_query'],
    [() => '/v1/held-events?cursor=x', 'read', 400, 'invalid_query'],
    [() => '/v1/streams?cursor=x', 'read', 400, 'invalid_cursor'],
    [() => '/v1/backfills?cursor=x', 'read', 400, 'invalid_cursor'],
    [() => '/v1/events/nothing', 'read', 400, 'invalid_query'],
    [() => '/v1/events/nothing?source=/s', 'read', 404, 'unknown_event'],
    [() => '/v1/meters/nothing', 'read', 404, 'unknown_meter'],
    [() => '/v1/plans/nothing', 'read', 404, 'unknown_plan'],
    [() => `/v1/backfills/bkf_${'0'.repeat(32)}`, 'read', 404, 'unknown_backfill'],
    [() => '/v1/events?meter=nothing', 'read', 404, 'unknown_meter'],
    [() => '/v1/prices?meter=nothing', 'read', 404, 'unknown_meter'],
    [() => '/v1/statements/agent/november', 'finance', 400, 'invalid_period'],
    [() => '/v1/statements/agent/2026-13', 'finance', 400, 'invalid_period'],
    [() => '/v1/statements/nobody/2026-11', 'finance', 404, 'unknown_account'],
    [() => `/v1/payments/pay_${'0'.repeat(32)}`, 'read', 404, 'unknown_payment'],
    [() => '/v1/payments/x', 'read', 404, 'unknown_payment'],
    [() => '/v1/nothing', 'read', 404, 'unknown_path'],
    [() => '/v1/accounts/%zz', 'read', 400, 'malformed_url'],
    [() => '/', 'read', 404, 'unknown_path'],
  ];
  it.each(cases)('%s as %s: %i %s', async (path, scope, status, reason) => {
    await refused(() => call(url, 'GET', path(), { key: keys.get(scope) }), status, reason);
  });

  it('for another method: 405, naming those there are', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/v1/accounts', 'GET, POST'],
      ['DELETE', '/v1/events', 'POST, GET'],
      ['GET', '/v1/gate/check', 'POST'],
      ['DELETE', '/v1/provider', 'GET, PATCH'],
      ['POST', `/v1/accounts/${account}`, 'GET'],
      ['GET', '/x402/settle', 'POST'],
    ] as const) {
      const answer = await refused(
        () => call(url, method, path, { key: keys.get('manage') }),
        405,
        'method_not_allowed',
      );
      expect(answer.headers.get('allow')).toBe(allow);
    }
  });

  it('of another provider is as if it did not exist', async () => {
    const other = await makeKey(scene.api, { scopes: KEY_SCOPES });
    for (const path of [
      `/v1/accounts/${account}`,
      `/v1/accounts/${account}/balance`,
      `/v1/statements/${account}/2026-11`,
      `/v1/usage?account=${account}&meter=calls&${range}`,
    ]) {
      await refused(() => call(url, 'GET', path, { key: other.key }), 404, undefined);
    }
    const [own] = (await call(url, 'GET', '/v1/keys', { key: keys.get('manage') })).json.data;
    await refused(() => call(url, 'DELETE', `/v1/keys/${own.id}`, { key: other.key }), 404, 'unknown_key');
  });
});

describe('an Idempotency-Key', () => {
  it.each([' ', 'with space', 'x'.repeat(256)])('%j is refused where it would be kept', async (key) => {
    await refused(
      () =>
        call(url, 'POST', '/v1/accounts', { key: keys.get('manage'), body: {}, headers: { 'idempotency-key': key } }),
      400,
      'invalid_idempotency_key',
    );
  });
});

describe('too many requests of one address', () => {
  it('to a public route: 429 and when to come back; a provider’s gate goes on', async () => {
    const path = `/v1/payments/pay_${'0'.repeat(32)}`;
    let answer: Called;
    let asked = 0;
    do {
      answer = await call(url, 'GET', path, {});
      asked += 1;
    } while (answer.status === 404 && asked < 1_300);
    expect(answer).toMatchObject({ status: 429, json: { code: 'too_many_requests', reason: 'rate_limited' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const body = { method: 'GET', url: 'http://x/', meter: 'nothing' };
    expect((await call(url, 'POST', '/v1/gate/check', { key: keys.get('gate'), body })).status).toBe(404);
  });
});

describe('bytes that are no HTTP', () => {
  it('are refused, and the next caller is served', async () => {
    const { port } = new URL(url);
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
      let text = '';
      socket.on('data', (bytes) => (text += bytes.toString()));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
    expect((await call(url, 'GET', '/health/live', {})).status).toBe(200);
  });
});

describe('what we cannot do', () => {
  let broken: Api;
  let chain: Server;
  let at: string;

  beforeAll(async () => {
    // A node that answers every question with an error, and a database that is not there.
    chain = createServer((_, response) => response.writeHead(502).end());
    await new Promise<void>((resolve) => chain.listen(0, '127.0.0.1', resolve));
    const address = chain.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const gone = {
      DATABASE_URL: 'postgresql://farebox_app@127.0.0.1:1/none',
      DATABASE_WRITER_URL: 'postgresql://farebox_writer@127.0.0.1:1/none',
    };
    broken = await createApp(
      apiConfig(scene.database, { ...gone, LOG_LEVEL: 'silent', CHAIN_RPC_URL: `http://127.0.0.1:${port}` }),
    );
    at = await broken.listen(0, '127.0.0.1');
  });

  afterAll(async () => {
    await broken.close();
    chain.close();
  });

  it('is said with 503, and nobody is let in', async () => {
    for (const [method, path] of [
      ['GET', '/v1/accounts'],
      ['POST', '/v1/gate/check'],
      ['POST', '/v1/events'],
    ] as const) {
      const body = method === 'POST' ? {} : undefined;
      const answer = await refused(() => call(at, method, path, { key: keys.get('read'), body }), 503, undefined);
      expect(answer.headers.get('retry-after')).toBe('1');
    }
  });

  it('is said by the health of the process, part by part', async () => {
    expect((await call(at, 'GET', '/health/live', {})).status).toBe(200);
    const { status, json } = await call(at, 'GET', '/health/ready', {});
    expect(status).toBe(503);
    expect(json).toMatchObject({
      status: 'unready',
      parts: [
        { name: 'database', ok: false },
        { name: 'chain', ok: false },
        { name: 'queue', ok: true },
      ],
    });
  });
});

import { KEY_SCOPES, type KeyScope } from '@features/accounts';
import { call, type Called, makeKey } from '../support/api.js';
import { WrongInputScene } from '../support/wrong-input-scene.js';

// What comes in wrong about agents, their value and what they can buy is answered like any other wrong input: the right status, a
// problem document that says what to do, and nothing written.

const NOBODY = `acct_${'0'.repeat(32)}`;
const none = (prefix: string) => `${prefix}_${'0'.repeat(32)}`;

let scene: WrongInputScene;
let url: string;
let grant: string;
const agentKeys = new Map<string, string>();

const ask = (method: string, path: string, scope: KeyScope | undefined, body?: unknown, type?: string) =>
  call(url, method, path, { key: scope && scene.keys.get(scope), body, type });
const refused: WrongInputScene['refused'] = (...of) => scene.refused(...of);
const ofAccount = (path: string) => `/v1/accounts/${scene.account}/${path}`;

async function made(method: string, path: string, body: unknown): Promise<Called['json']> {
  const answer = await ask(method, path, 'manage', body);
  expect({ status: answer.status, json: answer.json }).toMatchObject({ status: 201 });
  return answer.json;
}

beforeAll(async () => {
  scene = await WrongInputScene.start();
  url = scene.url;
  const given = { kind: 'promotional', amount: '100000', key: 'welcome' };
  grant = (await made('POST', ofAccount('grants'), given)).id;
  for (const [name, body] of Object.entries({
    full: {},
    payer: { scopes: ['pay'] },
    limited: { scopes: ['read'] },
  })) {
    agentKeys.set(name, (await made('POST', ofAccount('keys'), { name, ...body })).secret);
  }
});

afterAll(() => scene.close());

type Case = [
  name: string,
  method: string,
  path: () => string,
  scope: KeyScope | undefined,
  body: unknown,
  status: number,
  reason: string,
];

const judged = (cases: Case[]) =>
  it.each(cases)('%s: %s', async (_, method, path, scope, body, status, reason) => {
    await refused(() => ask(method, path(), scope, body), status, reason);
  });

const read = (name: string, path: () => string, status: number, reason: string): Case => [
  name,
  'GET',
  path,
  'read',
  undefined,
  status,
  reason,
];

describe('a wallet', () => {
  const thresholds = (name: string, body: unknown, reason = 'invalid_body'): Case => [
    `thresholds ${name}`,
    'PUT',
    () => ofAccount('alerts'),
    'manage',
    body,
    400,
    reason,
  ];
  const topUp = (name: string, body: unknown, reason = 'invalid_body'): Case => [
    `a top-up ${name}`,
    'PUT',
    () => ofAccount('auto-topup'),
    'manage',
    body,
    400,
    reason,
  ];
  judged([
    read('of no id', () => '/v1/accounts/x/wallet', 400, 'invalid_path'),
    read('of nobody', () => `/v1/accounts/${NOBODY}/wallet`, 404, 'unknown_account'),
    read('whose alerts are a page of none', () => ofAccount('alerts?limit=0'), 400, 'invalid_query'),
    read('whose alerts begin nowhere', () => ofAccount('alerts?cursor=x'), 400, 'invalid_query'),
    thresholds('that are missing', {}),
    thresholds('that are one number', { below: 5 }),
    thresholds('that are numbers', { below: [5] }),
    thresholds('with a fraction', { below: ['0.5'] }),
    thresholds('of more than ten', { below: Array.from({ length: 11 }, (_, i) => `${i}`) }),
    thresholds('of no asset there is', { below: ['5'], asset: 'iso4217:ZZZ' }, 'unknown_asset'),
    [
      'thresholds of nobody',
      'PUT',
      () => `/v1/accounts/${NOBODY}/alerts`,
      'manage',
      { below: [] },
      404,
      'unknown_account',
    ],
    topUp('of nothing', {}),
    topUp('both fixed and up to', { threshold: '5', fixed: '5', upTo: '10' }),
    topUp('neither fixed nor up to', { threshold: '5' }),
    topUp('of zero', { threshold: '5', fixed: '0' }),
    topUp('never in a day', { threshold: '5', fixed: '5', perDay: 0 }),
    topUp('with a cooling-off of two months', { threshold: '5', fixed: '5', coolOffSeconds: 5_184_000 }),
    topUp('of no asset there is', { threshold: '5', fixed: '5', asset: 'eip155:1/erc20:0x0' }, 'unknown_asset'),
    [
      'a top-up of nobody',
      'PUT',
      () => `/v1/accounts/${NOBODY}/auto-topup`,
      'manage',
      { threshold: '5', fixed: '5' },
      404,
      'unknown_account',
    ],
    [
      'a top-up to end that there is none of',
      'DELETE',
      () => ofAccount('auto-topup'),
      'manage',
      undefined,
      404,
      'unknown_top_up',
    ],
    [
      'a top-up to end of no asset there is',
      'DELETE',
      () => ofAccount('auto-topup?asset=x'),
      'manage',
      undefined,
      400,
      'unknown_asset',
    ],
  ]);
});

describe('a grant', () => {
  const given = { kind: 'promotional', amount: '1000' };
  const paid = { kind: 'paid', amount: '1000', funding: 'receipt 1' };
  const issue = (name: string, body: unknown, reason: string, status = 400): Case => [
    name,
    'POST',
    () => ofAccount('grants'),
    'manage',
    body,
    status,
    reason,
  ];
  judged([
    read('of a list that begins nowhere', () => ofAccount('grants?cursor=x'), 400, 'invalid_query'),
    issue('of nothing', {}, 'invalid_body'),
    issue('of another kind', { ...given, kind: 'gift' }, 'invalid_body'),
    issue('of a number', { ...given, amount: 1000 }, 'invalid_body'),
    issue('of zero', { ...given, amount: '0' }, 'invalid_grant'),
    issue('below zero', { ...given, amount: '-1' }, 'invalid_body'),
    issue('with a field nobody knows', { ...given, expires: '2100-01-01T00:00:00Z' }, 'invalid_body'),
    issue('that expired before', { ...given, expiresAt: '2020-01-01T00:00:00Z' }, 'invalid_grant'),
    issue('that expires tomorrow, in words', { ...given, expiresAt: 'tomorrow' }, 'invalid_body'),
    issue('that costs and is given', { ...given, cost: '10' }, 'invalid_grant'),
    issue('that is paid for by nothing', { kind: 'paid', amount: '1000' }, 'invalid_grant'),
    issue('that costs more than it is', { ...paid, cost: '1001' }, 'invalid_grant'),
    issue('that is paid for and comes again', { ...paid, recurrence: { every: 'month' } }, 'invalid_grant'),
    issue(
      'of which more rolls over than there is',
      { ...given, recurrence: { every: 'month', rollover: { min: '0', max: '2000' } } },
      'invalid_grant',
    ),
    issue('for no meter', { ...given, scope: [] }, 'invalid_body'),
    issue('for a meter there is none of', { ...given, scope: ['nothing'] }, 'unknown_meter', 404),
    issue('of no asset there is', { ...given, asset: 'iso4217:ZZZ' }, 'unknown_asset'),
    issue('of a key that issued another', { ...given, key: 'welcome' }, 'grant_exists', 409),
    ['to nobody', 'POST', () => `/v1/accounts/${NOBODY}/grants`, 'manage', given, 404, 'unknown_account'],
    ['to void of no id', 'POST', () => '/v1/grants/x/void', 'manage', undefined, 400, 'invalid_path'],
    [
      'to void that there is none of',
      'POST',
      () => `/v1/grants/${none('grt')}/void`,
      'manage',
      undefined,
      404,
      'unknown_grant',
    ],
    [
      'to refund that there is none of',
      'POST',
      () => `/v1/grants/${none('grt')}/refund`,
      'finance',
      {},
      404,
      'unknown_grant',
    ],
    [
      'to refund by a number',
      'POST',
      () => `/v1/grants/${grant}/refund`,
      'finance',
      { amount: 5 },
      400,
      'invalid_body',
    ],
    ['to refund that was given', 'POST', () => `/v1/grants/${grant}/refund`, 'finance', {}, 409, 'not_refundable'],
    read('whose refund is in no state', () => '/v1/refunds?state=lost', 400, 'invalid_query'),
    read('whose refund has no id', () => '/v1/refunds/x', 400, 'invalid_path'),
    read('whose refund there is none of', () => `/v1/refunds/${none('rfd')}`, 404, 'unknown_refund'),
    [
      'whose refund is signed with nothing',
      'POST',
      () => `/v1/refunds/${none('rfd')}/authorization`,
      'finance',
      { signature: '0x', validBefore: '1' },
      400,
      'invalid_body',
    ],
    [
      'whose signed refund there is none of',
      'POST',
      () => `/v1/refunds/${none('rfd')}/authorization`,
      'finance',
      { signature: `0x${'11'.repeat(65)}`, validBefore: '1' },
      404,
      'unknown_refund',
    ],
  ]);
});

describe('a limit', () => {
  const monthly = { window: 'month', amount: '1000' };
  const set = (name: string, body: unknown, reason = 'invalid_body', status = 400): Case => [
    name,
    'PUT',
    () => ofAccount('limits'),
    'manage',
    body,
    status,
    reason,
  ];
  judged([
    read('of nobody', () => `/v1/accounts/${NOBODY}/limits`, 404, 'unknown_account'),
    set('of nothing', {}),
    set('of a minute', { ...monthly, window: 'minute' }),
    set('of a number', { ...monthly, amount: 1000 }),
    set('of a key and of a meter', { ...monthly, key: none('key'), meter: 'calls' }),
    set('of a meter there is none of', { ...monthly, meter: 'nothing' }, 'unknown_meter', 404),
    set('of a key there is none of', { ...monthly, key: none('key') }, 'unknown_key', 404),
    set('told at 101 %', { ...monthly, alertPercents: [101] }),
    set('that is hard, in words', { ...monthly, hard: 'yes' }),
    set('of no asset there is', { ...monthly, asset: 'iso4217:ZZZ' }, 'unknown_asset'),
    ['for nobody', 'PUT', () => `/v1/accounts/${NOBODY}/limits`, 'manage', monthly, 404, 'unknown_account'],
    ['to take away of no id', 'DELETE', () => ofAccount('limits/x'), 'manage', undefined, 400, 'invalid_path'],
    [
      'to take away that there is none of',
      'DELETE',
      () => ofAccount(`limits/${none('lim')}`),
      'manage',
      undefined,
      404,
      'unknown_limit',
    ],
  ]);
});

describe('a key of an agent', () => {
  const usd = { asset: 'iso4217:USD', span: 'day', amount: '100' };
  const make = (name: string, body: unknown, reason = 'invalid_body'): Case => [
    name,
    'POST',
    () => ofAccount('keys'),
    'manage',
    body,
    400,
    reason,
  ];
  judged([
    make('without a name', {}),
    make('of no scope', { name: 'a', scopes: [] }),
    make('of a scope of providers', { name: 'a', scopes: ['gate'] }),
    make('with a budget of no asset', { name: 'a', budgets: [{ ...usd, asset: 'dollars' }] }),
    make('with a budget of a year', { name: 'a', budgets: [{ ...usd, span: 'year' }] }),
    make('with one budget twice', { name: 'a', budgets: [usd, usd] }, 'budget_twice'),
    make('with 17 budgets', { name: 'a', budgets: Array.from({ length: 17 }, () => usd) }),
    make('that has expired', { name: 'a', expiresAt: '2020-01-01T00:00:00Z' }, 'expiry_in_past'),
    ['for nobody', 'POST', () => `/v1/accounts/${NOBODY}/keys`, 'manage', { name: 'a' }, 404, 'unknown_account'],
    ['to list of nobody', 'GET', () => `/v1/accounts/${NOBODY}/keys`, 'manage', undefined, 404, 'unknown_account'],
    ['to revoke of no id', 'DELETE', () => ofAccount('keys/x'), 'manage', undefined, 400, 'invalid_path'],
    [
      'to revoke that there is none of',
      'DELETE',
      () => ofAccount(`keys/${none('key')}`),
      'manage',
      undefined,
      404,
      'unknown_key',
    ],
  ]);

  const own = ['/v1/agent', '/v1/agent/balance', '/v1/agent/identities', '/v1/agent/identities/challenge'];
  it.each(own)('is asked for at %s, and has to be one that may', async (path) => {
    const by = (key: string | undefined) => call(url, 'GET', path, { key });
    await refused(() => by(undefined), 401, 'missing_key');
    await refused(() => by('fbx_test_x'), 401, 'malformed_key');
    await refused(() => by(`${agentKeys.get('full') ?? ''}x`), 401, 'malformed_key');
    await refused(() => by(scene.keys.get('read')), 403, 'provider_key');
    await refused(() => by(agentKeys.get('payer')), 403, 'missing_scope');
  });

  it('that may not do everything links no identity', async () => {
    const key = agentKeys.get('limited');
    await refused(() => call(url, 'GET', '/v1/agent/identities/challenge', { key }), 403, 'limited_key');
    await refused(() => call(url, 'POST', '/v1/agent/identities', { key }), 403, 'limited_key');
  });

  it('is no key of a provider', async () => {
    await refused(() => call(url, 'GET', '/v1/accounts', { key: agentKeys.get('full') }), 403, 'agent_key');
  });
});

describe('an identity', () => {
  judged([
    read('of nobody', () => `/v1/accounts/${NOBODY}/identities`, 404, 'unknown_account'),
    [
      'to be linked to nobody',
      'POST',
      () => `/v1/accounts/${NOBODY}/identities`,
      'manage',
      undefined,
      404,
      'unknown_account',
    ],
    ['without a proof', 'POST', () => ofAccount('identities'), 'manage', undefined, 422, 'no_proof'],
    [
      'to unlink of another kind',
      'DELETE',
      () => ofAccount('identities/name/x'),
      'manage',
      undefined,
      400,
      'invalid_path',
    ],
    [
      'to unlink that there is none of',
      'DELETE',
      () => ofAccount(`identities/wallet/0x${'ab'.repeat(20)}`),
      'manage',
      undefined,
      404,
      'unknown_identity',
    ],
  ]);

  it.each([
    ['a sign-in that is none', { 'sign-in-with-x': '%%%' }],
    ['a sign-in of another shape', { 'sign-in-with-x': Buffer.from('{}').toString('base64') }],
    ['a sign-in above 8 KiB', { 'sign-in-with-x': 'A'.repeat(9_000) }],
    ['half a signature', { signature: 'sig=:AAAA:' }],
    ['a signature by nobody', { signature: 'sig=:AAAA:', 'signature-input': 'sig=("@authority")' }],
  ])('shown by %s is not linked', async (_, headers) => {
    const key = scene.keys.get('manage');
    await refused(() => call(url, 'POST', ofAccount('identities'), { key, headers }), 422, undefined);
  });
});

describe('a resource to be sold', () => {
  const resource = { method: 'GET', url: 'https://api.example/report', meter: 'calls' };
  const publish = (name: string, body: unknown, reason: string, status = 400): Case => [
    name,
    'PUT',
    () => '/v1/resources',
    'manage',
    body,
    status,
    reason,
  ];
  judged([
    publish('of nothing', {}, 'invalid_body'),
    publish('without a host', { ...resource, url: '/report' }, 'invalid_field'),
    publish('of a number of units', { ...resource, quantity: 1 }, 'invalid_body'),
    publish('of less than nothing', { ...resource, quantity: '-1' }, 'invalid_field'),
    publish('of six tags', { ...resource, tags: ['a', 'b', 'c', 'd', 'e', 'f'] }, 'invalid_body'),
    publish('by a name with a line break', { ...resource, serviceName: 'a\nb' }, 'invalid_body'),
    publish('by a meter there is none of', { ...resource, meter: 'nothing' }, 'unknown_meter', 404),
    publish('by a meter without a price', { ...resource, meter: 'seconds' }, 'no_price', 422),
    ['of no id', 'DELETE', () => '/v1/resources/x', 'manage', undefined, 400, 'invalid_path'],
    [
      'that there is none of',
      'DELETE',
      () => `/v1/resources/${none('rsc')}`,
      'manage',
      undefined,
      404,
      'unknown_resource',
    ],
    read('on a page that begins nowhere', () => '/v1/resources?cursor=x', 400, 'invalid_query'),
    read('found on a page of none', () => '/x402/discovery/resources?limit=0', 400, 'invalid_query'),
    read('found on a page of 101', () => '/x402/discovery/resources?limit=101', 400, 'invalid_query'),
    read('found before the first', () => '/x402/discovery/resources?offset=-1', 400, 'invalid_query'),
    read('of a type there is none of', () => '/x402/discovery/resources?type=ftp', 400, 'invalid_query'),
    read('searched by a word', () => '/x402/discovery/resources?q=report', 400, 'invalid_query'),
  ]);
});

describe('balance to be bought', () => {
  const buy = (name: string, body: unknown, reason: string, status = 400): Case => [
    name,
    'POST',
    () => '/v1/topups',
    undefined,
    body,
    status,
    reason,
  ];
  judged([
    buy('of nothing', {}, 'invalid_body'),
    buy('that is not JSON', '{', 'malformed_json'),
    buy('of nobody', { provider: none('prv'), amount: '1000000' }, 'unknown_provider', 404),
    buy('of a number', { provider: none('prv'), amount: 1000000 }, 'invalid_body'),
    ['that there is none of', 'GET', () => `/v1/topups/${none('top')}`, undefined, undefined, 404, 'unknown_top_up'],
    ['under no id', 'GET', () => '/v1/topups/x', undefined, undefined, 404, 'unknown_top_up'],
    ['by settings of nothing', 'PUT', () => '/v1/provider/topups', 'manage', {}, 400, 'invalid_body'],
    [
      'from more to less',
      'PUT',
      () => '/v1/provider/topups',
      'manage',
      { least: '20', most: '10' },
      400,
      'invalid_range',
    ],
  ]);

  it('of more than is sold at once, or for an account that nothing shows: refused', async () => {
    const { provider, account } = scene;
    const most = `1${'0'.repeat(30)}`;
    await refused(() => ask('POST', '/v1/topups', undefined, { provider, amount: most }), 400, 'amount_out_of_range');
    const forAccount = { provider, amount: '1000000', account };
    await refused(() => ask('POST', '/v1/topups', undefined, forAccount), 401, 'missing_proof');
  });

  it('paid for by a header that is none: 400, and nothing is claimed', async () => {
    const body = { provider: scene.provider, amount: '1000000' };
    for (const [name, value] of [
      ['payment-signature', '%%%'],
      ['payment-signature', 'e30'],
      ['payment-signature', Buffer.from('[1]').toString('base64')],
      ['x-payment', '%%%'],
    ] as const) {
      const pay = () => call(url, 'POST', '/v1/topups', { body, headers: { [name]: value } });
      expect((await refused(pay, 400, undefined)).json.detail).toMatch(/Nothing was charged/);
    }
  });
});

describe('a record, or a key to check one with, where nothing is signed', () => {
  judged([
    ['the keys', 'GET', () => '/.well-known/jwks.json', undefined, undefined, 404, 'no_signing_key'],
    ['the document', 'GET', () => '/.well-known/did.json', undefined, undefined, 404, 'no_signing_key'],
    ['a record', 'GET', () => `/v1/payments/${none('hld')}/record`, undefined, undefined, 404, 'no_signing_key'],
  ]);
});

describe('a question of the gate', () => {
  const request = { method: 'GET', url: 'http://x/', meter: 'calls' };
  const question = (name: string, of: string, body: unknown, reason: string, status = 400): Case => [
    name,
    'POST',
    () => `/v1/gate/${of}`,
    'gate',
    body,
    status,
    reason,
  ];
  judged([
    question('with a proof nobody knows', 'check', { ...request, proof: { cookie: 'a' } }, 'invalid_body'),
    question(
      'with a proof above 8 KiB',
      'check',
      { ...request, proof: { signature: 'x'.repeat(9_000) } },
      'invalid_body',
    ),
    question(
      'with nine covered headers',
      'check',
      { ...request, proof: { covered: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`h${i}`, 'x'])) } },
      'invalid_body',
    ),
    question('with a space in its key', 'check', { ...request, idempotencyKey: 'a b' }, 'invalid_body'),
    question('with a key too long', 'check', { ...request, idempotencyKey: 'a'.repeat(129) }, 'invalid_body'),
    question('of an attempt too short', 'check', { ...request, attempt: 'a' }, 'invalid_body'),
    question('to extend nothing', 'extend', {}, 'invalid_body'),
    question('to extend what has no id', 'extend', { payment: 'x', used: '1', upTo: '2' }, 'invalid_body'),
    question('to extend by numbers', 'extend', { payment: none('hld'), used: 1, upTo: 2 }, 'invalid_body'),
    ...(['hld', 'vch', 'pay'] as const).flatMap((prefix) => [
      question(
        `to extend ${prefix}_0`,
        'extend',
        { payment: none(prefix), used: '1', upTo: '2' },
        'unknown_payment',
        404,
      ),
      question(`to void ${prefix}_0`, 'void', { payment: none(prefix) }, 'unknown_payment', 404),
      question(
        `to capture ${prefix}_0`,
        'capture',
        { payment: none(prefix), reply: { status: 200, headers: {}, body: '' } },
        'unknown_payment',
        404,
      ),
    ]),
  ]);

  it('with a proof that does not hold is answered to the agent, and nothing is held', async () => {
    const before = await scene.counts();
    for (const proof of [
      { authorization: 'Bearer fbx_test_x' },
      { authorization: `Bearer ${agentKeys.get('limited') ?? ''}` },
      { signInWithX: '%%%' },
      { signature: 'sig=:AAAA:', signatureInput: 'sig=("@authority")' },
    ]) {
      const { status, json } = await ask('POST', '/v1/gate/check', 'gate', { ...request, proof });
      expect({ proof, status, decision: json.decision }).toEqual({
        proof,
        status: 200,
        decision: expect.stringMatching(/^(pay|refuse)$/),
      });
      expect([402, 403]).toContain(json.reply.status);
    }
    expect(await scene.counts()).toEqual(before);
  });

  it('about a hold asks for no more than it covers, and for nothing once it was captured', async () => {
    const proof = { authorization: `Bearer ${agentKeys.get('full') ?? ''}` };
    const { json } = await ask('POST', '/v1/gate/check', 'gate', { ...request, proof });
    expect(json).toMatchObject({ decision: 'serve' });
    const payment = json.payment.id;
    const reply = { status: 200, headers: {}, body: '' };
    for (const [of, body] of [
      ['extend', { payment, used: 'much', upTo: '2' }],
      ['extend', { payment, used: '-1', upTo: '2' }],
      ['capture', { payment, quantity: '2', reply }],
      ['capture', { payment, quantity: '-1', reply }],
    ] as const) {
      await refused(() => ask('POST', `/v1/gate/${of}`, 'gate', body), 400, 'invalid_quantity');
    }
    expect((await ask('POST', '/v1/gate/capture', 'gate', { payment, reply })).json.decision).toBe('release');
    await refused(() => ask('POST', '/v1/gate/void', 'gate', { payment }), 409, 'already_captured');
  });
});

describe('many questions of the gate at once', () => {
  const LINES = 'application/x-ndjson';

  it('that are no lines, or too many of them, are refused whole', async () => {
    await refused(() => ask('POST', '/v1/gate/batch', 'gate', {}), 415, 'unsupported_media_type');
    const many = Array.from({ length: 257 }, () => '{"ask": "void", "question": {}}').join('\n');
    await refused(() => ask('POST', '/v1/gate/batch', 'gate', many, LINES), 400, 'too_many_lines');
  });

  it('are each refused by their own line', async () => {
    const before = await scene.counts();
    const lines = [
      '{"ask"',
      '{"ask": "steal", "question": {}}',
      '{"ask": "check"}',
      '{"ask": "check", "question": {"__proto__": {}}}',
      JSON.stringify({ ask: 'void', question: { payment: none('hld') } }),
    ];
    const { status, text } = await ask('POST', '/v1/gate/batch', 'gate', lines.join('\n'), LINES);
    expect(status).toBe(200);
    const answers = text
      .trimEnd()
      .split('\n')
      .map((line): { n: number; status: number; answer: { reason: string } } => JSON.parse(line))
      .sort((a, b) => a.n - b.n);
    expect(answers.map(({ status: own, answer }) => [own, answer.reason])).toEqual([
      [400, 'malformed_json'],
      [400, 'invalid_body'],
      [400, 'invalid_body'],
      [400, 'malformed_json'],
      [404, 'unknown_payment'],
    ]);
    expect(await scene.counts()).toEqual(before);
  });
});

it('of another provider is as if it did not exist', async () => {
  const { key } = await makeKey(scene.api, { scopes: KEY_SCOPES });
  for (const [method, path, body] of [
    ['GET', ofAccount('wallet')],
    ['GET', ofAccount('limits')],
    ['GET', ofAccount('keys')],
    ['GET', ofAccount('identities')],
    ['POST', ofAccount('grants'), { kind: 'goodwill', amount: '5' }],
    ['PUT', ofAccount('limits'), { window: 'day', amount: '5' }],
    ['POST', `/v1/grants/${grant}/void`],
    ['POST', `/v1/grants/${grant}/refund`, {}],
  ] as const) {
    await refused(() => call(url, method, path, { key, body }), 404, undefined);
  }
});

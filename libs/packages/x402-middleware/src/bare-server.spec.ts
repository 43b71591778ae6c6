import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GateStandIn, type Misbehaviour, until } from '../test/gate-stand-in.js';
import { paying, serve, type Served } from '../test/serve.js';
import type { PaywallOptions, PriceOptions } from './options.js';
import { type PricedMessage, paywall } from './express.js';

type Handler = (req: PricedMessage, res: ServerResponse) => unknown;

let gate: GateStandIn;
let served: Served[];
let errors: Error[];
let runs: number;

beforeEach(async () => {
  gate = await GateStandIn.start();
  served = [];
  errors = [];
  runs = 0;
});
afterEach(async () => {
  await Promise.all(served.map((server) => server.stop()));
  await gate.stop();
});

/** A bare node:http server that sells one handler, and its URL. */
async function selling(
  handler: Handler,
  price: Partial<PriceOptions<PricedMessage>> = {},
  options: Partial<PaywallOptions> = {},
): Promise<string> {
  const onError = (error: Error): number => errors.push(error);
  const guard = paywall({ gateUrl: gate.url, key: 'fbk_gate', onError, ...options })({ meter: 'api_calls', ...price });
  const server = await serve((req, res) => {
    void guard(req, res, () => {
      runs += 1;
      return handler(req, res);
    });
  });
  served.push(server);
  return server.url;
}

const hello: Handler = (_, res) => res.writeHead(200, { 'content-type': 'text/plain' }).end('hello');

describe('the gate is obeyed', () => {
  it('writes the challenge as it is, and runs nothing', async () => {
    const url = await selling(hello, { quantity: '2.5', description: 'A greeting', mimeType: 'text/plain' });
    const answer = await fetch(`${url}/greet?to=me`);
    expect(answer.status).toBe(402);
    expect(await answer.text()).toBe('{}');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('payment-required')).not.toBeNull();
    expect(answer.headers.get('access-control-expose-headers')).toBe(
      'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE',
    );
    expect(gate.checks).toEqual([
      {
        method: 'GET',
        url: `${url}/greet?to=me`,
        meter: 'api_calls',
        quantity: '2.5',
        description: 'A greeting',
        mimeType: 'text/plain',
      },
    ]);
    expect(gate.keys).toEqual(['Bearer fbk_gate']);
    expect(runs).toBe(0);
  });

  it.each(['PAYMENT-SIGNATURE', 'X-PAYMENT'])('serves what was paid by %s, and adds the receipt', async (header) => {
    const url = await selling((req, res) => {
      expect(req.farebox?.payment.id).toBe('pay_1');
      res.setHeader('set-cookie', 'session=1');
      hello(req, res);
    });
    const answer = await fetch(url, { headers: { [header]: 'ok-1' } });
    expect([answer.status, await answer.text()]).toEqual([200, 'hello']);
    expect(answer.headers.get('payment-response')).not.toBeNull();
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect(gate.captures).toEqual([
      { payment: 'pay_1', reply: { status: 200, headers: { 'content-type': 'text/plain' }, body: 'aGVsbG8=' } },
    ]);
  });

  it('gives the stored answer to the same payment, without running again', async () => {
    const url = await selling(hello);
    await fetch(url, paying('ok-1'));
    const again = await fetch(url, paying('ok-1'));
    expect([again.status, await again.text(), again.headers.get('content-type')]).toEqual([200, 'hello', 'text/plain']);
    expect(runs).toBe(1);
  });

  it('writes a refusal as it is', async () => {
    const url = await selling(hello);
    const answer = await fetch(url, paying('bad-1'));
    expect([answer.status, await answer.text()]).toEqual([409, 'refused']);
    expect(runs).toBe(0);
  });

  it('withholds content whose payment is still open, and every header that came with it', async () => {
    gate.withhold = true;
    const url = await selling((req, res) => {
      res.setHeader('x-secret', 'content');
      hello(req, res);
    });
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, await answer.text()]).toEqual([202, 'pending']);
    expect(answer.headers.get('x-secret')).toBeNull();
    expect(answer.headers.get('payment-response')).toBeNull();
  });
});

describe('nothing leaves unpaid', () => {
  const garbage: [string, Misbehaviour][] = [
    ['500', { status: 500, body: 'oops' }],
    ['401', { status: 401, body: '{"decision":"serve"}' }],
    ['302', { status: 302, body: '' }],
    ['no JSON', { status: 200, body: '<html>' }],
    ['an unknown decision', { status: 200, body: '{"decision":"allow"}' }],
    ['serve without a payment', { status: 200, body: '{"decision":"serve","captureWithinSeconds":60}' }],
    [
      'a header with a line break',
      { status: 200, body: '{"decision":"pay","reply":{"status":402,"headers":{"a":"b\\r\\nc: d"},"body":""}}' },
    ],
    ['no base64', { status: 200, body: '{"decision":"pay","reply":{"status":402,"headers":{},"body":"{}"}}' }],
  ];

  it.each(garbage)('a check answered with %s is a 503, and the handler does not run', async (_, how) => {
    gate.misbehaviours.push({ step: 'check', how });
    const url = await selling(hello);
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.text()).not.toContain('oops');
    expect(runs).toBe(0);
    expect(errors).toEqual([expect.objectContaining({ code: 'gate_failed', step: 'check' })]);
    expect(gate.steps).toEqual(['check']);
  });

  it('a gate that cannot be reached is a 503', async () => {
    const url = await selling(hello, {}, { gateUrl: 'http://127.0.0.1:1' });
    expect((await fetch(url, paying('ok-1'))).status).toBe(503);
    expect((await fetch(url)).status).toBe(503);
    expect(runs).toBe(0);
  });

  it('a gate that is silent is a 503 after its time', async () => {
    gate.misbehaviours.push({ step: 'check', how: 'never answer' }, { step: 'check', how: 'never answer' });
    const url = await selling(hello, {}, { timeoutMs: 30 });
    expect((await fetch(url, paying('ok-1'))).status).toBe(503);
    expect(gate.steps).toEqual(['check', 'check']);
    expect(runs).toBe(0);
  });

  it('asks once more, the same, when the connection is lost', async () => {
    gate.misbehaviours.push({ step: 'check', how: 'hang up' }, { step: 'capture', how: 'do and hang up' });
    const url = await selling(hello);
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, await answer.text()]).toEqual([200, 'hello']);
    expect(gate.steps).toEqual(['check', 'check', 'capture', 'capture']);
    expect(gate.questions[0]).toEqual(gate.questions[1]);
    expect(gate.questions[2]).toEqual(gate.questions[3]);
  });

  it.each<[string, Misbehaviour[]]>([
    ['no answer', ['do and hang up', 'do and hang up']],
    ['garbage', [{ status: 200, body: '{"decision":"release"}' }]],
    ['500', [{ status: 500, body: '' }]],
  ])('a capture that got %s withholds the content and voids nothing', async (_, misbehaviours) => {
    for (const how of misbehaviours) gate.misbehaviours.push({ step: 'capture', how });
    const url = await selling(hello);
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('Present the same payment again');
    expect(gate.steps).not.toContain('void');
  });

  it('a handler that throws is not charged, and what it wrote stays here', async () => {
    const url = await selling(async (_, res) => {
      res.write('half of the con');
      throw new Error('disk on fire');
    });
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/half|fire/);
    expect(gate.statusOf('ok-1')).toBe('voided');
    expect(errors.map(({ message }) => message)).toEqual(['disk on fire']);
  });

  it('an answer of 400 and more goes out as it is, unpaid', async () => {
    const url = await selling((_, res) => res.writeHead(404, { 'x-why': 'gone' }).end('no such thing'));
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-why')]).toEqual([404, 'no such thing', 'gone']);
    expect(answer.headers.get('payment-response')).toBeNull();
    expect(gate.statusOf('ok-1')).toBe('voided');
  });

  it('an agent that hangs up before the answer is complete is not charged', async () => {
    let finish: (() => void) | undefined;
    const url = await selling((_, res) => {
      finish = () => res.end('too late');
    });
    const agent = new AbortController();
    const asked = fetch(url, { ...paying('ok-1'), signal: agent.signal }).catch(() => 'aborted');
    await until(() => finish !== undefined);
    agent.abort();
    await asked;
    await until(() => gate.statusOf('ok-1') === 'voided');
    finish?.();
    expect(gate.captures).toEqual([]);
  });

  it('an agent that hangs up while the gate is asked is not served', async () => {
    gate.misbehaviours.push({ step: 'check', how: 'hold' });
    const url = await selling(hello);
    const connections: Socket[] = [];
    served[0]?.server.on('connection', (socket: Socket) => connections.push(socket));
    const agent = new AbortController();
    const asked = fetch(url, { ...paying('ok-1'), signal: agent.signal }).catch(() => 'aborted');
    await until(() => gate.steps.length === 1);
    agent.abort();
    await asked;
    await until(() => connections[0]?.destroyed === true);
    gate.answerHeld();
    await until(() => gate.statusOf('ok-1') === 'voided');
    expect(runs).toBe(0);
  });

  it('an answer longer than is held is neither sent nor charged, while the handler still writes', async () => {
    let written = 0;
    const url = await selling(
      (_, res) => {
        for (let n = 0; n < 20; n++) {
          res.write('x'.repeat(100));
          written += 1;
        }
        res.end();
      },
      {},
      { maxReplyBytes: 1_000 },
    );
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(500);
    expect(await answer.text()).toContain('longer than can be held');
    expect(written).toBe(20);
    expect(gate.statusOf('ok-1')).toBe('voided');
  });

  it('a void that fails does not hide the answer of the handler', async () => {
    gate.misbehaviours.push({ step: 'void', how: { status: 500, body: '' } });
    const url = await selling((_, res) => res.writeHead(410).end('gone'));
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe('gone');
    expect(errors).toEqual([expect.objectContaining({ step: 'void' })]);
  });
});

describe('what is charged', () => {
  it.each([
    ['what was agreed, when nothing was measured', undefined, undefined],
    ['what was measured', '1.25', '1.25'],
    ['no more than was agreed', '10.0000000000000000001', '10'],
  ])('is %s', async (_, used, charged) => {
    const measuring: Handler = (req, res) => {
      if (used !== undefined) req.farebox?.measure(used);
      hello(req, res);
    };
    const url = await selling(measuring, { quantity: () => '10' });
    await fetch(url, paying('ok-1'));
    expect(gate.captures[0]?.quantity).toBe(charged);
  });

  it('is what the price measures when the handler is done', async () => {
    const url = await selling(hello, { quantity: '10', measured: (req) => String(req.url?.length) });
    await fetch(`${url}/1234`, paying('ok-1'));
    expect(gate.captures[0]?.quantity).toBe('5');
  });

  it('is nothing when what was measured is no number', async () => {
    const url = await selling(hello, { measured: () => 'much' });
    expect((await fetch(url, paying('ok-1'))).status).toBe(500);
    expect(gate.statusOf('ok-1')).toBe('voided');
  });

  it('cannot be asked when the price does not understand the request', async () => {
    const quantity = (req: IncomingMessage): string => {
      const seconds = new URL(req.url ?? '', 'http://x').searchParams.get('seconds');
      if (seconds === null) throw Object.assign(new Error('Say how many seconds.'), { status: 400 });
      return seconds;
    };
    const url = await selling(hello, { quantity });
    const refused = await fetch(url, paying('ok-1'));
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('Say how many seconds.')]);
    expect((await fetch(`${url}?seconds=many`, paying('ok-1'))).status).toBe(500);
    expect((await fetch(`${url}?seconds=3`, paying('ok-1'))).status).toBe(200);
    expect(gate.checks).toEqual([expect.objectContaining({ quantity: '3' })]);
  });
});

describe('the request', () => {
  const echo: Handler = async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    res.end(Buffer.concat(chunks));
  };
  const sha256 = (body: Uint8Array): string => createHash('sha256').update(body).digest('hex');

  it.each([1, 1_000, 65_536, 1 << 20])('binds a body of %i bytes and leaves it to be read', async (length) => {
    const url = await selling(echo, {}, { maxReplyBytes: 2 << 20 });
    const body = Buffer.alloc(length, 'farebox ');
    const answer = await fetch(url, { ...paying('ok-1'), method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
    expect(gate.checks[0]).toMatchObject({ method: 'POST', bodyDigest: sha256(body) });
  });

  it('binds a body that trickles in, and passes it on with its end', async () => {
    const url = await selling(echo);
    const answer = await new Promise<string>((resolve, reject) => {
      const headers = { 'PAYMENT-SIGNATURE': 'ok-1', 'transfer-encoding': 'chunked' };
      const req = httpRequest(url, { method: 'PUT', headers }, (res) => {
        let text = '';
        res.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve(text));
      });
      req.on('error', reject);
      const parts = ['one ', 'two ', 'three'];
      const next = (): void => {
        const part = parts.shift();
        if (part === undefined) return void req.end();
        req.write(part, () => setImmediate(next));
      };
      next();
    });
    expect(answer).toBe('one two three');
    expect(gate.checks[0]?.bodyDigest).toBe(sha256(Buffer.from('one two three')));
  });

  it('without a body has no digest, chunked or not', async () => {
    const url = await selling(echo);
    await fetch(url, { ...paying('ok-1'), method: 'POST' });
    const empty = new ReadableStream({ start: (stream) => stream.close() });
    const init: RequestInit & { duplex: 'half' } = { ...paying('ok-2'), method: 'POST', body: empty, duplex: 'half' };
    expect((await fetch(url, init)).status).toBe(200);
    expect(gate.checks.map(({ bodyDigest }) => bodyDigest)).toEqual([undefined, undefined]);
  });

  it('with too long a body is refused unread', async () => {
    const url = await selling(echo, {}, { maxRequestBytes: 10 });
    const answer = await fetch(url, { ...paying('ok-1'), method: 'POST', body: '01234567890' });
    expect(answer.status).toBe(413);
    expect(answer.headers.get('connection')).toBe('close');
    expect(gate.questions).toEqual([]);
  });

  it('is named as agents see it', async () => {
    const url = await selling(hello, {}, { publicUrl: 'https://api.example/v2/' });
    await fetch(`${url}/a%20b?c=d`);
    expect(gate.checks[0]?.url).toBe('https://api.example/v2/a%20b?c=d');
  });

  it('with a Host that is none is refused', async () => {
    const url = await selling(hello);
    const status = await new Promise((resolve, reject) => {
      const req = httpRequest(url, { headers: { host: 'evil.example/path?' } }, (res) =>
        resolve(res.resume().statusCode),
      );
      req.on('error', reject).end();
    });
    expect(status).toBe(400);
    expect(gate.questions).toEqual([]);
  });
});

describe('a challenge the gate lets be kept', () => {
  it('is given from memory to the same question, until its time has passed', async () => {
    let elapsed = 0;
    gate.cacheSeconds = '30';
    const url = await selling(hello, {}, { elapsed: () => elapsed });
    const first = await fetch(`${url}/a`);
    expect(first.headers.get('x-farebox-cache-seconds')).toBeNull();
    elapsed = 29_999;
    const second = await fetch(`${url}/a`);
    expect(second.headers.get('payment-required')).toBe(first.headers.get('payment-required'));
    expect(gate.steps).toEqual(['check']);
    elapsed = 30_000;
    await fetch(`${url}/a`);
    expect(gate.steps).toHaveLength(2);
  });

  it('is not given to another question, nor to one that brings a payment', async () => {
    gate.cacheSeconds = '30';
    const url = await selling(hello);
    await fetch(`${url}/a`);
    await fetch(`${url}/a?b`);
    await fetch(`${url}/a`, { method: 'POST' });
    await fetch(`${url}/a`, { method: 'POST', body: 'x' });
    expect((await fetch(`${url}/a`, paying('ok-1'))).status).toBe(200);
    expect((await fetch(`${url}/a`, paying('bad-1'))).status).toBe(409);
    expect((await fetch(`${url}/a`, paying(''))).status).toBe(409);
    expect(gate.checks).toHaveLength(7);
  });

  it('takes the place of the longest unused one', async () => {
    gate.cacheSeconds = '30';
    const url = await selling(hello, {}, { maxChallenges: 2 });
    for (const path of ['/a', '/b', '/a', '/c', '/a', '/b']) await fetch(url + path);
    expect(gate.checks.map((check) => new URL(check.url).pathname)).toEqual(['/a', '/b', '/c', '/b']);
  });
});

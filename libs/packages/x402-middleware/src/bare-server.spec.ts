import type { Socket } from 'node:net';
import { BareShop, hello } from '../test/bare-shop.js';
import { type Misbehaviour, until } from '../test/gate-stand-in.js';
import { paying } from '../test/serve.js';

let shop: BareShop;

beforeEach(async () => {
  shop = await BareShop.open();
});
afterEach(() => shop.close());

describe('the gate is obeyed', () => {
  it('writes the challenge as it is, and runs nothing', async () => {
    const url = await shop.sell(hello, { quantity: '2.5', description: 'A greeting', mimeType: 'text/plain' });
    const answer = await fetch(`${url}/greet?to=me`);
    expect(answer.status).toBe(402);
    expect(await answer.text()).toBe('{}');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('payment-required')).not.toBeNull();
    expect(answer.headers.get('access-control-expose-headers')).toBe(
      'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE',
    );
    expect(shop.gate.checks).toEqual([
      {
        method: 'GET',
        url: `${url}/greet?to=me`,
        meter: 'api_calls',
        quantity: '2.5',
        description: 'A greeting',
        mimeType: 'text/plain',
      },
    ]);
    expect(shop.gate.keys).toEqual(['Bearer fbk_gate']);
    expect(shop.runs).toBe(0);
  });

  it.each(['PAYMENT-SIGNATURE', 'X-PAYMENT'])('serves what was paid by %s, and adds the receipt', async (header) => {
    const url = await shop.sell((req, res) => {
      expect(req.farebox?.payment.id).toBe('pay_1');
      res.setHeader('set-cookie', 'session=1');
      hello(req, res);
    });
    const answer = await fetch(url, { headers: { [header]: 'ok-1' } });
    expect([answer.status, await answer.text()]).toEqual([200, 'hello']);
    expect(answer.headers.get('payment-response')).not.toBeNull();
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect(shop.gate.captures).toEqual([
      { payment: 'pay_1', reply: { status: 200, headers: { 'content-type': 'text/plain' }, body: 'aGVsbG8=' } },
    ]);
  });

  it('gives the stored answer to the same payment, without running again', async () => {
    const url = await shop.sell(hello);
    await fetch(url, paying('ok-1'));
    const again = await fetch(url, paying('ok-1'));
    expect([again.status, await again.text(), again.headers.get('content-type')]).toEqual([200, 'hello', 'text/plain']);
    expect(shop.runs).toBe(1);
  });

  it('writes a refusal as it is', async () => {
    const url = await shop.sell(hello);
    const answer = await fetch(url, paying('bad-1'));
    expect([answer.status, await answer.text()]).toEqual([409, 'refused']);
    expect(shop.runs).toBe(0);
  });

  it('withholds content whose payment is still open, and every header that came with it', async () => {
    shop.gate.withhold = true;
    const url = await shop.sell((req, res) => {
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
    shop.gate.misbehaviours.push({ step: 'check', how });
    const url = await shop.sell(hello);
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.text()).not.toContain('oops');
    expect(shop.runs).toBe(0);
    expect(shop.errors).toEqual([expect.objectContaining({ code: 'gate_failed', step: 'check' })]);
    expect(shop.gate.steps).toEqual(['check']);
  });

  it('a gate that cannot be reached is a 503', async () => {
    const url = await shop.sell(hello, {}, { gateUrl: 'http://127.0.0.1:1' });
    expect((await fetch(url, paying('ok-1'))).status).toBe(503);
    expect((await fetch(url)).status).toBe(503);
    expect(shop.runs).toBe(0);
  });

  it('a gate that is silent is a 503 after its time', async () => {
    shop.gate.misbehaviours.push({ step: 'check', how: 'never answer' }, { step: 'check', how: 'never answer' });
    const url = await shop.sell(hello, {}, { timeoutMs: 30 });
    expect((await fetch(url, paying('ok-1'))).status).toBe(503);
    expect(shop.gate.steps).toEqual(['check', 'check']);
    expect(shop.runs).toBe(0);
  });

  it('asks once more, the same, when the connection is lost', async () => {
    shop.gate.misbehaviours.push({ step: 'check', how: 'hang up' }, { step: 'capture', how: 'do and hang up' });
    const url = await shop.sell(hello);
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, await answer.text()]).toEqual([200, 'hello']);
    expect(shop.gate.steps).toEqual(['check', 'check', 'capture', 'capture']);
    expect(shop.gate.questions[0]).toEqual(shop.gate.questions[1]);
    expect(shop.gate.questions[2]).toEqual(shop.gate.questions[3]);
  });

  it.each<[string, Misbehaviour[]]>([
    ['no answer', ['do and hang up', 'do and hang up']],
    ['garbage', [{ status: 200, body: '{"decision":"release"}' }]],
    ['500', [{ status: 500, body: '' }]],
  ])('a capture that got %s withholds the content and voids nothing', async (_, misbehaviours) => {
    for (const how of misbehaviours) shop.gate.misbehaviours.push({ step: 'capture', how });
    const url = await shop.sell(hello);
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('Present the same payment again');
    expect(shop.gate.steps).not.toContain('void');
  });

  it('a handler that throws is not charged, and what it wrote stays here', async () => {
    const url = await shop.sell(async (_, res) => {
      res.write('half of the con');
      throw new Error('disk on fire');
    });
    const answer = await fetch(url, paying('ok-1'));
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toMatch(/half|fire/);
    expect(shop.gate.statusOf('ok-1')).toBe('voided');
    expect(shop.errors.map(({ message }) => message)).toEqual(['disk on fire']);
  });

  it('an answer of 400 and more goes out as it is, unpaid', async () => {
    const url = await shop.sell((_, res) => res.writeHead(404, { 'x-why': 'gone' }).end('no such thing'));
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-why')]).toEqual([404, 'no such thing', 'gone']);
    expect(answer.headers.get('payment-response')).toBeNull();
    expect(shop.gate.statusOf('ok-1')).toBe('voided');
  });

  it('an agent that hangs up before the answer is complete is not charged', async () => {
    let finish: (() => void) | undefined;
    const url = await shop.sell((_, res) => {
      finish = () => res.end('too late');
    });
    const agent = new AbortController();
    const asked = fetch(url, { ...paying('ok-1'), signal: agent.signal }).catch(() => 'aborted');
    await until(() => finish !== undefined);
    agent.abort();
    await asked;
    await until(() => shop.gate.statusOf('ok-1') === 'voided');
    finish?.();
    expect(shop.gate.captures).toEqual([]);
  });

  it('an agent that hangs up while the gate is asked is not served', async () => {
    shop.gate.misbehaviours.push({ step: 'check', how: 'hold' });
    const url = await shop.sell(hello);
    const connections: Socket[] = [];
    shop.served[0]?.server.on('connection', (socket: Socket) => connections.push(socket));
    const agent = new AbortController();
    const asked = fetch(url, { ...paying('ok-1'), signal: agent.signal }).catch(() => 'aborted');
    await until(() => shop.gate.steps.length === 1);
    agent.abort();
    await asked;
    await until(() => connections[0]?.destroyed === true);
    shop.gate.answerHeld();
    await until(() => shop.gate.statusOf('ok-1') === 'voided');
    expect(shop.runs).toBe(0);
  });

  it('an answer longer than is held is neither sent nor charged, while the handler still writes', async () => {
    let written = 0;
    const url = await shop.sell(
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
    expect(shop.gate.statusOf('ok-1')).toBe('voided');
  });

  it('a void that fails does not hide the answer of the handler', async () => {
    shop.gate.misbehaviours.push({ step: 'void', how: { status: 500, body: '' } });
    const url = await shop.sell((_, res) => res.writeHead(410).end('gone'));
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe('gone');
    expect(shop.errors).toEqual([expect.objectContaining({ step: 'void' })]);
  });
});

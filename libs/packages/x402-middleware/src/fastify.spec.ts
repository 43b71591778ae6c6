import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { GateStandIn, until } from '../test/gate-stand-in.js';
import { paying } from '../test/serve.js';
import { paywall } from './fastify.js';

let gate: GateStandIn;
let app: FastifyInstance;
let errors: Error[];

beforeEach(async () => {
  gate = await GateStandIn.start();
  app = Fastify();
  errors = [];
});
afterEach(async () => {
  app.server.closeAllConnections();
  await app.close();
  await gate.stop();
});

const pricing = (): ReturnType<typeof paywall> =>
  paywall({ gateUrl: gate.url, key: 'fbk_gate', onError: (error) => errors.push(error) });
const listen = (): Promise<string> => app.listen({ port: 0, host: '127.0.0.1' });

const post = (signature: string, value: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'PAYMENT-SIGNATURE': signature, 'content-type': 'application/json' },
  body: JSON.stringify(value),
});

describe('a priced route of fastify', () => {
  it('sells what fastify sends: values, text, bytes, streams, answers by hand', async () => {
    const price = pricing();
    const hooks = price({ meter: 'api_calls' });
    app.get('/json', { ...hooks }, async () => ({ hello: 'world' }));
    app.get('/text', { ...hooks }, (_, reply) => void reply.code(203).header('x-own', 'yes').send('hello'));
    app.get('/bytes', { ...hooks }, async () => Buffer.from([0, 255]));
    app.get('/stream', { ...hooks }, async (_, reply) => reply.type('text/plain').send(Readable.from(['a', 'b', 'c'])));
    app.get('/raw', { ...hooks }, (_, reply) => void reply.hijack().raw.end('raw'));
    app.get('/free', async () => 'free');
    const url = await listen();
    const bodies = { json: '{"hello":"world"}', text: 'hello', bytes: '\u0000\u00ff', stream: 'abc', raw: 'raw' };
    for (const [path, body] of Object.entries(bodies)) {
      expect((await fetch(`${url}/${path}`)).status).toBe(402);
      const first = await fetch(`${url}/${path}`, paying(`ok-${path}`));
      expect(first.headers.get('payment-response')).not.toBeNull();
      const again = await fetch(`${url}/${path}`, paying(`ok-${path}`));
      expect([again.status, again.headers.get('content-type')]).toEqual([
        first.status,
        first.headers.get('content-type'),
      ]);
      for (const answer of [first, again])
        expect(Buffer.from(await answer.arrayBuffer()).toString('latin1')).toBe(body);
    }
    expect(gate.captures).toHaveLength(5);
    expect(await (await fetch(`${url}/free`)).text()).toBe('free');
  });

  it('finds the request parsed and validated, and binds the body as it came', async () => {
    type Job = FastifyRequest<{ Body: { seconds: string } }>;
    const hooks = pricing()({ meter: 'compute', quantity: (request: Job) => request.body.seconds });
    const schema = { body: { type: 'object', required: ['seconds'], properties: { seconds: { type: 'string' } } } };
    app.post<{ Body: { seconds: string } }>('/job', { ...hooks, schema }, async (request) => {
      request.farebox?.measure('0.5');
      return { id: request.farebox?.payment.id, seconds: request.body.seconds };
    });
    const url = await listen();
    expect((await fetch(`${url}/job`, post('ok-0', {}))).status).toBe(400);
    expect(gate.questions).toEqual([]);
    const answer = await fetch(`${url}/job`, post('ok-1', { seconds: '3' }));
    expect(await answer.json()).toEqual({ id: 'pay_1', seconds: '3' });
    const bodyDigest = createHash('sha256').update('{"seconds":"3"}').digest('hex');
    expect(gate.checks[0]).toMatchObject({ url: `${url}/job`, bodyDigest, quantity: '3' });
    expect(gate.captures[0]?.quantity).toBe('0.5');
  });

  it('refuses too long a body unread', async () => {
    const price = paywall({ gateUrl: gate.url, key: 'k', maxRequestBytes: 5 });
    app.post('/', { ...price({ meter: 'api_calls' }) }, async () => 'long');
    expect((await fetch(await listen(), post('ok-1', 'long enough'))).status).toBe(413);
    expect(gate.questions).toEqual([]);
  });

  it('keeps what hooks set before it, in the answers of the gate too', async () => {
    app.addHook('onRequest', async (_, reply) => void reply.header('access-control-allow-origin', '*'));
    app.get('/', { ...pricing()({ meter: 'api_calls' }) }, async () => 'paid');
    const url = await listen();
    for (const answer of [await fetch(url), await fetch(url, paying('ok-1')), await fetch(url, paying('ok-1'))])
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('withholds what is not paid, with its headers', async () => {
    gate.withhold = true;
    app.get('/', { ...pricing()({ meter: 'api_calls' }) }, async (_, reply) => reply.header('x-secret', '1').send('s'));
    const answer = await fetch(await listen(), paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-secret')]).toEqual([202, 'pending', null]);
  });

  it('is not charged when it fails, and the error handler answers', async () => {
    app.setErrorHandler(async (error: Error, _, reply) => reply.code(503).send(`sorry: ${error.message}`));
    app.addHook('onRoute', (route) => void (route.exposeHeadRoute = false));
    const hooks = pricing()({ meter: 'api_calls' });
    app.get('/thrown', { ...hooks }, () => {
      throw new Error('thrown');
    });
    app.get('/rejected', { ...hooks }, async () => Promise.reject(new Error('rejected')));
    app.get('/missing', { ...hooks }, async (_, reply) => reply.code(404).send('none'));
    const url = await listen();
    expect(await (await fetch(`${url}/thrown`, paying('ok-1'))).text()).toBe('sorry: thrown');
    expect(await (await fetch(`${url}/rejected`, paying('ok-2'))).text()).toBe('sorry: rejected');
    expect(await (await fetch(`${url}/missing`, paying('ok-3'))).text()).toBe('none');
    expect(['ok-1', 'ok-2', 'ok-3'].map((signature) => gate.statusOf(signature))).toEqual(Array(3).fill('voided'));
  });

  it('is closed while the gate cannot be understood', async () => {
    gate.misbehaviours.push({ step: 'check', how: { status: 200, body: '{}' } });
    let runs = 0;
    app.get('/', { ...pricing()({ meter: 'api_calls' }) }, async () => ++runs);
    expect((await fetch(await listen(), paying('ok-1'))).status).toBe(503);
    expect(runs).toBe(0);
  });

  it('can be put before all routes of an app', async () => {
    const { preParsing, preHandler } = pricing()({ meter: 'api_calls' });
    app.addHook('preParsing', preParsing).addHook('preHandler', preHandler);
    app.post('/', async (request) => request.body);
    const url = await listen();
    expect((await fetch(url, post('bad-1', { a: 1 }))).status).toBe(409);
    expect(await (await fetch(url, post('ok-1', { a: 1 }))).json()).toEqual({ a: 1 });
  });
});

describe('a stream of fastify', () => {
  it('is charged part by part, as it is read', async () => {
    gate.covers = 8;
    app.get('/', { ...pricing()({ meter: 'tokens', quantity: '4', stream: true }) }, async (request, reply) => {
      const { farebox } = request;
      const parts = async function* (): AsyncGenerator<string> {
        for (let n = 1; n <= 20; n++) {
          if (!(await farebox?.use(String(n)))) return yield '[stopped]';
          yield `${n} `;
        }
      };
      return reply.type('text/plain').send(Readable.from(parts()));
    });
    const answer = await fetch(await listen(), paying('ok-1'));
    expect(await answer.text()).toBe('1 2 3 4 5 6 7 8 [stopped]');
    expect(answer.headers.get('x-farebox-payment')).toBe('pay_1');
    expect(gate.captures[0]?.quantity).toBe('8');
  });

  it('is charged for what was used when the agent hangs up', async () => {
    app.get('/', { ...pricing()({ meter: 'tokens', quantity: '4', stream: true }) }, async (request, reply) => {
      const { raw } = reply.hijack();
      await request.farebox?.use('3');
      raw.write('three');
      await once(raw, 'close');
    });
    const agent = new AbortController();
    const answer = await fetch(await listen(), { ...paying('ok-1'), signal: agent.signal });
    await answer.body?.getReader().read();
    agent.abort();
    await until(() => gate.captures.length === 1);
    expect(gate.captures[0]?.quantity).toBe('3');
  });
});

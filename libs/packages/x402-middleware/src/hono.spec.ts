import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { serve, type ServerType } from '@hono/node-server';
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { streamSSE } from 'hono/streaming';
import { GateStandIn, until } from '../test/gate-stand-in.js';
import { paying } from '../test/serve.js';
import { paywall } from './hono.js';

let gate: GateStandIn;
let server: ServerType | undefined;
let errors: Error[];

beforeEach(async () => {
  gate = await GateStandIn.start();
  errors = [];
});
afterEach(async () => {
  if (server !== undefined && 'closeAllConnections' in server) server.closeAllConnections();
  await new Promise((closed) => (server === undefined ? closed(undefined) : server.close(closed)));
  server = undefined;
  await gate.stop();
});

const pricing = (): ReturnType<typeof paywall> =>
  paywall({ gateUrl: gate.url, key: 'fbk_gate', onError: (error) => errors.push(error) });

/** On a real server, so that requests and hang-ups are real too. */
const listen = (app: Hono): Promise<string> =>
  new Promise((resolve) => {
    server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) =>
      resolve(`http://127.0.0.1:${port}`),
    );
  });

describe('a priced route of hono', () => {
  it('is sold, with what was set before it, and leaves the others alone', async () => {
    const app = new Hono().use(cors({ origin: '*', exposeHeaders: ['ETag'] }));
    app.get('/free', (c) => c.text('free'));
    app.get('/paid', pricing()({ meter: 'api_calls' }), (c) => {
      c.header('set-cookie', 'a=1');
      return c.json({ id: c.get('farebox').payment.id }, 201);
    });
    const url = await listen(app);
    expect(await (await fetch(`${url}/free`)).text()).toBe('free');
    const unpaid = await fetch(`${url}/paid?a=b`);
    expect([unpaid.status, await unpaid.text()]).toEqual([402, '{}']);
    expect(gate.checks[0]?.url).toBe(`${url}/paid?a=b`);
    const paid = await fetch(`${url}/paid`, paying('ok-1'));
    expect([paid.status, await paid.json(), paid.headers.get('set-cookie')]).toEqual([201, { id: 'pay_1' }, 'a=1']);
    expect(paid.headers.get('payment-response')).not.toBeNull();
    const again = await fetch(`${url}/paid`, paying('ok-1'));
    expect([again.status, await again.json()]).toEqual([201, { id: 'pay_1' }]);
    for (const answer of [unpaid, paid, again]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.get('access-control-expose-headers')).toMatch(/^ETag, PAYMENT-REQUIRED/);
    }
  });

  it('binds the body, reads its price from the request, and can measure', async () => {
    const app = new Hono();
    const price = pricing()({ meter: 'compute', quantity: (c) => c.req.query('seconds') ?? '1' });
    app.post('/job', price, async (c) => {
      c.get('farebox').measure('0.5');
      return c.json(await c.req.json());
    });
    const url = await listen(app);
    const body = JSON.stringify({ name: 'job' });
    const answer = await fetch(`${url}/job?seconds=3`, { ...paying('ok-1'), method: 'POST', body });
    expect(await answer.json()).toEqual({ name: 'job' });
    const bodyDigest = createHash('sha256').update(body).digest('hex');
    expect(gate.checks[0]).toMatchObject({ bodyDigest, quantity: '3' });
    expect(gate.captures[0]?.quantity).toBe('0.5');
  });

  it('withholds what is not paid, with its headers', async () => {
    gate.withhold = true;
    const app = new Hono().get('/', pricing()({ meter: 'api_calls' }), (c) => {
      c.header('x-secret', 'yes');
      return c.text('secret');
    });
    const answer = await fetch(await listen(app), paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-secret')]).toEqual([202, 'pending', null]);
  });

  it.each<[string, unknown, number, string]>([
    ['an error', new Error('oops'), 200, 'sorry'],
    ['anything else', 'oops', 500, 'not charged'],
  ])('is not charged when its handler throws %s, whatever the error handler says', async (_, thrown, status, text) => {
    const app = new Hono().onError((_error, c) => c.text('sorry', 200));
    app.get('/', pricing()({ meter: 'api_calls' }), () => {
      throw thrown;
    });
    const answer = await fetch(await listen(app), paying('ok-1'));
    expect([answer.status, gate.statusOf('ok-1')]).toEqual([status, 'voided']);
    expect(await answer.text()).toContain(text);
    expect(answer.headers.get('payment-response')).toBeNull();
  });

  it('is not charged when the agent hangs up', async () => {
    let running = false;
    const app = new Hono().get('/', pricing()({ meter: 'api_calls' }), () => {
      running = true;
      return new Promise<Response>(() => undefined);
    });
    const agent = new AbortController();
    const asked = fetch(await listen(app), { ...paying('ok-1'), signal: agent.signal }).catch(() => 'aborted');
    await until(() => running);
    agent.abort();
    await asked;
    await until(() => gate.statusOf('ok-1') === 'voided');
  });
});

describe('a stream of hono', () => {
  const app = (): Hono =>
    new Hono().get('/', pricing()({ meter: 'tokens', quantity: '4', stream: true }), (c) =>
      streamSSE(c, async (stream) => {
        for (let n = 1; n <= 20 && !stream.aborted; n++) {
          if (!(await c.get('farebox').use(String(n)))) return stream.writeSSE({ event: 'end', data: 'no more' });
          await stream.writeSSE({ data: String(n) });
        }
      }),
    );

  it('is charged part by part, and ends with an event of its own', async () => {
    gate.covers = 8;
    const answer = await fetch(await listen(app()), paying('ok-1'));
    const events = (await answer.text()).split('\n\n').filter((event) => event !== '');
    expect(events).toEqual([...Array.from({ length: 8 }, (_, n) => `data: ${n + 1}`), 'event: end\ndata: no more']);
    expect(answer.headers.get('x-farebox-payment')).toBe('pay_1');
    expect(gate.captures[0]?.quantity).toBe('8');
  });

  it('is charged for what was used when the agent hangs up', async () => {
    gate.misbehaviours.push({ step: 'extend', how: 'never answer' });
    const agent = new AbortController();
    const answer = await fetch(await listen(app()), { ...paying('ok-1'), signal: agent.signal });
    await answer.body?.getReader().read();
    await until(() => gate.extensions.length === 1);
    agent.abort();
    await until(() => gate.captures.length === 1);
    expect(['2', '3', '4']).toContain(gate.captures[0]?.quantity);
  });
});

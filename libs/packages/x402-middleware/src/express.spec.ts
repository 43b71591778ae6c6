import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import express, { type ErrorRequestHandler, type Express, type Request } from 'express';
import { GateStandIn, until } from '../test/gate-stand-in.js';
import { paying, serve, type Served } from '../test/serve.js';
import { paywall } from './express.js';

let gate: GateStandIn;
let served: Served | undefined;
let errors: Error[];

beforeEach(async () => {
  gate = await GateStandIn.start();
  errors = [];
});
afterEach(async () => {
  await served?.stop();
  await gate.stop();
});

const pricing = (): ReturnType<typeof paywall> =>
  paywall({ gateUrl: gate.url, key: 'fbk_gate', onError: (error) => errors.push(error) });

async function listen(app: Express): Promise<string> {
  served = await serve(app);
  return served.url;
}

const post = (signature: string, value: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'PAYMENT-SIGNATURE': signature, 'content-type': 'application/json' },
  body: JSON.stringify(value),
});

describe('a priced route of express', () => {
  it('sells what express sends: JSON, files, streams, redirects', async () => {
    const price = pricing();
    const app = express();
    app.use(price({ meter: 'api_calls' }));
    app.get('/json', (_, res) => void res.status(201).json({ hello: 'world' }));
    app.get('/file', (_, res) => res.sendFile(`${process.cwd()}/package.json`));
    app.get('/stream', (_, res) => void Readable.from(['a', 'b', 'c']).pipe(res.type('text/plain')));
    app.get('/redirect', (_, res) => res.redirect('/json'));
    const url = await listen(app);

    const json = await fetch(`${url}/json`, paying('ok-1'));
    expect([json.status, await json.json()]).toEqual([201, { hello: 'world' }]);
    const file = await fetch(`${url}/file`, paying('ok-2'));
    expect(await file.json()).toMatchObject({ name: 'farebox' });
    const stream = await fetch(`${url}/stream`, paying('ok-3'));
    expect(await stream.text()).toBe('abc');
    const redirect = await fetch(`${url}/redirect`, { ...paying('ok-4'), redirect: 'manual' });
    expect(redirect.headers.get('location')).toBe('/json');

    for (const answer of [json, file, stream, redirect]) {
      expect(answer.headers.get('payment-response')).not.toBeNull();
      expect(answer.headers.get('cache-control')).toBe('private, no-store');
    }
    expect(gate.captures.map(({ reply }) => reply.status)).toEqual([201, 200, 200, 302]);
    const replayed = await fetch(`${url}/json`, paying('ok-1'));
    expect([replayed.status, replayed.headers.get('etag'), await replayed.json()]).toEqual([
      201,
      json.headers.get('etag'),
      { hello: 'world' },
    ]);
  });

  it('gives the price function express’s own request, and names the URL of a mounted router', async () => {
    const price = pricing();
    const router = express.Router();
    const quantity = (req: Request<object, unknown, unknown, { seconds: string }>): string => req.query.seconds;
    router.get('/job', price({ meter: 'compute', quantity }), (req, res) => {
      req.farebox?.measure('1.5');
      res.send(req.farebox?.payment.id);
    });
    const url = await listen(express().use('/v2', router));
    const answer = await fetch(`${url}/v2/job?seconds=3`, paying('ok-1'));
    expect(await answer.text()).toBe('pay_1');
    expect(gate.checks[0]).toMatchObject({ url: `${url}/v2/job?seconds=3`, quantity: '3' });
    expect(gate.captures[0]).toMatchObject({ quantity: '1.5' });
  });

  it('leaves the other routes alone', async () => {
    const price = pricing();
    const app = express();
    app.get('/free', (_, res) => void res.send('free'));
    app.get('/paid', price({ meter: 'api_calls' }), (_, res) => void res.send('paid'));
    const url = await listen(app);
    const free = await fetch(`${url}/free`);
    expect([free.status, await free.text(), free.headers.get('payment-response')]).toEqual([200, 'free', null]);
    expect((await fetch(`${url}/paid`)).status).toBe(402);
  });

  it('does not charge for errors, thrown, rejected, or after half of the answer', async () => {
    const price = pricing();
    const app = express();
    app.use(price({ meter: 'api_calls' }));
    app.get('/thrown', () => {
      throw new Error('thrown');
    });
    app.get('/rejected', async () => Promise.reject(new Error('rejected')));
    app.get('/half', (_, res, next) => {
      res.write('half');
      next(new Error('half'));
    });
    const failed: ErrorRequestHandler = (error: Error, _req, res, next) =>
      res.headersSent ? next(error) : void res.status(500).send(`sorry: ${error.message}`);
    app.use(failed);
    const url = await listen(app.set('env', 'test'));
    expect(await (await fetch(`${url}/thrown`, paying('ok-1'))).text()).toBe('sorry: thrown');
    expect(await (await fetch(`${url}/rejected`, paying('ok-2'))).text()).toBe('sorry: rejected');
    await expect(fetch(`${url}/half`, paying('ok-3'))).rejects.toThrow('fetch failed');
    await until(() => ['ok-1', 'ok-2', 'ok-3'].every((signature) => gate.statusOf(signature) === 'voided'));
    expect(gate.captures).toEqual([]);
  });

  it('keeps what was set before it, CORS and its own list of exposed headers included', async () => {
    const app = express();
    app.use((_, res, next) => {
      res.set({ 'access-control-allow-origin': '*', 'access-control-expose-headers': 'ETag, payment-response' });
      next();
    });
    app.get('/', pricing()({ meter: 'api_calls' }), (_, res) => void res.send('paid'));
    const url = await listen(app);
    for (const answer of [await fetch(url), await fetch(url, paying('ok-1')), await fetch(url, paying('ok-1'))]) {
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.get('access-control-expose-headers')).toBe(
        'ETag, payment-response, PAYMENT-REQUIRED, X-PAYMENT-RESPONSE',
      );
    }
  });
});

describe('the body of a request', () => {
  const body = { prompt: 'hello' };
  const digest = createHash('sha256').update(JSON.stringify(body)).digest('hex');

  it.each<[string, (app: Express) => void]>([
    ['before the body parser', (app) => app.use(pricing()({ meter: 'api_calls' }), express.json())],
    [
      'behind a parser that keeps bytes',
      (app) => app.use(express.raw({ type: '*/*' }), pricing()({ meter: 'api_calls' })),
    ],
    [
      'behind a parser that keeps rawBody',
      (app) => {
        const verify = (req: object, _: unknown, bytes: Buffer): unknown => Object.assign(req, { rawBody: bytes });
        app.use(express.json({ verify }), pricing()({ meter: 'api_calls' }));
      },
    ],
  ])('is bound %s', async (_, mount) => {
    const app = express();
    mount(app);
    app.post('/', (req: Request<object, unknown, unknown>, res) => {
      res.json(Buffer.isBuffer(req.body) ? JSON.parse(req.body.toString()) : req.body);
    });
    const answer = await fetch(await listen(app), post('ok-1', body));
    expect([answer.status, await answer.json()]).toEqual([200, body]);
    expect(gate.checks[0]?.bodyDigest).toBe(digest);
  });

  it('that was parsed and thrown away is an error that says what to do, and nothing is asked', async () => {
    const app = express().use(express.json(), pricing()({ meter: 'api_calls' }));
    app.post('/', (_, res) => void res.send('unbound'));
    const answer = await fetch(await listen(app), post('ok-1', body));
    expect(answer.status).toBe(500);
    expect(errors).toEqual([expect.objectContaining({ code: 'paywall_failed' })]);
    expect(errors[0]?.message).toContain('before the body parser');
    expect(gate.questions).toEqual([]);
  });
});

describe('a stream of express', () => {
  const FOUR = { meter: 'tokens', quantity: '4', stream: true } as const;

  it('may be piped, and is charged part by part', async () => {
    gate.covers = 8;
    const app = express();
    app.get('/', pricing()(FOUR), (req, res) => {
      const parts = async function* (): AsyncGenerator<string> {
        for (let n = 1; n <= 20; n++) {
          if (!(await req.farebox?.use(String(n)))) return yield '[stopped]';
          yield `${n} `;
        }
      };
      Readable.from(parts()).pipe(res.type('text/plain'));
    });
    const answer = await fetch(await listen(app), paying('ok-1'));
    expect(await answer.text()).toBe('1 2 3 4 5 6 7 8 [stopped]');
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(gate.captures[0]?.quantity).toBe('8');
  });

  it('is let go when the error handler answers, and charged when it broke off', async () => {
    const app = express().use(pricing()(FOUR));
    app.get('/early', () => {
      throw new Error('early');
    });
    app.get('/late', async (req, res) => {
      await req.farebox?.use('3');
      await new Promise((resume) => res.write('three', resume));
      throw new Error('late');
    });
    const url = await listen(app.set('env', 'test'));
    expect((await fetch(`${url}/early`, paying('ok-1'))).status).toBe(500);
    await until(() => gate.statusOf('ok-1') === 'voided');
    await fetch(`${url}/late`, paying('ok-2'))
      .then((answer) => answer.text())
      .catch(() => undefined);
    await until(() => gate.captures.length === 1);
    expect(gate.captures[0]).toMatchObject({ payment: 'pay_2', quantity: '3' });
  });
});

describe('two prices on one way', () => {
  it('bind the same body, and both have to be paid', async () => {
    const price = pricing();
    const app = express().use(price({ meter: 'entry' }), price({ meter: 'api_calls' }), express.json());
    app.post('/', (_, res) => void res.send('twice'));
    const answer = await fetch(await listen(app), post('ok-1', { a: 1 }));
    expect(answer.status).toBe(409); // The second price does not take the payment of the first.
    expect(gate.checks.map(({ meter }) => meter)).toEqual(['entry', 'api_calls']);
    expect(gate.checks[0]?.bodyDigest).toBe(gate.checks[1]?.bodyDigest);
    expect(gate.statusOf('ok-1')).toBe('voided');
  });
});

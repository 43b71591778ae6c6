import { createHash } from 'node:crypto';
import { GateStandIn, until } from '../test/gate-stand-in.js';
import { paying } from '../test/serve.js';
import { callOf, type FetchHandler, paywall } from './fetch.js';
import type { PaywallOptions, PriceOptions } from './options.js';

let gate: GateStandIn;
let errors: Error[];
let runs: number;

beforeEach(async () => {
  gate = await GateStandIn.start();
  errors = [];
  runs = 0;
});
afterEach(() => gate.stop());

const URL_OF_SHOP = 'https://shop.example/greet?to=me';
type Sold = (init?: RequestInit) => Promise<Response>;

function sell(
  handler: FetchHandler<Request, []>,
  price: Partial<PriceOptions<Request>> = {},
  options: Partial<PaywallOptions> = {},
): Sold {
  const put = paywall({ gateUrl: gate.url, key: 'fbk_gate', onError: (error) => errors.push(error), ...options });
  const priced = put({ meter: 'api_calls', ...price })((request) => {
    runs += 1;
    return handler(request);
  });
  return (init) => priced(new Request(URL_OF_SHOP, init));
}

const hello = (): Response => new Response('hello', { headers: { 'content-type': 'text/plain', 'x-own': 'yes' } });

describe('a priced handler of the web', () => {
  it('answers the challenge, and runs nothing', async () => {
    const answer = await sell(hello, { quantity: '2.5' })();
    expect([answer.status, await answer.text()]).toEqual([402, '{}']);
    expect(answer.headers.get('payment-required')).not.toBeNull();
    expect(answer.headers.get('access-control-expose-headers')).toContain('PAYMENT-REQUIRED');
    expect(gate.checks).toEqual([{ method: 'GET', url: URL_OF_SHOP, meter: 'api_calls', quantity: '2.5' }]);
    expect(gate.keys).toEqual(['Bearer fbk_gate']);
    expect(runs).toBe(0);
  });

  it('serves what was paid, adds the receipt, and gives it again', async () => {
    const shop = sell(hello);
    const answer = await shop(paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-own')]).toEqual([200, 'hello', 'yes']);
    expect(answer.headers.get('payment-response')).not.toBeNull();
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect(gate.captures).toEqual([
      { payment: 'pay_1', reply: { status: 200, headers: { 'content-type': 'text/plain' }, body: 'aGVsbG8=' } },
    ]);
    const again = await shop(paying('ok-1'));
    expect([again.status, await again.text()]).toEqual([200, 'hello']);
    expect(runs).toBe(1);
  });

  it('passes on what the platform hands over, and knows its call', async () => {
    const price = paywall({ gateUrl: gate.url, key: 'k' })({ meter: 'compute', quantity: () => '10' });
    const handler = price((request, env: { name: string }, _context: number) => {
      callOf(request)?.measure('1.5');
      return Response.json({ name: env.name, id: callOf(request)?.payment.id });
    });
    const answer = await handler(new Request(URL_OF_SHOP, paying('ok-1')), { name: 'me' }, 7);
    expect(await answer.json()).toEqual({ name: 'me', id: 'pay_1' });
    expect(gate.captures[0]?.quantity).toBe('1.5');
  });

  it('binds the body and leaves it to be read', async () => {
    const shop = sell(async (request) => new Response(await request.text()));
    const answer = await shop({ ...paying('ok-1'), method: 'POST', body: 'question' });
    expect(await answer.text()).toBe('question');
    expect(gate.checks[0]?.bodyDigest).toBe(createHash('sha256').update('question').digest('hex'));
    expect((await sell(hello, {}, { maxRequestBytes: 3 })({ method: 'POST', body: 'long' })).status).toBe(413);
  });

  it('keeps cookies apart, and bodiless answers bodiless', async () => {
    const headers = new Headers([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ]);
    const answer = await sell(() => new Response(null, { status: 204, headers }))(paying('ok-1'));
    expect([answer.status, answer.body, answer.headers.getSetCookie()]).toEqual([204, null, ['a=1', 'b=2']]);
  });
});

describe('nothing leaves unpaid', () => {
  const secret = (): Response => new Response('secret', { headers: { 'x-secret': 'yes' } });

  it('while the payment is open, with every header that came with it', async () => {
    gate.withhold = true;
    const answer = await sell(secret)(paying('ok-1'));
    expect([answer.status, await answer.text(), answer.headers.get('x-secret')]).toEqual([202, 'pending', null]);
  });

  it.each(['check', 'capture'] as const)('when the %s is not understood', async (step) => {
    gate.misbehaviours.push({ step, how: { status: 200, body: '{}' } });
    const answer = await sell(secret)(paying('ok-1'));
    expect([answer.status, answer.headers.get('x-secret')]).toEqual([503, null]);
    expect(gate.steps).not.toContain('void');
  });

  it('when the handler throws, and it is not charged', async () => {
    const answer = await sell(() => Promise.reject(new Error('disk on fire')))(paying('ok-1'));
    expect([answer.status, gate.statusOf('ok-1')]).toEqual([500, 'voided']);
    expect(await answer.text()).not.toContain('fire');
    expect(errors.map(({ message }) => message)).toEqual(['disk on fire']);
  });

  it('when its body breaks off, or is too long, or the handler says 400 and more', async () => {
    const broken = new ReadableStream<Uint8Array>({ pull: (body) => body.error(new Error('broken')) });
    expect((await sell(() => new Response(broken))(paying('ok-1'))).status).toBe(500);
    expect((await sell(secret, {}, { maxReplyBytes: 3 })(paying('ok-2'))).status).toBe(500);
    const missing = await sell(() => new Response('no such thing', { status: 404 }))(paying('ok-3'));
    expect([missing.status, await missing.text()]).toEqual([404, 'no such thing']);
    expect(['ok-1', 'ok-2', 'ok-3'].map((signature) => gate.statusOf(signature))).toEqual(Array(3).fill('voided'));
  });

  it('to an agent that hung up', async () => {
    const agent = new AbortController();
    const shop = sell(async () => {
      agent.abort();
      return new Promise<Response>(() => undefined);
    });
    await shop({ ...paying('ok-1'), signal: agent.signal });
    expect(gate.statusOf('ok-1')).toBe('voided');
  });
});

describe('a stream of the web', () => {
  const FOUR = { quantity: '4', stream: true } as const;
  const text = (n: number): string => `${n} `;
  const numbers = (count: number): string => Array.from({ length: count }, (_, n) => text(n + 1)).join('');

  /** Makes its parts when it is asked for them, and waits as it should. */
  const parts =
    (count: number): FetchHandler<Request, []> =>
    (request) => {
      let n = 0;
      const body = new ReadableStream<string>({
        pull: async (out) => {
          n += 1;
          if (n > count) return out.close();
          if (await callOf(request)?.use(String(n))) return out.enqueue(text(n));
          out.enqueue('[stopped]');
          out.close();
        },
      });
      return new Response(body.pipeThrough(new TextEncoderStream()), { headers: { 'content-type': 'text/plain' } });
    };

  it('is covered part by part, and charged in the end', async () => {
    const answer = await sell(parts(9), FOUR)(paying('ok-1'));
    expect(answer.headers.get('x-farebox-payment')).toBe('pay_1');
    expect(answer.headers.get('payment-response')).toBeNull();
    expect(await answer.text()).toBe(numbers(9));
    expect(gate.extensions.map(({ upTo }) => upTo)).toEqual(['8', '12']);
    expect(gate.captures.map(({ quantity }) => quantity)).toEqual(['9']);
  });

  it('ends where no more is covered, and all that is charged has left', async () => {
    gate.covers = 8;
    const answer = await sell(parts(20), FOUR)(paying('ok-1'));
    expect(await answer.text()).toBe(`${numbers(8)}[stopped]`);
    expect(gate.captures[0]?.quantity).toBe('8');
  });

  it('holds back what nobody waited for, and charges no more than left', async () => {
    gate.covers = 4;
    const shop = sell((request) => {
      const body = new ReadableStream<string>({
        start: (out) => {
          for (let n = 1; n <= 20; n++) {
            void callOf(request)?.use(String(n));
            out.enqueue(text(n));
          }
          out.close();
        },
      });
      return new Response(body.pipeThrough(new TextEncoderStream()));
    }, FOUR);
    expect(await (await shop(paying('ok-1'))).text()).toBe('');
    expect(gate.captures).toEqual([]);
    await until(() => gate.statusOf('ok-1') === 'voided');
  });

  it('is charged for what was used when the agent hangs up', async () => {
    let ended: unknown;
    const shop = sell((request) => {
      let n = 0;
      const body = new ReadableStream<Uint8Array>({
        pull: async (out) => {
          n += 1;
          if (await callOf(request)?.use(String(n))) out.enqueue(new TextEncoder().encode(text(n)));
        },
        cancel: () => void (ended = 'cancelled'),
      });
      return new Response(body);
    }, FOUR);
    const reader = (await shop(paying('ok-1'))).body?.getReader();
    for (let part = 0; part < 6; part++) await reader?.read();
    await reader?.cancel();
    expect(ended).toBe('cancelled');
    expect(['6', '7']).toContain(gate.captures[0]?.quantity); // The part that was made ahead is made.
  });

  it('that breaks is charged for what was used, and breaks for the agent too', async () => {
    const shop = sell((request) => {
      const body = new ReadableStream<Uint8Array>({
        pull: async (out) => {
          await callOf(request)?.use('2');
          out.error(new Error('disk on fire'));
        },
      });
      return new Response(body);
    }, FOUR);
    await expect((await shop(paying('ok-1'))).text()).rejects.toThrow('disk on fire');
    expect(gate.captures[0]?.quantity).toBe('2');
  });

  it('is made no faster than the agent takes it, and nothing of it is kept', async () => {
    let made = 0;
    const shop = sell((request) => {
      const body = new ReadableStream<Uint8Array>({
        pull: async (out) => {
          made += 1;
          if (await callOf(request)?.use(String(made))) out.enqueue(new Uint8Array(1 << 20));
        },
      });
      return new Response(body);
    }, FOUR);
    const reader = (await shop(paying('ok-1'))).body?.getReader();
    for (let taken = 1; taken <= 40; taken++) {
      await reader?.read();
      expect(made - taken).toBeLessThanOrEqual(2); // One in the source's own queue, one being made.
    }
    await reader?.cancel();
  });

  it('whose head is an error is let go', async () => {
    const answer = await sell(() => new Response('none', { status: 410 }), FOUR)(paying('ok-1'));
    expect([answer.status, await answer.text()]).toEqual([410, 'none']);
    await until(() => gate.statusOf('ok-1') === 'voided');
  });
});

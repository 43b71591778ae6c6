import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { BareShop, type Handler } from '../test/bare-shop.js';
import { until } from '../test/gate-stand-in.js';
import { paying } from '../test/serve.js';
import type { PricedMessage } from './express.js';

let shop: BareShop;

beforeEach(async () => {
  shop = await BareShop.open();
});
afterEach(() => shop.close());

const FOUR = { quantity: '4', stream: true } as const;

/** Sells `count` parts, and waits as it should. */
const parts =
  (count: number): Handler =>
  async (req, res) => {
    res.setHeader('content-type', 'text/event-stream');
    for (let n = 1; n <= count; n++) {
      if (!(await use(req, n))) {
        res.write('[stopped]');
        break;
      }
      if (!res.write(`${n} `)) await once(res, 'drain');
    }
    res.end();
  };

const use = (req: PricedMessage, total: number): PromiseLike<boolean> | undefined => req.farebox?.use(String(total));
const numbers = (count: number): string => Array.from({ length: count }, (_, n) => `${n + 1} `).join('');

/** A request whose answer is read piece by piece. */
async function reading(url: string, signature = 'ok-1') {
  const hangUp = new AbortController();
  const answer = await fetch(url, { ...paying(signature), signal: hangUp.signal });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const done = (async () => {
    for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) text += next.value;
  })().catch(() => undefined);
  return { answer, hangUp: () => hangUp.abort(), done, text: () => text };
}

describe('a stream', () => {
  it('is covered ahead of its use, part by part, and charged in the end', async () => {
    const url = await shop.sell(parts(9), FOUR);
    const answer = await fetch(url, paying('ok-1'));
    expect(await answer.text()).toBe(numbers(9));
    expect(answer.headers.get('x-farebox-payment')).toBe('pay_1');
    expect(answer.headers.get('x-farebox-payment-status')).toBe('https://farebox.example/v1/payments/pay_1');
    expect(answer.headers.get('payment-response')).toBeNull();
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect(answer.headers.get('access-control-expose-headers')).toContain('X-FAREBOX-PAYMENT-STATUS');
    expect(shop.gate.checks[0]?.quantity).toBe('4');
    expect(shop.gate.extensions.map(({ upTo }) => upTo)).toEqual(['8', '12']);
    expect(shop.gate.captures).toEqual([expect.objectContaining({ payment: 'pay_1', quantity: '9' })]);
    expect(shop.gate.steps.at(-1)).toBe('capture'); // Charged when the agent has read its end.
  });

  it('is not kept: the same payment presented again is told so', async () => {
    const url = await shop.sell(parts(2), FOUR);
    await (await fetch(url, paying('ok-1'))).text();
    expect((await fetch(url, paying('ok-1'))).status).toBe(410);
    expect(shop.runs).toBe(1);
  });

  it('holds back what is not covered yet, whoever writes it without waiting', async () => {
    shop.gate.misbehaviours.push({ step: 'extend', how: 'hold' });
    const url = await shop.sell((req, res) => {
      res.flushHeaders();
      for (let n = 1; n <= 6; n++) {
        void use(req, n);
        res.write(`${n} `);
      }
      res.end();
    }, FOUR);
    const stream = await reading(url);
    await until(() => shop.gate.extensions.length === 1 && stream.text() === numbers(4));
    expect(shop.gate.captures).toEqual([]);
    shop.gate.answerHeld();
    await stream.done;
    expect(stream.text()).toBe(numbers(6));
    expect(shop.gate.captures[0]?.quantity).toBe('6');
  });

  it('ends where no more is covered, after a last word, and is charged up to there', async () => {
    shop.gate.covers = 8;
    const url = await shop.sell(parts(20), FOUR);
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe(`${numbers(8)}[stopped]`);
    expect(shop.gate.captures[0]?.quantity).toBe('8');
  });

  it('may use all that was agreed when the payment cannot be extended', async () => {
    shop.gate.covers = 4;
    const url = await shop.sell(parts(4), FOUR);
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe(numbers(4));
    expect(shop.gate.captures[0]?.quantity).toBe('4');
  });

  it.each([
    ['', ''],
    [' and does not wait', 'void'],
  ])('ends for a handler that does not listen%s', async (_, how) => {
    shop.gate.covers = 8;
    const url = await shop.sell(async (req, res) => {
      for (let n = 1; n <= 2_000 && !res.writableEnded; n++) {
        if (how === 'void') void use(req, n);
        else await use(req, n);
        res.write(`${n} `);
        await new Promise((resume) => setImmediate(resume));
      }
    }, FOUR);
    const text = await (await fetch(url, paying('ok-1'))).text();
    // One part may go as a last word when the handler heard that it is the last, and wrote it all the same.
    expect([numbers(8), numbers(9)]).toContain(text);
    expect(shop.gate.captures[0]?.quantity).toBe('8');
  });

  it('has a last word of 64 KiB at most', async () => {
    const url = await shop.sell(
      async (req, res) => {
        await use(req, 5);
        for (let n = 0; n < 100; n++) res.write('x'.repeat(1024));
      },
      { quantity: '4', stream: { upTo: '4' } },
    );
    expect(await (await fetch(url, paying('ok-1'))).text()).toHaveLength(65_536);
    expect(shop.gate.extensions).toEqual([]);
    expect(shop.gate.statusOf('ok-1')).toBe('voided'); // Nothing that it used was ever covered.
  });

  it('uses no more than its price allows, and asks for no more', async () => {
    const url = await shop.sell(parts(20), { quantity: '4', stream: { every: '3', upTo: '9' } });
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe(`${numbers(9)}[stopped]`);
    expect(shop.gate.extensions.map(({ upTo }) => upTo)).toEqual(['7', '9']);
  });

  it('tells what it feeds on that it was stopped, and why', async () => {
    shop.gate.covers = 4;
    let reason: unknown;
    const url = await shop.sell(async (req, res) => {
      req.farebox?.stopped.addEventListener('abort', () => (reason = req.farebox?.stopped.reason));
      await use(req, 5);
      res.end('bye');
    }, FOUR);
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe('bye');
    expect(reason).toMatchObject({ code: 'stream_stopped', message: 'The balance is used up.' });
  });

  it('ends when the gate cannot be asked for more', async () => {
    const lost = { status: 500, body: 'oops' };
    shop.gate.misbehaviours.push({ step: 'extend', how: lost }, { step: 'extend', how: lost });
    shop.gate.misbehaviours.push({ step: 'extend', how: lost }, { step: 'extend', how: lost });
    const url = await shop.sell(parts(20), FOUR);
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe(`${numbers(4)}[stopped]`);
    expect(shop.gate.captures[0]?.quantity).toBe('4');
    expect(shop.errors[0]).toMatchObject({ step: 'extend' });
  });

  it('is charged for what was used when the agent hangs up', async () => {
    let written = 0;
    const url = await shop.sell(async (req, res) => {
      while (!res.destroyed && (await use(req, written + 1))) {
        res.write('part ');
        written += 1;
        await new Promise((resume) => setImmediate(resume));
      }
    }, FOUR);
    const stream = await reading(url);
    await until(() => stream.text().length > 0 && shop.gate.extensions.length > 2);
    stream.hangUp();
    await until(() => shop.gate.captures.length === 1);
    expect(Number(shop.gate.captures[0]?.quantity)).toBeGreaterThanOrEqual(4);
    expect(Number(shop.gate.captures[0]?.quantity)).toBeLessThanOrEqual(written);
  });

  it('is charged as agreed when nothing is said about its use, and as the price measures it', async () => {
    const silent: Handler = (_, res) => void res.end('all of it');
    const url = await shop.sell(silent, FOUR);
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe('all of it');
    const measuring = await shop.sell(silent, { ...FOUR, measured: () => '2.5' });
    await (await fetch(measuring, paying('ok-2'))).text();
    expect(shop.gate.captures.map(({ quantity }) => quantity)).toEqual([undefined, '2.5']);
  });
});

describe('a stream is not sold', () => {
  it('when its head is an error', async () => {
    const url = await shop.sell((_, res) => res.writeHead(404, { 'x-why': 'gone' }).end('no such thing'), FOUR);
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, answer.headers.get('x-why'), await answer.text()]).toEqual([404, 'gone', 'no such thing']);
    expect(answer.headers.get('x-farebox-payment')).toBeNull();
    await until(() => shop.gate.statusOf('ok-1') === 'voided');
  });

  it('when its handler throws before it began', async () => {
    const url = await shop.sell(async (_, res) => {
      res.setHeader('x-secret', '1');
      throw new Error('disk on fire');
    }, FOUR);
    const answer = await fetch(url, paying('ok-1'));
    expect([answer.status, answer.headers.get('x-secret')]).toEqual([500, null]);
    expect(await answer.text()).toContain('not charged');
    expect(shop.gate.statusOf('ok-1')).toBe('voided');
  });

  it('beyond the part after which its handler threw', async () => {
    const url = await shop.sell(async (req, res) => {
      await use(req, 3);
      await new Promise((resume) => res.write('three', resume));
      throw new Error('disk on fire');
    }, FOUR);
    const stream = await reading(url);
    await stream.done;
    await until(() => shop.gate.captures.length === 1);
    expect(shop.gate.captures[0]?.quantity).toBe('3');
    expect(shop.errors.map(({ message }) => message)).toEqual(['disk on fire']);
  });
});

describe('a stream that takes longer than the gate waits', () => {
  const untilAborted = (res: ServerResponse, req: PricedMessage): Promise<unknown> =>
    Promise.race([once(res, 'close'), req.farebox && once(req.farebox.stopped, 'abort')]);

  it('is told to the gate in time, again and again', async () => {
    shop.gate.captureWithinSeconds = 0.2;
    let end: (() => void) | undefined;
    const url = await shop.sell(async (req, res) => {
      await use(req, 1);
      res.write('1 ');
      await new Promise<void>((resolve) => (end = resolve));
      res.end();
    }, FOUR);
    const stream = await reading(url);
    await until(() => shop.gate.extensions.length >= 4);
    end?.();
    await stream.done;
    expect(shop.gate.extensions.every(({ used, upTo }) => used === '1' && upTo === '4')).toBe(true);
    expect(shop.gate.captures[0]?.quantity).toBe('1');
  });

  it.each([
    ['covers no more', () => (shop.gate.covers = 0)],
    ['covers it but gives it no more time', () => (shop.gate.prolongs = false)],
  ])('ends before its payment does when the gate %s', async (_, answer) => {
    shop.gate.captureWithinSeconds = 0.2;
    answer();
    const url = await shop.sell(async (req, res) => {
      await use(req, 1);
      res.write('1 ');
      await untilAborted(res, req);
      res.end('[stopped]');
    }, FOUR);
    expect(await (await fetch(url, paying('ok-1'))).text()).toBe('1 [stopped]');
    expect(shop.gate.captures[0]?.quantity).toBe('1');
  });
});

it('200 MB pass without being kept', async () => {
  const PART = Buffer.alloc(1 << 20, 'x');
  const held = (): number => process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  const before = held();
  let most = 0;
  const url = await shop.sell(
    async (req, res) => {
      for (let n = 1; n <= 200 && (await use(req, n)); n++) {
        if (!res.write(PART)) await once(res, 'drain');
        most = Math.max(most, held() - before);
      }
      res.end();
    },
    { quantity: '8', stream: true },
  );
  const answer = await fetch(url, paying('ok-1'));
  let length = 0;
  for await (const chunk of answer.body ?? []) length += (chunk as Uint8Array).byteLength;
  expect(length).toBe(200 << 20);
  expect(shop.gate.captures[0]?.quantity).toBe('200');
  expect(most).toBeLessThan(100 << 20);
});

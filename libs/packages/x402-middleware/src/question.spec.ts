import { createHash } from 'node:crypto';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { BareShop, type Handler, hello } from '../test/bare-shop.js';
import { paying } from '../test/serve.js';

let shop: BareShop;

beforeEach(async () => {
  shop = await BareShop.open();
});
afterEach(() => shop.close());

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
    const url = await shop.sell(measuring, { quantity: () => '10' });
    await fetch(url, paying('ok-1'));
    expect(shop.gate.captures[0]?.quantity).toBe(charged);
  });

  it('is what the price measures when the handler is done', async () => {
    const url = await shop.sell(hello, { quantity: '10', measured: (req) => String(req.url?.length) });
    await fetch(`${url}/1234`, paying('ok-1'));
    expect(shop.gate.captures[0]?.quantity).toBe('5');
  });

  it('is nothing when what was measured is no number', async () => {
    const url = await shop.sell(hello, { measured: () => 'much' });
    expect((await fetch(url, paying('ok-1'))).status).toBe(500);
    expect(shop.gate.statusOf('ok-1')).toBe('voided');
  });

  it('cannot be asked when the price does not understand the request', async () => {
    const quantity = (req: IncomingMessage): string => {
      const seconds = new URL(req.url ?? '', 'http://x').searchParams.get('seconds');
      if (seconds === null) throw Object.assign(new Error('Say how many seconds.'), { status: 400 });
      return seconds;
    };
    const url = await shop.sell(hello, { quantity });
    const refused = await fetch(url, paying('ok-1'));
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('Say how many seconds.')]);
    expect((await fetch(`${url}?seconds=many`, paying('ok-1'))).status).toBe(500);
    expect((await fetch(`${url}?seconds=3`, paying('ok-1'))).status).toBe(200);
    expect(shop.gate.checks).toEqual([expect.objectContaining({ quantity: '3' })]);
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
    const url = await shop.sell(echo, {}, { maxReplyBytes: 2 << 20 });
    const body = Buffer.alloc(length, 'farebox ');
    const answer = await fetch(url, { ...paying('ok-1'), method: 'POST', body });
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
    expect(shop.gate.checks[0]).toMatchObject({ method: 'POST', bodyDigest: sha256(body) });
  });

  it('binds a body that trickles in, and passes it on with its end', async () => {
    const url = await shop.sell(echo);
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
    expect(shop.gate.checks[0]?.bodyDigest).toBe(sha256(Buffer.from('one two three')));
  });

  it('without a body has no digest, chunked or not', async () => {
    const url = await shop.sell(echo);
    await fetch(url, { ...paying('ok-1'), method: 'POST' });
    const empty = new ReadableStream({ start: (stream) => stream.close() });
    const init: RequestInit & { duplex: 'half' } = { ...paying('ok-2'), method: 'POST', body: empty, duplex: 'half' };
    expect((await fetch(url, init)).status).toBe(200);
    expect(shop.gate.checks.map(({ bodyDigest }) => bodyDigest)).toEqual([undefined, undefined]);
  });

  it('with too long a body is refused unread', async () => {
    const url = await shop.sell(echo, {}, { maxRequestBytes: 10 });
    const answer = await fetch(url, { ...paying('ok-1'), method: 'POST', body: '01234567890' });
    expect(answer.status).toBe(413);
    expect(answer.headers.get('connection')).toBe('close');
    expect(shop.gate.questions).toEqual([]);
  });

  it('is named as agents see it', async () => {
    const url = await shop.sell(hello, {}, { publicUrl: 'https://api.example/v2/' });
    await fetch(`${url}/a%20b?c=d`);
    expect(shop.gate.checks[0]?.url).toBe('https://api.example/v2/a%20b?c=d');
  });

  it('with a Host that is none is refused', async () => {
    const url = await shop.sell(hello);
    const status = await new Promise((resolve, reject) => {
      const req = httpRequest(url, { headers: { host: 'evil.example/path?' } }, (res) =>
        resolve(res.resume().statusCode),
      );
      req.on('error', reject).end();
    });
    expect(status).toBe(400);
    expect(shop.gate.questions).toEqual([]);
  });
});

describe('a challenge the gate lets be kept', () => {
  it('is given from memory to the same question, until its time has passed', async () => {
    let elapsed = 0;
    shop.gate.cacheSeconds = '30';
    const url = await shop.sell(hello, {}, { elapsed: () => elapsed });
    const first = await fetch(`${url}/a`);
    expect(first.headers.get('x-farebox-cache-seconds')).toBeNull();
    elapsed = 29_999;
    const second = await fetch(`${url}/a`);
    expect(second.headers.get('payment-required')).toBe(first.headers.get('payment-required'));
    expect(shop.gate.steps).toEqual(['check']);
    elapsed = 30_000;
    await fetch(`${url}/a`);
    expect(shop.gate.steps).toHaveLength(2);
  });

  it('is not given to another question, nor to one that brings a payment', async () => {
    shop.gate.cacheSeconds = '30';
    const url = await shop.sell(hello);
    await fetch(`${url}/a`);
    await fetch(`${url}/a?b`);
    await fetch(`${url}/a`, { method: 'POST' });
    await fetch(`${url}/a`, { method: 'POST', body: 'x' });
    expect((await fetch(`${url}/a`, paying('ok-1'))).status).toBe(200);
    expect((await fetch(`${url}/a`, paying('bad-1'))).status).toBe(409);
    expect((await fetch(`${url}/a`, paying(''))).status).toBe(409);
    expect(shop.gate.checks).toHaveLength(7);
  });

  it('takes the place of the longest unused one', async () => {
    shop.gate.cacheSeconds = '30';
    const url = await shop.sell(hello, {}, { maxChallenges: 2 });
    for (const path of ['/a', '/b', '/a', '/c', '/a', '/b']) await fetch(url + path);
    expect(shop.gate.checks.map((check) => new URL(check.url).pathname)).toEqual(['/a', '/b', '/c', '/b']);
  });
});

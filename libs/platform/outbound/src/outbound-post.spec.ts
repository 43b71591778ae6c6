import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { AGENT_EXAMPLE } from './agent-example.examples.js';
import { HOSTILE_ANSWERS, HOSTILE_URLS } from '../../../../test/support/hostile-targets.js';
import { Outbound, OutboundPost } from './index.js';

/** Counts every connection that this process begins, those under TLS as well. */
let connects = 0;
const genuine = net.Socket.prototype.connect;
const connect = jest.spyOn(net.Socket.prototype, 'connect').mockImplementation(function (this: net.Socket, ...given) {
  connects += 1;
  Reflect.apply(genuine, this, given);
  return this;
});
afterAll(() => connect.mockRestore());
beforeEach(() => {
  connects = 0;
});

const open: (http.Server | https.Server)[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(answer: http.RequestListener): Promise<string> {
  const server = http.createServer(answer);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

const HEADERS = { 'content-type': 'application/json', 'webhook-id': 'evt_1' };
const BODY = '{"über":1}';

describe('a webhook', () => {
  it(`never reaches inside: ${HOSTILE_URLS.length} URLs, ${HOSTILE_ANSWERS.length} answers of a resolver`, async () => {
    expect(HOSTILE_URLS.length + HOSTILE_ANSWERS.length).toBeGreaterThan(500);
    // Whatever a URL leads to, its name resolves to somewhere public: only the URL itself can be what is refused.
    const post = new OutboundPost(new Outbound({ resolve: () => Promise.resolve(['93.184.215.14']), timeoutMs: 50 }));
    for (const url of HOSTILE_URLS) {
      expect({ url, refused: post.refusalOf(url) !== undefined }).toEqual({ url, refused: true });
      expect({ url, outcome: (await post.post(url, HEADERS, BODY)).outcome }).toEqual({ url, outcome: 'refused' });
    }
    for (const addresses of HOSTILE_ANSWERS) {
      const inside = new OutboundPost(new Outbound({ resolve: () => Promise.resolve(addresses) }));
      // The text tells nothing: it is refused when the address is known, and before anything is connected to.
      expect(inside.refusalOf('https://hooks.example/')).toBeUndefined();
      const { outcome } = await inside.post('https://hooks.example/', HEADERS, BODY);
      expect({ addresses, outcome }).toEqual({ addresses, outcome: 'refused' });
    }
    expect(connects).toBe(0);
  });

  it('goes to the address that was checked, also when its name leads inside a moment later', async () => {
    const ADDRESS = `127.${101 + (process.pid % 100)}.${(process.pid >> 7) % 250}.9`;
    const seen: string[] = [];
    const server = https.createServer(AGENT_EXAMPLE, (request, response) => {
      seen.push(`${request.method} ${request.socket.localAddress}`);
      response.end();
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(8443, ADDRESS, resolve));
    let looks = 0;
    const post = new OutboundPost(
      new Outbound({
        resolve: () => Promise.resolve([(looks += 1) === 1 ? ADDRESS : '127.0.0.1']),
        mayConnect: (address) => address === ADDRESS,
        authorities: AGENT_EXAMPLE.cert,
      }),
    );
    expect(await post.post('https://agent.example:8443/', HEADERS, BODY)).toEqual({ outcome: 'answered', status: 200 });
    expect([seen, looks, connects]).toEqual([[`POST ${ADDRESS}`], 1, 1]);
    expect((await post.post('https://agent.example:8443/', HEADERS, BODY)).outcome).toBe('refused');
    expect(connects).toBe(1);
  });

  const local = (options = {}) => new OutboundPost(new Outbound({ loopback: true, ...options }));

  it('arrives byte for byte, with its headers', async () => {
    const seen: unknown[] = [];
    const url = await serve((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        seen.push([request.method, request.url, request.headers['webhook-id'], Buffer.concat(parts).toString('utf8')]);
        response.writeHead(204).end();
      });
    });
    expect(await local().post(url, HEADERS, BODY)).toEqual({ outcome: 'answered', status: 204 });
    expect(seen).toEqual([['POST', '/hook', 'evt_1', BODY]]);
  });

  it.each([301, 302, 303, 307, 308])('does not follow a %i to where the metadata is', async (status) => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked += 1;
      response.writeHead(status, { location: 'http://169.254.169.254/latest/meta-data/' }).end();
    });
    expect(await local().post(url, HEADERS, BODY)).toEqual({ outcome: 'answered', status });
    expect([asked, connects]).toEqual([1, 1]);
  });

  it('reads so much of an answer and no more, and ends in bounded time', async () => {
    let written = 0;
    const url = await serve((request, response) => {
      request.resume();
      response.writeHead(200);
      if (request.headers['webhook-id'] === 'drip') {
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
        return;
      }
      const pour = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384))) written += 16_384;
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    expect(await local().post(url, HEADERS, BODY)).toEqual({ outcome: 'answered', status: 200 });
    // What the sockets hold is written as well; an endless answer would go on.
    expect(written).toBeLessThan(64_000_000);
    expect(await local({ timeoutMs: 200 }).post(url, { 'webhook-id': 'drip' }, BODY)).toEqual({
      outcome: 'failed',
      why: 'no answer within 200 ms',
    });
  });

  it('reaches nobody on this machine unless that is allowed', async () => {
    const url = await serve((_, response) => response.end());
    expect(new OutboundPost(new Outbound()).refusalOf(url)).toBeDefined();
    expect((await new OutboundPost(new Outbound()).post(url, HEADERS, BODY)).outcome).toBe('refused');
    expect(connects).toBe(0);
    expect(local().refusalOf(url)).toBeUndefined();
  });
});

import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { AGENT_EXAMPLE } from './agent-example.examples.js';
import { HOSTILE_ANSWERS, HOSTILE_URLS } from '../../../../test/support/hostile-targets.js';
import { isPublicAddress, Outbound, targetOf } from './index.js';

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
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a host that a stranger names', () => {
  it(`is never connected to when it is inside: ${HOSTILE_URLS.length} URLs, ${HOSTILE_ANSWERS.length} answers of a resolver`, async () => {
    expect(HOSTILE_URLS.length).toBeGreaterThan(300);
    // Whatever the URL leads to, its name resolves to somewhere public: only the URL itself can be what is refused.
    const outbound = new Outbound({ resolve: () => Promise.resolve(['93.184.215.14']), timeoutMs: 50 });
    for (const url of HOSTILE_URLS) {
      expect({ url, outcome: (await outbound.get(url)).outcome }).toEqual({ url, outcome: 'refused' });
    }
    for (const addresses of HOSTILE_ANSWERS) {
      const inside = new Outbound({ resolve: () => Promise.resolve(addresses) });
      const { outcome } = await inside.get('https://agent.example/');
      expect({ addresses, outcome }).toEqual({ addresses, outcome: 'refused' });
    }
    expect(connects).toBe(0);
  });

  it('is not this machine, unless that is allowed', async () => {
    const url = await serve((_, response) => response.end('{}'));
    expect((await new Outbound().get(url)).outcome).toBe('refused');
    expect(connects).toBe(0);
    expect((await new Outbound({ loopback: true }).get(url)).outcome).toBe('answered');
    expect(connects).toBe(1);
  });

  it('may be public', () => {
    for (const address of ['8.8.8.8', '93.184.215.14', '2606:4700::1111', '2a00:1450:4001::1']) {
      expect(isPublicAddress(address)).toBe(true);
    }
    for (const url of ['https://agent.example', 'https://a.b.example:8443/x?y', 'https://xn--bcher-kva.example/']) {
      expect(targetOf(url, false)).toMatchObject({ ok: true });
    }
    for (const address of ['', 'agent.example', '1.2.3', '999.1.1.1', 'fe80::1%eth0']) {
      expect(isPublicAddress(address)).toBe(false);
    }
  });
});

describe('a connection', () => {
  // An address of this machine that no other test listens at, so that the one port a name may have is free.
  const ADDRESS = `127.${100 + (process.pid % 100)}.${(process.pid >> 7) % 250}.7`;

  async function serveSecurely(answer: http.RequestListener): Promise<void> {
    const server = https.createServer(AGENT_EXAMPLE, answer);
    open.push(server);
    await new Promise<void>((resolve) => server.listen(8443, ADDRESS, resolve));
  }

  const inside = (resolve: () => Promise<readonly string[]>) =>
    new Outbound({ resolve, mayConnect: (address) => address === ADDRESS, authorities: AGENT_EXAMPLE.cert });

  it('goes to the address that was checked, looked up once, for the name in the certificate', async () => {
    const seen: (string | undefined)[] = [];
    await serveSecurely((request, response) => {
      seen.push(request.headers.host);
      response.end('{"keys":[]}');
    });
    let looks = 0;
    const outbound = inside(() => {
      looks += 1;
      return Promise.resolve([looks === 1 ? ADDRESS : '127.0.0.1']);
    });
    const answer = await outbound.get('https://agent.example:8443/x');
    expect(answer).toMatchObject({ outcome: 'answered', document: { status: 200 } });
    expect(seen).toEqual(['agent.example:8443']);
    expect(looks).toBe(1);
    // The name leads elsewhere now, and is asked for anew: refused, although the connection before was fine.
    expect((await outbound.get('https://agent.example:8443/x')).outcome).toBe('refused');
  });

  it('is not used for another name than the certificate’s, nor without one that is trusted', async () => {
    await serveSecurely((_, response) => response.end('{}'));
    const resolve = () => Promise.resolve([ADDRESS]);
    expect(await inside(resolve).get('https://other.example:8443/')).toEqual({
      outcome: 'failed',
      why: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    const untrusting = new Outbound({ resolve, mayConnect: () => true });
    expect((await untrusting.get('https://agent.example:8443/')).outcome).toBe('failed');
  });
});

describe('an answer', () => {
  const local = (options = {}) => new Outbound({ loopback: true, ...options });

  it('that redirects is given as it is, and not followed', async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked += 1;
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    });
    expect(await local().get(url)).toMatchObject({ outcome: 'answered', document: { status: 302 } });
    expect([asked, connects]).toEqual([1, 1]);
  });

  it('is read up to its limit and not beyond', async () => {
    const url = await serve((request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))));
    expect(await local({ mostBytes: 1000 }).get(`${url}/1000`)).toMatchObject({ outcome: 'answered' });
    expect(await local({ mostBytes: 1000 }).get(`${url}/1001`)).toMatchObject({ outcome: 'failed' });
  });

  it('that never comes, never ends, or is cut off is a failure in bounded time', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/never') return;
      response.writeHead(200, { 'content-length': '10' }).write('x');
      if (request.url === '/cut') response.socket?.destroy();
    });
    const outbound = local({ timeoutMs: 200 });
    for (const path of ['/never', '/endless', '/cut']) expect((await outbound.get(url + path)).outcome).toBe('failed');
    const unresolved = new Outbound({ timeoutMs: 50, resolve: () => new Promise<never>(() => undefined) });
    expect((await unresolved.get('https://agent.example/')).outcome).toBe('failed');
    const unknown = new Outbound({ resolve: () => Promise.reject(new Error('no such name')) });
    expect(await unknown.get('https://agent.example/')).toEqual({ outcome: 'failed', why: 'no such name' });
  });

  it('is waited for by so many at once, and by no more', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const url = await serve((_, response) => void held.then(() => response.end('{}')));
    const outbound = local({ atOnce: 2 });
    const two = [outbound.get(url), outbound.get(url)];
    expect(await outbound.get(url)).toEqual({ outcome: 'failed', why: 'too many requests are under way' });
    release();
    for (const answer of await Promise.all(two)) expect(answer.outcome).toBe('answered');
    expect((await outbound.get(url)).outcome).toBe('answered');
  });
});

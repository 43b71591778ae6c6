import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { AGENT_EXAMPLE } from './agent-example.examples.js';
import { isPublicAddress, Outbound, targetOf } from './index.js';

/** Counts every connection that this process begins, by Node's own report. */
let connects = 0;
const count = () => {
  connects += 1;
};
beforeAll(() => subscribe('net.client.socket', count));
afterAll(() => void unsubscribe('net.client.socket', count));
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

/** IPv4 addresses that nobody outside may reach, and one from each block's middle and end. */
const PRIVATE_V4 = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '100.127.255.255'],
  ...['127.0.0.1', '127.0.0.2', '127.255.255.254', '169.254.0.1', '169.254.169.254', '169.254.170.2', '172.16.0.1'],
  ...['172.31.255.255', '192.0.0.1', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1', '192.168.255.255'],
  ...['198.18.0.1', '198.19.255.255', '198.51.100.7', '203.0.113.9', '224.0.0.1', '239.255.255.255', '240.0.0.1'],
  ...['255.255.255.255', '168.63.129.16'],
];

const V6 = [
  ...['::', '::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1'],
  ...[
    '2001:db8::1',
    '2001::1',
    '2002:7f00:1::',
    '2002:a9fe:a9fe::1',
    '100::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
    '::7f00:1',
  ],
];

const hex = (address: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
};
const asNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const octal = (address: string): string =>
  address
    .split('.')
    .map((part) => `0${Number(part).toString(8)}`)
    .join('.');

/** Every way those addresses can be written in a URL, and what else a stranger might try. */
const HOSTILE_URLS = [
  ...PRIVATE_V4.flatMap((address) => [
    `https://${address}/`,
    `https://${address}:8443/`,
    `https://${asNumber(address)}/`,
    `https://0x${asNumber(address).toString(16)}/`,
    `https://${octal(address)}/`,
    `https://[::ffff:${address}]/`,
    `https://[::ffff:${hex(address)}]/`,
    `https://[64:ff9b::${hex(address)}]/`,
    `https://[2002:${hex(address)}::]/`,
    `http://${address}/latest/meta-data/`,
  ]),
  ...V6.flatMap((address) => [`https://[${address}]/`, `https://[${address}]:8443/`]),
  ...['http', 'ftp', 'file', 'gopher', 'ws', 'wss', 'data', 'javascript', 'ldap', 'unix'].map(
    (s) => `${s}://agent.example/`,
  ),
  ...[22, 25, 80, 3000, 5432, 6379, 8080, 9200, 65535].map((port) => `https://agent.example:${port}/`),
  ...[
    'https://localhost/',
    'https://localhost:8443/',
    'http://localhost/',
    'https://LOCALHOST/',
    'https://localhost./',
  ],
  ...[
    'https://user:pass@agent.example/',
    'https://user@agent.example/',
    'https://intranet/',
    'https://agent.example./',
  ],
  ...[
    'https://127.1/',
    'https://0/',
    'https://１２７.０.０.１/',
    'https://①②⑦.⓪.⓪.①/',
    'https://2130706433/',
    '',
    '//',
    'https://',
  ],
];

/** Names that lead inside, alone or beside an address that does not. */
const HOSTILE_ANSWERS = [...PRIVATE_V4, ...V6, ...PRIVATE_V4.map((address) => `::ffff:${address}`)].flatMap(
  (address) => [[address], ['93.184.215.14', address], [address, '2606:2800:21f:cb07:6820:80da:af6b:8b2c']],
);

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

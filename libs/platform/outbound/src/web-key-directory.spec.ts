import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { addMs, Clock, instant, type Instant } from '@core/time';
import { believedMs, Outbound, WebKeyDirectory } from './index.js';

class HeldClock extends Clock {
  constructor(private at: Instant) {
    super();
  }
  now(): Instant {
    return this.at;
  }
  advance(ms: number): void {
    this.at = addMs(this.at, ms);
  }
}

// The key of RFC 8037, appendix A, and its thumbprint.
const X = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
const THUMBPRINT = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k';
const DOCUMENT = JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: X, kid: 'named otherwise' }] });

const clock = new HeldClock(instant(1_795_000_000_000));
let asked: string[];
let answer: http.RequestListener;
let server: http.Server;
let host: string;

beforeAll(async () => {
  server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  asked = [];
  answer = (_, response) => response.writeHead(200, { 'cache-control': 'max-age=600' }).end(DOCUMENT);
});

const directory = (loopback = true) => new WebKeyDirectory(new Outbound({ loopback }), clock);

describe('the keys of a host', () => {
  it('are found by their thumbprint, whatever the directory calls them', async () => {
    const found = await directory().keysOf(host);
    if (found.outcome !== 'keys') throw new Error(found.why);
    expect([...found.keys]).toEqual([[THUMBPRINT, { x: X, notBefore: undefined, notAfter: undefined }]]);
    expect(asked).toEqual(['/.well-known/http-message-signatures-directory']);
  });

  it('are fetched once however many ask, and again when they may no longer be believed', async () => {
    const keys = directory();
    await Promise.all(Array.from({ length: 20 }, () => keys.keysOf(host)));
    clock.advance(599_999);
    await keys.keysOf(host);
    expect(asked).toHaveLength(1);
    clock.advance(1);
    answer = (_, response) => response.end(JSON.stringify({ keys: [] }));
    const later = await keys.keysOf(host);
    expect(asked).toHaveLength(2);
    expect(later.outcome === 'keys' && later.keys.size).toBe(0);
  });

  it('are unavailable from a host that gives none, which is asked again soon but not at once', async () => {
    const answers: http.RequestListener[] = [
      (_, response) => response.writeHead(404).end(DOCUMENT),
      (_, response) => response.writeHead(301, { location: '/elsewhere' }).end(),
      (_, response) => response.end('not JSON'),
      (_, response) => response.end('{"keys":{}}'),
      (_, response) => response.end(`{"keys":[],"x":"${'x'.repeat(70_000)}"}`),
    ];
    for (const next of answers) {
      asked = [];
      answer = next;
      const keys = directory();
      expect((await keys.keysOf(host)).outcome).toBe('unavailable');
      clock.advance(9_999);
      expect((await keys.keysOf(host)).outcome).toBe('unavailable');
      expect(asked).toHaveLength(1);
      clock.advance(1);
      answer = (_, response) => response.end(DOCUMENT);
      expect((await keys.keysOf(host)).outcome).toBe('keys');
    }
  });

  it('are not asked of this machine unless that is allowed', async () => {
    expect((await directory(false).keysOf(host)).outcome).toBe('unavailable');
    expect(asked).toEqual([]);
  });

  it.each([
    [undefined, 60_000],
    ['max-age=5', 60_000],
    ['public, max-age=120', 120_000],
    ['max-age=99999999', 3_600_000],
    ['no-store, max-age=600', 60_000],
    ['s-maxage=600', 60_000],
  ])('with Cache-Control %s are believed for %d ms', (control, ms) => {
    expect(believedMs(control === undefined ? {} : { 'cache-control': control })).toBe(ms);
    expect(believedMs({ 'cache-control': 'max-age=600', age: '300' })).toBe(300_000);
  });
});

import { lookup } from 'node:dns/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIPv6 } from 'node:net';
import { isLoopbackAddress, isPublicAddress } from './address.js';
import { type Target, targetOf } from './target.js';

interface OutboundOptions {
  /** Whether this machine may be asked, by http: for trying things out on one machine only. */
  readonly loopback?: boolean;
  /** Longest a request may take from the look-up of its name to its last byte. */
  readonly timeoutMs?: number;
  /** Largest body, bytes. */
  readonly mostBytes?: number;
  /** Requests at once; more are refused rather than queued. */
  readonly atOnce?: number;
  /** Looks a name up: every address it has. The system's resolver when absent. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** Which addresses of a name may be connected to; those on the public internet when absent. */
  readonly mayConnect?: (address: string) => boolean;
  /** Certificates to trust instead of those of the system, PEM. */
  readonly authorities?: string;
}

export interface OutboundDocument {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export type OutboundAnswer =
  | { readonly outcome: 'answered'; readonly document: OutboundDocument }
  /** Nothing was connected to: the URL, or an address of its name, is not one to ask. */
  | { readonly outcome: 'refused'; readonly why: string }
  | { readonly outcome: 'failed'; readonly why: string };

interface Sent {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** What becomes of an answer that is larger than allowed. */
  readonly beyond: 'fail' | 'cut';
}

const systemResolve = async (name: string): Promise<readonly string[]> =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);

/**
 * Asks hosts that strangers name. A name is looked up once, every address of it has to be public, and the connection goes to an
 * address that was checked, so no later look-up can lead elsewhere. Redirects are answers, not orders.
 */
export class Outbound {
  readonly #loopback: boolean;
  readonly #timeoutMs: number;
  readonly #mostBytes: number;
  readonly #atOnce: number;
  readonly #resolve: (name: string) => Promise<readonly string[]>;
  readonly #mayConnect: (address: string) => boolean;
  readonly #authorities: string | undefined;
  #running = 0;

  constructor(options: OutboundOptions = {}) {
    this.#loopback = options.loopback ?? false;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#mostBytes = options.mostBytes ?? 65_536;
    this.#atOnce = options.atOnce ?? 16;
    this.#resolve = options.resolve ?? systemResolve;
    this.#mayConnect = options.mayConnect ?? isPublicAddress;
    this.#authorities = options.authorities;
  }

  /** GET of a URL. An answer that is larger than allowed is a failure. Never throws. */
  get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<OutboundAnswer> {
    return this.#send(url, { method: 'GET', headers, beyond: 'fail' });
  }

  /** POST to a URL. Of an answer that is larger than allowed the rest is not read. Never throws. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<OutboundAnswer> {
    const bytes = Buffer.from(body, 'utf8');
    return this.#send(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(bytes.length) },
      body: bytes,
      beyond: 'cut',
    });
  }

  /** Why the text of a URL forbids that it is ever asked; undefined when it does not. */
  refusalOf(url: string): string | undefined {
    const target = targetOf(url, this.#loopback);
    return target.ok ? undefined : target.why;
  }

  async #send(url: string, sent: Sent): Promise<OutboundAnswer> {
    const target = targetOf(url, this.#loopback);
    if (!target.ok) return { outcome: 'refused', why: `the URL ${target.why}` };
    if (this.#running >= this.#atOnce) return { outcome: 'failed', why: 'too many requests are under way' };
    this.#running += 1;
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      const address = await this.#checkedAddress(target, signal);
      if (address === undefined) return { outcome: 'refused', why: 'the host has an address that may not be asked' };
      return { outcome: 'answered', document: await this.#ask(target.url, address, sent, signal) };
    } catch (error) {
      const why = signal.aborted ? `no answer within ${this.#timeoutMs} ms` : whyOf(error);
      return { outcome: 'failed', why };
    } finally {
      this.#running -= 1;
    }
  }

  async #checkedAddress(
    { url, local }: Extract<Target, { ok: true }>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const addresses = await withSignal(this.#resolve(url.hostname), signal);
    const allowed = local ? isLoopbackAddress : this.#mayConnect;
    return addresses.every((address) => allowed(address)) ? addresses[0] : undefined;
  }

  #ask(
    url: URL,
    address: string,
    { method, headers, body, beyond }: Sent,
    signal: AbortSignal,
  ): Promise<OutboundDocument> {
    const secure = url.protocol === 'https:';
    const options: https.RequestOptions = {
      host: address,
      family: isIPv6(address) ? 6 : 4,
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      method,
      headers: { accept: 'application/json', ...headers, host: url.host, connection: 'close' },
      // A connection of its own: one kept open was checked for another request.
      agent: false,
      signal,
    };
    return new Promise<OutboundDocument>((resolve, reject) => {
      const answer = (response: IncomingMessage): void => {
        readBody(response, this.#mostBytes, beyond).then(
          (read) => resolve({ status: response.statusCode ?? 0, headers: headersOf(response), body: read }),
          reject,
        );
      };
      const request = secure
        ? https.request(
            {
              ...options,
              servername: url.hostname,
              ...(this.#authorities === undefined ? {} : { ca: this.#authorities }),
            },
            answer,
          )
        : http.request(options, answer);
      request.once('error', reject);
      request.end(body);
    });
  }
}

async function readBody(response: IncomingMessage, most: number, beyond: 'fail' | 'cut'): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    const bytes: Buffer = Buffer.isBuffer(part) ? part : Buffer.from(String(part));
    size += bytes.length;
    if (size > most) {
      response.destroy();
      if (beyond === 'cut') return Buffer.concat(parts);
      throw new Error(`the answer is larger than ${most} bytes`);
    }
    parts.push(bytes);
  }
  if (!response.complete) throw new Error('the answer was cut off');
  return Buffer.concat(parts);
}

const headersOf = ({ headers }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, [value].flat().join(', ')]],
    ),
  );

/** The resolver of the system cannot be stopped, but nobody has to wait for it. */
const withSignal = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    const end = (): void => reject(new Error('the time is over'));
    signal.addEventListener('abort', end, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });

/** Codes of Node's errors say enough; their messages repeat addresses. */
function whyOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'the request failed';
  const code: unknown = Reflect.get(error, 'code');
  const message: unknown = Reflect.get(error, 'message');
  if (typeof code === 'string') return code;
  return typeof message === 'string' ? message : 'the request failed';
}

import { InvalidOptionError } from './errors.js';
import { isPlainDecimal, isZero } from './plain-decimal.js';

/** Durations are milliseconds, sizes are bytes. */
export interface PaywallOptions {
  /** Where Farebox is, e.g. `https://farebox.example`; the gate is at `/v1/gate` below it. */
  readonly gateUrl: string;
  /** Provider key of scope `gate`. */
  readonly key: string;
  /**
   * Where agents reach this server, e.g. `https://api.example`. Set it behind a proxy: payments are bound to the URL the
   * agent sees. Absent: the Host header and the scheme of the connection.
   */
  readonly publicUrl?: string;
  /** How long one question to the gate may take; it is asked twice at most. 10 s. */
  readonly timeoutMs?: number;
  /** Longest request body that is read to bind the payment to it; a longer one gets 413. 1 MiB. */
  readonly maxRequestBytes?: number;
  /** Longest answer that is held until it is paid for; a longer one is not sent and not charged. 1 MiB. */
  readonly maxReplyBytes?: number;
  /** How many challenges are kept, for as long as the gate allows; 0 keeps none. 10 000. */
  readonly maxChallenges?: number;
  /**
   * Whether the gate is told who asks (agent keys, SIGN-IN-WITH-X, message signatures) and the agent's Idempotency-Key, so that
   * accounts can pay without signing a transfer. True.
   */
  readonly agents?: boolean;
  /** Whether a browser that brings no payment gets a page that says how to pay. True. */
  readonly browserPage?: boolean;
  /** Used instead of connections of the paywall's own, to reach the gate through a proxy for example. */
  readonly fetch?: typeof fetch;
  /** Monotonic clock, milliseconds. */
  readonly elapsed?: () => number;
  /** What agents are not told: why the gate failed, what a handler threw. Absent: it is printed. */
  readonly onError?: (error: Error) => unknown;
}

/** What a route sells. `Req` is the framework's request. */
export interface PriceOptions<Req> {
  /** Name of the meter it is sold by. */
  readonly meter: string;
  /** Units it will use, a plain decimal, at most what is charged; of a stream its first part. "1" when absent. */
  readonly quantity?: string | ((req: Req) => string | Promise<string>);
  /** For the challenge, at most 200 characters. */
  readonly description?: string;
  /** Media type of the answer, for the challenge. */
  readonly mimeType?: string;
  /** Asked when the handler is done: what it really used, a plain decimal. Absent: what the handler told `measure`. */
  readonly measured?: (req: Req) => string | undefined;
  /** The answer is sent while it is made, and covered part by part; absent: it is held until it is paid for. */
  readonly stream?: true | StreamOptions<Req>;
}

export interface StreamOptions<Req> {
  /** Most units that one stream may use, a plain decimal. Absent: as many as the gate covers. */
  readonly upTo?: string | ((req: Req) => string | Promise<string>);
  /** Units that are covered at a time, a plain decimal. Absent: as many as the first part, `quantity`. */
  readonly every?: string;
}

export interface Settings {
  readonly gate: string;
  readonly key: string;
  readonly publicUrl: string | undefined;
  readonly timeoutMs: number;
  readonly maxRequestBytes: number;
  readonly maxReplyBytes: number;
  readonly maxChallenges: number;
  readonly agents: boolean;
  readonly browserPage: boolean;
  readonly elapsed: () => number;
  readonly onError: (error: Error) => unknown;
}

/** @throws InvalidOptionError naming the option. */
export function settingsOf(options: PaywallOptions): Settings {
  if (typeof options.key !== 'string' || options.key.trim() === '') throw new InvalidOptionError('key is missing.');
  return {
    gate: `${baseUrl('gateUrl', options.gateUrl)}/v1/gate`,
    key: options.key,
    publicUrl: options.publicUrl === undefined ? undefined : baseUrl('publicUrl', options.publicUrl),
    timeoutMs: count('timeoutMs', options.timeoutMs ?? 10_000, 1),
    maxRequestBytes: count('maxRequestBytes', options.maxRequestBytes ?? 1 << 20, 0),
    maxReplyBytes: count('maxReplyBytes', options.maxReplyBytes ?? 1 << 20, 0),
    maxChallenges: count('maxChallenges', options.maxChallenges ?? 10_000, 0),
    agents: options.agents ?? true,
    browserPage: options.browserPage ?? true,
    elapsed: options.elapsed ?? (() => performance.now()),
    // eslint-disable-next-line no-console -- A gate that cannot be reached stops all sales: that is never silent.
    onError: options.onError ?? ((error) => console.error('@farebox/paywall:', error)),
  };
}

/** @throws InvalidOptionError for a price that no gate could take. */
export function checkPrice(price: Pick<PriceOptions<never>, 'meter' | 'description' | 'mimeType' | 'stream'>): void {
  const { meter, description = '', mimeType = '', stream } = price;
  if (typeof meter !== 'string' || meter === '') throw new InvalidOptionError('meter is missing.');
  if (description.length > 200) throw new InvalidOptionError('description has more than 200 characters.');
  if (mimeType.length > 100) throw new InvalidOptionError('mimeType has more than 100 characters.');
  if (typeof stream === 'object') {
    checkPart('stream.every', stream.every);
    if (typeof stream.upTo !== 'function') checkPart('stream.upTo', stream.upTo);
  }
}

function checkPart(name: string, quantity: string | undefined): void {
  if (quantity === undefined || (isPlainDecimal(quantity) && !isZero(quantity))) return;
  throw new InvalidOptionError(`${name} is not a plain decimal above zero.`);
}

function baseUrl(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new InvalidOptionError(`${name} is not an http(s) URL.`);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function count(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new InvalidOptionError(`${name} is ${value}; it is a whole number of at least ${least}.`);
}

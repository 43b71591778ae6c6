import type { EventVerdict, UsageEvent } from './contract.js';
import type { MeteringError } from './errors.js';
import { InvalidOptionError } from './errors.js';
import { awaitedTimer, backgroundTimer, type Timer } from './timers.js';

/** Durations are milliseconds, sizes are bytes. */
export interface MeteringOptions {
  /** Where Farebox is, e.g. `https://farebox.example`; events go to `/v1/events` below it. */
  readonly url: string;
  /** Provider key of scope `ingest`. */
  readonly key: string;
  /** Who observes the usage, a URI reference such as `/compute/eu-1`. Event ids are unique within it. */
  readonly source: string;
  /** A batch is sent when it is full or when its oldest event is `maxAgeMs` old. */
  readonly batch?: { readonly maxEvents?: number; readonly maxBytes?: number; readonly maxAgeMs?: number };
  /** Events not answered for yet. When full, `block` makes `record` wait for room, `reject` makes it throw. */
  readonly queue?: { readonly maxEvents?: number; readonly whenFull?: 'block' | 'reject' };
  /** After a network error, 408, 429 or 5xx: full jitter up to min · 2ⁿ, at most max. */
  readonly retry?: { readonly attempts?: number; readonly minDelayMs?: number; readonly maxDelayMs?: number };
  /** How long one request may take. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
  /** Wall clock, milliseconds since 1970: time of events, order of ids. */
  readonly now?: () => number;
  /** Monotonic clock, milliseconds: spans and ages. */
  readonly elapsed?: () => number;
  /** For jitter, from 0 up to 1. */
  readonly random?: () => number;
  /** For ages and delays between attempts, which must not keep a process alive. */
  readonly timer?: Timer;
  /** For the deadlines of `flush` and `close`, which somebody awaits. */
  readonly deadlineTimer?: Timer;
  /** Usage was lost: given up (`DroppedError`, with its events) or never recorded (`SpanLostError`). */
  readonly onError?: (error: MeteringError) => unknown;
  /** An event was not taken: its verdict is `conflict` or `rejected`. It is not sent again. */
  readonly onVerdict?: (verdict: EventVerdict, event: UsageEvent) => unknown;
}

export interface Settings {
  readonly endpoint: string;
  readonly key: string;
  readonly source: string;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly capacity: number;
  readonly whenFull: 'block' | 'reject';
  readonly attempts: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
  readonly now: () => number;
  readonly elapsed: () => number;
  readonly random: () => number;
  readonly timer: Timer;
  readonly deadlineTimer: Timer;
}

/** @throws InvalidOptionError naming the option. */
export function settingsOf(options: MeteringOptions): Settings {
  const { batch = {}, queue = {}, retry = {} } = options;
  const whenFull = queue.whenFull ?? 'block';
  if (whenFull !== 'block' && whenFull !== 'reject')
    throw new InvalidOptionError('queue.whenFull is either "block" or "reject".');
  return {
    endpoint: endpointOf(options.url),
    key: filled('key', options.key),
    source: filled('source', options.source),
    maxEvents: positive('batch.maxEvents', batch.maxEvents ?? 100),
    maxBytes: positive('batch.maxBytes', batch.maxBytes ?? 256 * 1024),
    maxAgeMs: positive('batch.maxAgeMs', batch.maxAgeMs ?? 1_000),
    capacity: positive('queue.maxEvents', queue.maxEvents ?? 10_000),
    whenFull,
    attempts: positive('retry.attempts', retry.attempts ?? 30),
    minDelayMs: positive('retry.minDelayMs', retry.minDelayMs ?? 250),
    maxDelayMs: positive('retry.maxDelayMs', retry.maxDelayMs ?? 30_000),
    timeoutMs: positive('timeoutMs', options.timeoutMs ?? 10_000),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    now: options.now ?? (() => Date.now()),
    elapsed: options.elapsed ?? (() => performance.now()),
    random: options.random ?? (() => Math.random()),
    timer: options.timer ?? backgroundTimer,
    deadlineTimer: options.deadlineTimer ?? awaitedTimer,
  };
}

function endpointOf(url: string): string {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:')
    throw new InvalidOptionError('url is not an http(s) URL.');
  return `${base.origin}${base.pathname.replace(/\/+$/, '')}/v1/events`;
}

function filled(name: string, value: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw new InvalidOptionError(`${name} is missing.`);
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidOptionError(`${name} is ${value}; it is a whole number above zero.`);
}

import type { EventVerdict, UsageEvent } from './contract.js';
import type { MeteringError } from './errors.js';
import { InvalidOptionError } from './errors.js';
import type { BatchReport, RetryReport } from './hooks.js';
import type { Spool } from './journal.js';
import { awaitedTimer, backgroundTimer, type Timer } from './timers.js';

/** Durations are milliseconds, sizes are bytes. */
export interface MeteringOptions {
  /** Where Farebox is, e.g. `https://farebox.example`; events go to `/v1/events` below it. */
  readonly url: string;
  /** Provider key of scope `ingest`. */
  readonly key: string;
  /** Who observes the usage, a URI reference such as `/compute/eu-1`. Event ids are unique within it. */
  readonly source: string;
  /**
   * A batch is sent when it is full or when its oldest event is `maxAgeMs` old. At most 5000 events and 900 KiB go into a
   * batch of the stream door, whatever is asked for here.
   */
  readonly batch?: { readonly maxEvents?: number; readonly maxBytes?: number; readonly maxAgeMs?: number };
  /**
   * Events in memory that are not answered for yet. When full, `block` makes `record` wait for room, `reject` makes it
   * throw, and `spill` leaves further events on the disk until there is room; that needs a spool, and is the default there.
   */
  readonly queue?: { readonly maxEvents?: number; readonly whenFull?: WhenFull };
  /** Keeps usage on disk until it is answered for: `diskSpool({ dir })` of `@farebox/metering/spool`. */
  readonly spool?: Spool;
  /**
   * After a network error, 408, 429 or 5xx: full jitter up to min · 2ⁿ, at most max. With a spool there is no last attempt,
   * and what is refused for another reason than its content, such as a key that is not valid, is tried again as well.
   */
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
  /**
   * Usage was lost: given up (`DroppedError`, with its events), never recorded (`SpanLostError`, `CallLostError`), or
   * unreadable on disk (`SpoolDamagedError`). Or the disk fails and delivery waits for it (`SpoolFailedError`).
   */
  readonly onError?: (error: MeteringError) => unknown;
  /** An event was not taken: its verdict is `conflict`, `held` or `rejected`. It is not sent again. */
  readonly onVerdict?: (verdict: EventVerdict, event: UsageEvent) => unknown;
  /** A batch has been answered. */
  readonly onBatch?: (report: BatchReport) => unknown;
  /** An attempt failed and there will be another. */
  readonly onRetry?: (report: RetryReport) => unknown;
}

export type WhenFull = 'block' | 'reject' | 'spill';

interface BatchLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

export interface Settings {
  readonly endpoint: string;
  readonly key: string;
  readonly source: string;
  readonly batches: { readonly stream: BatchLimits; readonly open: BatchLimits };
  readonly maxAgeMs: number;
  readonly capacity: number;
  readonly whenFull: WhenFull;
  readonly isSpooled: boolean;
  /** Infinity with a spool. */
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

/** Limits of a numbered batch, which cannot be split when it turns out too large. */
const MOST_EVENTS = 5_000;
const MOST_BYTES = 900 * 1024;

/** @throws InvalidOptionError naming the option. */
export function settingsOf(options: MeteringOptions): Settings {
  const { batch = {}, queue = {}, retry = {} } = options;
  const isSpooled = options.spool !== undefined;
  const whenFull = queue.whenFull ?? (isSpooled ? 'spill' : 'block');
  if (whenFull !== 'block' && whenFull !== 'reject' && whenFull !== 'spill')
    throw new InvalidOptionError('queue.whenFull is "block", "reject" or "spill".');
  if (whenFull === 'spill' && !isSpooled)
    throw new InvalidOptionError('queue.whenFull is "spill", but there is no spool to spill to.');
  const attempts = positive('retry.attempts', retry.attempts ?? 30);
  return {
    endpoint: endpointOf(options.url),
    key: filled('key', options.key),
    source: filled('source', options.source),
    batches: {
      stream: {
        maxEvents: Math.min(MOST_EVENTS, positive('batch.maxEvents', batch.maxEvents ?? 1_000)),
        maxBytes: Math.min(MOST_BYTES, positive('batch.maxBytes', batch.maxBytes ?? MOST_BYTES)),
      },
      open: { maxEvents: batch.maxEvents ?? 100, maxBytes: batch.maxBytes ?? 256 * 1024 },
    },
    maxAgeMs: positive('batch.maxAgeMs', batch.maxAgeMs ?? 1_000),
    capacity: positive('queue.maxEvents', queue.maxEvents ?? 10_000),
    whenFull,
    isSpooled,
    attempts: isSpooled ? Infinity : attempts,
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

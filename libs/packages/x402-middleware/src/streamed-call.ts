import type { PaymentView } from './contract.js';
import { StreamStoppedError } from './errors.js';
import type { Paywall } from './paywall.js';
import { isLess, isZero, larger, smaller, sum } from './plain-decimal.js';
import { measuredQuantity, PricedCall } from './priced-call.js';
import { problem } from './problem.js';
import { Timers } from './timers.js';
import { WaitingUse } from './waiting-use.js';

/** What was agreed about a stream before its first byte. */
export interface StreamTerms {
  /** Units that the check covers. */
  readonly quantity: string;
  /** Units that are covered at a time from then on. */
  readonly every: string;
  /** Most units that may be used in all. */
  readonly upTo?: string | undefined;
  /** Seconds after which the gate lets the payment go unless it hears of it. */
  readonly captureWithinSeconds: number;
}

/** What writes the stream, and has to know how it stands. */
export interface StreamSink {
  /** What waits may have become covered. */
  moved(): void;
  /** No more is covered: what waits is thrown away, and a last word of at most `lastWordBytes` may follow. */
  stopped(): void;
  /** The time for a last word is over. */
  cut(): void;
}

/** `ended`: the handler was done · `closed`: the agent hung up · `failed`: the handler failed. */
export type StreamEnd = 'ended' | 'closed' | 'failed';

/**
 * What a handler may still write when its stream was stopped: an event that says so. Of one that waited for its answers, also what
 * was covered and is still on its way through the buffers of its framework.
 */
const LAST_WORD_BYTES = { unheeded: 4 * 1024, heeded: 64 * 1024 };
const LAST_WORD_MS = 5_000;

/** Parts of the gate's time after which it is told that the stream goes on, and after which the stream ends if it did not agree. */
const RENEW_AFTER = 0.5;
const END_AFTER = 0.75;

/** A stream is not kept: the same payment presented again is told so. */
const NOT_KEPT = problem(410, 'Gone', 'The answer was a stream. It was sent and charged, and it is not kept.');

/**
 * The call of an answer that leaves while it is made. What is used is covered ahead of its use: when half of a part is left, the
 * next is asked for, so that the stream does not stand still. What a part says it uses is covered before it leaves.
 */
export class StreamedCall extends PricedCall {
  readonly #stop = new AbortController();
  readonly #timers = new Timers();
  readonly #waiting: WaitingUse[] = [];
  #sink: StreamSink | undefined;
  #covered: string;
  /** The highest total that was said. */
  #said: string | undefined;
  /** The highest total that was said and is covered. */
  #used: string | undefined;
  /** What was used when the last bytes left. */
  #carried: string | undefined;
  #hasLeft = false;
  /** Why no more will be covered. */
  #noMore: string | undefined;
  #isAsking = false;
  #wasUnheeded = false;
  #settling: Promise<void> | undefined;

  constructor(
    private readonly paywall: Paywall,
    payment: PaymentView,
    private readonly terms: StreamTerms,
    private readonly measuredAtEnd: () => string | undefined = () => undefined,
  ) {
    super(payment, terms.quantity);
    this.#covered = terms.quantity;
    this.#keepAlive(terms.captureWithinSeconds);
  }

  override get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  override get measured(): string | undefined {
    return this.#used;
  }

  /** Whether somebody said a total and writes on without waiting for the answer. */
  get isUnheeded(): boolean {
    return this.#waiting.some((use) => !use.isHeeded);
  }

  /** Whether somebody did so when the stream was stopped. */
  get wasUnheeded(): boolean {
    return this.#wasUnheeded;
  }

  get lastWordBytes(): number {
    return LAST_WORD_BYTES[this.#wasUnheeded ? 'unheeded' : 'heeded'];
  }

  /** The total that what is written now belongs to. */
  get said(): string {
    return this.#said ?? '0';
  }

  isCovered(total: string): boolean {
    return !isLess(this.#covered, total);
  }

  attach(sink: StreamSink): void {
    this.#sink = sink;
  }

  /** Bytes of the answer leave. */
  carry(): void {
    this.#hasLeft = true;
    this.#carried = this.#used;
  }

  /** Sets the total, as far as it is covered already. */
  override measure(quantity: string): void {
    this.#used = smaller(this.#covered, measuredQuantity(quantity));
    this.#said = larger(this.said, this.#used);
  }

  override use(total: string): PromiseLike<boolean> {
    const wanted = larger(this.said, measuredQuantity(total));
    if (this.#settling !== undefined) {
      this.#sink?.cut();
      return Promise.resolve(false);
    }
    this.#said = wanted;
    if (this.isCovered(wanted)) {
      this.#used = wanted;
      this.#lookAhead();
      return Promise.resolve(true);
    }
    const { upTo } = this.terms;
    const isTooMuch = upTo !== undefined && isLess(upTo, wanted);
    const why = isTooMuch ? `A stream of this price uses at most ${upTo}.` : this.#noMore;
    if (why !== undefined) {
      this.#halt(why);
      return Promise.resolve(false);
    }
    const waiting = new WaitingUse(wanted, () => this.#sink?.moved());
    this.#waiting.push(waiting);
    void this.#extend();
    return waiting;
  }

  /** Nothing is sold: the payment is let go. */
  refuse(reason: string): void {
    this.#settle(() => this.paywall.void(this.payment, reason));
  }

  /** The end of the stream: what was used is charged. Resolves when the gate has answered. */
  async finish(end: StreamEnd): Promise<void> {
    this.#settle(() => this.#charge(end, this.#used));
    this.#timers.stop();
    await this.#settling;
  }

  /** Charges at once, whatever the handler does from here: a gate does not wait for a handler without an end. */
  #halt(reason: string): void {
    if (this.#settling !== undefined) return;
    this.#wasUnheeded = this.isUnheeded;
    const used = this.#wasUnheeded ? this.#carried : this.#used;
    this.#settle(() => this.#charge('closed', used));
    this.#timers.start('last word', LAST_WORD_MS, () => this.#sink?.cut());
    this.#sink?.stopped();
    this.#stop.abort(new StreamStoppedError(reason));
  }

  #settle(how: () => Promise<void>): void {
    if (this.#settling !== undefined) return;
    this.#timers.stop();
    this.#settling = how();
    for (const use of this.#waiting.splice(0)) use.answer(false);
  }

  /** Nothing was ever said: what was agreed is charged, if the handler did its work or the agent left while it did. */
  async #charge(end: StreamEnd, used: string | undefined): Promise<void> {
    const quantity = this.#said !== undefined ? (used ?? '0') : end === 'ended' ? this.#measuredNow() : undefined;
    if (quantity === undefined && end === 'failed') return this.paywall.void(this.payment, 'The handler failed.');
    if (quantity === undefined && end === 'closed' && !this.#hasLeft)
      return this.paywall.void(this.payment, 'The connection closed before the answer began.');
    if (quantity !== undefined && isZero(quantity)) return this.paywall.void(this.payment, 'Nothing was used.');
    await this.paywall.capture(this.payment, NOT_KEPT, quantity);
  }

  /** What the price measures at the end. What it cannot measure has left: then what was agreed is charged. */
  #measuredNow(): string | undefined {
    try {
      const measured = this.measuredAtEnd();
      return measured === undefined ? undefined : smaller(this.#covered, measuredQuantity(measured));
    } catch (error) {
      this.paywall.report(error);
      return undefined;
    }
  }

  #lookAhead(): void {
    const { every, upTo } = this.terms;
    if (this.#noMore !== undefined || (upTo !== undefined && this.isCovered(upTo))) return;
    const used = this.#used ?? '0';
    // At most half a part is left: 2 × (covered − used) ≤ every.
    if (!isLess(sum(sum(used, used), every), sum(this.#covered, this.#covered))) void this.#extend();
  }

  async #extend(): Promise<void> {
    const { every, upTo } = this.terms;
    const next = sum(larger(this.#covered, this.said), every);
    const answer = await this.#ask(upTo === undefined ? next : smaller(upTo, next));
    if (answer === 'busy' || this.#settling !== undefined) return;
    if (answer !== 'go' && answer !== 'lost') this.#noMore = answer.reason;
    for (let use = this.#waiting[0]; use !== undefined && this.isCovered(use.total); use = this.#waiting[0]) {
      this.#waiting.shift();
      this.#used = use.total;
      use.answer(true);
    }
    this.#sink?.moved();
    if (this.#waiting.length > 0 && answer !== 'go')
      this.#halt(this.#noMore ?? 'Whether more is covered could not be found out.');
    else if (this.#waiting.length > 0) void this.#extend();
    else if (answer === 'go') this.#lookAhead(); // A gate that cannot be reached is asked again at the next use.
  }

  /** One question at a time: totals only grow. */
  async #ask(upTo: string): Promise<'go' | 'lost' | 'busy' | { readonly reason: string }> {
    if (this.#isAsking || this.#settling !== undefined) return 'busy';
    this.#isAsking = true;
    const decision = await this.paywall.extend(this.payment, this.#used ?? '0', upTo);
    this.#isAsking = false;
    if (decision === 'lost') return 'lost';
    if (decision.decision === 'stop') return { reason: decision.reason };
    this.#covered = larger(this.#covered, upTo);
    if (decision.captureWithinSeconds !== undefined) this.#keepAlive(decision.captureWithinSeconds);
    return 'go';
  }

  /** A payment that the gate hears nothing of is let go: the gate is told in time that the stream goes on, or the stream ends. */
  #keepAlive(seconds: number): void {
    if (this.#settling !== undefined) return;
    const ms = seconds * 1000;
    this.#timers.start('end', ms * END_AFTER, () => this.#halt('The time of the payment is over.'));
    this.#timers.start('renewal', ms * RENEW_AFTER, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const answer = await this.#ask(this.#covered);
    if (answer !== 'busy' && this.#waiting.length > 0) void this.#extend();
  }
}

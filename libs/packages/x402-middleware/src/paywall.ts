import { ChallengeCache, challengeKey } from './challenge-cache.js';
import type { CheckRequest, PaymentView, WireReply } from './contract.js';
import { GateError } from './errors.js';
import type { Extension } from './gate-answers.js';
import { GateClient } from './gate-client.js';
import { type AskGate, oneByOne, platformFetch, through } from './gate-connections.js';
import { type PaywallOptions, type Settings, settingsOf } from './options.js';
import { unavailable } from './problem.js';
import { CACHE_SECONDS, takeHeader } from './reply-headers.js';

/** What to do with a request: write `reply`, or run the handler, hold what it answers, and then capture or void. */
export type Admission =
  | { readonly kind: 'answer'; readonly reply: WireReply }
  | {
      readonly kind: 'serve';
      readonly payment: PaymentView;
      /** Seconds within which the capture has to arrive. */
      readonly captureWithinSeconds: number;
    };

/** What to do with the held answer: send it with these headers added, or throw it away and write `reply`. */
export type Release =
  | { readonly kind: 'release'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'answer'; readonly reply: WireReply };

/**
 * Stands before priced routes and obeys the gate. It never fails open: without an understood decision of the gate the answer
 * is 503, no handler runs, and no content leaves. It knows nothing of a web framework, the doors do, and nothing of Node.
 */
export class Paywall {
  readonly settings: Settings;
  readonly #gate: GateClient;
  readonly #challenges: ChallengeCache;

  /** @throws InvalidOptionError */
  constructor(options: PaywallOptions, connect: (settings: Settings) => AskGate = overFetch) {
    this.settings = settingsOf(options);
    const { fetch: own } = options;
    this.#gate = new GateClient(own === undefined ? connect(this.settings) : oneByOne(this.settings, through(own)));
    this.#challenges = new ChallengeCache(this.settings.maxChallenges, this.settings.elapsed);
  }

  /** Never rejects. */
  async admit(request: CheckRequest): Promise<Admission> {
    const isPlain = saysNothingOfTheAgent(request);
    const key = isPlain ? challengeKey(request) : undefined;
    const known = key === undefined ? undefined : this.#challenges.get(key);
    if (known !== undefined) return { kind: 'answer', reply: known };

    const askedAt = this.settings.elapsed();
    try {
      // Named, so that the question can be asked again when its answer is lost: nobody else is told to serve.
      const attempt = isPlain ? {} : { attempt: crypto.randomUUID() };
      const decision = await this.#gate.check({ ...request, ...attempt });
      if (decision.decision === 'serve') {
        const { payment, captureWithinSeconds } = decision;
        return { kind: 'serve', payment, captureWithinSeconds };
      }
      const { value, rest } = takeHeader(decision.reply.headers, CACHE_SECONDS);
      const reply = { ...decision.reply, headers: rest };
      if (key !== undefined && decision.decision === 'pay' && /^\d{1,6}$/.test(value ?? ''))
        this.#challenges.set(key, reply, Number(value), askedAt);
      return { kind: 'answer', reply };
    } catch (error) {
      this.report(error);
      return {
        kind: 'answer',
        reply: unavailable('Whether this request may be served could not be decided. Try again.'),
      };
    }
  }

  /** Charges for what the handler answered. Never rejects: without an answer of the gate the content is withheld. */
  async capture(payment: PaymentView, reply: WireReply, quantity: string | undefined): Promise<Release> {
    try {
      const decision = await this.#gate.capture({
        payment: payment.id,
        reply,
        ...(quantity !== undefined && { quantity }),
      });
      if (decision.decision === 'release') return { kind: 'release', headers: decision.headers };
      return { kind: 'answer', reply: decision.reply };
    } catch (error) {
      this.report(error);
      // No void: the charge may have been made. Then the same payment, presented again, gets the stored answer.
      const detail = `Whether payment ${payment.id} was charged is not known yet. Present the same payment again, not a new one.`;
      return { kind: 'answer', reply: unavailable(detail) };
    }
  }

  /**
   * Fixes what a stream has used and asks for more. Never rejects: `lost` is no answer that can be understood, and then nothing
   * more is covered.
   */
  async extend(payment: PaymentView, used: string, upTo: string): Promise<Extension | 'lost'> {
    try {
      return await this.#gate.extend({ payment: payment.id, used, upTo });
    } catch (error) {
      this.report(error);
      return 'lost';
    }
  }

  /** Lets the authorization go. Never rejects: a reservation that is neither captured nor voided ends by itself. */
  async void(payment: PaymentView, reason: string): Promise<void> {
    try {
      await this.#gate.void({ payment: payment.id, reason: reason.slice(0, 200) });
    } catch (error) {
      this.report(error);
    }
  }

  /** Tells the provider, and never the agent. A listener that fails changes nothing. */
  report(error: unknown): void {
    const known = error instanceof Error ? error : new GateError('check', String(error));
    try {
      Promise.resolve(this.settings.onError(known)).catch(() => undefined);
    } catch {
      // There is nobody left to tell.
    }
  }
}

const overFetch = (settings: Settings): AskGate => oneByOne(settings, through(platformFetch));

/** A challenge is the same for everybody only if nothing in the question says who asks or how they pay. */
const saysNothingOfTheAgent = ({ paymentSignature, xPayment, proof, idempotencyKey }: CheckRequest): boolean =>
  paymentSignature === undefined && xPayment === undefined && proof === undefined && idempotencyKey === undefined;

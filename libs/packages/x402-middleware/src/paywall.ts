import { ChallengeCache, challengeKey } from './challenge-cache.js';
import type { CheckRequest, PaymentView, WireReply } from './contract.js';
import { GateError } from './errors.js';
import { GateClient } from './gate-client.js';
import { type PaywallOptions, type Settings, settingsOf } from './options.js';
import { unavailable } from './problem.js';
import { CACHE_SECONDS, takeHeader } from './reply-headers.js';

/** What to do with a request: write `reply`, or run the handler, hold what it answers, and then capture or void. */
export type Admission =
  { readonly kind: 'answer'; readonly reply: WireReply } | { readonly kind: 'serve'; readonly payment: PaymentView };

/** What to do with the held answer: send it with these headers added, or throw it away and write `reply`. */
export type Release =
  | { readonly kind: 'release'; readonly headers: Readonly<Record<string, string>> }
  | { readonly kind: 'answer'; readonly reply: WireReply };

/**
 * Stands before priced routes and obeys the gate. It never fails open: without an understood decision of the gate the answer
 * is 503, no handler runs, and no content leaves. It knows nothing of a web framework; `/express` and `/nest` do.
 */
export class Paywall {
  readonly settings: Settings;
  readonly #gate: GateClient;
  readonly #challenges: ChallengeCache;

  /** @throws InvalidOptionError */
  constructor(options: PaywallOptions) {
    this.settings = settingsOf(options);
    this.#gate = new GateClient(this.settings);
    this.#challenges = new ChallengeCache(this.settings.maxChallenges, this.settings.elapsed);
  }

  /** Never rejects. */
  async admit(request: CheckRequest): Promise<Admission> {
    const bringsPayment = request.paymentSignature !== undefined || request.xPayment !== undefined;
    const key = bringsPayment ? undefined : challengeKey(request);
    const known = key === undefined ? undefined : this.#challenges.get(key);
    if (known !== undefined) return { kind: 'answer', reply: known };

    const askedAt = this.settings.elapsed();
    try {
      // Named, so that the question can be asked again when its answer is lost: nobody else is told to serve.
      const attempt = bringsPayment ? { attempt: crypto.randomUUID() } : {};
      const decision = await this.#gate.check({ ...request, ...attempt });
      if (decision.decision === 'serve') return { kind: 'serve', payment: decision.payment };
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

import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { AUTHORIZATION_SECONDS, type Quote } from '@core/payments';
import { requestText } from '@core/records';
import { type Clock, epochSeconds } from '@core/time';
import {
  BATCH_SETTLEMENT,
  CREDIT_NETWORK,
  type CreditError,
  creditOffer,
  type CreditPayment,
  creditPaymentOf,
  HTTP_MESSAGE_SIGNATURES,
  httpMessageSignatures,
  judgeAttestation,
  type PaymentPayload,
  type PaymentRequirements,
} from '@core/x402';
import type { AuthenticateAgent } from '@features/accounts';
import type { Holds, StoredHold } from '@features/wallet';
import type { CaptureDecision, ExtendDecision, PaymentView } from '../gate/gate-decisions.js';
import type { PaymentIdentifiers } from '../gate/payment-identifiers.js';
import { identifierTaken, malformed } from '../gate/refusals.js';
import { shownUrl } from '../gate/shown-url.js';
import {
  again,
  type Asked,
  type ChallengeAgain,
  type PaymentScheme,
  type RequestToCapture,
  type RequestToExtend,
  type Verdict,
} from '../gate/way-to-pay.js';
import { problemReply } from '../gate/wire-replies.js';
import { creditHoldFor, keyReused, whyNotCharged } from '../prepaid/hold-for.js';
import { lacking, type PrepaidWay } from '../prepaid/prepaid-way.js';
import { type CreditAuthority, originOf, resourceName } from './credit-authority.js';
import { creditErrorOf } from './credit-refusals.js';
import type { PresentAttestation } from './present-attestation.js';

/** Why, beside the code, for the `farebox` extension of the challenge. */
const refused = (reason: CreditError, message: string, more: Readonly<Record<string, unknown>> = {}): ChallengeAgain =>
  again(reason, undefined, { message, ...more });

/**
 * Scheme `batch-settlement` on credit: an agent that has an account pays by a signature over the request and the terms, or by an
 * attestation that it got before. Either is a hold from then on, and is charged, let go and read as those of balances are.
 */
export class CreditWay implements PaymentScheme {
  readonly scheme = BATCH_SETTLEMENT;
  readonly network = CREDIT_NETWORK;
  readonly prefix: string;
  readonly mismatch = 'price_not_acceptable';
  readonly extensions: Readonly<Record<string, object>>;
  readonly #origin: string;

  constructor(
    private readonly prepaid: PrepaidWay,
    private readonly agents: Pick<AuthenticateAgent, 'run'>,
    private readonly holds: Holds,
    private readonly presentations: PresentAttestation,
    private readonly names: Pick<PaymentIdentifiers, 'find'>,
    /** Absent where nothing is signed: no attestations then. */
    private readonly authority: CreditAuthority | undefined,
    private readonly clock: Clock,
    private readonly settings: { readonly publicUrl: string },
  ) {
    this.prefix = prepaid.prefix;
    this.#origin = originOf(settings.publicUrl);
    this.extensions = { [HTTP_MESSAGE_SIGNATURES]: httpMessageSignatures(`${this.#origin}/docs`) };
  }

  /** A quote says whether its seller gives credit in its asset; one that was sealed before was offered it. */
  offer(quote: Quote, seal: string): PaymentRequirements | undefined {
    if (quote.onCredit === false) return undefined;
    return creditOffer({
      amount: quote.amount,
      asset: quote.asset.id,
      provider: quote.provider,
      maxTimeoutSeconds: AUTHORIZATION_SECONDS,
      authority: this.#origin,
      attests: this.authority !== undefined,
      seal,
      priceVersion: quote.priceId,
    });
  }

  async pay(asked: Asked, quote: Quote, payload: PaymentPayload): Promise<Verdict> {
    const read = creditPaymentOf(payload);
    if (!read.ok) return malformed(read.message, read.reason);
    const { payment } = read;
    return payment.form === 'signed' ? this.#signed(asked, quote, payment) : this.#attested(asked, quote, payment);
  }

  async #signed(
    asked: Asked,
    quote: Quote,
    { amount, asset }: Extract<CreditPayment, { form: 'signed' }>,
  ): Promise<Verdict> {
    if (asset !== quote.asset.id || amount < quote.amount)
      return refused('price_not_acceptable', 'amount and asset have to be those of the offer');
    const now = this.clock.now();
    if (quote.expiresAt <= epochSeconds(now)) return refused('price_not_acceptable', 'the offer has expired');
    const { proof, paymentSignature, attempt } = asked.request;
    if (proof?.signature === undefined || paymentSignature === undefined)
      return refused('invalid_signature', 'the request carries no signature (RFC 9421)');
    const { signature, signatureInput, signatureAgent } = proof;
    const agent = await this.agents.run({
      provider: asked.provider,
      proof: { signature, signatureInput, signatureAgent },
      // With the payment among what may be covered, it has to be.
      request: {
        method: asked.quoted.method,
        url: asked.quoted.url,
        headers: { ...proof.covered, 'payment-signature': paymentSignature },
      },
      attempt,
      now,
    });
    if (agent.outcome === 'none') return refused('invalid_signature', 'no signature here is an agent’s');
    if (agent.outcome === 'refused')
      return refused(creditErrorOf(agent.reason), agent.message, { reason: agent.reason });
    const refusal = whyNotCharged(agent);
    if (refusal) return { decision: 'refuse', reply: problemReply(refusal) };
    const earlier = await this.#named(asked, agent.by.subject);
    if (earlier) return earlier;
    const price = { ...quote, asset: quote.asset.id };
    const taken = await this.holds.take(creditHoldFor(amount, asked, agent, price));
    switch (taken.outcome) {
      case 'held':
        return this.prepaid.serve(taken.hold);
      case 'exists':
        return this.prepaid.repeated(taken.hold, asked.request.idempotencyKey === undefined);
      case 'conflict':
        return keyReused();
      case 'insufficient':
        return refused('payment_failed', 'the account has less than this left, in balance and on credit', {
          reason: 'insufficient_credits',
          ...lacking(price, taken.available),
        });
      case 'limit':
        return refused('payment_failed', 'a spending limit would be passed', {
          reason: 'spend_limit_reached',
          ...lacking(price, taken.left),
          limit: taken.limit.id,
        });
    }
  }

  /** What a payment under this name came to before, found without taking anything: there may be no credit left for it. */
  async #named({ provider, identified }: Asked, subject: string): Promise<Verdict | undefined> {
    const held = identified && (await this.names.find(provider, subject, identified));
    if (!held) return undefined;
    if (held.differs !== undefined) return identifierTaken(held.differs);
    const hold = await this.#known(held.payment);
    return hold.state === 'released' || hold.state === 'expired' ? undefined : this.prepaid.repeated(hold, false);
  }

  async #attested(
    asked: Asked,
    quote: Quote,
    { attestation }: Extract<CreditPayment, { form: 'attested' }>,
  ): Promise<Verdict> {
    const claims = await this.authority?.claimsOf(attestation);
    if (!claims) return refused('attestation_invalid', 'it is not signed by a key that is published here');
    const { url, method } = quote.request;
    const verdict = judgeAttestation(claims, {
      authority: this.#origin,
      provider: quote.provider,
      asset: quote.asset.id,
      price: quote.amount,
      // As it was asked for, or as challenges name it: the query then is bound by what is presented.
      resources: [resourceName(url), resourceName(shownUrl(url))],
      method,
    });
    if (!verdict.ok) return refused(verdict.reason, verdict.message);
    const binding = createHash('sha256').update(requestText(quote.request)).digest();
    const { attempt } = asked.request;
    const presented = await this.presentations.run(claims, quote, { binding, attempt });
    switch (presented.outcome) {
      case 'presented':
        return this.prepaid.serve(presented.hold);
      case 'again': {
        const earlier = presented.attestation.presented?.attempt;
        const hold = await this.#known(presented.attestation.hold);
        return this.prepaid.repeated(hold, earlier !== undefined && earlier === attempt);
      }
      case 'refused':
        return refused(presented.reason, presented.message);
    }
  }

  async repeat(payment: string): Promise<Verdict> {
    return this.prepaid.repeated(await this.#known(payment), false);
  }

  async #known(id: string): Promise<StoredHold> {
    const hold = await this.holds.find(id);
    if (!hold) throw new Fault('invariant_broken', `the hold ${id} of a payment on credit is gone`);
    return hold;
  }

  capture(input: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    return this.prepaid.capture(input);
  }

  extend(input: { provider: string; request: RequestToExtend }): Promise<ExtendDecision> {
    return this.prepaid.extend(input);
  }

  void(input: {
    provider: string;
    request: { payment: string; reason?: string | undefined };
  }): Promise<{ payment: PaymentView }> {
    return this.prepaid.void(input);
  }

  read(id: string): Promise<PaymentView | undefined> {
    return this.prepaid.read(id);
  }
}

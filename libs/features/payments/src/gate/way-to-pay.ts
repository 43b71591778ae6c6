import type { Quote, QuotedRequest } from '@core/payments';
import type { PaymentPayload, PaymentRequirements } from '@core/x402';
import type { CaptureDecision, CheckDecision, ExtendDecision, PaymentView, WireReply } from './gate-decisions.js';
import type { Identified } from './identified.js';
import type { RequestToPrice } from './price-request.js';

/** Headers by which an agent shows who it is, as received. */
export interface AgentProof {
  readonly authorization?: string | undefined;
  readonly signInWithX?: string | undefined;
  readonly signature?: string | undefined;
  readonly signatureInput?: string | undefined;
  readonly signatureAgent?: string | undefined;
  readonly covered?: Readonly<Record<string, string>> | undefined;
}

/** What a provider says of the route, for the challenge. */
export interface ChallengeHints {
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
}

/** What the gate is asked. */
export interface RequestToCheck extends RequestToPrice, ChallengeHints {
  /** PAYMENT-SIGNATURE as received. */
  readonly paymentSignature?: string | undefined;
  /** X-PAYMENT as received. */
  readonly xPayment?: string | undefined;
  readonly proof?: AgentProof | undefined;
  /** Idempotency-Key as received. */
  readonly idempotencyKey?: string | undefined;
  /** Names this arrival of the request; the same attempt may ask again. */
  readonly attempt?: string | undefined;
}

/** A request at the gate, read. */
export interface Asked {
  readonly provider: string;
  readonly request: RequestToCheck;
  readonly quoted: QuotedRequest;
  /** The name the agent gave this payment: it is paid for once, however often it is presented, under any signature. */
  readonly identified?: Identified | undefined;
}

/** A fresh challenge is to be given, and why. */
export interface ChallengeAgain {
  readonly decision: 'again';
  /** Reason code of the challenge. */
  readonly error: string;
  /** Keys for the `extra` of this way's own offer: what a client needs to correct itself. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** What else an agent may want to know, for the `farebox` extension of the challenge. */
  readonly info?: Readonly<Record<string, unknown>>;
}

export type Verdict = CheckDecision | ChallengeAgain;

export const again = (
  error: string,
  extra?: ChallengeAgain['extra'],
  info?: ChallengeAgain['info'],
): ChallengeAgain => ({
  decision: 'again',
  error,
  ...(extra ? { extra } : {}),
  ...(info ? { info } : {}),
});

export interface RequestToCapture {
  /** `pay_…`, `hld_…`, `vch_…` */
  readonly payment: string;
  /** What was measured; absent: what was checked. */
  readonly quantity?: string | undefined;
  readonly reply: WireReply;
}

export interface RequestToExtend {
  readonly payment: string;
  /** Units used so far. */
  readonly used: string;
  /** Units to be covered in all. */
  readonly upTo: string;
}

/** A way to pay, once a request was let through: charge it, cover more of it, let it go, tell how it stands. */
export interface WayToPay {
  /** What the ids of its payments begin with. */
  readonly prefix: string;
  /** @throws Fault not_found for a payment that is not this provider's, invalid_request for a quantity above the checked one */
  capture(input: { readonly provider: string; readonly request: RequestToCapture }): Promise<CaptureDecision>;
  /** @throws Fault not_found for a payment that is not this provider's */
  extend(input: { readonly provider: string; readonly request: RequestToExtend }): Promise<ExtendDecision>;
  /** @throws Fault not_found for a payment that is not this provider's, conflict for one that was captured */
  void(input: {
    readonly provider: string;
    readonly request: { readonly payment: string; readonly reason?: string | undefined };
  }): Promise<{ payment: PaymentView }>;
  read(id: string): Promise<PaymentView | undefined>;
}

/** A way whose proof is an x402 payment of one scheme. */
export interface PaymentScheme extends WayToPay {
  /** As in the protocol. */
  readonly scheme: string;
  /** The one network it is for, where that is no chain; absent: those of the assets. */
  readonly network?: string;
  /** The code for terms that are not what was offered, where the scheme has one of its own. */
  readonly mismatch?: string;
  /** What a challenge with its offer says beside it, by the names of extensions. */
  readonly extensions?: Readonly<Record<string, object>>;
  /** Whether it takes the name of a payment in the commit of its claim. */
  readonly takesNames?: boolean;
  /** Its offer for a quote; undefined where it cannot pay it. The same quote gives the same offer. */
  offer(quote: Quote, seal: string): PaymentRequirements | undefined;
  /** What becomes of a payment whose terms were found to be ours: `quote` is what was offered, maybe some time ago. */
  pay(asked: Asked, quote: Quote, payload: PaymentPayload): Promise<Verdict>;
  /** What becomes of a request that asks for a payment again: its answer, once there is one. */
  repeat?(payment: string, asked: Asked): Promise<Verdict>;
}

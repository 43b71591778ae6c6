/**
 * What a paywall and a Farebox gate say to each other: JSON over HTTP, authenticated with a provider key of scope `gate`
 * (`Authorization: Bearer …`). The paywall obeys: whatever the gate decides about a request, it writes out unchanged.
 */

/** `POST /v1/gate/check`: may this request go ahead? */
export interface CheckRequest {
  /** HTTP method of the priced request, upper case. */
  readonly method: string;
  /** Absolute URL of the priced request as the agent sees it, with its query. */
  readonly url: string;
  /** Lower-case hex SHA-256 of the request body; absent when there is none. Binds the payment to the body. */
  readonly bodyDigest?: string;
  /** Name of the meter this request is sold by. */
  readonly meter: string;
  /** Units of the meter the request will use, a plain decimal; "1" when absent. */
  readonly quantity?: string;
  /** Plain text for the challenge, at most 200 characters. */
  readonly description?: string;
  /** Media type of the answer, for the challenge. */
  readonly mimeType?: string;
  /** The agent's `PAYMENT-SIGNATURE` header (protocol version 2), as received. */
  readonly paymentSignature?: string;
  /** The agent's `X-PAYMENT` header (protocol version 1), as received. */
  readonly xPayment?: string;
  /** What shows who asks, where the agent sent any of it. */
  readonly proof?: AgentProof;
  /** The agent's `Idempotency-Key`: the same key for the same request is charged once. 1 to 128 printable characters. */
  readonly idempotencyKey?: string;
  /**
   * Names this one arrival of the request, with 16 to 64 letters, digits, `-` or `_` that nobody can guess. When the answer is
   * lost, the same question with the same attempt is told to serve again; any other presentation of the payment is not.
   */
  readonly attempt?: string;
}

/** Headers by which an agent shows who it is, as received. */
export interface AgentProof {
  /** `Authorization`, when it carries an agent key: `Bearer fbx_…`. */
  readonly authorization?: string;
  /** `SIGN-IN-WITH-X` */
  readonly signInWithX?: string;
  /** `Signature`, `Signature-Input` and `Signature-Agent` of RFC 9421 HTTP message signatures. */
  readonly signature?: string;
  readonly signatureInput?: string;
  readonly signatureAgent?: string;
  /** Other headers that the signature covers, by lower-case name; at most 8. */
  readonly covered?: Readonly<Record<string, string>>;
}

/** An answer to write out as it is. `body` is base64 of the bytes; an empty string is an empty body. */
export interface WireReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where a payment stands, as an agent or a provider may know it. */
export interface PaymentView {
  /** `pay_…` of a signed transfer, `hld_…` of a hold on a balance or on credit, `vch_…` of a voucher of a channel. */
  readonly id: string;
  readonly status: PaymentStatus;
  /** Account that is charged, `acct_…`. */
  readonly account: string;
  /** Who pays: a wallet (0x-prefixed, lower case), an agent key (`key_…`), or the host that signs for the agent. */
  readonly payer: string;
  /** CAIP-2 network; `farebox:prepaid` for a balance kept here, `farebox:credit` for credit. */
  readonly network: string;
  /** Token address, lower case; of a balance its asset id. */
  readonly asset: string;
  /** Most that may be charged, atomic units, a decimal string. */
  readonly amount: string;
  /** Atomic units charged; absent until the request was served. */
  readonly charged?: string;
  /** Hash of the transfer, once one was signed for. */
  readonly transaction?: string;
  readonly meter?: string;
  readonly quantity?: string;
  readonly priceVersion?: string;
  /** Public URL of this document. */
  readonly statusUrl: string;
}

/**
 * reserved: claimed, not served yet · served: served, not on its way yet · submitted: handed to the chain · confirmed: in a
 * block · final: in a block that stays · voided: never charged · failed: proven not to have been paid.
 */
export type PaymentStatus = 'reserved' | 'served' | 'submitted' | 'confirmed' | 'final' | 'voided' | 'failed';

export type CheckDecision =
  /** Serve it, hold the response, then capture or void. */
  | {
      readonly decision: 'serve';
      readonly payment: PaymentView;
      /** Seconds within which the capture has to arrive; afterwards the payment is voided. */
      readonly captureWithinSeconds: number;
    }
  /** Answer the agent with `reply`: a challenge, a stored answer, or a refusal. */
  | { readonly decision: 'pay' | 'replay' | 'refuse'; readonly reply: WireReply };

/** `POST /v1/gate/capture`: the request was served; charge it. Repeating it gives the same answer. */
export interface CaptureRequest {
  readonly payment: string;
  /** What was measured, a plain decimal, at most the quantity checked; absent: what was checked. */
  readonly quantity?: string;
  /** The handler's answer, kept so that the same payment presented again gets it again. `body` is base64. */
  readonly reply: WireReply;
}

export type CaptureDecision =
  /** Send the handler's answer with these headers added. */
  | { readonly decision: 'release'; readonly payment: PaymentView; readonly headers: Readonly<Record<string, string>> }
  /** Do not send it: write `reply` instead (settlement pending, or the reservation has ended). */
  | { readonly decision: 'withhold'; readonly payment: PaymentView; readonly reply: WireReply };

/**
 * `POST /v1/gate/extend`: a long answer is under way. Fixes what it has used so far, so that it is charged even if the caller dies,
 * and reserves what it will use next. Totals, not increments: repeating it changes nothing.
 */
export interface ExtendRequest {
  readonly payment: string;
  /** Units used so far, a plain decimal. */
  readonly used: string;
  /** Units that are to be covered in all, a plain decimal of at least `used`. */
  readonly upTo: string;
}

export type ExtendDecision =
  /** Go on: `upTo` is covered. With seconds: the capture now has so long from here. */
  | { readonly decision: 'go'; readonly payment: PaymentView; readonly captureWithinSeconds?: number }
  /** End the answer here and capture what was used: no more can be covered. */
  | { readonly decision: 'stop'; readonly payment: PaymentView; readonly reason: string };

/** `POST /v1/gate/void`: the request was not served; let the authorization go. Repeating it gives the same answer. */
export interface VoidRequest {
  readonly payment: string;
  /** Why, for the provider's own records, at most 200 characters. */
  readonly reason?: string;
}

export interface VoidDecision {
  readonly payment: PaymentView;
}

/**
 * `POST /v1/gate/batch`: questions that wait at the same moment, in one exchange. One JSON text a line (`application/x-ndjson`), at most
 * 256 lines and 4 MiB. Answered by as many lines of `BatchAnswer`, each sent as soon as it is decided, in any order. A gate that has no
 * such route answers 404; then each question goes to the route of its own.
 */
export type BatchQuestion =
  | { readonly ask: 'check'; readonly question: CheckRequest }
  | { readonly ask: 'capture'; readonly question: CaptureRequest }
  | { readonly ask: 'extend'; readonly question: ExtendRequest }
  | { readonly ask: 'void'; readonly question: VoidRequest };

export interface BatchAnswer {
  /** Line of the question, from 0. */
  readonly n: number;
  /** What the question's own route would have answered with: a decision, or a problem document. */
  readonly status: number;
  readonly answer: unknown;
}

// What the gate answers. The wire contract is owned by the paywall package; apps/api holds the two against each other.

/** An answer to write out as it is; `body` is base64. */
export interface WireReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type PaymentStatus = 'reserved' | 'served' | 'submitted' | 'confirmed' | 'final' | 'voided' | 'failed';

/** The public document of a payment. Amounts are atomic units as decimal strings. */
export interface PaymentView {
  readonly id: string;
  readonly status: PaymentStatus;
  readonly account: string;
  readonly payer: string;
  readonly network: string;
  readonly asset: string;
  readonly amount: string;
  readonly charged?: string;
  readonly transaction?: string;
  readonly meter?: string;
  readonly quantity?: string;
  readonly priceVersion?: string;
  readonly statusUrl: string;
}

export type CheckDecision =
  | { readonly decision: 'serve'; readonly payment: PaymentView; readonly captureWithinSeconds: number }
  | { readonly decision: 'pay' | 'replay' | 'refuse'; readonly reply: WireReply };

export type CaptureDecision =
  | { readonly decision: 'release'; readonly payment: PaymentView; readonly headers: Readonly<Record<string, string>> }
  | { readonly decision: 'withhold'; readonly payment: PaymentView; readonly reply: WireReply };

export type ExtendDecision =
  | { readonly decision: 'go'; readonly payment: PaymentView; readonly captureWithinSeconds?: number }
  | { readonly decision: 'stop'; readonly payment: PaymentView; readonly reason: string };

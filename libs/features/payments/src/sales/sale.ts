import type { PaymentAsset, QuotedRequest } from '@core/payments';
import type { PaymentRow, SaleOrigin } from '../exact/payments.store.js';
import type { ChallengeHints } from '../gate/way-to-pay.js';

/** The payment of a request, as it came. */
export interface ShownHeaders {
  /** PAYMENT-SIGNATURE and X-PAYMENT as received. */
  readonly paymentSignature: string | undefined;
  readonly xPayment: string | undefined;
}

/** A claimed payment, as what it buys has to know it. */
export type ClaimedPayment = Pick<PaymentRow, 'id' | 'provider' | 'assetId' | 'amount'>;

/** What a request is about, whatever that costs now. */
export interface Sold {
  readonly provider: string;
  /** As it is quoted and bound. */
  readonly request: QuotedRequest;
  /** What it is paid in. */
  readonly asset: PaymentAsset;
}

/**
 * Something of ours that is sold for an x402 payment of exactly its price, and what is particular to it: `Sell` does the rest. Nothing is
 * worked out between a claim and its capture.
 */
export interface Sale<Asked> {
  /** What its payments are for. Begins their bindings, so that none is ever taken for that of another sale, or of a call. */
  readonly origin: SaleOrigin;
  /** Sets its seals apart from those of all other offers. */
  readonly seal: string;
  readonly hints: ChallengeHints;
  /** Whether it matters who asks: only then agents are offered to sign in. */
  readonly asksWho: boolean;
  /** @throws Fault not_found, unavailable (`no_asset`) while no token can be paid with */
  sold(asked: Asked): Promise<Sold>;
  /**
   * Atomic units of the asset. Writes nothing.
   * @throws Fault when it is not for sale now, or not on these terms
   */
  price(asked: Asked, sold: Sold): Promise<bigint>;
  /**
   * The account that it is for; undefined: that of the wallet that pays.
   * @throws Fault unauthenticated, forbidden for who may not buy it
   */
  buyer(asked: Asked): Promise<string | undefined>;
  /**
   * Fixes in one commit what a claimed payment buys, for whom. A payment that is not reserved any more stays as it is.
   * `gone`: it is not for sale any more on the terms that were paid; nothing was written.
   */
  capture(asked: Asked, payment: ClaimedPayment, account: string): Promise<'captured' | 'gone'>;
  /** What was bought, as it stands: the answer's body, and where to look again. */
  show(payment: { readonly id: string }): Promise<{ readonly body: object; readonly statusUrl: string }>;
}

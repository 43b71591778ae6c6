import type { PaymentRequirements } from './requirements.js';

/** Extension by which a server signs what it offers and what it was paid. */
export const OFFER_RECEIPT = 'offer-receipt';

/** What a signed offer says. */
interface OfferPayload {
  readonly version: 1;
  readonly resourceUrl: string;
  readonly scheme: string;
  readonly network: string;
  readonly asset: string;
  readonly payTo: string;
  readonly amount: string;
  /** Seconds since the epoch; after it the offer need not be honoured. */
  readonly validUntil: number;
}

/** What a signed receipt says: the payer was served this resource. */
export interface ReceiptPayload {
  readonly version: 1;
  readonly network: string;
  readonly resourceUrl: string;
  readonly payer: string;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Absent while there is none. */
  readonly transaction?: string;
}

/** The payload of the signed offer that stands for one element of `accepts`. */
export const offerPayloadOf = (
  { scheme, network, asset, payTo, amount }: PaymentRequirements,
  resourceUrl: string,
  validUntil: number,
): OfferPayload => ({ version: 1, resourceUrl, scheme, network, asset, payTo, amount, validUntil });

/** A compact JWS in the extension's form. */
interface JwsArtefact {
  readonly format: 'jws';
  readonly signature: string;
}

/** The extension of a challenge. `offers` are compact JWS, one per element of `accepts` and in its order. */
export const signedOffers = (
  offers: readonly string[],
): {
  readonly info: { readonly offers: readonly (JwsArtefact & { readonly acceptIndex: number })[] };
  readonly schema: object;
} => ({
  info: { offers: offers.map((signature, acceptIndex) => ({ format: 'jws', acceptIndex, signature })) },
  // Clients echo it: it says no more than the protocol's own schema needs to be told apart.
  schema: { type: 'object', properties: { offers: { type: 'array' } }, required: ['offers'] },
});

/** The extension of a settlement that succeeded. `receipt` is a compact JWS. */
export const signedReceipt = (
  receipt: string,
): { readonly info: { readonly receipt: JwsArtefact }; readonly schema: object } => ({
  info: { receipt: { format: 'jws', signature: receipt } },
  schema: { type: 'object', properties: { receipt: { type: 'object' } }, required: ['receipt'] },
});

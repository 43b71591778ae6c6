import { canonicalJson, type DocumentSigner, type Json } from '@core/records';
import { OFFER_RECEIPT, offerPayloadOf, type PaymentRequirements, signedOffers } from '@core/x402';

/** Most signatures kept. */
const KEPT = 20_000;
/** What the extension has beside its signatures, and for each of them. */
const FRAME = 150;
const FRAME_OF_EACH = 60;

/** Signs the offers of challenges, so that an agent can show what it was offered. An offer that is made again is not signed again. */
export class SignedOffers {
  readonly #kept = new Map<string, string>();

  constructor(private readonly signer: DocumentSigner) {}

  /**
   * The extension of a challenge; empty where it would take more than `room` characters.
   * @param validUntil seconds since the epoch
   */
  extensionFor(
    accepts: readonly PaymentRequirements[],
    resourceUrl: string,
    validUntil: number,
    room: number,
  ): Readonly<Record<string, unknown>> {
    const offers = accepts.map((offer) => this.#sign({ ...offerPayloadOf(offer, resourceUrl, validUntil) }));
    const length = offers.reduce((sum, offer) => sum + offer.length + FRAME_OF_EACH, FRAME);
    return offers.length === 0 || length > room ? {} : { [OFFER_RECEIPT]: signedOffers(offers) };
  }

  #sign(payload: Json): string {
    const key = canonicalJson(payload);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const signed = this.signer.sign(payload);
    if (this.#kept.size >= KEPT) this.#kept.clear();
    this.#kept.set(key, signed);
    return signed;
  }
}

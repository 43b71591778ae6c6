import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { type PayableAssets, type Quote, requirementsOf } from '@core/payments';
import { exactBindingText } from '@core/records';
import { addMs, type Clock, epochSeconds } from '@core/time';
import {
  type ExactAuthorization,
  exactAuthorizationOf,
  networkOfNameV1,
  type PaymentPayload,
  type PaymentPayloadV1,
  type PaymentRequirements,
} from '@core/x402';
import type { PriceRequest } from '../gate/price-request.js';
import { requestDigest } from '../gate/quote-sealer.js';
import { malformed } from '../gate/refusals.js';
import { again, type Asked, type PaymentScheme, type Verdict } from '../gate/way-to-pay.js';
import type { AuthorizePayment } from './authorize-payment.js';
import { claimKey } from './claim-payment.js';
import { type ClaimedParts, ClaimedWay, presentedFor } from './claimed-way.js';

/** Scheme `exact` on EVM: a signed transfer of the very amount, claimed before the work and settled after it. */
export class ExactWay extends ClaimedWay implements PaymentScheme {
  readonly scheme = 'exact';

  constructor(
    parts: ClaimedParts,
    private readonly prices: PriceRequest,
    private readonly authorize: AuthorizePayment,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly quoteSeconds: number,
  ) {
    super(parts);
  }

  offer(quote: Quote, seal: string): PaymentRequirements {
    return requirementsOf(quote, seal);
  }

  async pay(asked: Asked, quote: Quote, payload: PaymentPayload): Promise<Verdict> {
    const read = exactAuthorizationOf(payload);
    if (read.ok) return this.#decide(asked, quote, read.authorization);
    return read.reason === 'unsupported_payload_type' ? again(read.reason) : malformed(read.message, read.reason);
  }

  /** Version 1 echoes nothing: the price is computed again, now and as it was when an offer still open was made. */
  async payV1(asked: Asked, payload: PaymentPayloadV1): Promise<Verdict> {
    if (payload.scheme !== 'exact') return again('unsupported_scheme');
    if (!this.assets().some(({ network }) => network === networkOfNameV1(payload.network)))
      return again('invalid_network');
    const read = exactAuthorizationOf(payload);
    if (!read.ok)
      return read.reason === 'unsupported_payload_type' ? again(read.reason) : malformed(read.message, read.reason);
    const { authorization } = read;
    const { provider, quoted } = asked;
    const current = await this.prices.run(provider, quoted);
    if (current.amount === authorization.value) return this.#decide(asked, current, authorization);
    const earlier = await this.prices
      .run(provider, quoted, addMs(this.clock.now(), -this.quoteSeconds * 1000))
      .catch((error: unknown) => {
        if (error instanceof Fault && error.reason === 'no_price') return undefined;
        throw error;
      });
    const life = { issuedAt: current.issuedAt, expiresAt: current.expiresAt };
    const quote = earlier?.amount === authorization.value ? { ...earlier, ...life } : current;
    return this.#decide(asked, quote, authorization);
  }

  async #decide(asked: Asked, quote: Quote, authorization: ExactAuthorization): Promise<Verdict> {
    const binding = bindingOf(quote, authorization);
    if (quote.expiresAt <= epochSeconds(this.clock.now())) {
      // An expired quote takes no new claim, but what was claimed in time is answered for as long as it is kept.
      const payment = await this.parts.store.findClaim(claimKey(quote.asset, authorization));
      if (payment?.binding === binding && this.authorize.signedBy(quote.asset, authorization))
        return this.repeatOf(payment, asked.request);
      return again('quote_expired');
    }
    const presented = { ...presentedFor(quote, asked), asset: quote.asset, authorization, binding };
    return this.conclude(await this.authorize.run(presented), asked);
  }
}

/** Lower-case hex digest of what a claim pays for. EIP-3009 itself binds no resource, so the claim does. */
const bindingOf = ({ provider, request, asset }: Quote, { to, value }: ExactAuthorization): string =>
  createHash('sha256')
    .update(
      exactBindingText({
        provider,
        request: requestDigest(request),
        network: asset.network,
        asset: asset.domain.address,
        payTo: to,
        amount: value,
      }),
    )
    .digest('hex');

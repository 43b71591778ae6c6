import { createHash } from 'node:crypto';
import { AUTHORIZATION_SECONDS, type Quote } from '@core/payments';
import { exactBindingText } from '@core/records';
import { type Clock, epochSeconds } from '@core/time';
import {
  type Hex,
  type PaymentPayload,
  type PaymentRequirements,
  UPTO,
  type UptoAuthorization,
  uptoAuthorizationOf,
} from '@core/x402';
import { claimKey } from '../exact/claim-payment.js';
import { type ClaimedParts, ClaimedWay, presentedFor } from '../exact/claimed-way.js';
import { requestDigest } from '../gate/quote-sealer.js';
import { malformed } from '../gate/refusals.js';
import { again, type Asked, type PaymentScheme, type Verdict } from '../gate/way-to-pay.js';
import { type AuthorizeCeiling, presentationOf, transferOf } from './authorize-ceiling.js';
import type { CheckCeiling } from './check-ceiling.js';
import type { UptoDoors } from './upto-doors.js';

/** Scheme `upto` on EVM: a signed ceiling, claimed before the work; what was used of it is settled after the work. */
export class UptoWay extends ClaimedWay implements PaymentScheme {
  readonly scheme = UPTO;

  constructor(
    parts: ClaimedParts,
    private readonly doors: UptoDoors,
    private readonly check: CheckCeiling,
    private readonly authorize: AuthorizeCeiling,
    private readonly clock: Clock,
  ) {
    super(parts);
  }

  offer(quote: Quote, seal: string): PaymentRequirements | undefined {
    const { asset } = quote;
    if (asset.domain.chainId !== this.doors.verifier.chainId) return undefined;
    return {
      scheme: this.scheme,
      network: asset.network,
      amount: quote.amount.toString(),
      asset: asset.displayAddress,
      payTo: quote.payTo,
      maxTimeoutSeconds: AUTHORIZATION_SECONDS,
      extra: {
        assetTransferMethod: 'permit2',
        facilitatorAddress: this.#facilitatorOf(seal),
        name: asset.domain.name,
        version: asset.domain.version,
        quote: seal,
        priceVersion: quote.priceId,
      },
    };
  }

  /** One for a quote, whoever asks and however often; quotes are spread over all. */
  #facilitatorOf(seal: string): Hex {
    const { facilitators } = this.doors;
    const place = createHash('sha256').update(seal).digest().readUInt32BE() % facilitators.length;
    return facilitators[place] ?? facilitators[0];
  }

  async pay(asked: Asked, quote: Quote, payload: PaymentPayload): Promise<Verdict> {
    const read = uptoAuthorizationOf(payload);
    if (!read.ok)
      return read.reason === 'unsupported_payload_type' ? again(read.reason) : malformed(read.message, read.reason);
    const { authorization } = read;
    const binding = bindingOf(quote, authorization);
    if (quote.expiresAt <= epochSeconds(this.clock.now())) {
      // An expired quote takes no new claim, but what was claimed in time is answered for as long as it is kept.
      const payment = await this.parts.store.findClaim(claimKey(quote.asset, transferOf(authorization)));
      if (payment?.binding === binding && this.check.signedBy(authorization))
        return this.repeatOf(payment, asked.request);
      return again('quote_expired');
    }
    const presentation = presentationOf({ ...presentedFor(quote, asked), binding }, quote.asset, authorization);
    const seal = payload.accepted.extra?.['quote'];
    const facilitators = [this.#facilitatorOf(typeof seal === 'string' ? seal : '')];
    return this.conclude(await this.authorize.run({ presentation, authorization, facilitators }), asked);
  }
}

/** Lower-case hex digest of what a claim pays for. The signature binds no resource, so the claim does. */
const bindingOf = ({ provider, request, asset }: Quote, { to, amount }: UptoAuthorization): string =>
  createHash('sha256')
    .update(
      `upto\n${exactBindingText({
        provider,
        request: requestDigest(request),
        network: asset.network,
        asset: asset.domain.address,
        payTo: to,
        amount,
      })}`,
    )
    .digest('hex');

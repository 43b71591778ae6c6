import { type PayableAssets, type Quote, RELEASE_LEVELS } from '@core/payments';
import {
  BATCH_SETTLEMENT,
  decodePaymentHeader,
  decodePaymentHeaderV1,
  type PaymentPayload,
  type PaymentRequirements,
  paymentIdentifierOf,
  sameRequirements,
} from '@core/x402';
import type { PrepaidWay } from '../prepaid/prepaid-way.js';
import type { ExactWay } from '../exact/exact-way.js';
import type { Challenges } from './challenge.js';
import type { CheckDecision } from './gate-decisions.js';
import { fingerprintOf } from './identified.js';
import type { PayUnderName } from './pay-under-name.js';
import { type PriceRequest, readQuotedRequest } from './price-request.js';
import { type QuoteSealer, requestDigest } from './quote-sealer.js';
import { malformed } from './refusals.js';
import { again, type Asked, type PaymentScheme, type RequestToCheck, type Verdict } from './way-to-pay.js';

/** What the gate is asked once per request: may it go ahead? Steps as in the order of checks of a payment header. */
export class CheckPayment {
  constructor(
    private readonly prices: PriceRequest,
    private readonly challenges: Challenges,
    private readonly sealer: QuoteSealer,
    private readonly exact: ExactWay,
    private readonly schemes: readonly PaymentScheme[],
    private readonly assets: PayableAssets,
    private readonly prepaid: PrepaidWay | undefined,
    private readonly names: PayUnderName,
  ) {}

  /** @throws Fault for a request the provider has to mend, and `unavailable` when nothing can be decided now. */
  async run({ provider, request }: { provider: string; request: RequestToCheck }): Promise<CheckDecision> {
    const asked: Asked = { provider, request, quoted: readQuotedRequest(request) };
    if (request.paymentSignature !== undefined) {
      const decoded = decodePaymentHeader(request.paymentSignature);
      if (!decoded.ok) return malformed(decoded.message, decoded.reason);
      return this.#conclude(asked, await this.#pay(asked, decoded.payload), decoded.payload.accepted);
    }
    if (request.xPayment !== undefined) {
      const decoded = decodePaymentHeaderV1(request.xPayment);
      if (!decoded.ok) return malformed(decoded.message, decoded.reason);
      return this.#conclude(asked, await this.exact.payV1(asked, decoded.payload));
    }
    const prepaid = await this.prepaid?.pay(asked);
    if (prepaid) return this.#conclude(asked, prepaid);
    return { decision: 'pay', reply: this.challenges.unpaid(await this.prices.run(provider, asked.quoted), request) };
  }

  /** Version 2 echoes the offer: the seal in it is opened, the offer rebuilt from it and compared to the last key. */
  async #pay(asked: Asked, payload: PaymentPayload): Promise<Verdict> {
    const { accepted } = payload;
    const scheme = this.#schemeOf(accepted);
    if (!scheme) return again('unsupported_scheme');
    const mismatch = (error: string) => again(scheme.mismatch ?? error);
    const seal = accepted.extra?.['quote'];
    const sealed = typeof seal === 'string' ? this.sealer.open(seal) : undefined;
    if (!sealed || typeof seal !== 'string') return mismatch('invalid_payment_requirements');
    const asset = this.assets().find(
      ({ network, domain }) => network === sealed.network && domain.address === sealed.asset,
    );
    const release = RELEASE_LEVELS.find((level) => level === sealed.release);
    if (!asset || !release) return again('invalid_network');
    if (sealed.provider !== asked.provider || sealed.request !== requestDigest(asked.quoted))
      return mismatch('quote_is_for_another_request');
    const quote: Quote = { ...sealed, release, asset, request: asked.quoted };
    const offer = scheme.offer(quote, seal);
    if (!offer || !sameRequirements(offer, withoutCorrections(accepted))) {
      return mismatch(accepted.network === quote.asset.network ? 'invalid_payment_requirements' : 'invalid_network');
    }
    const named = paymentIdentifierOf(payload);
    if (!named.ok) return malformed(named.message, 'invalid_payment_identifier');
    if (named.identifier === undefined) return scheme.pay(asked, quote, payload);
    const identified = { identifier: named.identifier, fingerprint: fingerprintOf(quote, scheme.scheme) };
    return this.names.run(scheme, { ...asked, identified }, quote, payload);
  }

  /** Of two that are called the same, the one for the network that was accepted. */
  #schemeOf({ scheme, network }: PaymentRequirements): PaymentScheme | undefined {
    const named = this.schemes.filter((known) => known.scheme === scheme);
    return named.find((known) => known.network === network) ?? named.find((known) => known.network === undefined);
  }

  /** `accepted`: the offer whose payment was not taken. */
  async #conclude(
    { provider, quoted, request }: Asked,
    verdict: Verdict,
    accepted?: Pick<PaymentRequirements, 'scheme' | 'network'>,
  ): Promise<CheckDecision> {
    if (verdict.decision !== 'again') return verdict;
    const quote = await this.prices.run(provider, quoted);
    const correction = accepted &&
      verdict.extra && { scheme: accepted.scheme, network: accepted.network, extra: verdict.extra };
    const more = { correction, info: verdict.info };
    const reply = this.challenges.refused(quote, request, verdict.error, more);
    // Another signature would not help: the payer has to let Permit2 move its tokens first.
    const status = verdict.error === 'permit2_allowance_required' ? 412 : reply.status;
    return { decision: 'pay', reply: { ...reply, status } };
  }
}

/** A corrected offer of a channel says where the channel stands as well. Clients echo it; it is no term of the offer. */
function withoutCorrections(accepted: PaymentRequirements): PaymentRequirements {
  if (accepted.scheme !== BATCH_SETTLEMENT || accepted.extra === undefined) return accepted;
  const { channelState: _state, voucherState: _voucher, ...extra } = accepted.extra;
  return { ...accepted, extra };
}

import { Fault } from '@core/faults';
import { type PayableAssets, type Quote, type QuotedRequest, requirementsOf } from '@core/payments';
import {
  decodePaymentHeader,
  decodePaymentHeaderV1,
  type ExactAuthorization,
  exactAuthorizationOf,
  networkOfNameV1,
  paymentIdentifierOf,
  sameRequirements,
} from '@core/x402';
import { type Identified, fingerprintOf } from '../gate/identified.js';
import { type QuoteSealer, requestDigest } from '../gate/quote-sealer.js';

/** What a request to buy balance shows. Undefined: the payment is none of ours, and `error` says why in the protocol's words. */
export type ShownPayment =
  | { readonly error: string }
  | {
      readonly quote: Quote;
      readonly authorization: ExactAuthorization;
      readonly identified: Identified | undefined;
    };

const malformed = (message: string, reason: string): Fault =>
  new Fault('invalid_request', `${message}. Nothing was charged.`, { reason });

/** Reads a payment of version 2, which echoes the offer: the seal in it is opened, the offer made again and compared to the last key. */
export function readPaymentV2(
  header: string,
  asked: { readonly provider: string; readonly amount: bigint; readonly request: QuotedRequest },
  { sealer, assets }: { readonly sealer: QuoteSealer; readonly assets: PayableAssets },
): ShownPayment {
  const decoded = decodePaymentHeader(header);
  if (!decoded.ok) throw malformed(decoded.message, decoded.reason);
  const { payload } = decoded;
  const { accepted } = payload;
  if (accepted.scheme !== 'exact') return { error: 'unsupported_scheme' };
  const seal = accepted.extra?.['quote'];
  const sealed = typeof seal === 'string' ? sealer.open(seal) : undefined;
  if (!sealed || typeof seal !== 'string') return { error: 'invalid_payment_requirements' };
  const asset = assets().find(({ network, domain }) => network === sealed.network && domain.address === sealed.asset);
  if (!asset) return { error: 'invalid_network' };
  const { provider, amount, request } = asked;
  if (sealed.provider !== provider || sealed.amount !== amount || sealed.request !== requestDigest(request)) {
    return { error: 'quote_is_for_another_request' };
  }
  const quote: Quote = { ...sealed, release: 'confirmed', asset, request };
  if (!sameRequirements(requirementsOf(quote, seal), accepted)) {
    return { error: accepted.network === asset.network ? 'invalid_payment_requirements' : 'invalid_network' };
  }
  const named = paymentIdentifierOf(payload);
  if (!named.ok) throw malformed(named.message, 'invalid_payment_identifier');
  const { identifier } = named;
  const identified = identifier === undefined ? undefined : { identifier, fingerprint: fingerprintOf(quote, 'exact') };
  const read = exactAuthorizationOf(payload);
  if (read.ok) return { quote, authorization: read.authorization, identified };
  if (read.reason === 'unsupported_payload_type') return { error: read.reason };
  throw malformed(read.message, read.reason);
}

/** Reads a payment of version 1, which echoes nothing: it pays what is asked for now. */
export function readPaymentV1(header: string, quote: Quote): ShownPayment {
  const decoded = decodePaymentHeaderV1(header);
  if (!decoded.ok) throw malformed(decoded.message, decoded.reason);
  const { payload } = decoded;
  if (payload.scheme !== 'exact') return { error: 'unsupported_scheme' };
  if (networkOfNameV1(payload.network) !== quote.asset.network) return { error: 'invalid_network' };
  const read = exactAuthorizationOf(payload);
  if (read.ok) return { quote, authorization: read.authorization, identified: undefined };
  if (read.reason === 'unsupported_payload_type') return { error: read.reason };
  throw malformed(read.message, read.reason);
}

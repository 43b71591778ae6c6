import { Fault } from '@core/faults';
import { type PayableAssets, type Quote, requirementsOf } from '@core/payments';
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
import type { ShownHeaders, Sold } from './sale.js';

/** What a request to buy shows. With `error` the payment is none of ours, and it says why in the protocol's words. */
export type ShownPayment =
  | { readonly error: string }
  | {
      /** What it pays, and in what. */
      readonly sold: Sold;
      /** The offer it echoes; version 1 echoes none, and pays what is asked for now. */
      readonly quote: Quote | undefined;
      readonly authorization: ExactAuthorization;
      readonly identified: Identified | undefined;
    };

/** Reads what headers show. Nothing is asked of anybody. */
export function readShownPayment(
  { paymentSignature, xPayment }: ShownHeaders,
  sold: Sold,
  parts: { readonly sealer: QuoteSealer; readonly assets: PayableAssets },
): ShownPayment | undefined {
  if (paymentSignature !== undefined) return readV2(paymentSignature, sold, parts);
  return xPayment === undefined ? undefined : readV1(xPayment, sold);
}

const malformed = (message: string, reason: string): Fault =>
  new Fault('invalid_request', `${message}. Nothing was charged.`, { reason });

/** Version 2 echoes the offer: the seal in it is opened, the offer made again and compared to the last key. */
function readV2(
  header: string,
  sold: Sold,
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
  const { provider, request } = sold;
  if (sealed.provider !== provider || sealed.request !== requestDigest(request)) {
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
  if (read.ok) return { sold: { provider, request, asset }, quote, authorization: read.authorization, identified };
  if (read.reason === 'unsupported_payload_type') return { error: read.reason };
  throw malformed(read.message, read.reason);
}

function readV1(header: string, sold: Sold): ShownPayment {
  const decoded = decodePaymentHeaderV1(header);
  if (!decoded.ok) throw malformed(decoded.message, decoded.reason);
  const { payload } = decoded;
  if (payload.scheme !== 'exact') return { error: 'unsupported_scheme' };
  if (networkOfNameV1(payload.network) !== sold.asset.network) return { error: 'invalid_network' };
  const read = exactAuthorizationOf(payload);
  if (read.ok) return { sold, quote: undefined, authorization: read.authorization, identified: undefined };
  if (read.reason === 'unsupported_payload_type') return { error: read.reason };
  throw malformed(read.message, read.reason);
}

import { Fault } from '@core/faults';
import { type Decimal, formatDecimal, parseDecimal } from '@core/money';
import { type PayableAssets, type Quote, type QuotedRequest, quoteLife, type ReleaseLevel } from '@core/payments';
import { priceInForce, quote as quoteAmount } from '@core/pricing';
import { type Clock, epochSeconds, type Instant } from '@core/time';
import type { PriceBookCache } from '@features/pricing';
import type { Payees } from './payees.js';

/** What a paywall asks to have priced. */
export interface RequestToPrice {
  readonly method: string;
  readonly url: string;
  readonly bodyDigest?: string | undefined;
  readonly meter: string;
  readonly quantity?: string | undefined;
}

/**
 * Reads what is to be priced, in canonical form: equal requests give equal text.
 * @throws Fault invalid_request that names the field
 */
export function readQuotedRequest(request: RequestToPrice): QuotedRequest {
  if (!/^[A-Z]{3,10}$/.test(request.method)) throw invalid('method', 'has to be an HTTP method in upper case');
  if (request.url.length > 2048 || !URL.canParse(request.url))
    throw invalid('url', 'has to be an absolute URL of at most 2048 characters');
  if (request.bodyDigest !== undefined && !/^[0-9a-f]{64}$/.test(request.bodyDigest)) {
    throw invalid('bodyDigest', 'has to be the lower-case hex SHA-256 of the request body');
  }
  const quantity = parseDecimal(request.quantity ?? '1');
  if (!quantity || quantity.units <= 0n || quantity.scale > 18 || quantity.units.toString().length > 38) {
    throw invalid(
      'quantity',
      'has to be a plain decimal above zero, at most 18 places and 38 digits, such as "1" or "2.5"',
    );
  }
  return {
    method: request.method,
    // As the seller's router sees it: two spellings that a URL parser makes one may be two resources.
    url: request.url,
    bodyDigest: request.bodyDigest ?? '',
    meter: request.meter,
    quantity: formatDecimal(quantity),
  };
}

const invalid = (field: string, what: string): Fault =>
  new Fault('invalid_request', `${field} ${what}.`, { reason: 'invalid_field', details: { field } });

/** What a request costs, whatever it is paid with. */
export interface RequestPrice {
  readonly meterId: string;
  readonly priceId: string;
  /** Atomic units. */
  readonly amount: bigint;
  /** Asset id: a token or a currency. */
  readonly asset: string;
  readonly release: ReleaseLevel;
}

/** Prices requests from the price book. Writes nothing. */
export class PriceRequest {
  constructor(
    private readonly book: PriceBookCache,
    private readonly payees: Payees,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
    private readonly quoteSeconds: number,
  ) {}

  /**
   * The quote of a request at the price in force at `at` (now when absent).
   * @throws as {@link price}, and Fault unprocessable (`asset_not_payable`) for what is priced in a currency
   */
  async run(provider: string, request: QuotedRequest, at: Instant = this.clock.now()): Promise<Quote> {
    const [price, payee] = await Promise.all([this.price(provider, request, at), this.payees.ofProvider(provider)]);
    if (!payee) throw unknownMeter(request.meter);
    const asset = this.assets().find(({ id }) => id === price.asset);
    if (!asset) {
      const why = price.asset.startsWith('iso4217:')
        ? 'a currency: its usage is billed on a statement and cannot be paid per call. Price it in a token to sell it here'
        : 'which cannot be paid per call here';
      throw new Fault('unprocessable', `Meter "${request.meter}" is priced in ${price.asset}, ${why}.`, {
        reason: 'asset_not_payable',
      });
    }
    const { meterId, priceId, amount, release } = price;
    const life = quoteLife(epochSeconds(at), this.quoteSeconds);
    return {
      provider,
      request,
      meterId,
      priceId,
      amount,
      asset,
      payTo: payee.payTo,
      release,
      onCredit: payee.creditAssets.includes(asset.id),
      ...life,
    };
  }

  /**
   * What a request costs at the price in force at `at` (now when absent).
   * @throws Fault not_found for an unknown meter; unprocessable for a meter that cannot be sold per call: without a price, or by a
   *   model or terms that need a whole period (`price_not_per_request`)
   */
  async price(provider: string, request: QuotedRequest, at: Instant = this.clock.now()): Promise<RequestPrice> {
    const entry = await this.book.find(provider, request.meter);
    if (!entry) throw unknownMeter(request.meter);
    const price = priceInForce(entry.prices, at);
    if (!price) {
      throw new Fault(
        'unprocessable',
        `Meter "${request.meter}" has no price in force. Set one with POST /v1/prices.`,
        { reason: 'no_price' },
      );
    }
    const quantity = parseDecimal(request.quantity);
    if (!quantity) throw new Fault('invariant_broken', 'a canonical quantity does not read');
    const amount = quoteAmount(price, quantity).atomic;
    if (amount <= 0n) {
      throw new Fault(
        'unprocessable',
        `Meter "${request.meter}" costs nothing at this quantity: take the paywall off this route.`,
        { reason: 'price_is_zero' },
      );
    }
    return {
      meterId: entry.meter.id,
      priceId: price.id,
      amount,
      asset: price.asset,
      release: price.release satisfies ReleaseLevel,
    };
  }

  /**
   * A stored price version as a function of the quantity, in atomic units; nothing used costs nothing.
   * @throws Fault invariant_broken for a version that is not the meter's
   */
  async atVersion(provider: string, meter: string, priceId: string): Promise<(quantity: Decimal) => bigint> {
    const entry = await this.book.find(provider, meter);
    const price = entry?.prices.find(({ id }) => id === priceId);
    if (!price) throw new Fault('invariant_broken', `price ${priceId} of meter ${meter} is gone`);
    return (quantity) => (quantity.units === 0n ? 0n : quoteAmount(price, quantity).atomic);
  }
}

const unknownMeter = (meter: string): Fault =>
  new Fault('not_found', `There is no meter "${meter.slice(0, 64)}". Create it with POST /v1/meters.`, {
    reason: 'unknown_meter',
  });

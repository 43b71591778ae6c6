import { Fault } from '@core/faults';
import { formatInstant } from '@core/time';
import type { PaymentRequirements } from '@core/x402';
import type { Writer } from '@platform/database';
import type { Challenges } from '../gate/challenge.js';
import type { PriceRequest } from '../gate/price-request.js';
import { type PublishedResource, ResourcesStore } from './resources.store.js';

export interface DiscoveryQuery {
  readonly type?: string | undefined;
  readonly payTo?: string | undefined;
  readonly scheme?: string | undefined;
  readonly network?: string | undefined;
  /** 1 to 100; 20 when absent. */
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
}

/** A resource as the protocol lists it. */
export interface DiscoveredResource {
  readonly resource: string;
  readonly type: 'http' | 'mcp';
  readonly x402Version: 2;
  readonly accepts: readonly PaymentRequirements[];
  readonly lastUpdated: string;
  readonly description?: string;
  readonly mimeType?: string;
  readonly serviceName?: string;
  readonly tags?: readonly string[];
}

const USUAL = 20;

/** `GET /x402/discovery/resources`: what can be bought here, at which offers. Public; prices are those of the moment. */
export class DiscoverResources {
  readonly #store = new ResourcesStore();

  constructor(
    private readonly writer: Writer,
    private readonly prices: PriceRequest,
    private readonly challenges: Challenges,
  ) {}

  async run({ type, payTo, scheme, network, limit = USUAL, offset = 0 }: DiscoveryQuery) {
    const page = await this.#store.page(this.writer, { payTo: payTo?.toLowerCase(), limit, offset });
    const items = await Promise.all(
      page.resources.map(async ({ provider, resource }) =>
        this.#listed(resource, await this.#offers(provider, resource)),
      ),
    );
    return {
      x402Version: 2 as const,
      // An offer that is filtered out is still part of what is listed, as the resource takes it.
      items: items.filter(
        (item) =>
          item.accepts.length > 0 &&
          (type === undefined || item.type === type) &&
          item.accepts.some(
            (offer) =>
              (scheme === undefined || offer.scheme === scheme) && (network === undefined || offer.network === network),
          ),
      ),
      pagination: { limit, offset, total: page.total },
    };
  }

  /** None when it cannot be bought at the moment, its price having gone for instance. */
  async #offers(provider: string, { method, url, meter, quantity }: PublishedResource): Promise<PaymentRequirements[]> {
    const quote = await this.prices
      .run(provider, { method, url, meter, quantity, bodyDigest: '' })
      .catch((error: unknown) => {
        if (error instanceof Fault && error.code !== 'unavailable') return undefined;
        throw error;
      });
    return quote ? this.challenges.offers(quote).map(withoutSeal) : [];
  }

  #listed(resource: PublishedResource, accepts: readonly PaymentRequirements[]): DiscoveredResource {
    const { url, description, mimeType, serviceName, tags } = resource;
    return {
      resource: url,
      type: url.startsWith('mcp:') ? 'mcp' : 'http',
      x402Version: 2,
      accepts,
      lastUpdated: formatInstant(resource.updatedAt),
      ...(description === undefined ? {} : { description }),
      ...(mimeType === undefined ? {} : { mimeType }),
      ...(serviceName === undefined ? {} : { serviceName }),
      ...(tags.length === 0 ? {} : { tags }),
    };
  }
}

/** A listed offer is no quote: the resource itself gives one, sealed for the request it is asked with. */
const withoutSeal = (offer: PaymentRequirements): PaymentRequirements => {
  const { quote: _quote, ...extra } = offer.extra ?? {};
  return { ...offer, extra };
};

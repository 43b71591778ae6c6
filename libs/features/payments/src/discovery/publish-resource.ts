import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { type PriceRequest, readQuotedRequest } from '../gate/price-request.js';
import { type PublishedResource, ResourcesStore } from './resources.store.js';

export interface ResourceToPublish {
  readonly method: string;
  readonly url: string;
  readonly meter: string;
  readonly quantity?: string | undefined;
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
  readonly serviceName?: string | undefined;
  readonly tags?: readonly string[] | undefined;
}

/** Lists a priced resource for whoever looks for one. Publishing the same method and URL again replaces what was said of it. */
export class PublishResource {
  readonly #store = new ResourcesStore();

  constructor(
    private readonly database: Database,
    private readonly prices: PriceRequest,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /** @throws Fault for a resource that could not be sold now: what nobody can buy is not listed */
  async run(
    provider: string,
    input: ResourceToPublish,
  ): Promise<{ readonly created: boolean; readonly resource: PublishedResource }> {
    const { method, url, meter, quantity } = readQuotedRequest(input);
    await this.prices.run(provider, { method, url, meter, quantity, bodyDigest: '' });
    const { description, mimeType, serviceName, tags = [] } = input;
    return this.database.forProvider(provider, (tx) =>
      this.#store.put(tx, provider, {
        id: this.ids.next(ID_PREFIXES.resource),
        method,
        url,
        meter,
        quantity,
        description,
        mimeType,
        serviceName,
        tags,
        updatedAt: this.clock.now(),
      }),
    );
  }
}

export class ListResources {
  readonly #store = new ResourcesStore();

  constructor(private readonly database: Database) {}

  /** A page in order of id. `next` is the cursor of the page after, if there is one. */
  async run(input: {
    readonly provider: string;
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<{ readonly resources: readonly PublishedResource[]; readonly next: string | undefined }> {
    const rows = await this.database.forProvider(input.provider, (tx) =>
      this.#store.list(tx, input.after, input.limit + 1),
    );
    const resources = rows.slice(0, input.limit);
    return { resources, next: rows.length > input.limit ? resources.at(-1)?.id : undefined };
  }
}

/** Takes a resource off the list. It can be bought as before. */
export class WithdrawResource {
  readonly #store = new ResourcesStore();

  constructor(private readonly database: Database) {}

  /** @throws Fault not_found */
  async run(input: { readonly provider: string; readonly resource: string }): Promise<void> {
    const removed = await this.database.forProvider(input.provider, (tx) => this.#store.remove(tx, input.resource));
    if (!removed) throw new Fault('not_found', 'There is no such published resource.', { reason: 'unknown_resource' });
  }
}

import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { WebhookPost } from '@core/webhooks';
import type { Database } from '@platform/database';
import { type Endpoint, type EndpointChange, requireKnownTypes } from './endpoint.js';
import { EndpointsStore } from './endpoints.store.js';
import type { WebhookSecrets } from './webhook-secrets.js';

/** Every event is written once for each. */
const MOST_ENDPOINTS = 20;

/** An endpoint with its secret, which is shown when it is made and at no other time. */
export interface EndpointWithSecret {
  readonly endpoint: Endpoint;
  /** `whsec_…` */
  readonly secret: string;
}

/** @throws Fault invalid_request (`unsafe_url`) */
function requireUrl(post: Pick<WebhookPost, 'refusalOf'>, url: string): void {
  const refusal = post.refusalOf(url);
  if (refusal !== undefined)
    throw new Fault(
      'invalid_request',
      `url ${refusal}: give an https URL of a full host name, at port 443 or 8443, without credentials.`,
      { reason: 'unsafe_url' },
    );
}

export class CreateEndpoint {
  readonly #store = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
    private readonly secrets: WebhookSecrets,
    private readonly post: WebhookPost,
  ) {}

  /** @throws Fault invalid_request (`unsafe_url`, `unknown_event_type`), conflict (`too_many_endpoints`) */
  async run(input: {
    readonly provider: string;
    readonly url: string;
    readonly description?: string | undefined;
    readonly types: readonly string[];
    readonly concurrency?: number | undefined;
  }): Promise<EndpointWithSecret> {
    const { provider, ...made } = input;
    requireUrl(this.post, made.url);
    requireKnownTypes(made.types);
    const id = this.ids.next(ID_PREFIXES.webhookEndpoint);
    const endpoint = await this.database.forProvider(provider, async (tx) => {
      if ((await this.#store.lockAll(tx)) >= MOST_ENDPOINTS)
        throw new Fault('conflict', `There are ${MOST_ENDPOINTS} endpoints, which is the most: remove one first.`, {
          reason: 'too_many_endpoints',
        });
      return this.#store.insert(tx, id, made, this.clock.now());
    });
    return { endpoint, secret: this.secrets.text(id, 1) };
  }
}

export class ChangeEndpoint {
  readonly #store = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly post: WebhookPost,
  ) {}

  /**
   * Also disables and enables. What is open for a disabled one waits; what happens meanwhile is not for it.
   * @throws Fault not_found, invalid_request
   */
  async run({
    provider,
    endpoint,
    to,
  }: {
    readonly provider: string;
    readonly endpoint: string;
    readonly to: EndpointChange;
  }): Promise<Endpoint> {
    if (to.url !== undefined) requireUrl(this.post, to.url);
    if (to.types !== undefined) requireKnownTypes(to.types);
    return this.database.forProvider(provider, async (tx) => {
      const now = this.clock.now();
      return this.#store.change(tx, await this.#store.lock(tx, endpoint, now), to, now);
    });
  }
}

export class RotateSecret {
  readonly #store = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly secrets: WebhookSecrets,
  ) {}

  /**
   * Makes the next secret; messages are signed with the one before as well for a day. Done twice within it, the first is over.
   * @throws Fault not_found
   */
  async run(input: { readonly provider: string; readonly endpoint: string }): Promise<EndpointWithSecret> {
    const { provider, endpoint: id } = input;
    const { endpoint, generation } = await this.database.forProvider(provider, async (tx) => {
      const now = this.clock.now();
      await this.#store.lock(tx, id, now);
      return this.#store.rotate(tx, id, now);
    });
    return { endpoint, secret: this.secrets.text(id, generation) };
  }
}

export class RemoveEndpoint {
  readonly #store = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** What was to be delivered to it is cancelled. @throws Fault not_found */
  async run({ provider, endpoint }: { readonly provider: string; readonly endpoint: string }): Promise<void> {
    await this.database.forProvider(provider, async (tx) => {
      const now = this.clock.now();
      await this.#store.lock(tx, endpoint, now);
      await this.#store.remove(tx, endpoint, now);
    });
  }
}

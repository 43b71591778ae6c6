import { Fault } from '@core/faults';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { EndpointsStore } from './endpoints.store.js';
import { deliveriesOf, type Delivery } from './webhooks.reader.js';

/** Delivers an event once more, under its id. */
export class ReplayEvent {
  readonly #endpoints = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * To one endpoint, or to all that are enabled and want its type. Where a delivery of it is still open, that one goes on instead.
   * Answers its deliveries.
   * @throws Fault not_found (`unknown_event`, `unknown_endpoint`), conflict (`endpoint_disabled`, `nobody_wants_it`)
   */
  async run(input: {
    readonly provider: string;
    readonly event: string;
    readonly endpoint?: string | undefined;
  }): Promise<Delivery[]> {
    const { provider, event, endpoint } = input;
    return this.database.forProvider(provider, async (tx) => {
      const now = this.clock.now();
      const kept = await tx.webhookEvent.findUnique({ where: { id: event } });
      if (!kept)
        throw new Fault('not_found', 'There is no such event. GET /v1/webhook-events lists them.', {
          reason: 'unknown_event',
        });
      const targets =
        endpoint === undefined
          ? (await this.#endpoints.list(tx, now)).filter(
              ({ state, types }) => state === 'enabled' && (types.includes('*') || types.includes(kept.type)),
            )
          : [await this.#endpoints.read(tx, endpoint, now)];
      if (targets.length === 0)
        throw new Fault('conflict', `No endpoint that is enabled wants ${kept.type}: name one.`, {
          reason: 'nobody_wants_it',
        });
      if (targets.some(({ state }) => state === 'disabled'))
        throw new Fault('conflict', 'The endpoint is disabled: enable it first.', { reason: 'endpoint_disabled' });
      const ids = targets.map(({ id }) => id);
      await tx.$queryRaw`SELECT replay_event(${event}, ${ids}::text[])`;
      return deliveriesOf(tx, { eventId: event });
    });
  }
}

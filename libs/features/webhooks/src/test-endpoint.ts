import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Clock } from '@core/time';
import type { Database } from '@platform/database';
import { announceTo } from './announce.js';
import { EndpointsStore } from './endpoints.store.js';

/** Sends an endpoint an event that means nothing, so that its provider sees it arrive. */
export class TestEndpoint {
  readonly #store = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /**
   * Answers the id of the event.
   * @throws Fault not_found (`unknown_endpoint`), conflict (`endpoint_disabled`)
   */
  async run({ provider, endpoint: id }: { readonly provider: string; readonly endpoint: string }): Promise<string> {
    return this.database.forProvider(provider, async (tx) => {
      const endpoint = await this.#store.lock(tx, id, this.clock.now());
      if (endpoint.state === 'disabled')
        throw new Fault('conflict', 'The endpoint is disabled: enable it first.', { reason: 'endpoint_disabled' });
      const event = this.ids.next(ID_PREFIXES.event);
      await announceTo(tx, [
        { id: event, provider, type: 'endpoint.test', object: { id, version: 1 }, data: { endpoint: id }, only: id },
      ]);
      return event;
    });
  }
}

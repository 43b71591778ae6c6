import type { Clock, Instant } from '@core/time';
import type { WebhookEvent } from '@core/webhooks';
import { at, type Database, type Tx } from '@platform/database';
import type { Endpoint } from './endpoint.js';
import { EndpointsStore } from './endpoints.store.js';

/** One POST. Without an end: its worker ended before it had an answer. */
export interface Attempt {
  readonly attempt: number;
  readonly startedAt: Instant;
  readonly endedAt: Instant | undefined;
  readonly outcome: string | undefined;
  readonly status: number | undefined;
  readonly why: string | undefined;
}

/** An event for an endpoint; a replay is a further round. */
export interface Delivery {
  readonly event: string;
  readonly type: string;
  readonly endpoint: string;
  readonly round: number;
  readonly state: string;
  /** When it is tried next; absent: it is over. */
  readonly nextAttemptAt: Instant | undefined;
  readonly createdAt: Instant;
  readonly endedAt: Instant | undefined;
  readonly attempts: readonly Attempt[];
}

interface Page {
  readonly limit: number;
  /** The last id of the page before. */
  readonly before?: string | undefined;
}

const optionalAt = (column: Date | null): Instant | undefined => (column === null ? undefined : at(column));

/** What a provider may see of its endpoints, events and deliveries. */
export class WebhooksReader {
  readonly #endpoints = new EndpointsStore();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** All endpoints, oldest first. */
  async endpoints(provider: string): Promise<Endpoint[]> {
    return this.database.forProvider(provider, (tx) => this.#endpoints.list(tx, this.clock.now()));
  }

  /** @throws Fault not_found (`unknown_endpoint`) */
  async endpoint(provider: string, id: string): Promise<Endpoint> {
    return this.database.forProvider(provider, (tx) => this.#endpoints.read(tx, id, this.clock.now()));
  }

  /** Newest first. */
  async events(
    provider: string,
    { limit, before, type }: Page & { readonly type?: string | undefined },
  ): Promise<WebhookEvent[]> {
    const rows = await this.database.forProvider(provider, (tx) =>
      tx.webhookEvent.findMany({
        where: { ...(before === undefined ? {} : { id: { lt: before } }), ...(type === undefined ? {} : { type }) },
        orderBy: { id: 'desc' },
        take: limit,
      }),
    );
    return rows.map((row) => ({
      id: row.id,
      type: row.type,
      version: row.version,
      object: { id: row.objectId, version: Number(row.objectVersion) },
      data: row.data,
      occurredAt: at(row.occurredAt),
    }));
  }

  /**
   * To an endpoint, of the newest events first. A page ends with an event: all its rounds are on one.
   * @throws Fault not_found (`unknown_endpoint`)
   */
  async deliveries(provider: string, endpoint: string, { limit, before }: Page): Promise<Delivery[]> {
    return this.database.forProvider(provider, async (tx) => {
      await this.#endpoints.read(tx, endpoint, this.clock.now());
      const events = await tx.webhookDelivery.findMany({
        where: { endpointId: endpoint, ...(before === undefined ? {} : { eventId: { lt: before } }) },
        distinct: ['eventId'],
        orderBy: { eventId: 'desc' },
        take: limit,
        select: { eventId: true },
      });
      return deliveriesOf(tx, { endpointId: endpoint, eventId: { in: events.map(({ eventId }) => eventId) } });
    });
  }
}

/** Those that are asked for, with their attempts; newest events and rounds first. */
export async function deliveriesOf(
  tx: Tx,
  where: { readonly endpointId?: string; readonly eventId: string | { in: string[] } },
): Promise<Delivery[]> {
  const rows = await tx.webhookDelivery.findMany({
    where,
    orderBy: [{ eventId: 'desc' }, { endpointId: 'asc' }, { round: 'desc' }],
  });
  const ids = [...new Set(rows.map(({ eventId }) => eventId))];
  const [events, attempts] = [
    await tx.webhookEvent.findMany({ where: { id: { in: ids } }, select: { id: true, type: true } }),
    await tx.webhookAttempt.findMany({ where, orderBy: { attempt: 'asc' } }),
  ];
  const types = new Map(events.map(({ id, type }) => [id, type]));
  return rows.map((row) => ({
    event: row.eventId,
    type: types.get(row.eventId) ?? '',
    endpoint: row.endpointId,
    round: row.round,
    state: row.state,
    nextAttemptAt: row.state === 'pending' || row.state === 'retrying' ? at(row.nextAt) : undefined,
    createdAt: at(row.createdAt),
    endedAt: optionalAt(row.endedAt),
    attempts: attempts
      .filter(
        ({ eventId, endpointId, round }) =>
          eventId === row.eventId && endpointId === row.endpointId && round === row.round,
      )
      .map((one) => ({
        attempt: one.attempt,
        startedAt: at(one.startedAt),
        endedAt: optionalAt(one.endedAt),
        outcome: one.outcome ?? undefined,
        status: one.status ?? undefined,
        why: one.why ?? undefined,
      })),
  }));
}

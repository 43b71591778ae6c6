import type { Instant } from '@core/time';
import { at, type Tx } from '@platform/database';
import { type Endpoint, type EndpointChange, unknownEndpoint } from './endpoint.js';
import { formerSecretEnds, type SecretState } from './webhook-secrets.js';

interface Row {
  id: string;
  url: string;
  description: string;
  types: string[];
  concurrency: number;
  state: string;
  disabledBecause: string | null;
  failures: number;
  pausedUntil: Date | null;
  secretGeneration: number;
  rotatedAt: Date | null;
  createdAt: Date;
}

const optionalAt = (column: Date | null): Instant | undefined => (column === null ? undefined : at(column));

const secretOf = (row: Row): SecretState => ({
  id: row.id,
  generation: row.secretGeneration,
  rotatedAt: optionalAt(row.rotatedAt),
});

const viewOf = (row: Row, now: Instant): Endpoint => {
  const former = formerSecretEnds(secretOf(row), now);
  return {
    id: row.id,
    url: row.url,
    description: row.description,
    types: row.types,
    concurrency: row.concurrency,
    state: row.state === 'enabled' ? 'enabled' : 'disabled',
    disabledBecause: row.disabledBecause === 'gone' ? 'gone' : row.disabledBecause === null ? undefined : 'asked',
    failures: row.failures,
    pausedUntil: optionalAt(row.pausedUntil),
    formerSecretUntil: former,
    createdAt: at(row.createdAt),
  };
};

/** Endpoints of one provider. */
export class EndpointsStore {
  /** One change at a time of what endpoints a provider has. */
  async lockAll(tx: Tx): Promise<number> {
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtext('farebox.webhook_endpoints'), hashtext(${tx.__provider}))::text`;
    return tx.webhookEndpoint.count({ where: { state: { not: 'deleted' } } });
  }

  async insert(
    tx: Tx,
    id: string,
    made: Required<Pick<EndpointChange, 'url'>> & EndpointChange,
    now: Instant,
  ): Promise<Endpoint> {
    const row = await tx.webhookEndpoint.create({
      data: {
        id,
        providerId: tx.__provider,
        url: made.url ?? '',
        description: made.description ?? '',
        types: [...(made.types ?? ['*'])],
        concurrency: made.concurrency ?? 2,
      },
    });
    return viewOf(row, now);
  }

  async list(tx: Tx, now: Instant): Promise<Endpoint[]> {
    const rows = await tx.webhookEndpoint.findMany({ where: { state: { not: 'deleted' } }, orderBy: { id: 'asc' } });
    return rows.map((row) => viewOf(row, now));
  }

  /** @throws Fault not_found (`unknown_endpoint`) */
  async read(tx: Tx, id: string, now: Instant): Promise<Endpoint> {
    const row = await tx.webhookEndpoint.findFirst({ where: { id, state: { not: 'deleted' } } });
    if (!row) throw unknownEndpoint();
    return viewOf(row, now);
  }

  /** Locks it, so that what is decided about it holds. @throws Fault not_found (`unknown_endpoint`) */
  async lock(tx: Tx, id: string, now: Instant): Promise<Endpoint> {
    await tx.$queryRaw`SELECT id FROM webhook_endpoints WHERE id = ${id} FOR UPDATE`;
    return this.read(tx, id, now);
  }

  async change(tx: Tx, endpoint: Endpoint, to: EndpointChange, now: Instant): Promise<Endpoint> {
    const turned = to.state !== undefined && to.state !== endpoint.state ? to.state : undefined;
    // An endpoint that is enabled again, or leads elsewhere, has failed nobody yet.
    const afresh = turned === 'enabled' || (to.url !== undefined && to.url !== endpoint.url);
    const row = await tx.webhookEndpoint.update({
      where: { id: endpoint.id },
      data: {
        ...(to.url === undefined ? {} : { url: to.url }),
        ...(to.description === undefined ? {} : { description: to.description }),
        ...(to.types === undefined ? {} : { types: [...to.types] }),
        ...(to.concurrency === undefined ? {} : { concurrency: to.concurrency }),
        ...(turned === undefined ? {} : { state: turned, disabledBecause: turned === 'disabled' ? 'asked' : null }),
        ...(afresh ? { failures: 0, pausedUntil: null } : {}),
      },
    });
    return viewOf(row, now);
  }

  /** The next secret. Answers which it is. */
  async rotate(
    tx: Tx,
    id: string,
    now: Instant,
  ): Promise<{ readonly endpoint: Endpoint; readonly generation: number }> {
    const row = await tx.webhookEndpoint.update({
      where: { id },
      data: { secretGeneration: { increment: 1 }, rotatedAt: new Date(now) },
    });
    return { endpoint: viewOf(row, now), generation: row.secretGeneration };
  }

  async remove(tx: Tx, id: string, now: Instant): Promise<void> {
    await tx.webhookEndpoint.update({ where: { id }, data: { state: 'deleted', disabledBecause: null } });
    await tx.webhookDelivery.updateMany({
      where: { endpointId: id, state: { in: ['pending', 'delivering', 'retrying'] } },
      data: { state: 'cancelled', endedAt: new Date(now) },
    });
  }
}

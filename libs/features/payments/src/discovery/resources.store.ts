import { formatDecimal, parseDecimal } from '@core/money';
import { type Instant, instant } from '@core/time';
import type { Tx, Writer } from '@platform/database';

/** A priced resource as its provider publishes it. */
export interface PublishedResource {
  /** `rsc_…` */
  readonly id: string;
  /** Upper case. */
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly meter: string;
  /** Plain decimal. */
  readonly quantity: string;
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
  readonly serviceName?: string | undefined;
  readonly tags: readonly string[];
  readonly updatedAt: Instant;
}

interface Row {
  id: string;
  provider_id: string;
  method: string;
  url: string;
  meter: string;
  quantity: string;
  description: string | null;
  mime_type: string | null;
  service_name: string | null;
  tags: string[];
  updated_at: Date;
}

const COLUMNS =
  'r.id, r.provider_id, r.method, r.url, r.meter, r.quantity::text, r.description, r.mime_type, r.service_name, r.tags, r.updated_at';

const resourceOf = (row: Row): PublishedResource => ({
  id: row.id,
  method: row.method,
  url: row.url,
  meter: row.meter,
  quantity: shortest(row.quantity),
  description: row.description ?? undefined,
  mimeType: row.mime_type ?? undefined,
  serviceName: row.service_name ?? undefined,
  tags: row.tags,
  updatedAt: instant(row.updated_at.getTime()),
});

const shortest = (text: string): string => {
  const decimal = parseDecimal(text);
  return decimal ? formatDecimal(decimal) : text;
};

/** All SQL of published resources. */
export class ResourcesStore {
  /** Publishes a resource, or what is new about one that is. `created`: it was not there before. */
  async put(
    tx: Tx,
    provider: string,
    resource: PublishedResource,
  ): Promise<{ created: boolean; resource: PublishedResource }> {
    const { id, method, url, meter, quantity, description, mimeType, serviceName, tags, updatedAt } = resource;
    const at = new Date(updatedAt);
    const rows = await tx.$queryRaw<(Row & { created: boolean })[]>`
      INSERT INTO resources AS r (id, provider_id, method, url, meter, quantity, description, mime_type, service_name, tags, updated_at)
      VALUES (${id}, ${provider}, ${method}, ${url}, ${meter}, ${quantity}::numeric, ${description ?? null}, ${mimeType ?? null},
        ${serviceName ?? null}, ${[...tags]}::text[], ${at})
      ON CONFLICT (provider_id, method, url) DO UPDATE SET meter = excluded.meter, quantity = excluded.quantity,
        description = excluded.description, mime_type = excluded.mime_type, service_name = excluded.service_name, tags = excluded.tags,
        updated_at = excluded.updated_at
      RETURNING r.id, r.provider_id, r.method, r.url, r.meter, r.quantity::text, r.description, r.mime_type, r.service_name, r.tags,
        r.updated_at, r.id = ${id} AS created`;
    const [row] = rows;
    if (!row) throw new Error('an insert that updates gave no row');
    return { created: row.created, resource: resourceOf(row) };
  }

  async list(tx: Tx, after: string | undefined, limit: number): Promise<PublishedResource[]> {
    const rows = await tx.$queryRaw<Row[]>`
      SELECT r.id, r.provider_id, r.method, r.url, r.meter, r.quantity::text, r.description, r.mime_type, r.service_name, r.tags, r.updated_at
      FROM resources r WHERE r.id > ${after ?? ''} ORDER BY r.id LIMIT ${limit}`;
    return rows.map(resourceOf);
  }

  /** @returns whether it was there */
  async remove(tx: Tx, id: string): Promise<boolean> {
    return (await tx.$executeRaw`DELETE FROM resources WHERE id = ${id}`) > 0;
  }

  /** Of all providers, newest first; with `payTo` of the provider whose wallet it is. */
  async page(
    writer: Writer,
    query: { readonly payTo: string | undefined; readonly limit: number; readonly offset: number },
  ): Promise<{ resources: { provider: string; resource: PublishedResource }[]; total: number }> {
    const where = 'FROM resources r JOIN providers p ON p.id = r.provider_id WHERE $1::text IS NULL OR p.pay_to = $1';
    const [rows, [count]] = await Promise.all([
      writer.query<Row & Record<string, unknown>>(
        `SELECT ${COLUMNS} ${where} ORDER BY r.updated_at DESC, r.id LIMIT $2 OFFSET $3`,
        [query.payTo ?? null, query.limit, query.offset],
      ),
      writer.query<{ n: string }>(`SELECT count(*)::text AS n ${where}`, [query.payTo ?? null]),
    ]);
    return {
      resources: rows.map((row) => ({ provider: row.provider_id, resource: resourceOf(row) })),
      total: Number(count?.n ?? 0),
    };
  }
}

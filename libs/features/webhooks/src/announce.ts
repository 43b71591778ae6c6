import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type Announcement, eventKind, requireTrueToType } from '@core/webhooks';
import type { Tx, WriterTx } from '@platform/database';

/** With the id of the event, and the one endpoint it is for where it is not for all that want it. */
type Staged = Announcement & { readonly id: string; readonly only?: string };

/** Writes events and their deliveries: one statement, however many. */
export async function announceTo(tx: Tx | WriterTx, staged: readonly Staged[]): Promise<void> {
  staged.forEach(requireTrueToType);
  const json = JSON.stringify(
    staged.map(({ id, provider, type, object, data, once, only }) => ({
      id,
      provider,
      type,
      version: eventKind(type).version,
      objectId: object.id,
      objectVersion: object.version,
      data,
      once,
      only,
    })),
  );
  if ('__writer' in tx) await tx.query('SELECT announce_events($1::jsonb)', [json]);
  else await tx.$queryRaw`SELECT announce_events(${json}::jsonb)`;
}

/**
 * Tells a provider that something happened: the event and its deliveries are written in the caller's transaction, so that both
 * commit or neither. Where no endpoint wants it the event is written alone, and can be replayed later.
 */
export class Announce {
  constructor(private readonly ids: IdSource) {}

  /**
   * In a transaction of the provider's, or of a writer.
   * @throws Fault invariant_broken when the data is not what the type promises
   */
  async add(tx: Tx | WriterTx, announcement: Announcement): Promise<void> {
    await this.all(tx, [announcement]);
  }

  /** Several at once, in a writer's transaction of any providers. */
  async all(tx: Tx | WriterTx, announcements: readonly Announcement[]): Promise<void> {
    if (announcements.length === 0) return;
    await announceTo(
      tx,
      announcements.map((announcement) => ({ ...announcement, id: this.ids.next(ID_PREFIXES.event) })),
    );
  }
}

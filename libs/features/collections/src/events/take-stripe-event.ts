import type { RailEvents } from '@core/collections';
import type { Writer } from '@platform/database';
import { Outbox } from '@platform/queues';

/** refused: not signed by Stripe for us, or signed too long ago. */
interface Taken {
  readonly outcome: 'taken' | 'repeated' | 'refused';
}

/** Keeps an event that Stripe delivered, once, so that the answer can be given at once. What it is about is looked at later. */
export class TakeStripeEvent {
  readonly #outbox = new Outbox();

  constructor(
    private readonly db: Writer,
    private readonly events: RailEvents,
  ) {}

  /** @param raw the bytes as they came: the signature is of them */
  async run({ raw, signature }: { readonly raw: Buffer; readonly signature: string | undefined }): Promise<Taken> {
    const event = this.events.read(raw, signature);
    if (!event) return { outcome: 'refused' };
    return this.db.transaction(async (tx) => {
      const rows = await tx.query(
        `INSERT INTO stripe_events (id, type, object_id, object_kind, created_at, api_version, livemode, raw)
         VALUES ($1, $2, $3, $4, to_timestamp($5), $6, $7, $8) ON CONFLICT (id) DO NOTHING RETURNING 1`,
        [
          event.id,
          event.type,
          event.object.id ?? null,
          event.object.kind ?? null,
          event.created,
          event.apiVersion ?? null,
          event.livemode,
          raw.toString('utf8'),
        ],
      );
      if (rows.length === 0) return { outcome: 'repeated' };
      await this.#outbox.add(tx, 'apply-stripe-events', {});
      return { outcome: 'taken' };
    });
  }
}

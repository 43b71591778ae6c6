import { pollAfterMs } from '@core/collections';
import type { Writer } from '@platform/database';
import type { Handled, StripeEventHandlers } from './stripe-event-handlers.js';

interface EventRow {
  id: string;
  type: string;
  object_id: string | null;
  object_kind: string | null;
  tries: number;
  old: boolean;
}

interface Applied {
  readonly events: number;
  readonly alarms: readonly string[];
}

/** While a handler runs, nobody else takes the event; after it, somebody does: the run has ended. */
const LEASE_SECONDS = 60;
const BUSY_MS = 2_000;

/**
 * Hands each event that was taken to those it concerns. They fetch the object, so order, repetition and loss change nothing. One
 * of an object nobody knows is parked, and shown to them again for three days: it may have come before the id was stored.
 */
export class ApplyStripeEvents {
  constructor(
    private readonly db: Writer,
    private readonly handlers: StripeEventHandlers,
  ) {}

  /** Until none is due. An event whose handling fails is due again later, and the failure is thrown when the others are done. */
  async run(): Promise<Applied> {
    const alarms: string[] = [];
    let failure: { readonly error: unknown } | undefined;
    let events = 0;
    for (;;) {
      const event = await this.#take();
      if (!event) break;
      events += 1;
      try {
        await this.#end(event, await this.#handle(event, alarms));
      } catch (error) {
        failure ??= { error };
        await this.#later(event, pollAfterMs(event.tries));
      }
    }
    if (failure) throw failure.error;
    return { events, alarms };
  }

  async #take(): Promise<EventRow | undefined> {
    const [row] = await this.db.query<EventRow>(
      `WITH due AS (SELECT id FROM stripe_events WHERE next_run_at <= now() ORDER BY next_run_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       UPDATE stripe_events e SET tries = e.tries + 1, next_run_at = now() + interval '${LEASE_SECONDS} s' FROM due
       WHERE e.id = due.id
       RETURNING e.id, e.type, e.object_id, e.object_kind, e.tries - 1 AS tries, e.received_at < now() - interval '3 days' AS old`,
    );
    return row;
  }

  async #handle(event: EventRow, alarms: string[]): Promise<Handled['outcome']> {
    const handlers = this.handlers[event.type] ?? [];
    if (event.object_id === null) return 'ignored';
    const hint = { id: event.id, type: event.type, object: { id: event.object_id, kind: event.object_kind ?? '' } };
    const outcomes = new Set<Handled['outcome']>();
    for (const handler of handlers) {
      const handled = await handler(hint);
      outcomes.add(handled.outcome);
      alarms.push(...(handled.alarms ?? []));
    }
    return (['busy', 'applied', 'unknown'] as const).find((one) => outcomes.has(one)) ?? 'ignored';
  }

  async #end(event: EventRow, outcome: Handled['outcome']): Promise<void> {
    if (outcome === 'busy') return this.#later(event, BUSY_MS);
    if (outcome === 'unknown') return this.#later(event, event.old ? undefined : pollAfterMs(event.tries), 'parked');
    await this.db.query('UPDATE stripe_events SET state = $2, next_run_at = NULL, handled_at = now() WHERE id = $1', [
      event.id,
      outcome,
    ]);
  }

  async #later(event: EventRow, afterMs: number | undefined, state?: 'parked'): Promise<void> {
    await this.db.query(
      `UPDATE stripe_events SET state = coalesce($3, state), next_run_at = now() + make_interval(secs => $2::double precision / 1000) WHERE id = $1`,
      [event.id, afterMs ?? null, state ?? null],
    );
  }
}

import { type RailEvent, RailEvents } from '@core/collections';
import type Stripe from 'stripe';

/** Stripe's own tolerance: an event that was signed longer ago may be a replay. */
const TOLERANCE_SECONDS = 300;

/** Events that were signed with the secret of our endpoint. */
export class StripeEvents extends RailEvents {
  constructor(
    private readonly stripe: Stripe,
    private readonly secret: string,
  ) {
    super();
  }

  read(raw: Buffer, signature: string | undefined): RailEvent | undefined {
    if (signature === undefined) return undefined;
    let event: Stripe.Event;
    try {
      event = this.stripe.webhooks.constructEvent(raw, signature, this.secret, TOLERANCE_SECONDS);
    } catch {
      return undefined;
    }
    const { object } = event.data;
    return {
      id: event.id,
      type: event.type,
      created: event.created,
      apiVersion: event.api_version ?? undefined,
      livemode: event.livemode,
      object: { id: textOf(object, 'id'), kind: textOf(object, 'object') },
    };
  }
}

const textOf = (object: object, field: string): string | undefined => {
  const value: unknown = Reflect.get(object, field);
  return typeof value === 'string' ? value : undefined;
};

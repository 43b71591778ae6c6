import { Fault } from '@core/faults';
import type { Instant } from '@core/time';
import { isEventType } from '@core/webhooks';

/** Where a provider is told what happened. */
export interface Endpoint {
  /** `whe_…` */
  readonly id: string;
  readonly url: string;
  readonly description: string;
  /** Types of events, or `*` for all. */
  readonly types: readonly string[];
  /** Most POSTs at once, 1 to 4. */
  readonly concurrency: number;
  readonly state: 'enabled' | 'disabled';
  /** `asked`: by its provider; `gone`: the receiver answered 410. */
  readonly disabledBecause: 'asked' | 'gone' | undefined;
  /** Failed attempts since the last that succeeded. */
  readonly failures: number;
  readonly pausedUntil: Instant | undefined;
  /** Until when messages are signed with the secret before as well. */
  readonly formerSecretUntil: Instant | undefined;
  readonly createdAt: Instant;
}

/** What an endpoint is asked to be. */
export interface EndpointChange {
  readonly url?: string | undefined;
  readonly description?: string | undefined;
  readonly types?: readonly string[] | undefined;
  readonly concurrency?: number | undefined;
  readonly state?: 'enabled' | 'disabled' | undefined;
}

export const unknownEndpoint = (): Fault =>
  new Fault('not_found', 'There is no such endpoint. GET /v1/webhook-endpoints lists them.', {
    reason: 'unknown_endpoint',
  });

/** @throws Fault invalid_request (`unknown_event_type`) */
export function requireKnownTypes(types: readonly string[]): void {
  const unknown = types.filter((type) => type !== '*' && !isEventType(type));
  if (unknown.length > 0 || types.length === 0)
    throw new Fault(
      'invalid_request',
      `${unknown.join(', ') || 'An empty list'} names no type of event: GET /v1/webhook-event-types lists them, * stands for all.`,
      { reason: 'unknown_event_type' },
    );
}

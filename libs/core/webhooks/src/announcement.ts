import { Fault } from '@core/faults';
import { formatInstant, type Instant } from '@core/time';
import { type DataOf, eventKind, type EventType } from './event-types.js';

/** Something that happened to an object, to be told to its provider. */
export type Announcement<Type extends EventType = EventType> = {
  readonly [Each in Type]: {
    readonly provider: string;
    readonly type: Each;
    /** What it happened to, and a number that grows with each of its states: a receiver drops what is older than what it has. */
    readonly object: { readonly id: string; readonly version: number };
    readonly data: DataOf<Each>;
    /** Announced under the same text again, nothing happens: for those who look for what to announce. */
    readonly once?: string | undefined;
  };
}[Type];

/** An event as it is kept. */
export interface WebhookEvent {
  /** `evt_…` */
  readonly id: string;
  /** An `EventType`, of this version of the service or of a newer one that runs beside it. */
  readonly type: string;
  /** Of the payload of this type. */
  readonly version: number;
  readonly object: { readonly id: string; readonly version: number };
  readonly data: unknown;
  readonly occurredAt: Instant;
}

/** @throws Fault invariant_broken for data that is not what the type promises: it would be kept for good. */
export function requireTrueToType({ type, object, data }: Pick<Announcement, 'type' | 'object' | 'data'>): void {
  if (!Number.isSafeInteger(object.version) || object.version < 0)
    throw new Fault('invariant_broken', `${object.id} has no version ${object.version}`);
  const parsed = eventKind(type).data.safeParse(data);
  const [issue] = parsed.error?.issues ?? [];
  if (issue)
    throw new Fault('invariant_broken', `${type} does not carry this: ${issue.path.join('.')} ${issue.message}`);
}

/** What a receiver gets: the same bytes at every attempt, as the signature is of bytes. */
export const bodyOf = (event: WebhookEvent): string =>
  JSON.stringify({
    id: event.id,
    type: event.type,
    version: event.version,
    timestamp: formatInstant(event.occurredAt),
    object: { id: event.object.id, version: event.object.version },
    data: event.data,
  });

import type { LoggedEvent, Receipt } from '@core/metering';
import { Fault } from '@core/faults';
import type { Instant } from '@core/time';

/** How an entry of the usage log came about. */
export const ENTRY_KINDS = ['stream', 'open', 'sold', 'change'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/**
 * counted: it counts in its current version · pending: received and not rolled up yet · held: kept, does not count, can be
 * replayed · voided: it stopped counting · discarded: held before, never to count
 */
export type EventState = 'counted' | 'pending' | 'held' | 'voided' | 'discarded';

/** A usage event as it is kept, in its current version. Numbers are plain decimals as they were sent. */
export interface UsageEventView extends Omit<LoggedEvent, 'timeStated'> {
  /** Its place in the order of receipt: `<position>.<ordinal>`. */
  readonly receipt: string;
  /** The kind of log entry it came with; `change` for events of a backfill, `sold` for usage sold through the gate. */
  readonly kind: EntryKind;
  readonly state: EventState;
  /** `acct_…`; absent while its subject is unknown. */
  readonly account?: string;
  /** `mtr_…` of the meters that hear its type. */
  readonly meters: readonly string[];
  readonly receivedAt: Instant;
  /** Whether another version than the first one is shown. */
  readonly amended: boolean;
  /** Why it is, or was, held. */
  readonly held?: string;
  /** The payment it was sold by, when it was sold through the gate. */
  readonly payment?: string;
}

export const formatReceipt = ({ position, ordinal }: Receipt): string => `${position}.${ordinal}`;

/** @throws Fault invalid_request for a text that is no receipt */
export function parseReceipt(text: string): Receipt {
  const match = /^([1-9]\d{0,17})\.(0|[1-9]\d{0,8})$/.exec(text);
  if (!match?.[1] || !match[2]) {
    throw new Fault('invalid_request', `"${text.slice(0, 40)}" is not the receipt of an event, e.g. "1024.0".`, {
      reason: 'invalid_receipt',
    });
  }
  return { position: BigInt(match[1]), ordinal: Number(match[2]) };
}

import type { Decimal } from '@core/money';
import type { Instant } from '@core/time';

/** What happens to the run of a resource. */
export const ACTIONS = ['start', 'stop', 'resize', 'heartbeat'] as const;
export type Action = (typeof ACTIONS)[number];

/** A usage event as it was sent, already read into its shape. (`source`, `id`) is its identity. */
export interface SentEvent {
  readonly source: string;
  readonly id: string;
  /** What the meters hear: the name of a meter unless it is defined to hear another type. */
  readonly type: string;
  /** Which account is charged. */
  readonly subject: string;
  /** RFC 3339; absent: when it is received. */
  readonly time?: string | undefined;
  readonly data?: SentData | null | undefined;
}

/** Numbers are plain decimals as text. */
export interface SentData {
  readonly value?: string | undefined;
  /** The absolute level from now on. */
  readonly level?: string | undefined;
  /** A change of the level; may be negative. */
  readonly delta?: string | undefined;
  readonly action?: Action | undefined;
  /** What each second of a run counts, from a start or resize on. */
  readonly weight?: string | undefined;
  /** The price carried on the event, in whole units of the price's asset. */
  readonly cost?: string | undefined;
  readonly resource?: string | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
}

/** An event as the usage log tells it: the numbers as they were sent. */
export interface LoggedEvent {
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** Time of use. */
  readonly time: Instant;
  /** Whether the sender stated the time: a repeat of an event without one is received at another time and still the same. */
  readonly timeStated: boolean;
  readonly value?: string;
  readonly level?: string;
  readonly delta?: string;
  readonly action?: Action;
  readonly weight?: string;
  readonly cost?: string;
  readonly resource?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** An event that fits the meters that hear it, with every part in one form. */
export interface AcceptedEvent {
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** `mtr_…` of the first meter that hears it. */
  readonly meter: string;
  readonly time: Instant;
  readonly timeStated: boolean;
  readonly value?: Decimal;
  readonly level?: Decimal;
  readonly delta?: Decimal;
  readonly action?: Action;
  readonly weight?: Decimal;
  readonly cost?: Decimal;
  readonly resource?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

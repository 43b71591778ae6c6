/**
 * What a provider sends to meter usage: CloudEvents 1.0 in JSON, to `POST /v1/events`, authenticated with a provider key
 * of scope `ingest`. One event as `application/cloudevents+json`, many as `application/cloudevents-batch+json`.
 */
export interface UsageEvent {
  readonly specversion: '1.0';
  /** Unique within `source`. Made before the first attempt and kept through every retry. */
  readonly id: string;
  /** Who observed the usage, a URI reference such as `/compute/eu-1`. (`source`, `id`) is the event's identity. */
  readonly source: string;
  /** Name of the meter. */
  readonly type: string;
  /** The account charged: `acct_…`, or a name of the provider's own that is linked to one. */
  readonly subject: string;
  /** When the usage took place, RFC 3339; absent: when it is received. */
  readonly time?: string;
  readonly datacontenttype?: 'application/json';
  readonly data?: UsageData | null;
}

export interface UsageData {
  /** For sum meters: how much, a plain decimal of the meter's unit, e.g. "1.25". */
  readonly value?: string;
  /** For level meters: the absolute level from this instant on, e.g. bytes stored. */
  readonly level?: string;
  /** For level meters: which thing has the level, e.g. a bucket or a file. Levels add up over resources. */
  readonly resource?: string;
  /** Provider's own labels. */
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** One verdict per event, in the order of the batch. */
export interface EventVerdict {
  readonly source: string;
  readonly id: string;
  readonly verdict: 'accepted' | 'duplicate' | 'conflict' | 'rejected';
  /** Machine-readable, for conflict and rejected: e.g. `unknown_meter`, `time_in_future`, `invalid_value`. */
  readonly reason?: string;
  /** A sentence that says what is wrong and what to do. */
  readonly message?: string;
}

export interface IngestResult {
  readonly accepted: number;
  readonly duplicate: number;
  readonly conflict: number;
  readonly rejected: number;
  readonly verdicts: readonly EventVerdict[];
}

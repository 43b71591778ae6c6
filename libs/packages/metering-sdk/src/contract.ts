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
  /** For meters of values (sum, max, min, average, latest): how much, a plain decimal of the meter's unit, e.g. "1.25". */
  readonly value?: string;
  /** For level meters: the absolute level from this instant on, e.g. bytes stored. */
  readonly level?: string;
  /** For level meters: by how much the level changes at this instant; may be negative. */
  readonly delta?: string;
  /** For duration meters: what happens to the resource at this instant. */
  readonly action?: UsageAction;
  /** For duration meters: what a second counts from this `start` or `resize` on, e.g. the number of processors. */
  readonly weight?: string;
  /** For prices carried on the event: what this use costs, a plain decimal of the price's currency. */
  readonly cost?: string;
  /** For level and duration meters: which thing is meant, e.g. a bucket or a machine. Quantities add up over resources. */
  readonly resource?: string;
  /** Provider's own labels. */
  readonly dimensions?: Readonly<Record<string, string>>;
}

export type UsageAction = 'start' | 'stop' | 'resize' | 'heartbeat';

/**
 * One verdict per event, in the order of the batch. `held`: kept, not counted yet (an unknown account or meter, a
 * ceiling); it is replayed by the provider and never sent again.
 */
export interface EventVerdict {
  readonly source: string;
  readonly id: string;
  readonly verdict: 'accepted' | 'duplicate' | 'conflict' | 'held' | 'rejected';
  /** Machine-readable, for conflict, held and rejected: e.g. `unknown_meter`, `time_in_future`, `invalid_value`. */
  readonly reason?: string;
  /** A sentence that says what is wrong and what to do. */
  readonly message?: string;
}

export interface IngestResult {
  readonly accepted: number;
  readonly duplicate: number;
  readonly conflict: number;
  /** Absent where the server does not hold events. */
  readonly held?: number;
  readonly rejected: number;
  readonly verdicts: readonly EventVerdict[];
}

/** A quantity in a column: nothing, a safe integer, or a plain decimal. */
export type StreamCell = number | string | null;

/** Arrays of one length, 1 to 5000. A column that no event uses is left out. */
export interface StreamColumns {
  /** Indexes into `types`. */
  readonly type: readonly number[];
  /** Indexes into `accounts`. */
  readonly account: readonly number[];
  /** Milliseconds after `t0`. */
  readonly time: readonly number[];
  readonly value?: readonly StreamCell[];
  readonly level?: readonly StreamCell[];
  readonly delta?: readonly StreamCell[];
  readonly action?: readonly (UsageAction | null)[];
  readonly weight?: readonly StreamCell[];
  readonly cost?: readonly StreamCell[];
  /** Indexes into `resources`. */
  readonly resource?: readonly (number | null)[];
  /** Indexes into `dimensions`. */
  readonly dimensions?: readonly (number | null)[];
}

/**
 * One immutable batch of a stream, to `POST /v1/events/stream` as `application/json`. It is sent again byte for byte until
 * it is answered. Event i of it has the identity (`source`, `<stream>.<seq>.<i>`).
 */
export interface StreamBatch {
  /** A UUID in lower case: one client's, or one spool's, sequence of batches. */
  readonly stream: string;
  readonly source: string;
  /** 1, 2, 3 … within the stream. */
  readonly seq: number;
  /** Milliseconds since 1970: the base of all times in the batch. */
  readonly t0: number;
  readonly types: readonly string[];
  readonly accounts: readonly string[];
  readonly resources?: readonly string[];
  readonly dimensions?: readonly Readonly<Record<string, string>>[];
  readonly columns: StreamColumns;
}

/** What became of an event of a batch that was not accepted. */
export interface StreamItem {
  readonly index: number;
  readonly verdict: 'held' | 'rejected';
  readonly reason?: string;
  readonly message?: string;
}

export interface StreamResult {
  readonly stream: string;
  readonly seq: number;
  /** `duplicate`: this very batch had arrived before; the counts and items are those of the first time. */
  readonly outcome: 'stored' | 'duplicate';
  readonly accepted: number;
  readonly held: number;
  readonly rejected: number;
  readonly items: readonly StreamItem[];
  /** Every batch up to this one has been stored. */
  readonly completeThrough: number;
}

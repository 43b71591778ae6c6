import { Fault } from '@core/faults';
import {
  type LoggedEvent,
  type Rejection,
  type SentEvent,
  type UsageBatch,
  judgeBatch,
  loggedEvent,
  packEvents,
} from '@core/metering';
import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';
import { type HeldEvent, spanOf } from './batch-to-keep.js';
import { BoundedCommit, type CommitLimits } from './bounded-commit.js';
import { identityRecords } from './event-identity.js';
import { TargetLookup } from './event-targets.js';
import type { EventVerdict, Judged } from './event-verdict.js';
import { type IdentifiedBatch, OpenLogStore, type Repeats } from './open-log.store.js';
import { RepeatedEvents } from './repeated-events.js';

export interface IngestResult {
  readonly accepted: number;
  readonly duplicate: number;
  readonly conflict: number;
  readonly held: number;
  readonly rejected: number;
  readonly verdicts: readonly EventVerdict[];
}

interface ReceivedUsage {
  /** How many events are kept, by this call or an earlier one. */
  readonly received: number;
  /** How many of these were kept by an earlier call, or stand there twice. */
  readonly duplicate: number;
  /** Those that are not, and those that are held: all that somebody should look at. */
  readonly rejected: readonly EventVerdict[];
}

interface IngestInput {
  readonly provider: string;
  readonly events: readonly SentEvent[];
  /** Time of receipt. */
  readonly now: Instant;
}

/** Most events in one call. */
export const MOST_EVENTS = 1_000;
/** Most characters of one event. */
const MOST_EVENT_CHARACTERS = 16 * 1024;

const LIMITS: CommitLimits = {
  mostCalls: 256,
  mostBytes: 64 * 1024 * 1024,
  togetherCalls: 64,
  togetherBytes: 2 * 1024 * 1024,
  // Commits that take identities are one after the other anyway.
  lanes: 1,
};

/** A call's events in one batch, those that are rejected left out. */
interface PackedCall {
  readonly batch: UsageBatch;
  readonly events: readonly LoggedEvent[];
  /** Place of each event among those that were sent. */
  readonly places: readonly number[];
  /** Numbers of the accounts in the batch's dictionary. */
  readonly accounts: readonly number[];
  readonly held: readonly HeldEvent[];
}

/**
 * The open door: keeps usage events, each identity (provider, source, id) once, whoever repeats it and how often. Good events of a
 * call are kept whatever becomes of the others, and the answer is given after the commit. Calls that arrive at once share one.
 */
export class IngestUsage {
  readonly #targets: TargetLookup;
  readonly #repeated: RepeatedEvents;
  readonly #commit: BoundedCommit<IdentifiedBatch, Repeats>;

  constructor(writer: Writer, limits: Partial<CommitLimits & { readonly mostUnfolded: number }> = {}) {
    this.#targets = new TargetLookup(writer);
    this.#repeated = new RepeatedEvents(writer, this.#targets);
    const store = new OpenLogStore(writer, limits.mostUnfolded);
    this.#commit = new BoundedCommit((batches) => store.keep(batches), { ...LIMITS, ...limits });
  }

  /**
   * Keeps the events and says what became of each.
   * @throws Fault payload_too_large for more than {@link MOST_EVENTS} events, too_many_requests when too much is under way,
   * unavailable when the database is away or behind
   */
  async run(input: IngestInput): Promise<IngestResult> {
    const judged = await this.#verdicts(input);
    const counts = { accepted: 0, duplicate: 0, conflict: 0, held: 0, rejected: 0 };
    const verdicts = input.events.map(({ source, id }, i): EventVerdict => {
      const said = judged[i];
      if (!said) {
        counts.accepted += 1;
        return { source, id, verdict: 'accepted' };
      }
      counts[said.verdict] += 1;
      return { source, id, ...said };
    });
    return { ...counts, verdicts };
  }

  /**
   * Keeps the events and names only those that are not kept, or held: for whoever is content to know that the rest counts once.
   * @throws as {@link run}
   */
  async accept(input: IngestInput): Promise<ReceivedUsage> {
    const judged = await this.#verdicts(input);
    const rejected: EventVerdict[] = [];
    let [held, duplicate] = [0, 0];
    judged.forEach((said, i) => {
      const event = input.events[i];
      if (said?.verdict === 'duplicate') duplicate += 1;
      if (!said || !event || said.verdict === 'duplicate') return;
      if (said.verdict === 'held') held += 1;
      rejected.push({ source: event.source, id: event.id, ...said });
    });
    return { received: input.events.length - rejected.length + held, duplicate, rejected };
  }

  /** By place, the verdicts on the events that are not simply accepted. */
  #verdicts(input: IngestInput): Promise<(Judged | undefined)[]> {
    return this.#commit.admit(sizeOf(input.events), async () => {
      const [verdicts, packed] = await this.#judge(input);
      if (packed) await this.#keep(input, packed, verdicts);
      return verdicts;
    });
  }

  /** Verdicts on the events that are rejected or held, by place, and the batch of those that are to be kept, if any. */
  async #judge({ provider, events, now }: IngestInput): Promise<[(Judged | undefined)[], PackedCall | undefined]> {
    if (events.length > MOST_EVENTS) {
      throw new Fault(
        'payload_too_large',
        `A batch has at most ${MOST_EVENTS} events; this one has ${events.length}. Send it in parts.`,
      );
    }
    const verdicts: (Judged | undefined)[] = events.map(() => undefined);
    const logged: LoggedEvent[] = [];
    const places: number[] = [];
    events.forEach((event, place) => {
      const read = tooLarge(event) ?? loggedEvent(event, now);
      if ('outcome' in read) verdicts[place] = { verdict: 'rejected', reason: read.reason, message: read.message };
      else {
        logged.push(read);
        places.push(place);
      }
    });
    if (logged.length === 0) return [verdicts, undefined];

    const batch = packEvents(logged);
    const known = await this.#targets.known(provider, batch, now);
    const items = judgeBatch(batch, known, now);
    if (items.length === 0) return [verdicts, { batch, events: logged, places, accounts: known.accounts, held: [] }];

    const judged = new Map(items.map((item) => [item.index, item]));
    const kept = logged.flatMap((event, i) => (judged.get(i)?.verdict === 'rejected' ? [] : [{ event, i }]));
    for (const { index, verdict, reason, message } of items)
      verdicts[places[index] ?? -1] = { verdict, reason, message };
    if (kept.length === 0) return [verdicts, undefined];
    const numbers = new Map(batch.accounts.map((subject, i) => [subject, known.accounts[i] ?? 0]));
    const repacked = packEvents(kept.map(({ event }) => event));
    const held = kept.flatMap(({ event, i }, ordinal): HeldEvent[] => {
      const item = judged.get(i);
      return item ? [{ ordinal, reason: item.reason, event }] : [];
    });
    return [
      verdicts,
      {
        batch: repacked,
        events: kept.map(({ event }) => event),
        places: kept.map(({ i }) => places[i] ?? -1),
        accounts: repacked.accounts.map((subject) => numbers.get(subject) ?? 0),
        held,
      },
    ];
  }

  /** Keeps the events whose identity is new, and says of the others what they repeat. */
  async #keep({ provider, now }: IngestInput, packed: PackedCall, verdicts: (Judged | undefined)[]): Promise<void> {
    const records = identityRecords(provider, packed.batch, packed.accounts);
    const identified = { ...batchOf(provider, packed, now), records };
    const repeats = await this.#commit.add(identified, identified.body.length);
    if (repeats.size === 0) return;
    const repeated = [...repeats].flatMap(([ordinal, taken]) => {
      const event = packed.events[ordinal];
      const account = packed.accounts[packed.batch.columns.account[ordinal] ?? -1] ?? 0;
      return event ? [{ event, account, taken }] : [];
    });
    const said = await this.#repeated.judge(provider, repeated, now);
    [...repeats.keys()].forEach((ordinal, i) => (verdicts[packed.places[ordinal] ?? -1] = said[i]));
  }
}

function batchOf(provider: string, { batch, events, accounts, held }: PackedCall, now: Instant) {
  return {
    provider,
    body: Buffer.from(JSON.stringify(batch)),
    ...spanOf(batch, NONE, now),
    events: events.length,
    accounts,
    skip: held.map(({ ordinal }) => ordinal),
    held,
  };
}
const NONE: ReadonlySet<number> = new Set();

/** About how many bytes a call keeps in memory until it is answered. */
const sizeOf = (events: readonly SentEvent[]): number => events.length * 256;

const charactersOf = ({ source, id, type, subject, time = '', data }: SentEvent): number => {
  let characters = source.length + id.length + type.length + subject.length + time.length;
  if (!data) return characters;
  const { value = '', level = '', delta = '', weight = '', cost = '', resource = '', dimensions } = data;
  characters += value.length + level.length + delta.length + weight.length + cost.length + resource.length;
  if (dimensions) for (const key in dimensions) characters += key.length + (dimensions[key]?.length ?? 0);
  return characters;
};

function tooLarge(event: SentEvent): (Omit<Rejection, 'reason'> & { readonly reason: string }) | undefined {
  if (charactersOf(event) <= MOST_EVENT_CHARACTERS) return undefined;
  return {
    outcome: 'rejected',
    reason: 'event_too_large',
    message: `An event has at most ${MOST_EVENT_CHARACTERS / 1024} KiB: send what was used, and keep what it was used for with you.`,
  };
}

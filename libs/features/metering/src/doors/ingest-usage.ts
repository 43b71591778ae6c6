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
import { BoundedCommit, type CommitLimits } from './bounded-commit.js';
import { identitiesOf } from './event-identity.js';
import { TargetLookup } from './event-targets.js';
import type { EventVerdict, Judged } from './event-verdict.js';
import { IdentityFilters } from './identity-filter.js';
import { RepeatedEvents } from './repeated-events.js';
import { type HeldEvent, type IdentifiedBatch, type Repeats, UsageLogStore, spanOf } from './usage-log.store.js';

export interface IngestResult {
  readonly accepted: number;
  readonly duplicate: number;
  readonly conflict: number;
  readonly held: number;
  readonly rejected: number;
  readonly verdicts: readonly EventVerdict[];
}

export interface ReceivedUsage {
  /** How many events are kept. */
  readonly received: number;
  /** Those that are not, and those that are held. */
  readonly rejected: readonly EventVerdict[];
}

export interface IngestInput {
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
  lanes: 2,
};

const ACCEPTED: Judged = { verdict: 'accepted' };

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
  readonly #identified: BoundedCommit<IdentifiedBatch, Repeats>;
  readonly #unseen: BoundedCommit<Omit<IdentifiedBatch, 'identities' | 'marks' | 'unmarked'>, true>;

  constructor(writer: Writer, limits: Partial<CommitLimits> = {}) {
    this.#targets = new TargetLookup(writer);
    this.#repeated = new RepeatedEvents(writer, this.#targets);
    const store = new UsageLogStore(writer, IdentityFilters.of(writer));
    const all = { ...LIMITS, ...limits };
    this.#identified = new BoundedCommit((batches) => store.keepIdentified(batches), all);
    this.#unseen = new BoundedCommit((batches) => store.keepUnseen(batches), all);
  }

  /**
   * Keeps the events and says what became of each.
   * @throws Fault payload_too_large for more than {@link MOST_EVENTS} events, too_many_requests when too much is under way
   */
  async run(input: IngestInput): Promise<IngestResult> {
    const judged = await this.#identified.admit(sizeOf(input.events), async () => {
      const [verdicts, packed] = await this.#judge(input);
      if (packed) await this.#keep(input, packed, verdicts);
      return verdicts;
    });
    const verdicts = input.events.map(({ source, id }, i): EventVerdict => ({
      source,
      id,
      ...(judged[i] ?? ACCEPTED),
    }));
    const counts = { accepted: 0, duplicate: 0, conflict: 0, held: 0, rejected: 0 };
    for (const { verdict } of verdicts) counts[verdict] += 1;
    return { ...counts, verdicts };
  }

  /**
   * Keeps the events and says which cannot be kept or are held. Repeats are found when usage is rolled up, and count once.
   * @throws as {@link run}
   */
  async accept(input: IngestInput): Promise<ReceivedUsage> {
    return this.#unseen.admit(sizeOf(input.events), async () => {
      const [verdicts, packed] = await this.#judge(input);
      if (packed) await this.#receive(input, packed, verdicts);
      const rejected = input.events.flatMap(({ source, id }, i): EventVerdict[] => {
        const judged = verdicts[i];
        return judged ? [{ source, id, ...judged }] : [];
      });
      const lost = verdicts.filter((judged) => judged?.verdict === 'rejected').length;
      return { received: input.events.length - lost, rejected };
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
    const identified = { ...batchOf(provider, packed, now), ...identitiesOf(provider, packed.batch, packed.accounts) };
    const repeats = await this.#identified.add(identified, identified.body.length);
    if (repeats.size === 0) return;
    const repeated = [...repeats].flatMap(([ordinal, taken]) => {
      const event = packed.events[ordinal];
      const account = packed.accounts[packed.batch.columns.account[ordinal] ?? -1] ?? 0;
      return event ? [{ event, account, taken }] : [];
    });
    const said = await this.#repeated.judge(provider, repeated, now);
    [...repeats.keys()].forEach((ordinal, i) => (verdicts[packed.places[ordinal] ?? -1] = said[i]));
  }

  /** Held events wait for someone to look at them, so each must be there once: their identities are taken at once. */
  async #receive(input: IngestInput, packed: PackedCall, verdicts: (Judged | undefined)[]): Promise<void> {
    const { provider, now } = input;
    const held = new Set(packed.held.map(({ ordinal }) => ordinal));
    const parts = [packed.events.filter((_, i) => !held.has(i)), packed.events.filter((_, i) => held.has(i))];
    const accounts = new Map(packed.batch.accounts.map((subject, i) => [subject, packed.accounts[i] ?? 0]));
    const [plain, aside] = parts.map((events, part): PackedCall => {
      const batch = held.size === 0 ? packed.batch : packEvents(events);
      return {
        batch,
        events,
        places: packed.places.filter((_, i) => held.has(i) === (part === 1)),
        accounts: batch.accounts.map((subject) => accounts.get(subject) ?? 0),
        held: part === 0 ? [] : packed.held.map((each, ordinal) => ({ ...each, ordinal })),
      };
    });
    if (plain && plain.events.length > 0) {
      const batch = batchOf(provider, plain, now);
      await this.#unseen.add(batch, batch.body.length);
    }
    if (aside && aside.events.length > 0) await this.#keep(input, aside, verdicts);
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

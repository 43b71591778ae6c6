import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import {
  type Rejection,
  type SentEvent,
  acceptEvent,
  canonicalContent,
  contentOf,
  differingFields,
  nameProblem,
} from '@core/metering';
import { type Instant, instant } from '@core/time';
import { GroupCommit, type Writer } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { type EventTargets, TargetLookup } from './event-targets.js';
import { UsageStore, type StoredUsage, type UsageRow, identityOf } from './usage.store.js';

/** What became of one event, in the order of the batch. */
export interface EventVerdict {
  readonly source: string;
  readonly id: string;
  readonly verdict: 'accepted' | 'duplicate' | 'conflict' | 'rejected';
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

export interface IngestInput {
  readonly provider: string;
  readonly events: readonly SentEvent[];
  /** Time of receipt. */
  readonly now: Instant;
}

type Kept = Pick<EventVerdict, 'verdict' | 'reason' | 'message'>;

/** Most events in one batch. */
export const MOST_EVENTS = 1_000;
/** Calls written together in one transaction. */
const TOGETHER = 16;

/**
 * Keeps usage events: each identity once, whoever repeats it and how often. Good events of a batch are kept whatever
 * becomes of the others, and the answer is given after the commit. Calls that arrive at once share a commit.
 */
export class IngestUsage {
  readonly #store = new UsageStore();
  readonly #targets: TargetLookup;
  readonly #group: GroupCommit<{ rows: readonly UsageRow[]; now: Instant }, readonly Kept[]>;
  #waiting = 0;

  /** @param mostWaiting calls that may wait for their commit; beyond it senders are asked to come back later */
  constructor(
    private readonly writer: Writer,
    private readonly outbox: Outbox,
    private readonly mostWaiting = 256,
  ) {
    this.#targets = new TargetLookup(writer);
    this.#group = new GroupCommit((calls) => this.#write(calls), TOGETHER);
  }

  /**
   * @throws Fault payload_too_large for more than {@link MOST_EVENTS} events, too_many_requests when too many calls wait
   */
  async run({ provider, events, now }: IngestInput): Promise<IngestResult> {
    if (events.length > MOST_EVENTS) {
      throw new Fault(
        'payload_too_large',
        `A batch has at most ${MOST_EVENTS} events; this one has ${events.length}. Send it in parts.`,
      );
    }
    if (this.#waiting >= this.mostWaiting) {
      throw new Fault(
        'too_many_requests',
        'More usage arrives than can be written at the moment. Send the same events again shortly.',
        {
          reason: 'ingest_saturated',
          retryAfterSeconds: 1,
        },
      );
    }
    this.#waiting += 1;
    try {
      const judged = await this.#judge(provider, events, now);
      const rows = judged.filter((each): each is UsageRow => !('outcome' in each));
      const kept = rows.length > 0 ? await this.#group.add({ rows, now }) : [];
      return summary(events, judged, kept);
    } finally {
      this.#waiting -= 1;
    }
  }

  async #judge(provider: string, events: readonly SentEvent[], now: Instant): Promise<(UsageRow | Rejection)[]> {
    const named = events.filter((event) => nameProblem(event) === undefined);
    const types = new Set(named.map(({ type }) => type));
    const subjects = new Set(named.map(({ subject }) => subject));
    const targets = await this.#targets.find(provider, types, subjects, now);
    return events.map((event) => nameProblem(event) ?? judge(provider, event, targets, now));
  }

  /** One transaction for the calls gathered. */
  async #write(calls: readonly { rows: readonly UsageRow[]; now: Instant }[]): Promise<readonly (readonly Kept[])[]> {
    const first = new Map<string, UsageRow>();
    for (const row of calls.flatMap(({ rows }) => rows)) {
      const identity = identityOf(row.provider, row.event);
      if (!first.has(identity)) first.set(identity, row);
    }
    const unique = [...first.values()];
    const now = instant(Math.min(...calls.map((call) => call.now)));
    const { inserted, stored } = await this.writer.transaction(async (tx) => {
      const inserted = await this.#store.insertOnce(tx, unique, now);
      const repeated = unique.filter((row) => !inserted.has(identityOf(row.provider, row.event)));
      const stored = repeated.length > 0 ? await this.#store.stored(tx, repeated) : new Map<string, StoredUsage>();
      if (inserted.size > 0) await this.outbox.add(tx, 'rate-usage', {});
      return { inserted, stored };
    });
    const verdictOf = (row: UsageRow): Kept => {
      const identity = identityOf(row.provider, row.event);
      const original = first.get(identity);
      if (original && inserted.has(identity)) {
        return row === original
          ? { verdict: 'accepted' }
          : repeatOf({ hash: original.hash, content: contentOf(original.event, original.account) }, row);
      }
      return repeatOf(stored.get(identity), row);
    };
    return calls.map(({ rows }) => rows.map(verdictOf));
  }
}

function judge(provider: string, event: SentEvent, targets: EventTargets, now: Instant): UsageRow | Rejection {
  const meter = targets.meter(event.type);
  if (!meter) {
    const message = `There is no meter named "${event.type}" (the event's "type"). Create it with POST /v1/meters, then send the event again with the same id.`;
    return { outcome: 'rejected', reason: 'unknown_meter', message };
  }
  const account = targets.account(event.subject);
  if (account === undefined) {
    const message = `There is no account with the id, name or wallet "${event.subject}" (the event's "subject"). Create one of that name with POST /v1/accounts, then send the event again with the same id.`;
    return { outcome: 'rejected', reason: 'unknown_account', message };
  }
  const acceptance = acceptEvent(event, meter, now);
  if (acceptance.outcome === 'rejected') return acceptance;
  const hash = createHash('sha256')
    .update(canonicalContent(contentOf(acceptance.event, account)))
    .digest('hex');
  return { provider, account, event: acceptance.event, hash };
}

/** The verdict on an event whose identity is taken. */
function repeatOf(stored: StoredUsage | undefined, row: UsageRow): Kept {
  if (!stored) throw new Fault('invariant_broken', 'a usage event was neither inserted nor found');
  if (stored.hash === row.hash) return { verdict: 'duplicate' };
  const fields = differingFields(stored.content, contentOf(row.event, row.account)).join(', ');
  return {
    verdict: 'conflict',
    reason: 'content_differs',
    message: `An event with this source and id was received before with another ${fields}; the first one counts. If this is another event, give it an id of its own.`,
  };
}

function summary(
  events: readonly SentEvent[],
  judged: readonly (UsageRow | Rejection)[],
  kept: readonly Kept[],
): IngestResult {
  const remaining = kept[Symbol.iterator]();
  const verdicts = events.map(({ source, id }, i): EventVerdict => {
    const judgement = judged[i];
    if (judgement && 'outcome' in judgement) {
      return { source, id, verdict: 'rejected', reason: judgement.reason, message: judgement.message };
    }
    const next = remaining.next();
    if (next.done) throw new Fault('invariant_broken', 'ingest answered with fewer verdicts than events');
    return { source, id, ...next.value };
  });
  const count = (verdict: EventVerdict['verdict']) => verdicts.filter((each) => each.verdict === verdict).length;
  return {
    accepted: count('accepted'),
    duplicate: count('duplicate'),
    conflict: count('conflict'),
    rejected: count('rejected'),
    verdicts,
  };
}

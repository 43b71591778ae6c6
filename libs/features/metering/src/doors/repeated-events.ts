import { type EventContent, type LoggedEvent, canonicalContent, differingFields } from '@core/metering';
import type { Instant } from '@core/time';
import type { Writer } from '@platform/database';
import { contentOfEvent } from './event-identity.js';
import type { TargetLookup } from './event-targets.js';
import type { Judged } from './event-verdict.js';
import type { TakenIdentity } from './identity.store.js';
import { LogReader, type StoredEvent, storedEvent } from '../log/log.reader.js';

/** An event whose identity was taken before. */
interface RepeatedEvent {
  readonly event: LoggedEvent;
  /** 0 when unknown. */
  readonly account: number;
  readonly taken: TakenIdentity;
}

const VOIDED: Judged = {
  verdict: 'conflict',
  reason: 'voided',
  message:
    'The event with this source and id was received before and has been voided: it does not count, and does not come to count by being sent again. If this is another event, give it an id of its own.',
};

/** Tells repeats of an event from other events under its identity. */
export class RepeatedEvents {
  readonly #log = new LogReader();

  constructor(
    private readonly writer: Writer,
    private readonly targets: TargetLookup,
  ) {}

  /** The verdict on each, in order. */
  async judge(provider: string, repeated: readonly RepeatedEvent[], now: Instant): Promise<Judged[]> {
    const unclear = repeated.filter(({ taken }) => !taken.voided && taken.same !== true);
    if (unclear.length === 0)
      return repeated.map(({ taken }): Judged => (taken.voided ? VOIDED : { verdict: 'duplicate' }));
    const original = await this.#originals(unclear);
    const subjects = new Set([...original.values()].map(({ event }) => event.subject));
    const targets = await this.targets.find(provider, [], subjects, now);
    const accountOf = ({ account, event }: StoredEvent): number =>
      account || (targets.account(event.subject)?.number ?? 0);
    return repeated.map((each): Judged => {
      if (each.taken.voided) return VOIDED;
      if (each.taken.same === true) return { verdict: 'duplicate' };
      const first = original.get(each);
      return compare(first && named(first.event, accountOf(first)), each);
    });
  }

  /** The events that the identities were taken by, entry by entry: bodies are large, and few conflict. */
  async #originals(repeated: readonly RepeatedEvent[]): Promise<Map<RepeatedEvent, StoredEvent>> {
    const byPosition = new Map<bigint, RepeatedEvent[]>();
    for (const each of repeated) {
      const { position } = each.taken.receipt;
      byPosition.set(position, [...(byPosition.get(position) ?? []), each]);
    }
    const originals = new Map<RepeatedEvent, StoredEvent>();
    for (const [position, events] of byPosition) {
      const entry = await this.#log.entry(this.writer, position);
      for (const each of events) {
        const stored = entry && storedEvent(entry, each.taken.receipt.ordinal);
        // Of the entry no more is kept than what it says of itself.
        if (stored) originals.set(each, { ...stored, entry: { ...stored.entry, body: '' } });
      }
    }
    return originals;
  }
}

/** An account still unknown is told by the name that was sent. */
const named = (event: LoggedEvent, account: number): EventContent => {
  const content = contentOfEvent(event, account);
  return account === 0 ? { ...content, account: event.subject } : content;
};

function compare(stored: EventContent | undefined, { event, account, taken }: RepeatedEvent): Judged {
  const sent = named(event, account);
  if (stored && taken.same === undefined) {
    // The log of old did not say whether a time was stated; one that is not stated now says nothing against it.
    const first = sent.time === undefined ? { ...stored, time: undefined } : stored;
    if (canonicalContent(first) === canonicalContent(sent)) return { verdict: 'duplicate' };
  }
  const differs = stored ? `another ${differingFields(stored, sent).join(', ')}` : 'other content';
  return {
    verdict: 'conflict',
    reason: 'content_differs',
    message: `An event with this source and id was received before with ${differs}; the first one counts. If this is another event, give it an id of its own.`,
  };
}

import { type Answer, type Batch, bytesIn, type Door, type Draft, isObject, objectIn } from './batch.js';
import type { EventVerdict, UsageEvent } from './contract.js';

/** An event with its text, made once: every attempt sends the same bytes. */
export interface Written {
  readonly event: UsageEvent;
  readonly json: string;
  readonly bytes: number;
}

/** Brackets and commas around and between events. */
const FRAMING = 1;

const VERDICTS: readonly string[] = ['accepted', 'duplicate', 'conflict', 'held', 'rejected'];

/** `POST /v1/events`: CloudEvents, each with an identity of its own that counts once, whoever sends it. */
export class OpenDoor implements Door<Written> {
  readonly name = 'open';
  readonly path = '';

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
  ) {}

  sizeAlone({ bytes }: Written): number {
    return bytes + 2 * FRAMING;
  }

  newDraft(): OpenDraft {
    return new OpenDraft(this.maxEvents, this.maxBytes);
  }

  seal(draft: Draft<Written>): Batch {
    if (draft instanceof OpenDraft) return new OpenBatch(draft.events);
    throw new TypeError('This draft was made by another door.');
  }

  toText({ json }: Written): string {
    return json;
  }

  fromText(json: string): Written {
    return { event: JSON.parse(json) as UsageEvent, json, bytes: bytesIn(json) };
  }
}

class OpenDraft implements Draft<Written> {
  readonly events: Written[] = [];
  #bytes = FRAMING;

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
  ) {}

  get count(): number {
    return this.events.length;
  }

  get isFull(): boolean {
    return this.count >= this.maxEvents;
  }

  add(one: Written): boolean {
    const bytes = this.#bytes + one.bytes + FRAMING;
    if (this.isFull || (this.count > 0 && bytes > this.maxBytes)) return false;
    this.events.push(one);
    this.#bytes = bytes;
    return true;
  }
}

class OpenBatch implements Batch {
  readonly contentType = 'application/cloudevents-batch+json';
  readonly body: string;

  constructor(private readonly events: readonly Written[]) {
    this.body = `[${events.map(({ json }) => json).join(',')}]`;
  }

  get count(): number {
    return this.events.length;
  }

  event(index: number): UsageEvent | undefined {
    return this.events[index]?.event;
  }

  halves(): readonly [Batch, Batch] | undefined {
    if (this.count < 2) return undefined;
    const middle = Math.ceil(this.count / 2);
    return [new OpenBatch(this.events.slice(0, middle)), new OpenBatch(this.events.slice(middle))];
  }

  answerIn(text: string): Answer | undefined {
    const verdicts = objectIn(text)?.verdicts;
    if (!Array.isArray(verdicts) || verdicts.length !== this.count) return undefined;
    const answer = { acknowledged: 0, duplicate: 0, conflict: 0, held: 0, rejected: 0 };
    const untaken: { index: number; verdict: EventVerdict }[] = [];
    for (const [index, { event }] of this.events.entries()) {
      const verdict: unknown = verdicts[index];
      if (!isVerdict(verdict) || verdict.id !== event.id || verdict.source !== event.source) return undefined;
      answer[verdict.verdict === 'accepted' ? 'acknowledged' : verdict.verdict] += 1;
      if (verdict.verdict !== 'accepted' && verdict.verdict !== 'duplicate') untaken.push({ index, verdict });
    }
    return { ...answer, untaken };
  }
}

export function written(event: UsageEvent): Written {
  const json = JSON.stringify(event);
  return { event, json, bytes: bytesIn(json) };
}

function isVerdict(value: unknown): value is EventVerdict {
  if (!isObject(value)) return false;
  return typeof value.verdict === 'string' && VERDICTS.includes(value.verdict);
}

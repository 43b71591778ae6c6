import type { EventVerdict, UsageEvent } from './contract.js';
import type { DroppedBatch } from './errors.js';

/** What the server said of a batch: counts, and a verdict for each event that it did not take. */
export interface Answer {
  readonly acknowledged: number;
  readonly duplicate: number;
  readonly conflict: number;
  readonly held: number;
  readonly rejected: number;
  readonly untaken: readonly { readonly index: number; readonly verdict: EventVerdict }[];
}

/** Events on their way. The bytes are made once, and repeated as they are. */
export interface Batch {
  readonly contentType: string;
  readonly body: string;
  readonly count: number;
  /** Where in a stream it stands; absent at the open door. */
  readonly numbered?: DroppedBatch;
  event(index: number): UsageEvent | undefined;
  /** Reads an answer; undefined when it is not an answer to this batch. */
  answerIn(text: string): Answer | undefined;
  /** Two batches with the same events; undefined when it must stay whole. */
  halves(): readonly [Batch, Batch] | undefined;
}

export function eventsOf(batch: Batch): readonly UsageEvent[] {
  return Array.from({ length: batch.count }, (_, index) => batch.event(index)).filter((event) => event !== undefined);
}

/** A batch that is still growing. */
export interface Draft<Item> {
  readonly count: number;
  /** Nothing more fits. */
  readonly isFull: boolean;
  /** False when it does not fit any more; then nothing changed. An empty draft takes any event. */
  add(item: Item): boolean;
}

/** One of the two ways into Farebox: what goes through it, and in what form. */
export interface Door<Item> {
  readonly name: 'stream' | 'open';
  /** Appended to the URL of the open door. */
  readonly path: string;
  /** Bytes a batch of this one event may have at most. */
  sizeAlone(item: Item): number;
  newDraft(): Draft<Item>;
  /** Makes the bytes, and gives the batch its number where there are numbers. */
  seal(draft: Draft<Item>): Batch;
  /** One event as a line of the spool, and back. */
  toText(item: Item): string;
  fromText(text: string): Item;
}

const encoder = new TextEncoder();

export const bytesIn = (text: string): number => encoder.encode(text).byteLength;

/** The object in an answer's text; undefined for anything else. */
export function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

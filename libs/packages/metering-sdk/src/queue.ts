import type { UsageEvent } from './contract.js';

/** An event with its text, made once: every attempt sends the same bytes. */
export interface QueuedEvent {
  readonly event: UsageEvent;
  readonly json: string;
  readonly bytes: number;
  /** When it came in, on the monotonic clock. */
  readonly at: number;
}

/** Brackets and commas around and between events. */
const FRAMING = 1;

/**
 * First in, first out, bounded. An event holds its place until it has been answered for, so that what is in flight counts
 * against the bound too.
 */
export class EventQueue {
  readonly #waiting: QueuedEvent[] = [];
  readonly #blocked: { event: QueuedEvent; entered: () => void; refuse: (error: Error) => void }[] = [];
  #inFlight = 0;
  #entered = 0;
  #left = 0;

  constructor(
    readonly capacity: number,
    readonly maxEvents: number,
    readonly maxBytes: number,
  ) {}

  /** Events not answered for yet. */
  get size(): number {
    return this.#waiting.length + this.#inFlight;
  }

  /** How many have ever entered, and how many of them have been answered for: as order is kept, a place in line. */
  get entered(): number {
    return this.#entered;
  }
  get answered(): number {
    return this.#left;
  }

  /** The oldest event not in flight. */
  get oldest(): QueuedEvent | undefined {
    return this.#waiting[0];
  }

  get isFull(): boolean {
    return this.size >= this.capacity;
  }

  /** Resolves when the event is in the queue: at once, or when those before it have left room. */
  enter(event: QueuedEvent): Promise<void> {
    if (!this.isFull && this.#blocked.length === 0) {
      this.#push(event);
      return Promise.resolve();
    }
    return new Promise((entered, refuse) => this.#blocked.push({ event, entered, refuse }));
  }

  refuseBlocked(error: Error): void {
    for (const { refuse } of this.#blocked.splice(0)) refuse(error);
  }

  /** Is there enough for a batch that cannot grow? */
  get hasFullBatch(): boolean {
    if (this.#waiting.length >= this.maxEvents) return true;
    return this.#batchLength() < this.#waiting.length;
  }

  /** Takes the next batch out of the line; its places stay taken until `settle`. */
  take(): readonly QueuedEvent[] {
    const batch = this.#waiting.splice(0, this.#batchLength());
    this.#inFlight += batch.length;
    return batch;
  }

  /** These events have been answered for, or given up. */
  settle(count: number): void {
    this.#inFlight -= count;
    this.#left += count;
    for (const { event, entered } of this.#blocked.splice(0, Math.max(0, this.capacity - this.size))) {
      this.#push(event);
      entered();
    }
  }

  #push(event: QueuedEvent): void {
    this.#waiting.push(event);
    this.#entered += 1;
  }

  #batchLength(): number {
    let bytes = FRAMING;
    let length = 0;
    for (const event of this.#waiting) {
      bytes += event.bytes + FRAMING;
      if (length === this.maxEvents || bytes > this.maxBytes) break;
      length += 1;
    }
    return length;
  }
}

import type { Batch } from './batch.js';
import { type MeteringError, SpoolFailedError } from './errors.js';
import type { Journal, JournalState } from './journal.js';
import type { Sender } from './sender.js';

/** A batch and one more than the number of its last event. */
export interface Placed {
  readonly batch: Batch;
  readonly through: number;
}

/** Where a stream stands; absent where events bring their own identity. */
export interface Numbering {
  readonly position: NonNullable<JournalState['stream']>;
  goOn(position: NonNullable<JournalState['stream']>): void;
}

export interface KeeperSetup {
  readonly name: string;
  readonly journal: Journal | undefined;
  readonly numbering: Numbering | undefined;
  readonly sender: Sender;
  readonly setAside: ((name: string, text: string) => Promise<void>) | undefined;
  readonly report: (error: MeteringError) => void;
}

/** What a door writes down of its batches, where there is a disk. */
export class Keeper {
  #marked: number;

  constructor(private readonly setup: KeeperSetup) {
    this.#marked = setup.journal?.found?.answered ?? 0;
  }

  /**
   * The bytes are on disk before anybody sees them: after a crash this number carries them again, and no others. False when
   * the client was closed before that succeeded; then the batch must not be sent.
   */
  async beforeSending({ batch, through }: Placed, answered: number): Promise<boolean> {
    const { journal, numbering, sender } = this.setup;
    if (journal === undefined || numbering === undefined) return true;
    const state = { answered, stream: numbering.position, pending: { through, body: batch.body } };
    for (let failures = 1; ; failures++) {
      try {
        await journal.keep(state);
        this.#marked = answered;
        return true;
      } catch (error) {
        if (failures === 1) this.failed(error);
        if (!(await sender.pause(failures))) return false;
      }
    }
  }

  /** Where this fails, the last batch is sent once more after a restart, and counts once. */
  async mark(answered: number): Promise<void> {
    const { journal, numbering } = this.setup;
    if (journal === undefined || this.#marked === answered) return;
    try {
      await journal.keep({ answered, ...(numbering && { stream: numbering.position }) });
      this.#marked = answered;
    } catch (error) {
      this.failed(error);
    }
  }

  /** What was given up leaves the way of the others, but not the disk. */
  async setAside(parts: readonly Batch[], through: number): Promise<void> {
    const { name, setAside } = this.setup;
    for (const [part, { numbered, body }] of parts.entries()) {
      const place = numbered === undefined ? `${through}-${part}` : `${numbered.stream}-${numbered.seq}`;
      await setAside?.(`${name}-${place}.json`, body).catch((error: unknown) => this.failed(error));
    }
  }

  failed(cause: unknown): void {
    const why = cause instanceof Error ? ` ${cause.message}` : '';
    this.setup.report(new SpoolFailedError(`The spool cannot be written or read.${why}`, { cause }));
  }
}

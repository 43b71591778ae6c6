import type { SpoolDamagedError } from './errors.js';

// What the client asks of a spool. The spool itself is another entry point, so that this one runs where there is no disk.

/** A folder on disk that keeps usage until it is answered for: `diskSpool` of `@farebox/metering/spool`. */
export interface Spool {
  /** Takes the folder for this client. @throws SpoolLockedError, SpoolFullError, SpoolFailedError */
  open(): OpenSpool;
}

export interface OpenSpool {
  readonly stream: Journal;
  readonly open: Journal;
  /** Keeps what was given up for good, under this name, for somebody to look at. */
  setAside(name: string, text: string): Promise<void>;
  /** Waits for what is being written, and leaves the folder to others. */
  close(): Promise<void>;
}

/** How far a door has come. Events are counted from 0, in the order they were appended. */
export interface JournalState {
  /** The events before this one have been answered for. */
  readonly answered: number;
  readonly stream?: { readonly stream: string; readonly seq: number };
  /** A batch whose bytes may have been sent: the events from `answered` up to `through`. */
  readonly pending?: { readonly through: number; readonly body: string };
}

/** A stretch of the journal. */
export interface Stretch {
  readonly events: readonly { readonly ordinal: number; readonly text: string }[];
  /** Where to read on. */
  readonly next: number;
  /** Events between that cannot be read any more. */
  readonly damage?: SpoolDamagedError;
}

/** The events of one door on disk. */
export interface Journal {
  /** As it was found. */
  readonly found: JournalState | undefined;
  /** One more than the last event on disk. */
  readonly end: number;
  /** Resolves with the event's number once it is on disk. @throws SpoolFullError, SpoolFailedError */
  append(text: string): Promise<number>;
  /** At most so many events from this number on, of those on disk. */
  read(from: number, most: number): Promise<Stretch>;
  /** Replaces the state, wholly or not at all; events before `answered` may then be forgotten. */
  keep(state: JournalState): Promise<void>;
}

import { Buffer } from 'node:buffer';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { JournalState } from './journal.js';
import { diskError, syncFolder } from './spool-disk.js';
import { frameOf, readFrame } from './spool-frames.js';

interface Kept {
  readonly generation: number;
  readonly state: JournalState;
}

/**
 * The state of a journal in two files written by turns: a write that a crash tears leaves the other file, with the state
 * before it. Their room is allocated at once, so that a full disk cannot keep what is in the spool from leaving it.
 */
export class Slots {
  readonly found: JournalState | undefined;
  readonly #paths: readonly [string, string];
  readonly #handles = new Map<string, FileHandle>();
  #generation: number;

  constructor(
    folder: string,
    room: number,
    private readonly sync: boolean,
  ) {
    this.#paths = [join(folder, 'state-0'), join(folder, 'state-1')];
    for (const path of this.#paths) if (!existsSync(path)) allocate(path, room, sync);
    if (sync) syncFolder(folder);
    const newest = this.#paths
      .map(keptIn)
      .filter((kept) => kept !== undefined)
      .sort((a, b) => b.generation - a.generation)[0];
    this.found = newest?.state;
    this.#generation = newest?.generation ?? 0;
  }

  /** Not to be called before the last call has ended. */
  async keep(state: JournalState): Promise<void> {
    const generation = this.#generation + 1;
    const frame = frameOf(JSON.stringify({ generation, state } satisfies Kept));
    const path = this.#paths[generation % 2 === 0 ? 0 : 1];
    try {
      const handle = this.#handles.get(path) ?? (await open(path, 'r+'));
      this.#handles.set(path, handle);
      for (let written = 0; written < frame.length;)
        written += (await handle.write(frame, written, frame.length - written, written)).bytesWritten;
      if (this.sync) await handle.datasync();
    } catch (cause) {
      throw diskError(cause);
    }
    this.#generation = generation;
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
    this.#handles.clear();
  }
}

function allocate(path: string, room: number, sync: boolean): void {
  const handle = openSync(path, 'wx', 0o600);
  try {
    const zeros = Buffer.alloc(room);
    for (let written = 0; written < room;) written += writeSync(handle, zeros, written, room - written, written);
    if (sync) fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Nothing in a file that was never written, or whose last write was torn. */
function keptIn(path: string): Kept | undefined {
  const frame = readFrame(readFileSync(path), 0);
  return frame.kind === 'whole' ? (JSON.parse(frame.text) as Kept) : undefined;
}

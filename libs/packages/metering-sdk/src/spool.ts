import { mkdirSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidOptionError } from './errors.js';
import type { Journal, JournalState, OpenSpool, Spool } from './journal.js';
import { diskError } from './spool-disk.js';
import { lockFolder } from './spool-lock.js';
import { type LogOptions, SpoolLog } from './spool-log.js';
import { Slots } from './spool-slots.js';

export interface DiskSpoolOptions {
  /** A folder of its own for every process; made when it is not there. Put it on a disk, not on a share. */
  readonly dir: string;
  /** Events may take so many bytes; 1 GiB unless told otherwise. Then `record` rejects with SpoolFullError. */
  readonly maxBytes?: number;
  /**
   * True, unless told otherwise: what `record` resolved survives a loss of power. With false it survives the death of the
   * process only, and `record` is faster.
   */
  readonly fsync?: boolean;
  /** Length of one file of events; 8 MiB, or an eighth of `maxBytes`, unless told otherwise. */
  readonly segmentBytes?: number;
}

const MAX_BYTES = 1024 ** 3;
const SEGMENT_BYTES = 8 * 1024 ** 2;
/** A batch of 900 KiB, with every quote in it escaped at worst. */
const STREAM_STATE_BYTES = 2 * 1024 ** 2;
const OPEN_STATE_BYTES = 4 * 1024;

/**
 * A folder that keeps usage until Farebox has answered for it: through the death of the process, and through weeks without
 * a network. Give it to `new Metering({ spool })`.
 * @throws InvalidOptionError
 */
export function diskSpool(options: DiskSpoolOptions): Spool {
  const { dir, fsync: sync = true } = options;
  if (typeof dir !== 'string' || dir === '') throw new InvalidOptionError('spool.dir is missing.');
  const most = positive('spool.maxBytes', options.maxBytes ?? MAX_BYTES);
  const ordinary = Math.max(1, Math.min(SEGMENT_BYTES, Math.floor(most / 8)));
  const segmentBytes = positive('spool.segmentBytes', options.segmentBytes ?? ordinary);
  return { open: () => openSpool(dir, { segmentBytes, sync, budget: { most, used: 0 } }) };
}

function openSpool(dir: string, options: LogOptions): OpenSpool {
  const folders = { stream: join(dir, 'stream'), open: join(dir, 'open') };
  try {
    for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = lockFolder(dir);
    try {
      const stream = new DiskJournal(folders.stream, STREAM_STATE_BYTES, options);
      const open = new DiskJournal(folders.open, OPEN_STATE_BYTES, options);
      return {
        stream,
        open,
        setAside: (name, text) => setAside(join(dir, 'refused'), name, text),
        close: async () => {
          await stream.close();
          await open.close();
          lock.release();
        },
      };
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw isOurs(error) ? error : diskError(error);
  }
}

class DiskJournal implements Journal {
  readonly #slots: Slots;
  readonly #log: SpoolLog;

  constructor(folder: string, stateBytes: number, options: LogOptions) {
    this.#slots = new Slots(folder, stateBytes, options.sync);
    const { found } = this.#slots;
    this.#log = new SpoolLog(folder, found?.pending?.through ?? found?.answered ?? 0, options);
  }

  get found(): JournalState | undefined {
    return this.#slots.found;
  }

  get end(): number {
    return this.#log.end;
  }

  append(text: string): Promise<number> {
    return this.#log.append(text);
  }

  read(from: number, most: number): ReturnType<Journal['read']> {
    return this.#log.read(from, most);
  }

  async keep(state: JournalState): Promise<void> {
    await this.#slots.keep(state);
    await this.#log.forget(state.answered);
  }

  async close(): Promise<void> {
    await this.#log.close();
    await this.#slots.close();
  }
}

async function setAside(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await open(join(folder, name), 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidOptionError(`${name} is ${value}; it is a whole number above zero.`);
}

const isOurs = (error: unknown): boolean => error instanceof Error && 'code' in error && error.name.startsWith('Spool');

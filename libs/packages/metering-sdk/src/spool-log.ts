import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SpoolDamagedError, SpoolFailedError, SpoolFullError } from './errors.js';
import type { Stretch } from './journal.js';
import { diskError, syncFolder } from './spool-disk.js';
import { frameOf, readFrame } from './spool-frames.js';

/** Bytes that all logs of a spool share. */
export interface Budget {
  readonly most: number;
  used: number;
}

export interface LogOptions {
  readonly segmentBytes: number;
  readonly sync: boolean;
  readonly budget: Budget;
}

/** A file of frames. Its name says which event is its first. */
interface Segment {
  readonly path: string;
  readonly first: number;
  /** One more than its last event. */
  end: number;
  bytes: number;
  /** Where some of its events are, in order. */
  readonly marks: { readonly ordinal: number; readonly offset: number }[];
}

interface Waiting {
  readonly frame: Buffer;
  readonly written: (ordinal: number) => void;
  readonly refuse: (error: Error) => void;
}

const NAME = /^events-(\d{16})\.log$/;
const MARK_EVERY = 1_024;
const ONCE_WRITTEN = 4 * 1024 * 1024;
const ONCE_READ = 256 * 1024;

/**
 * Events in the order they were appended, numbered from 0. Those that are appended while the disk is busy share the next
 * write and its fsync.
 */
export class SpoolLog {
  readonly #segments: Segment[];
  readonly #waiting: Waiting[] = [];
  #end: number;
  #writer: Promise<void> | undefined;
  #handle: FileHandle | undefined;
  #reader: { readonly segment: Segment; readonly handle: FileHandle } | undefined;
  #place: { readonly segment: Segment; readonly ordinal: number; readonly offset: number } | undefined;
  #broken: Error | undefined;

  /** Events before `from` are of no interest; the log goes on there when it ends before it. */
  constructor(
    private readonly folder: string,
    from: number,
    private readonly options: LogOptions,
  ) {
    this.#segments = segmentsIn(folder);
    options.budget.used += this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#end = Math.max(from, this.#segments.at(-1)?.end ?? 0);
  }

  /** One more than the last event on disk. */
  get end(): number {
    return this.#end;
  }

  append(text: string): Promise<number> {
    const { budget } = this.options;
    const frame = frameOf(text);
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (budget.used + frame.length > budget.most)
      return Promise.reject(new SpoolFullError(`The spool holds ${budget.used} bytes, at most ${budget.most}.`));
    budget.used += frame.length;
    return new Promise((written, refuse) => {
      this.#waiting.push({ frame, written, refuse });
      this.#writer ??= this.#write();
    });
  }

  /** At most so many events from this one on; not to be called before the last call has ended. */
  async read(from: number, most: number): Promise<Stretch> {
    const events: { ordinal: number; text: string }[] = [];
    let next = from;
    while (events.length < most && next < this.#end) {
      const segment = this.#segments.findLast(({ first }) => first <= next);
      if (segment === undefined || next >= segment.end) {
        const later = this.#segments.find(({ first }) => first > next)?.first ?? this.#end;
        return { events, next: later, damage: damaged(later - next, this.folder) };
      }
      const read = await this.#readIn(segment, next, Math.min(most - events.length, segment.end - next));
      for (const text of read.texts) events.push({ ordinal: next++, text });
      if (read.isBad) {
        const later = segment.marks.find(({ ordinal }) => ordinal > next)?.ordinal ?? segment.end;
        return { events, next: later, damage: damaged(later - next, segment.path) };
      }
    }
    return { events, next };
  }

  /** Events before this one may be forgotten; the files that hold no others are deleted. */
  async forget(before: number): Promise<void> {
    for (const segment of [...this.#segments]) {
      const isQuiet = this.#writer === undefined && before >= this.#end;
      const isCurrent = segment === this.#segments.at(-1);
      if (segment.end > before || (isCurrent && !(isQuiet && segment.bytes > this.options.segmentBytes / 8))) break;
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      this.options.budget.used -= segment.bytes;
      if (isCurrent) await this.#closeHandle();
      if (this.#reader?.segment === segment) await this.#closeReader();
      await rm(segment.path, { force: true });
    }
  }

  async close(): Promise<void> {
    await this.#writer;
    await this.#closeHandle();
    await this.#closeReader();
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      const bytes = Buffer.concat(group.map(({ frame }) => frame));
      try {
        const segment = await this.#writeDurably(bytes);
        if (this.#end === segment.first || this.#end - (segment.marks.at(-1)?.ordinal ?? 0) >= MARK_EVERY)
          segment.marks.push({ ordinal: this.#end, offset: segment.bytes });
        segment.bytes += bytes.length;
        for (const { written } of group) written(this.#end++);
        segment.end = this.#end;
      } catch (cause) {
        this.options.budget.used -= bytes.length;
        for (const { refuse } of group) refuse(this.#broken ?? diskError(cause));
      }
    }
    this.#writer = undefined;
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    const length = this.#waiting.findIndex(({ frame }) => (bytes += frame.length) > ONCE_WRITTEN);
    return this.#waiting.splice(0, length === -1 ? this.#waiting.length : Math.max(1, length));
  }

  /** Writes behind the last event. When that fails the file is as it was before, or nothing is written any more. */
  async #writeDurably(bytes: Buffer): Promise<Segment> {
    if (this.#broken !== undefined) throw this.#broken;
    const segment = await this.#segmentToWrite();
    const handle = (this.#handle ??= await open(segment.path, 'r+'));
    try {
      for (let written = 0; written < bytes.length;)
        written += (await handle.write(bytes, written, bytes.length - written, segment.bytes + written)).bytesWritten;
      if (this.options.sync) await handle.datasync();
      return segment;
    } catch (cause) {
      try {
        await handle.truncate(segment.bytes);
        if (this.options.sync) await handle.datasync();
      } catch {
        // What was refused may still be in the file, and would be sent after a restart: nothing may follow it.
        this.#broken = new SpoolFailedError('The spool cannot be written any more; see the cause.', { cause });
      }
      throw cause;
    }
  }

  async #segmentToWrite(): Promise<Segment> {
    const current = this.#segments.at(-1);
    if (current !== undefined && current.bytes < this.options.segmentBytes && current.end === this.#end) return current;
    await this.#closeHandle();
    const path = join(this.folder, `events-${String(this.#end).padStart(16, '0')}.log`);
    this.#handle = await open(path, 'w+', 0o600);
    if (this.options.sync) syncFolder(this.folder);
    const segment = { path, first: this.#end, end: this.#end, bytes: 0, marks: [] };
    this.#segments.push(segment);
    return segment;
  }

  async #readIn(segment: Segment, from: number, most: number): Promise<{ texts: string[]; isBad: boolean }> {
    const texts: string[] = [];
    let { ordinal, offset } = this.#placeOf(segment, from);
    let once = ONCE_READ;
    while (texts.length < most) {
      const handle = await this.#readerOf(segment);
      const chunk = Buffer.allocUnsafe(Math.min(once, segment.bytes - offset));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset);
      const buffer = chunk.subarray(0, bytesRead);
      let at = 0;
      let frame = readFrame(buffer, at);
      for (; frame.kind === 'whole' && texts.length < most; frame = readFrame(buffer, at)) {
        if (ordinal >= from) texts.push(frame.text);
        at = frame.next;
        ordinal += 1;
      }
      offset += at;
      const isCutOff = frame.kind === 'short' && offset + frame.bytes <= segment.bytes;
      if (texts.length < most && !isCutOff) return { texts, isBad: true };
      once = Math.max(ONCE_READ, frame.kind === 'short' ? frame.bytes : 0);
    }
    this.#place = { segment, ordinal, offset };
    return { texts, isBad: false };
  }

  /** The nearest known place at or before an event. */
  #placeOf(segment: Segment, ordinal: number): { ordinal: number; offset: number } {
    const place = this.#place?.segment === segment && this.#place.ordinal <= ordinal ? this.#place : undefined;
    const mark = segment.marks.findLast((one) => one.ordinal <= ordinal) ?? { ordinal: segment.first, offset: 0 };
    return place !== undefined && place.ordinal >= mark.ordinal ? place : mark;
  }

  async #readerOf(segment: Segment): Promise<FileHandle> {
    if (this.#reader?.segment === segment) return this.#reader.handle;
    await this.#closeReader();
    this.#reader = { segment, handle: await open(segment.path, 'r') };
    return this.#reader.handle;
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #closeReader(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.handle.close();
  }
}

function damaged(events: number, where: string): SpoolDamagedError {
  return new SpoolDamagedError(`${events} usage event(s) in ${where} cannot be read.`, events);
}

/** The segments as they are found; the torn end of the last one is cut off. */
function segmentsIn(folder: string): Segment[] {
  const names = readdirSync(folder).filter((name) => NAME.test(name));
  const found = names.sort().map((name) => ({ path: join(folder, name), first: Number(NAME.exec(name)?.[1]) }));
  return found.map(({ path, first }, index) => {
    const following = found[index + 1]?.first;
    if (following !== undefined) return { path, first, end: following, bytes: statSync(path).size, marks: [] };
    const buffer = readFileSync(path);
    let offset = 0;
    let end = first;
    for (let frame = readFrame(buffer, 0); frame.kind === 'whole'; frame = readFrame(buffer, offset)) {
      offset = frame.next;
      end += 1;
    }
    if (offset < buffer.length) truncateSync(path, offset);
    return { path, first, end, bytes: offset, marks: [] };
  });
}

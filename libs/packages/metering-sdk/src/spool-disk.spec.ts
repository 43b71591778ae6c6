import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { scratchFolder } from '../test/scratch-folder.js';
import { SpoolFullError, SpoolLockedError } from './errors.js';
import { lockFolder } from './spool-lock.js';
import { crc32 } from './spool-frames.js';
import { type Budget, SpoolLog } from './spool-log.js';
import { Slots } from './spool-slots.js';

let folder: ReturnType<typeof scratchFolder>;

beforeEach(() => {
  folder = scratchFolder();
});
afterEach(() => folder.remove());

function log(from = 0, segmentBytes = 1e6, budget: Budget = { most: 1e9, used: 0 }): SpoolLog {
  return new SpoolLog(folder.path, from, { segmentBytes, sync: false, budget });
}

async function all(from: SpoolLog, first = 0): Promise<string[]> {
  const texts: string[] = [];
  for (let next = first; next < from.end;) {
    const stretch = await from.read(next, 7);
    texts.push(...stretch.events.map(({ text }) => text));
    next = stretch.next;
  }
  return texts;
}

const files = (): string[] =>
  readdirSync(folder.path)
    .filter((name) => name.startsWith('events-'))
    .sort();
const lastFile = (): string => join(folder.path, files().at(-1) ?? '');

describe('the log of a spool', () => {
  const texts = fc.array(
    fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => `e${text}`),
    {
      minLength: 1,
      maxLength: 60,
    },
  );

  it('gives back what was appended, over files, restarts and whatever was forgotten', async () => {
    const property = fc.asyncProperty(texts, texts, fc.nat(), async (before, after, cut) => {
      folder.remove();
      folder = scratchFolder();
      const first = log(0, 500);
      expect(await Promise.all(before.map((text) => first.append(text)))).toEqual(before.map((_, index) => index));
      expect(await all(first)).toEqual(before);
      const forgotten = cut % (before.length + 1);
      await first.forget(forgotten);
      await first.close();

      const second = log(forgotten, 500);
      expect(second.end).toBe(before.length);
      for (const text of after) await second.append(text);
      expect(await all(second, forgotten)).toEqual([...before, ...after].slice(forgotten));
      await second.forget(second.end);
      await second.close();
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('keeps everything before a torn end, and goes on after it', async () => {
    const property = fc.asyncProperty(
      texts,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.uint8Array({ maxLength: 40 }),
      async (appended, share, garbage) => {
        folder.remove();
        folder = scratchFolder();
        const torn = log();
        for (const text of appended) await torn.append(text);
        await torn.close();
        const whole = readFileSync(lastFile());
        const kept = Math.floor(whole.length * share);
        truncateSync(lastFile(), kept);
        appendFileSync(lastFile(), garbage);
        // Where the frames end is reckoned here without the reader under test.
        const ends = appended.reduce<number[]>(
          (sums, text) => [...sums, (sums.at(-1) ?? 0) + 8 + Buffer.byteLength(text)],
          [],
        );
        const survivors = ends.filter((end) => end <= kept).length;

        const mended = log();
        const read = await all(mended);
        expect(read.slice(0, survivors)).toEqual(appended.slice(0, survivors));
        expect(read.length).toBe(survivors); // Garbage does not pass for an event.
        await mended.append('after');
        expect(await all(mended)).toEqual([...appended.slice(0, survivors), 'after']);
        await mended.close();
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });

  it('says how many events are lost when a file is damaged in its middle, and goes on with the next', async () => {
    const healthy = log(0, 100);
    const appended = Array.from({ length: 20 }, (_, n) => `event ${String(n).padStart(20, '0')}`);
    for (const text of appended) await healthy.append(text);
    await healthy.close();
    const victim = join(folder.path, files()[1] ?? '');
    const bytes = readFileSync(victim);
    bytes[12] = (bytes[12] ?? 0) ^ 0xff;
    writeFileSync(victim, bytes);

    const damaged = log(0, 100);
    const before = await damaged.read(0, 100);
    expect(before.damage?.events).toBe(before.next - before.events.length);
    expect(before.damage?.events).toBeGreaterThan(0);
    const after = await damaged.read(before.next, 100);
    expect([...before.events, ...after.events].map(({ ordinal, text }) => [ordinal, text])).toEqual(
      [...before.events, ...after.events].map(({ ordinal }) => [ordinal, appended[ordinal]]),
    );
    expect(before.events.length + after.events.length + (before.damage?.events ?? 0)).toBe(20);
    await damaged.close();
  });

  it('refuses what goes beyond its bytes, and takes it once there is room', async () => {
    const budget = { most: 100, used: 0 };
    const small = log(0, 40, budget);
    await small.append('x'.repeat(32));
    await small.append('y'.repeat(32));
    await expect(small.append('z'.repeat(32))).rejects.toThrow(SpoolFullError);
    expect(await all(small)).toHaveLength(2);
    await small.forget(1);
    expect(await small.append('z'.repeat(32))).toBe(2);
    await small.forget(3);
    await small.close();
    expect([files(), budget.used]).toEqual([[], 0]);
  });

  it('reads on from any place while more is appended', async () => {
    const long = log(0, 64 * 1024);
    const appended = Array.from({ length: 5_000 }, (_, n) => `event ${n}`);
    await Promise.all(appended.slice(0, 4_000).map((text) => long.append(text)));
    const later = Promise.all(appended.slice(4_000).map((text) => long.append(text)));
    for (const from of [3_999, 0, 1_500, 2_047, 2_048, 2_049]) {
      const { events } = await long.read(from, 3);
      expect(events.map(({ text }) => text)).toEqual(appended.slice(from, from + 3).slice(0, events.length));
      expect(events.length).toBeGreaterThan(0);
    }
    await later;
    expect(await all(long)).toEqual(appended);
    await long.close();
  });
});

describe('the state of a spool', () => {
  it('is the newest that was written whole', async () => {
    const first = new Slots(folder.path, 4096, true);
    expect(first.found).toBeUndefined();
    for (let answered = 1; answered <= 3; answered++) await first.keep({ answered });
    await first.close();
    expect(new Slots(folder.path, 4096, true).found).toEqual({ answered: 3 });
    const newest = join(folder.path, 'state-1');
    const bytes = readFileSync(newest);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    writeFileSync(newest, bytes);
    expect(new Slots(folder.path, 4096, true).found).toEqual({ answered: 2 });
  });
});

describe('the lock of a spool', () => {
  const locks = (): string[] => readdirSync(folder.path);

  it('is held by one at a time', () => {
    const first = lockFolder(folder.path);
    expect(() => lockFolder(folder.path)).toThrow(SpoolLockedError);
    first.release();
    const second = lockFolder(folder.path);
    first.release.call(undefined); // Late and twice: it gives away no lock of another.
    expect(locks()).toContain('lock-2');
    second.release();
  });

  const holder = (fields: object): string => JSON.stringify({ pid: 1, incarnation: 'another', ...fields });

  it.each([
    ['a process that is gone', holder({ pid: 2 ** 22 + 7 })],
    ['another process that had our pid', holder({ pid: process.pid })],
    ['another process that had the pid of one that lives', holder({ pid: process.ppid, started: 'another boot/1' })],
    ['a machine that lost power', ''],
    ['somebody who gave it back', 'released'],
  ])('is taken over from %s', (_, text) => {
    writeFileSync(join(folder.path, 'lock-7'), text);
    lockFolder(folder.path);
    expect(locks()).toEqual(['lock-8']);
  });
});

it('checks with the CRC-32 that everybody means', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => expect(crc32(bytes)).toBe(zlibCrc32(bytes))));
});

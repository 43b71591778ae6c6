import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync, linkSync } from 'node:fs';
import { join } from 'node:path';
import { pid } from 'node:process';
import { SpoolLockedError } from './errors.js';
import { codeOf } from './spool-disk.js';

interface Holder {
  readonly pid: number;
  /** Which of all processes that ever had this pid, where the system tells. */
  readonly started?: string | undefined;
  /** Tells this process from an earlier one with the same pid, as in a container that was restarted. */
  readonly incarnation: string;
}

const RELEASED = 'released';
const LOCK = /^lock-(\d{1,15})$/;
const incarnation = crypto.randomUUID();

/**
 * One process at a time uses a folder. Locks are numbered files, and the highest number holds. Taking over means to create
 * the next number, which only one process can; numbers never go back, so that one who was slow to look finds a higher
 * number beside its own and steps back.
 */
export function lockFolder(folder: string): { release(): void } {
  const draft = join(folder, `draft-${crypto.randomUUID()}`);
  const me: Holder = { pid, started: startOf(pid), incarnation };
  writeFileSync(draft, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      const highest = highestIn(folder);
      if (highest > 0) refuseIfAlive(folder, join(folder, `lock-${highest}`));
      const mine = join(folder, `lock-${highest + 1}`);
      if (!linked(draft, mine)) continue;
      if (highestIn(folder) !== highest + 1) {
        rmSync(mine, { force: true });
        continue;
      }
      for (const older of numbersIn(folder))
        if (older <= highest) rmSync(join(folder, `lock-${older}`), { force: true });
      return { release: () => release(folder, mine) };
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The file stays, so that the number stays taken. */
function release(folder: string, lock: string): void {
  const draft = join(folder, `draft-${crypto.randomUUID()}`);
  writeFileSync(draft, RELEASED, { mode: 0o600 });
  renameSync(draft, lock);
}

/** A file comes into being whole, and only where there was none. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function refuseIfAlive(folder: string, lock: string): void {
  const holder = holderIn(lock);
  if (holder === undefined || !isAlive(holder)) return;
  const who = holder.pid === pid ? 'another client of this process' : `process ${holder.pid}`;
  throw new SpoolLockedError(`${folder} is the spool of ${who}. Give every process a folder of its own.`);
}

function holderIn(lock: string): Holder | undefined {
  try {
    const text = readFileSync(lock, 'utf8');
    if (text === RELEASED) return undefined;
    const holder = JSON.parse(text) as Partial<Holder>;
    if (typeof holder.pid !== 'number' || typeof holder.incarnation !== 'string') return undefined;
    return { pid: holder.pid, started: holder.started, incarnation: holder.incarnation };
  } catch (error) {
    // Gone: taken over meanwhile. Unreadable: written by a machine that lost power in the act.
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isAlive(holder: Holder): boolean {
  if (holder.pid === pid) return holder.incarnation === incarnation;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  return holder.started === startOf(holder.pid);
}

/** On Linux: which boot, and when in it the process began. */
function startOf(process: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // Fields are counted after the name, which is in brackets and may hold anything; the 20th of them is the start.
    const started = readFileSync(`/proc/${process}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19];
    return started === undefined ? undefined : `${boot}/${started}`;
  } catch {
    return undefined;
  }
}

const numbersIn = (folder: string): readonly number[] =>
  readdirSync(folder).flatMap((name) => {
    const number = LOCK.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });

const highestIn = (folder: string): number => Math.max(0, ...numbersIn(folder));

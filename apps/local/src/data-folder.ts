import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyPostgres } from '../../../tools/servers/postgres.mjs';

/** Where everything of one `npm start` is kept. Other things may lie in the same folder; they are left alone. */
export class DataFolder {
  readonly postgres: string;
  readonly redis: string;
  readonly chain: string;
  readonly files: string;
  readonly logs: string;
  readonly statements: string;
  readonly stripe: string;
  readonly secrets: string;
  readonly environment: string;
  readonly #lock: string;

  constructor(readonly path: string) {
    const within = (name: string): string => join(path, name);
    this.postgres = within('postgres');
    this.redis = within('redis');
    this.chain = within('chain');
    this.files = within('files');
    this.logs = within('logs');
    this.statements = within('statements');
    this.stripe = within('stripe-stand-in.json');
    this.secrets = within('secrets.json');
    this.environment = within('environment');
    this.#lock = within('start.lock');
  }

  /**
   * Takes the folder for this process, until `release`.
   * @throws Error when another start has it
   */
  take(): void {
    mkdirSync(this.path, { recursive: true });
    while (!this.#tookLock()) {
      const holder = runningHolder(this.#lock);
      if (holder !== undefined) {
        throw new Error(
          `Farebox is already started on ${this.path} (process ${holder}). ` +
            'Stop it first, or start another one with --data <folder>.',
        );
      }
      // Its holder was killed without a chance to let go.
      rmSync(this.#lock, { force: true });
    }
  }

  /** The name is written before the lock is there, so that nobody can read half of it. */
  #tookLock(): boolean {
    const draft = `${this.#lock}.${process.pid}`;
    writeFileSync(draft, processName(process.pid));
    try {
      linkSync(draft, this.#lock);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  release(): void {
    rmSync(this.#lock, { force: true });
  }

  /** Throws away what a start made, and only that. */
  empty(): void {
    emptyPostgres(this.postgres);
    const { redis, chain, files, logs, statements, stripe, secrets, environment } = this;
    for (const made of [redis, chain, files, logs, statements, stripe, secrets, environment]) {
      rmSync(made, { recursive: true, force: true });
    }
  }

  /** The log file of a process; what its previous start wrote stays beside it as `.1`. */
  logOf(process: string): string {
    mkdirSync(this.logs, { recursive: true });
    const log = join(this.logs, `${process}.log`);
    if (existsSync(log)) renameSync(log, `${log}.1`);
    return log;
  }
}

/** Ids of processes are given out again, so where the system tells when one began, that is part of its name. */
function processName(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The fields after the program's name, which stands in brackets and may hold anything; the 20th is the start.
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  } catch {
    return `${pid} `;
  }
}

/** The process that holds the lock, if it is still there. */
function runningHolder(lock: string): number | undefined {
  let name: string;
  try {
    name = readFileSync(lock, 'utf8');
  } catch {
    return undefined;
  }
  const pid = Number(name.split(' ')[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return undefined;
  }
  return processName(pid) === name ? pid : undefined;
}

import type { SpawnOptions } from 'node:child_process';

/** A server that we started as a process of its own. */
export interface Server {
  readonly name: string;
  readonly pid: number | undefined;
  readonly ended: boolean;
  /** Sends a signal and does not wait; nothing when it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Asks it to stop, insists with SIGKILL after 8 s, resolves when it is gone. Harmless when repeated. */
  stop(): Promise<void>;
  /** How it ended and the last lines of its log. */
  describeEnd(): string;
}

export interface ServerOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** A file that its output is appended to; without one it is dropped. */
  readonly log?: string | undefined;
  /** The signal of an orderly stop; SIGTERM when left out. */
  readonly stopSignal?: NodeJS.Signals;
}

/** The first of these programs that PATH knows. */
export function onPath(...names: string[]): string | undefined;

/** Runs a program to its end and returns its status (-1: it could not be run or took too long) and all its output. */
export function run(
  file: string,
  args: readonly string[],
  options?: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> & { timeout?: number },
): Promise<{ status: number; output: string }>;

/** Starts a server. It is stopped when this process ends, on Linux with `setpriv` even by kill -9. */
export function startServer(options: ServerOptions): Server;

/** Asks until the answer is true. Throws, with the server's own last words, when it ends or takes too long. */
export function untilReady(
  server: Server,
  isReady: () => Promise<boolean>,
  options?: { deadlineMs?: number },
): Promise<void>;

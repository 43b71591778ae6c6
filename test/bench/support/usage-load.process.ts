import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../../../tools/root.mjs';
import type { Content } from './usage-load.events.js';

export interface LoadTask {
  /** copy: COPY into a bare table · stream: the stream door · accepted, verdicts: the open door, with and without `Prefer`. */
  readonly kind: 'copy' | 'stream' | 'accepted' | 'verdicts';
  /** Of the api, or of the database to copy to. */
  readonly url: string;
  readonly key: string;
  readonly provider: string;
  readonly content: Content;
  readonly connections: number;
  readonly seconds: number;
  /** Stops earlier when so many have been acknowledged. */
  readonly mostEvents?: number;
}

export interface Load {
  /** Events that were acknowledged as new, and the time it took until the last of them. */
  readonly events: number;
  readonly ms: number;
  readonly requests: number;
  /** Milliseconds until an answer. */
  readonly p50: number;
  readonly p99: number;
  /** By variant: batches all of whose events counted … */
  readonly firsts: readonly number[];
  /** … and batches of the open door that repeated some. */
  readonly others: readonly number[];
}

type Answer = { readonly load: Load } | { readonly problem: string };

/** The load generator, in a process of its own so that it does not wait for the bench, nor the bench for it. */
export class UsageLoad {
  readonly #child: ChildProcess;
  #waiting: { resolve: (load: Load) => void; reject: (error: Error) => void } | undefined;

  constructor() {
    this.#child = fork(join(root, 'test/bench/support/usage-load.ts'), [], {
      execArgv: ['--import', join(root, 'tools/register-typescript.mjs')],
    });
    this.#child.on('message', (answer: Answer) => {
      if ('load' in answer) this.#waiting?.resolve(answer.load);
      else this.#waiting?.reject(new Error(answer.problem));
    });
    this.#child.once('exit', (code, signal) => {
      this.#waiting?.reject(new Error(`the load generator ended with ${signal ?? code}`));
    });
  }

  /** Sends for so many seconds and waits for the last answer. */
  run(task: LoadTask): Promise<Load> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.send(task);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

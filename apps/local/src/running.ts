import type { Server } from '../../../tools/servers/process.mjs';

/** Something that was started and has to be stopped. */
interface Started {
  readonly name: string;
  stop(): Promise<unknown>;
}

const LOOK_EVERY_MS = 200;

/** What was started, in order; stopped in reverse, once. */
export class Running {
  readonly #started: Started[] = [];
  readonly #watched: Server[] = [];
  #stopped: Promise<void> | undefined;
  /** Resolves with its last words when a process ends that nobody stopped. */
  readonly died: Promise<string>;

  constructor() {
    this.died = new Promise((resolve) => {
      const timer = setInterval(() => {
        const dead = this.#stopped === undefined ? this.#watched.find(({ ended }) => ended) : undefined;
        if (dead === undefined) return;
        clearInterval(timer);
        resolve(dead.describeEnd());
      }, LOOK_EVERY_MS);
      timer.unref();
    });
  }

  /** Keeps track of it. While everything is being stopped nothing new stays: it is stopped too, and the start ends there. */
  async add<Kind extends Started>(started: Kind): Promise<Kind> {
    if (this.#stopped !== undefined) {
      await started.stop();
      throw new Error(`${started.name} was stopped before it was of use.`);
    }
    this.#started.push(started);
    return started;
  }

  /** Keeps track of a process of its own, whose end is noticed. */
  async addServer<Kind extends Server>(server: Kind): Promise<Kind> {
    this.#watched.push(await this.add(server));
    return server;
  }

  /** Stops everything in reverse order. A stop that fails does not keep the others from being stopped. */
  stopAll(): Promise<void> {
    this.#stopped ??= this.#stopEach();
    return this.#stopped;
  }

  async #stopEach(): Promise<void> {
    for (const started of this.#started.reverse()) {
      await started.stop().catch((error: unknown) => console.error(`${started.name} did not stop: ${String(error)}`));
    }
  }
}

import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import { Queue } from 'bullmq';
import type { Config } from '@platform/config';
import type { Database, Writer } from '@platform/database';
import { QUEUES, queueConnection } from '@platform/queues';

export interface Part {
  readonly name: 'database' | 'chain' | 'queue';
  readonly ok: boolean;
  /** What is wrong, or a figure that says how right it is. */
  readonly says: string;
}

interface Standing {
  /** ready: all is well · degraded: requests are taken, some are refused or settled later · unready: send none. */
  readonly status: 'ready' | 'degraded' | 'unready';
  readonly parts: readonly Part[];
}

const PATIENCE_MS = 2_000;

/**
 * Whether this process should be sent requests. Only the database decides: usage, statements and stored answers need nothing
 * else. A chain that is behind makes the gate refuse what it must, and queues may be lost at any time, so both only degrade.
 */
export class Readiness {
  readonly #queue: Queue;

  constructor(
    private readonly database: Database,
    private readonly writer: Writer,
    private readonly chain: ChainReader,
    private readonly clock: Clock,
    private readonly config: Config,
  ) {
    const [first = 'submit-settlement'] = QUEUES;
    this.#queue = new Queue(first, { ...queueConnection(config), skipWaitingForReady: true });
    // BullMQ reports a lost connection as an event and reconnects by itself; `look` finds out.
    this.#queue.on('error', () => undefined);
  }

  async look(): Promise<Standing> {
    const [database, chain, queue] = await Promise.all([
      part('database', () => this.#askDatabase()),
      part('chain', () => this.#askChain()),
      part('queue', () => this.#askQueue()),
    ]);
    const status = !database.ok ? 'unready' : chain.ok && queue.ok ? 'ready' : 'degraded';
    return { status, parts: [database, chain, queue] };
  }

  async #askDatabase(): Promise<string> {
    await Promise.all([this.database.ping(), this.writer.query('SELECT 1')]);
    return 'answers';
  }

  async #askChain(): Promise<string> {
    const head = await this.chain.head();
    const age = Math.max(0, Math.round(this.clock.now() / 1000 - Number(head.timestamp)));
    if (age > this.config.CHAIN_STALE_SECONDS)
      throw new Error(
        `the newest block is ${age} s old, no payment is taken beyond ${this.config.CHAIN_STALE_SECONDS} s`,
      );
    return `the newest block is ${age} s old`;
  }

  async #askQueue(): Promise<string> {
    return `${await this.#queue.getWaitingCount()} jobs wait`;
  }

  async close(): Promise<void> {
    await within(this.#queue.close()).catch(() => undefined);
  }
}

async function part(name: Part['name'], ask: () => Promise<string>): Promise<Part> {
  try {
    return { name, ok: true, says: await within(ask()) };
  } catch (error) {
    return {
      name,
      ok: false,
      says: error instanceof Error && error.message !== '' ? error.message.slice(0, 200) : 'does not answer',
    };
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

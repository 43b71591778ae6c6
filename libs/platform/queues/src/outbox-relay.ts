import { Queue } from 'bullmq';
import type { Writer } from '@platform/database';
import type { QueueConnection } from './connection.js';
import { QUEUES, type QueueName } from './queues.js';

/** Most rows handed over at once. */
const PAGE = 500;

/**
 * Hands staged jobs to the queue and removes them. At least once: a crash between the two hands them over again, which
 * is harmless, as every job begins by reading what is due. Jobs that say the same are handed over once per page.
 */
export class OutboxRelay {
  readonly #queues: ReadonlyMap<QueueName, Queue>;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(
    private readonly writer: Writer,
    connection: QueueConnection,
  ) {
    this.#queues = new Map(QUEUES.map((name) => [name, new Queue(name, { ...connection })]));
    // BullMQ reports a lost connection as an event and reconnects by itself.
    for (const queue of this.#queues.values()) queue.on('error', () => undefined);
  }

  /** Relays what is staged now. Calls made meanwhile join one further pass. */
  relay(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#passes().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #passes(): Promise<void> {
    do {
      this.#again = false;
      while ((await this.#pass()) === PAGE) continue;
    } while (this.#again);
  }

  async #pass(): Promise<number> {
    const rows = await this.writer.query<{ id: string; queue: QueueName; payload: unknown }>(
      'SELECT id::text, queue, payload FROM outbox ORDER BY id LIMIT $1',
      [PAGE],
    );
    if (rows.length === 0) return 0;
    for (const { queue, payload } of new Map(
      rows.map((row) => [`${row.queue} ${JSON.stringify(row.payload)}`, row]),
    ).values()) {
      await this.#queues.get(queue)?.add(queue, payload, { removeOnComplete: true, removeOnFail: true });
    }
    await this.writer.query('DELETE FROM outbox WHERE id = ANY ($1::bigint[])', [rows.map(({ id }) => id)]);
    return rows.length;
  }

  async close(): Promise<void> {
    await this.#running?.catch(() => undefined);
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }
}

import { createPostgresBackend, setDefaultBackendFactory } from 'bullmq';
import type { QueueOptions } from 'bullmq';

export interface QueueConnection {
  readonly connection: QueueOptions['connection'];
  readonly prefix?: string;
}

/**
 * What BullMQ connects to: Redis, or PostgreSQL where no Redis is to be had. The prefix carries a hash tag, so that a
 * queue's keys stay in one slot of a Redis Cluster.
 */
export function queueConnection(config: {
  REDIS_URL?: string | undefined;
  QUEUE_DATABASE_URL?: string | undefined;
}): QueueConnection {
  if (config.REDIS_URL) {
    return { connection: { url: config.REDIS_URL, maxRetriesPerRequest: null }, prefix: '{farebox}' };
  }
  setDefaultBackendFactory(createPostgresBackend);
  const connection: object = { connectionString: config.QUEUE_DATABASE_URL, max: 5, migrate: true };
  return { connection };
}

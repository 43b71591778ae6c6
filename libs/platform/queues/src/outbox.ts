import type { Tx, WriterTx } from '@platform/database';
import type { QueueName, QueuePayloads } from './queues.js';

/** Stages a job in the transaction that makes it necessary: both commit, or neither. The relay hands it to the queue. */
export class Outbox {
  async add<Queue extends QueueName>(tx: Tx | WriterTx, queue: Queue, payload: QueuePayloads[Queue]): Promise<void> {
    const json = JSON.stringify(payload);
    if ('__writer' in tx) {
      await tx.query(
        "WITH staged AS (INSERT INTO outbox (queue, payload) VALUES ($1, $2::jsonb)) SELECT pg_notify('farebox_outbox', '')",
        [queue, json],
      );
    } else {
      await tx.$executeRaw`INSERT INTO outbox (queue, payload) VALUES (${queue}, ${json}::jsonb)`;
      await tx.$queryRaw`SELECT pg_notify('farebox_outbox', '')::text`;
    }
  }
}

export { QUEUES, type QueueName, type QueuePayloads } from './queues.js';
export { Outbox } from './outbox.js';
export { OutboxRelay } from './outbox-relay.js';
export { queueConnection, type QueueConnection } from './connection.js';

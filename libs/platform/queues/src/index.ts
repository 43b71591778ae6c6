export { QUEUES, type QueueName } from './queues.js';
export { Outbox } from './outbox.js';
export { OutboxRelay } from './outbox-relay.js';
export { queueConnection } from './connection.js';

/**
 * Every queue there is, with what its jobs carry: ids only, never money. Each has exactly one processor; the worker
 * refuses to start otherwise.
 */
export interface QueuePayloads {
  /** Group what is due on a chain into batches, sign and send them. */
  'submit-settlement': { readonly chainId: number };
  /** Look at what was sent on a chain: receipts, finality, reorganisations, proofs. */
  'confirm-settlement': { readonly chainId: number };
  /** Set the charges of usage that was marked as due. */
  'rate-usage': Readonly<Record<string, never>>;
  /** Post what providers are to be told. */
  'deliver-webhooks': Readonly<Record<string, never>>;
  /** Work on collections of statements that are due. */
  'collect-statements': Readonly<Record<string, never>>;
  /** Look at the objects that Stripe's events are about. */
  'apply-stripe-events': Readonly<Record<string, never>>;
}

export type QueueName = keyof QueuePayloads;

export const QUEUES: readonly QueueName[] = [
  'submit-settlement',
  'confirm-settlement',
  'rate-usage',
  'deliver-webhooks',
  'collect-statements',
  'apply-stripe-events',
];

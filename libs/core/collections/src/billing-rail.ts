import type { IntentSeen } from './intent.js';

/**
 * No clear answer. unknown: a timeout, a reset, an error of the rail's own; it may have happened or not · in_flight: a call under this key is
 * being worked on · busy: too many calls, nothing was done · mismatch: the key was used with other content, which is our own defect.
 */
export type Unclear =
  | {
      readonly kind: 'unknown';
      readonly reason: string;
      /** The rail keeps this answer under the key. */ readonly spent: boolean;
    }
  | { readonly kind: 'in_flight' | 'busy'; readonly reason: string }
  | { readonly kind: 'mismatch'; readonly reason: string };

/** The rail said no, and will say it again: a code in a word, a sentence for people. */
export interface Refused {
  readonly kind: 'refused';
  readonly code: string;
  readonly reason: string;
}

export interface Fetched {
  readonly kind: 'fetched';
  readonly intent: IntentSeen;
  /** The object as the rail gave it, for the evidence. */
  readonly object: unknown;
}

export type PrepareAnswer = Fetched | Refused | Unclear;
/** done: the rail has acted, or had acted before, or will not; only the fetched object says which. */
export type ActAnswer = { readonly kind: 'done'; readonly note: string } | Refused | Unclear;
export type ReadAnswer = Fetched | { readonly kind: 'missing' } | Exclude<Unclear, { kind: 'mismatch' }>;

/** A body that is sent exactly as it was stored, under a key that makes the repeat harmless. */
export interface StoredCall {
  /** JSON text. */
  readonly body: string;
  readonly key: string;
}

/** A rail that is asked for money and says later what became of it. Never throws for what the rail or the network does. */
export abstract class BillingRail {
  /** The version of the rail's API that bodies are written for. */
  abstract readonly apiVersion: string;

  /** Makes a PaymentIntent that moves nothing until it is confirmed. */
  abstract prepare(call: StoredCall): Promise<PrepareAnswer>;
  /** Starts the payment of a stored id. */
  abstract confirm(intent: string, call: StoredCall): Promise<ActAnswer>;
  abstract read(intent: string): Promise<ReadAnswer>;
  /** By our attempt's id in the metadata, among what the customer has. */
  abstract find(attempt: { readonly id: string; readonly customer: string }): Promise<ReadAnswer>;
  /** So that it can never be paid. */
  abstract cancel(intent: string, key: string): Promise<ActAnswer>;
}

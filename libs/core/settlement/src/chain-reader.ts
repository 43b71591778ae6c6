import type { Instant } from '@core/time';
import type { Hex } from '@core/x402';
import type { AuthorizationKey, BlockRef } from './rail.js';

/** The newest block as it was seen at `fetchedAt`. */
export interface ChainHead extends BlockRef {
  /** Unix seconds. */
  readonly timestamp: bigint;
  readonly fetchedAt: Instant;
}

export interface PayerStateRequest extends AuthorizationKey {
  readonly payTo: Hex;
}

/** What the token says of a payer now. */
export interface PayerState {
  /** Atomic units. */
  readonly balance: bigint;
  /** The authorization was used or cancelled. */
  readonly nonceUsed: boolean;
  /** The token refuses this payer or this payee. */
  readonly blocked: boolean;
  /** The token moves for nobody. */
  readonly paused: boolean;
  /** The payer is a contract, or has delegated to one. */
  readonly hasCode: boolean;
}

/** What the gate reads from the chain before it claims a payment. Throws Fault `unavailable` when the chain cannot be asked. */
export abstract class ChainReader {
  abstract head(): Promise<ChainHead>;
  /** One answer per request, in order. Calls made at the same time are answered by one look at the chain. */
  abstract payerState(requests: readonly PayerStateRequest[]): Promise<readonly PayerState[]>;
}

import type { UptoAuthorization } from '@core/x402';

/** What the chain says of a signed ceiling now. */
export interface CeilingState {
  /** Atomic units. */
  readonly balance: bigint;
  /** What Permit2 may move of it. */
  readonly allowance: bigint;
  /** The nonce was used, or taken back. */
  readonly nonceUsed: boolean;
  /** The token refuses this payer or this payee. */
  readonly blocked: boolean;
  /** The token moves for nobody. */
  readonly paused: boolean;
  /** The payer is a contract, or has delegated to one. */
  readonly hasCode: boolean;
  /** The contracts of the scheme stand where they should. */
  readonly deployed: boolean;
  /** A settlement of the whole ceiling would pass. */
  readonly passes: boolean;
}

/** What the gate reads from the chain before it claims a ceiling. Throws Fault `unavailable` when the chain cannot be asked. */
export abstract class CeilingReader {
  /** Calls made at the same time are answered by one look at the chain. */
  abstract state(authorization: UptoAuthorization): Promise<CeilingState>;
}

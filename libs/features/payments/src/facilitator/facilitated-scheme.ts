import type { SettlementResponse, SupportedResponse, VerifyResponse } from '@core/x402';

/** What one scheme lists in `/x402/supported`. */
export interface SupportedScheme {
  readonly kinds: SupportedResponse['kinds'];
  /** Addresses that send its transactions, whatever the chain. */
  readonly signers: readonly string[];
}

/**
 * A scheme as the facilitator's door serves it to servers of any make. The door finds it by the scheme that `paymentRequirements`
 * names; the body is as it came, to be read by the scheme. `provider`: who asks, if a key says so; only payments to its wallet are taken
 * then. A payment that is not taken is an answer, never a fault.
 */
export interface FacilitatedScheme {
  /** As `paymentRequirements.scheme` names it. */
  readonly scheme: string;
  /** The one network it is for, where that is no chain; absent: those of chains. */
  readonly network?: string;

  /**
   * Would settle take this? Writes nothing, claims nothing.
   * @throws Fault unavailable when the chain or the database cannot be read: never "invalid" for want of an answer
   */
  verify(body: unknown, provider: string | undefined): Promise<VerifyResponse>;

  /**
   * Settles once, however often it is asked, and answers once the chain has it, or says it is pending.
   * @throws Fault unavailable when the chain or the database cannot be read
   */
  settle(body: unknown, provider: string | undefined): Promise<SettlementResponse>;

  supported(): Promise<SupportedScheme>;
}

/** What settle waits for the chain at most: the public client gives up after 90 seconds. */
export const SETTLE_WAIT_MS = 60_000;

export const NOT_YOURS = 'paymentRequirements.payTo is the wallet of another provider than the key’s';
export const NOT_OURS =
  'paymentRequirements.payTo is no provider’s wallet here: register it as the provider’s payTo first';

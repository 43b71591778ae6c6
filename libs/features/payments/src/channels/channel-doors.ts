import type { Hex, VoucherVerifier } from '@core/x402';
import type { ChannelChain } from '@core/settlement';

/** What channels need from the rim, where they can be paid by. */
export interface ChannelDoors {
  readonly chain: Pick<ChannelChain, 'chainId' | 'channel'>;
  readonly verifier: VoucherVerifier;
  /** The key that signs claims and refunds for our payees: offers name it. Lower case. */
  readonly authorizer: Hex;
  /** The contract that collects deposits by EIP-3009, lower case. */
  readonly collector: Hex;
  /** Seconds a payer has to wait between announcing a withdrawal and taking it. */
  readonly withdrawDelay: number;
}

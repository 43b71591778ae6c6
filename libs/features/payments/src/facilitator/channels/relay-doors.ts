import type { ChannelChain } from '@core/settlement';
import type { Hex, VoucherVerifier } from '@core/x402';

/** What it takes to serve the channels of other servers. */
export interface RelayDoors {
  /** `authorizer`: our own key's address, whose channels are not served here; the zero address where there is none. */
  readonly chain: Pick<ChannelChain, 'chainId' | 'authorizer' | 'channels' | 'receiver' | 'simulate'>;
  readonly verifier: VoucherVerifier;
  /** The contract that collects deposits by EIP-3009, lower case. */
  readonly collector: Hex;
}

import type { TokenDomain } from './authorization-verifier.js';
import type { ChannelConfig, Voucher } from './batch-channel.js';
import type { ChannelDeposit } from './batch-payload.js';
import type { X402Error } from './error-codes.js';
import type { Hex } from './hex.js';

export type VoucherVerdict = { readonly valid: true } | { readonly valid: false; readonly reason: X402Error };

/**
 * What signatures on channels of one chain say. Pure arithmetic without a look at the chain: balances, nonces and times are the
 * caller's to check. It is as strict as the contracts are: 65 bytes, s in the lower half, v 27 or 28.
 */
export abstract class VoucherVerifier {
  abstract readonly chainId: number;

  /** The id of the channel with this config, lower case. */
  abstract channelId(config: ChannelConfig): Hex;

  /**
   * Whether the voucher is for this very channel and was signed by its payer authorizer, or by its payer where the config names
   * none. In the latter case the verdict holds only while the payer has no code: a payer that is a contract signs otherwise.
   */
  abstract voucher(config: ChannelConfig, voucher: Voucher): VoucherVerdict;

  /**
   * Whether the payer has signed this deposit into this channel. As above it holds while the payer has no code.
   * @param token the domain of `config.token`, from our own registry; another token's is refused
   */
  abstract deposit(token: TokenDomain, config: ChannelConfig, deposit: ChannelDeposit): VoucherVerdict;

  /** The token nonce that a deposit by EIP-3009 uses up; with the payer it is the deposit's identity. */
  abstract depositNonce(channelId: Hex, salt: Hex): Hex;
}

import type { X402Error } from './error-codes.js';
import type { Hex } from './hex.js';

/** The scheme's word in offers and payloads. */
export const BATCH_SETTLEMENT = 'batch-settlement';

export const ZERO_ADDRESS: Hex = '0x0000000000000000000000000000000000000000';

/** Bounds of a channel's withdraw delay in seconds: 15 minutes and 30 days. The contract refuses deposits outside them. */
const MIN_WITHDRAW_DELAY = 900;
const MAX_WITHDRAW_DELAY = 2_592_000;

export const MAX_UINT128 = 2n ** 128n - 1n;

/**
 * Where the contracts of the scheme stand. They belong to a release of the protocol's packages, whose clients have them built
 * in; the addresses are the same on every chain.
 */
export interface BatchContracts {
  readonly settlement: Hex;
  readonly erc3009Collector: Hex;
  readonly permit2Collector: Hex;
}

/** Addresses of the packages' release 2.27, lower case. */
export const BATCH_CONTRACTS: BatchContracts = {
  settlement: '0x4020074e9df2ce1dee5a9c1b5c3f541d02a10003',
  erc3009Collector: '0x4020806089470a89826cb9fb1f4059150b550004',
  permit2Collector: '0x4020425faf3b746c082c2f942b4e5159887b0005',
};

/** What a channel is made of; it never changes, and its digest is the channel's id. Addresses and bytes are lower case. */
export interface ChannelConfig {
  /** Funds the channel and gets refunds. */
  readonly payer: Hex;
  /** The key that signs vouchers; the zero address means the payer itself signs. */
  readonly payerAuthorizer: Hex;
  readonly receiver: Hex;
  /** The key that signs claims and refunds for the receiver. */
  readonly receiverAuthorizer: Hex;
  readonly token: Hex;
  /** Seconds between the payer's announcement of a withdrawal and the withdrawal. */
  readonly withdrawDelay: number;
  readonly salt: Hex;
}

/** The payer's signed running total: what may be claimed from the channel in all, never what one request costs. */
export interface Voucher {
  readonly channelId: Hex;
  /** Atomic units, at most uint128. */
  readonly maxClaimable: bigint;
  readonly signature: Hex;
}

/** What our offer demands of a channel. Addresses are lower case. */
export interface ChannelTerms {
  readonly token: Hex;
  readonly payTo: Hex;
  readonly receiverAuthorizer: Hex;
  readonly withdrawDelay: number;
}

/**
 * Why a channel does not fit an offer; undefined when it does. That the config belongs to the voucher's channel id is checked
 * where ids are computed (`VoucherVerifier`).
 */
export function channelProblem(config: ChannelConfig, terms: ChannelTerms): X402Error | undefined {
  if (config.token !== terms.token) return 'invalid_batch_settlement_evm_token_mismatch';
  if (config.receiver !== terms.payTo) return 'invalid_batch_settlement_evm_receiver_mismatch';
  if (config.receiverAuthorizer !== terms.receiverAuthorizer || config.receiverAuthorizer === ZERO_ADDRESS) {
    return 'invalid_batch_settlement_evm_receiver_authorizer_mismatch';
  }
  if (config.withdrawDelay !== terms.withdrawDelay) return 'invalid_batch_settlement_evm_withdraw_delay_mismatch';
  if (config.withdrawDelay < MIN_WITHDRAW_DELAY || config.withdrawDelay > MAX_WITHDRAW_DELAY) {
    return 'invalid_batch_settlement_evm_withdraw_delay_out_of_range';
  }
  return undefined;
}

import type { ChannelConfig, Erc3009Deposit, Hex } from '@core/x402';
import type { ChannelMove, ChannelOnChain, ClaimRow, ReceiverOnChain } from './channel-rail.js';
import type { AuthorizedTransfer } from './rail.js';

/**
 * What a server of its own wants done to the channels on the chain. All signatures in it are the payer's and the server's; none is ours.
 * deposit: by the payer's authorization, once · claim: up to running totals · settle: pays out what had been claimed for the receiver when
 * it was ordered · refund: under a nonce of the channel, with the claim that goes before it.
 */
export type RelayOrder =
  | {
      readonly kind: 'deposit';
      readonly channelId: Hex;
      readonly config: ChannelConfig;
      /** Atomic units. */
      readonly amount: bigint;
      readonly authorization: Erc3009Deposit;
      /** The token's nonce of the authorization. */
      readonly nonce: Hex;
      /** The contract that the authorization pays. */
      readonly collector: Hex;
    }
  | { readonly kind: 'claim'; readonly rows: readonly ClaimRow[]; readonly signature: Hex }
  | { readonly kind: 'settle'; readonly receiver: Hex; readonly token: Hex; readonly total: bigint }
  | {
      readonly kind: 'refund';
      readonly channelId: Hex;
      readonly config: ChannelConfig;
      readonly amount: bigint;
      readonly nonce: bigint;
      readonly claim: ClaimRow | undefined;
      readonly signatures: { readonly refund: Hex; readonly claim: Hex | undefined };
    };

/** The call that carries an order out. */
export function moveOf(order: RelayOrder): ChannelMove {
  switch (order.kind) {
    case 'deposit': {
      const { config, amount, authorization } = order;
      return { kind: 'deposit', config, deposit: { amount, authorization } };
    }
    case 'claim':
      return order;
    case 'settle':
      return { kind: 'settle', receiver: order.receiver, token: order.token };
    case 'refund':
      return order;
  }
}

/** A deposit as the transfer that it is: its use and its proof are those of any authorization. */
export function transferOf(order: Extract<RelayOrder, { kind: 'deposit' }>): AuthorizedTransfer {
  const { config, amount, authorization, nonce, collector } = order;
  const { validAfter, validBefore, signature, salt } = authorization;
  const names = { token: config.token, payer: config.payer, nonce, payTo: collector, value: amount };
  return { ...names, validAfter, validBefore, signature, deposit: { config, salt } };
}

/** The channels that an order is about. */
export function channelsOf(order: RelayOrder): readonly Hex[] {
  switch (order.kind) {
    case 'claim':
      return order.rows.map(({ voucher }) => voucher.channelId);
    case 'settle':
      return [];
    case 'deposit':
    case 'refund':
      return [order.channelId];
  }
}

/** Channels and sums as one block, or two that follow each other, have them. Missing: not looked at, or never there. */
export interface ChannelsSeen {
  channel(id: Hex): ChannelOnChain | undefined;
  receiver(receiver: Hex, token: Hex): ReceiverOnChain | undefined;
}

/**
 * Whether the chain is where the order wants it, whoever brought it there: all signatures in an order are good for anybody, and totals
 * and nonces only rise.
 */
export function isReached(order: Exclude<RelayOrder, { kind: 'deposit' }>, seen: ChannelsSeen): boolean {
  switch (order.kind) {
    case 'claim':
      return order.rows.every(
        ({ voucher, totalClaimed }) => (seen.channel(voucher.channelId)?.totalClaimed ?? -1n) >= totalClaimed,
      );
    case 'settle':
      return (seen.receiver(order.receiver, order.token)?.totalSettled ?? -1n) >= order.total;
    case 'refund':
      return (seen.channel(order.channelId)?.refundNonce ?? -1n) > order.nonce;
  }
}

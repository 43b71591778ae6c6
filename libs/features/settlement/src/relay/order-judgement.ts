import type { ChannelsAt, ChannelsSeen } from '@core/settlement';
import { channelStateOf, type Hex, type JsonObject } from '@core/x402';
import type { Reached } from './orders.store.js';

/**
 * What the chain says of an order. reached: it has it, by whomever · final: and cannot lose it any more · gone: it had it and has it no
 * more · failed: proven never to happen · send: nothing has done it · wait: not to be told yet.
 */
export type OrderJudgement =
  | { readonly kind: 'reached'; readonly reached: Reached }
  | { readonly kind: 'final' | 'gone' | 'failed' | 'send' | 'wait' };

export const WAIT: OrderJudgement = { kind: 'wait' };

/** Channels and sums, and the block in which the channels were read. */
export interface Looked extends ChannelsSeen {
  readonly block: ChannelsAt['block'];
}

/** The channel as settlement responses show it. */
export function stateOf(id: Hex, seen: ChannelsSeen): JsonObject | undefined {
  const standing = seen.channel(id);
  if (!standing) return undefined;
  const { withdrawal, ...rest } = standing;
  const withdrawRequestedAt = withdrawal && Number(withdrawal.requestedAt);
  return { ...channelStateOf({ ...rest, withdrawRequestedAt, charged: undefined }) };
}

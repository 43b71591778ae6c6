import { decideVoucher, type OpenCall, type VoucherDecision } from '@core/payments';
import type { Voucher } from '@core/x402';
import type { ChannelRow } from './channel-row.js';
import type { VoucherRow } from './voucher-row.js';

/** One call to let through. */
export interface ReserveItem {
  /** `vch_…` */
  readonly id: string;
  readonly provider: string;
  readonly chainId: number;
  readonly voucher: Voucher;
  readonly amount: bigint;
  readonly binding: string;
  readonly resource: string;
  readonly attempt: string | undefined;
  readonly meterId: string;
  readonly quantity: string;
  readonly priceId: string;
  /** The payment of the deposit it came with. */
  readonly deposit: VoucherRow['deposit'];
  readonly ttlSeconds: number;
  /** Age beyond which the mirror is not to be trusted, seconds. */
  readonly mirrorSeconds: number;
}

/**
 * reserved: serve it · taken: the same request was let through by it as `voucher` · decided: by the rules of vouchers · unknown: no such channel is
 * kept · stale: the mirror has to be read again first · foreign: another provider's channel.
 */
export type ReserveOutcome =
  | { readonly outcome: 'reserved'; readonly channel: ChannelRow }
  | { readonly outcome: 'taken'; readonly voucher: string }
  | {
      readonly outcome: 'decided';
      readonly decision: Exclude<VoucherDecision, { kind: 'reserve' }>;
      readonly channel: ChannelRow;
    }
  | { readonly outcome: 'stale'; readonly channel: ChannelRow }
  | { readonly outcome: 'unknown' | 'foreign' };

/** What a look at the database shows of an item: its channel, and what that sold by this ceiling and, lately, above it. */
export interface Looked {
  readonly channel: ChannelRow;
  readonly taken: { readonly voucher: string; readonly binding: string } | undefined;
  readonly chargedAbove: bigint;
}

/** What a look shows of a batch: by the place of the item, and by the id of the channel. */
export interface BatchLook {
  readonly known: ReadonlyMap<number, Looked>;
  readonly open: ReadonlyMap<string, readonly OpenCall[]>;
}

/** Decides items in the order they were signed in, the lowest ceiling first, each on what those before it leave. */
export function decideReservations(
  items: readonly ReserveItem[],
  { known, open: openBefore }: BatchLook,
): ReserveOutcome[] {
  const outcomes = new Array<ReserveOutcome>(items.length).fill({ outcome: 'unknown' });
  const open = new Map(openBefore);
  const givenNow = new Map<string, ReserveItem>();
  const signed = new Map<string, bigint>();
  for (const { item, i } of items.map((item, i) => ({ item, i })).sort((a, b) => lowerFirst(a.item, b.item))) {
    const looked = known.get(i);
    if (!looked) continue;
    const { channel } = looked;
    const ceiling = item.voucher.maxClaimable;
    const earlier = givenNow.get(`${channel.id} ${ceiling}`);
    const taken = looked.taken ?? (earlier && { voucher: earlier.id, binding: earlier.binding });
    const calls = open.get(channel.id) ?? [];
    const signedMax = signed.get(channel.id) ?? channel.signedMax;
    const leaving = channel.withdrawRequestedAt !== undefined || channel.refunding;
    const call = { ceiling, amount: item.amount, chargedAbove: looked.chargedAbove, taken: taken !== undefined };
    if (channel.provider !== item.provider) {
      outcomes[i] = { outcome: 'foreign' };
    } else if (taken?.binding === item.binding) {
      outcomes[i] = { outcome: 'taken', voucher: taken.voucher };
    } else if (channel.mirrorAge > item.mirrorSeconds) {
      outcomes[i] = { outcome: 'stale', channel };
    } else {
      const decision = decideVoucher(call, { ...channel, signedMax, leaving }, calls);
      if (decision.kind === 'reserve') {
        outcomes[i] = { outcome: 'reserved', channel };
        givenNow.set(`${channel.id} ${ceiling}`, item);
        open.set(channel.id, [...calls, { ceiling, amount: item.amount }]);
        if (ceiling > signedMax) signed.set(channel.id, ceiling);
      } else {
        outcomes[i] = { outcome: 'decided', decision, channel };
      }
    }
  }
  return outcomes;
}

const lowerFirst = (a: ReserveItem, b: ReserveItem): number => {
  const [x, y] = [a.voucher.maxClaimable, b.voucher.maxClaimable];
  return x < y ? -1 : x > y ? 1 : 0;
};

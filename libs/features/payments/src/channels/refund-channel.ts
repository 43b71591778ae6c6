import type { IdSource } from '@core/ids';
import type { Quote } from '@core/payments';
import { type BatchPayment, channelStateOf, type X402Error } from '@core/x402';
import { Fault } from '@core/faults';
import { conflict } from '../gate/refusals.js';
import { again, type Verdict } from '../gate/way-to-pay.js';
import type { ChannelDoors } from './channel-doors.js';
import { type ChannelRow, standingOf } from './channel-row.js';
import type { ChannelStore } from './channels.store.js';
import type { MirrorChannel } from './mirror-channel.js';
import { responseHeaders } from './voucher-replies.js';

export type Refunded =
  | { readonly outcome: 'answer'; readonly verdict: Verdict }
  | { readonly outcome: 'correct'; readonly channel: ChannelRow; readonly reason: X402Error }
  /** No record is kept: read the chain first. */
  | { readonly outcome: 'unknown' };

/** How long an answer waits for the refund to be in a block. */
const LOOK_MS = 100;

/**
 * A payer asks for what is left. Nothing more is sold on the channel from then on until the chain has paid it back; what was charged is
 * claimed in the same transaction.
 */
export class RefundChannel {
  constructor(
    private readonly doors: ChannelDoors,
    private readonly channels: ChannelStore,
    private readonly mirror: MirrorChannel,
    private readonly ids: IdSource,
    private readonly waitMs: number,
  ) {}

  async run(quote: Quote, payment: BatchPayment): Promise<Refunded> {
    if (payment.type !== 'refund') throw new Fault('invariant_broken', 'a refund was expected');
    const { chainId } = this.doors.chain;
    const channel = await this.channels.find(chainId, payment.voucher.channelId);
    if (!channel) return { outcome: 'unknown' };
    if (channel.provider !== quote.provider) return answer(again('invalid_batch_settlement_evm_receiver_mismatch'));
    if (payment.voucher.maxClaimable !== channel.charged) {
      return { outcome: 'correct', channel, reason: 'invalid_batch_settlement_evm_cumulative_amount_mismatch' };
    }
    const left = channel.balance > channel.charged ? channel.balance - channel.charged : 0n;
    if (left === 0n && !channel.refunding) return answer(again('invalid_batch_settlement_evm_refund_no_balance'));
    const asked = payment.amount === undefined || payment.amount > left ? left : payment.amount;
    const refund = await this.channels.refund(channel, { id: this.ids.next('rfd'), amount: asked });
    if (refund === undefined) {
      return answer(conflict('calls_in_progress', 'Calls on this channel are being served. Ask again shortly.', 1));
    }
    return answer(await this.#done(quote, payment, refund));
  }

  async #done(quote: Quote, payment: BatchPayment, id: string): Promise<Verdict> {
    const late = AbortSignal.timeout(this.waitMs);
    for (;;) {
      const refund = await this.channels.findRefund(id);
      if (refund?.state === 'failed') return again('invalid_batch_settlement_evm_refund_transaction_failed');
      const done = refund?.state === 'done';
      if (refund && (done || late.aborted)) {
        const channel = await this.mirror.run(quote, payment, true);
        return {
          decision: 'replay',
          reply: {
            status: done ? 200 : 202,
            headers: {
              ...responseHeaders({
                success: done,
                ...(done ? {} : { errorReason: 'settlement_pending' }),
                payer: payment.config.payer,
                transaction: refund.transaction ?? '',
                network: quote.asset.network,
                amount: done ? refund.amount.toString() : '',
                ...(channel ? { extra: { channelState: channelStateOf(standingOf(channel)) } } : {}),
              }),
              'content-type': 'application/json',
            },
            body: Buffer.from(
              JSON.stringify({ status: done ? 'refunded' : 'settlement_pending', amount: refund.amount.toString() }),
            ).toString('base64'),
          },
        };
      }
      await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

const answer = (verdict: Verdict): Refunded => ({ outcome: 'answer', verdict });

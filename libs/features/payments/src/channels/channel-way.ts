import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { AUTHORIZATION_SECONDS, minDeposit, mirrorSeconds, type Quote, SERVICE_SECONDS } from '@core/payments';
import { type Clock, epochSeconds } from '@core/time';
import {
  BATCH_SETTLEMENT,
  batchPaymentOf,
  type BatchPayment,
  channelProblem,
  correctiveExtra,
  type PaymentPayload,
  type PaymentRequirements,
  type X402Error,
} from '@core/x402';
import { GroupCommit, isColumnText } from '@platform/database';
import type { CheckDecision } from '../gate/gate-decisions.js';
import { requestDigest } from '../gate/quote-sealer.js';
import { conflict, malformed, withoutQuery } from '../gate/refusals.js';
import { again, type Asked, type PaymentScheme, type Verdict } from '../gate/way-to-pay.js';
import type { CaptureVoucher } from './capture-voucher.js';
import type { ChannelDoors } from './channel-doors.js';
import { type ChannelRow, newestVoucher, standingOf } from './channel-row.js';
import type { ChannelTurns } from './channel-turns.js';
import type { ReserveItem, ReserveOutcome } from './decide-reservations.js';
import type { MirrorChannel } from './mirror-channel.js';
import type { PayerCode } from './payer-code.js';
import type { RefundChannel } from './refund-channel.js';
import type { TakeDeposit } from './take-deposit.js';
import { VoucherCalls } from './voucher-calls.js';
import { voucherHeaders, voucherView } from './voucher-replies.js';
import { standingAfter, type VoucherRow } from './voucher-row.js';
import type { VoucherStore } from './vouchers.store.js';

/** Most calls let through together. */
const BATCH = 256;
/** How long a call may wait for others of its channel. */
const WAIT_MS = 5_000;
/** How often it looks by itself: other processes do not say when their calls end. */
const LOOK_MS = 50;
/** How often a channel is read from the chain for one call. */
const MOST_READS = 2;

/** Scheme `batch-settlement` on EVM: a voucher for the running total, checked without a look at the chain. */
export class ChannelWay extends VoucherCalls implements PaymentScheme {
  readonly scheme = BATCH_SETTLEMENT;
  readonly #reservations: GroupCommit<ReserveItem, ReserveOutcome>;

  constructor(
    private readonly doors: ChannelDoors,
    store: VoucherStore,
    private readonly mirror: MirrorChannel,
    private readonly deposits: TakeDeposit,
    private readonly refunds: RefundChannel,
    private readonly codes: PayerCode,
    captures: CaptureVoucher,
    turns: ChannelTurns,
    private readonly clock: Clock,
    private readonly ids: IdSource,
    publicUrl: string,
  ) {
    super(store, captures, turns, publicUrl);
    this.#reservations = new GroupCommit((items) => this.store.reserve(items), BATCH);
  }

  offer(quote: Quote, seal: string): PaymentRequirements | undefined {
    if (quote.asset.domain.chainId !== this.doors.chain.chainId) return undefined;
    return {
      scheme: this.scheme,
      network: quote.asset.network,
      amount: quote.amount.toString(),
      asset: quote.asset.displayAddress,
      payTo: quote.payTo,
      maxTimeoutSeconds: AUTHORIZATION_SECONDS,
      extra: {
        receiverAuthorizer: this.doors.authorizer,
        withdrawDelay: this.doors.withdrawDelay,
        name: quote.asset.domain.name,
        version: quote.asset.domain.version,
        minDeposit: minDeposit(quote.amount).toString(),
        quote: seal,
        priceVersion: quote.priceId,
      },
    };
  }

  async pay(asked: Asked, quote: Quote, payload: PaymentPayload): Promise<Verdict> {
    const read = batchPaymentOf(payload);
    if (!read.ok) return malformed(read.message, read.reason);
    const { payment } = read;
    const problem = channelProblem(payment.config, {
      token: `0x${quote.asset.domain.address.slice(2).toLowerCase()}`,
      payTo: `0x${quote.payTo.slice(2)}`,
      receiverAuthorizer: this.doors.authorizer,
      withdrawDelay: this.doors.withdrawDelay,
    });
    if (problem) return again(problem);
    const signed = this.doors.verifier.voucher(payment.config, payment.voucher);
    if (!signed.valid) return again(signed.reason);
    const item = this.#itemOf(asked, quote, payment);
    if (quote.expiresAt <= epochSeconds(this.clock.now())) {
      return (await this.#repeatOf(item, asked)) ?? again('quote_expired');
    }
    if (payment.type !== 'refund' && (await this.codes.decides(payment.config))) {
      return (await this.#repeatOf(item, asked)) ?? again('contract_wallet_not_supported');
    }
    switch (payment.type) {
      case 'voucher':
        return this.#reserve(asked, quote, payment, item);
      case 'refund':
        return this.#correcting(payment, quote, await this.refunds.run(quote, payment));
      case 'deposit': {
        const repeat = await this.#repeatOf(item, asked);
        if (repeat) return repeat;
        const taken = await this.deposits.run({ quote, payment, item });
        if (taken.outcome === 'answer') return taken.verdict;
        if (taken.outcome === 'correct') return this.#correct(taken.channel, taken.reason);
        return this.#reserve(asked, quote, payment, { ...item, deposit: taken.payment });
      }
    }
  }

  #itemOf({ provider, request }: Asked, quote: Quote, payment: BatchPayment): ReserveItem {
    const resource = withoutQuery(quote.request.url);
    // It could not be written, and must not fail the others of its batch.
    if (!isColumnText(resource) || !isColumnText(request.attempt ?? '')) {
      throw new Fault('invalid_request', 'url must not have the control characters U+001C to U+001F in it.', {
        reason: 'invalid_field',
      });
    }
    return {
      id: this.ids.next('vch'),
      provider,
      chainId: this.doors.chain.chainId,
      voucher: payment.voucher,
      amount: quote.amount,
      binding: bindingOf(quote, payment),
      resource,
      attempt: request.attempt,
      meterId: quote.meterId,
      quantity: quote.request.quantity,
      priceId: quote.priceId,
      deposit: undefined,
      ttlSeconds: SERVICE_SECONDS,
      mirrorSeconds: mirrorSeconds(this.doors.withdrawDelay),
    };
  }

  /** Lets the call through as soon as its ceiling fits, within the time it may wait. */
  async #reserve(asked: Asked, quote: Quote, payment: BatchPayment, item: ReserveItem): Promise<Verdict> {
    const late = AbortSignal.timeout(WAIT_MS);
    for (let reads = 0; ;) {
      const reserved = await this.#reservations.add(item);
      switch (reserved.outcome) {
        case 'reserved':
          this.turns.began(reserved.channel.id, item.id);
          return this.#serve(reservedVoucher(item, quote, reserved.channel));
        case 'foreign':
          return again('invalid_batch_settlement_evm_receiver_mismatch');
        case 'unknown':
        case 'stale':
          if (reads >= MOST_READS) throw chainBehind();
          reads += 1;
          if (!(await this.mirror.run(quote, payment))) return again('invalid_batch_settlement_evm_channel_not_found');
          break;
        case 'taken':
          return this.#repeat(await this.#known(reserved.voucher), asked);
        case 'decided': {
          const { decision, channel } = reserved;
          if (decision.kind === 'refuse') {
            // The payer may have topped up since: the chain is asked before it is told no.
            if (decision.reason === 'invalid_batch_settlement_evm_cumulative_exceeds_balance' && reads < MOST_READS) {
              reads = MOST_READS;
              if (await this.mirror.run(quote, payment)) break;
            }
            return again(decision.reason);
          }
          if (late.aborted || (decision.kind === 'correct' && this.turns.takeCorrection(channel.id))) {
            return this.#correct(channel, decision.reason);
          }
          await this.turns.end(channel.id, LOOK_MS);
        }
      }
    }
  }

  #serve(voucher: VoucherRow): CheckDecision {
    this.captures.remember(voucher);
    return {
      decision: 'serve',
      payment: voucherView(voucher, this.publicUrl),
      captureWithinSeconds: SERVICE_SECONDS,
    };
  }

  #correct(channel: ChannelRow, reason: X402Error): Verdict {
    return again(reason, correctiveExtra({}, standingOf(channel), newestVoucher(channel)));
  }

  async #correcting(
    payment: BatchPayment,
    quote: Quote,
    refunded: Awaited<ReturnType<RefundChannel['run']>>,
  ): Promise<Verdict> {
    if (refunded.outcome === 'answer') return refunded.verdict;
    if (refunded.outcome === 'correct') return this.#correct(refunded.channel, refunded.reason);
    return (await this.mirror.run(quote, payment))
      ? this.#correcting(payment, quote, await this.refunds.run(quote, payment))
      : again('invalid_batch_settlement_evm_channel_not_found');
  }

  async repeat(id: string, asked: Asked): Promise<Verdict> {
    return this.#repeat(await this.#known(id), asked);
  }

  /** What became of the call this very voucher was presented for before. */
  async #repeatOf(item: ReserveItem, asked: Asked): Promise<Verdict | undefined> {
    const earlier = await this.store.findBinding(item);
    return earlier && this.#repeat(earlier, asked);
  }

  /** The same voucher for the same request again: the same answer again, once there is one. */
  async #repeat(voucher: VoucherRow, { request }: Asked): Promise<Verdict> {
    if (voucher.state === 'reserved') {
      if (voucher.attempt !== undefined && voucher.attempt === request.attempt) return this.#serve(voucher);
      return conflict(
        'payment_in_progress',
        'A request with this voucher is being served. Ask again shortly with the same voucher.',
        1,
      );
    }
    const kept = await this.store.reply(voucher.id);
    if (!kept) {
      return conflict(
        'answer_not_kept',
        `The request was served and paid, but its answer was too large to keep. Payment: ${voucher.id}.`,
      );
    }
    return {
      decision: 'replay',
      reply: {
        status: kept.status,
        headers: { ...kept.headers, ...voucherHeaders(voucher, standingAfter(voucher), this.publicUrl) },
        body: kept.body,
      },
    };
  }

  async #known(id: string): Promise<VoucherRow> {
    const voucher = await this.store.find(id);
    if (!voucher) throw new Fault('invariant_broken', `voucher ${id} is gone`);
    return voucher;
  }
}

const chainBehind = (): Fault =>
  new Fault('unavailable', 'The chain could not be read recently enough to take a voucher; try again shortly.', {
    reason: 'channel_mirror_stale',
    retryAfterSeconds: 2,
  });

const reservedVoucher = (item: ReserveItem, quote: Quote, channel: ChannelRow): VoucherRow => ({
  id: item.id,
  provider: item.provider,
  account: channel.account,
  channel: channel.id,
  channelId: channel.channelId,
  state: 'reserved',
  ceiling: item.voucher.maxClaimable,
  amount: item.amount,
  charged: undefined,
  chargedAfter: undefined,
  binding: item.binding,
  attempt: item.attempt,
  meter: quote.request.meter,
  quantity: item.quantity,
  priceId: item.priceId,
  network: channel.network,
  asset: channel.config.token,
  assetId: channel.assetId,
  payer: channel.config.payer,
  totalClaimed: channel.totalClaimed,
  claimedFinal: channel.claimedFinal,
  balance: channel.balance,
  withdrawRequestedAt: channel.withdrawRequestedAt,
  refundNonce: channel.refundNonce,
  deposit: item.deposit,
});

/** Lower-case hex digest of what a call pays for, and by which ceiling. */
const bindingOf = (quote: Quote, { voucher }: BatchPayment): string =>
  createHash('sha256')
    .update(
      `voucher\n${quote.provider}\n${requestDigest(quote.request)}\n${quote.asset.network}\n${voucher.channelId}\n${voucher.maxClaimable}\n${quote.amount}\n`,
    )
    .digest('hex');

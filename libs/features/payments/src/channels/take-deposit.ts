import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { checkDeposit, leastDeposit, type Quote } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { BatchPayment, X402Error } from '@core/x402';
import type { PaymentRow, PaymentStore } from '../exact/payments.store.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import { again, type Verdict } from '../gate/way-to-pay.js';
import { failedReply, pendingReply } from '../gate/wire-replies.js';
import type { ChannelDoors } from './channel-doors.js';
import type { ChannelRow } from './channel-row.js';
import type { ChannelStore } from './channels.store.js';
import type { ReserveItem } from './decide-reservations.js';
import type { MirrorChannel } from './mirror-channel.js';
import type { VoucherRow } from './voucher-row.js';

type DepositPayment = Extract<BatchPayment, { type: 'deposit' }>;

export type TakenDeposit =
  | { readonly outcome: 'deposited'; readonly payment: NonNullable<VoucherRow['deposit']> }
  | { readonly outcome: 'correct'; readonly channel: ChannelRow; readonly reason: X402Error }
  | { readonly outcome: 'answer'; readonly verdict: Verdict };

/** A node may not show yet what another one has in a block. */
const VISIBLE_MS = 2_000;
const LOOK_MS = 150;

/**
 * Takes a deposit to the chain and waits until it is in a block. Nothing is served before: until then the channel holds nothing. A
 * payer whose ceiling does not fit is corrected first, and its deposit left alone.
 */
export class TakeDeposit {
  constructor(
    private readonly doors: ChannelDoors,
    private readonly channels: ChannelStore,
    private readonly mirror: MirrorChannel,
    private readonly payments: PaymentStore,
    private readonly waiter: ReleaseWaiter,
    private readonly chain: ChainReader,
    private readonly ids: IdSource,
    private readonly settings: { readonly publicUrl: string; readonly releaseWaitMs: number },
  ) {}

  async run({
    quote,
    payment,
    item,
  }: {
    quote: Quote;
    payment: BatchPayment;
    item: ReserveItem;
  }): Promise<TakenDeposit> {
    if (payment.type !== 'deposit') throw new Fault('invariant_broken', 'a deposit was expected');
    const channel =
      (await this.channels.find(this.doors.chain.chainId, payment.voucher.channelId)) ??
      (await this.mirror.run(quote, payment, true));
    if (!channel) throw new Fault('invariant_broken', 'a channel was opened and is not there');
    if (channel.provider !== quote.provider) return answer(again('invalid_batch_settlement_evm_receiver_mismatch'));
    const known = await this.#known(quote, payment);
    if (!known) {
      const refusal = await this.#refusal(quote, payment);
      if (refusal) return answer(again(refusal));
      if (payment.voucher.maxClaimable < channel.charged + quote.amount) {
        return { outcome: 'correct', channel, reason: 'invalid_batch_settlement_evm_cumulative_amount_mismatch' };
      }
      if (payment.voucher.maxClaimable > channel.balance + payment.deposit.amount) {
        return answer(again('invalid_batch_settlement_evm_cumulative_exceeds_balance'));
      }
    }
    const id = known?.id ?? (await this.#take(quote, payment, channel, item));
    const started = known ?? (await this.payments.find(id));
    if (!started) throw new Fault('invariant_broken', `deposit ${id} is gone`);
    return this.#included(quote, payment, started);
  }

  #known(quote: Quote, payment: DepositPayment): Promise<PaymentRow | null> {
    const { authorization } = payment.deposit;
    if (authorization.method !== 'eip3009') return Promise.resolve(null);
    return this.payments.findClaim({
      network: quote.asset.network,
      asset: quote.asset.domain.address,
      payer: payment.config.payer,
      nonce: this.doors.verifier.depositNonce(payment.voucher.channelId, authorization.salt),
    });
  }

  /** Why the deposit cannot be taken: its size, its signature, its time, or the payer's state on the chain. */
  async #refusal(quote: Quote, { config, voucher, deposit }: DepositPayment): Promise<string | undefined> {
    const { authorization } = deposit;
    if (authorization.method !== 'eip3009') return 'unsupported_payload_type';
    const signed = this.doors.verifier.deposit(quote.asset.domain, config, deposit);
    if (!signed.valid) return signed.reason;
    if (deposit.amount < leastDeposit(quote.amount)) return 'invalid_batch_settlement_evm_deposit_below_min_deposit';
    const head = await this.chain.head();
    const late = checkDeposit(authorization, Number(head.timestamp));
    if (late) return late;
    const nonce = this.doors.verifier.depositNonce(voucher.channelId, authorization.salt);
    const [payer] = await this.chain.payerState([
      { token: config.token, payer: config.payer, payTo: this.doors.collector, nonce },
    ]);
    if (!payer) throw new Fault('invariant_broken', 'the chain reader left a question unanswered');
    if (payer.nonceUsed) return 'invalid_batch_settlement_evm_deposit_simulation_failed';
    if (payer.hasCode) return 'contract_wallet_not_supported';
    if (payer.paused) return 'token_paused';
    if (payer.blocked) return 'payer_blocked';
    return payer.balance < deposit.amount ? 'invalid_batch_settlement_evm_insufficient_balance' : undefined;
  }

  #take(quote: Quote, { voucher, deposit }: DepositPayment, channel: ChannelRow, item: ReserveItem): Promise<string> {
    const { authorization } = deposit;
    if (authorization.method !== 'eip3009') throw new Fault('invariant_broken', 'only EIP-3009 deposits are taken');
    const nonce = this.doors.verifier.depositNonce(voucher.channelId, authorization.salt);
    return this.channels.deposit(channel, this.doors.chain.chainId, {
      payment: this.ids.next('pay'),
      provider: quote.provider,
      amount: deposit.amount,
      collector: this.doors.collector,
      nonce,
      salt: authorization.salt,
      validAfter: authorization.validAfter,
      validBefore: authorization.validBefore,
      signature: authorization.signature,
      binding: createHash('sha256').update(`deposit\n${voucher.channelId}\n${nonce}\n${deposit.amount}`).digest('hex'),
      resource: item.resource,
    });
  }

  /** Waits for the block, and for the chain to show the channel with it. */
  async #included(quote: Quote, payment: DepositPayment, started: PaymentRow): Promise<TakenDeposit> {
    const { publicUrl, releaseWaitMs } = this.settings;
    const now = await this.waiter.wait(started, 'confirmed', releaseWaitMs);
    if (now.state === 'failed') return answer({ decision: 'refuse', reply: failedReply(now, publicUrl) });
    if (now.state !== 'included' && now.state !== 'settled') {
      return answer({ decision: 'replay', reply: pendingReply(now, publicUrl) });
    }
    const late = AbortSignal.timeout(VISIBLE_MS);
    for (;;) {
      const channel = await this.mirror.run(quote, payment);
      if ((channel && channel.balance >= payment.voucher.maxClaimable) || late.aborted) break;
      await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return {
      outcome: 'deposited',
      payment: { id: now.id, transaction: now.transaction, amount: now.amount },
    };
  }
}

const answer = (verdict: Verdict): TakenDeposit => ({ outcome: 'answer', verdict });

import { Fault } from '@core/faults';
import { captureByVoucher } from '@core/ledger';
import { amount, assetId, formatDecimal, parseDecimal, type Decimal } from '@core/money';
import { chargeVoucher } from '@core/payments';
import { quote } from '@core/pricing';
import type { ChannelStanding } from '@core/x402';
import type { PriceBookCache } from '@features/pricing';
import { GroupCommit } from '@platform/database';
import type { CaptureDecision, WireReply } from '../gate/gate-decisions.js';
import { reservationEnded, unknownPayment } from '../gate/refusals.js';
import type { RequestToCapture } from '../gate/way-to-pay.js';
import type { ChannelTurns } from './channel-turns.js';
import { voucherHeaders, voucherView } from './voucher-replies.js';
import { standingAfter, type VoucherRow } from './voucher-row.js';
import type { CapturedVoucher, CaptureVoucherItem } from './voucher-changes.js';
import type { VoucherStore } from './vouchers.store.js';

interface Item {
  readonly voucher: VoucherRow;
  readonly capture: CaptureVoucherItem;
}

/** Answers larger than this are not kept: the same voucher presented again then gets a 409 that says so. */
const KEPT_BYTES = 256 * 1024;
const BATCH = 256;
/** Most reservations remembered; others are looked up. */
const REMEMBERED = 20_000;

/**
 * The call was served: charges what it measured, at most what was signed, keeps the answer, records the usage and posts the entry, all in
 * one transaction. Nothing has to be waited for: the value lies in the channel.
 */
export class CaptureVoucher {
  readonly #captures: GroupCommit<Item, CapturedVoucher | 'ended'>;
  readonly #open = new Map<string, VoucherRow>();

  constructor(
    private readonly store: VoucherStore,
    private readonly book: PriceBookCache,
    private readonly turns: ChannelTurns,
    private readonly publicUrl: string,
  ) {
    this.#captures = new GroupCommit((items) => this.#write(items), BATCH);
  }

  /** A reservation of this process, so that its capture needs no look-up. A memory and no authority: the row decides. */
  remember(voucher: VoucherRow): void {
    if (this.#open.size >= REMEMBERED) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.#open.delete(oldest);
    }
    this.#open.set(voucher.id, voucher);
  }

  /** @throws Fault not_found for a payment that is not this provider's, invalid_request for a quantity above the checked one */
  async run({ provider, request }: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    const remembered = this.#open.get(request.payment);
    this.#open.delete(request.payment);
    const voucher = remembered ?? (await this.store.find(request.payment));
    if (voucher?.provider !== provider) throw unknownPayment();
    if (voucher.state !== 'reserved') return this.#ended(voucher);
    const { charged, quantity } = await this.#charge(voucher, request.quantity);
    const captured = await this.#captures.add({
      voucher,
      capture: {
        id: voucher.id,
        provider,
        channel: voucher.channel,
        charged,
        quantity: formatDecimal(quantity),
        reply: kept(request.reply),
        entry: charged === 0n ? [] : entryOf(voucher, charged),
      },
    });
    this.turns.ended(voucher.channel, voucher.id);
    if (captured === 'ended') {
      const now = await this.store.find(voucher.id);
      if (!now) throw new Fault('invariant_broken', `voucher ${voucher.id} is gone`);
      return this.#ended(now);
    }
    const served: VoucherRow = {
      ...voucher,
      state: 'served',
      charged,
      chargedAfter: captured.chargedAfter,
      quantity: formatDecimal(quantity),
    };
    return this.#release(served, { channelId: voucher.channelId, ...captured, charged: captured.chargedAfter });
  }

  #release(voucher: VoucherRow, standing: ChannelStanding): CaptureDecision {
    return {
      decision: 'release',
      payment: voucherView(voucher, this.publicUrl),
      headers: voucherHeaders(voucher, standing, this.publicUrl),
    };
  }

  /** It was captured, voided or let go before. */
  #ended(voucher: VoucherRow): CaptureDecision {
    if (voucher.state === 'served') return this.#release(voucher, standingAfter(voucher));
    return { decision: 'withhold', payment: voucherView(voucher, this.publicUrl), reply: reservationEnded() };
  }

  /** The price of what was measured, by the very version that was quoted. */
  async #charge(voucher: VoucherRow, measured: string | undefined): Promise<{ charged: bigint; quantity: Decimal }> {
    const checked = parseDecimal(voucher.quantity ?? '1');
    const quantity = measured === undefined ? checked : parseDecimal(measured);
    if (!checked || !quantity) throw invalidQuantity('quantity has to be a plain decimal such as "2.5"');
    const verdict = chargeVoucher(
      voucher.amount,
      checked,
      quantity,
      measured === undefined ? voucher.amount : await this.#priced(voucher, quantity),
    );
    if (!verdict.ok) throw invalidQuantity(verdict.message);
    return verdict;
  }

  async #priced(voucher: VoucherRow, quantity: Decimal): Promise<bigint> {
    if (quantity.units === 0n) return 0n;
    // A negative quantity has no price; the rule that follows names it.
    if (quantity.units < 0n || voucher.meter === undefined) return voucher.amount;
    const entry = await this.book.find(voucher.provider, voucher.meter);
    const price = entry?.prices.find(({ id }) => id === voucher.priceId);
    if (!price) throw new Fault('invariant_broken', `price ${voucher.priceId} of voucher ${voucher.id} is gone`);
    return quote(price, quantity).atomic;
  }

  async #write(items: readonly Item[]): Promise<(CapturedVoucher | 'ended')[]> {
    const captures = new Map(items.map(({ capture }) => [capture.id, capture]));
    const captured = await this.store.capture([...captures.values()]);
    return items.map(({ capture }) => captured.get(capture.id) ?? 'ended');
  }
}

const invalidQuantity = (message: string): Fault =>
  new Fault('invalid_request', `${message}.`, { reason: 'invalid_quantity' });

const kept = (reply: WireReply): WireReply | undefined =>
  Buffer.byteLength(reply.body, 'base64') <= KEPT_BYTES ? reply : undefined;

const entryOf = (voucher: VoucherRow, charged: bigint) =>
  captureByVoucher({
    provider: voucher.provider,
    account: voucher.account,
    payment: voucher.id,
    charged: amount(assetId(voucher.assetId), charged),
    meter: voucher.meter ?? 'unknown',
  });

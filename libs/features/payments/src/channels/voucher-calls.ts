import { Fault } from '@core/faults';
import { ID_PREFIXES, isId } from '@core/ids';
import { compareDecimals, parseDecimal } from '@core/money';
import { SERVICE_SECONDS } from '@core/payments';
import type { CaptureDecision, ExtendDecision, PaymentView } from '../gate/gate-decisions.js';
import { unknownPayment } from '../gate/refusals.js';
import type { RequestToCapture, RequestToExtend, WayToPay } from '../gate/way-to-pay.js';
import type { CaptureVoucher } from './capture-voucher.js';
import type { ChannelTurns } from './channel-turns.js';
import { voucherView } from './voucher-replies.js';
import type { VoucherRow } from './voucher-row.js';
import type { VoucherStore } from './vouchers.store.js';

/** Calls that were let through by vouchers: what becomes of them. */
export abstract class VoucherCalls implements WayToPay {
  readonly prefix = ID_PREFIXES.voucher;

  constructor(
    protected readonly store: VoucherStore,
    protected readonly captures: CaptureVoucher,
    protected readonly turns: ChannelTurns,
    protected readonly publicUrl: string,
  ) {}

  capture(input: { provider: string; request: RequestToCapture }): Promise<CaptureDecision> {
    return this.captures.run(input);
  }

  /**
   * What was signed for is all there is: up to that quantity it goes on, beyond it stops. The time to serve is renewed unless the payer
   * is leaving the channel.
   */
  async extend({ provider, request }: { provider: string; request: RequestToExtend }): Promise<ExtendDecision> {
    const voucher = await this.owned(provider, request.payment);
    const [upTo, paid] = [parseDecimal(request.upTo), parseDecimal(voucher.quantity ?? '1')];
    if (!upTo || !paid)
      throw new Fault('invalid_request', 'upTo has to be a plain decimal such as "2.5".', {
        reason: 'invalid_quantity',
      });
    const payment = voucherView(voucher, this.publicUrl);
    if (compareDecimals(upTo, paid) > 0) return { decision: 'stop', payment, reason: 'amount_signed_for_is_used' };
    const captureWithinSeconds = await this.store.prolong(voucher.id, SERVICE_SECONDS);
    return captureWithinSeconds === undefined
      ? { decision: 'stop', payment, reason: 'reservation_ended' }
      : { decision: 'go', payment, captureWithinSeconds };
  }

  /** The request was not served: its voucher is free again and nothing is charged. */
  async void({
    provider,
    request,
  }: {
    provider: string;
    request: { payment: string; reason?: string | undefined };
  }): Promise<{ payment: PaymentView }> {
    await this.store.void(provider, request.payment, request.reason ?? 'not served');
    const voucher = await this.owned(provider, request.payment);
    this.turns.ended(voucher.channel, voucher.id);
    if (voucher.state !== 'voided') {
      throw new Fault('conflict', 'The payment was captured before and cannot be voided.', {
        reason: 'already_captured',
      });
    }
    return { payment: voucherView(voucher, this.publicUrl) };
  }

  async read(id: string): Promise<PaymentView | undefined> {
    if (!isId(id, ID_PREFIXES.voucher)) return undefined;
    const voucher = await this.store.find(id);
    return voucher && voucherView(voucher, this.publicUrl);
  }

  protected async owned(provider: string, id: string): Promise<VoucherRow> {
    const voucher = await this.store.find(id);
    if (voucher?.provider !== provider) throw unknownPayment();
    return voucher;
  }
}

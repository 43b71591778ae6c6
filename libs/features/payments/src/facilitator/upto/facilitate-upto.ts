import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { type PayableAssets, releases } from '@core/payments';
import { type SettlementResponse, UPTO, type VerifyResponse } from '@core/x402';
import type { CaptureExact } from '../../exact/capture-exact.js';
import { claimKey } from '../../exact/claim-payment.js';
import type { PaymentRow, PaymentStore } from '../../exact/payments.store.js';
import type { Payee, Payees } from '../../gate/payees.js';
import type { ReleaseWaiter } from '../../gate/release-waiter.js';
import { settlementOf } from '../../gate/wire-replies.js';
import { type AuthorizeCeiling, presentationOf, transferOf } from '../../upto/authorize-ceiling.js';
import type { CheckCeiling } from '../../upto/check-ceiling.js';
import type { UptoDoors } from '../../upto/upto-doors.js';
import {
  type FacilitatedScheme,
  NOT_OURS,
  NOT_YOURS,
  SETTLE_WAIT_MS,
  type SupportedScheme,
} from '../facilitated-scheme.js';
import { type FacilitatedCeiling, readFacilitatedCeiling } from './facilitated-ceiling.js';

/**
 * Scheme `upto`: a server that prices for itself says at settle what was used of a ceiling it was shown. Claimed, captured and settled like
 * the gate's own, as revenue of the payee's provider.
 */
export class FacilitateUpto implements FacilitatedScheme {
  readonly scheme = UPTO;

  constructor(
    private readonly doors: UptoDoors,
    private readonly check: CheckCeiling,
    private readonly authorize: AuthorizeCeiling,
    private readonly capture: CaptureExact,
    private readonly store: PaymentStore,
    private readonly payees: Payees,
    private readonly waiter: ReleaseWaiter,
    private readonly assets: PayableAssets,
    private readonly settings: { readonly publicUrl: string; readonly settleWaitMs?: number | undefined },
  ) {}

  async verify(body: unknown, provider: string | undefined): Promise<VerifyResponse> {
    const read = readFacilitatedCeiling(body, this.assets());
    if (!read.ok) return { isValid: false, invalidReason: read.reason, invalidMessage: read.message };
    const { payment } = read;
    const { authorization, asset } = payment;
    const payer = authorization.from;
    const invalid = (invalidReason: string, invalidMessage: string): VerifyResponse => ({
      isValid: false,
      invalidReason,
      invalidMessage,
      payer,
    });
    const payee = await this.payees.ofWallet(payment.payTo);
    if (!payee) return invalid('invalid_payment_requirements', NOT_OURS);
    if (provider !== undefined && payee.provider !== provider)
      return invalid('invalid_payment_requirements', NOT_YOURS);
    const checked = await this.check.run(this.#presented(payee, payment, payment.amount));
    if (checked.outcome === 'refused') return invalid(checked.reason, checked.message);
    const claim = await this.store.findClaim(claimKey(asset, transferOf(authorization)));
    if (claim) return invalid('permit2_invalid_nonce', 'this authorization was presented for settlement before');
    return { isValid: true, payer };
  }

  async settle(body: unknown, provider: string | undefined): Promise<SettlementResponse> {
    const read = readFacilitatedCeiling(body, this.assets());
    const failed = (
      errorReason: string,
      errorMessage: string,
      network: string,
      payer?: string,
    ): SettlementResponse => ({
      success: false,
      errorReason,
      errorMessage,
      ...(payer === undefined ? {} : { payer }),
      transaction: '',
      network,
    });
    if (!read.ok) return failed(read.reason, read.message, read.network);
    const { payment } = read;
    const { authorization, network, amount } = payment;
    const refuse = (reason: string, message: string): SettlementResponse =>
      failed(reason, message, network, authorization.from);
    const payee = await this.payees.ofWallet(payment.payTo);
    if (!payee) return refuse('invalid_payment_requirements', NOT_OURS);
    if (provider !== undefined && payee.provider !== provider) return refuse('invalid_payment_requirements', NOT_YOURS);
    if (amount > authorization.amount) {
      return refuse('invalid_upto_evm_payload_settlement_exceeds_amount', 'amount is more than the signed ceiling');
    }
    const authorized = await this.authorize.run(this.#presented(payee, payment, authorization.amount));
    if (authorized.outcome === 'refused') return refuse(authorized.reason, authorized.message);
    if (authorized.outcome === 'identified')
      throw new Fault('invariant_broken', 'a payment without an identifier was answered by one');
    if (authorized.outcome === 'exists' && !authorized.same)
      return refuse('permit2_invalid_nonce', 'this authorization pays for something else');
    const served = await this.#captured(authorized.payment, amount);
    const charged = served.unused ? 0n : served.charged;
    if (charged !== undefined && charged !== amount)
      return refuse('permit2_invalid_nonce', 'this authorization was settled for another amount before');
    if (served.unused) return { ...settlementOf(served, this.settings.publicUrl, true), network };
    if (served.state === 'voided' || served.state === 'reserved')
      return refuse('unexpected_settle_error', 'the payment was let go before it was settled; nothing was charged');
    return this.#settled(served, network);
  }

  /** A claim that exists is taken up where it stands: captured if it was not yet, and never twice. */
  async #captured(payment: PaymentRow, charged: bigint): Promise<PaymentRow> {
    if (payment.state !== 'reserved') return payment;
    const { provider, id } = payment;
    return this.capture.capture({ provider, payment: id, quantity: undefined, reply: undefined, charged });
  }

  async #settled(served: PaymentRow, network: string): Promise<SettlementResponse> {
    const now = await this.waiter.wait(served, 'confirmed', this.settings.settleWaitMs ?? SETTLE_WAIT_MS);
    const settlement = settlementOf(now, this.settings.publicUrl, releases('confirmed', now));
    // A pending settlement names its transfer. Before there is one, only "ask again" is true: the payment is taken and will be sent.
    if (settlement.errorReason === 'settlement_pending' && settlement.transaction === '') {
      throw new Fault(
        'unavailable',
        'The payment is taken and waits to be sent to the chain. Settle it again: it is sent once, whatever is asked.',
        { reason: 'settlement_not_sent_yet', retryAfterSeconds: 5 },
      );
    }
    return { ...settlement, network };
  }

  /** Payee and ceiling apart, a facilitator has no say in what is sold: the binding holds the terms and nothing else. */
  #presented(payee: Payee, payment: FacilitatedCeiling, ceiling: bigint) {
    const { asset, authorization, payTo, resource } = payment;
    const terms = `facilitator\nupto\n${payee.provider}\n${asset.network}\n${asset.domain.address}\n${payTo}\n${ceiling}\n`;
    const rest = {
      provider: payee.provider,
      origin: 'facilitator',
      payTo,
      amount: ceiling,
      binding: createHash('sha256').update(terms).digest('hex'),
      resource: resource.split(/[?#]/, 1)[0]?.slice(0, 512) ?? '',
      identified: undefined,
      attempt: undefined,
      meterId: undefined,
      meter: undefined,
      quantity: undefined,
      priceId: undefined,
      release: 'confirmed',
    } as const;
    return {
      presentation: presentationOf(rest, asset, authorization),
      authorization,
      facilitators: this.doors.facilitators,
    };
  }

  supported(): Promise<SupportedScheme> {
    const { facilitators, verifier } = this.doors;
    const networks = this.assets().filter(({ domain }) => domain.chainId === verifier.chainId);
    const extra = { facilitatorAddress: facilitators[0] };
    return Promise.resolve({
      kinds: [...new Set(networks.map(({ network }) => network))].map((network) => ({
        x402Version: 2,
        scheme: UPTO,
        network,
        extra,
      })),
      signers: facilitators,
    });
  }
}

import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { type PayableAssets, releases } from '@core/payments';
import type { SettlementResponse, VerifyResponse } from '@core/x402';
import type { AuthorizePayment } from '../../exact/authorize-payment.js';
import { type Authorized, claimKey, type Presentation } from '../../exact/claim-payment.js';
import type { CaptureExact } from '../../exact/capture-exact.js';
import type { PaymentStore } from '../../exact/payments.store.js';
import type { Payee, Payees } from '../../gate/payees.js';
import type { ReleaseWaiter } from '../../gate/release-waiter.js';
import { settlementOf } from '../../gate/wire-replies.js';
import {
  type FacilitatedScheme,
  NOT_OURS,
  NOT_YOURS,
  SETTLE_WAIT_MS,
  type SupportedScheme,
} from '../facilitated-scheme.js';
import { type FacilitatedPayment, readFacilitatedPayment } from './facilitated-payment.js';

/** Payee and value apart, a facilitator has no say in what is sold: the binding holds the terms and nothing else. */
function presentationOf(payee: Payee, payment: FacilitatedPayment): Presentation {
  const { asset, authorization, payTo, amount } = payment;
  return {
    provider: payee.provider,
    origin: 'facilitator',
    asset,
    authorization,
    payTo,
    amount,
    binding: createHash('sha256')
      .update(`facilitator\n${payee.provider}\n${asset.network}\n${asset.domain.address}\n${payTo}\n${amount}\n`)
      .digest('hex'),
    resource: payment.resource.split(/[?#]/, 1)[0]?.slice(0, 512) ?? '',
    identified: undefined,
    attempt: undefined,
    meterId: undefined,
    meter: undefined,
    quantity: undefined,
    priceId: undefined,
    release: 'confirmed',
  };
}

/** Scheme `exact`: payments by EIP-3009 are claimed, captured and settled like the gate's own, as revenue of the payee's provider. */
export class FacilitateExact implements FacilitatedScheme {
  readonly scheme = 'exact';

  constructor(
    private readonly authorize: AuthorizePayment,
    private readonly capture: CaptureExact,
    private readonly store: PaymentStore,
    private readonly payees: Payees,
    private readonly waiter: ReleaseWaiter,
    private readonly assets: PayableAssets,
    private readonly settings: { readonly publicUrl: string; readonly settleWaitMs?: number | undefined },
  ) {}

  async verify(body: unknown, provider: string | undefined): Promise<VerifyResponse> {
    const read = readFacilitatedPayment(body, this.assets());
    if (!read.ok) return { isValid: false, invalidReason: read.reason, invalidMessage: read.message };
    const { asset, authorization, payTo } = read.payment;
    const payer = authorization.from;
    const invalid = (invalidReason: string, invalidMessage: string): VerifyResponse => ({
      isValid: false,
      invalidReason,
      invalidMessage,
      payer,
    });
    if (!this.authorize.signedBy(asset, authorization)) {
      return invalid(
        'invalid_exact_evm_signature',
        'the signature is not the payer’s for this token, or not in canonical form',
      );
    }
    const payee = await this.payees.ofWallet(payTo);
    if (!payee) return invalid('invalid_payment_requirements', NOT_OURS);
    if (provider !== undefined && payee.provider !== provider)
      return invalid('invalid_payment_requirements', NOT_YOURS);
    const [checked, claim] = await Promise.all([
      this.authorize.check(presentationOf(payee, read.payment)),
      this.store.findClaim(claimKey(asset, authorization)),
    ]);
    if (checked.outcome === 'refused') return invalid(checked.reason, checked.message);
    if (claim)
      return invalid('invalid_exact_evm_nonce_already_used', 'this authorization was presented for settlement before');
    return { isValid: true, payer };
  }

  async settle(body: unknown, provider: string | undefined): Promise<SettlementResponse> {
    const read = readFacilitatedPayment(body, this.assets());
    if (!read.ok)
      return {
        success: false,
        errorReason: read.reason,
        errorMessage: read.message,
        transaction: '',
        network: read.network,
      };
    const { payment } = read;
    const failed = (errorReason: string, errorMessage: string): SettlementResponse => ({
      success: false,
      errorReason,
      errorMessage,
      payer: payment.authorization.from,
      transaction: '',
      network: payment.network,
    });
    const payee = await this.payees.ofWallet(payment.payTo);
    if (!payee) return failed('invalid_payment_requirements', NOT_OURS);
    if (provider !== undefined && payee.provider !== provider) return failed('invalid_payment_requirements', NOT_YOURS);
    const authorized = await this.authorize.run(presentationOf(payee, payment));
    if (authorized.outcome === 'refused') return failed(authorized.reason, authorized.message);
    if (authorized.outcome === 'identified')
      throw new Fault('invariant_broken', 'a payment without an identifier was answered by one');
    if (authorized.outcome === 'exists' && !authorized.same) {
      return failed('invalid_exact_evm_nonce_already_used', 'this authorization pays for something else');
    }
    return this.#taken(authorized, payment);
  }

  /** A claim that exists is taken up where it stands: captured if it was not yet, and watched, never sent twice. */
  async #taken(
    authorized: Extract<Authorized, { outcome: 'claimed' | 'exists' }>,
    { network, authorization }: FacilitatedPayment,
  ): Promise<SettlementResponse> {
    const { payment } = authorized;
    const served =
      payment.state === 'reserved'
        ? await this.capture.capture({
            provider: payment.provider,
            payment: payment.id,
            quantity: undefined,
            reply: undefined,
          })
        : payment;
    if (served.state === 'voided' || served.state === 'reserved') {
      const errorMessage = 'the payment was let go before it was settled; nothing was charged';
      return {
        success: false,
        errorReason: 'unexpected_settle_error',
        errorMessage,
        payer: authorization.from,
        transaction: '',
        network,
      };
    }
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

  async supported(): Promise<SupportedScheme> {
    const networks = new Map(this.assets().map((asset) => [asset.network, asset]));
    const signers = await Promise.all([...networks.values()].map(({ domain }) => this.store.relayers(domain.chainId)));
    return {
      kinds: [...networks.values()].flatMap(({ network, networkV1 }) => [
        { x402Version: 2, scheme: 'exact', network },
        ...(networkV1 === undefined ? [] : [{ x402Version: 1, scheme: 'exact', network: networkV1 }]),
      ]),
      signers: signers.flat(),
    };
  }
}

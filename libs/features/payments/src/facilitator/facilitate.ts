import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { type PayableAssets, releases } from '@core/payments';
import type { SettlementResponse, SupportedResponse, VerifyResponse } from '@core/x402';
import { type Authorized, type AuthorizePayment, claimKey, type Presentation } from '../exact/authorize-payment.js';
import type { CaptureExact } from '../exact/capture-exact.js';
import { type FacilitatedPayment, readFacilitatedPayment } from './facilitated-payment.js';
import type { Payee, Payees } from '../gate/payees.js';
import type { PaymentStore } from '../exact/payments.store.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import { settlementOf } from '../gate/wire-replies.js';

/** What settle waits for the chain at most: the public client gives up after 90 seconds. */
const SETTLE_WAIT_MS = 60_000;

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

const NOT_YOURS = 'paymentRequirements.payTo is the wallet of another provider than the key’s';
const NOT_OURS = 'paymentRequirements.payTo is no provider’s wallet here: register it as the provider’s payTo first';

/**
 * `POST /x402/verify`: would settle take this payment? Writes nothing, claims nothing. `provider`: who asks, if a key says so; only
 * payments to its wallet are taken then.
 */
export class VerifyFacilitated {
  constructor(
    private readonly authorize: AuthorizePayment,
    private readonly store: PaymentStore,
    private readonly payees: Payees,
    private readonly assets: PayableAssets,
  ) {}

  /** @throws Fault unavailable when the chain or the database cannot be read: never "invalid" for want of an answer. */
  async run(body: unknown, provider?: string): Promise<VerifyResponse> {
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
}

/** `POST /x402/settle`: claims the payment, hands it to the settler and answers once the chain has it, or says it is pending. */
export class SettleFacilitated {
  constructor(
    private readonly authorize: AuthorizePayment,
    private readonly capture: CaptureExact,
    private readonly payees: Payees,
    private readonly waiter: ReleaseWaiter,
    private readonly assets: PayableAssets,
    private readonly settings: { readonly publicUrl: string; readonly settleWaitMs?: number | undefined },
  ) {}

  /** @throws Fault unavailable when the chain or the database cannot be read. */
  async run(body: unknown, provider?: string): Promise<SettlementResponse> {
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
    return this.#settle(authorized, payment);
  }

  /** A claim that exists is taken up where it stands: captured if it was not yet, and watched, never sent twice. */
  async #settle(
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
}

/** `GET /x402/supported`: schemes, networks and the addresses that settle. */
export class ListSupported {
  constructor(
    private readonly store: PaymentStore,
    private readonly assets: PayableAssets,
  ) {}

  async run(): Promise<SupportedResponse> {
    const networks = new Map(this.assets().map((asset) => [asset.network, asset]));
    const signers = await Promise.all([...networks.values()].map(({ domain }) => this.store.relayers(domain.chainId)));
    return {
      kinds: [...networks.values()].flatMap(({ network, networkV1 }) => [
        { x402Version: 2, scheme: 'exact', network },
        ...(networkV1 === undefined ? [] : [{ x402Version: 1, scheme: 'exact', network: networkV1 }]),
      ]),
      extensions: [],
      signers: { 'eip155:*': [...new Set(signers.flat())] },
    };
  }
}

import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { PayableAssets, PaymentAsset } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import { type Clock, epochSeconds } from '@core/time';
import type { AuthorizationVerifier, Hex } from '@core/x402';
import type { Payees } from '../gate/payees.js';
import type { Refund, RefundState } from './refund.js';
import { refundNonce, type RefundTransfer, refundTypedData, type RefundTypedData } from './refund-transfer.js';
import type { RefundsStore } from './refunds.store.js';

/** How long a signature that is asked for now is to hold, and how long one may hold: its end is when failure can be proved. */
const PROPOSED_SECONDS = 3_600;
const LEAST_SECONDS = 60;
const MOST_SECONDS = 86_400;

/** A refund, and what is to be signed to send it while it is owed. */
export interface RefundToSend {
  readonly refund: Refund;
  readonly typedData: RefundTypedData | undefined;
}

const conflict = (reason: string, message: string): Fault => new Fault('conflict', message, { reason });

const hex = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

/** What of a refund can be sent on the chain, and why not. */
function transferOf(refund: Refund, payTo: string): RefundTransfer {
  if (!refund.bought) {
    throw conflict('not_bought_on_chain', 'Its value was not bought on the chain: pay it back the way it was paid.');
  }
  if (refund.bought.state !== 'settled') {
    throw conflict('funding_not_final', 'The payment that bought the value is not final yet. Ask again once it is.');
  }
  if (refund.cash <= 0n) throw conflict('nothing_owed', 'Nothing was paid for the value, so nothing goes back for it.');
  return {
    from: hex(payTo),
    to: refund.bought.payer,
    value: refund.cash,
    validAfter: 0n,
    nonce: refundNonce(refund.id, refund.attempt),
  };
}

/** Reads refunds of a provider. */
export class ReadRefunds {
  constructor(
    private readonly store: RefundsStore,
    private readonly payees: Payees,
    private readonly assets: PayableAssets,
    private readonly clock: Clock,
  ) {}

  list(page: { provider: string; state?: RefundState | undefined; limit: number; before?: string | undefined }) {
    return this.store.list(page);
  }

  /** @throws Fault not_found (`unknown_refund`) */
  async one(provider: string, id: string): Promise<RefundToSend> {
    const refund = await this.store.find(provider, id);
    if (!refund) throw unknownRefund();
    const asset = this.assets().find((one) => one.id === refund.asset);
    const payee = await this.payees.ofProvider(provider);
    const canBeSent =
      refund.state === 'owed' && refund.bought?.state === 'settled' && refund.cash > 0n && asset && payee;
    if (!canBeSent) return { refund, typedData: undefined };
    const validBefore = BigInt(epochSeconds(this.clock.now()) + PROPOSED_SECONDS);
    return { refund, typedData: refundTypedData(asset, transferOf(refund, payee.payTo), validBefore) };
  }
}

/**
 * Takes the provider's signature for a refund and hands the transfer to the settler, as it does any payment. The treasury's key is
 * never here: who may send a refund is who can sign for the wallet that agents pay to.
 */
export class AuthorizeRefund {
  constructor(
    private readonly store: RefundsStore,
    private readonly payees: Payees,
    private readonly verifier: AuthorizationVerifier,
    private readonly chain: ChainReader,
    private readonly assets: PayableAssets,
    private readonly ids: IdSource,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  /**
   * A refund that is on its way or paid is answered as it is.
   * @throws Fault not_found (`unknown_refund`), invalid_request (`invalid_signature`, `invalid_valid_before`), conflict when nothing can
   *   be sent for it, unavailable when the chain cannot be read
   */
  async run(input: {
    readonly provider: string;
    readonly refund: string;
    readonly signature: Hex;
    /** Unix seconds. */
    readonly validBefore: bigint;
  }): Promise<Refund> {
    const { provider, signature, validBefore } = input;
    const refund = await this.store.find(provider, input.refund);
    if (!refund) throw unknownRefund();
    if (refund.state === 'sending' || refund.state === 'paid') return refund;
    if (refund.state === 'cancelled') throw conflict('refund_cancelled', 'The refund was cancelled: nothing is owed.');
    const asset = this.assets().find((one) => one.id === refund.asset);
    const payee = await this.payees.ofProvider(provider);
    if (!asset || !payee) {
      throw new Fault('unavailable', 'The token of the refund cannot be paid with now; try again shortly.', {
        reason: 'asset_not_payable',
      });
    }
    const authorization = { ...transferOf(refund, payee.payTo), validBefore, signature };
    if (!this.verifier.verify(asset.domain, authorization).valid) {
      throw new Fault(
        'invalid_request',
        `"signature" is not that of ${payee.payTo} over the typed data with this "validBefore".`,
        { reason: 'invalid_signature' },
      );
    }
    await this.#check(asset, authorization);
    const binding = createHash('sha256').update(`refund\n${refund.id}\n${authorization.nonce}\n`).digest('hex');
    const resource = `${this.settings.publicUrl.replace(/\/$/, '')}/v1/refunds/${refund.id}`;
    await this.store.send(refund, {
      payment: this.ids.next(ID_PREFIXES.payment),
      asset,
      authorization,
      binding,
      resource,
    });
    const now = await this.store.find(provider, refund.id);
    if (!now) throw unknownRefund();
    return now;
  }

  /** A nonce that is used is not looked for: whoever carried the transfer, the settler finds it. */
  async #check(asset: PaymentAsset, sent: RefundTransfer & { readonly validBefore: bigint }): Promise<void> {
    const head = (await this.chain.head()).timestamp;
    if (sent.validBefore < head + BigInt(LEAST_SECONDS) || sent.validBefore > head + BigInt(MOST_SECONDS)) {
      throw new Fault('invalid_request', `"validBefore" has to be from a minute to a day after now.`, {
        reason: 'invalid_valid_before',
      });
    }
    const [payer] = await this.chain.payerState([
      { token: asset.domain.address, payer: sent.from, payTo: sent.to, nonce: sent.nonce },
    ]);
    if (!payer) throw new Fault('invariant_broken', 'the chain reader left a question unanswered');
    if (payer.hasCode) {
      throw conflict(
        'contract_wallet_not_supported',
        'Your wallet is a contract: refunds are sent from plain wallets.',
      );
    }
    if (payer.paused || payer.blocked) {
      throw conflict('token_refuses', 'The token moves nothing between these wallets now.');
    }
    if (!payer.nonceUsed && payer.balance < sent.value) {
      throw conflict('insufficient_funds', 'Your wallet holds less than the refund. Fund it and send this again.');
    }
  }
}

const unknownRefund = (): Fault =>
  new Fault('not_found', 'There is no such refund of this provider.', { reason: 'unknown_refund' });

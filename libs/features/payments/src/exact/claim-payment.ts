import type { IdSource } from '@core/ids';
import { type PaymentAsset, type ReleaseLevel, SERVICE_SECONDS } from '@core/payments';
import { Fault } from '@core/faults';
import type { ExactAuthorization, X402Error } from '@core/x402';
import { GroupCommit } from '@platform/database';
import type { Held, Identified } from '../gate/identified.js';
import type { PaymentIdentifiers } from '../gate/payment-identifiers.js';
import type {
  AuthorizationKey,
  ClaimedCeiling,
  ClaimItem,
  ClaimOutcome,
  PaymentRow,
  PaymentStore,
  SaleOrigin,
} from './payments.store.js';
import type { Reservations } from './reservations.js';

/** What an authorization is presented for. */
export interface Presentation {
  readonly provider: string;
  readonly origin: 'gate' | 'facilitator' | SaleOrigin;
  readonly asset: PaymentAsset;
  readonly authorization: ExactAuthorization;
  /** Terms to pay. */
  readonly payTo: string;
  readonly amount: bigint;
  /** Lower-case hex digest of what is paid for: the same authorization with another binding is refused. */
  readonly binding: string;
  readonly resource: string;
  /** The name its payer gave the payment. */
  readonly identified: Identified | undefined;
  readonly attempt: string | undefined;
  readonly meterId: string | undefined;
  readonly meter: string | undefined;
  readonly quantity: string | undefined;
  readonly priceId: string | undefined;
  readonly release: ReleaseLevel;
  /** Set when the payer signed for a ceiling; `authorization` says the rest of it in the terms of a transfer. */
  readonly ceiling?: ClaimedCeiling | undefined;
}

export type Authorized =
  /** Claimed now, by this call: serve it. */
  | { readonly outcome: 'claimed'; readonly payment: PaymentRow }
  /** Claimed before. `same` tells whether for the same thing. */
  | { readonly outcome: 'exists'; readonly payment: PaymentRow; readonly same: boolean }
  /** Its identifier names a payment already. Nothing of this authorization was used. */
  | { readonly outcome: 'identified'; readonly held: Held }
  | { readonly outcome: 'refused'; readonly reason: X402Error | AuthorizationRefusal; readonly message: string };

/** Reasons of our own, beside the protocol's. */
export type AuthorizationRefusal =
  'exposure_cap_reached' | 'contract_wallet_not_supported' | 'payer_blocked' | 'token_paused';

const CAPS: Readonly<Record<'payer_cap' | 'provider_cap' | 'global_cap', string>> = {
  payer_cap: 'this wallet has as much unsettled as it may have; wait for settlement, then sign a new authorization',
  provider_cap: 'the seller has as much unsettled as it may have; wait for settlement, then sign a new authorization',
  global_cap: 'as much is unsettled as may be; wait for settlement, then sign a new authorization',
};

/** Most claims written together. */
const BATCH = 256;

/** Reasons for which the payer’s funds do not suffice, by what was signed. */
const FUNDS: ReadonlySet<string> = new Set<X402Error>([
  'permit2_allowance_required',
  'invalid_exact_evm_insufficient_balance',
  'permit2_insufficient_balance',
]);

/** Claims payments that were found in order: at most one for each authorization, committed before any work. */
export class ClaimPayment {
  readonly #claims: GroupCommit<ClaimItem, ClaimOutcome>;

  constructor(
    private readonly store: PaymentStore,
    private readonly identifiers: PaymentIdentifiers,
    private readonly reservations: Reservations,
    private readonly ids: IdSource,
  ) {
    this.#claims = new GroupCommit((items) => this.store.claim(items), BATCH);
  }

  /** The claim of this authorization, if there is one. */
  async existing(presented: Presentation): Promise<Authorized | undefined> {
    const { asset, authorization, binding } = presented;
    const payment = await this.store.findClaim(claimKey(asset, authorization));
    return payment === null ? undefined : { outcome: 'exists', payment, same: payment.binding === binding };
  }

  /**
   * The payment under the same identifier may have spent what this one would need. No other refusal is passed over: an
   * authorization that was used or has ended may be in anybody's hands and shows nothing.
   */
  async paidBefore(presented: Presentation, refusal: Refused): Promise<Authorized | undefined> {
    const { identified } = presented;
    if (!identified || !FUNDS.has(refusal.reason)) return undefined;
    const held = await this.identifiers.find(presented.provider, presented.authorization.from, identified);
    return held && { outcome: 'identified', held };
  }

  /** @param balance what the payer can pay with, atomic units */
  async run(presented: Presentation, balance: bigint): Promise<Authorized> {
    const { asset, authorization } = presented;
    const outcome = await this.#claims.add({
      id: this.ids.next('pay'),
      provider: presented.provider,
      newAccount: this.ids.next('acct'),
      origin: presented.origin,
      network: asset.network,
      chainId: asset.domain.chainId,
      asset: asset.domain.address,
      assetId: asset.id,
      authorization,
      binding: presented.binding,
      resource: presented.resource,
      attempt: presented.attempt,
      meterId: presented.meterId,
      quantity: presented.quantity,
      priceId: presented.priceId,
      release: presented.release,
      ttlSeconds: SERVICE_SECONDS,
      identified: presented.identified,
      balance,
      ceiling: presented.ceiling,
    });
    switch (outcome.outcome) {
      case 'claimed': {
        const payment = claimedPayment(presented, outcome);
        this.reservations.remember(payment);
        return { outcome: 'claimed', payment };
      }
      case 'exists': {
        const payment = await this.store.find(outcome.id);
        if (!payment) throw new Fault('invariant_broken', `claim ${outcome.id} is gone`);
        return { outcome: 'exists', payment, same: payment.binding === presented.binding };
      }
      case 'identified': {
        const { identified } = presented;
        const held = identified && (await this.identifiers.find(presented.provider, authorization.from, identified));
        // Let go of between the two: it is free to be taken.
        return held ? { outcome: 'identified', held } : this.run(presented, balance);
      }
      case 'again':
        return this.run(presented, balance);
      case 'funds':
        return refused(
          presented.ceiling ? 'permit2_insufficient_balance' : 'invalid_exact_evm_insufficient_balance',
          'the wallet holds less than what it has signed for and not yet paid; fund it and sign a new authorization',
        );
      case 'payer_cap':
      case 'provider_cap':
      case 'global_cap':
        return refused('exposure_cap_reached', CAPS[outcome.outcome]);
    }
  }
}

/** What the claim of an authorization is unique by. */
export const claimKey = ({ network, domain }: PaymentAsset, { from, nonce }: ExactAuthorization): AuthorizationKey => ({
  network,
  asset: domain.address,
  payer: from,
  nonce,
});

export type Refused = Extract<Authorized, { outcome: 'refused' }>;

export const refused = (reason: X402Error | AuthorizationRefusal, message: string): Refused => ({
  outcome: 'refused',
  reason,
  message,
});

const claimedPayment = (presented: Presentation, claim: Extract<ClaimOutcome, { outcome: 'claimed' }>): PaymentRow => ({
  id: claim.id,
  provider: presented.provider,
  account: claim.account,
  origin: presented.origin,
  state: 'reserved',
  network: presented.asset.network,
  asset: presented.asset.domain.address,
  assetId: presented.asset.id,
  payer: presented.authorization.from,
  payTo: presented.authorization.to,
  resource: presented.resource,
  amount: presented.amount,
  charged: undefined,
  meter: presented.meter,
  quantity: presented.quantity,
  priceId: presented.priceId,
  release: presented.release,
  knownPayer: claim.knownPayer,
  binding: presented.binding,
  attempt: presented.attempt,
  facilitator: presented.ceiling?.facilitator,
  unused: false,
  submitted: false,
  transaction: undefined,
});

import type { IdSource } from '@core/ids';
import {
  AUTHORIZATION_SECONDS,
  checkAuthorization,
  type PaymentAsset,
  type ReleaseLevel,
  SERVICE_SECONDS,
} from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import { Fault } from '@core/faults';
import type { AuthorizationVerifier, ExactAuthorization, X402Error } from '@core/x402';
import { GroupCommit } from '@platform/database';
import type { Held, Identified } from '../gate/identified.js';
import type { PaymentIdentifiers } from '../gate/payment-identifiers.js';
import type { AuthorizationKey, ClaimItem, ClaimOutcome, PaymentRow, PaymentStore } from './payments.store.js';
import type { Reservations } from './reservations.js';

/** What an authorization is presented for. */
export interface Presentation {
  readonly provider: string;
  readonly origin: 'gate' | 'facilitator' | 'topup';
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

/**
 * Turns a signed authorization into a claim: at most one per (chain, token, payer, nonce), committed before any work.
 *
 * The signature is checked before the claim is looked up, though a look-up would be cheaper for repeats: only who holds
 * the signature learns what became of the payment. With the native library it costs less than the look-up.
 */
export class AuthorizePayment {
  readonly #claims: GroupCommit<ClaimItem, ClaimOutcome>;

  constructor(
    private readonly store: PaymentStore,
    private readonly identifiers: PaymentIdentifiers,
    private readonly reservations: Reservations,
    private readonly verifier: AuthorizationVerifier,
    private readonly chain: ChainReader,
    private readonly clock: Clock,
    private readonly ids: IdSource,
    private readonly staleSeconds: number,
  ) {
    this.#claims = new GroupCommit((items) => this.store.claim(items), BATCH);
  }

  /** @throws Fault unavailable when chain or database cannot be read: nothing is served then. */
  async run(presented: Presentation): Promise<Authorized> {
    const { asset, authorization } = presented;
    const signature = this.verifier.verify(asset.domain, authorization);
    if (!signature.valid) {
      return refused(
        signature.reason,
        'authorization.signature is not the payer’s for this token, or not in canonical form',
      );
    }
    const checked = await this.check(presented);
    // A payment that was claimed already is judged by its claim, not by what time and chain say of it now.
    if (checked.outcome === 'refused')
      return (await this.#existing(presented)) ?? (await this.#paidBefore(presented, checked)) ?? checked;
    return this.#claim(presented, checked.balance);
  }

  /** Whether the authorization carries its payer's signature. */
  signedBy(asset: PaymentAsset, authorization: ExactAuthorization): boolean {
    return this.verifier.verify(asset.domain, authorization).valid;
  }

  /**
   * Everything but signature and claim: terms, time, and the payer's state on the chain.
   * @returns why not, or the payer's balance
   */
  async check(presented: Presentation): Promise<Refused | { readonly outcome: 'payable'; readonly balance: bigint }> {
    const { asset, authorization, origin } = presented;
    const head = await this.chain.head();
    const headSeconds = Number(head.timestamp);
    if (this.clock.now() / 1000 - headSeconds > this.staleSeconds) {
      throw new Fault(
        'unavailable',
        'The chain has not been seen to move for a while, so no payment can be taken now; try again shortly.',
        {
          reason: 'chain_head_stale',
          retryAfterSeconds: 5,
        },
      );
    }
    const offer = { payTo: presented.payTo, amount: presented.amount, maxTimeoutSeconds: AUTHORIZATION_SECONDS };
    const terms = checkAuthorization(authorization, offer, headSeconds, origin === 'facilitator' ? origin : 'gate');
    if (!terms.ok) return refused(terms.reason, terms.message);
    const [payer] = await this.chain.payerState([
      { token: asset.domain.address, payer: authorization.from, payTo: authorization.to, nonce: authorization.nonce },
    ]);
    if (!payer) throw new Fault('invariant_broken', 'the chain reader left a question unanswered');
    if (payer.nonceUsed)
      return refused(
        'invalid_exact_evm_nonce_already_used',
        'this authorization was used or cancelled; sign a new one',
      );
    if (payer.hasCode) {
      return refused(
        'contract_wallet_not_supported',
        'payers that are contracts or have delegated code cannot pay here; use a plain wallet',
      );
    }
    if (payer.paused) return refused('token_paused', 'the token is paused by its issuer; try again later');
    if (payer.blocked) return refused('payer_blocked', 'the token’s issuer has blocked the payer or the payee');
    if (payer.balance < presented.amount) {
      return refused(
        'invalid_exact_evm_insufficient_balance',
        'the wallet holds less than the price; fund it and sign a new authorization',
      );
    }
    return { outcome: 'payable', balance: payer.balance };
  }

  async #existing(presented: Presentation): Promise<Authorized | undefined> {
    const { asset, authorization, binding } = presented;
    const payment = await this.store.findClaim(claimKey(asset, authorization));
    return payment === null ? undefined : { outcome: 'exists', payment, same: payment.binding === binding };
  }

  /**
   * The payment under the same identifier may have spent what this one would need. No other refusal is passed over: an
   * authorization that was used or has ended may be in anybody's hands and shows nothing.
   */
  async #paidBefore(presented: Presentation, refusal: Refused): Promise<Authorized | undefined> {
    const { identified } = presented;
    if (!identified || refusal.reason !== 'invalid_exact_evm_insufficient_balance') return undefined;
    const held = await this.identifiers.find(presented.provider, presented.authorization.from, identified);
    return held && { outcome: 'identified', held };
  }

  async #claim(presented: Presentation, balance: bigint): Promise<Authorized> {
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
        return held ? { outcome: 'identified', held } : this.#claim(presented, balance);
      }
      case 'again':
        return this.#claim(presented, balance);
      case 'funds':
        return refused(
          'invalid_exact_evm_insufficient_balance',
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

type Refused = Extract<Authorized, { outcome: 'refused' }>;

const refused = (reason: X402Error | AuthorizationRefusal, message: string): Refused => ({
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
  submitted: false,
  transaction: undefined,
});

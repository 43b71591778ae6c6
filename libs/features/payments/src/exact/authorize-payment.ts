import { AUTHORIZATION_SECONDS, checkAuthorization, type PaymentAsset } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import { Fault } from '@core/faults';
import type { AuthorizationVerifier, ExactAuthorization } from '@core/x402';
import { type Authorized, type ClaimPayment, type Presentation, type Refused, refused } from './claim-payment.js';
import { liveHeadSeconds } from './live-head.js';

/**
 * Turns a signed authorization into a claim: at most one per (chain, token, payer, nonce), committed before any work.
 *
 * The signature is checked before the claim is looked up, though a look-up would be cheaper for repeats: only who holds
 * the signature learns what became of the payment. With the native library it costs less than the look-up.
 */
export class AuthorizePayment {
  constructor(
    private readonly claims: ClaimPayment,
    private readonly verifier: AuthorizationVerifier,
    private readonly chain: ChainReader,
    private readonly clock: Clock,
    private readonly staleSeconds: number,
  ) {}

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
      return (await this.claims.existing(presented)) ?? (await this.claims.paidBefore(presented, checked)) ?? checked;
    return this.claims.run(presented, checked.balance);
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
    const headSeconds = await liveHeadSeconds(this.chain, this.clock, this.staleSeconds);
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
}

import { createHash } from 'node:crypto';
import type { PaymentAsset } from '@core/payments';
import type { ExactAuthorization, Hex, UptoAuthorization } from '@core/x402';
import type { Authorized, ClaimPayment, Presentation } from '../exact/claim-payment.js';
import { type CheckCeiling, type PresentedCeiling, tooLittleAllowed } from './check-ceiling.js';

/**
 * Turns a signed ceiling into a claim: at most one for a payer's nonce at Permit2, committed before any work.
 * Only who holds the signature learns what became of a payment.
 */
export class AuthorizeCeiling {
  constructor(
    private readonly claims: ClaimPayment,
    private readonly check: CheckCeiling,
  ) {}

  /** @throws Fault unavailable when chain or database cannot be read: nothing is served then. */
  async run(presented: PresentedCeiling & { readonly presentation: Presentation }): Promise<Authorized> {
    const { presentation, authorization } = presented;
    const checked = await this.check.run(presented);
    if (checked.outcome === 'refused') {
      // A payment that was claimed already is judged by its claim, not by what time and chain say of it now.
      const known = this.check.signedBy(authorization)
        ? ((await this.claims.existing(presentation)) ?? (await this.claims.paidBefore(presentation, checked)))
        : undefined;
      return known ?? checked;
    }
    const { balance, allowance } = checked.state;
    const claimed = await this.claims.run(presentation, allowance < balance ? allowance : balance);
    // What else the payer has signed for and not yet paid may be within its balance and not within what Permit2 may move.
    return claimed.outcome === 'refused' && claimed.reason === 'permit2_insufficient_balance' && allowance < balance
      ? tooLittleAllowed
      : claimed;
  }
}

/** Names a nonce of Permit2 among those that tokens keep, which are of another kind. */
const nonceName = (nonce: bigint): Hex => `0x${createHash('sha256').update(`permit2\n${nonce}`).digest('hex')}`;

/** A signed ceiling in the terms in which claims are kept. */
export const transferOf = (authorization: UptoAuthorization): ExactAuthorization => ({
  from: authorization.from,
  to: authorization.to,
  value: authorization.amount,
  validAfter: authorization.validAfter,
  validBefore: authorization.deadline,
  nonce: nonceName(authorization.nonce),
  signature: authorization.signature,
});

/** What a signed ceiling is presented for, in the terms in which claims are kept. */
export const presentationOf = (
  rest: Omit<Presentation, 'asset' | 'authorization' | 'ceiling'>,
  asset: PaymentAsset,
  authorization: UptoAuthorization,
): Presentation => ({
  ...rest,
  asset,
  authorization: transferOf(authorization),
  ceiling: { facilitator: authorization.facilitator, nonce: authorization.nonce },
});

import type Stripe from 'stripe';
import { completeCheckout } from './checkout-sessions.js';
import { decideDispute, openDispute } from './disputes.js';
import type { Opening } from './disputes.js';
import { disputeOf } from './found.js';
import { endMandate } from './mandates.js';
import { authenticatePayment } from './payment-confirmation.js';
import { failPayout, payOut } from './payouts.js';
import { releaseFunds } from './balance.js';
import { behaveLike } from './payment-methods.js';
import { settleRefund } from './refunds.js';
import { authenticateSetup } from './setup-intents.js';
import type { World } from './world.js';

/** What payers and banks do, which no API call does. Everything here happens now, on the clock of the LOCAL STAND-IN. */
export class Drive {
  constructor(
    private readonly world: World,
    private readonly afterwards: () => void,
  ) {}

  /** Picks a test method on the hosted page and goes on. A declined one throws, and the session stays open. */
  completeCheckout(sessionId: string, { paymentMethod }: { readonly paymentMethod: string }): Stripe.Checkout.Session {
    return this.done(() => completeCheckout(this.world, sessionId, paymentMethod));
  }

  /** A good card runs out of money, an empty account is filled: a saved method behaves like another test method now. */
  behaveLike(paymentMethodId: string, testMethod: string): void {
    this.done(() => behaveLike(this.world, paymentMethodId, testMethod));
  }

  /** Answers the 3-D Secure question of a payment or a set-up. */
  authenticate(
    intentId: string,
    { succeed }: { readonly succeed: boolean },
  ): Stripe.PaymentIntent | Stripe.SetupIntent {
    return this.done(() =>
      intentId.startsWith('seti_')
        ? authenticateSetup(this.world, intentId, succeed)
        : authenticatePayment(this.world, intentId, succeed),
    );
  }

  openDispute(chargeId: string, opening: Opening = { reason: 'fraudulent' }): Stripe.Dispute {
    return this.done(() => openDispute(this.world, chargeId, opening));
  }

  /** A debit that had succeeded comes back from its bank, weeks later and for good. */
  returnDebit(chargeId: string, reason = 'insufficient_funds'): Stripe.Dispute {
    return this.done(() => openDispute(this.world, chargeId, { reason, lateReturn: true }));
  }

  decideDispute(disputeId: string, { won }: { readonly won: boolean }): Stripe.Dispute {
    return this.done(() => {
      decideDispute(this.world, disputeId, won);
      return disputeOf(this.world, disputeId);
    });
  }

  /** The payer withdraws the leave to debit an account. */
  endMandate(paymentMethodId: string): void {
    this.done(() => endMandate(this.world, paymentMethodId));
  }

  settleRefund(refundId: string, { succeed }: { readonly succeed: boolean }): void {
    this.done(() => settleRefund(this.world, refundId, succeed));
  }

  /** The automatic payout of today, now. */
  payOut(): void {
    this.done(() => {
      releaseFunds(this.world);
      payOut(this.world);
    });
  }

  failPayout(payoutId: string): Stripe.Payout {
    return this.done(() => failPayout(this.world, payoutId));
  }

  /** A copy is handed out: what the caller does to it changes nothing here. */
  private done<T>(act: () => T): T {
    this.world.request = null;
    this.world.changed = true;
    try {
      return structuredClone(act());
    } finally {
      this.afterwards();
    }
  }
}

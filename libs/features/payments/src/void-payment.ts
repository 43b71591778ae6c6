import { Fault } from '@core/faults';
import type { PaymentView } from './gate-decisions.js';
import { viewOf } from './payment-view.js';
import type { PaymentStore } from './payments.store.js';

/** The request was not served: lets the authorization go. It is never charged; the claim stays, so it cannot be used again. */
export class VoidPayment {
  constructor(
    private readonly store: PaymentStore,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  /** @throws Fault not_found for a payment that is not this provider's, conflict for one that was captured. */
  async run({
    provider,
    request,
  }: {
    provider: string;
    request: { payment: string; reason?: string | undefined };
  }): Promise<{ payment: PaymentView }> {
    await this.store.void(provider, request.payment, request.reason ?? 'not served');
    const payment = await this.store.find(request.payment);
    if (payment?.provider !== provider)
      throw new Fault('not_found', 'There is no such payment of this provider.', { reason: 'unknown_payment' });
    if (payment.state !== 'voided') {
      throw new Fault('conflict', 'The payment was captured before and cannot be voided.', {
        reason: 'already_captured',
      });
    }
    return { payment: viewOf(payment, this.settings.publicUrl) };
  }
}

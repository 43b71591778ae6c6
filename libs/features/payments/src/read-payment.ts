import { ID_PREFIXES, isId } from '@core/ids';
import type { PaymentView } from './gate-decisions.js';
import { viewOf } from './payment-view.js';
import type { PaymentStore } from './payments.store.js';

/** The public status of a payment, for whoever knows its id. */
export class ReadPayment {
  constructor(
    private readonly store: PaymentStore,
    private readonly settings: { readonly publicUrl: string },
  ) {}

  async run(id: string): Promise<PaymentView | undefined> {
    if (!isId(id, ID_PREFIXES.payment)) return undefined;
    const payment = await this.store.find(id);
    return payment && viewOf(payment, this.settings.publicUrl);
  }
}

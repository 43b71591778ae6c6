import type { Refused, StoredCall, Unclear } from './billing-rail.js';
import type { MethodType } from './choose-method.js';

/** A card or bank account as the rail keeps it. */
export interface MethodSeen {
  /** `pm_…` */
  readonly id: string;
  readonly type: MethodType;
  /** What people know it by: brand or bank, and the last four digits. */
  readonly label: string;
  readonly mandate: string | undefined;
  /** The customer it belongs to; undefined once it was taken away. */
  readonly customer: string | undefined;
}

/** A hosted page as it was fetched. */
export interface CheckoutSeen {
  /** `cs_…` */
  readonly id: string;
  readonly status: 'open' | 'complete' | 'expired';
  /** Our own id of it. */
  readonly reference: string | undefined;
  /** Where its holder goes; undefined once it is over. */
  readonly url: string | undefined;
  /** Of a setup that went through: what may be charged from now on. */
  readonly method: MethodSeen | undefined;
  /** Of a payment. `debited`: a bank was asked and has not answered. */
  readonly payment:
    | undefined
    | {
        /** `pi_…` */
        readonly intent: string;
        readonly state: 'open' | 'debited' | 'paid' | 'failed';
        readonly cents: bigint;
        readonly currency: string;
      };
}

type Seen<What> = { readonly kind: 'fetched' } & What;

/** Where holders of accounts store methods and buy balance, on pages of the rail: card data never comes near us. Never throws for the network. */
export abstract class CheckoutRail {
  abstract makeCustomer(call: StoredCall): Promise<Seen<{ readonly customer: string }> | Refused | Unclear>;
  abstract open(call: StoredCall): Promise<Seen<{ readonly checkout: CheckoutSeen }> | Refused | Unclear>;
  abstract readCheckout(id: string): Promise<Seen<{ readonly checkout: CheckoutSeen }> | Refused | Unclear>;
  abstract readMethod(id: string): Promise<Seen<{ readonly method: MethodSeen }> | Refused | Unclear>;
  /** Whether a debit of a bank account is still allowed. */
  abstract readMandate(id: string): Promise<Seen<{ readonly active: boolean }> | Refused | Unclear>;
  abstract detach(method: string, key: string): Promise<Seen<{ readonly method: MethodSeen }> | Refused | Unclear>;
}

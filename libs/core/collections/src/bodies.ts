import type { MethodType } from './choose-method.js';

/** What an attempt asks the rail for. */
export interface Asked {
  readonly provider: string;
  readonly account: string;
  readonly statement: string;
  /** As printed on the statement. */
  readonly number: string;
  /** `att_…` */
  readonly attempt: string;
  readonly cents: bigint;
  readonly currency: string;
  readonly customer: string;
  readonly stripeMethod: string;
  readonly type: MethodType;
}

/** The body that makes a PaymentIntent, as JSON text. Written down once; sent as it is. */
export const createBody = (asked: Asked): string =>
  JSON.stringify({
    // At most eight digits.
    amount: Number(asked.cents),
    currency: asked.currency,
    customer: asked.customer,
    payment_method: asked.stripeMethod,
    allowed_payment_method_types: [asked.type],
    description: `Statement ${asked.number}`,
    metadata: {
      attempt: asked.attempt,
      statement: asked.statement,
      account: asked.account,
      provider: asked.provider,
    },
  });

/** The body that confirms it: its holder is not there. */
export const confirmBody = (): string => JSON.stringify({ off_session: true });

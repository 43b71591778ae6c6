import type { Quote } from '@core/payments';
import type { PaymentPayload } from '@core/x402';
import type { Identified } from './identified.js';
import type { PaymentIdentifiers } from './payment-identifiers.js';
import { conflict, identifierTaken } from './refusals.js';
import type { Asked, PaymentScheme, Verdict } from './way-to-pay.js';

/**
 * Lets a way take a payment its payer gave a name, once for each name. A way that takes names in the commit of its claim does
 * so by itself. For the others the name is taken after the claim and before the work: a claim that comes too late is let go, and
 * what dies between the two was never served and lets itself go.
 */
export class PayUnderName {
  constructor(private readonly identifiers: PaymentIdentifiers) {}

  async run(
    scheme: PaymentScheme,
    named: Asked & { readonly identified: Identified },
    quote: Quote,
    payload: PaymentPayload,
  ): Promise<Verdict> {
    const verdict = await scheme.pay(named, quote, payload);
    if (scheme.takesNames || verdict.decision !== 'serve') return verdict;
    const { provider, identified } = named;
    const { id: payment, payer } = verdict.payment;
    const held = await this.identifiers.take({ provider, subject: payer, payment, identified });
    if (!held) return verdict;
    const reason = 'its identifier names another payment';
    await scheme.void({ provider, request: { payment, reason } });
    if (held.differs !== undefined) return identifierTaken(held.differs);
    return (
      (await scheme.repeat?.(held.payment, named)) ??
      conflict(
        'payment_identifier_taken',
        `This payment identifier names the payment ${held.payment}, which is paid for.`,
      )
    );
  }
}

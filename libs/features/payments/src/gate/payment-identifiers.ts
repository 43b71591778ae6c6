import type { Writer } from '@platform/database';
import { FINGERPRINT_FIELDS, type Held, type Identified } from './identified.js';

/**
 * Names of payments. One is never there without the claim it names, whatever dies in between: it is taken in the commit of the
 * claim, or after it. It names that payment until it is swept; the payment of a request that was not served lets go of it, for the
 * same purchase only.
 */
export class PaymentIdentifiers {
  constructor(private readonly writer: Writer) {}

  /** @param subject whoever named it, proven: the wallet that pays, or what else a way charges */
  async find(provider: string, subject: string, { identifier, fingerprint }: Identified): Promise<Held | undefined> {
    const [row] = await this.writer.query<{ payment_id: string; fingerprint: Readonly<Record<string, unknown>> }>(
      'SELECT payment_id, fingerprint FROM payment_identifiers WHERE provider_id = $1 AND subject = $2 AND identifier = $3',
      [provider, subject, identifier],
    );
    return (
      row && {
        payment: row.payment_id,
        differs: FINGERPRINT_FIELDS.find((field) => row.fingerprint[field] !== fingerprint[field]),
      }
    );
  }

  /** Takes a name for a payment that is claimed. Answers the other payment that it names, if it does. */
  async take(taking: {
    readonly provider: string;
    readonly subject: string;
    readonly payment: string;
    readonly identified: Identified;
  }): Promise<Held | undefined> {
    const { provider, subject, payment, identified } = taking;
    const [other] = await this.writer.query('SELECT 1 FROM take_payment_identifiers($1::jsonb)', [
      JSON.stringify([{ ord: 0, id: payment, provider, subject, ...identified }]),
    ]);
    return other && this.find(provider, subject, identified);
  }
}

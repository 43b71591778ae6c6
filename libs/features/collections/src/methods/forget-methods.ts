import type { CheckoutRail } from '@core/collections';
import type { Writer } from '@platform/database';

const MOST = 50;

/** Tells Stripe to forget the methods that were taken away here. They are not charged meanwhile, whatever Stripe says. */
export class ForgetMethods {
  constructor(
    private readonly writer: Writer,
    private readonly rail: CheckoutRail,
  ) {}

  async run(): Promise<void> {
    const rows = await this.writer.query<{ id: string; stripe_id: string }>(
      `SELECT id, stripe_id FROM payment_methods WHERE state = 'detached' AND forgotten_at IS NULL ORDER BY ended_at LIMIT ${MOST}`,
    );
    for (const { id, stripe_id: stripeId } of rows) {
      const answer = await this.rail.detach(stripeId, `forget-${id}`);
      // Refused: it is nobody's there any more.
      if (answer.kind !== 'fetched' && answer.kind !== 'refused') continue;
      await this.writer.query('UPDATE payment_methods SET forgotten_at = now() WHERE id = $1', [id]);
    }
  }
}

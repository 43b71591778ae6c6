import type { CardRefundSeen, ReturnsRail } from '@core/collections';
import { oweCardRefund, reverse } from '@core/ledger';
import { amount, USD } from '@core/money';
import { Fault } from '@core/faults';
import type { Ledger } from '@features/ledger';
import type { Announce } from '@features/webhooks';
import type { Writer, WriterTx } from '@platform/database';
import { type CardRefund, cardRefundOf, type CardRefundRow, REFUND_COLUMNS } from './refund-statement.js';

const MOST = 50;

/**
 * Sends refunds and follows them: what was stored is what is sent, under a key that makes the repeat harmless; the object that was
 * fetched says what became of it. The money's way out comes with Stripe's own books.
 */
export class SendCardRefunds {
  constructor(
    private readonly writer: Writer,
    private readonly rail: ReturnsRail,
    private readonly ledger: Ledger,
    private readonly announce: Announce,
  ) {}

  /**
   * @param about only the refund with this id, of Stripe's or ours, now
   * @returns how many came to an end
   */
  async run(about?: string): Promise<number> {
    let ended = 0;
    for (const refund of await this.#take(about)) {
      const { id, body, stripeId } = refund;
      const answer = await (stripeId === undefined
        ? this.rail.refund({ body, key: id })
        : this.rail.readRefund(stripeId));
      if (answer.kind === 'mismatch')
        throw new Fault('invariant_broken', `the key of ${id} was used for something else`);
      if (answer.kind === 'refused') {
        // Looked at, it is there whatever we may not read: only a refusal to make it ends it.
        if (stripeId === undefined) ended += await this.#end(id, 'failed', undefined, answer.code);
        continue;
      }
      if (answer.kind !== 'fetched') continue;
      ended += await this.#apply(refund, answer.refund);
    }
    return ended;
  }

  /** Those under way; and those that had succeeded, where Stripe's books or a hint say that they came back after all. */
  async #take(about: string | undefined): Promise<CardRefund[]> {
    const rows = await this.writer.query<CardRefundRow>(
      `UPDATE card_refunds SET looks = looks + 1, next_run_at = now() + least(interval '30 seconds' * power(2, least(looks, 12)), interval '6 hours')
       WHERE id IN (
         SELECT id FROM card_refunds r
         WHERE CASE WHEN $2::text IS NOT NULL THEN state <> 'failed' AND (stripe_id = $2 OR id = $2)
           WHEN state = 'succeeded' THEN EXISTS (SELECT FROM stripe_movements m WHERE m.source = r.stripe_id AND m.category = 'refund_failure')
           ELSE state IN ('owed', 'sent') AND next_run_at <= now() END
         ORDER BY next_run_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${REFUND_COLUMNS}`,
      [MOST, about ?? null],
    );
    return rows.map(cardRefundOf);
  }

  async #apply(refund: CardRefund, seen: CardRefundSeen): Promise<number> {
    if (seen.cents !== refund.cents || seen.currency !== 'usd')
      throw new Fault(
        'invariant_broken',
        `${refund.id} is of ${refund.cents} usd, and ${seen.id} of ${seen.cents} ${seen.currency}`,
      );
    if (seen.state !== 'pending') return this.#end(refund.id, seen.state, seen.id, seen.reason);
    await this.writer.query("UPDATE card_refunds SET state = 'sent', stripe_id = $2 WHERE id = $1 AND state = 'owed'", [
      refund.id,
      seen.id,
    ]);
    return 0;
  }

  async #end(
    id: string,
    state: 'succeeded' | 'failed',
    stripeId: string | undefined,
    failure: string | undefined,
  ): Promise<number> {
    return this.writer.transaction(async (tx) => {
      const [row] = await tx.query<CardRefundRow>(
        `UPDATE card_refunds SET state = $2, stripe_id = coalesce(stripe_id, $3), failure = $4, ended_at = now()
         WHERE id = $1 AND (state IN ('owed', 'sent') OR (state = 'succeeded' AND $2 = 'failed')) RETURNING ${REFUND_COLUMNS}`,
        [id, state, stripeId ?? null, failure ?? null],
      );
      if (!row) return 0;
      await this.#book(tx, cardRefundOf(row));
      return 1;
    });
  }

  /** What did not arrive is owed no longer: it was earned after all. */
  async #book(tx: WriterTx, refund: CardRefund): Promise<void> {
    const { id, provider, account, asset, cents, value, statement, failure } = refund;
    if (refund.state === 'failed') {
      const owed = { provider, account, refund: id, value: amount(asset, value), cents: amount(USD.id, cents) };
      await this.ledger.post(tx, reverse(oweCardRefund(owed)));
    }
    await this.announce.add(tx, {
      provider,
      type: refund.state === 'failed' ? 'refund.failed' : 'refund.sent',
      object: { id, version: refund.state === 'failed' ? 2 : 1 },
      data: {
        ...{ account, asset, refund: id, amount: value.toString(), statement },
        ...(failure === undefined ? {} : { reason: failure }),
      },
    });
  }
}

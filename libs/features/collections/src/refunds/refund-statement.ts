import { unitsOfACent } from '@core/collections';
import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { oweCardRefund } from '@core/ledger';
import { amount, assetId, type AssetId, USD } from '@core/money';
import type { Ledger } from '@features/ledger';
import { big, type Database, rowsOf, type Tx } from '@platform/database';

export type CardRefundState = 'owed' | 'sent' | 'succeeded' | 'failed';

/** Money that goes back for a statement that was collected by card or bank. */
export interface CardRefund {
  /** `crf_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly statement: string;
  /** US cents, and what they are of the statement at par. */
  readonly cents: bigint;
  readonly asset: AssetId;
  readonly value: bigint;
  readonly reason: string;
  /** What is sent, JSON text. */
  readonly body: string;
  /** `re_…`, once Stripe has it. */
  readonly stripeId: string | undefined;
  readonly state: CardRefundState;
  readonly failure: string | undefined;
}

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  statement_id: string;
  cents: string;
  asset: string;
  value: string;
  reason: string;
  body: string;
  stripe_id: string | null;
  state: CardRefundState;
  failure: string | null;
}

export const REFUND_COLUMNS =
  'id, provider_id, account_id, statement_id, cents::text, asset, value::text, reason, body, stripe_id, state, failure';

export const cardRefundOf = (row: Row): CardRefund => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  statement: row.statement_id,
  cents: big(row.cents),
  asset: assetId(row.asset),
  value: big(row.value),
  reason: row.reason,
  body: row.body,
  stripeId: row.stripe_id ?? undefined,
  state: row.state,
  failure: row.failure ?? undefined,
});
export type CardRefundRow = Row;

/**
 * Gives money back for a statement that was collected. It is booked and written down here, once; a worker sends it. What was earned is less
 * by it; the statement stays paid.
 */
export class RefundStatement {
  constructor(
    private readonly database: Database,
    private readonly ledger: Ledger,
    private readonly ids: IdSource,
  ) {}

  /**
   * @param input.cents absent: all that was collected and not given back
   * @throws Fault not_found (`unknown_statement`), conflict (`not_refundable`: nothing, or less than that, was collected by card or bank and is
   *   still there)
   */
  async run(input: {
    readonly provider: string;
    readonly statement: string;
    readonly cents?: bigint | undefined;
    readonly reason: string;
  }): Promise<CardRefund> {
    const { provider, statement } = input;
    return this.database.forProvider(provider, async (tx) => {
      const of = await this.#lock(tx, statement);
      const cents = input.cents ?? of.left;
      if (of.attempt === undefined || cents > of.left || cents <= 0n) {
        throw new Fault('conflict', `Of this statement ${of.left} US cents can go back by card or bank.`, {
          reason: 'not_refundable',
          details: { cents: of.left.toString() },
        });
      }
      const id = this.ids.next(ID_PREFIXES.cardRefund);
      const value = cents * unitsOfACent(of.asset);
      const body = JSON.stringify({
        payment_intent: of.intent,
        amount: Number(cents),
        reason: 'requested_by_customer',
        metadata: { refund: id, account: of.account, statement },
      });
      const [row] = await rowsOf<Row>(
        tx,
        `INSERT INTO card_refunds (id, provider_id, account_id, statement_id, attempt_id, cents, asset, value, reason, body)
         VALUES ($1, $2, $3, $4, $5, $6::bigint, $7, $8::numeric, $9, $10) RETURNING ${REFUND_COLUMNS}`,
        [
          id,
          provider,
          of.account,
          statement,
          of.attempt,
          cents.toString(),
          of.asset,
          value.toString(),
          input.reason,
          body,
        ],
      );
      if (!row) throw new Fault('invariant_broken', 'a refund that was written is gone');
      const { account } = of;
      await this.ledger.post(
        tx,
        oweCardRefund({ provider, account, refund: id, value: amount(of.asset, value), cents: amount(USD.id, cents) }),
      );
      return cardRefundOf(row);
    });
  }

  /** One refund of a statement at a time. */
  async #lock(tx: Tx, statement: string) {
    const [found] = await rowsOf<{ account_id: string; asset: string }>(
      tx,
      'SELECT account_id, asset FROM statements WHERE id = $1 FOR UPDATE',
      [statement],
    );
    if (!found) throw new Fault('not_found', 'There is no such statement.', { reason: 'unknown_statement' });
    const [collected] = await rowsOf<{ id: string; payment_intent: string; left: string }>(
      tx,
      `SELECT a.id, a.payment_intent, (a.cents - coalesce((SELECT sum(r.cents) FROM card_refunds r
         WHERE r.attempt_id = a.id AND r.state <> 'failed'), 0))::text AS left
       FROM collection_attempts a WHERE a.statement_id = $1 AND a.state = 'succeeded'`,
      [statement],
    );
    return {
      account: found.account_id,
      asset: assetId(found.asset),
      attempt: collected?.id,
      intent: collected?.payment_intent,
      left: big(collected?.left ?? '0'),
    };
  }

  /** Newest first. */
  async list(input: { readonly provider: string; readonly statement: string }): Promise<CardRefund[]> {
    return this.database.forProvider(input.provider, async (tx) =>
      (
        await rowsOf<Row>(tx, `SELECT ${REFUND_COLUMNS} FROM card_refunds WHERE statement_id = $1 ORDER BY id DESC`, [
          input.statement,
        ])
      ).map(cardRefundOf),
    );
  }
}

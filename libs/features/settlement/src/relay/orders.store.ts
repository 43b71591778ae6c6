import type { RelayOrder } from '@core/settlement';
import type { Hex, JsonObject } from '@core/x402';
import { big, type Writer, type WriterTx } from '@platform/database';
import { bytesOf, hexOf } from '../settling-payment.js';
import { type OrderBody, orderOf } from './order-body.js';

/** An order as the worker sees it. */
export interface OpenOrder {
  /** `rly_…` */
  readonly id: string;
  readonly provider: string;
  readonly state: 'open' | 'included';
  readonly order: RelayOrder;
  /** Times it was put into a transaction. */
  readonly attempts: number;
  readonly sinceBlock: bigint;
  /** Unix seconds. */
  readonly orderedAt: bigint;
  /** The transaction that did it; undefined before. */
  readonly transaction: Hex | undefined;
  /** The transaction of ours that carried it last and was mined. */
  readonly mined: Hex | undefined;
  /** A look at an older block says nothing: it was carried out by then, or our transaction was mined. */
  readonly notBefore: bigint;
  /** What a transaction of ours that carried it did may still change. */
  readonly unsettled: boolean;
}

interface OrderRow {
  id: string;
  provider_id: string;
  state: 'open' | 'included';
  body: OrderBody;
  attempts: number;
  since_block: string;
  ordered_at: string;
  transaction: Buffer | null;
  mined: Buffer | null;
  not_before: string;
  unsettled: boolean;
}

/** What the chain shows of an order that is carried out. */
export interface Reached {
  readonly transaction: Hex | undefined;
  readonly block: bigint;
  /** Atomic units. */
  readonly moved: bigint;
  readonly channelState: JsonObject | undefined;
}

const open = (row: OrderRow): OpenOrder => ({
  id: row.id,
  provider: row.provider_id,
  state: row.state,
  order: orderOf(row.body),
  attempts: row.attempts,
  sinceBlock: big(row.since_block),
  orderedAt: big(row.ordered_at),
  transaction: row.transaction ? hexOf(row.transaction) : undefined,
  mined: row.mined ? hexOf(row.mined) : undefined,
  notBefore: big(row.not_before),
  unsettled: row.unsettled,
});

/** Orders between asking and the end. A write names the state and the attempt that it was decided on. */
export class OrdersStore {
  constructor(private readonly db: Writer) {}

  /** The time by the database's clock: a run looks at what is due when it begins, and at each order once. */
  async now(): Promise<string> {
    const [row] = await this.db.query<{ now: string }>('SELECT now()::text AS now');
    return row?.now ?? '';
  }

  /**
   * Orders to be looked at, each by one worker; the next look comes after a while. An order whose transaction is on its way is left alone:
   * until that is mined, or never will be, nothing else may carry it.
   */
  async look(chainId: number, dueBy: string, most: number, openMs: number, includedMs: number): Promise<OpenOrder[]> {
    const rows = await this.db.query<OrderRow>(
      `WITH due AS (
         SELECT o.id FROM relay_orders o
         WHERE o.chain_id = $1 AND o.state IN ('open', 'included') AND o.next_run_at <= $5::timestamptz
           AND NOT EXISTS (SELECT FROM chain_transactions t WHERE t.batch_id = o.batch_id AND t.state IN ('signed', 'broadcast'))
         ORDER BY o.next_run_at LIMIT $2 FOR UPDATE SKIP LOCKED
       ), looked AS (
         UPDATE relay_orders o SET next_run_at = now() + make_interval(secs => (CASE o.state WHEN 'open' THEN $3::int ELSE $4::int END) / 1000.0)
         FROM due WHERE o.id = due.id RETURNING o.*
       )
       SELECT o.id, o.provider_id, o.state, o.body, o.attempts, o.transaction, o.since_block::text, extract(epoch FROM o.ordered_at)::bigint::text AS ordered_at,
         CASE WHEN t.state IN ('mined', 'final') THEN t.hash END AS mined,
         greatest(t.block_number, o.seen_block, 0)::text AS not_before, coalesce(t.state IN ('mined', 'reverted'), false) AS unsettled
       FROM looked o LEFT JOIN chain_transactions t ON t.batch_id = o.batch_id
       ORDER BY o.ordered_at, o.id`,
      [chainId, most, openMs, includedMs, dueBy],
    );
    return rows.map(open);
  }

  /** Puts orders into a batch. Answers how many of them no other worker was faster with. */
  async take(tx: WriterTx, batch: string, orders: readonly OpenOrder[]): Promise<number> {
    const rows = await tx.query(
      `UPDATE relay_orders o SET batch_id = $1, attempts = o.attempts + 1
       FROM unnest($2::text[], $3::int[]) AS t (id, attempts) WHERE o.id = t.id AND o.state = 'open' AND o.attempts = t.attempts RETURNING 1`,
      [batch, orders.map(({ id }) => id), orders.map(({ attempts }) => attempts)],
    );
    return rows.length;
  }

  /** Not now: the longer it was no good, the longer until it is tried again, up to five minutes. */
  async postpone({ id }: OpenOrder): Promise<void> {
    await this.db.query(
      `UPDATE relay_orders SET next_run_at = now() + greatest(interval '500 ms', least(interval '5 min', (now() - ordered_at) / 4))
       WHERE id = $1 AND state = 'open'`,
      [id],
    );
  }

  /** The chain has it: whoever waits is told. */
  async include({ id, attempts }: OpenOrder, { transaction, block, moved, channelState }: Reached): Promise<void> {
    await this.#told(
      `UPDATE relay_orders SET state = 'included', transaction = $3, moved = $4, channel_state = $5::jsonb, seen_block = $6, included_at = now()
       WHERE id = $1 AND state = 'open' AND attempts = $2 RETURNING id`,
      [
        id,
        attempts,
        transaction === undefined ? null : bytesOf(transaction),
        moved,
        channelState === undefined ? null : JSON.stringify(channelState),
        block,
      ],
    );
  }

  /** It is in a block that cannot go away. */
  async finish({ id }: OpenOrder): Promise<void> {
    await this.#told(
      "UPDATE relay_orders SET state = 'done', ended_at = now() WHERE id = $1 AND state = 'included' RETURNING id",
      [id],
    );
  }

  /** The block that had it is gone: it is to be done again. */
  async reopen({ id }: OpenOrder): Promise<void> {
    await this.#told(
      `UPDATE relay_orders SET state = 'open', transaction = NULL, moved = NULL, channel_state = NULL, seen_block = NULL, included_at = NULL, next_run_at = now()
       WHERE id = $1 AND state = 'included' RETURNING id`,
      [id],
    );
  }

  async fail({ id, attempts }: OpenOrder, reason: string): Promise<void> {
    await this.#told(
      `UPDATE relay_orders SET state = 'failed', reason = $3, ended_at = now()
       WHERE id = $1 AND state = 'open' AND attempts = $2 RETURNING id`,
      [id, attempts, reason],
    );
  }

  async #told(update: string, values: readonly unknown[]): Promise<void> {
    await this.db.query(`WITH changed AS (${update}) SELECT pg_notify('farebox_relay', id) FROM changed`, values);
  }
}

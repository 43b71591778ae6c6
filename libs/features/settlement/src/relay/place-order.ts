import { createHash } from 'node:crypto';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { Fault } from '@core/faults';
import type { RelayOrder } from '@core/settlement';
import type { JsonObject, Hex } from '@core/x402';
import { big, type Writer } from '@platform/database';
import { hexOf } from '../settling-payment.js';
import { identityText, orderText } from './order-body.js';

/** How an order stands: open · included: the chain has it · done: for good · failed: it will not happen. */
export interface OrderStanding {
  /** `rly_…` */
  readonly id: string;
  readonly kind: RelayOrder['kind'];
  readonly state: 'open' | 'included' | 'done' | 'failed';
  /** The transaction that did it, or that is to do it; undefined before one was sent, and where somebody else's cannot be told. */
  readonly transaction: Hex | undefined;
  /** Atomic units that moved; undefined before. */
  readonly moved: bigint | undefined;
  /** The channel after it, as settlement responses show it; of deposits and refunds. */
  readonly channelState: JsonObject | undefined;
  /** The protocol's code of what failed. */
  readonly reason: string | undefined;
}

interface StandingRow {
  id: string;
  kind: RelayOrder['kind'];
  state: OrderStanding['state'];
  transaction: Buffer | null;
  sent: Buffer | null;
  moved: string | null;
  channel_state: JsonObject | null;
  reason: string | null;
}

const STANDING = `o.id, o.kind, o.state, o.transaction, o.moved::text, o.channel_state, o.reason,
  (SELECT t.hash FROM chain_transactions t WHERE t.batch_id = o.batch_id AND t.state NOT IN ('signed', 'dropped')) AS sent`;

const standingOf = ({ transaction, sent, moved, channel_state, reason, ...row }: StandingRow): OrderStanding => {
  // Once the chain has it, only what did it counts: ours may have come too late.
  const hash = transaction ?? (row.state === 'open' || row.state === 'failed' ? sent : null);
  return {
    ...row,
    transaction: hash ? hexOf(hash) : undefined,
    moved: moved === null ? undefined : big(moved),
    channelState: channel_state ?? undefined,
    reason: reason ?? undefined,
  };
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export type PlacedOrder =
  | { readonly outcome: 'placed'; readonly order: OrderStanding }
  /** It was ordered before; `same`: with this very content. */
  | { readonly outcome: 'exists'; readonly order: OrderStanding; readonly same: boolean };

/**
 * Takes down what is to be carried to the channels, once: whoever asks for the same again gets the order there is. The row is there before
 * anything is signed; a worker takes it from there.
 */
export class PlaceOrder {
  constructor(
    private readonly db: Writer,
    private readonly ids: IdSource,
  ) {}

  /** The order of this identity, if there is one that has not failed. */
  async find(chainId: number, order: RelayOrder): Promise<Extract<PlacedOrder, { outcome: 'exists' }> | undefined> {
    const [row] = await this.db.query<StandingRow & { same: boolean }>(
      `SELECT ${STANDING}, o.content = $3 AS same FROM relay_orders o
       WHERE o.chain_id = $1 AND o.identity = $2 AND o.state <> 'failed'`,
      [chainId, digest(identityText(order)), digest(orderText(order))],
    );
    if (!row) return undefined;
    const { same, ...standing } = row;
    return { outcome: 'exists', order: standingOf(standing), same };
  }

  /** @param sinceBlock the head by which the order was checked: what it does is found above */
  async run(placed: {
    readonly provider: string;
    readonly chainId: number;
    readonly order: RelayOrder;
    readonly sinceBlock: bigint;
  }): Promise<PlacedOrder> {
    const { provider, chainId, order, sinceBlock } = placed;
    const id = this.ids.next(ID_PREFIXES.relayOrder);
    const text = orderText(order);
    const values = [id, provider, chainId, order.kind, digest(identityText(order)), digest(text), text, sinceBlock];
    const inserted = await this.db.query(
      `WITH placed AS (
         INSERT INTO relay_orders (id, provider_id, chain_id, kind, identity, content, body, since_block)
         VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)
         ON CONFLICT (chain_id, identity) WHERE state <> 'failed' DO NOTHING RETURNING id
       ) SELECT pg_notify('farebox_relay', id) FROM placed`,
      values,
    );
    if (inserted.length === 0) {
      const found = await this.find(chainId, order);
      if (found) return found;
      throw new Fault('unavailable', 'The order failed while it was asked for again; ask once more.');
    }
    const [standing] = (await this.standings([id])).values();
    if (!standing) throw new Fault('invariant_broken', `order ${id} is gone`);
    return { outcome: 'placed', order: standing };
  }

  async standings(ids: readonly string[]): Promise<ReadonlyMap<string, OrderStanding>> {
    const rows = await this.db.query<StandingRow>(`SELECT ${STANDING} FROM relay_orders o WHERE o.id = ANY ($1)`, [
      ids,
    ]);
    return new Map(rows.map((row) => [row.id, standingOf(row)]));
  }
}

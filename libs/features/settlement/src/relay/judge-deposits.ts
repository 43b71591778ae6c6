import {
  type AuthorizationEnd,
  type AuthorizedTransfer,
  type ChainView,
  evidenceIn,
  judge,
  type Receipt,
  type RelayOrder,
  searchSince,
  type SettlementRail,
  transferOf,
} from '@core/settlement';
import { type Looked, type OrderJudgement, stateOf, WAIT } from './order-judgement.js';
import type { OpenOrder } from './orders.store.js';

/** A deposit among the orders. */
export interface DepositOrder extends OpenOrder {
  readonly order: Extract<RelayOrder, { kind: 'deposit' }>;
}

export const isDeposit = (each: OpenOrder): each is DepositOrder => each.order.kind === 'deposit';

/**
 * Judges deposits as every authorization of the token is judged: by the two events of its use, or by a proof that there will be none. A
 * deposit is its payer's leave, good for anybody until its time is over; what our transaction came to proves nothing against it.
 */
export class JudgeDeposits {
  constructor(private readonly rail: SettlementRail) {}

  /** Judgements by the orders' ids. `latest`: their channels, to be shown to whoever asked. */
  async run(deposits: readonly DepositOrder[], latest: Looked): Promise<ReadonlyMap<string, OrderJudgement>> {
    const judgements = new Map<string, OrderJudgement>();
    if (deposits.length === 0) return judgements;
    const items = deposits.map(({ order }) => transferOf(order));
    const view = await this.rail.view();
    const usedAtHead = await this.rail.usedAt(items, view.head.number);
    const usedAtFinalized = await this.rail.usedAt(items, view.finalized.number);
    const known = await this.#known(deposits);
    for (const [i, each] of deposits.entries()) {
      const item = items[i];
      if (!item) continue;
      const [atHead, atFinalized] = [usedAtHead[i] ?? false, usedAtFinalized[i] ?? false];
      const end = atHead || atFinalized ? await this.#end(each, item, known) : undefined;
      const observed = { view, usedAtHead: atHead, usedAtFinalized: atFinalized, end };
      judgements.set(each.id, judgementOf(each, judge(item, observed), view, latest));
    }
    return judgements;
  }

  /** Receipts of the transactions that did it, or should have done it, as far as we know them. */
  async #known(deposits: readonly DepositOrder[]): Promise<ReadonlyMap<string, Receipt>> {
    const hashes = [...new Set(deposits.flatMap(({ transaction, mined }) => transaction ?? mined ?? []))];
    const receipts = await this.rail.receipts(hashes);
    return new Map(receipts.flatMap((receipt) => (receipt ? [[receipt.hash, receipt] as const] : [])));
  }

  /** The transaction that used the authorization up; searched for only when it is not one we know. */
  async #end(
    { transaction, mined, orderedAt, attempts }: DepositOrder,
    item: AuthorizedTransfer,
    known: ReadonlyMap<string, Receipt>,
  ): Promise<AuthorizationEnd | undefined> {
    const receipt = known.get(transaction ?? mined ?? '');
    if (receipt && evidenceIn(receipt)(item).kind === 'paid') return { kind: 'used', receipt };
    return this.rail.findEnd(item, searchSince(orderedAt, attempts));
  }
}

function judgementOf(
  { state, order }: DepositOrder,
  judged: ReturnType<typeof judge>,
  view: ChainView,
  latest: Looked,
): OrderJudgement {
  const wasThere = state === 'included';
  switch (judged.kind) {
    case 'included': {
      const { block, hash } = judged.receipt;
      if (wasThere) return block.number <= view.finalized.number ? { kind: 'final' } : WAIT;
      // A node that has not seen that block yet would show the channel without the deposit.
      if (latest.block.number < block.number) return WAIT;
      const channelState = stateOf(order.channelId, latest);
      const reached = { transaction: hash, block: block.number, moved: order.amount, channelState };
      return { kind: 'reached', reached };
    }
    case 'failed':
      return { kind: wasThere ? 'gone' : 'failed' };
    case 'resubmit':
      return { kind: wasThere ? 'gone' : 'send' };
    case 'wait':
      return WAIT;
  }
}

import {
  type ChannelChain,
  type ChannelEvent,
  channelsOf,
  isReached,
  type RelayOrder,
  type SettlementRail,
} from '@core/settlement';
import type { Hex } from '@core/x402';
import { isDeposit, JudgeDeposits } from './judge-deposits.js';
import { type Looked, type OrderJudgement, stateOf, WAIT } from './order-judgement.js';
import type { OpenOrder, Reached } from './orders.store.js';

/** What is judged by channels and sums alone. */
type Standing = Exclude<RelayOrder, { kind: 'deposit' }>;

/**
 * Judges orders by what the chain has come to, never by what became of our transactions: the signatures in an order are good for anybody who
 * has them, and the contract says nothing of a claim that somebody else made first.
 */
export class JudgeOrders {
  readonly #deposits: JudgeDeposits;

  constructor(
    rail: SettlementRail,
    private readonly channels: ChannelChain,
  ) {
    this.#deposits = new JudgeDeposits(rail);
  }

  /** One judgement per order, in order. */
  async run(orders: readonly OpenOrder[]): Promise<OrderJudgement[]> {
    const latest = await this.#see(orders, 'latest');
    const included = orders.filter((each) => each.state === 'included' && !isDeposit(each));
    const final = included.length > 0 ? await this.#see(included, 'finalized') : undefined;
    // A node that is behind what was seen before says nothing.
    const current = orders.filter(({ notBefore }) => latest.block.number >= notBefore);
    const deposits = await this.#deposits.run(current.filter(isDeposit), latest);
    const judgements = new Map(deposits);
    for (const each of current) {
      const { order } = each;
      if (order.kind !== 'deposit') judgements.set(each.id, await this.#judge(each, order, latest, final));
    }
    return orders.map(({ id }) => judgements.get(id) ?? WAIT);
  }

  async #see(orders: readonly OpenOrder[], at: 'latest' | 'finalized'): Promise<Looked> {
    const sums = new Map<string, Awaited<ReturnType<ChannelChain['receiver']>>>();
    for (const { order } of orders) {
      if (order.kind !== 'settle') continue;
      const key = `${order.receiver} ${order.token}`;
      if (!sums.has(key)) sums.set(key, await this.channels.receiver(order.receiver, order.token, at));
    }
    const ids = new Set(orders.flatMap(({ order }) => channelsOf(order)));
    const { block, channels } = await this.channels.channels([...ids], at);
    const byId = new Map(channels.map((channel) => [channel.channelId, channel]));
    return {
      block,
      channel: (id) => byId.get(id),
      receiver: (receiver, token) => sums.get(`${receiver} ${token}`),
    };
  }

  async #judge(each: OpenOrder, order: Standing, latest: Looked, final: Looked | undefined): Promise<OrderJudgement> {
    if (each.state === 'included') {
      if (final && isReached(order, final)) return { kind: 'final' };
      return isReached(order, latest) ? WAIT : { kind: 'gone' };
    }
    if (!isReached(order, latest)) return { kind: 'send' };
    return { kind: 'reached', reached: await this.#evidence(each, order, latest) };
  }

  /** What moved, and by which transaction: ours if it did it, else the first that says so since the order. */
  async #evidence({ mined, sinceBlock }: OpenOrder, order: Standing, latest: Looked): Promise<Reached> {
    const [ours] = mined ? await this.channels.receipts([mined]) : [];
    const own = ours?.channelEvents.find((event) => isOf(order, event));
    const found = own ? { transaction: mined, event: own } : await this.#search(order, sinceBlock, latest);
    const moved = found && 'amount' in found.event && order.kind !== 'claim' ? found.event.amount : 0n;
    return {
      transaction: found?.transaction,
      block: latest.block.number,
      moved,
      channelState: order.kind === 'refund' ? stateOf(order.channelId, latest) : undefined,
    };
  }

  async #search(
    order: Standing,
    sinceBlock: bigint,
    { block }: Looked,
  ): Promise<{ transaction: Hex; event: ChannelEvent } | undefined> {
    const events = await this.channels.events(sinceBlock + 1n, block.number);
    const event = events.find((each) => isOf(order, each));
    return event && { transaction: event.transaction, event };
  }
}

/** Whether an event is of what the order asks for. */
function isOf(order: Standing, event: ChannelEvent): boolean {
  switch (order.kind) {
    case 'claim':
      return event.kind === 'claimed' && order.rows.some(({ voucher }) => voucher.channelId === event.channelId);
    case 'settle':
      return event.kind === 'settled' && event.receiver === order.receiver && event.token === order.token;
    case 'refund':
      return event.kind === 'refunded' && event.channelId === order.channelId;
  }
}

import { ID_PREFIXES, type IdSource } from '@core/ids';
import {
  type ChannelChain,
  type CrashPoint,
  type Fees,
  firstFees,
  moveOf,
  type SettlementRail,
} from '@core/settlement';
import type { Writer } from '@platform/database';
import type { HandOver } from '../hand-over.js';
import type { SettlementTerms } from '../settlement-terms.js';
import { NO_FUNDS, type SignerLease, type SignersStore } from '../signers.store.js';
import type { TransactionsStore } from '../transactions.store.js';
import type { JudgeOrders } from './judge-orders.js';
import type { OpenOrder, OrdersStore } from './orders.store.js';

/** What a run did. */
interface Relayed {
  readonly transactions: number;
  /** Orders that were put into them. */
  readonly orders: number;
  /** What an operator must know. */
  readonly alarms: readonly string[];
}

type Tally = { transactions: number; orders: number; alarms: string[] };

/** Orders looked at together. */
const PAGE = 100;
/** Orders in one transaction, and the gas they may ask for: a claim of a hundred rows has some four millions. */
const MOST_TOGETHER = 20;
const MOST_GAS = 12_000_000n;
/** How much rarer an order is looked at once the chain has it. */
const PATIENCE = 5;
const GAS_OF_A_SHARE = 10_000n;

class Superseded extends Error {}

/**
 * Carries out what servers of their own have ordered: each order is sent in a transaction of ours, several in one, and watched as settlements
 * are, by the same keys; what came of it is read from the chain. A run that dies anywhere leaves nothing behind that another one
 * would do wrong.
 */
export class RelayOrders {
  constructor(
    private readonly db: Writer,
    private readonly store: OrdersStore,
    private readonly judgements: JudgeOrders,
    private readonly transactions: TransactionsStore,
    private readonly signers: SignersStore,
    private readonly handOver: HandOver,
    private readonly rail: SettlementRail,
    private readonly channels: ChannelChain,
    private readonly ids: IdSource,
    private readonly crash: CrashPoint,
    private readonly terms: SettlementTerms,
  ) {}

  async run({ chainId }: { chainId: number }): Promise<Relayed> {
    const tally: Tally = { transactions: 0, orders: 0, alarms: [] };
    if (chainId !== this.channels.chainId) return tally;
    const { pollMs } = this.terms;
    const dueBy = await this.store.now();
    for (;;) {
      const looked = await this.store.look(chainId, dueBy, PAGE, pollMs, pollMs * PATIENCE);
      if (looked.length === 0) return tally;
      const passing = await this.#passing(await this.#judge(looked), tally);
      for (const together of this.#parcels(passing)) await this.#send(together, tally);
      if (looked.length < PAGE) return tally;
    }
  }

  /** Writes down what the chain says. @returns the orders that nothing has carried out yet */
  async #judge(looked: readonly OpenOrder[]): Promise<OpenOrder[]> {
    const judgements = await this.judgements.run(looked);
    const unsent: OpenOrder[] = [];
    for (const [i, each] of looked.entries()) {
      const judgement = judgements[i];
      switch (judgement?.kind) {
        case 'reached':
          await this.store.include(each, judgement.reached);
          break;
        case 'final':
          await this.store.finish(each);
          break;
        case 'gone':
          await this.store.reopen(each);
          break;
        case 'failed':
          await this.store.fail(each, `invalid_batch_settlement_evm_${each.order.kind}_transaction_failed`);
          break;
        case 'send':
          unsent.push(each);
          break;
        case 'wait':
        case undefined:
          break;
      }
    }
    return unsent;
  }

  /**
   * The orders that would pass now. What would not pass ends there, as nothing was sent for it and asking again is free; but not while a
   * transaction of ours that carried it may come back, and never a deposit: its payer's leave is good until its time is over.
   */
  async #passing(orders: readonly OpenOrder[], tally: Tally): Promise<OpenOrder[]> {
    if (orders.length === 0) return [];
    const simulation = await this.channels.simulate(orders.map(({ order }) => moveOf(order)));
    if (simulation.kind === 'refused') {
      if (orders.length > 1) {
        const alone: OpenOrder[] = [];
        for (const each of orders) alone.push(...(await this.#passing([each], tally)));
        return alone;
      }
      tally.alarms.push(`order ${orders[0]?.id} could not be tried: ${simulation.reason}`);
      return [];
    }
    const passing: OpenOrder[] = [];
    for (const [i, each] of orders.entries()) {
      if (simulation.verdicts[i]?.passes === true) passing.push(each);
      else if (each.order.kind === 'deposit' || each.unsettled || (await this.#changed(each))) {
        await this.store.postpone(each);
      } else {
        const how = each.attempts === 0 ? 'simulation' : 'transaction';
        await this.store.fail(each, `invalid_batch_settlement_evm_${each.order.kind}_${how}_failed`);
      }
    }
    return passing;
  }

  /** Somebody else may have carried it out meanwhile: then it is no failure. */
  async #changed(each: OpenOrder): Promise<boolean> {
    const [judgement] = await this.judgements.run([each]);
    return judgement?.kind !== 'send';
  }

  /** Orders that fit one transaction, in the order they came. */
  #parcels(orders: readonly OpenOrder[]): OpenOrder[][] {
    const parcels: OpenOrder[][] = [];
    let last: OpenOrder[] = [];
    for (const each of orders) {
      const gas = this.channels.gasLimit([...last, each].map(({ order }) => moveOf(order)));
      if (last.length > 0 && (last.length >= MOST_TOGETHER || gas > MOST_GAS)) last = [];
      if (last.length === 0) parcels.push(last);
      last.push(each);
    }
    return parcels;
  }

  async #send(orders: readonly OpenOrder[], tally: Tally): Promise<void> {
    const { chainId } = this.rail;
    const lease = await this.signers.lease(chainId, this.rail.signers, this.terms.owner);
    if (!lease) return;
    try {
      const fees = await this.#fees(lease, orders, tally);
      if (!fees) return;
      this.crash.reach('settlement.before-sign');
      const batch = this.ids.next(ID_PREFIXES.batch);
      const stored = await this.#store(lease, batch, orders, fees);
      if (!stored) return;
      this.crash.reach('settlement.bytes-stored');
      const alarm = await this.handOver.run({ batch, lease, ...stored });
      if (alarm) tally.alarms.push(alarm);
      tally.transactions += 1;
      tally.orders += orders.length;
    } finally {
      await this.signers.release(chainId, lease);
    }
  }

  /** What to offer for gas; undefined when the market is above the cap or the key cannot pay. */
  async #fees(lease: SignerLease, orders: readonly OpenOrder[], tally: Tally): Promise<Fees | undefined> {
    const [market, balance] = await Promise.all([this.rail.market(), this.rail.balance(lease.signer)]);
    const fees = firstFees(market, this.terms.feeCap);
    if (!fees) {
      tally.alarms.push('gas costs more than the cap: orders wait');
      return undefined;
    }
    if (balance >= this.channels.gasLimit(orders.map(({ order }) => moveOf(order))) * fees.maxFeePerGas) return fees;
    await this.signers.pause(this.db, this.rail.chainId, lease.signer, NO_FUNDS);
    tally.alarms.push(`relayer key ${lease.signer} cannot pay for gas and is paused until it can`);
    return undefined;
  }

  /** Nonce, bytes, hash and the orders in it, in one transaction; undefined when another worker was faster. */
  async #store(lease: SignerLease, batch: string, orders: readonly OpenOrder[], fees: Fees) {
    const { chainId } = this.rail;
    const moves = orders.map(({ order }) => moveOf(order));
    try {
      return await this.db.transaction(async (tx) => {
        if ((await this.store.take(tx, batch, orders)) !== orders.length) throw new Superseded();
        const nonce = await this.signers.takeNonce(tx, chainId, lease);
        if (nonce === undefined) throw new Superseded();
        const signed = await this.channels.sign({ signer: lease.signer, nonce, moves, fees });
        const id = this.ids.next(ID_PREFIXES.transfer);
        const providers = this.#shares(orders);
        await this.transactions.insert(tx, { id, chainId, lease, nonce, batch, providers, signed });
        return { id, nonce, signed };
      });
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
      return undefined;
    }
  }

  /** Whose books bear the gas, and in what shares: a claim of a hundred rows is not a payout. */
  #shares(orders: readonly OpenOrder[]): Record<string, number> {
    const shares: Record<string, number> = {};
    for (const { provider, order } of orders) {
      const gas = this.channels.gasLimit([moveOf(order)]) / GAS_OF_A_SHARE;
      shares[provider] = (shares[provider] ?? 0) + Number(gas);
    }
    return shares;
  }
}

import type { IdSource } from '@core/ids';
import { bisect, type CrashPoint, type Fees, firstFees, inSettlingOrder, type SettlementRail } from '@core/settlement';
import type { Hex } from '@core/x402';
import { Outbox } from '@platform/queues';
import type { Writer } from '@platform/database';
import type { HandOver } from './hand-over.js';
import type { PaymentsStore } from './payments.store.js';
import type { ResolvePayments } from './resolve-payments.js';
import type { SettlementTerms } from './settlement-terms.js';
import { bytesOf, type SettlingPayment } from './settling-payment.js';
import { NO_FUNDS, type SignerLease, type SignersStore } from './signers.store.js';
import type { TransactionsStore } from './transactions.store.js';

/** What a run did. */
interface Submitted {
  readonly transactions: number;
  readonly payments: number;
  /** Payments that were not sent: paid, failed or to be tried again. */
  readonly turnedAway: number;
  /** What an operator must know. */
  readonly alarms: readonly string[];
}

type Tally = { transactions: number; payments: number; turnedAway: number; alarms: string[] };

/** Ceilings that a key sends under one lease, well within its time; what is left comes with the next run. */
const MOST_CEILINGS = 8;
const LEASE_TRIES = 10;
const LEASE_WAIT_MS = 100;

/** After a failure to ask the chain, or fees above the cap. */
const LATER_MS = 1_000;

/** The lease or the claim was lost to another worker: nothing was signed, and nothing is to be done about it. */
class Superseded extends Error {}

/**
 * Sends what is due: claims payments into a batch, simulates them, signs the ones that pass under the next nonce of an idle
 * relayer key, stores the bytes, and only then hands them to a node. Runs at the same time share the work: a payment is in one
 * batch, a key under one lease, and each write names what it relies on.
 */
export class SubmitSettlement {
  readonly #outbox = new Outbox();

  constructor(
    private readonly db: Writer,
    private readonly payments: PaymentsStore,
    private readonly transactions: TransactionsStore,
    private readonly signers: SignersStore,
    private readonly resolve: ResolvePayments,
    private readonly handOver: HandOver,
    private readonly rail: SettlementRail,
    private readonly ids: IdSource,
    private readonly crash: CrashPoint,
    private readonly terms: SettlementTerms,
  ) {}

  /** Settles one batch after another until nothing is due or no key is idle, and ceilings each by itself. */
  async run({ chainId }: { chainId: number }): Promise<Submitted> {
    const tally: Tally = { transactions: 0, payments: 0, turnedAway: 0, alarms: [] };
    if (chainId !== this.rail.chainId) return tally;
    await this.#batches(chainId, tally);
    await this.#ceilings(chainId, tally);
    return tally;
  }

  async #batches(chainId: number, tally: Tally): Promise<void> {
    const most = Math.min(this.terms.batch, this.rail.mostPerTransaction);
    for (;;) {
      const due = await this.payments.due(chainId, most);
      if (due.fresh === 0 && !due.again) return;
      const waits = this.terms.windowMs - due.oldestMs;
      if (due.fresh < most && !due.again && waits > 0) {
        await new Promise<void>((resolve) => setTimeout(resolve, waits));
      }
      const lease = await this.signers.lease(chainId, this.rail.signers, this.terms.owner);
      try {
        // Without a key nothing can be sent, but what has ended can still be proved.
        const endedBefore = lease ? undefined : (await this.rail.view()).head.timestamp;
        const batch = this.ids.next('batch');
        const claimed = inSettlingOrder(await this.payments.claim(chainId, batch, most, endedBefore));
        if (claimed.length === 0) return;
        await this.#settle(lease, batch, claimed, tally);
      } finally {
        if (lease) await this.signers.release(chainId, lease);
      }
      if (!lease) return;
    }
  }

  /** Nobody but the key that a payer named can settle its ceiling: each key sends its own, one after another. */
  async #ceilings(chainId: number, tally: Tally): Promise<void> {
    for (const { facilitator, paused } of await this.payments.dueFacilitators(chainId)) {
      const usable = !paused && this.rail.signers.includes(facilitator);
      while (await this.#ceilingsOf(chainId, facilitator, usable, tally)) continue;
    }
  }

  /** Settles a few ceilings of one key. True when there may be more of them. */
  async #ceilingsOf(chainId: number, facilitator: Hex, usable: boolean, tally: Tally): Promise<boolean> {
    const lease = usable ? await this.#leaseOf(chainId, facilitator) : undefined;
    try {
      // Without the key nothing can be sent, but what has ended can still be proved.
      const endedBefore = lease ? undefined : (await this.rail.view()).head.timestamp;
      for (let sent = 0; sent < MOST_CEILINGS; sent += 1) {
        const batch = this.ids.next('batch');
        const claimed = await this.payments.claim(chainId, batch, 1, endedBefore, facilitator);
        if (claimed.length === 0) return false;
        await this.#settle(lease, batch, claimed, tally);
      }
      return true;
    } finally {
      if (lease) await this.signers.release(chainId, lease);
    }
  }

  /** No other key will do: where another run has it just now, this one waits a moment. What is left then the sweeper finds. */
  async #leaseOf(chainId: number, facilitator: Hex): Promise<SignerLease | undefined> {
    for (let tries = 1; ; tries += 1) {
      const lease = await this.signers.lease(chainId, [facilitator], this.terms.owner);
      if (lease || tries === LEASE_TRIES) return lease;
      await new Promise<void>((resolve) => setTimeout(resolve, LEASE_WAIT_MS));
    }
  }

  async #settle(
    lease: SignerLease | undefined,
    batch: string,
    claimed: readonly SettlingPayment[],
    tally: Tally,
  ): Promise<void> {
    this.crash.reach('settlement.claimed');
    const sent = await this.#carry(lease, batch, claimed, tally.alarms);
    tally.transactions += sent > 0 ? 1 : 0;
    tally.payments += sent;
    tally.turnedAway += claimed.length - sent;
  }

  /** How many of the claimed payments were signed for. */
  async #carry(
    lease: SignerLease | undefined,
    batch: string,
    claimed: readonly SettlingPayment[],
    alarms: string[],
  ): Promise<number> {
    let passing: SettlingPayment[];
    try {
      passing = await this.#passing(claimed);
      const passed = new Set(passing);
      await this.resolve.run(
        batch,
        claimed.filter((item) => !passed.has(item)),
      );
    } catch (error) {
      await this.#postpone(batch, claimed);
      throw error;
    }
    if (passing.length === 0) return 0;
    const fees = lease ? await this.#fees(lease, passing, alarms) : undefined;
    if (!lease || !fees) {
      await this.#postpone(batch, passing);
      return 0;
    }
    this.crash.reach('settlement.before-sign');
    const signed = await this.#sign(lease, batch, passing, fees);
    if (!signed) return 0;
    this.crash.reach('settlement.bytes-stored');
    const alarm = await this.handOver.run({ id: signed.id, batch, lease, nonce: signed.nonce, signed: signed.signed });
    if (alarm) alarms.push(alarm);
    return passing.length;
  }

  /** The payments that would pass now. What is turned down as a whole is tried in halves, so that no item spoils the rest. */
  async #passing(items: readonly SettlingPayment[]): Promise<SettlingPayment[]> {
    const simulation = await this.rail.simulate(items);
    if (simulation.kind === 'verdicts') return items.filter((_, i) => simulation.passes[i] === true);
    if (items.length <= 1) return [];
    const [first, second] = bisect(items);
    return [...(await this.#passing(first)), ...(await this.#passing(second))];
  }

  async #postpone(batch: string, items: readonly SettlingPayment[]): Promise<void> {
    await this.payments.unbatch(this.db, batch, new Map(items.map(({ id }) => [id, LATER_MS])));
  }

  /** What to offer for gas; undefined when the market is above the cap or the key cannot pay. */
  async #fees(lease: SignerLease, items: readonly SettlingPayment[], alarms: string[]): Promise<Fees | undefined> {
    const { chainId } = this.rail;
    const [market, balance] = await Promise.all([this.rail.market(), this.rail.balance(lease.signer)]);
    const fees = firstFees(market, this.terms.feeCap);
    if (!fees) {
      alarms.push('gas costs more than the cap: settlement waits');
      return undefined;
    }
    const deposits = items.filter(({ deposit }) => deposit !== undefined).length;
    const gas = items[0]?.ceiling ? this.rail.ceilingGasLimit : this.rail.gasLimit(items.length, deposits);
    if (balance >= gas * fees.maxFeePerGas) return fees;
    await this.signers.pause(this.db, chainId, lease.signer, NO_FUNDS);
    alarms.push(`relayer key ${lease.signer} cannot pay for gas and is paused until it can`);
    return undefined;
  }

  /** Nonce, bytes, hash and what they carry, in one transaction; undefined when another worker was faster. */
  async #sign(lease: SignerLease, batch: string, items: readonly SettlingPayment[], fees: Fees) {
    const { chainId } = this.rail;
    const providers: Record<string, number> = {};
    for (const { provider } of items) providers[provider] = (providers[provider] ?? 0) + 1;
    try {
      return await this.db.transaction(async (tx) => {
        const nonce = await this.signers.takeNonce(tx, chainId, lease);
        if (nonce === undefined) throw new Superseded();
        const signed = await this.rail.sign({ signer: lease.signer, nonce, items, fees });
        const ids = items.map(({ id }) => id);
        if (!(await this.payments.carry(tx, batch, ids, bytesOf(signed.hash)))) throw new Superseded();
        const id = this.ids.next('txn');
        const kind = items[0]?.ceiling ? 'upto' : 'batch';
        await this.transactions.insert(tx, { id, chainId, lease, nonce, batch, providers, signed, kind });
        await this.#outbox.add(tx, 'confirm-settlement', { chainId });
        return { id, nonce, signed };
      });
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
      await this.#postpone(batch, items);
      return undefined;
    }
  }
}

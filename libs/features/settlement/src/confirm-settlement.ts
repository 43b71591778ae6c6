import {
  type ChainView,
  type CrashPoint,
  evidenceIn,
  nextStep,
  type Receipt,
  replacementFees,
  retryDelayMs,
  type SettlementRail,
} from '@core/settlement';
import type { Hex } from '@core/x402';
import type { Ledger } from '@features/ledger';
import type { Writer, WriterTx } from '@platform/database';
import { Outbox } from '@platform/queues';
import { settledEntry } from './ended-entries.js';
import { gasEntries } from './gas-entries.js';
import { letBatchGo } from './channels/channel-batches.js';
import type { HandOver } from './hand-over.js';
import type { PaymentsStore } from './payments.store.js';
import type { SettlementTerms } from './settlement-terms.js';
import { hexOf } from './settling-payment.js';
import { NO_FUNDS, type SignersStore } from './signers.store.js';
import type { OpenTransaction, TransactionsStore } from './transactions.store.js';

/** What a run saw. */
interface Confirmed {
  readonly mined: number;
  readonly reopened: number;
  readonly settled: number;
  /** What an operator must know. */
  readonly alarms: readonly string[];
}

type Tally = { mined: number; reopened: number; settled: number; alarms: string[] };

const MOST_TRANSACTIONS = 200;
/** Payments settled in one database transaction. */
const PAGE = 500;
const RESEND_AFTER_MS = 5_000;

/**
 * Looks at what was sent: receipts of every candidate, blocks that went away, blocks that can no longer go away. Payments follow
 * what the blocks hold, never what we hoped; any number of runs at once is harmless.
 */
export class ConfirmSettlement {
  readonly #outbox = new Outbox();

  constructor(
    private readonly db: Writer,
    private readonly payments: PaymentsStore,
    private readonly transactions: TransactionsStore,
    private readonly signers: SignersStore,
    private readonly handOver: HandOver,
    private readonly rail: SettlementRail,
    private readonly ledger: Ledger,
    private readonly crash: CrashPoint,
    private readonly terms: SettlementTerms,
  ) {}

  async run({ chainId }: { chainId: number }): Promise<Confirmed> {
    const tally: Tally = { mined: 0, reopened: 0, settled: 0, alarms: [] };
    if (chainId !== this.rail.chainId) return tally;
    const open = await this.transactions.look(chainId, this.terms.pollMs, MOST_TRANSACTIONS);
    const blocks = await this.payments.includingBlocks(chainId);
    if (open.length > 0 || blocks.length > 0) {
      const view = await this.rail.view();
      const heights = [...open.map(({ block }) => block?.number), ...blocks.map(({ number }) => number)];
      const hashes = await this.rail.blockHashes([...new Set(heights.filter((height) => height !== undefined))]);
      await this.#transactions(open, view, hashes, tally);
      await this.#payments(blocks, view, hashes, tally);
    }
    await this.#resumeFunded();
    return tally;
  }

  async #transactions(
    open: readonly OpenTransaction[],
    view: ChainView,
    hashes: ReadonlyMap<bigint, Hex>,
    tally: Tally,
  ): Promise<void> {
    const unmined = open.filter(({ state }) => state === 'signed' || state === 'broadcast');
    const asked = unmined.flatMap(({ candidates }) => candidates);
    const answers = await this.rail.receipts(asked);
    const receipts = new Map(asked.map((hash, i) => [hash, answers[i]]));
    const receiptOf = (transaction: OpenTransaction): Receipt | undefined =>
      transaction.candidates.map((hash) => receipts.get(hash)).find((receipt) => receipt !== undefined);
    const silent = new Set(unmined.filter((transaction) => !receiptOf(transaction)).map(({ signer }) => signer));
    const nonces = new Map<Hex, { latest: bigint; finalized: bigint }>();
    for (const signer of silent) {
      const latest = await this.rail.nextNonce(signer, 'latest');
      nonces.set(signer, { latest, finalized: await this.rail.nextNonce(signer, view.finalized.number) });
    }
    for (const transaction of open) {
      const receipt = receiptOf(transaction);
      const step = nextStep(
        transaction,
        {
          head: view.head.number,
          finalized: view.finalized.number,
          receipt,
          hashAtBlock: transaction.block && hashes.get(transaction.block.number),
          nextNonce: nonces.get(transaction.signer),
        },
        { resendAfterMs: RESEND_AFTER_MS, replaceAfterMs: this.terms.replaceAfterMs },
      );
      switch (step) {
        case 'wait':
          break;
        case 'mined':
        case 'reverted':
          if (receipt) await this.#mined(transaction, receipt, tally);
          break;
        case 'reopen':
          await this.#reopen(transaction, tally);
          break;
        case 'final':
        case 'dropped':
          await this.#end(transaction, step);
          break;
        case 'send':
        case 'replace':
          await this.#send(transaction, step, tally);
          break;
        case 'stolen':
          await this.#stolen(transaction, tally);
          break;
      }
    }
  }

  /** A candidate is in a block: each payment it carried is judged by what the block holds, the others are due again. */
  async #mined(transaction: OpenTransaction, receipt: Receipt, tally: Tally): Promise<void> {
    this.crash.reach('settlement.receipt-seen');
    const evidence = evidenceIn(receipt);
    await this.db.transaction(async (tx) => {
      if (!(await this.transactions.mined(tx, transaction, receipt))) return;
      const paid = new Map<string, number>();
      const others = new Map<string, number>();
      for (const item of await this.payments.carried(tx, transaction.batch)) {
        const found = evidence(item);
        if (found.kind === 'paid') paid.set(item.id, found.logIndex);
        else others.set(item.id, retryDelayMs(item.attempts));
      }
      await this.payments.include(tx, transaction.batch, receipt, paid);
      await letBatchGo(tx, transaction.batch, receipt);
      await this.#release(tx, transaction, others);
      await this.payments.announce(tx, transaction.batch);
      tally.mined += 1;
    });
  }

  async #release(tx: WriterTx, transaction: OpenTransaction, delays: ReadonlyMap<string, number>): Promise<void> {
    await this.payments.unbatch(tx, transaction.batch, delays);
    await this.#outbox.add(tx, 'submit-settlement', { chainId: this.rail.chainId });
  }

  /** The block is gone: the transaction and the payments it holds are on their way again. */
  async #reopen(transaction: OpenTransaction, tally: Tally): Promise<void> {
    await this.db.transaction(async (tx) => {
      if (!(await this.transactions.reopen(tx, transaction))) return;
      tally.reopened += 1;
    });
    await this.#send({ ...transaction, state: 'broadcast' }, 'send', tally);
  }

  async #end(transaction: OpenTransaction, state: 'final' | 'dropped'): Promise<void> {
    this.crash.reach('settlement.before-final');
    await this.db.transaction(async (tx) => {
      const spent = await this.transactions.end(tx, transaction, state);
      await letBatchGo(tx, transaction.batch);
      if (spent) await this.ledger.post(tx, ...gasEntries(this.rail.chainId, transaction, spent));
    });
  }

  /** Sends the newest bytes again, or signs them again with higher fees. Skipped while another worker holds the key. */
  async #send(transaction: OpenTransaction, step: 'send' | 'replace', tally: Tally): Promise<void> {
    const { chainId } = this.rail;
    const newest = await this.transactions.newest(transaction.id);
    if (!newest) return;
    const lease = await this.signers.leaseOne(chainId, transaction.signer, this.terms.owner);
    if (!lease) return;
    try {
      const fees =
        step === 'replace' ? replacementFees(newest.fees, await this.rail.market(), this.terms.feeCap) : undefined;
      const signed = fees ? await this.rail.resign(transaction.signer, newest.raw, fees) : newest;
      if (fees) {
        const isFiller = transaction.fillers.includes(newest.hash);
        const stored = await this.db.transaction(async (tx) => {
          if (!(await this.signers.holds(tx, chainId, lease))) return false;
          await this.transactions.addCandidate(tx, transaction.id, lease, signed, isFiller);
          return true;
        });
        if (!stored) return;
      }
      const { id, batch, nonce } = transaction;
      const alarm = await this.handOver.run({ id, batch, nonce, lease, signed });
      if (alarm) tally.alarms.push(alarm);
    } finally {
      await this.signers.release(chainId, lease);
    }
  }

  /** Bytes that are not ours have used the nonce, in a final block: the key is not ours alone, and writes no more. */
  async #stolen(transaction: OpenTransaction, tally: Tally): Promise<void> {
    const { chainId } = this.rail;
    await this.db.transaction(async (tx) => {
      await this.signers.pause(
        tx,
        chainId,
        transaction.signer,
        `nonce ${transaction.nonce} was used by an unknown transaction`,
      );
      if (!(await this.transactions.end(tx, transaction, 'dropped'))) return;
      await letBatchGo(tx, transaction.batch);
      const carried = await this.payments.carried(tx, transaction.batch);
      await this.#release(tx, transaction, new Map(carried.map(({ id }) => [id, 0])));
      tally.alarms.push(
        `relayer key ${transaction.signer} is paused: nonce ${transaction.nonce} was used by a transaction that is not ours`,
      );
    });
  }

  /** Payments in blocks that went away are on their way again; those in blocks that cannot go away any more are settled. */
  async #payments(
    blocks: readonly { number: bigint; hash: Buffer }[],
    view: ChainView,
    hashes: ReadonlyMap<bigint, Hex>,
    tally: Tally,
  ): Promise<void> {
    for (const { number, hash } of blocks) {
      const now = hashes.get(number);
      // A height above the head proves nothing: the node may lag.
      if (now === undefined) continue;
      if (now !== hexOf(hash)) await this.#reopenPayments(hash);
      else if (number <= view.finalized.number) tally.settled += await this.#settle(hash);
    }
  }

  async #reopenPayments(blockHash: Buffer): Promise<void> {
    await this.db.transaction(async (tx) => {
      const reopened = await this.payments.reopen(tx, this.rail.chainId, blockHash);
      if (reopened.length > 0) await this.#outbox.add(tx, 'submit-settlement', { chainId: this.rail.chainId });
      for (const id of reopened) await this.payments.announce(tx, id);
    });
  }

  async #settle(blockHash: Buffer): Promise<number> {
    for (let settled = 0; ;) {
      const page = await this.db.transaction(async (tx) => {
        const paid = await this.payments.settle(tx, this.rail.chainId, blockHash, PAGE);
        await this.ledger.post(tx, ...paid.map(settledEntry));
        const refunds = paid.filter(({ origin }) => origin === 'refund');
        await this.payments.refundsPaid(
          tx,
          refunds.map(({ payment }) => payment),
        );
        for (const { payment } of paid) await this.payments.announce(tx, payment);
        return paid.length;
      });
      settled += page;
      if (page < PAGE) return settled;
    }
  }

  /** Keys that were out of funds and have some again. */
  async #resumeFunded(): Promise<void> {
    const { chainId } = this.rail;
    for (const signer of await this.signers.pausedFor(chainId, NO_FUNDS)) {
      const [balance, market] = await Promise.all([this.rail.balance(signer), this.rail.market()]);
      const needed = this.rail.gasLimit(this.terms.batch) * (market.baseFee * 2n + market.priorityFee);
      if (balance >= needed) await this.signers.resume(chainId, signer, NO_FUNDS);
    }
  }
}

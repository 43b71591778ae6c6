import type { CrashPoint, SettlementRail, SignedTransaction } from '@core/settlement';
import type { Writer } from '@platform/database';
import type { PaymentsStore } from './payments.store.js';
import { NO_FUNDS, type SignerLease, type SignersStore } from './signers.store.js';
import type { TransactionsStore } from './transactions.store.js';

/** Stored bytes on their way to a node, with the lease to sign others for the same nonce. */
interface Handed {
  readonly id: string;
  readonly batch: string;
  readonly nonce: bigint;
  readonly lease: SignerLease;
  readonly signed: SignedTransaction;
}

/** Hands stored bytes to a node, exactly as they are stored, and records what it said. */
export class HandOver {
  constructor(
    private readonly db: Writer,
    private readonly payments: PaymentsStore,
    private readonly transactions: TransactionsStore,
    private readonly signers: SignersStore,
    private readonly rail: SettlementRail,
    private readonly crash: CrashPoint,
  ) {}

  /**
   * Returns what an operator must know, if anything. A node that could not be asked changes nothing: the bytes are stored,
   * and are sent again.
   */
  async run(handed: Handed): Promise<string | undefined> {
    const { signer } = handed.lease;
    const answer = await this.rail.broadcast(handed.signed.raw);
    this.crash.reach('settlement.broadcast');
    const taken = answer.kind === 'accepted' || answer.kind === 'nonce-used';
    await this.db.transaction(async (tx) => {
      await this.transactions.sent(tx, handed.id, handed.signed.hash, taken);
      if (answer.kind !== 'accepted') return;
      await this.payments.submitted(tx, handed.batch);
      await this.payments.announce(tx, handed.batch);
    });
    switch (answer.kind) {
      case 'accepted':
      case 'nonce-used':
      case 'underpriced':
        return undefined;
      case 'no-funds':
        await this.signers.pause(this.db, this.rail.chainId, signer, NO_FUNDS);
        return `relayer key ${signer} cannot pay for gas and is paused until it can`;
      case 'unclear':
        return `a node turned down the transaction ${handed.signed.hash}: ${answer.reason}`;
      case 'refused':
        await this.#fill(handed);
        return `the transaction ${handed.signed.hash} can never be mined (${answer.reason}): its nonce is filled`;
    }
  }

  /** Keeps the nonces without a gap when the bytes can never be mined: the same nonce, used for nothing. */
  async #fill({ id, nonce, lease, signed }: Handed): Promise<void> {
    const filler = await this.rail.signFiller(lease.signer, nonce, signed.fees);
    const stored = await this.db.transaction(async (tx) => {
      if (!(await this.signers.holds(tx, this.rail.chainId, lease))) return false;
      await this.transactions.addCandidate(tx, id, lease, filler, true);
      return true;
    });
    if (!stored) return;
    const answer = await this.rail.broadcast(filler.raw);
    await this.db.transaction((tx) => this.transactions.sent(tx, id, filler.hash, answer.kind === 'accepted'));
  }
}

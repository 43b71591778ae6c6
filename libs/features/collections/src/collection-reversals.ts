import { meaningOf, unitsOfACent } from '@core/collections';
import { returnCollected } from '@core/ledger';
import { amount, USD } from '@core/money';
import type { Ledger } from '@features/ledger';
import type { StatementStates } from '@features/statements';
import { rowsOf, type Tx } from '@platform/database';
import { type Attempt, ATTEMPT_COLUMNS, attemptOf, type AttemptRow } from './attempts/attempt.js';
import type { AttemptsStore } from './attempts/attempts.store.js';
import type { CollectionsStore } from './collections.store.js';
import type { Lease } from './lease.js';
import type { PastDueAccounts } from './past-due-accounts.js';

/** A collected statement whose money is asked back. */
export interface Collected {
  readonly lease: Lease;
  readonly attempt: Attempt;
}

interface Returned {
  /** False when it was known. */
  readonly changed: boolean;
  /** `pmt_…`: the method that can never be charged again, to be marked so by the caller. */
  readonly deadMethod: string | undefined;
}

const DAY_MS = 86_400_000;
/** After money went back, its account is not tried again for a while. */
const AFTER_REVERSAL_MS = 3 * DAY_MS;

/**
 * What becomes of a collection whose money is asked back. In the caller's transaction; what a dispute moves in the ledger, its caller
 * posts. Facts come in any order and more than once: what is so already changes nothing.
 */
export class CollectionReversals {
  constructor(
    private readonly collections: CollectionsStore,
    private readonly attempts: AttemptsStore,
    private readonly statements: StatementStates,
    private readonly ledger: Ledger,
    private readonly pastDue: PastDueAccounts,
  ) {}

  /** The attempt that collected by this intent, with its collection locked; undefined for an intent that collected nothing. */
  async find(tx: Tx, intent: string): Promise<Collected | undefined> {
    const [row] = await rowsOf<AttemptRow & { collection_id: string }>(
      tx,
      `SELECT ${ATTEMPT_COLUMNS}, a.collection_id FROM collection_attempts a
       WHERE a.payment_intent = $1 AND a.state IN ('succeeded', 'disputed', 'reversed')`,
      [intent],
    );
    return row && { lease: await this.collections.take(tx, row.collection_id), attempt: attemptOf(row) };
  }

  /** A dispute is open. False when that is known. */
  async disputed(tx: Tx, { lease, attempt }: Collected): Promise<boolean> {
    if (attempt.state !== 'succeeded') return false;
    await this.attempts.advance(tx, attempt, 'disputed');
    if (lease.state === 'paid') await this.collections.move(tx, lease, { to: 'disputed', runAfterMs: undefined });
    return true;
  }

  /** It was decided for us. */
  async won(tx: Tx, { lease, attempt }: Collected): Promise<boolean> {
    if (attempt.state !== 'disputed') return false;
    await this.attempts.advance(tx, attempt, 'succeeded');
    if (lease.state === 'disputed') await this.collections.move(tx, lease, { to: 'paid', runAfterMs: undefined });
    return true;
  }

  /**
   * What was collected, or some cents of it, went back for good: posts it, and says so to the statement. What left Stripe's balance, and the
   * fee, are posted by their balance transactions.
   * @param fact `du_…`
   * @param code why, as Stripe names it
   */
  async returned(
    tx: Tx,
    { lease, attempt }: Collected,
    { fact, code, cents }: { readonly fact: string; readonly code: string; readonly cents: bigint },
  ): Promise<Returned> {
    const deadMethod = meaningOf(code) === 'dead' ? attempt.method : undefined;
    if (attempt.state === 'reversed') return { changed: false, deadMethod };
    const { provider, account, asset } = lease;
    const part = cents * unitsOfACent(asset);
    const covers = part < attempt.covers.atomic ? amount(asset, part) : attempt.covers;
    const statement = await this.statements.lock(tx, lease.statement);
    // What the statement had no use for goes first.
    const unused = attempt.covers.atomic - (attempt.applied ?? attempt.covers.atomic);
    const applied = covers.atomic > unused ? covers.atomic - unused : 0n;
    const back = statement.paid < applied ? statement.paid : applied;
    const over = amount(asset, covers.atomic - applied);
    await this.attempts.advance(tx, attempt, 'reversed', { failure: code });
    await this.ledger.post(
      tx,
      returnCollected({ provider, account, attempt: attempt.id, covers, cents: amount(USD.id, cents), over, fact }),
    );
    if (back > 0n) await this.statements.takeBack(tx, { statement: lease.statement, amount: back });
    const reversed = await this.collections.move(tx, lease, { to: 'reversed', runAfterMs: undefined, reason: code });
    await this.#again(tx, reversed, code);
    await this.pastDue.late(tx, await this.statements.lock(tx, lease.statement));
    return { changed: true, deadMethod };
  }

  async #again(tx: Tx, reversed: Lease, reason: string): Promise<void> {
    await this.collections.move(tx, reversed, { to: 'dunning', runAfterMs: AFTER_REVERSAL_MS, reason });
  }
}

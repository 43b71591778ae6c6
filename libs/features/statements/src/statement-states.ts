import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { afterStatementEvent, openOf, type StatementEvent } from '@core/statements';
import { formatInstant } from '@core/time';
import { Announce } from '@features/webhooks';
import { CreditLines } from '@features/wallet';
import type { Tx, WriterTx } from '@platform/database';
import type { IssuedStatement } from './issued-statement.js';
import { IssuedStore } from './issued.store.js';

/** What became of a statement. */
export type StatementChange =
  | { readonly outcome: 'changed'; readonly statement: IssuedStatement }
  /** It was so already: nothing was written. */
  | { readonly outcome: 'unchanged'; readonly statement: IssuedStatement }
  /** More than is open, was received or was given up: nothing was written. `most`: what it could have been. */
  | { readonly outcome: 'too_much'; readonly statement: IssuedStatement; readonly most: bigint }
  /** Not of a statement as it stands: nothing was written. */
  | { readonly outcome: 'not_possible'; readonly statement: IssuedStatement };

interface Moved {
  /** `stm_…` */
  readonly statement: string;
  /** Atomic units of the statement's asset, above zero. */
  readonly amount: bigint;
}

/**
 * What becomes of issued statements. Whoever posts to an account's receivables for a statement says so here in the same transaction,
 * once per posting (ask `Ledger.post` whether it was new): the statement, the account's credit line and what is announced follow.
 * Every method locks the statement first, then the wallet.
 */
export class StatementStates {
  readonly #store = new IssuedStore();
  readonly #lines = new CreditLines();
  readonly #announce: Announce;

  constructor(ids: IdSource) {
    this.#announce = new Announce(ids);
  }

  /**
   * Locks a statement until the transaction ends.
   * @throws Fault not_found (`unknown_statement`)
   */
  async lock(tx: Tx | WriterTx, statement: string): Promise<IssuedStatement> {
    const found = await this.#store.one(tx, statement, 'lock');
    if (!found) throw new Fault('not_found', 'There is no such statement.', { reason: 'unknown_statement' });
    return found;
  }

  /** Value was received for it: 1015/1100, 1015/1120 or 1020/1100 was posted. `rail` is told to the provider when it is paid. */
  async receive(
    tx: Tx | WriterTx,
    { statement, amount, rail }: Moved & { readonly rail?: string },
  ): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'received', amount }, rail);
  }

  /** What was received is gone again, by a late return, a refund or a lost dispute whose debt is kept: 1100/1015 or 1100/2050. */
  async takeBack(tx: Tx | WriterTx, { statement, amount }: Moved): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'taken_back', amount });
  }

  /** A credit note took something off it: 4010/1100. */
  async credit(tx: Tx | WriterTx, { statement, amount }: Moved): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'credited', amount });
  }

  /** A bank debit was started: 1120/1100. It still owes what it owed. */
  async processing(tx: Tx | WriterTx, { statement }: Pick<Moved, 'statement'>): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'processing' });
  }

  /** The bank debit failed: 1100/1120. */
  async processingFailed(tx: Tx | WriterTx, { statement }: Pick<Moved, 'statement'>): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'processing_failed' });
  }

  /** It was not paid in time. Told once, however often it is said. What follows for the account is `PastDue` of the wallet. */
  async markOverdue(tx: Tx | WriterTx, { statement }: Pick<Moved, 'statement'>): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'overdue' });
  }

  /** All that is open is given up: 5030/1100 of `statement.open` as `lock` answered it. */
  async writeOff(
    tx: Tx | WriterTx,
    { statement, reason }: Pick<Moved, 'statement'> & { readonly reason?: string },
  ): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'written_off' }, undefined, reason);
  }

  /** What was given up was paid after all: 1015/5030, so that its account owes what it owed. */
  async recover(tx: Tx | WriterTx, { statement, amount }: Moved): Promise<StatementChange> {
    return this.#apply(tx, statement, { kind: 'recovered', amount });
  }

  async #apply(
    tx: Tx | WriterTx,
    id: string,
    event: StatementEvent,
    rail?: string,
    reason?: string,
  ): Promise<StatementChange> {
    const before = await this.lock(tx, id);
    const verdict = afterStatementEvent(before, event);
    if (verdict.outcome !== 'changed') return { ...verdict, statement: before };
    const { standing, change } = verdict;
    await this.#store.change(tx, before, standing);
    await this.#lines.add(tx, { account: before.account, asset: before.asset, change });
    const after = { ...before, ...standing, open: openOf(standing), version: before.version + 1 };
    await this.#tell(tx, before, after, rail, reason);
    return { outcome: 'changed', statement: after };
  }

  async #tell(
    tx: Tx | WriterTx,
    before: IssuedStatement,
    after: IssuedStatement,
    rail?: string,
    reason?: string,
  ): Promise<void> {
    if (before.state === after.state) return;
    const { provider, account, asset, number } = after;
    const about = { provider, object: { id: after.id, version: after.version } };
    const of = { account, asset, statement: after.id, number };
    if (after.state === 'paid')
      await this.#announce.add(tx, {
        ...about,
        type: 'statement.paid',
        data: { ...of, total: after.due.toString(), ...(rail === undefined ? {} : { rail }) },
      });
    if (after.state === 'overdue')
      await this.#announce.add(tx, {
        ...about,
        type: 'statement.past_due',
        data: { ...of, due: after.open.toString(), dueAt: formatInstant(after.dueAt) },
        once: `statement.past_due ${after.id}`,
      });
    if (after.state === 'uncollectible')
      await this.#announce.add(tx, {
        ...about,
        type: 'statement.uncollectible',
        data: { ...of, due: before.open.toString(), ...(reason === undefined ? {} : { reason }) },
      });
  }
}

import { coveredBy } from '@core/collections';
import { Fault } from '@core/faults';
import { applyStatementPayment } from '@core/ledger';
import { amount, assetId } from '@core/money';
import type { Ledger } from '@features/ledger';
import type { StatementStates } from '@features/statements';
import type { Database, Tx, Writer } from '@platform/database';
import type { PastDueAccounts } from '../past-due-accounts.js';
import type { StatementPayment } from './statement-payment.js';
import type { StatementPaymentsStore } from './statement-payments.store.js';

/** What a run did. */
export interface AppliedPayments {
  readonly applied: number;
  readonly failed: number;
}

const MOST = 100;

/**
 * Applies payments in a token to their statements once they are final, and lets go of those that are proven never to have happened. Each
 * is one commit: any number of workers, dying anywhere, do it once.
 */
export class ApplyStatementPayments {
  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly store: StatementPaymentsStore,
    private readonly statements: StatementStates,
    private readonly ledger: Ledger,
    private readonly pastDue: PastDueAccounts,
  ) {}

  /** @throws what the first that could not be applied threw, once the others are done */
  async run(): Promise<AppliedPayments> {
    const done = { applied: 0, failed: 0 };
    const failures: unknown[] = [];
    for (let isMore = true; isMore;) {
      const due = await this.store.due(this.writer, MOST);
      let ended = 0;
      for (const paid of due) {
        try {
          const became = await this.database.forProvider(paid.provider, (tx) => this.#end(tx, paid));
          if (became === undefined) continue;
          done[became] += 1;
          ended += 1;
        } catch (error) {
          // One that cannot be applied holds up no other.
          failures.push(error);
        }
      }
      isMore = due.length === MOST && ended > 0;
    }
    if (failures.length > 0) throw failures[0];
    return done;
  }

  /** What it became; undefined when another worker was first. */
  async #end(tx: Tx, due: StatementPayment): Promise<'applied' | 'failed' | undefined> {
    const paid = await this.store.lock(tx, due);
    if (paid?.paymentState === 'failed') {
      await this.store.end(tx, paid, 'failed', 0n);
      return 'failed';
    }
    if (paid?.paymentState !== 'settled') return undefined;
    await this.store.end(tx, paid, 'applied', await this.#apply(tx, paid));
    return 'applied';
  }

  /** @returns what the statement took of it; what is over was received, and stays so */
  async #apply(tx: Tx, paid: StatementPayment): Promise<bigint> {
    const { provider, account, asset, open } = await this.statements.lock(tx, paid.statement);
    const { taken, covers } = coveredBy(amount(assetId(paid.asset), paid.amount), amount(asset, open));
    if (covers.atomic === 0n) return 0n;
    const entry = applyStatementPayment({ provider, account, statementPayment: paid.id, taken, covers });
    await this.ledger.post(tx, entry);
    const { outcome } = await this.statements.receive(tx, {
      statement: paid.statement,
      amount: covers.atomic,
      rail: 'usdc',
    });
    if (outcome !== 'changed')
      throw new Fault('invariant_broken', `statement ${paid.statement} has ${open} open and takes no payment`);
    await this.pastDue.lift(tx, { provider, account });
    return taken.atomic;
  }
}

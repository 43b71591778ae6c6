import { afterFailure, chooseMethod, type DunningSchedule, meaningOf, type MethodType } from '@core/collections';
import { failDebit, writeOffStatement } from '@core/ledger';
import { amount } from '@core/money';
import { addMs, formatInstant, instant } from '@core/time';
import type { Ledger } from '@features/ledger';
import type { IssuedStatement, StatementStates } from '@features/statements';
import type { Announce } from '@features/webhooks';
import { big, rowsOf, type Tx } from '@platform/database';
import type { Attempt } from './attempts/attempt.js';
import type { CollectionsStore } from './collections.store.js';
import type { Lease } from './lease.js';
import type { PastDueAccounts } from './past-due-accounts.js';

interface Others {
  readonly rails: readonly string[];
  readonly methods: readonly { readonly id: string; readonly rail: string; readonly type: MethodType }[];
  readonly avoided: ReadonlySet<string>;
}

/** What follows a try that failed: the next method, the next step of the schedule, or the end. In the caller's transaction. */
export class FailAttempt {
  constructor(
    private readonly collections: CollectionsStore,
    private readonly statements: StatementStates,
    private readonly ledger: Ledger,
    private readonly announce: Announce,
    private readonly pastDue: PastDueAccounts,
    private readonly schedule: DunningSchedule,
  ) {}

  /** The bank debit is over without money: 1120 is owed again. */
  async takeBackDebit(tx: Tx, lease: Lease, attempt: Attempt): Promise<void> {
    if (!attempt.debitStarted) return;
    const { covers } = attempt;
    const posted = await this.ledger.post(
      tx,
      failDebit({ provider: lease.provider, account: lease.account, attempt: attempt.id, covers }),
    );
    if (posted > 0) await this.statements.processingFailed(tx, { statement: lease.statement });
  }

  /** An attempt has failed, as is written already. */
  async failed(tx: Tx, lease: Lease, attempt: Attempt, code: string, others: Others): Promise<Lease> {
    const othersLeft = chooseMethod(others.methods, others.rails, others.avoided) !== undefined;
    const after = afterFailure({ code, othersLeft, step: lease.dunning, schedule: this.schedule });
    const statement = await this.statements.lock(tx, lease.statement);
    if (after.kind === 'next_method') {
      const next = await this.collections.move(tx, lease, { to: 'open', runAfterMs: 0, reason: code });
      await this.#tell(tx, next, attempt, code, undefined);
      return next;
    }
    const next = await this.#later(tx, lease, statement, code, after);
    await this.#tell(tx, next, attempt, code, after.kind === 'dunning' ? after.afterMs : undefined);
    return next;
  }

  /** There was no method to try: a step of the schedule is taken all the same, in which one may be added. */
  async nothingToTry(tx: Tx, lease: Lease, statement: IssuedStatement): Promise<Lease> {
    const after = afterFailure({ code: undefined, othersLeft: false, step: lease.dunning, schedule: this.schedule });
    if (after.kind === 'next_method') return lease;
    // A step is taken from `open`, where the collection is between two tries.
    const opened =
      lease.state === 'open'
        ? lease
        : await this.collections.move(tx, lease, { to: 'open', runAfterMs: 0, reason: 'no_method' });
    return this.#later(tx, opened, statement, 'no_method', after);
  }

  async #later(
    tx: Tx,
    lease: Lease,
    statement: IssuedStatement,
    reason: string,
    after:
      | { readonly kind: 'dunning'; readonly step: number; readonly afterMs: number }
      | { readonly kind: 'uncollectible' },
  ): Promise<Lease> {
    await this.pastDue.late(tx, statement);
    if (after.kind === 'dunning')
      return this.collections.move(tx, lease, {
        to: 'dunning',
        runAfterMs: after.afterMs,
        reason,
        dunning: after.step,
      });
    const next = await this.collections.move(tx, lease, { to: 'uncollectible', runAfterMs: undefined, reason });
    const { id, version, open, provider, account, asset } = await this.statements.lock(tx, lease.statement);
    if (open > 0n) {
      await this.ledger.post(
        tx,
        writeOffStatement({ provider, account, statement: id, version, open: amount(asset, open) }),
      );
      await this.statements.writeOff(tx, { statement: id, reason });
      await this.pastDue.lower(tx, statement, 'statement_uncollectible');
    }
    return next;
  }

  async #tell(tx: Tx, lease: Lease, attempt: Attempt, code: string, retryAfterMs: number | undefined): Promise<void> {
    const { provider, account, statement, collection, version } = lease;
    const [row] = await rowsOf<{ ms: string }>(tx, 'SELECT (extract(epoch FROM now()) * 1000)::bigint::text AS ms', []);
    const now = instant(Number(big(row?.ms ?? '0')));
    await this.announce.add(tx, {
      provider,
      type: meaningOf(code) === 'holder' ? 'collection.requires_action' : 'collection.failed',
      object: { id: collection, version },
      data: {
        account,
        asset: attempt.covers.asset,
        statement,
        collection,
        rail: attempt.rail,
        amount: attempt.covers.atomic.toString(),
        reason: code,
        ...(retryAfterMs === undefined ? {} : { retryAt: formatInstant(addMs(now, retryAfterMs)) }),
      },
    });
  }
}

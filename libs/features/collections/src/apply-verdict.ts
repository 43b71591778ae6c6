import {
  afterVerdict,
  type AttemptState,
  meaningOf,
  pollAfterMs,
  troubleAfterMs,
  type Verdict,
} from '@core/collections';
import { Fault } from '@core/faults';
import { carryRemainder, collect, startDebit } from '@core/ledger';
import { amount, USD } from '@core/money';
import type { Ledger } from '@features/ledger';
import type { StatementStates } from '@features/statements';
import { CreditLines } from '@features/wallet';
import type { Announce } from '@features/webhooks';
import type { Database, Tx, Writer } from '@platform/database';
import type { Attempt } from './attempts/attempt.js';
import type { AttemptsStore } from './attempts/attempts.store.js';
import type { CollectionsStore } from './collections.store.js';
import type { FailAttempt } from './fail-attempt.js';
import type { Lease } from './lease.js';
import type { PastDueAccounts } from './past-due-accounts.js';
import type { PaymentMethods } from './methods/payment-methods.js';
import type { StartAttempt } from './start-attempt.js';

/** A verdict that can be acted on. */
type Sound = Exclude<Verdict, { kind: 'alarm' }>;

/** Writes down what a fetched object proves: attempt, collection, ledger, statement and what is told, in one transaction. */
export class ApplyVerdict {
  readonly #lines = new CreditLines();

  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly collections: CollectionsStore,
    private readonly attempts: AttemptsStore,
    private readonly statements: StatementStates,
    private readonly methods: PaymentMethods,
    private readonly ledger: Ledger,
    private readonly announce: Announce,
    private readonly pastDue: PastDueAccounts,
    private readonly failing: FailAttempt,
    private readonly starting: StartAttempt,
  ) {}

  /**
   * The lease as it stands after; undefined when the verdict changes nothing.
   * @throws Superseded
   */
  async run(lease: Lease, attempt: Attempt, verdict: Sound, charge: string | undefined): Promise<Lease | undefined> {
    const to = afterVerdict(attempt.state, verdict, attempt.confirmAgeMs !== undefined);
    if (to === undefined) return undefined;
    if (to === 'failed') await this.#bury(lease, attempt, codeOfEnd(attempt, verdict));
    return this.database.forProvider(lease.provider, async (tx) => {
      await this.collections.hold(tx, lease);
      return this.#write(tx, lease, attempt, to, verdict, charge);
    });
  }

  /**
   * An attempt of which it is known that it was never confirmed: the next one has another number and other keys.
   * @throws Superseded
   */
  async abandon(lease: Lease, attempt: Attempt): Promise<Lease> {
    if (attempt.failure !== undefined) await this.#bury(lease, attempt, attempt.failure);
    return this.database.forProvider(lease.provider, async (tx) => {
      await this.collections.hold(tx, lease);
      return this.#abandoned(tx, lease, attempt);
    });
  }

  /**
   * What was seen cannot be ours: nothing goes on until an operator has looked.
   * @throws Superseded
   */
  async halt(lease: Lease, attempt: Attempt, reason: string): Promise<Lease> {
    return this.database.forProvider(lease.provider, async (tx) => {
      await this.collections.hold(tx, lease);
      await this.attempts.advance(tx, attempt, 'halted', { failure: reason });
      return this.collections.move(tx, lease, { to: 'halted', runAfterMs: undefined, reason });
    });
  }

  async #write(
    tx: Tx,
    lease: Lease,
    attempt: Attempt,
    to: AttemptState,
    verdict: Sound,
    charge: string | undefined,
  ): Promise<Lease> {
    switch (to) {
      case 'processing':
        return this.#processing(tx, lease, attempt);
      case 'requires_action':
        return this.#requiresAction(tx, lease, attempt);
      case 'refused':
        await this.attempts.advance(tx, attempt, to, { failure: codeOf(verdict), charge });
        return this.collections.move(tx, lease, { to: 'attempting', runAfterMs: 0, reason: codeOf(verdict) });
      case 'succeeded':
        return this.#succeeded(tx, lease, attempt, charge);
      case 'failed':
        return this.#failed(tx, lease, attempt, codeOfEnd(attempt, verdict));
      case 'abandoned':
        return this.#abandoned(tx, lease, attempt);
      case 'prepared':
      case 'created':
      case 'disputed':
      case 'reversed':
      case 'halted':
        throw new Fault('invariant_broken', `a fetched object cannot make attempt ${attempt.id} ${to}`);
    }
  }

  async #processing(tx: Tx, lease: Lease, attempt: Attempt): Promise<Lease> {
    const { provider, account } = lease;
    await this.attempts.advance(tx, attempt, 'processing', { debitStarted: true });
    const posted = await this.ledger.post(
      tx,
      startDebit({ provider, account, attempt: attempt.id, covers: attempt.covers }),
    );
    if (posted > 0) await this.statements.processing(tx, { statement: lease.statement });
    return this.collections.move(tx, lease, { to: 'processing', runAfterMs: pollAfterMs(0) });
  }

  async #requiresAction(tx: Tx, lease: Lease, attempt: Attempt): Promise<Lease> {
    await this.attempts.advance(tx, attempt, 'requires_action');
    const next = await this.collections.move(tx, lease, { to: 'requires_action', runAfterMs: pollAfterMs(0) });
    const { provider, account, statement, collection, version } = next;
    await this.announce.add(tx, {
      provider,
      type: 'collection.requires_action',
      object: { id: collection, version },
      data: {
        account,
        asset: attempt.covers.asset,
        statement,
        collection,
        rail: attempt.rail,
        amount: attempt.covers.atomic.toString(),
      },
    });
    return next;
  }

  async #succeeded(tx: Tx, lease: Lease, attempt: Attempt, charge: string | undefined): Promise<Lease> {
    const { provider, account, asset } = lease;
    const next = await this.collections.move(tx, lease, { to: 'paid', runAfterMs: undefined });
    const { open } = await this.statements.lock(tx, lease.statement);
    const { covers, cents } = attempt;
    const applied = open < covers.atomic ? open : covers.atomic;
    await this.attempts.advance(tx, attempt, 'succeeded', { charge, applied });
    const of = { provider, account, attempt: attempt.id };
    const from = attempt.debitStarted ? 'processing' : 'invoiced';
    const over = amount(asset, covers.atomic - applied);
    await this.ledger.post(tx, collect({ ...of, covers, cents: amount(USD.id, cents), from, over }));
    if (applied > 0n)
      await this.statements.receive(tx, { statement: lease.statement, amount: applied, rail: attempt.rail });
    const { open: left } = await this.statements.lock(tx, lease.statement);
    const rest = asset === USD.id ? 0n : left;
    // Only what is less than a cent: a statement may have been corrected upwards by a refund meanwhile, and that stays on it.
    if (rest > 0n && rest * cents < covers.atomic) {
      await this.ledger.post(tx, carryRemainder({ ...of, rest: amount(asset, rest) }));
      await this.statements.credit(tx, { statement: lease.statement, amount: rest });
      await this.#lines.add(tx, { account, asset, change: rest });
    }
    await this.pastDue.lift(tx, { provider, account });
    return next;
  }

  async #failed(tx: Tx, lease: Lease, attempt: Attempt, code: string): Promise<Lease> {
    await this.attempts.advance(tx, attempt, 'failed', { failure: code });
    await this.failing.takeBackDebit(tx, lease, attempt);
    return this.failing.failed(tx, lease, attempt, code, await this.starting.choose(tx, lease));
  }

  /**
   * A method that is dead is so whoever has the lease, and before the next one is chosen: in a transaction of its own, which a repeat
   * does not change.
   */
  async #bury({ provider }: Lease, { method }: Attempt, reason: string): Promise<void> {
    if (meaningOf(reason) !== 'dead') return;
    await this.writer.transaction((tx) => this.methods.markDead(tx, { provider, method, reason }));
  }

  async #abandoned(tx: Tx, lease: Lease, attempt: Attempt): Promise<Lease> {
    await this.attempts.advance(tx, attempt, 'abandoned');
    if (attempt.failure !== undefined)
      return this.failing.failed(tx, lease, attempt, attempt.failure, await this.starting.choose(tx, lease));
    return this.collections.move(tx, lease, {
      to: 'open',
      runAfterMs: troubleAfterMs(attempt.number),
      reason: 'never_confirmed',
    });
  }
}

/** What was said first stands; a holder who never confirmed is a reason of its own. */
const codeOfEnd = (attempt: Attempt, verdict: Sound): string =>
  attempt.failure ?? (attempt.state === 'requires_action' ? 'action_expired' : (codeOf(verdict) ?? 'canceled'));

const codeOf = (verdict: Sound): string | undefined => ('code' in verdict ? verdict.code : undefined);

import {
  attemptKey,
  type BillingRail,
  chooseMethod,
  collectable,
  confirmBody,
  createBody,
  type MethodType,
  isAvoided,
} from '@core/collections';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { amount } from '@core/money';
import type { IssuedStatement, StatementStates } from '@features/statements';
import type { Database, Tx } from '@platform/database';
import type { AttemptsStore } from './attempts/attempts.store.js';
import type { CollectionsStore } from './collections.store.js';
import type { FailAttempt } from './fail-attempt.js';
import type { Lease } from './lease.js';
import type { PaymentMethods, StripeRailName, UsableMethod } from './methods/payment-methods.js';
import { StatementPaymentsStore } from './sweeps/statement-payments.store.js';

const DAY_MS = 86_400_000;
const CURRENCY = 'usd';

const isStripeRail = (rail: string): rail is StripeRailName => rail === 'card' || rail === 'bank';

/** What there is to collect with. */
interface Choice {
  readonly rails: readonly StripeRailName[];
  readonly methods: readonly UsableMethod[];
  /** Methods that failed for this statement in a way that does not pass by itself. */
  readonly avoided: ReadonlySet<string>;
}

/** Begins a try: the attempt with its exact bodies and keys, in one transaction, before anything is sent. */
export class StartAttempt {
  readonly #payments = new StatementPaymentsStore();

  constructor(
    private readonly database: Database,
    private readonly collections: CollectionsStore,
    private readonly attempts: AttemptsStore,
    private readonly statements: StatementStates,
    private readonly methods: PaymentMethods,
    private readonly failing: FailAttempt,
    private readonly rail: BillingRail,
    private readonly ids: IdSource,
  ) {}

  /**
   * The lease as it stands after, whether or not there is an attempt now.
   * @throws Superseded
   */
  async run(lease: Lease): Promise<Lease> {
    return this.database.forProvider(lease.provider, async (tx) => {
      await this.collections.hold(tx, lease);
      const statement = await this.statements.lock(tx, lease.statement);
      if (statement.open === 0n || statement.state === 'voided' || statement.state === 'uncollectible')
        return this.#rest(tx, lease, 'nothing_due');
      // Paid in a token at the same time it would be paid twice: whatever ends that payment makes this due.
      if ((await this.#payments.underWay(tx, lease.statement)) === 'payment_under_way')
        return this.#wait(tx, lease, 'payment_under_way');
      const sum = collectable(amount(lease.asset, statement.open));
      if (sum.kind !== 'cents') return this.#wait(tx, lease, sum.kind);
      const choice = await this.choose(tx, lease);
      const method = chooseMethod(choice.methods, choice.rails, choice.avoided);
      if (!method) return this.failing.nothingToTry(tx, lease, statement);
      return this.#write(tx, lease, statement, method, sum.cents, sum.covers);
    });
  }

  /**
   * The methods of an account's rails, those first that this statement was tried on least, and which of them it is not tried on again: a second
   * card has its turn before the first one is asked again.
   */
  async choose(tx: Tx, lease: Lease): Promise<Choice> {
    const rails = (await this.collections.rails(tx, lease.account)).filter(isStripeRail);
    const methods = await this.methods.usable(tx, { provider: lease.provider, account: lease.account, rails });
    const failures = await this.attempts.failures(tx, lease.collection);
    const avoided = new Set(failures.filter(isAvoided).map(({ method }) => method));
    const tried = (id: string): number => failures.filter(({ method }) => method === id).length;
    return { rails, methods: [...methods].sort((a, b) => tried(a.id) - tried(b.id)), avoided };
  }

  async #rest(tx: Tx, lease: Lease, reason: string): Promise<Lease> {
    return this.collections.move(tx, await this.#opened(tx, lease), { to: 'closed', runAfterMs: undefined, reason });
  }

  /** What a card cannot carry is looked at again now and then: a credit note or a payment may have changed it. */
  async #wait(tx: Tx, lease: Lease, reason: string): Promise<Lease> {
    return this.collections.move(tx, await this.#opened(tx, lease), { to: 'waiting', runAfterMs: DAY_MS, reason });
  }

  /** Everything that rests before it is tried goes through `open`. */
  async #opened(tx: Tx, lease: Lease): Promise<Lease> {
    return lease.state === 'open' ? lease : this.collections.move(tx, lease, { to: 'open', runAfterMs: 0 });
  }

  async #write(
    tx: Tx,
    lease: Lease,
    statement: IssuedStatement,
    method: {
      readonly id: string;
      readonly rail: StripeRailName;
      readonly type: MethodType;
      readonly customer: string;
      readonly stripeMethod: string;
    },
    cents: bigint,
    covers: ReturnType<typeof amount>,
  ): Promise<Lease> {
    const number = lease.attempts + 1;
    const id = this.ids.next(ID_PREFIXES.attempt);
    const asked = { ...lease, number: statement.number, attempt: id, cents, currency: CURRENCY, ...method };
    await this.attempts.insert(tx, lease, {
      id,
      number,
      rail: method.rail,
      method: method.id,
      customer: method.customer,
      cents,
      currency: CURRENCY,
      covers,
      apiVersion: this.rail.apiVersion,
      create: { key: attemptKey(lease.statement, number, 'create'), body: createBody(asked) },
      confirm: { key: attemptKey(lease.statement, number, 'confirm'), body: confirmBody() },
    });
    const opened = await this.#opened(tx, lease);
    return this.collections.move(tx, opened, { to: 'attempting', runAfterMs: 0, attempts: number });
  }
}

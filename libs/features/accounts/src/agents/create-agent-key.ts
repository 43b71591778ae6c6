import { type AgentBudget, type AgentScope, type BudgetProblem, budgetProblem } from '@core/agents';
import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import type { Clock, Instant } from '@core/time';
import type { Database } from '@platform/database';
import { type KeyEnvironment, keyHash, newKeyText } from '../key-text.js';
import { ReadAccount } from '../read-account.js';
import type { ListedAgentKey } from '../views.js';
import { AgentKeysStore } from './agent-keys.store.js';

interface NewAgentKey {
  readonly provider: string;
  readonly account: string;
  readonly name: string;
  readonly scopes: readonly AgentScope[];
  readonly budgets: readonly AgentBudget[];
  readonly environment: KeyEnvironment;
  readonly expiresAt?: Instant | undefined;
}

/** Makes a key of an agent. `text` is the key itself: shown now and never again, as only its hash is kept. */
export class CreateAgentKey {
  readonly #store = new AgentKeysStore();
  readonly #accounts: ReadAccount;

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
    private readonly pepper: string,
  ) {
    this.#accounts = new ReadAccount(database);
  }

  /** @throws Fault invalid_request for no scope, an expiry in the past or budgets that cannot hold together; not_found for the account. */
  async run(input: NewAgentKey): Promise<{ readonly key: ListedAgentKey; readonly text: string }> {
    const now = this.clock.now();
    const scopes = [...new Set(input.scopes)];
    if (scopes.length === 0)
      throw new Fault('invalid_request', 'A key needs at least one scope.', { reason: 'no_scope' });
    if (input.expiresAt !== undefined && input.expiresAt <= now) {
      throw new Fault('invalid_request', 'expiresAt lies in the past: give an instant to come, or leave it out.', {
        reason: 'expiry_in_past',
      });
    }
    const problem = budgetProblem(input.budgets);
    if (problem) throw faultOf(problem);
    const id = this.ids.next('key');
    const text = newKeyText(id, input.environment);
    const key: ListedAgentKey = {
      id,
      account: input.account,
      name: input.name,
      scopes,
      budgets: input.budgets,
      createdAt: now,
      expiresAt: input.expiresAt,
      revokedAt: undefined,
    };
    await this.database.forProvider(input.provider, async (tx) => {
      await this.#accounts.within(tx, input.account);
      await this.#store.insert(tx, input.provider, key, keyHash(text, this.pepper));
    });
    return { key, text };
  }
}

function faultOf(found: BudgetProblem): Fault {
  const message =
    found.problem === 'twice'
      ? `There are two budgets of ${found.asset} for one ${found.span}: give one.`
      : `The budget of ${found.asset} for one ${found.span} is above that for the longer ${found.longer}, so it could never be reached: lower it, or leave it out.`;
  return new Fault('invalid_request', message, { reason: `budget_${found.problem}` });
}

import { type AgentBudget, isAgentScope, isBudgetSpan } from '@core/agents';
import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import { instant } from '@core/time';
import { big, type Database } from '@platform/database';
import type { StoredAgentKey, StoredKey } from './views.js';

/** A key that was found, and whose it is. */
export type FoundKey =
  { readonly of: 'provider'; readonly row: StoredKey } | { readonly of: 'agent'; readonly row: StoredAgentKey };

/** As `presented_keys` in the database answers. */
interface KeyJson {
  readonly id: string;
  readonly provider: string;
  /** Absent for a key of the provider itself. */
  readonly account?: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly budgets?: readonly (readonly [asset: string, span: string, amount: string])[];
}

/** Reads keys before it is known whose they are. */
export class PresentedKeysStore {
  /** Those of the ids that are keys, in one statement. It sees the rows of exactly these ids. */
  async find(database: Database, ids: readonly string[]): Promise<FoundKey[]> {
    const rows = await database.presentedKey(
      '',
      (client) => client.$queryRaw<{ key: KeyJson }[]>`SELECT key FROM presented_keys(${[...ids]}::text[]) AS key`,
    );
    return rows.map(({ key }) => foundOf(key));
  }
}

function foundOf(key: KeyJson): FoundKey {
  const common = {
    id: key.id,
    provider: key.provider,
    name: key.name,
    hash: Buffer.from(key.hash, 'hex'),
    createdAt: instant(key.createdAt),
    expiresAt: key.expiresAt === null ? undefined : instant(key.expiresAt),
    revokedAt: key.revokedAt === null ? undefined : instant(key.revokedAt),
  };
  if (key.account === undefined) return { of: 'provider', row: { ...common, scopes: key.scopes } };
  const budgets = (key.budgets ?? []).map(budgetOf);
  return { of: 'agent', row: { ...common, account: key.account, scopes: key.scopes.filter(isAgentScope), budgets } };
}

function budgetOf([asset, span, amount]: readonly [string, string, string]): AgentBudget {
  if (!isBudgetSpan(span)) throw new Fault('invariant_broken', 'a budget has a span that there is none of');
  return { asset: assetId(asset), span, amount: big(amount) };
}

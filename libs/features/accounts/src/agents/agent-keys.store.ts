import { type AgentBudget, isAgentScope, isBudgetSpan } from '@core/agents';
import { Fault } from '@core/faults';
import { assetId } from '@core/money';
import type { Instant } from '@core/time';
import { at, big, type Prisma, type Tx } from '@platform/database';
import type { ListedAgentKey } from '../views.js';

type KeyRow = Prisma.AgentKeyGetPayload<object>;
type BudgetRow = Prisma.AgentKeyBudgetGetPayload<object>;

/** Keys of agents and their budgets, as rows. */
export class AgentKeysStore {
  async insert(tx: Tx, provider: string, key: ListedAgentKey, hash: Buffer): Promise<void> {
    await tx.agentKey.create({
      data: {
        id: key.id,
        providerId: provider,
        accountId: key.account,
        name: key.name,
        scopes: [...key.scopes],
        hash: Uint8Array.from(hash),
        createdAt: new Date(key.createdAt),
        expiresAt: key.expiresAt === undefined ? null : new Date(key.expiresAt),
      },
    });
    await tx.agentKeyBudget.createMany({
      data: key.budgets.map(({ asset, span, amount }) => ({
        keyId: key.id,
        asset,
        span,
        providerId: provider,
        amount: amount.toString(),
      })),
    });
  }

  async keys(tx: Tx, account: string): Promise<ListedAgentKey[]> {
    const rows = await tx.agentKey.findMany({ where: { accountId: account }, orderBy: { id: 'asc' } });
    const budgets = await tx.agentKeyBudget.findMany({ where: { keyId: { in: rows.map(({ id }) => id) } } });
    return rows.map((row) => keyOf(row, budgets));
  }

  /** Revokes a key that is not revoked yet; its row as it is then, or undefined when the account has no such key. */
  async revoke(tx: Tx, account: string, id: string, now: Instant): Promise<ListedAgentKey | undefined> {
    await tx.agentKey.updateMany({
      where: { id, accountId: account, revokedAt: null },
      data: { revokedAt: new Date(now) },
    });
    const row = await tx.agentKey.findFirst({ where: { id, accountId: account } });
    return row ? keyOf(row, await tx.agentKeyBudget.findMany({ where: { keyId: id } })) : undefined;
  }
}

const keyOf = (row: KeyRow, budgets: readonly BudgetRow[]): ListedAgentKey => ({
  id: row.id,
  account: row.accountId,
  name: row.name,
  scopes: row.scopes.filter(isAgentScope),
  budgets: budgets.filter(({ keyId }) => keyId === row.id).map(budgetOf),
  createdAt: at(row.createdAt),
  expiresAt: row.expiresAt === null ? undefined : at(row.expiresAt),
  revokedAt: row.revokedAt === null ? undefined : at(row.revokedAt),
});

function budgetOf({ asset, span, amount }: BudgetRow): AgentBudget {
  if (!isBudgetSpan(span)) throw new Fault('invariant_broken', 'a budget has a span that there is none of');
  return { asset: assetId(asset), span, amount: big(amount) };
}

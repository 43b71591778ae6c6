import type { AssetId } from '@core/money';
import type { Instant } from '@core/time';

/** What an agent may do. pay: spend by the gate · read: see its own account, balance and statements. */
export const AGENT_SCOPES = ['pay', 'read'] as const;

export type AgentScope = (typeof AGENT_SCOPES)[number];

export const isAgentScope = (text: string): text is AgentScope => AGENT_SCOPES.some((scope) => scope === text);

/** Spans of UTC a budget begins anew with; lifetime: never. */
export const BUDGET_SPANS = ['hour', 'day', 'month', 'lifetime'] as const;

type BudgetSpan = (typeof BUDGET_SPANS)[number];

export const isBudgetSpan = (text: string): text is BudgetSpan => BUDGET_SPANS.some((span) => span === text);

/** Most that a key may spend of an asset within a span, atomic units. */
export interface AgentBudget {
  readonly asset: AssetId;
  readonly span: BudgetSpan;
  readonly amount: bigint;
}

/** What makes budgets unusable together: two for one asset and span, or one that a longer span forbids from ever being reached. */
export type BudgetProblem =
  | { readonly problem: 'twice'; readonly asset: AssetId; readonly span: BudgetSpan }
  | {
      readonly problem: 'beyond_longer';
      readonly asset: AssetId;
      readonly span: BudgetSpan;
      readonly longer: BudgetSpan;
    };

/** The first problem of budgets given together; undefined when they can all hold. */
export function budgetProblem(budgets: readonly AgentBudget[]): BudgetProblem | undefined {
  const places = budgets.map((budget) => ({ ...budget, length: BUDGET_SPANS.indexOf(budget.span) }));
  for (const [place, { asset, span, amount, length }] of places.entries()) {
    const others = places.filter((other, at) => at !== place && other.asset === asset);
    if (others.some((other) => other.span === span)) return { problem: 'twice', asset, span };
    const tighter = others.find((other) => other.length > length && other.amount < amount);
    if (tighter) return { problem: 'beyond_longer', asset, span, longer: tighter.span };
  }
  return undefined;
}

/**
 * Whether a key may do less than an identity of its account, which has every scope, no budget and no end. Such a key links none: it
 * would give itself what it was not given.
 */
export const isLimited = (key: {
  readonly scopes: readonly AgentScope[];
  readonly budgets: readonly AgentBudget[];
  readonly expiresAt: Instant | undefined;
}): boolean =>
  key.budgets.length > 0 || key.expiresAt !== undefined || AGENT_SCOPES.some((scope) => !key.scopes.includes(scope));

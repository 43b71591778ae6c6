import { AGENT_SCOPES, type AgentBudget, BUDGET_SPANS, IDENTITY_KINDS, IDENTITY_PROOFS } from '@core/agents';
import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import type { Identity, ListedAgentKey } from '@features/accounts';
import { z } from 'zod';
import { atomicText, optionalTime, shown, time } from './fields.js';

// Keys and identities of agents as they travel.

export const assetText = z.string().transform((text, context): AssetId => {
  try {
    return assetId(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    context.addIssue({ code: 'custom', message: 'must be an asset id such as eip155:8453/erc20:0x… or iso4217:USD' });
    return z.NEVER;
  }
});

export const agentScope = z.enum(AGENT_SCOPES);

export const budgetBody = z.strictObject({
  asset: assetText.describe('CAIP-19 id of a token, or iso4217:<code>.'),
  span: z.enum(BUDGET_SPANS).describe('Begins anew with each of these in UTC; lifetime: never.'),
  amount: atomicText.describe('Most that may be spent of the asset within the span, atomic units.'),
});

const budget = z.object({ asset: z.string(), span: z.enum(BUDGET_SPANS), amount: shown.atomic });

export const budgetsView = (budgets: readonly AgentBudget[]) =>
  budgets.map(({ asset, span, amount }) => ({ asset, span, amount: amount.toString() }));

export const budgets = z.array(budget).describe('None: all that the account may spend.');

export const agentKey = z.object({
  id: z.string(),
  account: z.string(),
  name: z.string(),
  scopes: z.array(agentScope),
  budgets,
  createdAt: shown.time,
  expiresAt: shown.time.optional(),
  revokedAt: shown.time.optional(),
});

export const agentKeyView = (key: ListedAgentKey) => ({
  ...key,
  budgets: budgetsView(key.budgets),
  createdAt: time(key.createdAt),
  expiresAt: optionalTime(key.expiresAt),
  revokedAt: optionalTime(key.revokedAt),
});

export const identity = z.object({
  kind: z.enum(IDENTITY_KINDS),
  subject: z.string().describe('Address of a wallet, lower case, or the host that publishes signing keys.'),
  account: z.string(),
  proof: z.enum(IDENTITY_PROOFS).describe('How it came to the account.'),
  linkedAt: shown.time,
});

export const identityView = ({ linkedAt, ...rest }: Identity) => ({ ...rest, linkedAt: time(linkedAt) });

export const signInChallenge = z.object({
  info: z
    .object({
      domain: z.string(),
      uri: z.string(),
      version: z.literal('1'),
      nonce: z.string(),
      issuedAt: shown.time,
      expirationTime: shown.time,
      statement: z.string().optional(),
      resources: z.array(z.string()),
    })
    .describe('What the wallet is to sign.'),
  supportedChains: z.array(z.object({ chainId: z.string().describe('CAIP-2.'), type: z.literal('eip191') })),
  schema: z.record(z.string(), z.unknown()).describe('JSON Schema of the proof.'),
});

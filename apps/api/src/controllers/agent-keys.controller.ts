import { CreateAgentKey, ListAgentKeys, RevokeAgentKey } from '@features/accounts';
import { Body, Controller, Param } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { agentKey, agentKeyView, agentScope, budgetBody } from '../agent-shapes.js';
import { idText, instantText, label, needs } from '../fields.js';

const newKey = z.strictObject({
  name: label().describe('What the key is for.'),
  scopes: z
    .array(agentScope)
    .min(1, 'must name pay, read or both')
    .optional()
    .describe('pay: spend by the gate · read: see its own account. Both when absent.'),
  budgets: z
    .array(budgetBody)
    .max(16, 'must have at most 16 budgets')
    .optional()
    .describe('Most that may be spent by this key; never changed: another budget is another key.'),
  expiresAt: instantText.optional(),
});
type NewKeyBody = z.output<typeof newKey>;

const accountPath = z.strictObject({ id: idText('acct') });
const keyPath = z.strictObject({ id: idText('acct'), key: idText('key') });

const list: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/keys',
  summary: 'List the keys of an agent',
  description: 'Oldest first, revoked and expired ones too.',
  area: 'agents',
  access: needs('manage'),
  params: accountPath,
  answers: { 200: { description: 'All keys of the account.', schema: z.object({ data: z.array(agentKey) }) } },
};

const create: Operation = {
  method: 'POST',
  path: '/v1/accounts/:id/keys',
  summary: 'Make a key for an agent',
  description:
    'The agent shows it to your service, which hands it to the gate: it pays from the account, within its budgets. The answer shows the key once, in `secret`; a repeat with the same Idempotency-Key does not show it again.',
  area: 'agents',
  access: needs('manage'),
  params: accountPath,
  body: newKey,
  idempotency: 'once',
  answers: {
    201: {
      description: 'The key, and its secret for the only time.',
      schema: agentKey.extend({ secret: z.string().describe('The key the agent shows.') }),
    },
  },
};

const revoke: Operation = {
  method: 'DELETE',
  path: '/v1/accounts/:id/keys/:key',
  summary: 'Revoke a key of an agent',
  description: 'Takes effect everywhere within 5 seconds. Repeating it changes nothing.',
  area: 'agents',
  access: needs('manage'),
  params: keyPath,
  answers: { 200: { description: 'The key, revoked.', schema: agentKey } },
};

export const agentKeyOperations = [list, create, revoke];

@Controller()
export class AgentKeysController {
  constructor(
    private readonly listKeys: ListAgentKeys,
    private readonly createKey: CreateAgentKey,
    private readonly revokeKey: RevokeAgentKey,
  ) {}

  @Serves(list)
  async list(@By() caller: Caller, @Param('id') account: string) {
    return { data: (await this.listKeys.run({ provider: caller.provider, account })).map(agentKeyView) };
  }

  @Serves(create)
  async create(@By() caller: Caller, @Param('id') account: string, @Body() body: NewKeyBody) {
    const { key, text } = await this.createKey.run({
      provider: caller.provider,
      account,
      name: body.name,
      scopes: body.scopes ?? ['pay', 'read'],
      budgets: body.budgets ?? [],
      environment: caller.environment === 'live' ? 'live' : 'test',
      expiresAt: body.expiresAt,
    });
    return { ...agentKeyView(key), secret: text };
  }

  @Serves(revoke)
  async revoke(@By() caller: Caller, @Param('id') account: string, @Param('key') key: string) {
    return agentKeyView(await this.revokeKey.run({ provider: caller.provider, account, key }));
  }
}

import { AutoTopUps, ReadWallet } from '@features/wallet';
import { Controller, Req } from '@nestjs/common';
import { type Operation, Serves } from '@platform/http';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AgentCallers } from '../agent-caller.js';
import { agentScope, budgets, budgetsView } from '../agent-shapes.js';
import { optionalTime, shown } from '../fields.js';

const read: Operation = {
  method: 'GET',
  path: '/v1/agent',
  summary: 'Who you are here',
  description: 'For agents, with a key of scope read.',
  area: 'agents',
  access: 'public',
  perMinute: 600,
  answers: {
    200: {
      description: 'The account the key acts for, and what it may do.',
      schema: z.object({
        provider: z.string(),
        account: z.string(),
        key: z.string(),
        scopes: z.array(agentScope),
        budgets,
        expiresAt: shown.time.optional(),
      }),
    },
  },
};

const balance: Operation = {
  method: 'GET',
  path: '/v1/agent/balance',
  summary: 'What you have to spend here',
  description: 'For agents, with a key of scope read. What a key may spend at most is at /v1/agent.',
  area: 'agents',
  access: 'public',
  perMinute: 600,
  answers: {
    200: {
      description: 'The balances of the account the key acts for.',
      schema: z.object({
        account: z.string(),
        balances: z.array(
          z.object({
            asset: z.string(),
            balance: shown.signedAtomic,
            held: shown.atomic.describe('Set aside for requests under way.'),
            available: shown.atomic,
          }),
        ),
        topUp: z
          .object({ url: z.string(), provider: z.string(), account: z.string() })
          .describe('Where more is bought, and what the body of that request names besides its amount.'),
        wanted: z
          .array(z.object({ asset: z.string(), amount: shown.atomic, status: z.literal('wanted') }))
          .describe('What the account is to be filled up by. Nothing is bought before a wallet pays for it.'),
      }),
    },
  },
};

export const agentOperations = [read, balance];

@Controller()
export class AgentController {
  constructor(
    private readonly agents: AgentCallers,
    private readonly wallet: ReadWallet,
    private readonly autoTopUps: AutoTopUps,
  ) {}

  @Serves(read)
  async read(@Req() request: FastifyRequest) {
    const { provider, account, key, scopes, budgets: given, expiresAt } = await this.agents.holder(request, 'read');
    return { provider, account, key, scopes, budgets: budgetsView(given), expiresAt: optionalTime(expiresAt) };
  }

  @Serves(balance)
  async balance(@Req() request: FastifyRequest) {
    const { provider, account } = await this.agents.holder(request, 'read');
    const [{ balances }, settings] = await Promise.all([
      this.wallet.run({ provider, account }),
      this.autoTopUps.list({ provider, account }),
    ]);
    return {
      account,
      balances: balances.map((one) => ({
        asset: one.asset,
        balance: one.posted.toString(),
        held: one.held.toString(),
        available: one.available.toString(),
      })),
      topUp: { url: this.agents.urlOf('/v1/topups'), provider, account },
      wanted: settings.flatMap(({ asset, pending }) =>
        pending === undefined ? [] : [{ asset, amount: pending.toString(), status: 'wanted' as const }],
      ),
    };
  }
}

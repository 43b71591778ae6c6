import { Fault } from '@core/faults';
import type { PaymentAsset } from '@core/payments';
import { LIMIT_WINDOWS, type LimitSubject, windowEnd } from '@core/wallet';
import { ListAgentKeys } from '@features/accounts';
import { MeterReader } from '@features/metering';
import { ReadWallet, RemoveLimit, SetLimit, type UsedLimit } from '@features/wallet';
import { Body, Controller, Inject, Param, Res } from '@nestjs/common';
import { Database } from '@platform/database';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { atomicText, idText, label, needs, optionalTime, shown, time } from '../fields.js';
import { assetOf } from '../price-shapes.js';
import { unknownMeter } from './meters.controller.js';

// How much of its prepaid value an account may spend in a window.

const accountPath = z.strictObject({ id: idText('acct') });
type AccountPath = z.output<typeof accountPath>;
const limitPath = z.strictObject({ id: idText('acct'), limit: idText('lim') });
type LimitPath = z.output<typeof limitPath>;

export const limit = z.object({
  id: z.string(),
  asset: z.string(),
  key: z.string().optional().describe('Of this agent key alone.'),
  meter: z.string().optional().describe('Of this meter alone.'),
  window: z.enum(LIMIT_WINDOWS),
  amount: shown.atomic,
  hard: z.boolean(),
  alertPercents: z.array(z.int()),
  windowStart: shown.time,
  windowEnd: shown.time.optional(),
  spent: shown.atomic.describe('In the window under way.'),
  held: shown.atomic.describe('What requests under way may yet spend of it.'),
});

export const limitView = (set: UsedLimit) => ({
  id: set.id,
  asset: set.asset,
  ...(set.subject.kind === 'key' ? { key: set.subject.key } : {}),
  ...(set.subject.kind === 'meter' ? { meter: set.subject.meter } : {}),
  window: set.window,
  amount: set.amount.toString(),
  hard: set.hard,
  alertPercents: [...set.alertPercents],
  windowStart: time(set.windowStart),
  windowEnd: optionalTime(windowEnd(set.window, set.windowStart)),
  spent: set.spent.toString(),
  held: set.held.toString(),
});

const list: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/limits',
  summary: 'List the spending limits of an account',
  area: 'wallets',
  access: needs('read'),
  params: accountPath,
  answers: { 200: { description: 'With what is used of them.', schema: z.object({ data: z.array(limit) }) } },
};

const newLimit = z
  .strictObject({
    asset: z.string().optional().describe('An asset id; the first token that can be paid with when absent.'),
    key: idText('key').optional().describe('Of this agent key alone.'),
    meter: label(128).optional().describe('Name or id of a meter: of its use alone. Not together with `key`.'),
    window: z.enum(LIMIT_WINDOWS).describe('In UTC.'),
    amount: atomicText,
    hard: z
      .boolean()
      .optional()
      .describe('true, also when absent: what would pass it is refused. false: it raises an alert.'),
    alertPercents: z
      .array(z.int().min(1, 'must be 1 or more').max(100, 'must be at most 100'))
      .max(10, 'must be at most 10')
      .optional()
      .describe('Raises an alert when spending reaches these percentages; 80 and 100 when absent.'),
  })
  .refine(({ key, meter }) => key === undefined || meter === undefined, 'is of a key or of a meter, not of both');
type NewLimit = z.output<typeof newLimit>;

const set: Operation = {
  method: 'PUT',
  path: '/v1/accounts/:id/limits',
  summary: 'Set a spending limit of an account',
  description:
    'One for the account, for a key or for a meter, and window; set again it is changed. What was spent in the window under way counts.',
  area: 'wallets',
  access: needs('manage'),
  params: accountPath,
  body: newLimit,
  idempotency: 'repeatable',
  answers: { 200: { description: 'As it is now.', schema: limit } },
};

const remove: Operation = {
  method: 'DELETE',
  path: '/v1/accounts/:id/limits/:limit',
  summary: 'Take a spending limit away',
  area: 'wallets',
  access: needs('manage'),
  params: limitPath,
  idempotency: 'repeatable',
  answers: { 204: { description: 'It is gone.' } },
};

export const limitOperations = [list, set, remove];

@Controller()
export class LimitsController {
  constructor(
    private readonly readWallet: ReadWallet,
    private readonly setLimit: SetLimit,
    private readonly removeLimit: RemoveLimit,
    private readonly agentKeys: ListAgentKeys,
    private readonly meters: MeterReader,
    private readonly database: Database,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller, @Param() { id }: AccountPath) {
    return { data: (await this.readWallet.run({ provider, account: id })).limits.map(limitView) };
  }

  @Serves(set)
  async set(@By() { provider }: Caller, @Param() { id }: AccountPath, @Body() body: NewLimit) {
    const { asset, key, meter, hard = true, ...rest } = body;
    const subject = await this.#subject({ provider, account: id, key, meter });
    const made = await this.setLimit.run({
      ...rest,
      provider,
      account: id,
      asset: assetOf(this.tokens, asset).id,
      subject,
      hard,
    });
    return limitView(made);
  }

  @Serves(remove)
  async remove(
    @By() { provider }: Caller,
    @Param() { id, limit: asked }: LimitPath,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    await this.removeLimit.run({ provider, account: id, limit: asked });
    void reply.code(204);
  }

  /** A limit of a key or a meter that is not there would limit nothing, and nobody would notice. */
  async #subject(of: {
    readonly provider: string;
    readonly account: string;
    readonly key: string | undefined;
    readonly meter: string | undefined;
  }): Promise<LimitSubject> {
    const { key, meter } = of;
    if (key !== undefined) {
      const known = await this.agentKeys.run(of);
      if (!known.some(({ id }) => id === key))
        throw new Fault('not_found', 'The account has no such key. GET /v1/accounts/:id/keys lists them.', {
          reason: 'unknown_key',
        });
      return { kind: 'key', key };
    }
    if (meter === undefined) return { kind: 'account' };
    const found = await this.database.forProvider(of.provider, (tx) => this.meters.find(tx, meter));
    if (!found) throw unknownMeter(meter);
    return { kind: 'meter', meter: found.name };
  }
}

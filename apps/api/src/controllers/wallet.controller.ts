import type { PaymentAsset } from '@core/payments';
import { Clock } from '@core/time';
import { ALERT_KINDS, type AutoTopUp, AutoTopUps, ReadWallet, WalletAlerts } from '@features/wallet';
import { Body, Controller, Inject, Param, Query, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { atomicText, idText, needs, optionalTime, PAGE, pageLimit, shown, time } from '../fields.js';
import { grant, grantView } from '../grant-shapes.js';
import { assetOf } from '../price-shapes.js';
import { limit, limitView } from './limits.controller.js';

// What an account has to spend, what is told about it, and how it is filled up.

const accountPath = z.strictObject({ id: idText('acct') });
type AccountPath = z.output<typeof accountPath>;
const assetText = z.string().optional().describe('An asset id; the first token that can be paid with when absent.');

const read: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/wallet',
  summary: 'What an account has to spend',
  area: 'wallets',
  access: needs('read'),
  params: accountPath,
  answers: {
    200: {
      description: 'By asset.',
      schema: z.object({
        account: z.string(),
        balances: z.array(
          z.object({
            asset: z.string(),
            balance: shown.signedAtomic.describe('What its grants have left, less what is owed.'),
            held: shown.atomic.describe('Set aside for requests under way.'),
            available: shown.atomic.describe(
              'What any request could have now. What is for some meters only is not in it.',
            ),
            owed: shown.atomic,
            creditLimit: shown.atomic,
            alertBelow: z.array(shown.atomic),
            grants: z.array(grant).describe('With something left, in the order in which they are spent.'),
          }),
        ),
        limits: z.array(limit),
      }),
    },
  },
};

const alertQuery = z.strictObject({ limit: pageLimit, cursor: idText('alt').optional() });
type AlertQuery = z.output<typeof alertQuery>;

const listAlerts: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/alerts',
  summary: 'What was told about a wallet',
  description:
    'Each once per crossing: a balance that fell to a threshold, a limit that was reached, value that is to be bought.',
  area: 'wallets',
  access: needs('read'),
  params: accountPath,
  query: alertQuery,
  answers: {
    200: {
      description: 'A page, newest first.',
      schema: z.object({
        data: z.array(
          z.object({
            id: z.string(),
            asset: z.string(),
            kind: z.enum(ALERT_KINDS),
            details: z.record(z.string(), z.unknown()),
            raisedAt: shown.time,
          }),
        ),
        next: shown.next,
      }),
    },
  },
};

const thresholds = z.strictObject({
  asset: assetText,
  below: z
    .array(atomicText)
    .max(10, 'must be at most 10')
    .describe('Raises an alert when the balance falls to one of these.'),
});
type Thresholds = z.output<typeof thresholds>;

const setThresholds: Operation = {
  method: 'PUT',
  path: '/v1/accounts/:id/alerts',
  summary: 'Set at which balances an alert is raised',
  description: 'In place of those set before.',
  area: 'wallets',
  access: needs('manage'),
  params: accountPath,
  body: thresholds,
  idempotency: 'repeatable',
  answers: { 204: { description: 'Set.' } },
};

const topUp = z.object({
  asset: z.string(),
  threshold: shown.atomic,
  fixed: shown.atomic.optional(),
  upTo: shown.atomic.optional(),
  coolOffSeconds: z.int(),
  perDay: z.int(),
  maxFailures: z.int(),
  pending: shown.atomic.optional().describe('What is being bought now.'),
  lastAt: shown.time.optional(),
  failures: z.int().describe('In a row; at `maxFailures` it stops until it is set again.'),
});

const topUpView = (one: AutoTopUp) => ({
  asset: one.asset,
  threshold: one.threshold.toString(),
  ...('fixed' in one.buys ? { fixed: one.buys.fixed.toString() } : { upTo: one.buys.upTo.toString() }),
  coolOffSeconds: one.coolOffSeconds,
  perDay: one.perDay,
  maxFailures: one.maxFailures,
  pending: one.pending?.toString(),
  lastAt: optionalTime(one.lastAt),
  failures: one.failures,
});

const listTopUps: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/auto-topup',
  summary: 'How an account is filled up',
  area: 'wallets',
  access: needs('read'),
  params: accountPath,
  answers: { 200: { description: 'By asset.', schema: z.object({ data: z.array(topUp) }) } },
};

const positive = atomicText.refine((atomic) => atomic > 0n, 'must be more than zero');

const newTopUp = z
  .strictObject({
    asset: assetText,
    threshold: atomicText.describe('Due when what is available is this or less.'),
    fixed: positive.optional().describe('Buys this much.'),
    upTo: positive.optional().describe('Buys what is missing to this.'),
    coolOffSeconds: z
      .int()
      .min(0, 'must be 0 or more')
      .max(2_592_000, 'must be at most 2592000')
      .optional()
      .describe('3600 when absent.'),
    perDay: z
      .int()
      .min(1, 'must be 1 or more')
      .max(1000, 'must be at most 1000')
      .optional()
      .describe('Most in a day, UTC; 3 when absent.'),
    maxFailures: z
      .int()
      .min(1, 'must be 1 or more')
      .max(100, 'must be at most 100')
      .optional()
      .describe('3 when absent.'),
  })
  .refine(({ fixed, upTo }) => (fixed === undefined) !== (upTo === undefined), 'must have one of `fixed` and `upTo`');
type NewTopUp = z.output<typeof newTopUp>;

const setTopUp: Operation = {
  method: 'PUT',
  path: '/v1/accounts/:id/auto-topup',
  summary: 'Fill an account up when little is left',
  description: 'When it is due an alert `top_up_due` says so, one at a time.',
  area: 'wallets',
  access: needs('manage'),
  params: accountPath,
  body: newTopUp,
  idempotency: 'repeatable',
  answers: { 200: { description: 'As it is now.', schema: topUp } },
};

const topUpQuery = z.strictObject({ asset: assetText });
type TopUpQuery = z.output<typeof topUpQuery>;

const removeTopUp: Operation = {
  method: 'DELETE',
  path: '/v1/accounts/:id/auto-topup',
  summary: 'Fill an account up no more',
  area: 'wallets',
  access: needs('manage'),
  params: accountPath,
  query: topUpQuery,
  idempotency: 'repeatable',
  answers: { 204: { description: 'It is gone.' } },
};

export const walletOperations = [read, listAlerts, setThresholds, listTopUps, setTopUp, removeTopUp];

@Controller()
export class WalletController {
  constructor(
    private readonly readWallet: ReadWallet,
    private readonly alerts: WalletAlerts,
    private readonly topUps: AutoTopUps,
    private readonly clock: Clock,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
  ) {}

  @Serves(read)
  async read(@By() { provider }: Caller, @Param() { id }: AccountPath) {
    const { account, balances, limits } = await this.readWallet.run({ provider, account: id });
    const now = this.clock.now();
    return {
      account,
      balances: balances.map((one) => ({
        asset: one.asset,
        balance: one.posted.toString(),
        held: one.held.toString(),
        available: one.available.toString(),
        owed: one.owed.toString(),
        creditLimit: one.creditLimit.toString(),
        alertBelow: one.alertBelow.map(String),
        grants: one.grants.map((each) => grantView(each, now)),
      })),
      limits: limits.map(limitView),
    };
  }

  @Serves(listAlerts)
  async listAlerts(@By() { provider }: Caller, @Param() { id }: AccountPath, @Query() query: AlertQuery) {
    const most = query.limit ?? PAGE;
    const found = await this.alerts.list({ provider, account: id, limit: most + 1, before: query.cursor });
    const shownAlerts = found.slice(0, most);
    return {
      data: shownAlerts.map(({ id: alert, asset, kind, details, raisedAt }) => ({
        id: alert,
        asset,
        kind,
        details,
        raisedAt: time(raisedAt),
      })),
      next: found.length > most ? (shownAlerts.at(-1)?.id ?? null) : null,
    };
  }

  @Serves(setThresholds)
  async setThresholds(
    @By() { provider }: Caller,
    @Param() { id }: AccountPath,
    @Body() { asset, below }: Thresholds,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    await this.alerts.setThresholds({ provider, account: id, asset: assetOf(this.tokens, asset).id, below });
    void reply.code(204);
  }

  @Serves(listTopUps)
  async listTopUps(@By() { provider }: Caller, @Param() { id }: AccountPath) {
    return { data: (await this.topUps.list({ provider, account: id })).map(topUpView) };
  }

  @Serves(setTopUp)
  async setTopUp(@By() { provider }: Caller, @Param() { id }: AccountPath, @Body() body: NewTopUp) {
    const { asset, fixed, upTo, coolOffSeconds = 3600, perDay = 3, maxFailures = 3, threshold } = body;
    const set = await this.topUps.set({
      provider,
      account: id,
      asset: assetOf(this.tokens, asset).id,
      threshold,
      buys: fixed === undefined ? { upTo: upTo ?? threshold } : { fixed },
      coolOffSeconds,
      perDay,
      maxFailures,
    });
    return topUpView(set);
  }

  @Serves(removeTopUp)
  async removeTopUp(
    @By() { provider }: Caller,
    @Param() { id }: AccountPath,
    @Query() { asset }: TopUpQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    await this.topUps.remove({ provider, account: id, asset: assetOf(this.tokens, asset).id });
    void reply.code(204);
  }
}

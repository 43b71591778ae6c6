import type { PaymentAsset } from '@core/payments';
import { Clock } from '@core/time';
import { GRANT_KINDS } from '@core/wallet';
import { IssueGrant, ListGrants, RefundGrant, VoidGrant } from '@features/wallet';
import { Body, Controller, Inject, Param, Query, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { atomicText, idText, instantText, label, needs, PAGE, pageLimit, shown } from '../fields.js';
import { grant, grantView } from '../grant-shapes.js';
import { assetOf } from '../price-shapes.js';

// Prepaid value given to accounts.

const accountPath = z.strictObject({ id: idText('acct') });
type AccountPath = z.output<typeof accountPath>;
const grantPath = z.strictObject({ id: idText('grt') });
type GrantPath = z.output<typeof grantPath>;

const page = z.strictObject({ limit: pageLimit, cursor: idText('grt').optional() });
type Page = z.output<typeof page>;

const list: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/grants',
  summary: 'List the grants of an account',
  area: 'wallets',
  access: needs('read'),
  params: accountPath,
  query: page,
  answers: {
    200: { description: 'A page, newest first.', schema: z.object({ data: z.array(grant), next: shown.next }) },
  },
};

const newGrant = z.strictObject({
  kind: z.enum(GRANT_KINDS),
  amount: atomicText,
  asset: z.string().optional().describe('An asset id; the first token that can be paid with when absent.'),
  cost: atomicText
    .optional()
    .describe('What was paid for it: at most the amount; the amount when absent. Of paid grants only.'),
  funding: label(128).optional().describe('What paid for it, e.g. the number of a receipt. A paid grant needs it.'),
  reason: label(200).optional(),
  priority: z
    .int()
    .min(0, 'must be 0 or more')
    .max(1_000_000, 'must be at most 1000000')
    .optional()
    .describe('Lower is spent first; 100 when absent.'),
  effectiveAt: instantText.optional().describe('Now when absent.'),
  expiresAt: instantText.optional().describe('The first instant at which it is no longer good; never when absent.'),
  scope: z
    .array(label(128))
    .min(1, 'must name at least one meter')
    .max(100, 'must name at most 100 meters')
    .optional()
    .describe('Names of the meters it may be spent on; all when absent.'),
  recurrence: z
    .strictObject({
      every: z.enum(['day', 'week', 'month']).describe('Counted from `effectiveAt`, in UTC.'),
      until: instantText.optional(),
      rollover: z
        .strictObject({ min: atomicText, max: atomicText })
        .optional()
        .describe('What stays of the rest: at least `min`, at most `max`. Absent: it is filled up to its amount.'),
      keepsOverage: z
        .boolean()
        .optional()
        .describe('Whether a renewal pays for use beyond the grants; false when absent.'),
    })
    .optional()
    .describe('Of value that is given only.'),
  key: label(128)
    .optional()
    .describe('Your own name for the grant, unique for the account: repeating it issues nothing more.'),
});
type NewGrant = z.output<typeof newGrant>;

const issue: Operation = {
  method: 'POST',
  path: '/v1/accounts/:id/grants',
  summary: 'Give an account prepaid value',
  description:
    'Paid value is a debt of yours until it is used and can be refunded; issue it when its payment is final. Promotional and goodwill value is given.',
  area: 'wallets',
  access: needs('manage'),
  params: accountPath,
  body: newGrant,
  idempotency: 'once',
  answers: {
    201: { description: 'Issued.', schema: grant },
    200: { description: 'The grant of this key, issued before.', schema: grant },
  },
};

const voided: Operation = {
  method: 'POST',
  path: '/v1/grants/:id/void',
  summary: 'Take back what is left of a grant',
  description: 'What open requests have set aside of it goes when they give it back. Repeating it changes nothing.',
  area: 'wallets',
  access: needs('manage'),
  params: grantPath,
  idempotency: 'repeatable',
  answers: {
    200: { description: 'The grant, void.', schema: grant },
    409: { description: 'Nothing is left of it: it is used up or has expired.' },
  },
};

const newRefund = z.strictObject({
  amount: atomicText.optional().describe('Of value; all that is left and not held when absent.'),
  key: label(128).optional().describe('Your own name for the refund: repeating it refunds nothing more.'),
});
type NewRefund = z.output<typeof newRefund>;

const refund: Operation = {
  method: 'POST',
  path: '/v1/grants/:id/refund',
  summary: 'Refund unused paid value',
  description: 'Takes the value back at once and owes its share of what was paid; sending the money is another step.',
  area: 'wallets',
  access: needs('finance'),
  params: grantPath,
  body: newRefund,
  idempotency: 'once',
  answers: {
    201: {
      description: 'What is owed.',
      schema: z.object({
        id: z.string(),
        value: shown.atomic.describe('Taken from the grant.'),
        cash: shown.atomic.describe('Owed for it: its share of what was paid, rounded down.'),
        grant,
      }),
    },
    409: { description: 'It was not paid for, nothing is left, or more was asked for than is left.' },
  },
};

export const grantOperations = [list, issue, voided, refund];

@Controller()
export class GrantsController {
  constructor(
    private readonly listGrants: ListGrants,
    private readonly issueGrant: IssueGrant,
    private readonly voidGrant: VoidGrant,
    private readonly refundGrant: RefundGrant,
    private readonly clock: Clock,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller, @Param() { id }: AccountPath, @Query() { limit, cursor }: Page) {
    const found = await this.listGrants.run({ provider, account: id, limit: limit ?? PAGE, before: cursor });
    return { data: found.grants.map((one) => grantView(one, this.clock.now())), next: found.next ?? null };
  }

  @Serves(issue)
  async issue(
    @By() { provider }: Caller,
    @Param() { id }: AccountPath,
    @Body() { asset, recurrence, ...rest }: NewGrant,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { outcome, grant: issued } = await this.issueGrant.run({
      ...rest,
      provider,
      account: id,
      asset: assetOf(this.tokens, asset).id,
      recurrence: recurrence && { ...recurrence, keepsOverage: recurrence.keepsOverage ?? false },
    });
    void reply.code(outcome === 'issued' ? 201 : 200);
    return grantView(issued, this.clock.now());
  }

  @Serves(voided)
  async void(@By() { provider }: Caller, @Param() { id }: GrantPath, @Res({ passthrough: true }) reply: FastifyReply) {
    void reply.code(200);
    return grantView((await this.voidGrant.run({ provider, grant: id })).grant, this.clock.now());
  }

  @Serves(refund)
  async refund(@By() { provider }: Caller, @Param() { id }: GrantPath, @Body() body: NewRefund) {
    const { refund: owed } = await this.refundGrant.run({ ...body, provider, grant: id });
    return {
      id: owed.id,
      value: owed.value.toString(),
      cash: owed.cash.toString(),
      grant: grantView(owed.grant, this.clock.now()),
    };
  }
}

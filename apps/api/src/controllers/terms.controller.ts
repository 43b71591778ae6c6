import type { PaymentAsset } from '@core/payments';
import { BILLING_RAILS, PAST_DUE, ReadTerms, SetTerms, STANDINGS, type Terms } from '@features/accounts';
import { type CreditLine, ReadCredit, SetCredit } from '@features/wallet';
import { Body, Controller, Inject, Param } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { atomicText, idText, needs, shown, time } from '../fields.js';
import { assetOf } from '../price-shapes.js';

// Accounts that work now and are billed later: by which terms, and how much they may owe.

const accountPath = z.strictObject({ id: idText('acct') });
type AccountPath = z.output<typeof accountPath>;
const PERIODS = ['day', 'week', 'month'] as const;
const assetText = z.string().optional().describe('An asset id; the first token that can be paid with when absent.');

const terms = z.object({
  account: z.string(),
  asset: z.string(),
  period: z.enum(PERIODS),
  zone: z.string(),
  graceSeconds: z.int(),
  dueDays: z.int(),
  rails: z.array(z.enum(BILLING_RAILS)),
  pastDue: z.enum(PAST_DUE),
  standing: z.enum(STANDINGS),
  periodStart: shown.time,
  periodEnd: shown.time.describe('Of the period under way; it is closed when its grace is over too.'),
});

const termsView = ({ current, updatedAt: _, rails, ...rest }: Terms) => ({
  ...rest,
  rails: [...rails],
  periodStart: time(current.start),
  periodEnd: time(current.end),
});

const newTerms = z.strictObject({
  asset: assetText,
  period: z.enum(PERIODS),
  zone: z.string().max(64).optional().describe('Of the IANA database; UTC when absent. Weeks begin on Monday.'),
  graceSeconds: z
    .int()
    .min(60, 'must be 60 or more')
    .max(604_800, 'must be at most 604800')
    .optional()
    .describe('How long usage of a period is waited for after its end; 3600 when absent.'),
  dueDays: z.int().min(0, 'must be 0 or more').max(120, 'must be at most 120').optional().describe('0 when absent.'),
  rails: z
    .array(z.enum(BILLING_RAILS))
    .max(3, 'must be at most 3')
    .refine((rails) => new Set(rails).size === rails.length, 'must name each rail once')
    .optional()
    .describe('In order of preference. None: the account pays its statements itself.'),
  pastDue: z.enum(PAST_DUE).optional().describe('What happens to the account then; prepaid_only when absent.'),
});
type NewTerms = z.output<typeof newTerms>;

const readTerms: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/terms',
  summary: 'By which terms an account is billed',
  area: 'deferred accounts',
  access: needs('read'),
  params: accountPath,
  answers: { 200: { description: 'As agreed.', schema: terms } },
};

const setTerms: Operation = {
  method: 'PUT',
  path: '/v1/accounts/:id/terms',
  summary: 'Agree by which terms an account is billed',
  description:
    'From then on a statement is issued for each period and collected on the rails, in their order. A period that is under way ends as it would have.',
  area: 'deferred accounts',
  access: needs('manage'),
  params: accountPath,
  body: newTerms,
  idempotency: 'repeatable',
  answers: { 200: { description: 'As they are now.', schema: terms } },
};

const credit = z.object({
  asset: z.string(),
  limit: shown.atomic,
  held: shown.atomic.describe('Set aside for requests under way.'),
  unbilledCalls: shown.atomic.describe('Requests on credit that are on no statement yet.'),
  due: shown.signedAtomic.describe('Rated usage that is on no statement yet, and statements that are not paid.'),
  available: shown.atomic,
  restricted: z.boolean().describe('Past due: nothing more on credit until it is paid.'),
});

const creditView = ({ limit, held, unbilledCalls, due, available, ...rest }: CreditLine) => ({
  ...rest,
  limit: limit.toString(),
  held: held.toString(),
  unbilledCalls: unbilledCalls.toString(),
  due: due.toString(),
  available: available.toString(),
});

const readCredit: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/credit',
  summary: 'What an account may owe, and owes',
  area: 'deferred accounts',
  access: needs('read'),
  params: accountPath,
  answers: { 200: { description: 'By asset.', schema: z.object({ data: z.array(credit) }) } },
};

const newCredit = z.strictObject({ asset: assetText, limit: atomicText });
type NewCredit = z.output<typeof newCredit>;

const setCredit: Operation = {
  method: 'PUT',
  path: '/v1/accounts/:id/credit',
  summary: 'Give an account a credit line',
  description:
    'What its grants do not cover is then had on credit, up to the limit. Counted are requests under way, usage that is not billed yet and statements that are not paid.',
  area: 'deferred accounts',
  access: needs('manage'),
  params: accountPath,
  body: newCredit,
  idempotency: 'repeatable',
  answers: { 200: { description: 'As it is now.', schema: credit } },
};

export const termsOperations = [readTerms, setTerms, readCredit, setCredit];

@Controller()
export class TermsController {
  constructor(
    private readonly terms: ReadTerms,
    private readonly agree: SetTerms,
    private readonly credit: ReadCredit,
    private readonly give: SetCredit,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
  ) {}

  @Serves(readTerms)
  async readTerms(@By() { provider }: Caller, @Param() { id }: AccountPath) {
    return termsView(await this.terms.run({ provider, account: id }));
  }

  @Serves(setTerms)
  async setTerms(@By() { provider }: Caller, @Param() { id }: AccountPath, @Body() { asset, ...body }: NewTerms) {
    const of = { provider, account: id, asset: assetOf(this.tokens, asset).id };
    return termsView(await this.agree.run({ ...body, ...of }));
  }

  @Serves(readCredit)
  async readCredit(@By() { provider }: Caller, @Param() { id }: AccountPath) {
    return { data: (await this.credit.run({ provider, account: id })).map(creditView) };
  }

  @Serves(setCredit)
  async setCredit(@By() { provider }: Caller, @Param() { id }: AccountPath, @Body() { asset, limit }: NewCredit) {
    return creditView(await this.give.run({ provider, account: id, asset: assetOf(this.tokens, asset).id, limit }));
  }
}

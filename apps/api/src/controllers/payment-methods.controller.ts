import type { PaymentAsset } from '@core/payments';
import { ManageMethods, OpenCheckout, type PaymentMethod } from '@features/collections';
import { Body, Controller, Inject, Param, Res } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { PRICEABLE_TOKENS } from '../chain.js';
import { idText, needs, shown, time } from '../fields.js';
import { assetOf } from '../price-shapes.js';

// What accounts are charged by, and balance that is bought by card or bank: on pages of Stripe's, never here.

const accountPath = z.strictObject({ id: idText('acct') });
type AccountPath = z.output<typeof accountPath>;
const methodPath = z.strictObject({ id: idText('acct'), method: idText('pmt') });
type MethodPath = z.output<typeof methodPath>;

const TYPES = ['card', 'us_bank_account', 'sepa_debit'] as const;
const webUrl = z
  .string()
  .max(2_000, 'must have at most 2000 characters')
  .refine(
    (text) => /^https?:\/\//.test(text) && URL.canParse(text),
    'must be a URL that begins with https:// or http://',
  );
const returns = {
  successUrl: webUrl.describe('Where the holder comes back to.'),
  cancelUrl: webUrl.describe('Where the holder comes back to without having done it.'),
};

const method = z.object({
  id: z.string(),
  account: z.string(),
  rail: z.enum(['card', 'bank']),
  type: z.enum(TYPES),
  label: z.string().describe('Brand or bank, and the last four digits.'),
  isDefault: z.boolean().describe('Tried first on its rail.'),
  state: z.enum(['active', 'dead', 'detached']),
  reason: z.string().optional(),
  createdAt: shown.time,
});

const methodView = ({ createdAt, reason, ...rest }: PaymentMethod) => ({
  ...rest,
  ...(reason === undefined ? {} : { reason }),
  createdAt: time(createdAt),
});

const page = z.object({
  id: z.string(),
  url: z.string().describe('Of a page of Stripe’s: send the holder of the account there.'),
  expiresAt: shown.time,
});

const list: Operation = {
  method: 'GET',
  path: '/v1/accounts/:id/payment-methods',
  summary: 'List what an account can be charged by',
  area: 'deferred accounts',
  access: needs('read'),
  params: accountPath,
  answers: { 200: { description: 'Those that ended too, newest first.', schema: z.object({ data: z.array(method) }) } },
};

const newMethod = z.strictObject({
  types: z
    .array(z.enum(TYPES))
    .min(1, 'must name at least one')
    .max(3, 'must be at most 3')
    .optional()
    .describe('card when absent.'),
  ...returns,
});
type NewMethod = z.output<typeof newMethod>;

const add: Operation = {
  method: 'POST',
  path: '/v1/accounts/:id/payment-methods',
  summary: 'Ask for a card or bank account of an account',
  description:
    'Answers with the address of a page of Stripe’s on which its holder gives it. It is stored once that is done; card numbers never come here.',
  area: 'deferred accounts',
  access: needs('manage'),
  params: accountPath,
  body: newMethod,
  answers: { 201: { description: 'The page is open for a day.', schema: page } },
};

const prefer: Operation = {
  method: 'POST',
  path: '/v1/accounts/:id/payment-methods/:method/default',
  summary: 'Try this payment method first on its rail',
  area: 'deferred accounts',
  access: needs('manage'),
  params: methodPath,
  idempotency: 'repeatable',
  answers: { 200: { description: 'As it is now.', schema: method } },
};

const remove: Operation = {
  method: 'DELETE',
  path: '/v1/accounts/:id/payment-methods/:method',
  summary: 'Take a payment method away',
  area: 'deferred accounts',
  access: needs('manage'),
  params: methodPath,
  idempotency: 'repeatable',
  answers: { 204: { description: 'It is not charged any more.' } },
};

const newCheckout = z.strictObject({
  account: idText('acct'),
  cents: z
    .int('must be a whole number')
    .min(50, 'must be 50 or more')
    .max(99_999_999, 'must be at most 99999999')
    .describe('US cents.'),
  asset: z
    .string()
    .optional()
    .describe(
      'What the balance is in: iso4217:USD, or a token at par; the first token that can be paid with when absent.',
    ),
  ...returns,
});
type NewCheckout = z.output<typeof newCheckout>;

const buy: Operation = {
  method: 'POST',
  path: '/v1/topups/checkout',
  summary: 'Buy prepaid balance by card or bank',
  description:
    'Answers with the address of a page of Stripe’s. The balance is there once it is paid there: by card at once, by bank debit days later.',
  area: 'deferred accounts',
  access: needs('manage'),
  body: newCheckout,
  answers: { 201: { description: 'The page is open for a day.', schema: page } },
};

export const paymentMethodOperations = [list, add, prefer, remove, buy];

@Controller()
export class PaymentMethodsController {
  constructor(
    private readonly methods: ManageMethods,
    private readonly checkout: OpenCheckout,
    @Inject(PRICEABLE_TOKENS) private readonly tokens: readonly PaymentAsset[],
  ) {}

  @Serves(list)
  async list(@By() { provider }: Caller, @Param() { id }: AccountPath) {
    return { data: (await this.methods.list({ provider, account: id })).map(methodView) };
  }

  @Serves(add)
  async add(
    @By() { provider }: Caller,
    @Param() { id }: AccountPath,
    @Body() { types = ['card'], ...body }: NewMethod,
  ) {
    const { checkout, url } = await this.checkout.storeMethod({ ...body, provider, account: id, types });
    return { id: checkout.id, url, expiresAt: time(checkout.expiresAt) };
  }

  @Serves(prefer)
  async prefer(@By() { provider }: Caller, @Param() path: MethodPath) {
    return methodView(await this.methods.prefer({ provider, account: path.id, method: path.method }));
  }

  @Serves(remove)
  async remove(@By() { provider }: Caller, @Param() path: MethodPath, @Res({ passthrough: true }) reply: FastifyReply) {
    await this.methods.remove({ provider, account: path.id, method: path.method });
    void reply.code(204);
  }

  @Serves(buy)
  async buy(@By() { provider }: Caller, @Body() { asset, cents, ...body }: NewCheckout) {
    const bought = { cents: BigInt(cents), asset: assetOf(this.tokens, asset).id };
    const { checkout, url } = await this.checkout.buyBalance({ ...body, ...bought, provider });
    return { id: checkout.id, url, expiresAt: time(checkout.expiresAt) };
  }
}

import { type CardRefund, RefundStatement } from '@features/collections';
import { Body, Controller, Param } from '@nestjs/common';
import { By, type Caller, type Operation, Serves } from '@platform/http';
import { z } from 'zod';
import { idText, label, needs, shown } from '../fields.js';

// Money that goes back for a statement that was collected by card or bank.

const path = z.strictObject({ id: idText('stm') });
type Path = z.output<typeof path>;

const refund = z.object({
  id: z.string(),
  statement: z.string(),
  account: z.string(),
  cents: shown.atomic.describe('US cents.'),
  asset: z.string(),
  value: shown.atomic.describe('What they are of the statement, at par.'),
  reason: z.string(),
  state: z
    .enum(['owed', 'sent', 'succeeded', 'failed'])
    .describe('owed: booked, and to be sent. failed: it did not arrive, and is owed no longer.'),
  failure: z.string().optional(),
});

const view = ({ id, statement, account, cents, asset, value, reason, state, failure }: CardRefund) => ({
  ...{ id, statement, account, asset, reason, state },
  cents: cents.toString(),
  value: value.toString(),
  ...(failure === undefined ? {} : { failure }),
});

const newRefund = z.strictObject({
  cents: z
    .int('must be a whole number')
    .min(1, 'must be 1 or more')
    .max(99_999_999, 'must be at most 99999999')
    .optional()
    .describe('US cents; all that was collected and not given back when absent.'),
  reason: label(256).describe('Why, for the books.'),
});
type NewRefund = z.output<typeof newRefund>;

const give: Operation = {
  method: 'POST',
  path: '/v1/statements/:id/refunds',
  summary: 'Give money back for a statement that was collected by card or bank',
  description: 'What was earned is less by it; the statement stays paid. The money goes where it came from.',
  area: 'finance',
  access: needs('finance'),
  params: path,
  body: newRefund,
  answers: { 201: { description: 'Booked; it is sent within seconds.', schema: refund } },
};

const list: Operation = {
  method: 'GET',
  path: '/v1/statements/:id/refunds',
  summary: 'List the refunds of a statement',
  area: 'finance',
  access: needs('finance'),
  params: path,
  answers: { 200: { description: 'Newest first.', schema: z.object({ data: z.array(refund) }) } },
};

export const cardRefundOperations = [give, list];

@Controller()
export class CardRefundsController {
  constructor(private readonly refunds: RefundStatement) {}

  @Serves(give)
  async give(@By() { provider }: Caller, @Param() { id }: Path, @Body() { cents, reason }: NewRefund) {
    const asked = cents === undefined ? {} : { cents: BigInt(cents) };
    return view(await this.refunds.run({ provider, statement: id, reason, ...asked }));
  }

  @Serves(list)
  async list(@By() { provider }: Caller, @Param() { id }: Path) {
    return { data: (await this.refunds.list({ provider, statement: id })).map(view) };
  }
}

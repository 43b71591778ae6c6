import { Fault } from '@core/faults';
import { STATEMENT_PAYMENT_STATUSES, type StatementSweeps } from '@features/collections';
import { callerOf, type HotRoute, type Operation } from '@platform/http';
import { z } from 'zod';
import { needs, shown } from '../fields.js';

// Statements that are paid by x402: each is itself a resource, priced at what is open of it.

const statementPayment = z.object({
  id: z.string(),
  status: z
    .enum(STATEMENT_PAYMENT_STATUSES)
    .describe(
      'confirmed: its transfer is in a block; applied: it is final, and the statement has taken of it what was open.',
    ),
  statement: z.string(),
  provider: z.string(),
  payer: z.string(),
  network: z.string().describe('CAIP-2.'),
  asset: z.string().describe('Asset id of the token.'),
  amount: shown.atomic,
  applied: shown.atomic.optional().describe('What the statement took, atomic units of the token.'),
  unapplied: shown.atomic
    .optional()
    .describe(
      'What was over, as the statement had been paid otherwise meanwhile: received for the account, and not applied.',
    ),
  payment: z.string(),
  transaction: z.string().optional().describe('Hash of the transfer.'),
  statusUrl: z.string(),
});

const paid = z.object({ statementPayment });

const path = z.strictObject({ id: z.string() });

const pay: Operation = {
  method: 'POST',
  path: '/v1/statements/:id/pay',
  summary: 'Pay a statement in USDC',
  description:
    'For whoever knows its id: answers 402 with what is open, and takes that payment in PAYMENT-SIGNATURE or X-PAYMENT, scheme exact. A statement in US dollars is paid at par. The same payment again gives the same answer.',
  area: 'agents',
  access: 'public',
  perMinute: 600,
  params: path,
  answers: {
    201: { description: 'Paid: its transfer is in a block. Applied once that is final.', schema: paid },
    202: { description: 'The payment is taken and on its way: look at `statusUrl`.', schema: paid },
    402: { description: 'What to pay, in PAYMENT-REQUIRED (version 1: in the body).' },
    409: { description: 'Nothing is due, or it is being paid or collected already. Nothing was charged.' },
  },
};

const read: Operation = {
  method: 'GET',
  path: '/v1/statement-payments/:id',
  summary: 'Where the payment of a statement stands',
  description: 'For whoever knows its id.',
  area: 'agents',
  access: 'public',
  perMinute: 1200,
  params: path,
  answers: { 200: { description: 'The payment.', schema: statementPayment } },
};

const list: Operation = {
  method: 'GET',
  path: '/v1/statements/:id/payments',
  summary: 'The payments of a statement in USDC',
  description: 'Newest first. What is over is received for the account, and not applied.',
  area: 'finance',
  access: needs('read'),
  params: path,
  answers: { 200: { description: 'The payments.', schema: z.object({ data: z.array(statementPayment) }) } },
};

export const statementPaymentOperations = [pay, read, list];

const headerOf = (value: string | string[] | undefined): string | undefined =>
  value === undefined ? undefined : [value].flat().join(', ');

export const statementPaymentRoutes = (sweeps: StatementSweeps): HotRoute[] => [
  {
    operation: pay,
    answer: async (request, reply) => {
      const { headers } = request;
      const answer = await sweeps.pay.run({
        statement: (request.params as z.output<typeof path>).id,
        paymentSignature: headerOf(headers['payment-signature']),
        xPayment: headerOf(headers['x-payment']),
      });
      return reply.code(answer.status).headers(answer.headers).send(Buffer.from(answer.body, 'base64'));
    },
  },
  {
    operation: read,
    answer: async (request, reply) => {
      const found = await sweeps.read.find((request.params as z.output<typeof path>).id);
      if (!found)
        throw new Fault('not_found', 'There is no payment of a statement with this id.', {
          reason: 'unknown_statement_payment',
        });
      void reply.header('cache-control', 'no-store');
      return found;
    },
  },
  {
    operation: list,
    answer: async (request) => ({
      data: await sweeps.read.ofStatement(callerOf(request).provider, (request.params as z.output<typeof path>).id),
    }),
  },
];

import { Fault } from '@core/faults';
import type { Payments } from '@features/payments';
import type { PaymentView } from '@farebox/paywall';
import type { HotRoute, Operation } from '@platform/http';
import { z } from 'zod';
import { shown } from '../fields.js';
import { noSigningKey } from './signing.routes.js';

export const paymentView = z.object({
  id: z.string(),
  status: z.enum(['reserved', 'served', 'submitted', 'confirmed', 'final', 'voided', 'failed']),
  account: z.string(),
  payer: z.string().describe('Wallet, agent key, or the host that signs for the agent.'),
  network: z.string().describe('CAIP-2; farebox:prepaid for a balance kept here.'),
  asset: z.string().describe('Token address; of a balance its asset id.'),
  amount: shown.atomic.describe('Most that may be charged, atomic units.'),
  charged: shown.atomic.optional(),
  transaction: z.string().optional().describe('Hash of the transfer.'),
  meter: z.string().optional(),
  quantity: shown.decimal.optional(),
  priceVersion: z.string().optional(),
  statusUrl: z.string(),
});

const JOSE = 'application/jose';

const read: Operation = {
  method: 'GET',
  path: '/v1/payments/:id',
  summary: 'Where a payment stands',
  description: 'For whoever knows its id: the agent that paid, and the provider.',
  area: 'gate',
  access: 'public',
  perMinute: 1200,
  params: z.strictObject({ id: z.string() }),
  answers: { 200: { description: 'The payment.', schema: paymentView } },
};

const record: Operation = {
  method: 'GET',
  path: '/v1/payments/:id/record',
  summary: 'The signed usage record of a payment',
  description:
    'What it bought, at which price, what was charged and where it is in the ledger, as a compact JWS over canonical JSON. The keys are at /.well-known/jwks.json; `npm run verify:record` checks one.',
  area: 'gate',
  access: 'public',
  perMinute: 1200,
  params: z.strictObject({ id: z.string() }),
  answers: { 200: { description: 'The record, a JWS.', schema: z.string(), mediaType: JOSE } },
};

export const paymentOperations = [read, record];

const idOf = z.object({ id: z.string() });

export const paymentRoutes = (payments: Pick<Payments, 'read' | 'record'>): HotRoute[] => [
  {
    operation: read,
    answer: async (request, reply): Promise<PaymentView> => {
      const payment = await payments.read.run(idOf.parse(request.params).id);
      if (!payment) throw unknownPayment();
      void reply.header('cache-control', 'no-store');
      return payment;
    },
  },
  {
    operation: record,
    answer: async (request, reply): Promise<string> => {
      const decision = await payments.record.run(idOf.parse(request.params).id);
      if (decision.outcome !== 'signed')
        throw decision.outcome === 'no_signing_key' ? noSigningKey() : unknownPayment();
      void reply.header('cache-control', 'no-store').type(JOSE);
      return decision.jws;
    },
  },
];

const unknownPayment = (): Fault =>
  new Fault(
    'not_found',
    'There is no payment with this id. Check that it is whole: pay_, hld_ or vch_ and 32 characters.',
    { reason: 'unknown_payment' },
  );

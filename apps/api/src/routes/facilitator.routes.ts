import { settlementResponseSchema, supportedResponseSchema, verifyResponseSchema } from '@core/x402';
import type { Payments } from '@features/payments';
import type { HotRoute, Operation } from '@platform/http';
import { z } from 'zod';
import { needs } from '../fields.js';

const facilitation = z
  .record(z.string(), z.unknown())
  .describe('{ x402Version, paymentPayload, paymentRequirements }, of protocol version 2 or 1.');

/** With a key, only payments to its own provider are taken, and the limit by address does not apply. */
const OPTIONAL_KEY = { ...needs('gate'), optional: true } as const;

const verify: Operation = {
  method: 'POST',
  path: '/x402/verify',
  summary: 'Would settle take this payment?',
  description:
    'The facilitator’s verify of x402, for the schemes that /x402/supported lists. Writes nothing and claims nothing. With a provider key only payments to that provider are taken.',
  area: 'facilitator',
  access: OPTIONAL_KEY,
  perMinute: 3000,
  body: facilitation,
  answers: {
    200: {
      description: 'VerifyResponse; a payment that is not valid is a normal answer.',
      schema: verifyResponseSchema,
    },
  },
};

const settle: Operation = {
  method: 'POST',
  path: '/x402/settle',
  summary: 'Settle a payment',
  description:
    'The facilitator’s settle of x402: payments, and the deposits, claims, payouts and refunds of servers that keep payment channels themselves. Repeating it gives the answer of the one settlement there is. With a provider key only payments to that provider are taken.',
  area: 'facilitator',
  access: OPTIONAL_KEY,
  perMinute: 3000,
  body: facilitation,
  answers: {
    200: {
      description: 'SettlementResponse; a failed settlement is a normal answer.',
      schema: settlementResponseSchema,
    },
  },
};

const supported: Operation = {
  method: 'GET',
  path: '/x402/supported',
  summary: 'What can be settled here',
  area: 'facilitator',
  access: 'public',
  perMinute: 1200,
  answers: { 200: { description: 'SupportedResponse.', schema: supportedResponseSchema } },
};

export const facilitatorOperations = [verify, settle, supported];

export const facilitatorRoutes = (
  payments: Pick<Payments, 'verifyFacilitated' | 'settleFacilitated' | 'supported'>,
): HotRoute[] => [
  { operation: verify, answer: (request) => payments.verifyFacilitated.run(request.body, request.caller?.provider) },
  { operation: settle, answer: (request) => payments.settleFacilitated.run(request.body, request.caller?.provider) },
  { operation: supported, answer: () => payments.supported.run() },
];

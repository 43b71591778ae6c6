import { createHash } from 'node:crypto';
import { Fault } from '@core/faults';
import type { Payments } from '@features/payments';
import { bodyOf, bytesOf, callerOf, type HotRoute, type Operation, parse } from '@platform/http';
import { z } from 'zod';
import type { AgentCallers } from '../agent-caller.js';
import { atomicText, idText, needs, shown } from '../fields.js';

// Balance that agents buy: itself a resource that is paid for by x402.

const toBuy = z.strictObject({
  provider: idText('prv'),
  amount: atomicText.describe(
    'Atomic units of the token that is paid with: what it costs, and what the balance grows by.',
  ),
  account: idText('acct')
    .optional()
    .describe('Whose balance; the request has to show that it is this account. Absent: that of the wallet that pays.'),
});

const topUp = z.object({
  id: z.string(),
  status: z
    .enum(['pending', 'confirmed', 'provisional', 'credited', 'failed'])
    .describe(
      'provisional: the balance is there and goes again should the payment fail; credited: it is there for good.',
    ),
  provider: z.string(),
  account: z.string(),
  payer: z.string(),
  network: z.string().describe('CAIP-2.'),
  asset: z.string().describe('Asset id of the balance.'),
  amount: shown.atomic,
  payment: z.string(),
  transaction: z.string().optional().describe('Hash of the transfer.'),
  grant: z.string().optional(),
  statusUrl: z.string(),
});

const bought = z.object({ topUp });

const buy: Operation = {
  method: 'POST',
  path: '/v1/topups',
  summary: 'Buy prepaid balance',
  description:
    'For agents: answers 402 with what to pay, and takes that payment in PAYMENT-SIGNATURE or X-PAYMENT, scheme exact. The balance is there once the payment is final. The same payment again gives the same top-up.',
  area: 'agents',
  access: 'public',
  perMinute: 600,
  body: toBuy,
  raw: true,
  answers: {
    201: { description: 'Paid: its transfer is in a block.', schema: bought },
    202: { description: 'The payment is taken and on its way: look at `statusUrl`.', schema: bought },
    402: { description: 'What to pay, in PAYMENT-REQUIRED (version 1: in the body).' },
  },
};

const path = z.strictObject({ id: z.string() });

const read: Operation = {
  method: 'GET',
  path: '/v1/topups/:id',
  summary: 'Where a top-up stands',
  description: 'For whoever knows its id.',
  area: 'agents',
  access: 'public',
  perMinute: 1200,
  params: path,
  answers: { 200: { description: 'The top-up.', schema: topUp } },
};

const settings = z.object({
  least: shown.atomic,
  most: shown.atomic,
  provisionalCreditCap: shown.atomic.describe(
    'Most an account may have in balance whose payment is in a block and not final yet; 0: none.',
  ),
});

const newSettings = z.strictObject({
  least: atomicText.describe('Least that is sold at once.'),
  most: atomicText.describe('Most that is sold at once.'),
  provisionalCreditCap: atomicText.optional().describe('0 when absent.'),
});

const readSettings: Operation = {
  method: 'GET',
  path: '/v1/provider/topups',
  summary: 'Read what you sell balance by',
  area: 'provider',
  access: needs('read'),
  answers: { 200: { description: 'The settings.', schema: settings } },
};

const setSettings: Operation = {
  method: 'PUT',
  path: '/v1/provider/topups',
  summary: 'Set what you sell balance by',
  area: 'provider',
  access: needs('manage'),
  body: newSettings,
  answers: { 200: { description: 'The settings as they are now.', schema: settings } },
};

export const topUpOperations = [buy, read, readSettings, setSettings];

const headerOf = (value: string | string[] | undefined): string | undefined =>
  value === undefined ? undefined : [value].flat().join(', ');

export const topUpRoutes = ({ topUps }: Pick<Payments, 'topUps'>, agents: AgentCallers): HotRoute[] => [
  {
    operation: buy,
    answer: async (request, reply) => {
      const bytes = bytesOf(request);
      const { provider, amount, account } = parse(toBuy, jsonOf(bytes), 'body');
      const { headers } = request;
      const { proof, request: proven } = agents.shown(request);
      const answer = await topUps.buy.run({
        provider,
        amount,
        account,
        bodyDigest: createHash('sha256').update(bytes).digest('hex'),
        paymentSignature: headerOf(headers['payment-signature']),
        xPayment: headerOf(headers['x-payment']),
        proof: { ...proof, authorization: headers.authorization },
        proven,
      });
      return reply.code(answer.status).headers(answer.headers).send(Buffer.from(answer.body, 'base64'));
    },
  },
  {
    operation: read,
    answer: async (request, reply) => {
      const found = await topUps.read.run((request.params as z.output<typeof path>).id);
      if (!found) throw new Fault('not_found', 'There is no top-up with this id.', { reason: 'unknown_top_up' });
      void reply.header('cache-control', 'no-store');
      return found;
    },
  },
  {
    operation: readSettings,
    answer: async (request) => settingsView(await topUps.settings.run(callerOf(request).provider)),
  },
  {
    operation: setSettings,
    answer: async (request) => {
      const { provisionalCreditCap = 0n, ...range } = bodyOf(newSettings, request);
      return settingsView(await topUps.set.run(callerOf(request).provider, { ...range, provisionalCreditCap }));
    },
  },
];

const settingsView = (of: { least: bigint; most: bigint; provisionalCreditCap: bigint }) => ({
  least: of.least.toString(),
  most: of.most.toString(),
  provisionalCreditCap: of.provisionalCreditCap.toString(),
});

/** @throws Fault invalid_request (`malformed_json`) */
function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Fault('invalid_request', 'The body is not JSON: check brackets, quotes and commas.', {
      reason: 'malformed_json',
      cause,
    });
  }
}

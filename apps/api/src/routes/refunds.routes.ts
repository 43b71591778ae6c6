import { type Payments, type Refund, REFUND_STATES } from '@features/payments';
import { bodyOf, callerOf, type HotRoute, type Operation } from '@platform/http';
import { z } from 'zod';
import { atomicText, idText, needs, optionalTime, PAGE, pageLimit, shown, time } from '../fields.js';

// Unused value that goes back to the wallets that paid for it. The provider signs; the settler sends.

const refund = z.object({
  id: z.string(),
  account: z.string(),
  grant: z.string(),
  asset: z.string(),
  value: shown.atomic.describe('Taken from the grant.'),
  cash: shown.atomic.describe('What goes back.'),
  state: z
    .enum(REFUND_STATES)
    .describe(
      'owed: sign it to send it; sending: on its way; paid: final on the chain; cancelled: it was never paid for.',
    ),
  to: z.string().optional().describe('The wallet that paid for the value; absent: it was not bought on the chain.'),
  payment: z.string().optional().describe('The payment that sends it.'),
  transaction: z.string().optional().describe('Hash of the transfer.'),
  reason: z.string().optional().describe('Why the last transfer failed, or why it was cancelled.'),
  createdAt: shown.time,
  endedAt: shown.time.optional(),
});

const view = (one: Refund) => ({
  id: one.id,
  account: one.account,
  grant: one.grant,
  asset: one.asset,
  value: one.value.toString(),
  cash: one.cash.toString(),
  state: one.state,
  to: one.bought?.payer,
  payment: one.payment,
  transaction: one.transaction,
  reason: one.reason,
  createdAt: time(one.createdAt),
  endedAt: optionalTime(one.endedAt),
});

const page = z.strictObject({
  state: z.enum(REFUND_STATES).optional(),
  limit: pageLimit,
  cursor: idText('rfd').optional(),
});

const list: Operation = {
  method: 'GET',
  path: '/v1/refunds',
  summary: 'List refunds',
  area: 'wallets',
  access: needs('read'),
  query: page,
  answers: {
    200: { description: 'A page, newest first.', schema: z.object({ data: z.array(refund), next: shown.next }) },
  },
};

const path = z.strictObject({ id: idText('rfd') });

const typedData = z
  .object({
    domain: z.record(z.string(), z.unknown()),
    types: z.record(z.string(), z.array(z.object({ name: z.string(), type: z.string() }))),
    primaryType: z.string(),
    message: z.record(z.string(), z.string()),
  })
  .describe('For eth_signTypedData_v4 of the wallet that agents pay to. Its `validBefore` is a proposal.');

const read: Operation = {
  method: 'GET',
  path: '/v1/refunds/:id',
  summary: 'Read a refund, and what to sign to send it',
  area: 'wallets',
  access: needs('read'),
  params: path,
  answers: {
    200: {
      description: 'The refund; with typed data while it can be sent.',
      schema: refund.extend({ typedData: typedData.optional() }),
    },
  },
};

const signed = z.strictObject({
  signature: z.string().regex(/^0x[0-9a-fA-F]{130}$/, 'must be 65 bytes: 0x and 130 hex digits'),
  validBefore: atomicText.describe('Unix seconds, as signed: from a minute to a day after now.'),
});

const authorize: Operation = {
  method: 'POST',
  path: '/v1/refunds/:id/authorization',
  summary: 'Send a refund with your wallet’s signature',
  description:
    'Takes the signature over the typed data and sends the transfer like any payment; it is paid once it is final. Should it be proven failed, the refund is owed again with a new nonce. Repeating it changes nothing.',
  area: 'wallets',
  access: needs('finance'),
  params: path,
  body: signed,
  answers: {
    202: { description: 'The refund, on its way.', schema: refund },
    409: { description: 'It was not bought on the chain, its own payment is not final, or the wallet cannot pay it.' },
  },
};

export const refundOperations = [list, read, authorize];

export const refundRoutes = ({ topUps }: Pick<Payments, 'topUps'>): HotRoute[] => [
  {
    operation: list,
    answer: async (request) => {
      const { state, limit = PAGE, cursor } = request.query as z.output<typeof page>;
      const { provider } = callerOf(request);
      const found = await topUps.refunds.list({ provider, state, limit: limit + 1, before: cursor });
      const some = found.slice(0, limit);
      return { data: some.map(view), next: found.length > limit ? (some.at(-1)?.id ?? null) : null };
    },
  },
  {
    operation: read,
    answer: async (request) => {
      const { id } = request.params as z.output<typeof path>;
      const { refund: one, typedData: toSign } = await topUps.refunds.one(callerOf(request).provider, id);
      return { ...view(one), typedData: toSign };
    },
  },
  {
    operation: authorize,
    answer: async (request, reply) => {
      const { id } = request.params as z.output<typeof path>;
      const { signature, validBefore } = bodyOf(signed, request);
      const { provider } = callerOf(request);
      const sent = await topUps.authorizeRefund.run({
        provider,
        refund: id,
        signature: `0x${signature.slice(2).toLowerCase()}`,
        validBefore,
      });
      void reply.code(202);
      return view(sent);
    },
  },
];

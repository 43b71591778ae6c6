import { Fault } from '@core/faults';
import type { Payments } from '@features/payments';
import { bodyOf, type HotRoute, type Operation } from '@platform/http';
import { z } from 'zod';
import type { AgentCallers } from '../agent-caller.js';
import { assetText } from '../agent-shapes.js';
import { atomicText, idText, shown, time } from '../fields.js';

// Credit that agents have attested, to pay with it where they are not known.

const absoluteUrl = z
  .string()
  .max(2048, 'must have at most 2048 characters')
  .refine((text) => URL.canParse(text), 'must be an absolute URL');

const toAuthorize = z.strictObject({
  audience: idText('prv').describe('Who sells: `payTo` of the offer.'),
  amount: atomicText
    .refine((amount) => amount > 0n, 'must be more than nothing')
    .describe('Most that may be charged: `amount` of the offer, or more.'),
  asset: assetText.describe('`asset` of the offer.'),
  resource: absoluteUrl.describe('URL that will be asked for, or as the challenge names it.'),
  method: z
    .string()
    .regex(/^[A-Z]{3,10}$/, 'must be an HTTP method in upper case')
    .optional()
    .describe('Absent: any.'),
  idempotencyKey: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable characters without spaces')
    .describe('The same key for the same terms gives the same attestation.'),
});

const authorize: Operation = {
  method: 'POST',
  path: '/v1/credit/authorize',
  summary: 'Get an attestation of credit (draft)',
  description:
    'For agents with an account: sets the amount aside and answers an attestation, a compact JWS by a key of /.well-known/jwks.json, that is presented once, ' +
    'in PAYMENT-SIGNATURE with `{"type": "consume", "attestation"}`. Show who asks by an agent key, SIGN-IN-WITH-X, or a signature on the request (RFC 9421). ' +
    'Refused with the reasons insufficient_credits, spend_limit_reached, idempotency_conflict.',
  area: 'agents',
  access: 'public',
  perMinute: 1200,
  body: toAuthorize,
  answers: {
    201: {
      description: 'The amount is set aside.',
      schema: z.object({
        id: z.string().describe('`jti` of the attestation.'),
        attestation: z.string().describe('Compact JWS.'),
        expiresAt: shown.time.describe('Until when it may be presented.'),
        holdExpiresAt: shown.time.describe('Until when the amount is set aside.'),
      }),
    },
  },
};

export const creditOperations = [authorize];

export const creditRoutes = (
  { authorizeCredit }: Pick<Payments, 'authorizeCredit'>,
  agents: AgentCallers,
): HotRoute[] => [
  {
    operation: authorize,
    answer: async (request, reply) => {
      if (!authorizeCredit) throw new Fault('not_found', 'No credit is given here.', { reason: 'no_credit' });
      const { audience: provider, ...terms } = bodyOf(toAuthorize, request);
      const { proof, request: proven } = agents.shown(request);
      const issued = await authorizeCredit.run({
        provider,
        ...terms,
        method: terms.method,
        proof: { ...proof, authorization: request.headers.authorization },
        proven,
      });
      void reply.code(201).header('cache-control', 'no-store');
      const { id, attestation, expiresAt, holdExpiresAt } = issued;
      return { id, attestation, expiresAt: time(expiresAt), holdExpiresAt: time(holdExpiresAt) };
    },
  },
];

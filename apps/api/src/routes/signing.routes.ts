import { Fault } from '@core/faults';
import type { HotRoute, Operation } from '@platform/http';
import type { Ed25519Keys } from '@platform/signing';
import { z } from 'zod';

const jwks: Operation = {
  method: 'GET',
  path: '/.well-known/jwks.json',
  summary: 'The keys that sign offers, receipts and usage records',
  description:
    'A JWK set of Ed25519 public keys. Signatures name their key by its kid. Keep it to check records later.',
  area: 'gate',
  access: 'public',
  perMinute: 1200,
  answers: {
    200: {
      description: 'The keys.',
      schema: z.object({
        keys: z.array(
          z.object({
            kty: z.literal('OKP'),
            crv: z.literal('Ed25519'),
            x: z.string(),
            kid: z.string(),
            alg: z.literal('EdDSA'),
            use: z.literal('sig'),
          }),
        ),
      }),
    },
  },
};

const did: Operation = {
  method: 'GET',
  path: '/.well-known/did.json',
  summary: 'The same keys as a DID document',
  description: 'Where did:web looks for the keys that signatures name.',
  area: 'gate',
  access: 'public',
  perMinute: 1200,
  answers: { 200: { description: 'The DID document.', schema: z.record(z.string(), z.unknown()) } },
};

export const signingOperations = [jwks, did];

/** Nothing is signed here. */
export const noSigningKey = (): Fault =>
  new Fault(
    'not_found',
    'Nothing is signed here: no signing key is set. Whoever runs this server sets one with the variable SIGNING_KEYS.',
    { reason: 'no_signing_key' },
  );

export const signingRoutes = (keys: Ed25519Keys | undefined): HotRoute[] => [
  {
    operation: jwks,
    answer: (_, reply) => {
      if (!keys) throw noSigningKey();
      void reply.header('cache-control', 'public, max-age=300');
      return Promise.resolve(keys.jwks());
    },
  },
  {
    operation: did,
    answer: (_, reply) => {
      if (!keys) throw noSigningKey();
      void reply.header('cache-control', 'public, max-age=300');
      return Promise.resolve(keys.didDocument());
    },
  },
];

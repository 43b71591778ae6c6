import { Fault } from '@core/faults';
import type { TakeStripeEvent } from '@features/collections';
import { bytesOf, type HotRoute, type Operation } from '@platform/http';
import { z } from 'zod';

const receive: Operation = {
  method: 'POST',
  path: '/webhooks/stripe',
  summary: 'Where Stripe delivers its events',
  description:
    'Signed by Stripe in `Stripe-Signature`, over the bytes of the body. An event is kept once and answered at once; what it is about is fetched from Stripe later, so order, repetition and loss do no harm.',
  area: 'finance',
  access: 'public',
  body: z.record(z.string(), z.unknown()),
  raw: true,
  answers: { 200: { description: 'It is kept.', schema: z.object({ received: z.literal(true) }) } },
};

export const stripeWebhookOperations = [receive];

/** @param take absent where no Stripe account is set */
export const stripeWebhookRoutes = (take: Pick<TakeStripeEvent, 'run'> | undefined): HotRoute[] => [
  {
    operation: receive,
    answer: async (request) => {
      if (!take)
        throw new Fault(
          'not_found',
          'No Stripe account is set here: STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET name one.',
          {
            reason: 'no_stripe_account',
          },
        );
      const signature = request.headers['stripe-signature'];
      const { outcome } = await take.run({ raw: bytesOf(request), signature: [signature].flat()[0] });
      if (outcome === 'refused')
        throw new Fault('invalid_request', 'This was not signed by Stripe for this endpoint, or too long ago.', {
          reason: 'invalid_signature',
        });
      return { received: true };
    },
  },
];

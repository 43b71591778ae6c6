// The public stack as a seller would wire it: `@x402/express` with the public facilitator in the same process, which spares it
// one HTTP exchange with itself for every step. A process of its own: its settings are environment variables.
import { env } from 'node:process';
import type { FacilitatorClient } from '@x402/core/server';
import { ExactEvmScheme as Settling } from '@x402/evm/exact/facilitator';
import { ExactEvmScheme as Selling } from '@x402/evm/exact/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import express from 'express';
import { NETWORK, publicFacilitator } from './public-facilitator.js';

const { PORT = '', CHAIN_RPC_URL = '', PAY_TO = '' } = env;

const settling = publicFacilitator(CHAIN_RPC_URL, (signer) => new Settling(signer));
const ask = ({
  paymentPayload,
  paymentRequirements,
}: {
  paymentPayload: Parameters<FacilitatorClient['verify']>[0];
  paymentRequirements: Parameters<FacilitatorClient['verify']>[1];
}) => settling.verify(paymentPayload, paymentRequirements);

const seller = new x402ResourceServer(settling).register(NETWORK, new Selling());
const app = express();
// The facilitator's own door, as the public examples wire it.
app.post('/verify', express.json(), (request, response, next) => {
  const { paymentPayload, paymentRequirements } = request.body as Parameters<typeof ask>[0];
  ask({ paymentPayload, paymentRequirements }).then((answer) => response.json(answer), next);
});
app.use(
  paymentMiddleware(
    {
      'GET /hello': {
        accepts: [{ scheme: 'exact', network: NETWORK, payTo: PAY_TO, price: '$0.004', maxTimeoutSeconds: 300 }],
        description: 'One greeting',
        mimeType: 'application/json',
      },
    },
    seller,
  ),
);
app.get('/hello', (_request, response) => {
  response.json({ hello: 'agent' });
});
app.listen(Number(PORT), '127.0.0.1');

// Node ends by a signal without writing the profile it was asked for.
process.on('SIGTERM', () => process.exit(0));

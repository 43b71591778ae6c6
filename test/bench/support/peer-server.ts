// The public stack as a seller would wire it: `@x402/express` with the public facilitator in the same process, which spares it
// one HTTP exchange with itself for every step. A process of its own: its settings are environment variables.
import { env } from 'node:process';
import { x402Facilitator } from '@x402/core/facilitator';
import type { FacilitatorClient } from '@x402/core/server';
import type { SupportedResponse } from '@x402/core/types';
import { toFacilitatorEvmSigner } from '@x402/evm';
import { ExactEvmScheme as Settling } from '@x402/evm/exact/facilitator';
import { ExactEvmScheme as Selling } from '@x402/evm/exact/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import express from 'express';
import { createNonceManager, createWalletClient, http, publicActions } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { jsonRpc } from 'viem/nonce';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';

const NETWORK = 'eip155:84532';
const { PORT = '', CHAIN_RPC_URL = '', PAY_TO = '' } = env;

/** Soon, so that a receipt is seen when it is there: the default of four seconds would be held against the peer. */
const POLL_MS = 25;

function facilitator(): FacilitatorClient {
  // The nonce manager lets payments settle side by side; without it they would collide.
  const account = mnemonicToAccount(TEST_MNEMONIC, {
    addressIndex: 1,
    nonceManager: createNonceManager({ source: jsonRpc() }),
  });
  const client = createWalletClient({
    account,
    chain: baseSepolia,
    transport: http(CHAIN_RPC_URL),
    pollingInterval: POLL_MS,
  }).extend(publicActions);
  const signer = toFacilitatorEvmSigner({
    address: account.address,
    getCode: (asked) => client.getCode(asked),
    readContract: (asked) => client.readContract({ ...asked, args: asked.args ?? [] }),
    verifyTypedData: (asked) => client.verifyTypedData(asked as Parameters<typeof client.verifyTypedData>[0]),
    writeContract: (asked) => client.writeContract({ ...asked, args: asked.args ?? [] }),
    sendTransaction: (asked) => client.sendTransaction(asked),
    waitForTransactionReceipt: (asked) => client.waitForTransactionReceipt({ ...asked, pollingInterval: POLL_MS }),
  });
  const inProcess = new x402Facilitator().register(NETWORK, new Settling(signer));
  return {
    verify: (payload, requirements) => inProcess.verify(payload, requirements),
    settle: (payload, requirements) => inProcess.settle(payload, requirements),
    getSupported: () => Promise.resolve(inProcess.getSupported() as SupportedResponse),
  };
}

const settling = facilitator();
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

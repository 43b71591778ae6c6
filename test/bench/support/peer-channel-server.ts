// The public stack as a seller of calls by channel would wire it: `@x402/express` with scheme `batch-settlement` and the public facilitator
// in the same process, channels kept in its memory, which spares it a database. Its settings are environment variables.
import { env } from 'node:process';
import { x402Facilitator } from '@x402/core/facilitator';
import type { FacilitatorClient } from '@x402/core/server';
import type { SupportedResponse } from '@x402/core/types';
import { toFacilitatorEvmSigner } from '@x402/evm';
import { BatchSettlementEvmScheme as Settling } from '@x402/evm/batch-settlement/facilitator';
import { BatchSettlementEvmScheme as Selling } from '@x402/evm/batch-settlement/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import express from 'express';
import { createNonceManager, createWalletClient, http, publicActions } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { jsonRpc } from 'viem/nonce';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';

const NETWORK = 'eip155:84532';
const { PORT = '', CHAIN_RPC_URL = '', PAY_TO = '' } = env;
const POLL_MS = 25;
const payTo: `0x${string}` = `0x${PAY_TO.slice(2)}`;

function facilitator(): FacilitatorClient {
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

const authorizer = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 7 });
const seller = new x402ResourceServer(facilitator()).register(
  NETWORK,
  new Selling(payTo, {
    receiverAuthorizerSigner: {
      address: authorizer.address,
      signTypedData: (asked) => authorizer.signTypedData(asked),
    },
  }),
);
const app = express();
app.use(
  paymentMiddleware(
    {
      'GET /hello': {
        accepts: [{ scheme: 'batch-settlement', network: NETWORK, payTo, price: '$0.004', maxTimeoutSeconds: 300 }],
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

// The public stack as a seller of calls by channel would wire it: `@x402/express` with scheme `batch-settlement` and the public facilitator
// in the same process, channels kept in its memory, which spares it a database. Its settings are environment variables.
import { env } from 'node:process';
import { BatchSettlementEvmScheme as Settling } from '@x402/evm/batch-settlement/facilitator';
import { BatchSettlementEvmScheme as Selling } from '@x402/evm/batch-settlement/server';
import { paymentMiddleware, x402ResourceServer } from '@x402/express';
import express from 'express';
import { mnemonicToAccount } from 'viem/accounts';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';
import { NETWORK, publicFacilitator } from './public-facilitator.js';

const { PORT = '', CHAIN_RPC_URL = '', PAY_TO = '' } = env;
const payTo: `0x${string}` = `0x${PAY_TO.slice(2)}`;

const authorizer = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 7 });
const seller = new x402ResourceServer(publicFacilitator(CHAIN_RPC_URL, (signer) => new Settling(signer))).register(
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

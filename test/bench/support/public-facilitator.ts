import { x402Facilitator } from '@x402/core/facilitator';
import type { FacilitatorClient } from '@x402/core/server';
import type { SupportedResponse } from '@x402/core/types';
import { type FacilitatorEvmSigner, toFacilitatorEvmSigner } from '@x402/evm';
import { createNonceManager, createWalletClient, http, publicActions } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { baseSepolia } from 'viem/chains';
import { jsonRpc } from 'viem/nonce';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';

export const NETWORK = 'eip155:84532';

/** Soon, so that a receipt is seen when it is there: the default of four seconds would be held against the peer. */
const POLL_MS = 25;

type Scheme = Parameters<x402Facilitator['register']>[1];

/** The public facilitator in this very process, settling by the scheme that is made of its signer. */
export function publicFacilitator(
  chainUrl: string,
  schemeOf: (signer: FacilitatorEvmSigner) => Scheme,
): FacilitatorClient {
  // The nonce manager lets payments settle side by side; without it they would collide.
  const account = mnemonicToAccount(TEST_MNEMONIC, {
    addressIndex: 1,
    nonceManager: createNonceManager({ source: jsonRpc() }),
  });
  const client = createWalletClient({
    account,
    chain: baseSepolia,
    transport: http(chainUrl),
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
  const inProcess = new x402Facilitator().register(NETWORK, schemeOf(signer));
  return {
    verify: (payload, requirements) => inProcess.verify(payload, requirements),
    settle: (payload, requirements) => inProcess.settle(payload, requirements),
    getSupported: () => Promise.resolve(inProcess.getSupported() as SupportedResponse),
  };
}

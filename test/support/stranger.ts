import { encodeFunctionData, parseAbi, parseSignature, toHex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import type { ExactAuthorization, Hex } from '@core/x402';
import { CHAIN_ID, TEST_MNEMONIC } from '../../tools/servers/chain.mjs';
import { rpc } from '../../tools/servers/rpc.mjs';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import type { Payer } from './payer.js';

// What others do on the chain to authorizations that we hold.

const TOKEN = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)',
  'function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)',
]);

/** An account of the chain that has nothing to do with us. */
const STRANGER = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: 8 }).address;

/** Somebody who is not us carries the authorization to the token. @returns the hash; mining is up to the chain */
export function relayAsStranger(url: string, authorization: ExactAuthorization, tip: number): Promise<Hex> {
  const { from, to, value, validAfter, validBefore, nonce, signature } = authorization;
  const { r, s, v } = parseSignature(signature);
  const args = [from, to, value, validAfter, validBefore, nonce, Number(v), r, s] as const;
  return send(url, encodeFunctionData({ abi: TOKEN, functionName: 'transferWithAuthorization', args }), tip);
}

/** The payer takes the authorization back, as the token lets it. */
export async function cancelAuthorization(url: string, payer: Payer, nonce: Hex, tip: number): Promise<Hex> {
  const signature = await payer.account.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: CHAIN_ID, verifyingContract: USDC_ADDRESS },
    types: {
      CancelAuthorization: [
        { name: 'authorizer', type: 'address' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'CancelAuthorization',
    message: { authorizer: payer.account.address, nonce },
  });
  const { r, s, v } = parseSignature(signature);
  const args = [payer.account.address, nonce, Number(v), r, s] as const;
  return send(url, encodeFunctionData({ abi: TOKEN, functionName: 'cancelAuthorization', args }), tip);
}

/** One after another: the chain gives the stranger's transactions their nonces, and two at once may be given the same. */
let sent: Promise<unknown> = Promise.resolve();

function send(url: string, data: Hex, tip: number): Promise<Hex> {
  const sending = sent.then(() => sendNow(url, data, tip));
  sent = sending.catch(() => undefined);
  return sending;
}

async function sendNow(url: string, data: Hex, tip: number): Promise<Hex> {
  const fees = { maxFeePerGas: toHex(10n ** 11n), maxPriorityFeePerGas: toHex(BigInt(tip) * 10n ** 9n) };
  const transaction = { from: STRANGER, to: USDC_ADDRESS, data, gas: toHex(200_000), ...fees };
  const hash = await rpc(url, 'eth_sendTransaction', transaction);
  if (typeof hash !== 'string') throw new Error('the chain gave no hash');
  return `0x${hash.slice(2).toLowerCase()}`;
}

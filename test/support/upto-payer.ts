import { randomBytes } from 'node:crypto';
import { decodeErrorResult, encodeFunctionData, isHex, maxUint256, parseAbi, toHex } from 'viem';
import { type Hex, type PaymentRequirements, UPTO_CONTRACTS, type UptoAuthorization } from '@core/x402';
import { rpc } from '../../tools/servers/rpc.mjs';
import { Payer, USDC_ADDRESS } from './payer.js';

const CHAIN_ID = 84532;
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

const PERMIT_TYPES = {
  PermitWitnessTransferFrom: [
    { name: 'permitted', type: 'TokenPermissions' },
    { name: 'spender', type: 'address' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
    { name: 'witness', type: 'Witness' },
  ],
  TokenPermissions: [
    { name: 'token', type: 'address' },
    { name: 'amount', type: 'uint256' },
  ],
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'facilitator', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const;

export const UPTO_ABI = parseAbi([
  'function approve(address spender, uint256 value)',
  'function invalidateUnorderedNonces(uint256 wordPos, uint256 mask)',
  'struct TokenPermissions { address token; uint256 amount; }',
  'struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }',
  'struct Witness { address to; address facilitator; uint256 validAfter; }',
  'function settle(PermitTransferFrom permit, uint256 amount, address owner, Witness witness, bytes signature)',
  'error AmountExceedsPermitted()',
  'error InvalidDestination()',
  'error InvalidOwner()',
  'error PaymentTooEarly()',
  'error UnauthorizedFacilitator()',
  'error SignatureExpired(uint256 signatureDeadline)',
  'error InvalidAmount(uint256 maxAmount)',
  'error InvalidNonce()',
  'error InvalidSignatureLength()',
  'error InvalidSignature()',
  'error InvalidSigner()',
  'error InvalidContractSignature()',
]);

type Terms = Omit<UptoAuthorization, 'from' | 'signature'>;

/** A wallet that signs for ceilings with viem, so that our digests are held against another's. */
export class UptoPayer extends Payer {
  async ceiling(
    terms: Pick<Terms, 'to' | 'amount' | 'deadline' | 'facilitator'> & Partial<Terms> & { readonly chainId?: number },
  ): Promise<UptoAuthorization> {
    const authorization = {
      from: this.address,
      token: lower(USDC_ADDRESS),
      spender: UPTO_CONTRACTS.proxy,
      nonce: BigInt(`0x${randomBytes(32).toString('hex')}`),
      validAfter: 0n,
      ...terms,
    };
    const { token, amount, spender, nonce, deadline, to, facilitator, validAfter } = authorization;
    const signature = await this.account.signTypedData({
      domain: { name: 'Permit2', chainId: terms.chainId ?? CHAIN_ID, verifyingContract: UPTO_CONTRACTS.permit2 },
      types: PERMIT_TYPES,
      primaryType: 'PermitWitnessTransferFrom',
      message: { permitted: { token, amount }, spender, nonce, deadline, witness: { to, facilitator, validAfter } },
    });
    const { from } = authorization;
    return { from, token, amount, spender, nonce, deadline, to, facilitator, validAfter, signature: lower(signature) };
  }

  /** Accepts an offer of scheme `upto` as the public client does. */
  acceptCeiling(
    offer: PaymentRequirements,
    nowSeconds: number,
    change: Partial<Terms> = {},
  ): Promise<UptoAuthorization> {
    return this.ceiling({
      to: lower(offer.payTo),
      amount: BigInt(offer.amount),
      deadline: BigInt(nowSeconds + offer.maxTimeoutSeconds),
      facilitator: lower(String(offer.extra?.['facilitatorAddress'])),
      ...change,
    });
  }

  /** Lets Permit2 move the wallet's USDC: once, before anything is paid by ceilings. */
  approve(url: string, value: bigint = maxUint256): Promise<void> {
    return approvePermit2(url, this.address, value);
  }

  /** Takes back what was signed under a nonce. */
  invalidate(url: string, nonce: bigint): Promise<void> {
    const args = [nonce >> 8n, 1n << (nonce & 0xffn)] as const;
    const data = encodeFunctionData({ abi: UPTO_ABI, functionName: 'invalidateUnorderedNonces', args });
    return sendFrom(url, this.address, UPTO_CONTRACTS.permit2, data);
  }
}

export const approvePermit2 = (url: string, owner: Hex, value: bigint = maxUint256): Promise<void> =>
  sendFrom(
    url,
    owner,
    lower(USDC_ADDRESS),
    encodeFunctionData({ abi: UPTO_ABI, functionName: 'approve', args: [UPTO_CONTRACTS.permit2, value] }),
  );

/** The call that settles, as any node's library writes it. */
export const settleData = (authorization: UptoAuthorization, amount: bigint): Hex => {
  const { token, amount: permitted, nonce, deadline, from, to, facilitator, validAfter, signature } = authorization;
  return encodeFunctionData({
    abi: UPTO_ABI,
    functionName: 'settle',
    args: [
      { permitted: { token, amount: permitted }, nonce, deadline },
      amount,
      from,
      { to, facilitator, validAfter },
      signature,
    ],
  });
};

/** `passes`, or the name of the contract's refusal. */
export async function settleVerdict(
  url: string,
  authorization: UptoAuthorization,
  amount: bigint,
  sender: Hex = authorization.facilitator,
): Promise<string> {
  const call = { from: sender, to: authorization.spender, data: settleData(authorization, amount) };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_call', params: [call, 'latest'] }),
  });
  const answer: unknown = await response.json();
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return 'passes';
  const { error } = answer;
  if (typeof error !== 'object' || error === null) return 'refused';
  const said = 'data' in error ? error.data : undefined;
  if (typeof said !== 'string' || !isHex(said) || said.length < 10) return 'refused';
  // The token says why in words.
  if (said.startsWith('0x08c379a0')) return 'message' in error ? String(error.message) : 'refused';
  return decodeErrorResult({ abi: UPTO_ABI, data: said }).errorName;
}

/** A transaction from any account, with gas of its own. */
export async function sendFrom(url: string, from: Hex, to: Hex, data: Hex): Promise<void> {
  await rpc(url, 'anvil_setBalance', from, toHex(10n ** 18n));
  await rpc(url, 'anvil_impersonateAccount', from);
  const hash = await rpc(url, 'eth_sendTransaction', { from, to, data, gas: toHex(400_000) });
  for (;;) {
    const receipt = await rpc(url, 'eth_getTransactionReceipt', hash);
    if (typeof receipt === 'object' && receipt !== null && 'status' in receipt) {
      if (receipt.status !== '0x1') throw new Error('the call was reverted');
      return;
    }
    await rpc(url, 'evm_mine');
  }
}

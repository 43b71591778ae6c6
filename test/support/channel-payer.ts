import { randomBytes } from 'node:crypto';
import { encodeFunctionData, decodeErrorResult, isHex, parseAbi, toHex } from 'viem';
import { BATCH_CONTRACTS, type ChannelConfig, type Erc3009Deposit, type Hex, type Voucher } from '@core/x402';
import { rpc } from '../../tools/servers/rpc.mjs';
import { Payer, USDC_ADDRESS } from './payer.js';

const CHAIN_ID = 84532;
const lower = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;
const bytes32 = (): Hex => `0x${randomBytes(32).toString('hex')}`;

const VOUCHER_TYPES = {
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' },
  ],
} as const;

const RECEIVE_TYPES = {
  ReceiveWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;

const WITHDRAWALS = parseAbi([
  'struct ChannelConfig { address payer; address payerAuthorizer; address receiver; address receiverAuthorizer; address token; uint40 withdrawDelay; bytes32 salt; }',
  'function initiateWithdraw(ChannelConfig config, uint128 amount)',
  'function finalizeWithdraw(ChannelConfig config)',
  'error WithdrawDelayNotElapsed()',
  'error WithdrawalNotPending()',
  'error WithdrawalAlreadyPending()',
  'error WithdrawAmountExceedsAvailable()',
]);

/** A wallet that pays through channels: it signs with viem, so that our digests are held against another's. */
export class ChannelPayer extends Payer {
  constructor(
    private readonly ids: { channelId(config: ChannelConfig): Hex; depositNonce(channelId: Hex, salt: Hex): Hex },
    key?: Hex,
  ) {
    super(key);
  }

  config(terms: Pick<ChannelConfig, 'receiver' | 'receiverAuthorizer' | 'token'>): ChannelConfig {
    return { ...terms, payer: this.address, payerAuthorizer: this.address, withdrawDelay: 900, salt: bytes32() };
  }

  async voucher(config: ChannelConfig, maxClaimable: bigint): Promise<Voucher> {
    const channelId = this.ids.channelId(config);
    const signature = await this.account.signTypedData({
      domain: {
        name: 'x402 Batch Settlement',
        version: '1',
        chainId: CHAIN_ID,
        verifyingContract: BATCH_CONTRACTS.settlement,
      },
      types: VOUCHER_TYPES,
      primaryType: 'Voucher',
      message: { channelId, maxClaimableAmount: maxClaimable },
    });
    return { channelId, maxClaimable, signature: lower(signature) };
  }

  async deposit(
    config: ChannelConfig,
    amount: bigint,
    validBefore: bigint,
  ): Promise<{ amount: bigint; authorization: Erc3009Deposit }> {
    const salt = bytes32();
    const signature = await this.account.signTypedData({
      domain: { name: 'USDC', version: '2', chainId: CHAIN_ID, verifyingContract: USDC_ADDRESS },
      types: RECEIVE_TYPES,
      primaryType: 'ReceiveWithAuthorization',
      message: {
        from: this.account.address,
        to: BATCH_CONTRACTS.erc3009Collector,
        value: amount,
        validAfter: 0n,
        validBefore,
        nonce: this.ids.depositNonce(this.ids.channelId(config), salt),
      },
    });
    return {
      amount,
      authorization: { method: 'eip3009', validAfter: 0n, validBefore, salt, signature: lower(signature) },
    };
  }

  /** Only withdrawals cost the payer gas: nobody relays them. */
  async fundGas(url: string): Promise<void> {
    await rpc(url, 'anvil_setBalance', this.address, toHex(10n ** 18n));
  }
}

/** The payer announces a withdrawal on the chain by itself. @throws Error with the contract's name for a refusal */
export const initiateWithdraw = (url: string, payer: Payer, config: ChannelConfig, amount: bigint): Promise<void> =>
  sendAs(
    url,
    payer,
    encodeFunctionData({ abi: WITHDRAWALS, functionName: 'initiateWithdraw', args: [config, amount] }),
  );

/** The payer takes out what it announced. @throws Error with the contract's name for a refusal */
export const finalizeWithdraw = (url: string, payer: Payer, config: ChannelConfig): Promise<void> =>
  sendAs(url, payer, encodeFunctionData({ abi: WITHDRAWALS, functionName: 'finalizeWithdraw', args: [config] }));

async function sendAs(url: string, payer: Payer, data: Hex): Promise<void> {
  const call = { from: payer.address, to: BATCH_CONTRACTS.settlement, data };
  const refusal = await refusalOf(url, call);
  if (refusal !== undefined) throw new Error(refusal);
  await rpc(url, 'anvil_impersonateAccount', payer.address);
  const hash = await rpc(url, 'eth_sendTransaction', { ...call, gas: toHex(300_000) });
  for (;;) {
    const receipt = await rpc(url, 'eth_getTransactionReceipt', hash);
    if (typeof receipt === 'object' && receipt !== null && 'status' in receipt) {
      if (receipt.status !== '0x1') throw new Error('the call was reverted');
      return;
    }
    await rpc(url, 'evm_mine');
  }
}

async function refusalOf(url: string, call: object): Promise<string | undefined> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_call', params: [call, 'latest'] }),
  });
  const answer: unknown = await response.json();
  if (typeof answer !== 'object' || answer === null || !('error' in answer)) return undefined;
  const { error } = answer;
  const data = typeof error === 'object' && error !== null && 'data' in error ? error.data : undefined;
  return typeof data === 'string' && isHex(data) ? decodeErrorResult({ abi: WITHDRAWALS, data }).errorName : 'refused';
}

import type { ChannelEvent } from '@core/settlement';
import type { ChannelConfig, ChannelDeposit, Erc3009Deposit, Hex, Voucher } from '@core/x402';
import { Fault } from '@core/faults';
import {
  decodeErrorResult,
  decodeEventLog,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionData,
  type Log,
  parseAbi,
  toFunctionSelector,
} from 'viem';
import type { z } from 'zod';
import { wordOfHex } from './multicall.js';
import { hex, type logShape } from './rpc-shapes.js';

/** The part of the contract that we call, hear and are refused by. */
const ABI = parseAbi([
  'struct ChannelConfig { address payer; address payerAuthorizer; address receiver; address receiverAuthorizer; address token; uint40 withdrawDelay; bytes32 salt; }',
  'struct Voucher { ChannelConfig channel; uint128 maxClaimableAmount; }',
  'struct VoucherClaim { Voucher voucher; bytes signature; uint128 totalClaimed; }',
  'function deposit(ChannelConfig config, uint128 amount, address collector, bytes collectorData)',
  'function claimWithSignature(VoucherClaim[] voucherClaims, bytes authorizerSignature)',
  'function settle(address receiver, address token)',
  'function refundWithSignature(ChannelConfig config, uint128 amount, uint256 nonce, bytes receiverAuthorizerSignature)',
  'function multicall(bytes[] data) returns (bytes[] results)',
  'event ChannelCreated(bytes32 indexed channelId, ChannelConfig config)',
  'event ChannelClosed(bytes32 indexed channelId, ChannelConfig config)',
  'event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance)',
  'event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed)',
  'event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount)',
  'event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount)',
  'event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 finalizeAfter)',
  'event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount)',
  'error InvalidChannel()',
  'error ZeroDeposit()',
  'error DepositOverflow()',
  'error InvalidSignature()',
  'error NotReceiverAuthorizer()',
  'error ClaimExceedsCeiling()',
  'error ClaimExceedsBalance()',
  'error WithdrawDelayOutOfRange()',
  'error EmptyBatch()',
  'error DepositCollectionFailed()',
  'error InvalidCollector()',
  'error InvalidRefundNonce()',
  'error ZeroRefund()',
  'error Error(string message)',
]);

const selector = (signature: string): string => toFunctionSelector(signature).slice(2);

const CHANNELS = selector('function channels(bytes32)');
const PENDING_WITHDRAWALS = selector('function pendingWithdrawals(bytes32)');
const REFUND_NONCE = selector('function refundNonce(bytes32)');
const RECEIVERS = selector('function receivers(address,address)');

// Reads, in hexadecimal without prefix, as many calls in one take them.
export const channelCall = (id: Hex): string => CHANNELS + wordOfHex(id);
export const pendingWithdrawalCall = (id: Hex): string => PENDING_WITHDRAWALS + wordOfHex(id);
export const refundNonceCall = (id: Hex): string => REFUND_NONCE + wordOfHex(id);
export const receiverCall = (receiver: Hex, token: Hex): string => RECEIVERS + wordOfHex(receiver) + wordOfHex(token);

/** @throws Fault invariant_broken for a deposit by another method than EIP-3009, which no verifier of ours lets pass */
export function depositData(config: ChannelConfig, { amount, authorization }: ChannelDeposit, collector: Hex): Hex {
  if (authorization.method !== 'eip3009') {
    throw new Fault('invariant_broken', `deposits by ${authorization.method} are not carried`);
  }
  const args = [config, amount, collector, collectorData(authorization)] as const;
  return encodeFunctionData({ abi: ABI, functionName: 'deposit', args });
}

const collectorData = ({ validAfter, validBefore, salt, signature }: Erc3009Deposit): Hex =>
  encodeAbiParameters(
    [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'bytes' }],
    [validAfter, validBefore, BigInt(salt), signature],
  );

export function claimData(
  rows: readonly { config: ChannelConfig; voucher: Voucher; totalClaimed: bigint }[],
  authorizerSignature: Hex,
): Hex {
  const claims = rows.map(({ config, voucher, totalClaimed }) => ({
    voucher: { channel: config, maxClaimableAmount: voucher.maxClaimable },
    signature: voucher.signature,
    totalClaimed,
  }));
  return encodeFunctionData({ abi: ABI, functionName: 'claimWithSignature', args: [claims, authorizerSignature] });
}

export const settleData = (receiver: Hex, token: Hex): Hex =>
  encodeFunctionData({ abi: ABI, functionName: 'settle', args: [receiver, token] });

export const refundData = (config: ChannelConfig, amount: bigint, nonce: bigint, authorizerSignature: Hex): Hex =>
  encodeFunctionData({
    abi: ABI,
    functionName: 'refundWithSignature',
    args: [config, amount, nonce, authorizerSignature],
  });

/** Several calls of the contract to itself, all or none. */
export const togetherData = (calls: readonly Hex[]): Hex =>
  encodeFunctionData({ abi: ABI, functionName: 'multicall', args: [calls] });

/** The contract's name for a refusal, the token's sentence, or the bytes themselves where neither is known. */
export function refusalIn(data: Hex): string {
  try {
    const refusal = decodeErrorResult({ abi: ABI, data });
    return refusal.errorName === 'Error' ? refusal.args[0] : refusal.errorName;
  } catch {
    return data === '0x' ? 'reverted without a reason' : data;
  }
}

/** Topics by which a node finds the events below. */
export const EVENT_TOPICS: readonly Hex[] = ABI.flatMap((item) =>
  item.type === 'event' ? encodeEventTopics({ abi: [item] }) : [],
)
  .flat()
  .map((topic) => hex.parse(topic));

/** What a log of the settlement contract says; undefined for what it may say in later releases. */
export function channelEventOf(log: z.output<typeof logShape>): ChannelEvent | undefined {
  const [signature, ...indexed] = log.topics;
  if (signature === undefined || !EVENT_TOPICS.includes(signature)) return undefined;
  const topics: Log['topics'] = [signature, ...indexed];
  const said = decodeEventLog({ abi: ABI, data: log.data, topics });
  const logIndex = Number(log.logIndex);
  switch (said.eventName) {
    case 'ChannelCreated':
    case 'ChannelClosed': {
      const kind = said.eventName === 'ChannelCreated' ? 'created' : 'closed';
      return { kind, logIndex, channelId: said.args.channelId, config: lowerConfig(said.args.config) };
    }
    case 'Deposited': {
      const { channelId, amount, newBalance } = said.args;
      return { kind: 'deposited', logIndex, channelId, amount, balance: newBalance };
    }
    case 'Claimed': {
      const { channelId, claimAmount, newTotalClaimed } = said.args;
      return { kind: 'claimed', logIndex, channelId, amount: claimAmount, totalClaimed: newTotalClaimed };
    }
    case 'Refunded':
    case 'WithdrawFinalized': {
      const kind = said.eventName === 'Refunded' ? 'refunded' : 'withdrawn';
      return { kind, logIndex, channelId: said.args.channelId, amount: said.args.amount };
    }
    case 'WithdrawInitiated': {
      const { channelId, amount, finalizeAfter } = said.args;
      return { kind: 'withdraw-requested', logIndex, channelId, amount, finalizeAfter: BigInt(finalizeAfter) };
    }
    case 'Settled': {
      const { receiver, token, amount } = said.args;
      return { kind: 'settled', logIndex, receiver: hex.parse(receiver), token: hex.parse(token), amount };
    }
  }
}

const lowerConfig = (config: ChannelConfig): ChannelConfig => ({
  ...config,
  payer: hex.parse(config.payer),
  payerAuthorizer: hex.parse(config.payerAuthorizer),
  receiver: hex.parse(config.receiver),
  receiverAuthorizer: hex.parse(config.receiverAuthorizer),
  token: hex.parse(config.token),
});

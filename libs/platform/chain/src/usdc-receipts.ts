import type { Receipt, TokenEvent } from '@core/settlement';
import type { Hex } from '@core/x402';
import type { z } from 'zod';
import { type logShape, readAnswer, receiptShape } from './rpc-shapes.js';
import { AUTHORIZATION_CANCELED, AUTHORIZATION_USED, TRANSFERRED } from './token-calls.js';

const addressOf = (topic: Hex): Hex => `0x${topic.slice(-40)}`;

/** What a log says, if it says something about an authorization or a transfer. */
export function eventOf({ address: token, topics, data, logIndex }: z.output<typeof logShape>): TokenEvent | undefined {
  const [kind, first, second] = topics;
  if (!first || !second) return undefined;
  if (kind === AUTHORIZATION_USED || kind === AUTHORIZATION_CANCELED) {
    const what = kind === AUTHORIZATION_USED ? 'used' : 'canceled';
    return { kind: what, logIndex: Number(logIndex), token, payer: addressOf(first), nonce: second };
  }
  if (kind === TRANSFERRED && data.length === 66) {
    const [from, to] = [addressOf(first), addressOf(second)];
    return { kind: 'transfer', logIndex: Number(logIndex), token, from, to, value: BigInt(data) };
  }
  return undefined;
}

/** Reads a receipt; undefined when the node knows none. */
export function readReceipt(answer: unknown): Receipt | undefined {
  const read = readAnswer(receiptShape.nullable(), answer);
  if (!read) return undefined;
  return {
    hash: read.transactionHash,
    success: read.status === 1n,
    block: { number: read.blockNumber, hash: read.blockHash },
    sender: read.from,
    ...(read.to ? { target: read.to } : {}),
    gasUsed: read.gasUsed,
    gasPrice: read.effectiveGasPrice,
    dataFee: read.l1Fee ?? 0n,
    events: read.logs.map(eventOf).filter((event) => event !== undefined),
  };
}

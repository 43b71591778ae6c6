import { Fault } from '@core/faults';
import type { Block } from '@core/settlement';
import type { Hex } from '@core/x402';
import { z } from 'zod';
import { RpcRefusal } from './json-rpc.js';

const isHex = (text: string): text is Hex => /^0x[0-9a-f]*$/.test(text);

/** Hexadecimal of any letter case, as lower case. */
export const hex = z
  .string()
  .transform((text) => text.toLowerCase())
  .refine(isHex);
const quantity = hex.refine((text) => text.length > 2).transform((text) => BigInt(text));

export const blockShape = z.object({
  number: quantity,
  hash: hex,
  timestamp: quantity,
  baseFeePerGas: quantity.optional(),
});

export const logShape = z.object({
  address: hex,
  topics: z.array(hex),
  data: hex,
  logIndex: quantity,
  transactionHash: hex,
});

export const receiptShape = z.object({
  transactionHash: hex,
  status: quantity,
  blockNumber: quantity,
  blockHash: hex,
  from: hex,
  /** Null where it made a contract. */
  to: hex.nullish(),
  gasUsed: quantity,
  effectiveGasPrice: quantity,
  /** What rollups built on the OP stack charge on top. */
  l1Fee: quantity.nullish(),
  logs: z.array(logShape),
});

export const quantityShape = quantity;

/**
 * Reads one answer of a node. A refusal and an answer of another shape are both faults: they say nothing about a payment.
 * @throws Fault unavailable
 */
export function readAnswer<T>(shape: z.ZodType<T>, answer: unknown): T {
  if (answer instanceof RpcRefusal) {
    throw new Fault('unavailable', 'The chain cannot answer now; try again shortly.', { cause: answer });
  }
  const parsed = shape.safeParse(answer);
  if (!parsed.success) {
    throw new Fault('unavailable', 'The chain gave an answer that cannot be read; try again shortly.', {
      cause: parsed.error,
    });
  }
  return parsed.data;
}

export const readBlock = (answer: unknown): Block => {
  const { number, hash, timestamp } = readAnswer(blockShape, answer);
  return { number, hash, timestamp };
};

export const toQuantity = (value: bigint): Hex => `0x${value.toString(16)}`;

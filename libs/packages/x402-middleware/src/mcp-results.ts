import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { decodeText } from './base64.js';
import type { WireReply } from './contract.js';
import { handlerFailed } from './problem.js';
import { takeHeader } from './reply-headers.js';

/** Where x402 has the receipt of a paid tool call. */
const RECEIPT = 'x402/payment-response';

type Json = Record<string, unknown>;

/** An answer of the gate as the result of a tool: the challenge, or the reason, as an error without the tool's content. */
export function answerOfReply(reply: WireReply): CallToolResult {
  const told = headerObject(reply, 'payment-required') ?? objectIn(decodeText(reply.body)) ?? { status: reply.status };
  const error: CallToolResult = {
    isError: true,
    structuredContent: told,
    content: [{ type: 'text', text: JSON.stringify(told) }],
  };
  return withReceipt(error, reply.headers);
}

/** A result that was kept when it was paid for; nothing when the answer is none. */
export function storedResult(reply: WireReply): CallToolResult | undefined {
  if (reply.status !== 200) return undefined;
  const result = objectIn(decodeText(reply.body));
  return isResult(result) ? withReceipt(result, reply.headers) : undefined;
}

export const failedResult = (): CallToolResult => answerOfReply(handlerFailed());

/** A result with the receipt of its payment, where there is one. */
export function withReceipt(result: CallToolResult, headers: WireReply['headers']): CallToolResult {
  const receipt = headerObject({ headers }, 'payment-response');
  return receipt === undefined ? result : { ...result, _meta: { ...result._meta, [RECEIPT]: receipt } };
}

function headerObject({ headers }: Pick<WireReply, 'headers'>, name: string): Json | undefined {
  const { value } = takeHeader(headers, name);
  if (value === undefined) return undefined;
  try {
    return objectIn(decodeText(value));
  } catch {
    return undefined; // No base64.
  }
}

function objectIn(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

const isResult = (value: Json | undefined): value is Json & CallToolResult => Array.isArray(value?.content);

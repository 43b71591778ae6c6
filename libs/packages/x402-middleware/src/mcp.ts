import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { encodeText } from './base64.js';
import { canonicalJson } from './canonical-json.js';
import { type Arrival, ask, type BodyReading, settle } from './exchange.js';
import { answerOfReply, failedResult, storedResult, withReceipt } from './mcp-results.js';
import { checkPrice, type PaywallOptions, type PriceOptions } from './options.js';
import { InvalidOptionError } from './errors.js';
import { Paywall } from './paywall.js';
import type { PricedCall } from './priced-call.js';
import { unlessGone } from './web/settle-response.js';
import { sha256 } from './web/web-arrival.js';

export { Paywall };

/** What the functions of a price are given: the arguments, parsed, and what the SDK says about the call. */
export interface ToolCall<Args = unknown> {
  readonly args: Args;
  readonly extra: ToolExtra;
}

/** The part of the SDK's `extra` that the paywall reads. */
export interface ToolExtra {
  readonly signal?: AbortSignal;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
  readonly requestInfo?: { readonly headers: Readonly<Record<string, string | string[] | undefined>> } | undefined;
}

/** A result is sent whole, so a tool has no streams. */
export interface ToolPrice<Args = unknown> extends Omit<PriceOptions<ToolCall<Args>>, 'stream'> {
  /** Name of the tool as it is registered: what is paid for is `mcp://tool/<name>`. */
  readonly tool: string;
}

/** Puts a price before a tool's callback, with arguments or without. */
export type PricedTool = <Params extends readonly unknown[]>(
  handler: (...params: Params) => CallToolResult | Promise<CallToolResult>,
) => (...params: Params) => Promise<CallToolResult>;

const calls = new WeakMap<object, PricedCall>();

/** The priced call of a tool call, by the SDK's `extra`: to see the payment and to `measure`. */
export const callOf = (extra: object): PricedCall | undefined => calls.get(extra);

/**
 * Gives a function that puts prices before tools: `server.registerTool('search', config, price({ tool: 'search', meter: 'searches' })(
 * async ({ query }) => …))`. Payments travel in `_meta`, as x402 has it for MCP. It asks for nothing but web standards.
 * @throws InvalidOptionError
 */
export function paywall(options: PaywallOptions | Paywall): <Args = unknown>(price: ToolPrice<Args>) => PricedTool {
  const gate = options instanceof Paywall ? options : new Paywall(options);
  return <Args>(price: ToolPrice<Args>): PricedTool => {
    checkPrice(price);
    if (typeof price.tool !== 'string' || price.tool === '') throw new InvalidOptionError('tool is missing.');
    return (handler) =>
      (...params) => {
        // A tool with arguments is called with them and `extra`, one without only with `extra`.
        const extra = params[params.length - 1] as ToolExtra;
        const args = (params.length > 1 ? params[0] : undefined) as Args;
        return serve(gate, price, { args, extra }, async () => handler(...params));
      };
  };
}

async function serve<Args>(
  gate: Paywall,
  price: ToolPrice<Args>,
  toolCall: ToolCall<Args>,
  run: () => Promise<CallToolResult>,
): Promise<CallToolResult> {
  const { extra } = toolCall;
  const asked = await ask(gate, new ToolArrival(price.tool, toolCall), price);
  if (asked.kind === 'gone') return failedResult();
  if (asked.kind === 'answer') return storedResult(asked.reply) ?? answerOfReply(asked.reply);
  const { call } = asked;
  calls.set(extra, call);
  const measured = (): string | undefined => price.measured?.(toolCall);
  try {
    const result = await unlessGone(extra.signal ?? NEVER, run());
    if (result === undefined) {
      await settle(gate, call, measured, { kind: 'closed' });
      return failedResult();
    }
    return await settleResult(gate, call, measured, result);
  } catch (error) {
    await settle(gate, call, measured, { kind: 'failed' });
    throw error; // The SDK answers for it, as it would without a price.
  }
}

const NEVER = new AbortController().signal;

/** A result that is an error leaves unpaid; any other when it is paid for. */
async function settleResult(
  gate: Paywall,
  call: PricedCall,
  measured: () => string | undefined,
  result: CallToolResult,
): Promise<CallToolResult> {
  const text = JSON.stringify(result);
  const base64 = encodeText(text);
  const isTooLong = base64.length > Math.ceil(gate.settings.maxReplyBytes / 3) * 4;
  const headers = { 'content-type': 'application/json' };
  const status = result.isError === true ? 500 : 200;
  const verdict = await settle(
    gate,
    call,
    measured,
    isTooLong ? { kind: 'too_long' } : { kind: 'answered', status, headers, base64: () => base64 },
  );
  if (verdict.kind === 'replace') return answerOfReply(verdict.reply);
  return verdict.paidHeaders === undefined ? result : withReceipt(result, verdict.paidHeaders);
}

/** A call of a tool, as if it were a request to `mcp://tool/<name>` with the arguments as its body. */
class ToolArrival<Args> implements Arrival<ToolCall<Args>> {
  readonly method = 'POST';

  constructor(
    private readonly tool: string,
    readonly own: ToolCall<Args>,
  ) {}

  /** Payments are in `_meta`; who asks is in the headers of the transport, or in `_meta` where it has none. */
  readonly header = (name: string): string | undefined => {
    const { _meta: meta = {}, requestInfo } = this.own.extra;
    const payment = meta['x402/payment'];
    if (name === 'payment-signature' || name === 'x-payment') {
      const isOwn = name === (isFirstVersion(payment) ? 'x-payment' : 'payment-signature');
      return payment === undefined || !isOwn ? undefined : encodeText(JSON.stringify(payment));
    }
    const said = META_OF[name] === undefined ? undefined : meta[META_OF[name]];
    if (typeof said === 'string') return name === 'authorization' ? `Bearer ${said}` : said;
    // The transport's own message signatures are about its URL, not about a tool.
    return CARRIED.has(name) ? requestInfo?.headers[name]?.toString() : undefined;
  };

  url(): string {
    return `mcp://tool/${encodeURIComponent(this.tool)}`;
  }

  async readBody(limit: number): Promise<BodyReading> {
    if (this.own.args === undefined) return { kind: 'known' };
    const bytes = new TextEncoder().encode(canonicalJson(this.own.args));
    if (bytes.byteLength > limit) return { kind: 'too_long' };
    return { kind: 'known', digest: await sha256(bytes) };
  }

  isGone(): boolean {
    return this.own.extra.signal?.aborted === true;
  }
}

const META_OF: Readonly<Record<string, string>> = {
  authorization: 'farebox/agent-key',
  'sign-in-with-x': 'x402/sign-in-with-x',
  'idempotency-key': 'farebox/idempotency-key',
};

const CARRIED = new Set(['authorization', 'sign-in-with-x', 'idempotency-key']);

const isFirstVersion = (payment: unknown): boolean =>
  typeof payment === 'object' && payment !== null && 'x402Version' in payment && payment.x402Version === 1;

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { PaymentRequired, SettleResponse } from '@x402/core/types';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import { toClientEvmSigner } from '@x402/evm';
import { x402Client } from '@x402/fetch';
import { createPublicClient, http, type LocalAccount } from 'viem';
import { baseSepolia } from 'viem/chains';
import { type CallToolResult, CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { callOf, paywall } from '@farebox/paywall/mcp';
import { USDC_ADDRESS } from '../../tools/servers/usdc.mjs';
import { railOf, verifyBooks } from '../support/books.js';
import { House } from '../support/house.js';

// A tool of an MCP server, sold by the call: the payment travels beside the arguments, and pays for these arguments.

const ASSET = `eip155:84532/erc20:${USDC_ADDRESS.toLowerCase()}`;
const PRICE = 4_000n;

describe('a priced tool', () => {
  let house: House;
  let server: McpServer;
  let client: Client;
  let runs = 0;
  let wallets = 10;

  beforeAll(async () => {
    house = await House.build();
    await house.startWorker();
    const price = paywall({ gateUrl: house.url, key: house.key });
    server = new McpServer({ name: 'shop', version: '1' });
    const inputSchema = { query: z.string(), most: z.number().optional() };
    server.registerTool(
      'search',
      { inputSchema },
      price({ tool: 'search', meter: 'api.calls', description: 'A search' })(async ({ query }) => {
        runs += 1;
        return query === 'fail'
          ? { isError: true, content: [{ type: 'text', text: 'the search failed' }] }
          : { content: [{ type: 'text', text: `found ${query}, run ${runs}` }], structuredContent: { runs } };
      }),
    );
    server.registerTool(
      'compute',
      { inputSchema: {} },
      price({ tool: 'compute', meter: 'compute.seconds', quantity: '10' })(async (_args, extra) => {
        callOf(extra)?.measure('2.5');
        return { content: [{ type: 'text', text: 'computed' }] };
      }),
    );
    client = new Client({ name: 'agent', version: '1' });
    const [left, right] = InMemoryTransport.createLinkedPair();
    await Promise.all([server.connect(left), client.connect(right)]);
  });

  afterAll(async () => {
    await client.close();
    await server.close();
    await house.close();
  });

  const call = async (
    args: Record<string, unknown>,
    meta?: Record<string, unknown>,
    name = 'search',
  ): Promise<CallToolResult> => {
    const called = await client.callTool({ name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) });
    return CallToolResultSchema.parse(called);
  };

  const challengeOf = (result: CallToolResult): PaymentRequired =>
    (result.structuredContent ?? {}) as object as PaymentRequired;

  const settlementOf = (result: CallToolResult): SettleResponse | undefined =>
    result._meta?.['x402/payment-response'] as SettleResponse | undefined;

  /** What the public client signs for a challenge, as an object. */
  const payFor = (challenge: PaymentRequired, wallet: LocalAccount) => {
    const reads = createPublicClient({ chain: baseSepolia, transport: http(house.chain.url) });
    const scheme = new ExactEvmScheme(toClientEvmSigner(wallet, reads));
    return new x402Client().register('eip155:84532', scheme).createPaymentPayload(challenge);
  };

  it('says what it costs when nothing is paid, structured and as text', async () => {
    const unpaid = await call({ query: 'x' });
    expect(unpaid).toMatchObject({ isError: true, content: [{ type: 'text' }] });
    expect(challengeOf(unpaid)).toMatchObject({
      x402Version: 2,
      resource: { url: 'mcp://tool/search', description: 'A search' },
      accepts: [
        { scheme: 'exact', network: 'eip155:84532', amount: PRICE.toString(), payTo: expect.anything() as string },
      ],
    });
    const [content] = unpaid.content;
    expect(JSON.parse(content?.type === 'text' ? content.text : '')).toEqual(challengeOf(unpaid));
    expect(runs).toBe(0);
  });

  it('is paid for beside its arguments, once, and gives the same result for the same payment', async () => {
    const wallet = await house.wallet((wallets += 1), 1_000_000n);
    const args = { query: 'x', most: 3 };
    const before = runs;
    const payment = { 'x402/payment': await payFor(challengeOf(await call(args)), wallet) };
    const first = await call(args, payment);
    expect(first).toMatchObject({
      content: [{ type: 'text', text: `found x, run ${before + 1}` }],
      structuredContent: { runs: before + 1 },
    });
    expect(first.isError).not.toBe(true);
    expect(settlementOf(first)).toMatchObject({
      success: true,
      network: 'eip155:84532',
      transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
      payer: expect.stringMatching(new RegExp(wallet.address, 'i')) as string,
    });

    // The same arguments in another order are the same arguments.
    const again = await call({ most: 3, query: 'x' }, payment);
    expect([again.content, again.structuredContent, again.isError]).toEqual([
      first.content,
      first.structuredContent,
      first.isError,
    ]);
    expect(settlementOf(again)).toMatchObject({ success: true, transaction: settlementOf(first)?.transaction });

    const other = await call({ query: 'y', most: 3 }, payment);
    expect(other).toMatchObject({ isError: true, structuredContent: { error: 'quote_is_for_another_request' } });
    expect(challengeOf(other).accepts).toHaveLength(1);
    expect(settlementOf(other)).toBeUndefined();
    expect(runs).toBe(before + 1);
    await house.untilAll('settled');
    expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n - PRICE);
  });

  it('runs once, though its payment is presented sixteen times at once', async () => {
    const wallet = await house.wallet((wallets += 1), 1_000_000n);
    const before = runs;
    const payment = { 'x402/payment': await payFor(challengeOf(await call({ query: 'z' })), wallet) };
    const results = await Promise.all(Array.from({ length: 16 }, () => call({ query: 'z' }, payment)));
    expect(runs).toBe(before + 1);
    const sold = results.filter(({ isError }) => isError !== true);
    expect(sold.length).toBeGreaterThan(0);
    for (const result of sold) expect(result.content).toEqual([{ type: 'text', text: `found z, run ${runs}` }]);
    for (const result of results.filter(({ isError }) => isError === true))
      expect(JSON.stringify(result)).not.toContain('found z');
  });

  it('costs nothing when it fails', async () => {
    const wallet = await house.wallet((wallets += 1), 1_000_000n);
    const payment = { 'x402/payment': await payFor(challengeOf(await call({ query: 'fail' })), wallet) };
    const failed = await call({ query: 'fail' }, payment);
    expect(failed).toMatchObject({ isError: true, content: [{ text: 'the search failed' }] });
    expect(settlementOf(failed)).toBeUndefined();
    const { rows } = await house.owner.query('SELECT state FROM payments WHERE payer = $1', [
      wallet.address.toLowerCase(),
    ]);
    expect(rows).toEqual([{ state: 'voided' }]);
    expect(await house.usdc.balance(wallet.address)).toBe(1_000_000n);
  });

  it('is paid from a balance by a key, for what was measured, and once for one name', async () => {
    const headers = { 'content-type': 'application/json' };
    const post = async (path: string, body: object): Promise<Record<string, string>> => {
      const answer = await house.call(path, { method: 'POST', headers, body: JSON.stringify(body) });
      expect(answer.status).toBe(201);
      return (await answer.json()) as Record<string, string>;
    };
    const { id: account = '' } = await post('/v1/accounts', {});
    await post(`/v1/accounts/${account}/grants`, { asset: ASSET, kind: 'goodwill', amount: '10000' });
    const { secret = '' } = await post(`/v1/accounts/${account}/keys`, { name: 'agent' });
    const meta = { 'farebox/agent-key': secret, 'farebox/idempotency-key': 'job-1' };
    const first = await call({}, meta, 'compute');
    expect(first).toMatchObject({ content: [{ text: 'computed' }] });
    expect(settlementOf(first)).toMatchObject({ success: true, network: 'farebox:prepaid', amount: '1250' });
    expect(await call({}, meta, 'compute')).toMatchObject({ content: [{ text: 'computed' }] });
    expect(await house.read(`/v1/accounts/${account}/wallet`)).toMatchObject({ balances: [{ available: '8750' }] });
    expect(await call({ query: 'x' }, { ...meta, 'farebox/idempotency-key': 'job-1' })).toMatchObject({
      isError: true,
      structuredContent: { status: 409 },
    });
  });

  it('leaves books that hold', async () => {
    const findings = await verifyBooks(house.db.auditUrl, railOf(house.config));
    expect(findings.flatMap(({ faults }) => faults)).toEqual([]);
  });
});

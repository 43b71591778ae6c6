import { createHash } from 'node:crypto';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import { GateStandIn, until } from '../test/gate-stand-in.js';
import { callOf, paywall } from './mcp.js';
import type { PaywallOptions } from './options.js';

let gate: GateStandIn;
let server: McpServer;
let client: Client;
let errors: Error[];
let runs: number;

/** What a stock client of x402 signs: an object, which the gate of these tests knows by its header's form. */
const payment = (nonce: string) => ({ x402Version: 2, payload: { nonce } });
const headerOf = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64');

beforeEach(async () => {
  gate = await GateStandIn.start();
  gate.good.add(headerOf(payment('one'))).add(headerOf(payment('two')));
  gate.challenge = { x402Version: 2, resource: { url: 'mcp://tool/search' }, accepts: [{ scheme: 'exact' }] };
  server = new McpServer({ name: 'shop', version: '1' });
  client = new Client({ name: 'agent', version: '1' });
  errors = [];
  runs = 0;
});
afterEach(async () => {
  await client.close();
  await server.close();
  await gate.stop();
});

const pricing = (options: Partial<PaywallOptions> = {}): ReturnType<typeof paywall> =>
  paywall({ gateUrl: gate.url, key: 'fbk_gate', onError: (error) => errors.push(error), ...options });

function sell(options: Partial<PaywallOptions> = {}): void {
  const price = pricing(options);
  const sold = price({ tool: 'search', meter: 'searches', description: 'A search' });
  const inputSchema = { query: z.string(), most: z.number().optional() };
  server.registerTool(
    'search',
    { inputSchema },
    sold(async ({ query }, extra) => {
      runs += 1;
      if (query === 'throw') throw new Error('disk on fire');
      if (query === 'wait') return new Promise(() => undefined);
      if (query === 'measure') callOf(extra)?.measure('0.5');
      return { content: [{ type: 'text', text: `found ${query}` }], isError: query === 'error' };
    }),
  );
  server.registerTool(
    'now',
    {},
    price({ tool: 'the time/now', meter: 'times' })(async () => ({ content: [] })),
  );
}

async function connect(): Promise<void> {
  const [left, right] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(left), client.connect(right)]);
}

const call = (query: string, meta?: Record<string, unknown>, more: object = {}) =>
  client.callTool({ name: 'search', arguments: { query, ...more }, ...(meta !== undefined && { _meta: meta }) });
const paying = (nonce: string): Record<string, unknown> => ({ 'x402/payment': payment(nonce) });

describe('a priced tool', () => {
  beforeEach(async () => {
    sell();
    await connect();
  });

  it('answers the challenge as an error, structured and as text', async () => {
    const answer = await call('x');
    expect(answer).toEqual({
      isError: true,
      structuredContent: gate.challenge,
      content: [{ type: 'text', text: JSON.stringify(gate.challenge) }],
    });
    expect(gate.checks[0]).toEqual({
      method: 'POST',
      url: 'mcp://tool/search',
      meter: 'searches',
      description: 'A search',
      bodyDigest: createHash('sha256').update('{"query":"x"}').digest('hex'),
    });
    expect(runs).toBe(0);
  });

  it('serves what was paid with its receipt, and gives it again', async () => {
    const first = await call('x', paying('one'));
    expect(first).toEqual({
      content: [{ type: 'text', text: 'found x' }],
      isError: false,
      _meta: { 'x402/payment-response': { success: true } },
    });
    expect(gate.checks[0]?.paymentSignature).toBe(headerOf(payment('one')));
    expect(await call('x', paying('one'))).toEqual(first);
    expect(runs).toBe(1);
  });

  it('binds the arguments, in whatever order they come', async () => {
    await call('x', undefined, { most: 3 });
    await client.callTool({ name: 'search', arguments: { most: 3, query: 'x' } });
    await call('y', undefined, { most: 3 });
    const [one, same, other] = gate.checks.map(({ bodyDigest }) => bodyDigest);
    expect(one).toBe(same);
    expect(one).not.toBe(other);
  });

  it('may have no arguments, and any name', async () => {
    await client.callTool({ name: 'now', _meta: paying('one') });
    expect(gate.checks[0]).toMatchObject({ url: 'mcp://tool/the%20time%2Fnow' });
    expect(gate.checks[0]?.bodyDigest).toBeUndefined();
    expect(gate.statusOf(headerOf(payment('one')))).toBe('submitted');
  });

  it('takes a payment of the first version', async () => {
    const old = { x402Version: 1, scheme: 'exact' };
    gate.good.add(headerOf(old));
    expect(await call('x', { 'x402/payment': old })).toMatchObject({ isError: false });
    expect(gate.checks[0]?.xPayment).toBe(headerOf(old));
  });

  it('can measure, and says who asks where the transport has no headers', async () => {
    const key = `fbx_test_${'ab'.repeat(16)}_secret`;
    await call('measure', { 'farebox/agent-key': key, 'farebox/idempotency-key': 'mine' });
    expect(gate.checks[0]).toMatchObject({ proof: { authorization: `Bearer ${key}` }, idempotencyKey: 'mine' });
    expect(gate.captures[0]?.quantity).toBe('0.5');
  });

  it('is not charged when it fails: the SDK answers as it would', async () => {
    expect(await call('error', paying('one'))).toMatchObject({ isError: true, content: [{ text: 'found error' }] });
    expect(await call('throw', paying('two'))).toMatchObject({ isError: true, content: [{ text: 'disk on fire' }] });
    expect([...gate.payments.values()].map(({ view }) => view.status)).toEqual(['voided', 'voided']);
  });

  it('is not charged when the agent cancels', async () => {
    const agent = new AbortController();
    const request = { name: 'search', arguments: { query: 'wait' }, _meta: paying('one') };
    const asked = client.callTool(request, undefined, { signal: agent.signal }).catch(() => 'cancelled');
    await until(() => runs === 1);
    agent.abort();
    expect(await asked).toBe('cancelled');
    await until(() => gate.statusOf(headerOf(payment('one'))) === 'voided');
  });

  it('gives nothing of its content when the payment is not settled', async () => {
    gate.withhold = true;
    const answer = await call('x', paying('one'));
    expect(answer.isError).toBe(true);
    expect(JSON.stringify(answer)).not.toContain('found');
    expect(runs).toBe(1);
  });

  it.each(['check', 'capture'] as const)('gives nothing when the %s is not understood', async (step) => {
    gate.misbehaviours.push({ step, how: { status: 200, body: '{}' } });
    const answer = await call('x', paying('one'));
    expect(answer).toMatchObject({ isError: true, structuredContent: { status: 503 } });
    expect(JSON.stringify(answer)).not.toContain('found');
  });
});

it('a tool whose result is too long is neither sent nor charged', async () => {
  sell({ maxReplyBytes: 10 });
  await connect();
  const answer = await call('x', paying('one'));
  expect(answer).toMatchObject({ isError: true, structuredContent: { status: 500 } });
  expect(gate.statusOf(headerOf(payment('one')))).toBe('voided');
});

it('a price of a tool needs its name', () => {
  expect(() => pricing()({ tool: '', meter: 'm' })).toThrow('tool is missing');
});

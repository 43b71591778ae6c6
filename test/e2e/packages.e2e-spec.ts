import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// A provider installs the published packages: built, packed, installed from the tarballs into an empty folder without a
// network, run by plain Node and checked by the compiler. Nothing of this checkout's aliases or transforms helps there.

const checkout = process.cwd();
let folder: string;

/** Runs a program to its end and returns what it printed; a failure fails the test with all that it said. */
function run(program: string, args: string[], cwd = folder): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}

const npm = (...args: string[]): string => run('npm', [...args, '--offline', '--cache', join(folder, '.npm')]);

/** The checkout's own copies of what a provider would already have. */
function lend(...packages: string[]): void {
  for (const name of packages) {
    const target = join(folder, 'node_modules', name);
    mkdirSync(join(target, '..'), { recursive: true });
    symlinkSync(join(checkout, 'node_modules', name), target, 'junction');
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-packages-'));
  const built = join(folder, 'built');
  run(process.execPath, ['tools/build-packages.mjs', '--out', built], checkout);
  for (const name of readdirSync(built)) npm('pack', join(built, name));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'provider', private: true, type: 'module' }));
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  expect(tarballs.sort()).toEqual(['farebox-metering-0.2.0.tgz', 'farebox-paywall-0.2.0.tgz']);
  npm('install', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs.map((name) => `./${name}`));
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The server's side of both contracts, as little of it as the scripts need. Printed scripts import it. */
const SERVER = `
import { createServer } from 'node:http';

export const asked = [];
const payment = {
  id: 'pay_1', status: 'reserved', account: 'acct_1', payer: '0x11', network: 'eip155:84532', asset: '0x22', amount: '5',
  statusUrl: 'http://localhost/v1/payments/pay_1',
};
const answers = {
  '/v1/events/stream': ({ stream, seq, columns }) => ({
    stream, seq, outcome: 'stored', accepted: columns.type.length, held: 0, rejected: 0, items: [], completeThrough: seq,
  }),
  '/v1/events': (events) => ({
    accepted: events.length, duplicate: 0, conflict: 0, rejected: 0,
    verdicts: events.map(({ id, source }) => ({ id, source, verdict: 'accepted' })),
  }),
  '/v1/gate/check': ({ paymentSignature }) =>
    paymentSignature === undefined
      ? { decision: 'pay', reply: { status: 402, headers: { 'PAYMENT-REQUIRED': 'e30=' }, body: 'e30=' } }
      : { decision: 'serve', payment, captureWithinSeconds: 60 },
  '/v1/gate/capture': () => ({ decision: 'release', payment, headers: { 'PAYMENT-RESPONSE': 'e30=' } }),
  '/v1/gate/void': () => ({ payment }),
};
export async function listen(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return 'http://127.0.0.1:' + server.address().port;
}
export const farebox = createServer(async (req, res) => {
  let text = '';
  for await (const chunk of req) text += chunk;
  const body = JSON.parse(text);
  asked.push([req.url, body]);
  res.end(JSON.stringify(answers[req.url](body)));
});
/** Without a payment, then with one. */
export async function buy(url, init = {}) {
  const unpaid = await fetch(url, init);
  const paid = await fetch(url, { ...init, headers: { ...init.headers, 'PAYMENT-SIGNATURE': 'signed' } });
  return [unpaid.status, paid.status, paid.headers.get('payment-response'), await paid.text()];
}
`;

/** Writes a script beside the installed packages, runs it under plain Node, and returns the JSON it printed. */
function script(name: string, source: string): unknown {
  writeFileSync(join(folder, 'server.mjs'), SERVER);
  writeFileSync(join(folder, name), `import { asked, buy, farebox, listen } from './server.mjs';\n${source}`);
  return JSON.parse(run(process.execPath, [name]));
}

describe('the packages from their tarballs', () => {
  it('bring nothing with them, and no trace of the checkout', () => {
    expect(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual(['@farebox']);
    for (const name of ['metering', 'paywall']) {
      const installed = join(folder, 'node_modules/@farebox', name);
      const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
      expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'index.js', 'index.d.ts']));
      expect(files.filter((file) => /spec|stand-in|tsconfig|(?<!\.d)\.ts$/.test(file))).toEqual([]);
      for (const file of files.filter((one) => /\.(?:js|d\.ts)$/.test(one))) {
        const text = readFileSync(join(installed, file), 'utf8');
        expect([file, text.match(/from '(?:@core|@platform|@features|@farebox)[^']*'/)]).toEqual([file, null]);
        expect(text).not.toContain(checkout);
      }
    }
  });

  it('meter and sell under plain Node, with no framework installed', () => {
    const printed = script(
      'bare.mjs',
      `
import { createServer } from 'node:http';
import { Metering } from '@farebox/metering';
import { Paywall } from '@farebox/paywall';
import { paywall } from '@farebox/paywall/express';

const url = await listen(farebox);
const metering = new Metering({ url, key: 'k', source: '/test' });
await metering.record({ meter: 'calls', account: 'acct_1' });
await metering.level({ meter: 'bytes', account: 'acct_1', resource: 'b', level: 7n });
await metering.span('compute', 'acct_1', async () => undefined);
const closed = await metering.close();

const guard = paywall(new Paywall({ gateUrl: url, key: 'k' }))({ meter: 'calls' });
const shop = createServer((req, res) => void guard(req, res, () => res.end('sold')));
const sold = await buy(await listen(shop));
console.log(JSON.stringify({ closed, counters: metering.counters(), sold, asked: asked.map(([path]) => path) }));
for (const server of [shop, farebox]) { server.close(); server.closeAllConnections(); }
`,
    );
    expect(printed).toMatchObject({
      closed: { complete: true, unsent: 0 },
      counters: { queued: 3, sent: 3, acknowledged: 3, dropped: 0 },
      sold: [402, 200, 'e30=', 'sold'],
      asked: ['/v1/events/stream', '/v1/gate/check', '/v1/gate/check', '/v1/gate/capture'],
    });
  });

  it('sell on Express and on Nest, where the provider has them', () => {
    lend('express', '@nestjs/common', '@nestjs/core', '@nestjs/platform-fastify', 'reflect-metadata', 'rxjs');
    const printed = script(
      'frameworks.mjs',
      `
import 'reflect-metadata';
import express from 'express';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { paywall } from '@farebox/paywall/express';
import { FareboxPaywallModule, Price } from '@farebox/paywall/nest';

const gateUrl = await listen(farebox);
const app = express();
app.post('/echo', paywall({ gateUrl, key: 'k' })({ meter: 'calls' }), express.json(), (req, res) => res.json(req.body));
const shop = app.listen(0, '127.0.0.1');
await new Promise((resolve) => shop.once('listening', resolve));
const json = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } };
const onExpress = await buy('http://127.0.0.1:' + shop.address().port + '/echo', json);

class Shop { sell() { return { b: 2 }; } }
const method = Object.getOwnPropertyDescriptor(Shop.prototype, 'sell');
Get('sell')(Shop.prototype, 'sell', method);
Price({ meter: 'calls' })(Shop.prototype, 'sell', method);
Controller()(Shop);
class App {}
Module({ imports: [FareboxPaywallModule.forRoot({ gateUrl, key: 'k' })], controllers: [Shop] })(App);
const nest = await NestFactory.create(App, new FastifyAdapter(), { logger: false });
await nest.listen(0, '127.0.0.1');
const onNest = await buy((await nest.getUrl()) + '/sell');

console.log(JSON.stringify({ onExpress, onNest }));
await nest.close();
for (const server of [shop, farebox]) { server.close(); server.closeAllConnections(); }
`,
    );
    expect(printed).toEqual({ onExpress: [402, 200, 'e30=', '{"a":1}'], onNest: [402, 200, 'e30=', '{"b":2}'] });
  });

  it('sell by the doors of web standards, of Hono, of Fastify and of MCP', () => {
    lend('hono', '@hono/node-server', 'fastify', '@modelcontextprotocol/sdk');
    const printed = script(
      'doors.mjs',
      `
import { createServer } from 'node:http';
import { serve } from '@hono/node-server';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import fastify from 'fastify';
import { Hono } from 'hono';
import { callOf, paywall as onFetch } from '@farebox/paywall/fetch';
import { paywall as onHono } from '@farebox/paywall/hono';
import { paywall as onFastify } from '@farebox/paywall/fastify';
import { paywall as onMcp } from '@farebox/paywall/mcp';

const gate = { gateUrl: await listen(farebox), key: 'k' };
const body = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' };

const sell = onFetch(gate)({ meter: 'calls' })(async (request) => new Response((await request.text()) + callOf(request).payment.id));
const bought = [await sell(new Request('https://a.example/', body))];
bought.push(await sell(new Request('https://a.example/', { ...body, headers: { 'PAYMENT-SIGNATURE': 'signed' } })));
const web = [...bought.map(({ status }) => status), await bought[1].text()];

const app = new Hono().post('/', onHono(gate)({ meter: 'calls' }), async (c) => c.json(await c.req.json()));
const honoServer = await new Promise((resolve) => { const s = serve({ fetch: app.fetch, port: 0 }, () => resolve(s)); });
const hono = await buy('http://127.0.0.1:' + honoServer.address().port, body);

const server = fastify();
server.post('/', { ...onFastify(gate)({ meter: 'calls' }) }, async (request) => request.body);
const fastified = await buy(await server.listen({ port: 0, host: '127.0.0.1' }), body);

const tools = new McpServer({ name: 's', version: '1' });
tools.registerTool('now', {}, onMcp(gate)({ tool: 'now', meter: 'calls' })(async () => ({ content: [{ type: 'text', text: 'noon' }] })));
const client = new Client({ name: 'c', version: '1' });
const [left, right] = InMemoryTransport.createLinkedPair();
await Promise.all([tools.connect(left), client.connect(right)]);
const mcp = [await client.callTool({ name: 'now' }), await client.callTool({ name: 'now', _meta: { 'x402/payment': { x402Version: 2 } } })];

console.log(JSON.stringify({ web, hono, fastified, mcp }));
await client.close();
server.server.closeAllConnections();
await server.close();
for (const one of [honoServer, farebox]) { one.close(); one.closeAllConnections(); }
`,
    );
    expect(printed).toEqual({
      web: [402, 200, '{"a":1}pay_1'],
      hono: [402, 200, 'e30=', '{"a":1}'],
      fastified: [402, 200, 'e30=', '{"a":1}'],
      mcp: [
        { isError: true, structuredContent: {}, content: [{ type: 'text', text: '{}' }] },
        { content: [{ type: 'text', text: 'noon' }], _meta: { 'x402/payment-response': {} } },
      ],
    });
  });

  it('type-check in a strict project, and refuse what is wrong', () => {
    lend('@types/node', '@types/express', '@types/express-serve-static-core', '@types/serve-static', 'undici-types');
    lend(
      '@types/body-parser',
      '@types/connect',
      '@types/qs',
      '@types/range-parser',
      '@types/send',
      '@types/http-errors',
      'zod',
    );
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      isolatedModules: true,
      skipLibCheck: true,
      noEmit: true,
      types: ['node'],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    // Declarations are checked without Nest's among them: those of others are not ours to answer for.
    const entries = [
      '@farebox/metering',
      '@farebox/metering/spool',
      '@farebox/metering/express',
      '@farebox/metering/fastify',
      '@farebox/metering/nest',
      '@farebox/paywall',
      '@farebox/paywall/express',
      '@farebox/paywall/fetch',
    ];
    const reexports = entries.map((entry, index) => `export * as entry${index} from '${entry}';\n`);
    writeFileSync(join(folder, 'checked.ts'), reexports.join(''));
    writeFileSync(
      join(folder, 'consumer.ts'),
      `
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Controller, Get, Module } from '@nestjs/common';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { z } from 'zod';
import { type Counters, DroppedError, Metering } from '@farebox/metering';
import type { PaymentView, PricedCall } from '@farebox/paywall';
import { paywall } from '@farebox/paywall/express';
import { paywall as onFastify } from '@farebox/paywall/fastify';
import { paywall as onFetch } from '@farebox/paywall/fetch';
import { paywall as onHono } from '@farebox/paywall/hono';
import { paywall as onMcp } from '@farebox/paywall/mcp';
import { FareboxCall, FareboxPaywallModule, Price } from '@farebox/paywall/nest';

const metering = new Metering({
  url: 'http://localhost', key: 'k', source: '/s', queue: { whenFull: 'reject' },
  onError: (error) => { if (error instanceof DroppedError) console.log(error.events.length); },
});
export const counters: Counters = metering.counters();
export const result: Promise<number> = metering.span('m', 'a', async () => 7);
// @ts-expect-error A policy that there is not.
new Metering({ url: 'http://localhost', key: 'k', source: '/s', queue: { whenFull: 'forget' } });
// @ts-expect-error An account is needed.
void metering.record({ meter: 'm' });

const price = paywall({ gateUrl: 'http://localhost', key: 'k' });
const app = express();
app.use(price({ meter: 'm' }));
app.get('/:id', price({ meter: 'm', quantity: (req: express.Request) => req.path }), (req, res) => {
  const payment: PaymentView | undefined = req.farebox?.payment;
  req.farebox?.measure('1.5');
  res.json(payment);
});
// @ts-expect-error Quantities are decimal strings.
price({ meter: 'm', quantity: 3 });

const gate = { gateUrl: 'http://localhost', key: 'k' };
fastify().get('/', { ...onFastify(gate)({ meter: 'm', quantity: (request) => request.url }) }, async ({ farebox }) => farebox?.payment);
new Hono().get('/', onHono(gate)({ meter: 'm', quantity: (c) => c.req.path }), (c) => c.json(c.get('farebox').payment));
export const GET = onFetch(gate)({ meter: 'm', stream: { upTo: '7' } })((request, context: { id: string }) =>
  new Response(request.url + context.id));
new McpServer({ name: 's', version: '1' }).registerTool('t', { inputSchema: { word: z.string() } },
  onMcp(gate)({ tool: 't', meter: 'm' })(async ({ word }) => ({ content: [{ type: 'text', text: word.trim() }] })));
// @ts-expect-error A tool has no streams.
onMcp(gate)({ tool: 't', meter: 'm', stream: true });

@Price({ meter: 'm' })
@Controller()
class Shop {
  @Get()
  @Price({ meter: 'n', quantity: ({ method }) => String(method.length) })
  sell(@FareboxCall() call: PricedCall): string { return call.payment.id; }
}
@Module({ imports: [FareboxPaywallModule.forRoot({ gateUrl: 'http://localhost', key: 'k' })], controllers: [Shop] })
export class AppModule {}
`,
    );
    run(process.execPath, [
      join(checkout, 'node_modules/typescript/lib/tsc.js'),
      '--project',
      folder,
      '--skipLibCheck',
    ]);
    const own = ['checked.ts', '--module', 'nodenext', '--strict', '--noEmit', '--types', 'node', '--target', 'es2023'];
    run(process.execPath, [join(checkout, 'node_modules/typescript/lib/tsc.js'), '--ignoreConfig', ...own]);
  }, 120_000);
});

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { transformSync } from '@swc/core';
import { GateStandIn } from '../test/gate-stand-in.js';
import { paying } from '../test/serve.js';

const SOURCES = join(process.cwd(), 'libs/packages/x402-middleware/src');

/** Runs an entry of the package in a world that has web standards and nothing of Node's, without any other module. */
function runInBareWorld(entry: string, globals: object): Record<string, unknown> {
  const world = createContext({ ...globals });
  const loaded = new Map<string, { exports: Record<string, unknown> }>();
  const load = (file: string): Record<string, unknown> => {
    const known = loaded.get(file);
    if (known !== undefined) return known.exports;
    const { code } = transformSync(readFileSync(file, 'utf8'), {
      module: { type: 'commonjs' },
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      swcrc: false,
    });
    const module = { exports: {} };
    loaded.set(file, module);
    const loadFrom = (specifier: string): Record<string, unknown> => {
      if (!specifier.startsWith('.')) throw new Error(`${file} imports ${specifier}.`);
      return load(join(dirname(file), specifier.replace(/\.js$/, '.ts')));
    };
    (runInContext(`(function (module, exports, require) {${code}\n})`, world) as (...args: unknown[]) => void)(
      module,
      module.exports,
      loadFrom,
    );
    return module.exports;
  };
  return load(join(SOURCES, entry));
}

/** What every edge runtime has. Timers are numbers there. */
function webStandards(): object {
  const timers = new Map<number, NodeJS.Timeout>();
  const { fetch, URL, TextEncoder, TextDecoder, crypto, performance, console, atob, btoa } = globalThis;
  const { Request, Response, Headers, ReadableStream, AbortController, AbortSignal, Uint8Array } = globalThis;
  return {
    ...{ fetch, URL, TextEncoder, TextDecoder, crypto, performance, console, atob, btoa },
    ...{ Request, Response, Headers, ReadableStream, AbortController, AbortSignal, Uint8Array },
    setTimeout: (run: () => void, ms: number): number => {
      timers.set(timers.size, setTimeout(run, ms));
      return timers.size - 1;
    },
    clearTimeout: (timer: number): void => clearTimeout(timers.get(timer)),
  };
}

describe('on an edge runtime', () => {
  let gate: GateStandIn;
  beforeEach(async () => {
    gate = await GateStandIn.start();
  });
  afterEach(() => gate.stop());

  it('a handler is sold, with a body and as a stream', async () => {
    const { paywall, callOf } = runInBareWorld('fetch.ts', webStandards()) as typeof import('./fetch.js');
    const price = paywall({ gateUrl: gate.url, key: 'k' });
    const request = (signature: string): Request =>
      new Request('https://edge.example/', { ...paying(signature), method: 'POST', body: 'question' });

    const echo = price({ meter: 'api_calls' })(async (asked) => new Response(await asked.text()));
    const answer = await echo(request('ok-1'));
    expect([answer.status, await answer.text()]).toEqual([200, 'question']);
    expect(gate.checks[0]?.bodyDigest).toHaveLength(64);

    const stream = price({ meter: 'tokens', quantity: '2', stream: true })(async (asked) => {
      const isCovered = await callOf(asked)?.use('5');
      return new Response(String(isCovered));
    });
    expect(await (await stream(request('ok-2'))).text()).toBe('true');
    expect(gate.captures.map(({ quantity }) => quantity)).toEqual([undefined, '5']);
  });

  it('a browser gets its page', async () => {
    gate.challenge = { x402Version: 2, resource: { url: 'https://edge.example/' }, accepts: [] };
    const { paywall } = runInBareWorld('fetch.ts', webStandards()) as typeof import('./fetch.js');
    const sold = paywall({ gateUrl: gate.url, key: 'k' })({ meter: 'm' })(() => new Response());
    const headers = { accept: 'text/html', 'user-agent': 'Mozilla/5.0' };
    expect(await (await sold(new Request('https://edge.example/', { headers }))).text()).toContain('<!doctype html>');
  });

  it.each(['hono.ts', 'mcp.ts'])('%s asks for nothing but web standards either', (entry) => {
    expect(() => runInBareWorld(entry, webStandards())).not.toThrow();
  });

  it('would be noticed if it asked for more', () => {
    expect(() => runInBareWorld('express.ts', webStandards())).toThrow(/imports node:/);
  });
});

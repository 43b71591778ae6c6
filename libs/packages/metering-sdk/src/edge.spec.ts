import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { transformSync } from '@swc/core';
import { IngestStandIn } from '../test/ingest-stand-in.js';

const SOURCES = join(process.cwd(), 'libs/packages/metering-sdk/src');

/** Runs an entry of the package in a world that has web standards and nothing of Node's, without any other module. */
function runInBareWorld(entry: string, globals: object): { exports: Record<string, unknown>; files: string[] } {
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
    const load_ = (specifier: string): Record<string, unknown> => {
      if (!specifier.startsWith('./')) throw new Error(`${file} imports ${specifier}.`);
      return load(join(dirname(file), specifier.replace(/\.js$/, '.ts')));
    };
    (runInContext(`(function (module, exports, require) {${code}\n})`, world) as (...args: unknown[]) => void)(
      module,
      module.exports,
      load_,
    );
    return module.exports;
  };
  return { exports: load(join(SOURCES, entry)), files: [...loaded.keys()] };
}

/** What every edge runtime has. Timers are numbers there. */
function webStandards(): object {
  const timers = new Map<number, NodeJS.Timeout>();
  const { fetch, URL, TextEncoder, crypto, AbortController, performance, Response, console } = globalThis;
  return {
    ...{ fetch, URL, TextEncoder, crypto, AbortController, performance, Response, console },
    setTimeout: (run: () => void, ms: number): number => {
      timers.set(timers.size, setTimeout(run, ms));
      return timers.size - 1;
    },
    clearTimeout: (timer: number): void => clearTimeout(timers.get(timer)),
  };
}

describe('on an edge runtime', () => {
  it('the main entry records and delivers', async () => {
    const server = await IngestStandIn.start();
    const { exports, files } = runInBareWorld('index.ts', webStandards());
    const { Metering } = exports as Pick<typeof import('./index.js'), 'Metering'>;
    const client = new Metering({ url: server.url, key: 'k', source: '/edge' });
    await client.record({ meter: 'calls', account: 'acct_1' });
    await client.record({ meter: 'calls', account: 'acct_1', id: 'mine' });
    await client.span('compute', 'acct_1', async () => undefined);
    expect(await client.close()).toEqual({ complete: true, unsent: 0 });
    expect(server.taken.size).toBe(3);
    await server.stop();
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((file) => /spool/.test(file))).toEqual([]);
  });

  it.each(['express.ts', 'fastify.ts', 'nest.ts'])('%s asks for nothing but web standards either', (entry) => {
    expect(() => runInBareWorld(entry, webStandards())).not.toThrow();
  });

  it('would be noticed if it asked for more', () => {
    expect(() => runInBareWorld('spool.ts', webStandards())).toThrow(/imports node:/);
  });
});

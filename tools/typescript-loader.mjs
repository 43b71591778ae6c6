// Module hooks for Node: resolves the path aliases of tsconfig.json and `./x.js` that is written `./x.ts`, and compiles
// TypeScript to ES modules with SWC. What was compiled is kept under the data folder by a hash of source and options, so a
// second start compiles nothing and does not even load SWC.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { dataFolder, root } from './root.mjs';

const options = {
  module: { type: 'es6' },
  jsc: {
    target: 'es2022',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
  },
  sourceMaps: 'inline',
  swcrc: false,
};

const { paths } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')).compilerOptions;
const aliases = Object.entries(paths).map(([alias, [target]]) => {
  const [before, after = ''] = alias.split('*');
  return { before, after, wild: alias.includes('*'), target };
});

const cache = join(dataFolder, 'swc');
mkdirSync(cache, { recursive: true });
const salt = JSON.stringify(options) + readFileSync(join(root, 'node_modules/@swc/core/package.json'), 'utf8');
let swc;

function aliased(specifier) {
  for (const { before, after, wild, target } of aliases) {
    if (!wild && specifier === before) return join(root, target);
    if (wild && specifier.startsWith(before) && specifier.endsWith(after)) {
      return join(root, target.replace('*', specifier.slice(before.length, specifier.length - after.length)));
    }
  }
  return undefined;
}

export async function resolve(specifier, context, next) {
  const file = aliased(specifier);
  if (file) return { url: pathToFileURL(file).href, format: 'module', shortCircuit: true };
  if (/^\.{1,2}\/.*\.js$/.test(specifier) && context.parentURL?.endsWith('.ts')) {
    const url = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(url)) return { url: url.href, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const filename = fileURLToPath(url);
  const source = readFileSync(filename, 'utf8');
  const kept = join(cache, `${createHash('sha256').update(`${salt}\0${filename}\0${source}`).digest('hex')}.mjs`);
  if (existsSync(kept)) return { format: 'module', source: readFileSync(kept, 'utf8'), shortCircuit: true };
  swc ??= await import('@swc/core');
  const { code } = await swc.transform(source, { ...options, filename });
  // Two processes may compile the same file at once: a rename never shows half of one.
  const draft = `${kept}.${process.pid}`;
  writeFileSync(draft, code);
  renameSync(draft, kept);
  return { format: 'module', source: code, shortCircuit: true };
}

// Builds the two published packages, ready for `npm pack`:
//     node tools/build-packages.mjs [--out <folder>]        (dist/packages unless told otherwise)
import './node-version.mjs';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { argv, execPath } from 'node:process';
import { parseArgs } from 'node:util';
import { root } from './root.mjs';

const PACKAGES = { metering: 'metering-sdk', paywall: 'x402-middleware' };
const COMPILER = join(root, 'node_modules/typescript/lib/tsc.js');

const { values } = parseArgs({ args: argv.slice(2), options: { out: { type: 'string' } } });
const out = resolve(values.out ?? join(root, 'dist/packages'));

for (const [name, lib] of Object.entries(PACKAGES)) {
  const source = join(root, 'libs/packages', lib);
  const target = join(out, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const project = ['--project', join(source, 'tsconfig.package.json'), '--outDir', target];
  const { status } = spawnSync(execPath, [COMPILER, ...project], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  for (const file of ['package.json', 'README.md', 'CHANGELOG.md'])
    copyFileSync(join(source, file), join(target, file));
  copyFileSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  console.log(`@farebox/${name} is built in ${target}.`);
}

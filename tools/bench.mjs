#!/usr/bin/env node
// node tools/bench.mjs [name …] [--short]: runs test/bench/<name>.bench.ts, or all of them, one after another, each in a
// process of its own. Fails when one of them fails its correctness checks; a missed target is shown and fails nothing.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './root.mjs';

const folder = join(root, 'test/bench');
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length))
  .sort();
const names = asked.length > 0 ? asked : all;

const unknown = names.filter((name) => !existsSync(join(folder, `${name}.bench.ts`)));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}. There are: ${all.join(', ')}`);
  process.exit(2);
}

const loader = pathToFileURL(join(root, 'tools/register-typescript.mjs')).href;
const failed = [];
for (const name of names) {
  const child = spawn(process.execPath, ['--import', loader, join(folder, `${name}.bench.ts`), ...options], {
    cwd: root,
    stdio: 'inherit',
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve(status ?? signal));
  });
  if (code !== 0) failed.push(`${name} (${code})`);
}
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exit(1);
}

import './node-version.mjs';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { fingerprint, isStamped } from './fingerprint.mjs';
import { alone } from './lock.mjs';
import { prisma } from './prisma.mjs';
import { root } from './root.mjs';

const GENERATED = join(root, 'libs/platform/database/src/generated');
const STAMP = join(GENERATED, 'made-from');

/** Makes a checkout runnable after `npm ci`; returns what had to be done. Needs no database. */
export async function prepare() {
  if (!existsSync(join(root, 'node_modules/prisma/build/index.js'))) {
    throw new Error('The packages are not installed: run npm ci first.');
  }
  const current = () =>
    fingerprint([join(root, 'prisma/schema.prisma'), join(root, 'node_modules/prisma/package.json')]);
  if (isStamped(STAMP, current())) return [];
  return alone('prepare', async () => {
    const source = current();
    if (isStamped(STAMP, source)) return [];
    await prisma(['generate']);
    writeFileSync(STAMP, source);
    return ['database client generated'];
  });
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  prepare().then(
    (done) => console.log(done.length === 0 ? 'Nothing to prepare.' : done.join('\n')),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
}

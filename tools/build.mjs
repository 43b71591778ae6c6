import './node-version.mjs';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { fingerprint, isStamped } from './fingerprint.mjs';
import { alone } from './lock.mjs';
import { root } from './root.mjs';

const DIST = join(root, 'dist');
const STAMP = join(DIST, 'apps/built-from');
const SOURCES = ['apps', 'libs', 'tools/build.mjs', 'tools/rspack.mjs', 'tsconfig.json', 'package.json'];

export const appNames = () =>
  ['api', 'worker', 'local'].filter((app) => existsSync(join(root, 'apps', app, 'src/main.ts')));

/** Bundles the apps in one process, unless they are newer than what they were built from; returns what was built. */
export async function build() {
  const apps = appNames();
  const current = () =>
    fingerprint(
      SOURCES.map((path) => join(root, path)),
      (file) => !/\.spec\.ts$|\.md$/.test(file),
    );
  const isBuilt = (source) =>
    isStamped(STAMP, source) && apps.every((app) => existsSync(join(DIST, 'apps', app, 'main.js')));
  if (isBuilt(current())) return [];
  return alone('build', async () => {
    const source = current();
    if (isBuilt(source)) return [];
    const { bundle } = await import('./rspack.mjs');
    await bundle(apps);
    mkdirSync(join(DIST, 'apps'), { recursive: true });
    writeFileSync(STAMP, source);
    return apps;
  });
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  build().then(
    (built) => console.log(built.length === 0 ? 'Nothing to build.' : `Built ${built.join(', ')}.`),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
}

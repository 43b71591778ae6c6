import './node-version.mjs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// Packages may be missing or old, so nothing that needs them is imported before they were looked at.
const { prepare } = await import('./prepare.mjs');

const say = (done) => {
  if (done.length > 0) console.log(`  ${done.join(', ')}`);
};

try {
  say(await prepare());
  const { build } = await import('./build.mjs');
  const built = await build();
  say(built.length === 0 ? [] : [`built ${built.join(', ')}`]);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
process.setSourceMapsEnabled(true);
// The orchestration reads its own flags from the command line, as if it had been started itself.
const main = new URL('../dist/apps/local/main.js', import.meta.url);
process.argv[1] = fileURLToPath(main);
await import(main.href);

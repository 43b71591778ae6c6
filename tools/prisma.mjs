import { join } from 'node:path';
import { root } from './root.mjs';
import { run } from './servers/process.mjs';

/** Runs the Prisma CLI of this checkout, with the Node that runs us. */
export async function prisma(args, environment = {}) {
  const cli = join(root, 'node_modules/prisma/build/index.js');
  const env = { ...process.env, ...environment };
  const { status, output } = await run(process.execPath, [cli, ...args], { cwd: root, env });
  if (status !== 0) throw new Error(`prisma ${args.join(' ')} failed:\n${output.trim()}`);
  return output;
}

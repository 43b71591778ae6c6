import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fingerprint } from './fingerprint.mjs';
import { alone } from './lock.mjs';
import { root } from './root.mjs';

// Our own contracts, for chains on which the genuine ones are not deployed. The compiler is an npm package and needs no network;
// it takes seconds to load, hence it runs in a process of its own and only when a source or the compiler changed.

const SOURCES = join(root, 'test/support/contracts');
const OUTPUT = join(root, 'dist/contracts');
const packages = createRequire(join(root, 'package.json'));
const here = fileURLToPath(import.meta.url);

const SETTINGS = {
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  evmVersion: 'cancun',
  // Nothing in the code may depend on the folder it was compiled in.
  metadata: { bytecodeHash: 'none' },
  outputSelection: { '*': { '*': ['abi', 'evm.deployedBytecode.object'] } },
};

const madeFrom = () => fingerprint([SOURCES, here, packages.resolve('solc/package.json')]);
const outputOf = (source) => join(OUTPUT, `${source.slice(0, 16)}.json`);

/** Name of a contract → its abi and its code as it lies on a chain. Compiles when that has not been done yet. */
export async function compiledContracts() {
  const output = outputOf(madeFrom());
  if (!existsSync(output)) {
    await alone('contracts', async () => {
      if (!existsSync(output)) await promisify(execFile)(execPath, [here]);
    });
  }
  return JSON.parse(readFileSync(output, 'utf8'));
}

function compile() {
  const solc = packages('solc');
  const files = readdirSync(SOURCES).filter((file) => file.endsWith('.sol'));
  const sources = Object.fromEntries(files.map((f) => [f, { content: readFileSync(join(SOURCES, f), 'utf8') }]));
  const input = { language: 'Solidity', sources, settings: SETTINGS };
  const { errors = [], contracts = {} } = JSON.parse(solc.compile(JSON.stringify(input)));
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const made = {};
  for (const [name, { abi, evm }] of Object.values(contracts).flatMap(Object.entries)) {
    if (evm.deployedBytecode.object !== '') made[name] = { abi, code: `0x${evm.deployedBytecode.object}` };
  }
  return made;
}

if (argv[1] === here) {
  const output = outputOf(madeFrom());
  const text = JSON.stringify(compile());
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(`${output}.new`, text);
  renameSync(`${output}.new`, output);
}

import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from '../root.mjs';
import { freePort } from './ports.mjs';
import { onPath, startServer, untilReady } from './process.mjs';
import { rpc } from './rpc.mjs';

export const CHAIN_ID = 84_532;
export const TEST_MNEMONIC = 'test test test test test test test test test test test junk';

export async function startChain({ port, blockTime, mining = true, state, accounts = 20, slotsInEpoch = 1, log } = {}) {
  const chosen = port ?? (await freePort());
  const args = ['--host', '127.0.0.1', '--port', String(chosen), '--chain-id', String(CHAIN_ID), '--silent'];
  args.push('--mnemonic', TEST_MNEMONIC, '--accounts', String(accounts));
  args.push('--slots-in-an-epoch', String(slotsInEpoch));
  if (blockTime !== undefined) args.push('--block-time', String(blockTime));
  if (!mining) args.push('--no-mining');
  if (state !== undefined) {
    mkdirSync(state, { recursive: true });
    // Written now and then as well, so that a power cut loses seconds and not the run.
    args.push('--state', join(state, 'state.json'), '--state-interval', '10');
  }
  const restored = state !== undefined && existsSync(join(state, 'state.json'));
  const server = startServer({ name: 'The local chain (anvil)', file: findAnvil(), args, log });
  const url = `http://127.0.0.1:${chosen}`;
  await untilReady(server, async () => Number(await rpc(url, 'eth_chainId')) === CHAIN_ID);
  return Object.assign(server, { url, port: chosen, restored });
}

function findAnvil() {
  const processor = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  const name = `@foundry-rs/anvil-${process.platform}-${processor}`;
  try {
    const home = dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));
    const file = join(home, 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil');
    if (existsSync(file)) return file;
  } catch {
    // Not packaged for this machine, or optional packages were left out.
  }
  const installed = onPath('anvil');
  if (installed !== undefined) return installed;
  throw new Error(`the local chain needs anvil: install the npm package ${name}, or put anvil on PATH`);
}

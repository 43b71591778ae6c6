/** Version 1 names a network by a word, version 2 by CAIP-2. Chain ids by name, as the protocol lists them. */
const CHAIN_IDS: Readonly<Record<string, number>> = {
  ethereum: 1,
  sepolia: 11155111,
  base: 8453,
  'base-sepolia': 84532,
  polygon: 137,
  'polygon-amoy': 80002,
  avalanche: 43114,
  'avalanche-fuji': 43113,
  sei: 1329,
  'sei-testnet': 1328,
  iotex: 4689,
  abstract: 2741,
  'abstract-testnet': 11124,
  peaq: 3338,
  story: 1514,
  educhain: 41923,
  'skale-base-sepolia': 324705682,
  megaeth: 4326,
  monad: 143,
  stable: 988,
  'stable-testnet': 2201,
  celo: 42220,
  flare: 14,
};

const BY_NAME = new Map(Object.entries(CHAIN_IDS));
const BY_CHAIN_ID = new Map(Object.entries(CHAIN_IDS).map(([name, id]) => [id, name]));

const EIP155 = /^eip155:([1-9]\d{0,15})$/;

/** A CAIP-2 network such as `eip155:8453`. */
export const networkOfChain = (chainId: number): string => `eip155:${chainId}`;

/** The chain id of a CAIP-2 network of Ethereum's kind; undefined for every other text. */
export function chainIdOf(network: string): number | undefined {
  const digits = EIP155.exec(network)?.[1];
  if (digits === undefined) return undefined;
  const chainId = Number(digits);
  return Number.isSafeInteger(chainId) ? chainId : undefined;
}

/** The CAIP-2 network that version 1 calls `name`; undefined when it has no such name. */
export function networkOfNameV1(name: string): string | undefined {
  const chainId = BY_NAME.get(name);
  return chainId === undefined ? undefined : networkOfChain(chainId);
}

/** The word version 1 uses for a CAIP-2 network; undefined when it has none. */
export function nameV1OfNetwork(network: string): string | undefined {
  const chainId = chainIdOf(network);
  return chainId === undefined ? undefined : BY_CHAIN_ID.get(chainId);
}

import { chainIdOf, nameV1OfNetwork, networkOfNameV1 } from './networks.js';

describe('networks', () => {
  it.each([
    ['eip155:8453', 8453],
    ['eip155:1', 1],
    ['eip155:0', undefined],
    ['eip155:01', undefined],
    ['eip155:', undefined],
    ['eip155:1e3', undefined],
    ['eip155:9999999999999999', undefined],
    ['eip155:84532 ', undefined],
    ['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp', undefined],
    ['base', undefined],
  ])('%s has chain id %s', (network, chainId) => {
    expect(chainIdOf(network)).toBe(chainId);
  });

  it('version 1 names translate both ways, and names of objects are no networks', () => {
    expect(networkOfNameV1('base-sepolia')).toBe('eip155:84532');
    expect(nameV1OfNetwork('eip155:84532')).toBe('base-sepolia');
    expect(networkOfNameV1('constructor')).toBeUndefined();
    expect(networkOfNameV1('eip155:8453')).toBeUndefined();
    expect(nameV1OfNetwork('eip155:31337')).toBeUndefined();
  });
});

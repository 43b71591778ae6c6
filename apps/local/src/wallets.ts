import { bytesToHex } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { TEST_MNEMONIC } from '../../../tools/servers/chain.mjs';

// Accounts of the mnemonic everybody knows: they own ether on the local chain, and must hold nothing anywhere else.

export interface Wallet {
  /** Checksummed. */
  readonly address: `0x${string}`;
  readonly privateKey: `0x${string}`;
}

function walletAt(index: number): Wallet {
  const account = mnemonicToAccount(TEST_MNEMONIC, { addressIndex: index });
  const key = account.getHdKey().privateKey;
  if (key === null) throw new Error('A mnemonic always gives private keys.');
  return { address: account.address, privateKey: bytesToHex(key) };
}

export interface Wallets {
  /** Pays. */
  readonly agent: Wallet;
  /** Is paid. */
  readonly provider: Wallet;
  /** Send the settlements and pay their gas. */
  readonly relayers: readonly Wallet[];
  /** Signs claims and refunds of channels; sends nothing. Always the same, so that channels outlive a restart. */
  readonly authorizer: Wallet;
}

export const localWallets = (): Wallets => ({
  agent: walletAt(1),
  provider: walletAt(2),
  relayers: [walletAt(8), walletAt(9)],
  authorizer: walletAt(7),
});

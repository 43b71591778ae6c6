/** Says whether a wallet signed a text (EIP-191). Pure arithmetic without a look at a chain: wallets that are contracts do not pass. */
export abstract class WalletSignatures {
  /**
   * `signature`: 0x and hex; only canonical ones pass, 65 bytes with v 27 or 28 and s in the lower half. `wallet`: an address whose
   * form has been checked.
   */
  abstract signed(text: string, signature: string, wallet: string): boolean;
}

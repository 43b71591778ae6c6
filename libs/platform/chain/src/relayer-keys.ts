import { Fault } from '@core/faults';
import type { Fees, SignedTransaction } from '@core/settlement';
import type { Hex } from '@core/x402';
import { keccak256, parseTransaction, type PrivateKeyAccount } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hex } from './rpc-shapes.js';

const PLAIN_TRANSFER_GAS = 21_000n;

/** The private keys of the relayer. They hold gas only; nothing but their addresses and signatures leaves this object. */
export class RelayerKeys {
  readonly addresses: readonly Hex[];
  readonly #accounts: ReadonlyMap<Hex, PrivateKeyAccount>;

  constructor(
    keys: readonly string[],
    private readonly chainId: number,
  ) {
    const accounts = keys.map((key) => privateKeyToAccount(hex.parse(key)));
    this.#accounts = new Map(accounts.map((account) => [hex.parse(account.address), account]));
    this.addresses = [...this.#accounts.keys()];
  }

  /** Signs a call, or a transaction of nothing to the signer itself that only uses the nonce. */
  async sign(
    signer: Hex,
    nonce: bigint,
    what: { to: Hex; data: Hex; gas: bigint } | 'filler',
    fees: Fees,
  ): Promise<SignedTransaction> {
    const call = what === 'filler' ? { to: signer, gas: PLAIN_TRANSFER_GAS, value: 0n } : { value: 0n, ...what };
    const raw = await this.#account(signer).signTransaction({
      type: 'eip1559',
      chainId: this.chainId,
      nonce: Number(nonce),
      ...call,
      ...fees,
    });
    return { raw, hash: keccak256(raw), fees };
  }

  async resign(signer: Hex, raw: Hex, fees: Fees): Promise<SignedTransaction> {
    const { nonce, to, data, gas } = parseTransaction(raw);
    const isCall = to && to.toLowerCase() !== signer && data !== undefined && gas !== undefined;
    return this.sign(signer, BigInt(nonce ?? 0), isCall ? { to, data, gas } : 'filler', fees);
  }

  #account(signer: Hex): PrivateKeyAccount {
    const account = this.#accounts.get(signer);
    if (!account) throw new Fault('invariant_broken', `${signer} is no relayer key of this process`);
    return account;
  }
}

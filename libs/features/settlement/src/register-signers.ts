import type { SettlementRail } from '@core/settlement';
import type { Writer } from '@platform/database';
import { SignersStore } from './signers.store.js';

/** Makes the relayer keys of this process known. A new key begins with the nonce the chain has for it. */
export class RegisterSigners {
  readonly #signers: SignersStore;

  constructor(
    db: Writer,
    private readonly rail: SettlementRail,
  ) {
    this.#signers = new SignersStore(db);
  }

  async run(): Promise<void> {
    const { chainId, signers } = this.rail;
    for (const signer of await this.#signers.unknown(chainId, signers)) {
      await this.#signers.add(chainId, signer, await this.rail.nextNonce(signer, 'latest'));
    }
  }
}

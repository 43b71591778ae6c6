import { WalletSignatures } from '@core/agents';
import { createKeccak } from 'hash-wasm';
import { SignerCheck } from './check-signer.js';

/** Checks signatures of texts as wallets make them (EIP-191, version 0x45) by recovering the signer. Synchronous. */
export class TextSignatures extends WalletSignatures {
  private readonly signer: SignerCheck;

  private constructor(private readonly hasher: Awaited<ReturnType<typeof createKeccak>>) {
    super();
    this.signer = new SignerCheck((bytes) => this.#keccak(bytes));
  }

  static async create(): Promise<TextSignatures> {
    return new TextSignatures(await createKeccak(256));
  }

  override signed(text: string, signature: string, wallet: string): boolean {
    if (!this.signer.wellFormed(signature)) return false;
    const message = Buffer.from(text, 'utf8');
    const head = Buffer.from(`\x19Ethereum Signed Message:\n${message.length}`);
    return this.signer.signed(this.#keccak(Buffer.concat([head, message])), signature, wallet);
  }

  #keccak(bytes: Uint8Array): Uint8Array {
    return this.hasher.init().update(bytes).digest('binary');
  }
}

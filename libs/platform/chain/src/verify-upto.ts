import { type UptoAuthorization, UptoVerifier } from '@core/x402';
import { SignerCheck } from './check-signer.js';
import { UptoTypedData } from './upto-typed-data.js';

/**
 * Checks signatures of scheme `upto` by recovering the signer. Synchronous. It is stricter than Permit2, which also takes EIP-2098's 64 bytes
 * and both halves of s: a signature has one spelling here.
 */
export class Permit2UptoVerifier extends UptoVerifier {
  readonly chainId: number;
  private readonly signer: SignerCheck;

  private constructor(private readonly typedData: UptoTypedData) {
    super();
    this.chainId = typedData.chainId;
    this.signer = new SignerCheck((bytes) => typedData.keccak(bytes));
  }

  static async create(chainId: number): Promise<Permit2UptoVerifier> {
    return new Permit2UptoVerifier(await UptoTypedData.create(chainId));
  }

  override signed(authorization: UptoAuthorization): boolean {
    const { signature, from } = authorization;
    return (
      this.signer.wellFormed(signature) && this.signer.signed(this.typedData.digest(authorization), signature, from)
    );
  }
}

import {
  type AuthorizationVerdict,
  AuthorizationVerifier,
  type ExactAuthorization,
  type TokenDomain,
} from '@core/x402';
import { SignerCheck } from './check-signer.js';
import { TypedData } from './typed-data.js';

const VALID: AuthorizationVerdict = { valid: true };
const BAD_SIGNATURE: AuthorizationVerdict = { valid: false, reason: 'invalid_exact_evm_signature' };

/** Checks EIP-3009 signatures by recovering the signer, as strictly as the token contract. Synchronous. */
export class Eip3009Verifier extends AuthorizationVerifier {
  private readonly signer: SignerCheck;

  private constructor(private readonly typedData: TypedData) {
    super();
    this.signer = new SignerCheck((bytes) => typedData.keccak(bytes));
  }

  static async create(): Promise<Eip3009Verifier> {
    return new Eip3009Verifier(await TypedData.create());
  }

  override verify(token: TokenDomain, authorization: ExactAuthorization): AuthorizationVerdict {
    const { signature, from } = authorization;
    if (!this.signer.wellFormed(signature)) return BAD_SIGNATURE;
    const digest = this.typedData.transferWithAuthorizationDigest(token, authorization);
    return this.signer.signed(digest, signature, from) ? VALID : BAD_SIGNATURE;
  }
}

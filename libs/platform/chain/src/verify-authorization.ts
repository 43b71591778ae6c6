import {
  type AuthorizationVerdict,
  AuthorizationVerifier,
  type ExactAuthorization,
  type TokenDomain,
} from '@core/x402';
import secp256k1 from 'secp256k1';
import { TypedData } from './typed-data.js';

const SIGNATURE_BYTES = 65;
const SIGNATURE_DIGITS = 2 + 2 * SIGNATURE_BYTES;
const ADDRESS_BYTES = 20;

/** Half the order of the curve. The token contract refuses an s above it, because (r, n - s) would sign the same message. */
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex');

const VALID: AuthorizationVerdict = { valid: true };
const BAD_SIGNATURE: AuthorizationVerdict = { valid: false, reason: 'invalid_exact_evm_signature' };

/**
 * Checks EIP-3009 signatures by recovering the signer, as strictly as the token contract: 65 bytes, v 27 or 28, s in the
 * lower half. Synchronous; the curve runs in libsecp256k1 where a prebuilt binary fits, else in JavaScript.
 */
export class Eip3009Verifier extends AuthorizationVerifier {
  // Buffers used again by every call: nothing here awaits.
  private readonly signature = Buffer.alloc(SIGNATURE_BYTES);
  private readonly compact = this.signature.subarray(0, 64);
  private readonly s = this.signature.subarray(32, 64);
  private readonly publicKey = Buffer.alloc(65);
  private readonly point = this.publicKey.subarray(1);
  private readonly payer = Buffer.alloc(ADDRESS_BYTES);

  private constructor(private readonly typedData: TypedData) {
    super();
  }

  static async create(): Promise<Eip3009Verifier> {
    return new Eip3009Verifier(await TypedData.create());
  }

  override verify(token: TokenDomain, authorization: ExactAuthorization): AuthorizationVerdict {
    if (authorization.signature.length !== SIGNATURE_DIGITS) return BAD_SIGNATURE;
    if (this.signature.write(authorization.signature.slice(2), 'hex') !== SIGNATURE_BYTES) return BAD_SIGNATURE;
    const v = this.signature[64];
    if ((v !== 27 && v !== 28) || this.s.compare(HALF_ORDER) > 0) return BAD_SIGNATURE;
    const digest = this.typedData.transferWithAuthorizationDigest(token, authorization);
    try {
      secp256k1.ecdsaRecover(this.compact, v - 27, digest, false, this.publicKey);
    } catch {
      // Every argument has its right type and length here: what is left is an r or s that no point belongs to.
      return BAD_SIGNATURE;
    }
    const signer = this.typedData.keccak(this.point).subarray(-ADDRESS_BYTES);
    this.payer.write(authorization.from.slice(2), 'hex');
    return this.payer.equals(signer) ? VALID : BAD_SIGNATURE;
  }
}

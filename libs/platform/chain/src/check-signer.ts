import secp256k1 from 'secp256k1';

const SIGNATURE_BYTES = 65;
const SIGNATURE_DIGITS = 2 + 2 * SIGNATURE_BYTES;
const ADDRESS_BYTES = 20;

/** Half the order of the curve. Contracts refuse an s above it, because (r, n - s) would sign the same message. */
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex');

/**
 * Says whether an address signed a digest, as strictly as the contracts that will be shown the signature: 65 bytes, v 27 or 28,
 * s in the lower half. Synchronous; the curve runs in libsecp256k1 where a prebuilt binary fits, else in JavaScript.
 */
export class SignerCheck {
  // Buffers used again by every call: nothing here awaits.
  private readonly signature = Buffer.alloc(SIGNATURE_BYTES);
  private readonly compact = this.signature.subarray(0, 64);
  private readonly s = this.signature.subarray(32, 64);
  private readonly publicKey = Buffer.alloc(65);
  private readonly point = this.publicKey.subarray(1);
  private readonly address = Buffer.alloc(ADDRESS_BYTES);

  constructor(private readonly keccak: (bytes: Uint8Array) => Uint8Array) {}

  /** Whether contracts would look at such a signature at all; takes no hashing. */
  wellFormed(signature: string): boolean {
    return this.#read(signature) !== undefined;
  }

  /** @param signer an address whose form has been checked, of any letter case */
  signed(digest: Uint8Array, signature: string, signer: string): boolean {
    const v = this.#read(signature);
    if (v === undefined) return false;
    try {
      secp256k1.ecdsaRecover(this.compact, v - 27, digest, false, this.publicKey);
    } catch {
      // Every argument has its right type and length here: what is left is an r or s that no point belongs to.
      return false;
    }
    this.address.write(signer.slice(2), 'hex');
    return this.address.equals(this.keccak(this.point).subarray(-ADDRESS_BYTES));
  }

  /** Fills the buffers; v, or undefined for what is not canonical. */
  #read(signature: string): 27 | 28 | undefined {
    if (signature.length !== SIGNATURE_DIGITS) return undefined;
    if (this.signature.write(signature.slice(2), 'hex') !== SIGNATURE_BYTES) return undefined;
    const v = this.signature[64];
    return (v === 27 || v === 28) && this.s.compare(HALF_ORDER) <= 0 ? v : undefined;
  }
}

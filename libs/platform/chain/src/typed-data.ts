import type { ExactAuthorization, TokenDomain } from '@core/x402';
import { createKeccak } from 'hash-wasm';

const DOMAIN_TYPE = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';
const TRANSFER_TYPE =
  'TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)';

export const WORD = 32;
const ADDRESS_BYTES = 20;
const LOW_64 = (1n << 64n) - 1n;
const DOMAINS_KEPT = 1024;

/** Writes 0 ≤ value < 2^256 as a big-endian word. Amounts and times fit 64 bits nearly always, so that case is one write. */
export function writeUint256(target: Buffer, offset: number, value: bigint): void {
  target.writeBigUInt64BE(value & LOW_64, offset + 24);
  const high = value >> 64n;
  if (high === 0n) {
    target.fill(0, offset, offset + 24);
    return;
  }
  target.writeBigUInt64BE(high & LOW_64, offset + 16);
  target.writeBigUInt64BE((high >> 64n) & LOW_64, offset + 8);
  target.writeBigUInt64BE(high >> 128n, offset);
}

/** Writes the bytes of a checked bytes32. */
export const writeBytes32 = (target: Buffer, offset: number, text: string): void => {
  target.write(text.slice(2), offset, WORD, 'hex');
};

/** Writes the bytes of a checked address at the end of a word whose head is zero. */
export const writeAddress = (target: Buffer, offset: number, address: string): void => {
  target.write(address.slice(2), offset + WORD - ADDRESS_BYTES, ADDRESS_BYTES, 'hex');
};

const domainKey = ({ chainId, address, name, version }: TokenDomain): string =>
  // The length of the name keeps ("a|b", "c") and ("a", "b|c") apart.
  `${chainId}|${address}|${name.length}|${name}|${version}`;

/**
 * EIP-712 digests of EIP-3009 authorizations. The hasher and the buffers are made once and used again by every call, which
 * is safe because nothing here awaits; what is returned is always a copy.
 */
export class TypedData {
  readonly transferTypeHash: Uint8Array;
  private readonly domainTypeHash: Uint8Array;
  private readonly separators = new Map<string, Uint8Array>();
  /** type hash, from, to, value, validAfter, validBefore, nonce */
  private readonly struct = Buffer.alloc(7 * WORD);
  /** 0x19 0x01, domain separator, struct hash */
  private readonly envelope = Buffer.alloc(2 + 2 * WORD);

  private constructor(private readonly hasher: Awaited<ReturnType<typeof createKeccak>>) {
    this.transferTypeHash = this.keccak(Buffer.from(TRANSFER_TYPE));
    this.domainTypeHash = this.keccak(Buffer.from(DOMAIN_TYPE));
    this.struct.set(this.transferTypeHash);
    this.envelope.set([0x19, 0x01]);
  }

  /** Loads the hash function; everything after that is synchronous. */
  static async create(): Promise<TypedData> {
    return new TypedData(await createKeccak(256));
  }

  keccak(bytes: Uint8Array): Uint8Array {
    return this.hasher.init().update(bytes).digest('binary');
  }

  domainSeparator(token: TokenDomain): Uint8Array {
    const key = domainKey(token);
    const known = this.separators.get(key);
    if (known) return known;
    const words = Buffer.alloc(5 * WORD);
    words.set(this.domainTypeHash);
    words.set(this.keccak(Buffer.from(token.name)), WORD);
    words.set(this.keccak(Buffer.from(token.version)), 2 * WORD);
    writeUint256(words, 3 * WORD, BigInt(token.chainId));
    writeAddress(words, 4 * WORD, token.address);
    const separator = this.keccak(words);
    // Domains come from our registry, a handful; the bound is for a caller that forgets it.
    if (this.separators.size >= DOMAINS_KEPT) this.separators.clear();
    this.separators.set(key, separator);
    return separator;
  }

  /** The 32 bytes a payer signs. The authorization's forms have been checked on reading. */
  transferWithAuthorizationDigest(
    token: TokenDomain,
    authorization: Omit<ExactAuthorization, 'signature'>,
  ): Uint8Array {
    const { struct, envelope } = this;
    writeAddress(struct, WORD, authorization.from);
    writeAddress(struct, 2 * WORD, authorization.to);
    writeUint256(struct, 3 * WORD, authorization.value);
    writeUint256(struct, 4 * WORD, authorization.validAfter);
    writeUint256(struct, 5 * WORD, authorization.validBefore);
    writeBytes32(struct, 6 * WORD, authorization.nonce);
    envelope.set(this.domainSeparator(token), 2);
    envelope.set(this.keccak(struct), 2 + WORD);
    return this.keccak(envelope);
  }
}

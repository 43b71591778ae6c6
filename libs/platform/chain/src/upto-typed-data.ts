import { UPTO_CONTRACTS, type UptoAuthorization } from '@core/x402';
import { TypedData, WORD, writeAddress, writeUint256 } from './typed-data.js';

const DOMAIN_TYPE = 'EIP712Domain(string name,uint256 chainId,address verifyingContract)';
const PERMISSIONS_TYPE = 'TokenPermissions(address token,uint256 amount)';
const WITNESS_TYPE = 'Witness(address to,address facilitator,uint256 validAfter)';
const PERMIT_TYPE =
  'PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)' +
  PERMISSIONS_TYPE +
  WITNESS_TYPE;

/**
 * EIP-712 digests of scheme `upto` on one chain, in the domain of Permit2. Buffers are made once and used again by every call, which
 * is safe because nothing here awaits; what is returned is always a copy. Forms have been checked on reading.
 */
export class UptoTypedData {
  readonly separator: Uint8Array;
  private readonly permit: Buffer;
  private readonly permissions: Buffer;
  private readonly witness: Buffer;
  /** 0x19 0x01, domain separator, struct hash */
  private readonly envelope = Buffer.alloc(2 + 2 * WORD);

  private constructor(
    private readonly typedData: TypedData,
    readonly chainId: number,
  ) {
    const domain = this.#structOf(DOMAIN_TYPE, 3);
    domain.set(this.keccak(Buffer.from('Permit2')), WORD);
    writeUint256(domain, 2 * WORD, BigInt(chainId));
    writeAddress(domain, 3 * WORD, UPTO_CONTRACTS.permit2);
    this.separator = this.keccak(domain);
    this.permit = this.#structOf(PERMIT_TYPE, 5);
    this.permissions = this.#structOf(PERMISSIONS_TYPE, 2);
    this.witness = this.#structOf(WITNESS_TYPE, 3);
    this.envelope.set([0x19, 0x01]);
    this.envelope.set(this.separator, 2);
  }

  /** Loads the hash function; everything after that is synchronous. */
  static async create(chainId: number): Promise<UptoTypedData> {
    return new UptoTypedData(await TypedData.create(), chainId);
  }

  keccak(bytes: Uint8Array): Uint8Array {
    return this.typedData.keccak(bytes);
  }

  permitTypeHash(): Uint8Array {
    return Uint8Array.from(this.permit.subarray(0, WORD));
  }

  /** The 32 bytes a payer signs. */
  digest(authorization: Omit<UptoAuthorization, 'signature'>): Uint8Array {
    const { permit, permissions, witness, envelope } = this;
    writeAddress(permissions, WORD, authorization.token);
    writeUint256(permissions, 2 * WORD, authorization.amount);
    writeAddress(witness, WORD, authorization.to);
    writeAddress(witness, 2 * WORD, authorization.facilitator);
    writeUint256(witness, 3 * WORD, authorization.validAfter);
    permit.set(this.keccak(permissions), WORD);
    writeAddress(permit, 2 * WORD, authorization.spender);
    writeUint256(permit, 3 * WORD, authorization.nonce);
    writeUint256(permit, 4 * WORD, authorization.deadline);
    permit.set(this.keccak(witness), 5 * WORD);
    envelope.set(this.keccak(permit), 2 + WORD);
    return this.keccak(envelope);
  }

  #structOf(type: string, fields: number): Buffer {
    const struct = Buffer.alloc((1 + fields) * WORD);
    struct.set(this.keccak(Buffer.from(type)));
    return struct;
  }
}

import type { BatchContracts, ChannelConfig, Hex, TokenDomain } from '@core/x402';
import { TypedData, WORD, writeAddress, writeBytes32, writeUint256 } from './typed-data.js';

const CONFIG_TYPE =
  'ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)';
const VOUCHER_TYPE = 'Voucher(bytes32 channelId,uint128 maxClaimableAmount)';
const REFUND_TYPE = 'Refund(bytes32 channelId,uint256 nonce,uint128 amount)';
const ENTRY_TYPE = 'ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)';
const BATCH_TYPE = `ClaimBatch(ClaimEntry[] claims)${ENTRY_TYPE}`;
const RECEIVE_TYPE =
  'ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)';

/** One row of a claim, as its signer sees it. */
export interface ClaimEntry {
  readonly channelId: Hex;
  readonly maxClaimable: bigint;
  readonly totalClaimed: bigint;
}

export const hexText = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`;

/**
 * EIP-712 digests of scheme `batch-settlement` on one chain. Buffers are made once and used again by every call, which is safe
 * because nothing here awaits; what is returned is always a copy. Forms have been checked on reading.
 */
export class ChannelTypedData {
  private readonly separator: Uint8Array;
  private readonly config: Buffer;
  private readonly voucher: Buffer;
  private readonly refund: Buffer;
  private readonly entry: Buffer;
  private readonly batch: Buffer;
  private readonly receive: Buffer;
  private readonly nonce = Buffer.alloc(2 * WORD);
  /** 0x19 0x01, domain separator, struct hash */
  private readonly envelope = Buffer.alloc(2 + 2 * WORD);

  private constructor(
    private readonly typedData: TypedData,
    readonly chainId: number,
    readonly contracts: BatchContracts,
  ) {
    this.separator = typedData.domainSeparator({
      chainId,
      address: contracts.settlement,
      name: 'x402 Batch Settlement',
      version: '1',
    });
    this.config = this.#structOf(CONFIG_TYPE, 7);
    this.voucher = this.#structOf(VOUCHER_TYPE, 2);
    this.refund = this.#structOf(REFUND_TYPE, 3);
    this.entry = this.#structOf(ENTRY_TYPE, 3);
    this.batch = this.#structOf(BATCH_TYPE, 1);
    this.receive = this.#structOf(RECEIVE_TYPE, 6);
    this.envelope.set([0x19, 0x01]);
  }

  /** Loads the hash function; everything after that is synchronous. */
  static async create(chainId: number, contracts: BatchContracts): Promise<ChannelTypedData> {
    return new ChannelTypedData(await TypedData.create(), chainId, contracts);
  }

  keccak(bytes: Uint8Array): Uint8Array {
    return this.typedData.keccak(bytes);
  }

  domainSeparator(): Uint8Array {
    return Uint8Array.from(this.separator);
  }

  /** The channel's id is the digest of its config. */
  channelId(config: ChannelConfig): Hex {
    const struct = this.config;
    writeAddress(struct, WORD, config.payer);
    writeAddress(struct, 2 * WORD, config.payerAuthorizer);
    writeAddress(struct, 3 * WORD, config.receiver);
    writeAddress(struct, 4 * WORD, config.receiverAuthorizer);
    writeAddress(struct, 5 * WORD, config.token);
    writeUint256(struct, 6 * WORD, BigInt(config.withdrawDelay));
    writeBytes32(struct, 7 * WORD, config.salt);
    return hexText(this.#digest(struct, this.separator));
  }

  voucherDigest(channelId: Hex, maxClaimable: bigint): Uint8Array {
    writeBytes32(this.voucher, WORD, channelId);
    writeUint256(this.voucher, 2 * WORD, maxClaimable);
    return this.#digest(this.voucher, this.separator);
  }

  refundDigest(channelId: Hex, nonce: bigint, amount: bigint): Uint8Array {
    writeBytes32(this.refund, WORD, channelId);
    writeUint256(this.refund, 2 * WORD, nonce);
    writeUint256(this.refund, 3 * WORD, amount);
    return this.#digest(this.refund, this.separator);
  }

  claimBatchDigest(entries: readonly ClaimEntry[]): Uint8Array {
    const hashes = Buffer.alloc(entries.length * WORD);
    entries.forEach(({ channelId, maxClaimable, totalClaimed }, i) => {
      writeBytes32(this.entry, WORD, channelId);
      writeUint256(this.entry, 2 * WORD, maxClaimable);
      writeUint256(this.entry, 3 * WORD, totalClaimed);
      hashes.set(this.keccak(this.entry), i * WORD);
    });
    this.batch.set(this.keccak(hashes), WORD);
    return this.#digest(this.batch, this.separator);
  }

  /** The token nonce of a deposit by EIP-3009: the digest of the channel and the deposit's salt. */
  depositNonce(channelId: Hex, salt: Hex): Hex {
    writeBytes32(this.nonce, 0, channelId);
    writeBytes32(this.nonce, WORD, salt);
    return hexText(this.keccak(this.nonce));
  }

  /** What a payer signs so that the collector may pull a deposit. */
  receiveWithAuthorizationDigest(
    token: TokenDomain,
    terms: { from: Hex; value: bigint; validAfter: bigint; validBefore: bigint; nonce: Hex },
  ): Uint8Array {
    const struct = this.receive;
    writeAddress(struct, WORD, terms.from);
    writeAddress(struct, 2 * WORD, this.contracts.erc3009Collector);
    writeUint256(struct, 3 * WORD, terms.value);
    writeUint256(struct, 4 * WORD, terms.validAfter);
    writeUint256(struct, 5 * WORD, terms.validBefore);
    writeBytes32(struct, 6 * WORD, terms.nonce);
    return this.#digest(struct, this.typedData.domainSeparator(token));
  }

  #structOf(type: string, fields: number): Buffer {
    const struct = Buffer.alloc((1 + fields) * WORD);
    struct.set(this.keccak(Buffer.from(type)));
    return struct;
  }

  #digest(struct: Uint8Array, separator: Uint8Array): Uint8Array {
    this.envelope.set(separator, 2);
    this.envelope.set(this.keccak(struct), 2 + WORD);
    return this.keccak(this.envelope);
  }
}

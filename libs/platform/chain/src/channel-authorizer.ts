import type { BatchContracts, Hex } from '@core/x402';
import secp256k1 from 'secp256k1';
import { ChannelTypedData, type ClaimEntry, hexText } from './channel-typed-data.js';

const KEY_FORM = /^0x[0-9a-fA-F]{64}$/;

/**
 * The receiver's authorizer: one key that signs claims and refunds of every channel that names it. It holds no value and sends no
 * transactions; only its address and its signatures leave this object.
 */
export class ChannelAuthorizer {
  readonly address: Hex;
  readonly #key: Buffer;

  private constructor(
    private readonly typedData: ChannelTypedData,
    key: string,
  ) {
    this.#key = Buffer.from(key.slice(2), 'hex');
    if (!KEY_FORM.test(key) || !secp256k1.privateKeyVerify(this.#key)) {
      throw new Error('CHANNEL_AUTHORIZER_KEY: expected a private key, 0x and 64 hex digits');
    }
    const point = secp256k1.publicKeyCreate(this.#key, false).subarray(1);
    this.address = hexText(typedData.keccak(point).subarray(-20));
  }

  /** @throws Error when the text is no private key; the message does not hold it */
  static async create(key: string, chainId: number, contracts: BatchContracts): Promise<ChannelAuthorizer> {
    return new ChannelAuthorizer(await ChannelTypedData.create(chainId, contracts), key);
  }

  /** Signs a claim of these rows, in this order. */
  signClaims(entries: readonly ClaimEntry[]): Hex {
    return this.#sign(this.typedData.claimBatchDigest(entries));
  }

  /** Signs a refund of so much; the nonce is the channel's refund nonce on the chain. */
  signRefund(channelId: Hex, nonce: bigint, amount: bigint): Hex {
    return this.#sign(this.typedData.refundDigest(channelId, nonce, amount));
  }

  /** RFC 6979, hence the same bytes every time, and s in the lower half. */
  #sign(digest: Uint8Array): Hex {
    const { signature, recid } = secp256k1.ecdsaSign(digest, this.#key);
    return hexText(Buffer.concat([signature, Buffer.from([27 + recid])]));
  }
}

import {
  type BatchContracts,
  type ChannelConfig,
  type ChannelDeposit,
  type Hex,
  type TokenDomain,
  type Voucher,
  type VoucherVerdict,
  VoucherVerifier,
  type X402Error,
  ZERO_ADDRESS,
} from '@core/x402';
import { ChannelTypedData } from './channel-typed-data.js';
import { SignerCheck } from './check-signer.js';

const VALID: VoucherVerdict = { valid: true };
const refuse = (reason: X402Error): VoucherVerdict => ({ valid: false, reason });

/** Checks signatures of scheme `batch-settlement` by recovering the signer. Synchronous. */
export class ChannelVerifier extends VoucherVerifier {
  readonly chainId: number;
  private readonly signer: SignerCheck;

  private constructor(private readonly typedData: ChannelTypedData) {
    super();
    this.chainId = typedData.chainId;
    this.signer = new SignerCheck((bytes) => typedData.keccak(bytes));
  }

  static async create(chainId: number, contracts: BatchContracts): Promise<ChannelVerifier> {
    return new ChannelVerifier(await ChannelTypedData.create(chainId, contracts));
  }

  override channelId(config: ChannelConfig): Hex {
    return this.typedData.channelId(config);
  }

  override depositNonce(channelId: Hex, salt: Hex): Hex {
    return this.typedData.depositNonce(channelId, salt);
  }

  override voucher(config: ChannelConfig, { channelId, maxClaimable, signature }: Voucher): VoucherVerdict {
    if (this.channelId(config) !== channelId) return refuse('invalid_batch_settlement_evm_channel_id_mismatch');
    const authorizer = config.payerAuthorizer === ZERO_ADDRESS ? config.payer : config.payerAuthorizer;
    const digest = this.typedData.voucherDigest(channelId, maxClaimable);
    if (!this.signer.signed(digest, signature, authorizer)) {
      return refuse('invalid_batch_settlement_evm_voucher_signature');
    }
    return VALID;
  }

  override deposit(token: TokenDomain, config: ChannelConfig, deposit: ChannelDeposit): VoucherVerdict {
    const { amount, authorization } = deposit;
    if (authorization.method !== 'eip3009') return refuse('unsupported_payload_type');
    if (token.chainId !== this.chainId || token.address.toLowerCase() !== config.token) {
      return refuse('invalid_batch_settlement_evm_token_mismatch');
    }
    const { validAfter, validBefore, salt, signature } = authorization;
    const nonce = this.depositNonce(this.channelId(config), salt);
    const digest = this.typedData.receiveWithAuthorizationDigest(token, {
      from: config.payer,
      value: amount,
      validAfter,
      validBefore,
      nonce,
    });
    if (!this.signer.signed(digest, signature, config.payer)) {
      return refuse('invalid_batch_settlement_evm_receive_authorization_signature');
    }
    return VALID;
  }
}

import { type ChannelOnChain, channelsOf, type ClaimRow, isReached, moveOf, type RelayOrder } from '@core/settlement';
import type { BatchRelay, RelayedClaim, X402Error } from '@core/x402';
import type { CheckChannelPayment } from './check-channel-payment.js';
import type { GateChannels } from './gate-channels.js';
import type { RelayDoors } from './relay-doors.js';
import { type Refusal, refusal, type RelayTerms } from './relay-terms.js';

type Ordered = { readonly ok: true; readonly order: RelayOrder } | { readonly ok: false; readonly refusal: Refusal };
/** `reached`: the chain is there already, so that there is nothing to carry. */
type Checked =
  | { readonly ok: true; readonly block: bigint; readonly reached: boolean }
  | { readonly ok: false; readonly refusal: Refusal };

const no = (reason: X402Error, message: string): { readonly ok: false; readonly refusal: Refusal } => ({
  ok: false,
  refusal: refusal(reason, message),
});

const UNSIGNED = no(
  'invalid_batch_settlement_evm_authorizer_not_configured',
  'the receiver authorizer’s signature is missing: servers sign for their channels themselves',
);

/** What a server wants carried, as an order, and whether the chain would take it now. */
export class CheckRelay {
  constructor(
    private readonly doors: RelayDoors,
    private readonly gate: GateChannels,
    private readonly payments: CheckChannelPayment,
  ) {}

  /** The order that a request asks for; it must be of the payee's channels and signed by the server. */
  async order(terms: RelayTerms, relay: BatchRelay): Promise<Ordered> {
    switch (relay.type) {
      case 'deposit':
        return this.#deposit(relay.payment);
      case 'claim': {
        if (!relay.signature) return UNSIGNED;
        const rows = relay.claims.map((row) => this.#rowOf(row));
        const problem = await this.#channelsProblem(terms, rows);
        return problem ?? { ok: true, order: { kind: 'claim', rows, signature: relay.signature } };
      }
      case 'settle': {
        const { receiver, token } = relay;
        if (receiver !== terms.payTo) return no('invalid_batch_settlement_evm_receiver_mismatch', NOT_THE_PAYEES);
        if (token !== terms.asset) return no('invalid_batch_settlement_evm_token_mismatch', NOT_THE_TOKEN);
        const { totalClaimed } = await this.doors.chain.receiver(receiver, token, 'latest');
        return { ok: true, order: { kind: 'settle', receiver, token, total: totalClaimed } };
      }
      case 'refund':
        return this.#refund(terms, relay);
    }
  }

  #deposit(payment: Extract<BatchRelay, { type: 'deposit' }>['payment']): Ordered {
    const { config, deposit } = payment;
    const { amount, authorization } = deposit;
    if (authorization.method !== 'eip3009') {
      return no('unsupported_payload_type', 'deposits by EIP-3009 are carried here, none by Permit2');
    }
    const channelId = this.doors.verifier.channelId(config);
    const nonce = this.doors.verifier.depositNonce(channelId, authorization.salt);
    const { collector } = this.doors;
    return { ok: true, order: { kind: 'deposit', channelId, config, amount, authorization, nonce, collector } };
  }

  async #refund(terms: RelayTerms, relay: Extract<BatchRelay, { type: 'refund' }>): Promise<Ordered> {
    const { payment, amount, nonce, refundSignature, claimSignature } = relay;
    const { config, voucher } = payment;
    if (!refundSignature || (relay.claim && !claimSignature)) return UNSIGNED;
    const channelId = this.doors.verifier.channelId(config);
    if (channelId !== voucher.channelId) {
      return no('invalid_batch_settlement_evm_channel_id_mismatch', 'voucher.channelId is not that of channelConfig');
    }
    const claim = relay.claim && this.#rowOf(relay.claim);
    if (claim && claim.voucher.channelId !== channelId) {
      return no('invalid_batch_settlement_evm_refund_payload', 'claims[0] is of another channel than the refund');
    }
    const problem = await this.#channelsProblem(terms, [{ config, voucher, totalClaimed: 0n }]);
    const signatures = { refund: refundSignature, claim: claimSignature };
    return problem ?? { ok: true, order: { kind: 'refund', channelId, config, amount, nonce, claim, signatures } };
  }

  #rowOf({ config, maxClaimable, signature, totalClaimed }: RelayedClaim): ClaimRow {
    return {
      config,
      voucher: { channelId: this.doors.verifier.channelId(config), maxClaimable, signature },
      totalClaimed,
    };
  }

  async #channelsProblem(terms: RelayTerms, rows: readonly ClaimRow[]) {
    for (const { config } of rows) {
      if (config.receiver !== terms.payTo) return no('invalid_batch_settlement_evm_receiver_mismatch', NOT_THE_PAYEES);
      if (config.token !== terms.asset) return no('invalid_batch_settlement_evm_token_mismatch', NOT_THE_TOKEN);
    }
    const ours = await this.gate.refuse(rows.map(({ config, voucher }) => ({ id: voucher.channelId, config })));
    return ours && { ok: false as const, refusal: ours };
  }

  /** Whether the chain would take the order now, and the head by which that was seen. */
  async check(terms: RelayTerms, relay: BatchRelay, order: RelayOrder): Promise<Checked> {
    if (relay.type === 'deposit') {
      const checked = await this.payments.run(terms, relay.payment);
      return checked.ok ? { ...checked, reached: false } : checked;
    }
    const { block, channels } = await this.doors.chain.channels(channelsOf(order), 'latest');
    this.payments.requireMoving(block.timestamp);
    if (order.kind === 'settle') {
      const { totalSettled } = await this.doors.chain.receiver(order.receiver, order.token, 'latest');
      if (totalSettled >= order.total) {
        return no('invalid_batch_settlement_evm_nothing_to_settle', 'all that was claimed is paid out');
      }
    }
    if (order.kind === 'refund' && nothingLeft(order, channels[0])) {
      return no('invalid_batch_settlement_evm_refund_no_balance', 'nothing is left to refund');
    }
    const wrong = await this.payments.simulated(moveOf(order));
    return wrong === undefined
      ? { ok: true, block: block.number, reached: order.kind === 'claim' && claimed(order, channels) }
      : no(`invalid_batch_settlement_evm_${order.kind}_simulation_failed`, wrong);
  }
}

const NOT_THE_PAYEES = 'a channel is of another receiver than paymentRequirements.payTo';
const NOT_THE_TOKEN = 'a channel is of another token than paymentRequirements.asset';

const claimed = (order: Extract<RelayOrder, { kind: 'claim' }>, channels: readonly ChannelOnChain[]): boolean => {
  const byId = new Map(channels.map((channel) => [channel.channelId, channel]));
  return isReached(order, { channel: (id) => byId.get(id), receiver: () => undefined });
};

/** A claim above the balance is left to the contract to refuse. */
function nothingLeft({ claim }: Extract<RelayOrder, { kind: 'refund' }>, channel: ChannelOnChain | undefined): boolean {
  if (!channel) return true;
  const wanted = claim?.totalClaimed ?? 0n;
  return channel.balance === (wanted > channel.totalClaimed ? wanted : channel.totalClaimed);
}

import type { ChannelConfig, Hex } from '@core/x402';
import type { Writer } from '@platform/database';
import type { RelayDoors } from './relay-doors.js';
import { type Refusal, refusal } from './relay-terms.js';

/**
 * Channels of our own gate. What they owe is what our books say, so nobody else may claim from them or refund them, though a voucher would
 * carry it: such a channel names our key, or is one we keep a record of under a key we had before.
 */
export class GateChannels {
  constructor(
    private readonly db: Writer,
    private readonly doors: RelayDoors,
  ) {}

  /** Why these channels are not served; undefined when they are a server's own. */
  async refuse(
    channels: readonly { readonly id: Hex; readonly config: ChannelConfig }[],
  ): Promise<Refusal | undefined> {
    const { chainId, authorizer } = this.doors.chain;
    const ours = refusal(
      'invalid_batch_settlement_evm_receiver_authorizer_mismatch',
      'this channel belongs to the gate, which claims and refunds it by its own books',
    );
    if (channels.some(({ config }) => config.receiverAuthorizer === authorizer)) return ours;
    const kept = await this.db.query(
      `SELECT 1 FROM channels c WHERE c.chain_id = $1
         AND c.channel_id IN (SELECT decode(u.id, 'hex') FROM unnest($2::text[]) AS u (id)) LIMIT 1`,
      [chainId, channels.map(({ id }) => id.slice(2))],
    );
    return kept.length > 0 ? ours : undefined;
  }
}

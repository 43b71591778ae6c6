import type { IdSource } from '@core/ids';
import type { Quote } from '@core/payments';
import type { BatchPayment } from '@core/x402';
import type { ChannelDoors } from './channel-doors.js';
import type { ChannelRow } from './channel-row.js';
import type { ChannelStore } from './channels.store.js';

/** Reads a channel from the chain and writes down what it says; keeps a record of channels met for the first time. */
export class MirrorChannel {
  constructor(
    private readonly doors: ChannelDoors,
    private readonly channels: ChannelStore,
    private readonly ids: IdSource,
  ) {}

  /**
   * The channel as it is now; undefined when there is none on the chain.
   * @param evenEmpty keeps a record of a channel that was never funded, for the deposit that is about to
   * @throws Fault unavailable when the chain cannot be asked
   */
  async run(quote: Quote, { config, voucher }: BatchPayment, evenEmpty = false): Promise<ChannelRow | undefined> {
    const { chain } = this.doors;
    const { block, channel } = await chain.channel(voucher.channelId);
    const known = await this.channels.find(chain.chainId, voucher.channelId);
    if (known) {
      await this.channels.mirror(known.id, channel, block.number);
    } else {
      if (channel.balance === 0n && !evenEmpty) return undefined;
      await this.channels.open(
        {
          id: this.ids.next('chn'),
          provider: quote.provider,
          newAccount: this.ids.next('acct'),
          chainId: chain.chainId,
          network: quote.asset.network,
          assetId: quote.asset.id,
          channelId: voucher.channelId,
          config,
        },
        channel,
        block.number,
      );
    }
    return this.channels.find(chain.chainId, voucher.channelId);
  }
}

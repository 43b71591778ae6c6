import type { IdSource } from '@core/ids';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import type { PriceBookCache } from '@features/pricing';
import type { Writer } from '@platform/database';
import type { PaymentStore } from '../exact/payments.store.js';
import type { ReleaseWaiter } from '../gate/release-waiter.js';
import { CaptureVoucher } from './capture-voucher.js';
import type { ChannelDoors } from './channel-doors.js';
import { ChannelTurns } from './channel-turns.js';
import { ChannelWay } from './channel-way.js';
import { ChannelStore } from './channels.store.js';
import { MirrorChannel } from './mirror-channel.js';
import { PayerCode } from './payer-code.js';
import { RefundChannel } from './refund-channel.js';
import { TakeDeposit } from './take-deposit.js';
import { VoucherStore } from './vouchers.store.js';

/** Wires scheme `batch-settlement`; calls of all requests share its group commits and its turns. */
export function openChannelWay(parts: {
  readonly doors: ChannelDoors;
  readonly writer: Writer;
  readonly book: PriceBookCache;
  readonly chain: ChainReader;
  readonly payments: PaymentStore;
  readonly waiter: ReleaseWaiter;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly settings: { readonly publicUrl: string; readonly releaseWaitMs: number };
}): ChannelWay {
  const { doors, writer, book, chain, payments, waiter, clock, ids, settings } = parts;
  const store = new VoucherStore(writer);
  const channels = new ChannelStore(writer);
  const mirror = new MirrorChannel(doors, channels, ids);
  const turns = new ChannelTurns();
  const deposits = new TakeDeposit(doors, channels, mirror, payments, waiter, chain, ids, settings);
  const refunds = new RefundChannel(doors, channels, mirror, ids, settings.releaseWaitMs);
  const captures = new CaptureVoucher(store, book, turns, settings.publicUrl);
  const codes = new PayerCode(chain, doors.collector, clock);
  return new ChannelWay(
    doors,
    store,
    mirror,
    deposits,
    refunds,
    codes,
    captures,
    turns,
    clock,
    ids,
    settings.publicUrl,
  );
}

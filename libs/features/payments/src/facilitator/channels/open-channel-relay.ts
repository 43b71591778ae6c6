import type { IdSource } from '@core/ids';
import type { PayableAssets } from '@core/payments';
import type { ChainReader } from '@core/settlement';
import type { Clock } from '@core/time';
import { OrderWaiter, PlaceOrder } from '@features/settlement';
import type { Writer } from '@platform/database';
import type { PaymentStore } from '../../exact/payments.store.js';
import type { Payees } from '../../gate/payees.js';
import { CheckChannelPayment } from './check-channel-payment.js';
import { CheckRelay } from './check-relay.js';
import { FacilitateChannels } from './facilitate-channels.js';
import { GateChannels } from './gate-channels.js';
import type { RelayDoors } from './relay-doors.js';

/** Wires scheme `batch-settlement` of the facilitator's door. `close` stops its waiting. */
export function openChannelRelay(parts: {
  readonly doors: RelayDoors;
  readonly writer: Writer;
  readonly chain: ChainReader;
  readonly payees: Payees;
  readonly store: PaymentStore;
  readonly assets: PayableAssets;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly settings: { readonly settleWaitMs?: number | undefined; readonly staleSeconds: number };
}): { readonly scheme: FacilitateChannels; close(): Promise<void> } {
  const { doors, writer, chain, payees, store, assets, clock, ids, settings } = parts;
  const gate = new GateChannels(writer, doors);
  const payments = new CheckChannelPayment(doors, gate, chain, clock, settings.staleSeconds);
  const relays = new CheckRelay(doors, gate, payments);
  const orders = new PlaceOrder(writer, ids);
  const waiter = new OrderWaiter(writer, orders);
  return {
    scheme: new FacilitateChannels(doors, payments, relays, orders, waiter, payees, store, assets, settings),
    close: () => waiter.close(),
  };
}

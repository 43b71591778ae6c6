import type { IdSource } from '@core/ids';
import { addMs, type Clock } from '@core/time';
import { assignHold, EMPTY_WALLET, type Limit } from '@core/wallet';
import type { WriterTx } from '@platform/database';
import type { StoredHold } from './stored-hold.js';
import { WalletBatch } from './wallet-batch.js';
import { WalletStore } from './wallet.store.js';

/** The call that a hold, taken without a meter, is for. */
export interface HoldToAssign {
  readonly provider: string;
  /** `hld_…` */
  readonly hold: string;
  /** Most that the call may cost, atomic units. */
  readonly amount: bigint;
  readonly meter: { readonly id: string; readonly name: string };
  /** A plain decimal. */
  readonly quantity: string;
  readonly priceId: string;
  readonly resource: string;
  /** The hold then lasts at least so long from now. */
  readonly ttlSeconds: number;
}

export type AssignOutcome =
  | { readonly outcome: 'assigned'; readonly hold: StoredHold }
  /** The call costs more than was set aside. */
  | { readonly outcome: 'beyond' }
  /** A hard limit of the meter would be passed; `left` is what it leaves. */
  | { readonly outcome: 'limit'; readonly limit: Limit; readonly left: bigint }
  | { readonly outcome: 'ended'; readonly hold: StoredHold }
  | { readonly outcome: 'unknown' };

/**
 * Ties a hold that was taken before its call was known to that call, in the caller's transaction; what the call cannot cost goes back.
 * What is refused changes nothing. Rare beside calls of known meters, so it always reads: processes that remember the wallet find another version.
 */
export class AssignHold {
  readonly #store = new WalletStore();

  /** `clock`: absent, time is the database's, which all processes share. */
  constructor(
    private readonly ids: IdSource,
    private readonly clock?: Clock,
  ) {}

  async within(tx: WriterTx, item: HoldToAssign): Promise<AssignOutcome> {
    const batch = new WalletBatch(await this.#store.lock(tx, { holds: [item.hold] }, this.clock?.now()), this.ids);
    const before = batch.hold(item.hold);
    if (before?.provider !== item.provider) return { outcome: 'unknown' };
    if (before.state !== 'held' || batch.at >= before.expiresAt) return { outcome: 'ended', hold: before };
    const { amount, meter, quantity, priceId, resource } = item;
    const call = { amount, meter: meter.name, key: before.agentKey };
    const assigned = assignHold(batch.wallet(before) ?? EMPTY_WALLET, before, call, batch.at);
    if (assigned.outcome !== 'assigned') return assigned;
    const until = addMs(batch.at, item.ttlSeconds * 1000);
    const hold: StoredHold = {
      ...before,
      ...assigned.hold,
      expiresAt: until > before.expiresAt ? until : before.expiresAt,
      meterId: meter.id,
      quantity,
      priceId,
      resource,
    };
    batch.setWallet(before, assigned.wallet);
    batch.changeHold(hold);
    const changes = batch.changes();
    if (changes) await this.#store.write(tx, changes);
    await tx.query('UPDATE holds SET meter_id = $2, meter = $3, price_id = $4, resource = $5 WHERE id = $1', [
      hold.id,
      meter.id,
      meter.name,
      priceId,
      resource,
    ]);
    return { outcome: 'assigned', hold };
  }
}

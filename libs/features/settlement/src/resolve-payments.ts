import {
  type ChainView,
  judge,
  type Judgement,
  retryDelayMs,
  searchSince,
  type SettlementRail,
} from '@core/settlement';
import type { Ledger } from '@features/ledger';
import type { Writer } from '@platform/database';
import { failedEntry } from './ended-entries.js';
import type { PaymentsStore } from './payments.store.js';
import type { SettlingPayment } from './settling-payment.js';

/** How the payments of a batch that no transaction of ours carries were resolved. */
interface Resolved {
  readonly included: number;
  readonly failed: number;
  readonly waiting: number;
}

/**
 * Finds out from the chain what became of authorizations that would not pass a transaction of ours: paid by somebody else's,
 * cancelled, used otherwise, ended, or merely out of funds for now. Only a proof ends a payment.
 */
export class ResolvePayments {
  constructor(
    private readonly db: Writer,
    private readonly payments: PaymentsStore,
    private readonly rail: SettlementRail,
    private readonly ledger: Ledger,
  ) {}

  async run(batch: string, items: readonly SettlingPayment[]): Promise<Resolved> {
    if (items.length === 0) return { included: 0, failed: 0, waiting: 0 };
    const view = await this.rail.view();
    const usedAtHead = await this.rail.usedAt(items, view.head.number);
    const usedAtFinalized = await this.rail.usedAt(items, view.finalized.number);
    const delays = new Map<string, number>();
    let [included, failed] = [0, 0];
    for (const [i, item] of items.entries()) {
      const judgement = await this.#judge(item, view, usedAtHead[i] ?? false, usedAtFinalized[i] ?? false);
      if (judgement.kind === 'included') {
        await this.payments.include(this.db, batch, judgement.receipt, new Map([[item.id, judgement.logIndex]]));
        included += 1;
      } else if (judgement.kind === 'failed') {
        await this.#fail(batch, item, judgement.proof);
        failed += 1;
      } else {
        delays.set(item.id, retryDelayMs(item.attempts));
        continue;
      }
      await this.payments.announce(this.db, item.id);
    }
    await this.payments.unbatch(this.db, batch, delays);
    return { included, failed, waiting: delays.size };
  }

  async #judge(
    item: SettlingPayment,
    view: ChainView,
    usedAtHead: boolean,
    usedAtFinalized: boolean,
  ): Promise<Judgement> {
    const isUsed = usedAtHead || usedAtFinalized;
    const end = isUsed ? await this.rail.findEnd(item, searchSince(item.reservedAt, item.attempts)) : undefined;
    return judge(item, { view, usedAtHead, usedAtFinalized, end });
  }

  async #fail(
    batch: string,
    item: SettlingPayment,
    proof: Extract<Judgement, { kind: 'failed' }>['proof'],
  ): Promise<void> {
    await this.db.transaction(async (tx) => {
      const paid = await this.payments.fail(tx, batch, item.id, proof);
      if (!paid) return;
      await this.ledger.post(tx, failedEntry(paid));
      if (paid.origin === 'refund') await this.payments.refundFailed(tx, item.id, proof.kind);
    });
  }
}

import type { Instant } from '@core/time';
import type { Tx } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { DueMarks } from './due-marks.store.js';
import { paysWithoutUsage } from './pays-without-usage.js';
import { PlanReader } from './plan.reader.js';

/** Has accounts rated anew from the instant on at which they moved between plan versions. */
export class RateMoved {
  readonly #plans = new PlanReader();
  readonly #marks = new DueMarks();

  constructor(private readonly outbox: Outbox) {}

  /** In the transaction of the move. `versions`: all that an account left or came to. */
  async within(
    tx: Tx,
    provider: string,
    moved: { readonly from: Instant; readonly accounts: readonly string[]; readonly versions: readonly string[] },
    now: Instant,
  ): Promise<void> {
    const paying = await this.#payingWithoutUsage(tx, moved.versions);
    await this.#marks.ofMoves(tx, provider, { ...moved, paying }, now);
    await this.outbox.add(tx, 'rate-usage', {});
  }

  /** Prices of plan versions that ask for something without usage: no event would have them rated. */
  async #payingWithoutUsage(tx: Tx, versions: readonly string[]): Promise<string[]> {
    const all = (await this.#plans.list(tx)).flatMap((plan) => plan.versions);
    return all
      .filter(({ id }) => versions.includes(id))
      .flatMap(({ prices }) => prices.filter(paysWithoutUsage).map(({ id }) => id));
  }
}

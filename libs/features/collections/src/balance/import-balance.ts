import type { BalanceMovement, BalanceRail } from '@core/collections';
import { makeAvailable, payOut, postMovement } from '@core/ledger';
import { type Amount, amount, currency as currencyOf } from '@core/money';
import { addMs, type Clock, instant } from '@core/time';
import { Fault } from '@core/faults';
import type { Ledger } from '@features/ledger';
import type { Writer, WriterTx } from '@platform/database';
import { type Imported, MovementsStore } from './movements.store.js';

export interface ImportedBalance {
  readonly imported: number;
  readonly madeAvailable: number;
}

/** Looked through again each time: movements of one second may be told in any order. */
const OVERLAP_MS = 86_400_000;
const MOST_AT_ONCE = 100;

/** Stripe tells amounts in the currency's minor units, as its asset has them. */
const amountOf = (code: string, minor: bigint): Amount => {
  const asset = currencyOf(code.toUpperCase());
  if (!asset) throw new Fault('invariant_broken', `Stripe moved ${code}, which is no currency known here`);
  return amount(asset.id, minor);
};

/**
 * Takes over Stripe's own books, movement by movement, each once: fees, what became available, refunds and disputes, payouts. The gross of a
 * payment is in ours since it succeeded. So after an import that was complete the movements sum to Stripe's balance, and those of a provider that
 * are no payouts to what it has at Stripe (1015, 1010) and has had from there (1030).
 */
export class ImportBalance {
  readonly #store = new MovementsStore();

  constructor(
    private readonly writer: Writer,
    private readonly rail: BalanceRail,
    private readonly ledger: Ledger,
    private readonly clock: Clock,
  ) {}

  /** What Stripe does not tell now is told the next time. */
  async run(): Promise<ImportedBalance> {
    const imported = await this.#importNew();
    return { imported, madeAvailable: await this.#makeAvailable() };
  }

  async #importNew(): Promise<number> {
    const latest = await this.#store.latest(this.writer);
    const since = latest === undefined ? instant(0) : addMs(latest, -OVERLAP_MS);
    const found: BalanceMovement[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page = await this.rail.movements({ since, after });
      if (page.kind !== 'fetched') return 0;
      found.push(...page.movements);
      after = page.movements.at(-1)?.id;
      more = page.more && after !== undefined;
    }
    let imported = 0;
    // Oldest first, and payouts after what they carried: how far we are is how far everything is.
    const inOrder = found
      .reverse()
      .sort((a, b) => a.createdAt - b.createdAt || Number(isPayout(a)) - Number(isPayout(b)));
    const known = await this.#store.known(
      this.writer,
      inOrder.map(({ id }) => id),
    );
    for (const movement of inOrder) {
      if (known.has(movement.id)) continue;
      const carried =
        isPayout(movement) && movement.source !== undefined ? await this.rail.carriedBy(movement.source) : undefined;
      if (carried && carried.kind !== 'fetched' && carried.kind !== 'missing') return imported;
      const ids = carried?.kind === 'fetched' ? carried.movements : [];
      if (await this.writer.transaction((tx) => this.#import(tx, movement, ids))) imported += 1;
    }
    return imported;
  }

  async #import(tx: WriterTx, movement: BalanceMovement, carried: readonly string[]): Promise<boolean> {
    const row = await this.#store.insert(tx, movement);
    if (!row) return false;
    if (isPayout(movement)) await this.#payOut(tx, movement, row, carried);
    else if (row.provider !== undefined) await this.#post(tx, { ...row, provider: row.provider }, movement);
    return true;
  }

  async #post(tx: WriterTx, row: Imported & { readonly provider: string }, movement: BalanceMovement): Promise<void> {
    const { currency, category, fee, net } = movement;
    const posted = postMovement({
      provider: row.provider,
      account: row.account,
      movement: row.id,
      category,
      amount: amountOf(currency, movement.amount),
      fee: amountOf(currency, fee),
    });
    if (!posted) {
      // Known to Stripe's books and not to ours: an exception of the reconciliation.
      await this.#store.disown(tx, row.id);
      return;
    }
    const available = movement.isAvailable
      ? makeAvailable({ provider: row.provider, movement: row.id, net: amountOf(currency, net) })
      : [];
    await this.ledger.post(tx, posted, available);
  }

  /** Each provider has the share that its own movements are of it; of one that was made by hand, all is the only provider's. */
  async #payOut(tx: WriterTx, movement: BalanceMovement, row: Imported, carried: readonly string[]): Promise<void> {
    const { id, currency, amount: moved, source } = movement;
    const back = movement.category !== 'payout';
    if (source !== undefined && carried.length > 0 && !back) await this.#store.carried(tx, source, carried);
    const shares = source === undefined ? [] : await this.#store.sharesOf(tx, source);
    const whole =
      shares.length === 0 && row.provider !== undefined
        ? [{ provider: row.provider, net: back ? moved : -moved }]
        : shares;
    for (const { provider, net } of whole) {
      await this.ledger.post(tx, payOut({ provider, movement: id, share: amountOf(currency, back ? -net : net) }));
    }
  }

  /** What is due to be available, once Stripe says that it is. */
  async #makeAvailable(): Promise<number> {
    let made = 0;
    for (const { id, provider } of await this.#store.dueToBeAvailable(this.writer, this.clock.now(), MOST_AT_ONCE)) {
      const seen = await this.rail.movement(id);
      if (seen.kind !== 'fetched' || !seen.movement.isAvailable) continue;
      const { currency, net } = seen.movement;
      made += await this.writer.transaction(async (tx) => {
        if (!(await this.#store.available(tx, id))) return 0;
        if (provider === undefined) return 1;
        await this.ledger.post(tx, makeAvailable({ provider, movement: id, net: amountOf(currency, net) }));
        return 1;
      });
    }
    return made;
  }
}

const isPayout = ({ category }: BalanceMovement): boolean => category === 'payout' || category === 'payout_reversal';

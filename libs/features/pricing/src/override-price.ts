import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type Clock, type Instant, formatInstant } from '@core/time';
import { MeterReader } from '@features/metering';
import { at, type Database, type Tx } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { requireOpen, sayTheSame, unknownMeter } from './create-price.js';
import { DueMarks } from './due-marks.store.js';
import { AccountPlanStore } from './plan.store.js';
import { PriceStore } from './price.store.js';
import { PriceBook, type StoredPrice } from './price-book.js';
import { type PriceSpec, readPrice } from './read-price.js';
import { RatingStore } from './rating.store.js';

/** The price agreed with an account for a meter from an instant on; without one its plan's or the provider's holds again. */
export interface AccountPrice {
  /** `acct_…` */
  readonly account: string;
  /** `mtr_…` */
  readonly meter: string;
  readonly from: Instant;
  readonly price?: StoredPrice;
}

/** What is agreed with accounts. */
export class AccountPriceReader {
  readonly #book = new PriceBook();

  /** Of an account (`acct_…`), by meter and instant, those to come included. */
  async of(tx: Tx, account: string, meter?: string): Promise<AccountPrice[]> {
    const rows = await tx.accountPrice.findMany({
      where: { accountId: account, ...(meter === undefined ? {} : { meterId: meter }) },
      orderBy: [{ meterId: 'asc' }, { from: 'asc' }],
    });
    const prices = await this.#book.named(
      tx,
      rows.flatMap(({ priceId }) => priceId ?? []),
    );
    return rows.map((row) => {
      const price = row.priceId === null ? undefined : prices.get(row.priceId);
      return { account: row.accountId, meter: row.meterId, from: at(row.from), ...(price ? { price } : {}) };
    });
  }
}

/** Agrees a price with one account, which goes before its plan's and the provider's; or ends such an agreement. */
export class OverridePrice {
  readonly #meters = new MeterReader();
  readonly #agreed = new AccountPriceReader();
  readonly #accounts = new AccountPlanStore();
  readonly #prices = new PriceStore();
  readonly #rating = new RatingStore();
  readonly #marks = new DueMarks();

  constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly ids: IdSource,
  ) {}

  /**
   * @param input.account id or name
   * @param input.meter id or name
   * @param input.price absent: the agreement ends
   * @param input.from in no closed period, after the account's last one for the meter; absent: now
   * @returns `exists` when the same was agreed from then on already
   * @throws Fault not_found (`unknown_account`, `unknown_meter`), invalid_request (`invalid_price`), conflict
   *   (`period_closed`, `agreed_later`)
   */
  async run(input: {
    readonly provider: string;
    readonly account: string;
    readonly meter: string;
    readonly price?: PriceSpec | undefined;
    readonly from?: Instant | undefined;
  }): Promise<{ readonly outcome: 'created' | 'exists'; readonly agreed: AccountPrice }> {
    const id = this.ids.next(ID_PREFIXES.price);
    return this.database.forProvider(input.provider, async (tx) => {
      const account = await this.#accounts.account(tx, input.account);
      const meter = await this.#meters.find(tx, input.meter);
      if (!meter) throw unknownMeter(input.meter);
      const read = input.price && readPrice(input.price, meter);
      await this.#prices.lock(tx, `account price ${account} ${meter.id}`);
      const now = this.clock.now();
      const from = input.from ?? now;
      const price: StoredPrice | undefined =
        input.price && read
          ? {
              id,
              meter: meter.id,
              account,
              source: 'override',
              ...read,
              asset: input.price.asset.id,
              assetDecimals: input.price.asset.decimals,
              release: 'submitted',
              effectiveAt: from,
              createdAt: now,
            }
          : undefined;
      const last = (await this.#agreed.of(tx, account, meter.id)).at(-1);
      if (isAgreed(last, price, from))
        return { outcome: 'exists' as const, agreed: last ?? { account, meter: meter.id, from } };
      if (last && from <= last.from) {
        throw new Fault(
          'conflict',
          `Another price is agreed from ${formatInstant(last.from)} already; a further one begins after that.`,
          { reason: 'agreed_later', details: { from: formatInstant(last.from) } },
        );
      }
      requireOpen(await this.#rating.closedUntil(tx), from, 'from');
      if (price) await this.#prices.insert(tx, input.provider, price);
      await tx.accountPrice.create({
        data: {
          accountId: account,
          meterId: meter.id,
          providerId: input.provider,
          priceId: price?.id ?? null,
          from: new Date(from),
        },
      });
      await this.#prices.cut(tx, input.provider, meter.number, from);
      await this.#marks.one(tx, { provider: input.provider, account, meter: meter.id }, from, now);
      await this.outbox.add(tx, 'rate-usage', {});
      return { outcome: 'created' as const, agreed: { account, meter: meter.id, from, ...(price ? { price } : {}) } };
    });
  }
}

/** Whether what is asked for holds from then on anyway. */
function isAgreed(last: AccountPrice | undefined, price: StoredPrice | undefined, from: Instant): boolean {
  if (!price) return last?.price === undefined && (last === undefined || last.from <= from);
  return last?.price !== undefined && last.from <= from && sayTheSame(last.price, price);
}

import type { IdSource } from '@core/ids';
import { FUTURE_TOLERANCE_MS } from '@core/metering';
import { type Decimal, fromAtomic, roundDecimal, ZERO } from '@core/money';
import { type LinePart, type RatedPart, rateExactly, ratePeriod, roundLines } from '@core/pricing';
import { type Instant, type Period, addMs, monthOf, overlap, windowOf, windowsOf } from '@core/time';
import { MeterReader, UsageReader } from '@features/metering';
import type { Tx } from '@platform/database';
import { AccountPriceSources, type OfferedPrice } from './account-prices.js';
import { ChargeStore, type StoredCharge } from './charge.store.js';
import { endsLate, paysWithoutUsage, sumOf, UNUSED } from './pays-without-usage.js';
import type { StoredPrice } from './price-book.js';
import { type DueKey, RatingStore } from './rating.store.js';
import { RateMonth } from './rate-month.js';
import { type ChargeTarget, SetCharges } from './set-charges.js';

interface RatedAccount {
  readonly changed: readonly StoredCharge[];
  /** When it has to be rated again though no usage arrives: a level goes on costing, or a month ends. */
  readonly dueAgain: Instant | undefined;
  /** Earliest service of a changed charge of a plan's item: what the plan asks across its items follows from it. */
  readonly planSince: Instant | undefined;
}

/** Prorated money has no finite decimal: so many places are kept. */
const PLACES = 36;

/**
 * Rates an account's usage of a meter, or what it owes without one, in a transaction of the caller's: from the month of an
 * instant up to now. Usage is that of the derived tables, so it is as far as the roll-up has come.
 */
export class AccountRating {
  readonly #usage = new UsageReader();
  readonly #meters = new MeterReader();
  readonly #sources = new AccountPriceSources();
  readonly #charges = new ChargeStore();
  readonly #store = new RatingStore();
  readonly #month = new RateMonth();
  readonly #set: SetCharges;

  constructor(ids: IdSource) {
    this.#set = new SetCharges(ids);
  }

  async run(tx: Tx, key: DueKey, since: Instant, now: Instant): Promise<RatedAccount> {
    const months = windowsOf(
      { start: monthOf(since < now ? since : now).start, end: addMs(now, FUTURE_TOLERANCE_MS + 1) },
      'month',
    );
    const from = months[0]?.start ?? since;
    const { targets, dueAgain } =
      key.meter === ''
        ? await this.#withoutMeter(tx, key.account, months, now)
        : await this.#metered(tx, key, months, now);
    const closedUntil = await this.#store.closedUntil(tx);
    const changed = await this.#set.run(tx, key, targets, { from, closedUntil, now });
    const ofPlans = new Set(targets.filter(({ price }) => price.source === 'plan').map(({ price }) => price.id));
    const planned = changed.filter(({ price }) => key.meter !== '' && ofPlans.has(price));
    return {
      changed,
      dueAgain,
      planSince: planned.length === 0 ? undefined : earliest(planned.map(({ service }) => service.start)),
    };
  }

  async #metered(tx: Tx, key: DueKey, months: readonly Period[], now: Instant): Promise<Reckoned> {
    const meter = await this.#meters.find(tx, key.meter);
    if (!meter) return { targets: [], dueAgain: undefined };
    const sources = await this.#sources.of(tx, key.account, meter.id);
    const targets: ChargeTarget[] = [];
    let late = false;
    for (const month of months) {
      const rated = await this.#month.run(tx, key.account, meter, sources, { span: month, month }, now);
      targets.push(...rated.filter(({ price }) => isCharged(price, month, now)).map(targetOf));
      late ||= month.end > now && rated.some(({ price }) => endsLate(price));
    }
    const offers = [...sources.overrides, ...sources.planItems, ...sources.defaults];
    const goesOn =
      offers.length > 0 &&
      (meter.aggregation === 'level' || meter.aggregation === 'duration') &&
      (await this.#usage.accrues(tx, { account: key.account, meter, asOf: now }));
    const paying = [...sources.overrides, ...sources.planItems].filter(({ price }) => paysWithoutUsage(price));
    return {
      targets,
      dueAgain: earliest([
        ...(goesOn ? [windowOf(now, 'hour').end] : []),
        ...(late ? [monthOf(now).end] : []),
        ...nextOf(paying, now),
      ]),
    };
  }

  /** Flat items of the account's plans, and what is asked across the items of a plan. */
  async #withoutMeter(tx: Tx, account: string, months: readonly Period[], now: Instant): Promise<Reckoned> {
    const offers = await this.#sources.withoutMeter(tx, account);
    const targets: ChargeTarget[] = [];
    for (const month of months) {
      const begun = offers.flatMap((offer) => {
        const covered = overlap(month, { start: offer.effectiveAt, end: offer.until ?? month.end });
        return covered && covered.start <= now ? [{ price: offer.price, covered, usage: UNUSED }] : [];
      });
      const names = new Set(begun.flatMap(({ price }) => price.name ?? []));
      const period = { period: month, zone: 'UTC', ended: month.end <= now };
      const flat = [...names].flatMap((name) =>
        ratePeriod(
          begun.filter(({ price }) => price.name === name),
          period,
        ),
      );
      const items = flat.filter(({ price }) => isCharged(price, month, now)).map(targetOf);
      targets.push(...items);
      const spent = await this.#spent(tx, account, month, items);
      for (const { price, covered } of begun.filter((part) => part.price.name === undefined)) {
        const sum = fromAtomic(spent.get(price.planVersion ?? '') ?? 0n, price.assetDecimals);
        targets.push(acrossItems(price, covered, sum, period));
      }
    }
    return { targets, dueAgain: earliest(nextOf(offers, now)) };
  }

  /** What the items of each plan version came to: the metered as they are charged, the flat as they are about to be. */
  async #spent(tx: Tx, account: string, month: Period, flat: readonly ChargeTarget[]): Promise<Map<string, bigint>> {
    const spent = await this.#charges.spentOnPlans(tx, account, month);
    for (const { price, atomic } of flat)
      spent.set(price.planVersion ?? '', (spent.get(price.planVersion ?? '') ?? 0n) + atomic);
    return spent;
  }
}

interface Reckoned {
  readonly targets: readonly ChargeTarget[];
  readonly dueAgain: Instant | undefined;
}

const earliest = (instants: readonly Instant[]): Instant | undefined =>
  instants.reduce<Instant | undefined>((first, one) => (first === undefined || one < first ? one : first), undefined);

/** A price that is billed at the end of the period is not charged before. */
const isCharged = (price: StoredPrice, month: Period, now: Instant): boolean =>
  price.modifiers.billing !== 'at_end' || month.end <= now;

const targetOf = ({ price, covered, usage, lines, amount }: RatedPart<StoredPrice>): ChargeTarget => ({
  price,
  service: covered,
  quantity: usage.quantity,
  exact: kept(sumOf(lines)),
  lines: lines.map((line) => ({ ...line, exact: kept(line.exact) })),
  atomic: amount.atomic,
});

const kept = (value: Decimal): Decimal => roundDecimal(value, PLACES, 'half-even');

/** What a plan's minimum, maximum, commitment and discount add to what its items came to. */
function acrossItems(
  price: StoredPrice,
  covered: Period,
  spent: Decimal,
  { period, zone, ended }: { readonly period: Period; readonly zone: string; readonly ended: boolean },
): ChargeTarget {
  const { model, definition } = price.terms;
  const summed = { ...price, terms: { model, definition, needs: [], groupBy: [], cost: () => spent } };
  // Left in the middle of a month, a plan has had its last word there.
  const last = ended || covered.end < period.end;
  const lines: LinePart[] = rateExactly(summed, UNUSED, { covered, period, zone, last }).filter(
    ({ kind }) => kind !== 'usage',
  );
  const atomic = roundLines(price, lines).reduce((sum, line) => sum + line, 0n);
  return {
    price,
    service: covered,
    quantity: ZERO,
    exact: kept(sumOf(lines)),
    lines: lines.map((line) => ({ ...line, exact: kept(line.exact) })),
    atomic,
  };
}

/** When prices that ask for something without usage are next to be looked at: as they begin, and at every end of a month. */
const nextOf = (offers: readonly OfferedPrice[], now: Instant): Instant[] =>
  offers.flatMap(({ effectiveAt, until }) => {
    if (effectiveAt > now) return [effectiveAt];
    return until === undefined || until > now ? [monthOf(now).end] : [];
  });

import { ID_PREFIXES, type IdSource } from '@core/ids';
import { accrueUsage } from '@core/ledger';
import {
  type AssetId,
  type Decimal,
  ZERO,
  addDecimals,
  amount,
  compareDecimals,
  fromAtomic,
  subtractDecimals,
} from '@core/money';
import { type LinePart, carryFraction } from '@core/pricing';
import { type Instant, type Period, addMs, monthOf } from '@core/time';
import { ClosedBooks, Ledger } from '@features/ledger';
import { CreditLines } from '@features/wallet';
import type { Tx } from '@platform/database';
import { ChargeStore, type ChargeTotals, type StoredCharge } from './charge.store.js';
import { PriceBook, type StoredPrice } from './price-book.js';
import type { DueKey } from './rating.store.js';

/** What a span of service comes to at a price. */
export interface ChargeTarget {
  readonly price: StoredPrice;
  readonly service: Period;
  readonly quantity: Decimal;
  readonly exact: Decimal;
  readonly lines: readonly LinePart[];
  /** Rounded by itself; a price that carries its fractions is settled with the account's other charges at it. */
  readonly atomic: bigint;
}

interface TargetScope {
  /** Service from this instant on is what the targets tell; what has a charge and no target is worth nothing. */
  readonly from: Instant;
  /** What lies before it stands for good. */
  readonly closedUntil: Instant | undefined;
  readonly now: Instant;
}

/** Revenue of what is owed without a meter. */
const WITHOUT_METER = 'plan';

interface Draft {
  readonly before: StoredCharge | undefined;
  readonly after: Omit<StoredCharge, 'revision'>;
  readonly frozen: boolean;
}

/** A charge as it is set, and what that changes. */
interface ChargeChange {
  readonly charge: StoredCharge;
  /** What it was before, atomic units. */
  readonly before: bigint;
  readonly quantity: Decimal;
  readonly atomic: bigint;
}

/**
 * When the setting of a charge is effective. What is charged in a month that is over belongs to its last millisecond, as long as the
 * account's books are open there; undefined: when it is recorded.
 */
function effectiveAt(window: Period, closedUntil: Instant | undefined, now: Instant): Instant | undefined {
  const last = addMs(window.end, -1);
  return last < now && (closedUntil === undefined || last >= closedUntil) ? last : undefined;
}

const accrualOf = (key: DueKey, { charge, before }: ChargeChange) =>
  accrueUsage({
    provider: key.provider,
    account: key.account,
    charge: charge.id,
    revision: charge.revision,
    meter: key.meter === '' ? WITHOUT_METER : key.meter,
    before: amount(charge.asset, before),
    after: amount(charge.asset, charge.atomic),
  });

/**
 * Makes an account's charges for a meter be what the targets say, and posts the differences. A charge in a closed period
 * stays as it is: what is missing to its target is a charge in the open month that names it.
 */
export class SetCharges {
  readonly #store = new ChargeStore();
  readonly #book = new PriceBook();
  readonly #ledger = new Ledger();
  readonly #books = new ClosedBooks();
  readonly #lines = new CreditLines();

  constructor(private readonly ids: IdSource) {}

  /** @returns the charges that changed */
  async run(tx: Tx, key: DueKey, targets: readonly ChargeTarget[], scope: TargetScope): Promise<StoredCharge[]> {
    const stored = await this.#store.from(tx, key, scope.from);
    const prices = new Map(targets.map(({ price }) => [price.id, price]));
    const others = stored.map(({ price }) => price).filter((id) => !prices.has(id));
    if (others.length > 0) for (const [id, price] of await this.#book.named(tx, others)) prices.set(id, price);

    const drafts = this.#drafts(key, targets, stored, scope);
    const carried = await this.#carry(tx, key, drafts, prices, scope);
    const changes = carried.flatMap(({ before, after, frozen }): ChargeChange[] => {
      if (frozen || !differs(before, after)) return [];
      const charge = { ...after, revision: (before?.revision ?? 0) + 1 };
      const quantity = subtractDecimals(charge.quantity, before?.quantity ?? ZERO);
      return [{ charge, before: before?.atomic ?? 0n, quantity, atomic: charge.atomic - (before?.atomic ?? 0n) }];
    });
    if (changes.length > 0) await this.#write(tx, key, changes, scope.now);
    return changes.map(({ charge }) => charge);
  }

  async #write(tx: Tx, key: DueKey, changes: readonly ChargeChange[], now: Instant): Promise<void> {
    const closed = await this.#books.hold(tx, key.account);
    const byInstant = new Map<Instant | undefined, ChargeChange[]>();
    for (const change of changes) {
      const at = effectiveAt(change.charge.window, closed, now);
      byInstant.set(at, [...(byInstant.get(at) ?? []), change]);
    }
    for (const [at, some] of byInstant)
      await this.#ledger.effective(tx, at, async () => {
        for (const { charge, quantity, atomic } of some)
          await this.#store.set(tx, key.provider, charge, { quantity, atomic });
        await this.#ledger.post(tx, ...some.map((change) => accrualOf(key, change)));
      });
    const owed = new Map<AssetId, bigint>();
    for (const { charge, atomic } of changes) owed.set(charge.asset, (owed.get(charge.asset) ?? 0n) + atomic);
    for (const [asset, change] of [...owed].sort(([a], [b]) => (a < b ? -1 : 1)))
      await this.#lines.add(tx, { account: key.account, asset, change });
  }

  #drafts(
    key: DueKey,
    targets: readonly ChargeTarget[],
    stored: readonly StoredCharge[],
    { closedUntil, now }: TargetScope,
  ): Draft[] {
    const stands = ({ start }: Period): boolean => closedUntil !== undefined && start < closedUntil;
    const placeOf = (price: string, { start }: Period): string => `${price} ${start}`;
    const wanted = new Map(targets.map((target) => [placeOf(target.price.id, target.service), target]));
    const places = new Map<string, StoredCharge[]>();
    for (const row of stored) {
      const place = placeOf(row.price, row.service);
      places.set(place, [...(places.get(place) ?? []), row]);
    }
    const drafts: Draft[] = [];
    for (const place of new Set([...places.keys(), ...wanted.keys()])) {
      const target = wanted.get(place);
      const rows = places.get(place) ?? [];
      const frozen = rows.filter(({ window }) => stands(window));
      drafts.push(...frozen.map((row) => ({ before: row, after: row, frozen: true })));
      const before = rows.find(({ window }) => !stands(window));
      const service = target?.service ?? rows[0]?.service;
      const price = target?.price.id ?? rows[0]?.price;
      const asset = target?.price.asset ?? rows[0]?.asset;
      if (!service || price === undefined || !asset) continue;
      const totals = lessWhatStands(target, frozen);
      if (!before && isNothing(totals)) continue;
      const original = frozen.find(({ window }) => window.start === service.start);
      const window = stands(service) ? (before?.window ?? monthOf(now)) : service;
      drafts.push({
        before,
        after: {
          id: before?.id ?? this.ids.next(ID_PREFIXES.charge),
          account: key.account,
          meter: key.meter,
          price,
          asset,
          ...(original ? { corrects: original.id } : {}),
          ...totals,
          service,
          window,
        },
        frozen: false,
      });
    }
    return drafts;
  }

  /**
   * Prices that carry their fractions charge whole units of the running total of an account, in the order charged: the sum of
   * what was charged is less than one unit below the exact sum, however many months there are.
   */
  async #carry(
    tx: Tx,
    key: DueKey,
    drafts: readonly Draft[],
    prices: ReadonlyMap<string, StoredPrice>,
    { closedUntil }: TargetScope,
  ): Promise<readonly Draft[]> {
    const carrying = (id: string): boolean => prices.get(id)?.modifiers.fraction === 'carry';
    const ids = [...new Set(drafts.map(({ after }) => after.price).filter(carrying))];
    if (ids.length === 0) return drafts;
    const known = new Set(drafts.map(({ after }) => after.id));
    const others = (await this.#store.atPrices(tx, key.account, ids))
      .filter(({ id }) => !known.has(id))
      .map((row): Draft => {
        return { before: row, after: row, frozen: closedUntil !== undefined && row.window.start < closedUntil };
      });
    const settled = ids.flatMap((id) => {
      const decimals = prices.get(id)?.assetDecimals ?? 0;
      let carried = ZERO;
      return [...others, ...drafts]
        .filter(({ after }) => after.price === id)
        .sort((a, b) => a.after.window.start - b.after.window.start || a.after.service.start - b.after.service.start)
        .map((draft): Draft => {
          const { frozen, after } = draft;
          const step = carryFraction(carried, after.exact, decimals);
          const atomic = frozen ? after.atomic : step.atomic;
          // What stands may have been rounded while more was known; the next charge makes up for it.
          carried = addDecimals(step.carried, fromAtomic(step.atomic - atomic, decimals));
          return { ...draft, after: { ...after, atomic } };
        });
    });
    return [...drafts.filter(({ after }) => !ids.includes(after.price)), ...settled];
  }
}

function lessWhatStands(
  target: ChargeTarget | undefined,
  standing: readonly StoredCharge[],
): Pick<ChargeTotals, 'quantity' | 'exact' | 'atomic' | 'lines'> {
  const sum = (of: (charge: StoredCharge) => Decimal): Decimal =>
    standing.reduce((total, charge) => addDecimals(total, of(charge)), ZERO);
  return {
    quantity: subtractDecimals(
      target?.quantity ?? ZERO,
      sum(({ quantity }) => quantity),
    ),
    exact: subtractDecimals(
      target?.exact ?? ZERO,
      sum(({ exact }) => exact),
    ),
    atomic: (target?.atomic ?? 0n) - standing.reduce((total, { atomic }) => total + atomic, 0n),
    lines: standing.length === 0 ? (target?.lines ?? []) : lineDifference(target?.lines ?? [], standing),
  };
}

/** By kind, what the lines are more than those of the charges that stand. */
function lineDifference(lines: readonly LinePart[], standing: readonly StoredCharge[]): LinePart[] {
  const signed = [
    ...lines.map((line) => ({ line, sign: 1 })),
    ...standing.flatMap((charge) => charge.lines.map((line) => ({ line, sign: -1 }))),
  ];
  const kinds = [...new Set(signed.map(({ line }) => line.kind))];
  return kinds.flatMap((kind): LinePart[] => {
    let exact = ZERO;
    let quantity: Decimal | undefined;
    for (const { line, sign } of signed) {
      if (line.kind !== kind) continue;
      const add = sign > 0 ? addDecimals : subtractDecimals;
      exact = add(exact, line.exact);
      if (line.quantity) quantity = add(quantity ?? ZERO, line.quantity);
    }
    if (exact.units === 0n && (quantity === undefined || quantity.units === 0n)) return [];
    return [{ kind, exact, ...(quantity ? { quantity } : {}) }];
  });
}

const isNothing = ({ quantity, exact, atomic }: Pick<ChargeTotals, 'quantity' | 'exact' | 'atomic'>): boolean =>
  quantity.units === 0n && exact.units === 0n && atomic === 0n;

const differs = (before: StoredCharge | undefined, after: ChargeTotals): boolean =>
  before === undefined ||
  compareDecimals(before.quantity, after.quantity) !== 0 ||
  compareDecimals(before.exact, after.exact) !== 0 ||
  before.atomic !== after.atomic ||
  before.window.end !== after.window.end ||
  before.service.end !== after.service.end;

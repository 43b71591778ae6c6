import { type Entry, accrueUsage, capturePayment, failPayment } from '@core/ledger';
import {
  type AssetId,
  type Decimal,
  ZERO,
  addDecimals,
  amount,
  assetId,
  compareDecimals,
  fromAtomic,
  subtractDecimals,
} from '@core/money';
import {
  type Offered,
  type PeriodTerms,
  type PriceVersion,
  type RatedPart,
  carryFraction,
  quote,
  ratePeriod,
  readPeriodTerms,
  readTerms,
  resolveParts,
  roundLines,
  unquotable,
} from '@core/pricing';
import {
  type AdjustmentLine,
  type ChargeLine,
  type PaymentLine,
  type StatementTotals,
  buildStatement,
  postingKind,
} from '@core/statements';
import { type Period, instant } from '@core/time';
import { UsageRows, cutsOf, exact, meterOf } from './product-usage.js';
import { type Case, NOVEMBER, OCTOBER, type Offer } from './story.js';

// The way from usage to a statement as the product goes it: rated at every stage, set as charges, posted as entries, and
// summed to statements that must close where the ledger does.

const ASSETS = [assetId('iso4217:USD'), assetId('iso4217:EUR')] as const;
const OCTOBER_PERIOD: Period = { start: instant(OCTOBER.start), end: instant(OCTOBER.end) };
const NOVEMBER_PERIOD: Period = { start: instant(NOVEMBER.start), end: instant(NOVEMBER.end) };
const AHEAD_MS = 300_000;
const EVENT = { provider: 'prv_model', account: 'acct_model' };

interface ModelPrice extends PriceVersion, Offered {
  readonly modifiers: PeriodTerms;
  readonly offer: number;
  readonly source: Offer['source'];
}

export function priceOf(told: Case, i: number): ModelPrice {
  const offer = told.offers[i];
  if (!offer) throw new Error(`there is no offer ${i}`);
  const terms = readTerms(offer.model, offer.definition);
  if ('problem' in terms) throw new Error(terms.problem);
  const modifiers = readPeriodTerms(offer.modifiers, terms);
  if ('problem' in modifiers) throw new Error(modifiers.problem);
  return {
    id: `prc_${i}`,
    meter: 'mtr_model',
    terms,
    modifiers,
    asset: ASSETS[offer.asset],
    assetDecimals: told.places[offer.asset],
    effectiveAt: instant(offer.from),
    ...(offer.until === undefined ? {} : { until: instant(offer.until) }),
    offer: i,
    source: offer.source,
  };
}

/** A charge as it stands. */
interface ModelCharge {
  readonly id: string;
  readonly price: ModelPrice;
  readonly service: Period;
  readonly window: Period;
  readonly corrects?: string;
  readonly quantity: Decimal;
  readonly exact: Decimal;
  readonly atomic: bigint;
  readonly revision: number;
}

interface Change {
  readonly charge: ModelCharge;
  readonly quantity: Decimal;
  readonly atomic: bigint;
}

export interface StatedAsset {
  readonly asset: AssetId;
  readonly totals: StatementTotals;
}

/** One account of one provider, from its first event to its last statement. */
export class ProductBooks {
  readonly #prices: readonly ModelPrice[];
  readonly #entries: { readonly stage: number; readonly entry: Entry }[] = [];
  readonly #changes: { readonly stage: number; readonly change: Change }[] = [];
  #rows: UsageRows;
  #cuts = '';
  #stage = -1;
  #closedUntil = -Infinity;
  charges: readonly ModelCharge[] = [];

  constructor(
    private readonly told: Case,
    private readonly shuffle: (count: number) => number,
  ) {
    this.#prices = told.offers.map((_, i) => priceOf(told, i));
    this.#rows = new UsageRows(told, meterOf(told), [], shuffle);
  }

  /** Rolls up what arrived, rates what it touched, and sets the charges. */
  advance(stage: 0 | 1 | 2 | 3): void {
    this.#stage = stage;
    const cuts = cutsOf(this.told, stage);
    if (stage === 0 || cuts.join() !== this.#cuts) {
      // Where a price cuts cells that are there, the log is counted anew.
      this.#rows = new UsageRows(this.told, meterOf(this.told), cuts, this.shuffle);
      for (let before = 0; before < stage; before += 1) this.#rows.roll(before);
    }
    this.#cuts = cuts.join();
    this.#rows.roll(stage);
    this.#set(this.#targets(this.told.stages[stage]), this.told.stages[stage]);
    this.#pay(stage);
  }

  /** Closes a month: what was charged in it stands. */
  close(month: Period): void {
    this.#closedUntil = month.end;
  }

  #targets(now: number): RatedPart<ModelPrice>[] {
    const known = this.#prices.filter(({ offer }) => (this.told.offers[offer]?.stage ?? 0) <= this.#stage);
    const of = (source: Offer['source']) => known.filter((price) => price.source === source);
    const sources = { overrides: of('override'), planItems: of('plan'), defaults: of('default') };
    return [OCTOBER_PERIOD, NOVEMBER_PERIOD]
      .filter(({ start }) => start <= now + AHEAD_MS)
      .flatMap((month) => {
        const parts = resolveParts('mtr_model', sources, month)
          .filter(({ period }) => period.start <= now + AHEAD_MS)
          .map(({ price, period }) => ({ price, covered: period, usage: this.#rows.rated(period, now, price.terms) }));
        const used = parts.some(({ price, usage }) => price.source === 'default' && isUsed(usage));
        const concerned = parts.filter(
          ({ price, covered, usage }) => (price.source === 'default' ? used : covered.start <= now) || isUsed(usage),
        );
        const ended = month.end <= now;
        return ratePeriod(concerned, { period: month, zone: 'UTC', ended }).filter(
          ({ price }) => price.modifiers.billing !== 'at_end' || ended,
        );
      });
  }

  /** Makes the charges be what the targets say; what is missing to one that stands is a charge of the open month. */
  #set(targets: readonly RatedPart<ModelPrice>[], now: number): void {
    const placeOf = ({ price, service }: Pick<ModelCharge, 'price' | 'service'>): string =>
      `${price.id} ${service.start}`;
    const wanted = new Map(
      targets.map((target) => [placeOf({ price: target.price, service: target.covered }), target]),
    );
    const stands = ({ start }: Period): boolean => start < this.#closedUntil;
    const drafts: {
      readonly before?: ModelCharge | undefined;
      readonly after: ModelCharge;
      readonly stands: boolean;
    }[] = [];
    for (const place of new Set([...this.charges.map(placeOf), ...wanted.keys()])) {
      const rows = this.charges.filter((charge) => placeOf(charge) === place);
      const standing = rows.filter(({ window }) => stands(window));
      drafts.push(...standing.map((row) => ({ before: row, after: row, stands: true })));
      const before = rows.find(({ window }) => !stands(window));
      const target = wanted.get(place);
      const price = target?.price ?? rows[0]?.price;
      const service = target?.covered ?? rows[0]?.service;
      if (!price || !service) continue;
      if (target && roundLines(price, target.lines).reduce((a, b) => a + b, 0n) !== target.amount.atomic)
        throw new Error('the rounded lines of a charge are not what is charged');
      const totals = {
        quantity: standing.reduce((left, row) => subtractDecimals(left, row.quantity), target?.usage.quantity ?? ZERO),
        exact: standing.reduce((left, row) => subtractDecimals(left, row.exact), target ? sumOf(target.lines) : ZERO),
        atomic: standing.reduce((left, row) => left - row.atomic, target?.amount.atomic ?? 0n),
      };
      if (!before && totals.quantity.units === 0n && totals.exact.units === 0n && totals.atomic === 0n) continue;
      const openMonth = now < OCTOBER.end ? OCTOBER_PERIOD : NOVEMBER_PERIOD;
      const [original] = standing;
      const after: ModelCharge = {
        id: before?.id ?? `chg_${this.charges.length}_${drafts.length}_${this.#stage}`,
        price,
        service,
        window: stands(service) ? (before?.window ?? openMonth) : service,
        ...(original ? { corrects: original.id } : {}),
        ...totals,
        revision: before?.revision ?? 0,
      };
      drafts.push({ before, after, stands: false });
    }
    const next: ModelCharge[] = [];
    for (const { before, after, stands: frozen } of this.#carry(drafts)) {
      if (frozen || (before && !differs(before, after))) {
        next.push(after);
        continue;
      }
      const charge = { ...after, revision: after.revision + 1 };
      next.push(charge);
      const [quantity, atomic] = [
        subtractDecimals(charge.quantity, before?.quantity ?? ZERO),
        charge.atomic - (before?.atomic ?? 0n),
      ];
      this.#changes.push({ stage: this.#stage, change: { charge, quantity, atomic } });
      this.#post(
        accrueUsage({
          ...EVENT,
          charge: charge.id,
          revision: charge.revision,
          meter: 'mtr_model',
          before: amount(charge.price.asset, before?.atomic ?? 0n),
          after: amount(charge.price.asset, charge.atomic),
        }),
      );
    }
    this.charges = next;
  }

  #carry<Draft extends { readonly after: ModelCharge; readonly stands: boolean }>(drafts: readonly Draft[]): Draft[] {
    const carrying = ({ after }: Draft): boolean => after.price.modifiers.fraction === 'carry';
    const settled = this.#prices.flatMap((price) => {
      let carried = ZERO;
      return drafts
        .filter((draft) => carrying(draft) && draft.after.price === price)
        .sort((a, b) => a.after.window.start - b.after.window.start || a.after.service.start - b.after.service.start)
        .map((draft): Draft => {
          const step = carryFraction(carried, draft.after.exact, price.assetDecimals);
          const atomic = draft.stands ? draft.after.atomic : step.atomic;
          carried = addDecimals(step.carried, fromAtomic(step.atomic - atomic, price.assetDecimals));
          return { ...draft, after: { ...draft.after, atomic } };
        });
    });
    return [...drafts.filter((draft) => !carrying(draft)), ...settled];
  }

  #pay(stage: number): void {
    for (const [i, call] of this.told.paid.entries()) {
      const price = this.#prices[call.offer];
      if (
        !price ||
        unquotable(price) !== undefined ||
        price.terms.needs.some((need) => need !== 'quantity' && need !== 'values')
      )
        continue;
      const paid = { ...EVENT, payment: `pay_${i}`, charged: quote(price, exact(call.quantity)) };
      if (call.stage === stage) this.#post(capturePayment({ ...paid, meter: 'mtr_model' }));
      if (call.fails === stage) this.#post(failPayment(paid));
    }
  }

  #post(entry: Entry): void {
    if (entry.length > 0) this.#entries.push({ stage: this.#stage, entry });
  }

  /** What the account owes according to the ledger, up to a stage. */
  #balance(asset: AssetId, stage: number): bigint {
    let balance = 0n;
    for (const { entry } of this.#entries.filter((posted) => posted.stage <= stage)) {
      for (const { debit, credit, amount: moved } of entry) {
        if (debit.code === '1110' && debit.asset === asset) balance += moved.atomic;
        if (credit.code === '1110' && credit.asset === asset) balance -= moved.atomic;
      }
    }
    return balance;
  }

  /** The statement of what happened after one stage and up to another, in each asset. */
  statement(after: number, upTo: number): StatedAsset[] {
    const within = (stage: number): boolean => stage > after && stage <= upTo;
    return ASSETS.map((asset) => {
      const metered = this.#changes
        .filter(({ stage, change }) => within(stage) && change.charge.price.asset === asset)
        .reduce((lines, { change: { charge, quantity, atomic } }) => {
          const line = lines.get(charge.id);
          return lines.set(charge.id, {
            kind: 'metered',
            charge: charge.id,
            service: charge.service,
            quantity: addDecimals(line?.quantity ?? ZERO, quantity),
            atomic: (line?.atomic ?? 0n) + atomic,
          });
        }, new Map<string, ChargeLine>());
      const charges: ChargeLine[] = [...metered.values()];
      const payments: PaymentLine[] = [];
      const adjustments: AdjustmentLine[] = [];
      for (const transfer of this.#entries.filter(({ stage }) => within(stage)).flatMap(({ entry }) => entry)) {
        const receivable = [transfer.debit, transfer.credit].find(({ code }) => code === '1110');
        if (receivable?.asset !== asset) continue;
        const atomic = transfer.debit === receivable ? transfer.amount.atomic : -transfer.amount.atomic;
        const kind = postingKind(transfer.key);
        const { reason, reference, key: postingKey } = transfer;
        const at = instant(0);
        if (kind.kind === 'paid') charges.push({ kind: 'paid', calls: 1, quantity: ZERO, atomic });
        else if (kind.kind === 'adjustment') adjustments.push({ postingKey, reason, reference, atomic, at });
        else if (kind.kind === 'payment')
          payments.push({ ...MOVED, payment: kind.payment, returned: kind.returned, atomic: -atomic, at });
      }
      const lines = { asset, opening: this.#balance(asset, after), charges, payments, adjustments };
      return { asset, totals: buildStatement(lines, this.#balance(asset, upTo)).totals };
    });
  }
}

const MOVED = {
  rail: 'usdc',
  calls: 1,
  state: 'final',
  resource: '/',
  network: 'eip155:84532',
  payer: '0x1',
  payTo: '0x2',
} as const;

const sumOf = (lines: readonly { readonly exact: Decimal }[]): Decimal =>
  lines.reduce((sum, line) => addDecimals(sum, line.exact), ZERO);

const differs = (a: ModelCharge, b: ModelCharge): boolean =>
  compareDecimals(a.quantity, b.quantity) !== 0 || compareDecimals(a.exact, b.exact) !== 0 || a.atomic !== b.atomic;

const isUsed = ({ quantity, values, cost, groups, buckets }: RatedPart['usage']): boolean =>
  quantity.units !== 0n ||
  (values ?? []).some(({ count }) => count !== 0n) ||
  (cost ?? ZERO).units !== 0n ||
  (groups ?? []).some((group) => group.quantity.units !== 0n) ||
  Object.values(buckets ?? {}).some(({ units }) => units !== 0n);

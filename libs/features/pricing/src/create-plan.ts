import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Asset } from '@core/money';
import { type PeriodTerms, type PlanTerms, readPeriodTerms, readPlan, readTerms } from '@core/pricing';
import type { Clock, Instant } from '@core/time';
import { MeterReader } from '@features/metering';
import type { Database, Tx } from '@platform/database';
import { unknownMeter } from './create-price.js';
import { PlanReader, type StoredPlan, type StoredPlanVersion } from './plan.reader.js';
import { PriceStore } from './price.store.js';
import type { StoredPrice } from './price-book.js';
import { requireAsset, requireFit } from './read-price.js';

/** What a plan consists of, as a provider writes it. */
interface PlanContent {
  /** `[{ meter | name, model, definition, modifiers? }]`: prices of meters, and flat amounts with a name. */
  readonly items: unknown;
  /** Minimum, maximum, commitment, discount, proration across the items of a month. Absent: none. */
  readonly modifiers?: unknown;
  readonly asset: Pick<Asset, 'id' | 'decimals'>;
}

interface ReadContent {
  readonly terms: PlanTerms;
  readonly modifiers: PeriodTerms;
  readonly asset: Pick<Asset, 'id' | 'decimals'>;
}

const MODIFIERS_OF_ITEMS = ['usageDiscount', 'fraction', 'billing', 'versionChange'];

/** @throws Fault invalid_request (`invalid_plan`) */
function readContent({ items, modifiers, asset }: PlanContent): ReadContent {
  requireAsset(asset);
  const terms = readPlan({ items });
  if ('problem' in terms) throw invalidPlan(terms.problem);
  const across = readPeriodTerms(modifiers ?? {});
  if ('problem' in across) throw invalidPlan(across.problem);
  const stray = MODIFIERS_OF_ITEMS.find((name) => name in across.definition);
  if (stray !== undefined) throw invalidPlan(`A plan as a whole has no "${stray}"; its items have.`);
  return { terms, modifiers: across, asset };
}

const invalidPlan = (problem: string): Fault => new Fault('invalid_request', problem, { reason: 'invalid_plan' });

const isSame = (version: StoredPlanVersion, { terms, modifiers, asset }: ReadContent): boolean =>
  version.asset === asset.id &&
  version.assetDecimals === asset.decimals &&
  JSON.stringify(version.definition) === JSON.stringify(terms.definition) &&
  JSON.stringify(version.modifiers.definition) === JSON.stringify(modifiers.definition);

/** Writes plan versions, each with a price for every item. */
class PlanVersions {
  readonly #meters = new MeterReader();
  readonly #prices = new PriceStore();

  constructor(private readonly ids: IdSource) {}

  async lock(tx: Tx, name: string): Promise<void> {
    await this.#prices.lock(tx, `plan ${tx.__provider} ${name}`);
  }

  async add(
    tx: Tx,
    provider: string,
    plan: { readonly id: string; readonly version: number },
    { terms, modifiers, asset }: ReadContent,
    now: Instant,
  ): Promise<void> {
    const id = this.ids.next(ID_PREFIXES.planVersion);
    const prices = await this.#pricesOf(tx, id, { terms, modifiers, asset }, now);
    await tx.planVersion.create({
      data: {
        id,
        planId: plan.id,
        version: plan.version,
        providerId: provider,
        definition: terms.definition,
        modifiers: modifiers.definition,
        asset: asset.id,
        assetDecimals: asset.decimals,
        createdAt: new Date(now),
      },
    });
    for (const price of prices) await this.#prices.insert(tx, provider, price);
  }

  async #pricesOf(
    tx: Tx,
    planVersion: string,
    { terms, modifiers, asset }: ReadContent,
    now: Instant,
  ): Promise<StoredPrice[]> {
    const fixed = {
      source: 'plan' as const,
      planVersion,
      asset: asset.id,
      assetDecimals: asset.decimals,
      release: 'submitted' as const,
      effectiveAt: now,
      createdAt: now,
    };
    const prices: StoredPrice[] = [];
    for (const item of terms.items) {
      const meter = item.meter === undefined ? undefined : await this.#meters.find(tx, item.meter);
      if (item.meter !== undefined && !meter) throw unknownMeter(item.meter);
      if (meter && prices.some((price) => price.meter === meter.id))
        throw invalidPlan(`Two items price meter "${meter.name}"; a plan has one price for a meter.`);
      requireFit(item.terms, item.modifiers, meter);
      prices.push({
        ...fixed,
        id: this.ids.next(ID_PREFIXES.price),
        meter: meter?.id ?? '',
        ...(item.name === undefined ? {} : { name: item.name }),
        terms: item.terms,
        modifiers: item.modifiers,
      });
    }
    if (Object.keys(modifiers.definition).length === 0) return prices;
    const nothing = readTerms('flat', { amount: '0' });
    if ('problem' in nothing) throw new Fault('invariant_broken', nothing.problem);
    return [...prices, { ...fixed, id: this.ids.next(ID_PREFIXES.price), meter: '', terms: nothing, modifiers }];
  }
}

/** Makes a plan with its first version. Nobody is on it yet. */
export class CreatePlan {
  readonly #plans = new PlanReader();
  readonly #versions: PlanVersions;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly ids: IdSource,
  ) {
    this.#versions = new PlanVersions(ids);
  }

  /**
   * @returns `exists` when a plan of this name has this content in its newest version
   * @throws Fault invalid_request (`invalid_plan`, `invalid_price`), not_found (`unknown_meter`), conflict (`plan_exists`)
   */
  async run(
    input: { readonly provider: string; readonly name: string } & PlanContent,
  ): Promise<{ readonly outcome: 'created' | 'exists'; readonly plan: StoredPlan }> {
    const content = readContent(input);
    return this.database.forProvider(input.provider, async (tx) => {
      await this.#versions.lock(tx, input.name);
      const known = await tx.plan.findFirst({ where: { name: input.name } });
      const plan = known && (await this.#plans.find(tx, known.id));
      const newest = plan?.versions.at(-1);
      if (plan && newest && isSame(newest, content)) return { outcome: 'exists' as const, plan };
      if (plan) {
        throw new Fault(
          'conflict',
          `There is another plan "${input.name}". Give it a further version, or choose another name.`,
          { reason: 'plan_exists', details: { plan: plan.id } },
        );
      }
      const id = this.ids.next(ID_PREFIXES.plan);
      const now = this.clock.now();
      await tx.plan.create({
        data: { id, providerId: input.provider, name: input.name, createdAt: new Date(now) },
      });
      await this.#versions.add(tx, input.provider, { id, version: 1 }, content, now);
      return { outcome: 'created' as const, plan: await planOf(this.#plans, tx, id) };
    });
  }
}

/** Makes the next version of a plan. Accounts stay on theirs until they are moved. */
export class RevisePlan {
  readonly #plans = new PlanReader();
  readonly #versions: PlanVersions;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    ids: IdSource,
  ) {
    this.#versions = new PlanVersions(ids);
  }

  /**
   * @param input.plan id or name
   * @returns `exists` when the newest version has this content
   * @throws Fault invalid_request (`invalid_plan`, `invalid_price`), not_found (`unknown_plan`, `unknown_meter`)
   */
  async run(input: { readonly provider: string; readonly plan: string } & PlanContent): Promise<{
    readonly outcome: 'created' | 'exists';
    readonly plan: StoredPlan;
    readonly version: StoredPlanVersion;
  }> {
    const content = readContent(input);
    return this.database.forProvider(input.provider, async (tx) => {
      const named = await this.#plans.find(tx, input.plan);
      if (!named) throw unknownPlan(input.plan);
      await this.#versions.lock(tx, named.name);
      const plan = await planOf(this.#plans, tx, named.id);
      const newest = plan.versions.at(-1);
      if (newest && isSame(newest, content)) return { outcome: 'exists' as const, plan, version: newest };
      const next = { id: plan.id, version: (newest?.version ?? 0) + 1 };
      await this.#versions.add(tx, input.provider, next, content, this.clock.now());
      const revised = await planOf(this.#plans, tx, plan.id);
      const version = revised.versions.at(-1);
      if (!version) throw new Fault('invariant_broken', 'a plan version that was just made is not there');
      return { outcome: 'created' as const, plan: revised, version };
    });
  }
}

export const unknownPlan = (asked: string): Fault =>
  new Fault('not_found', `There is no plan "${asked.slice(0, 64)}". GET /v1/plans lists yours.`, {
    reason: 'unknown_plan',
  });

async function planOf(plans: PlanReader, tx: Tx, id: string): Promise<StoredPlan> {
  const plan = await plans.find(tx, id);
  if (!plan) throw new Fault('invariant_broken', `plan ${id} is not there`);
  return plan;
}

import { Fault } from '@core/faults';
import { type AssetId, assetId } from '@core/money';
import { type PeriodTerms, type PriceDefinitionJson, readPeriodTerms, readPlan } from '@core/pricing';
import type { Instant } from '@core/time';
import { at, type Tx } from '@platform/database';
import { priceOf, type StoredPrice } from './price-book.js';

/** What a plan consists of, for good. */
export interface StoredPlanVersion {
  /** `plv_…` */
  readonly id: string;
  /** `pln_…` */
  readonly plan: string;
  /** 1, 2, … */
  readonly version: number;
  /** A price for each item, in the order they were written: with a meter, or flat with a name. */
  readonly prices: readonly StoredPrice[];
  /** Minimum, maximum, commitment and discount across the items, per month. */
  readonly modifiers: PeriodTerms;
  /** The price those are charged at; absent when there are none. */
  readonly across?: StoredPrice;
  /** The items as they were written, in canonical form. */
  readonly definition: PriceDefinitionJson;
  readonly asset: AssetId;
  readonly assetDecimals: number;
  readonly createdAt: Instant;
}

export interface StoredPlan {
  /** `pln_…` */
  readonly id: string;
  readonly name: string;
  /** Earliest first; the last is what accounts are put on. */
  readonly versions: readonly StoredPlanVersion[];
  readonly createdAt: Instant;
}

/** On which plan version an account is from an instant on; without one it has left its plan. */
export interface AccountPlanMove {
  /** `acct_…` */
  readonly account: string;
  /** `plv_…` */
  readonly planVersion?: string;
  readonly from: Instant;
}

/** Plans, and who is on them. */
export class PlanReader {
  /** In order of name. */
  async list(tx: Tx): Promise<StoredPlan[]> {
    return this.#plans(tx, {});
  }

  /** A plan by id or name. */
  async find(tx: Tx, idOrName: string): Promise<StoredPlan | undefined> {
    const found = await this.#plans(tx, { OR: [{ id: idOrName }, { name: idOrName }] });
    return found.find(({ id }) => id === idOrName) ?? found[0];
  }

  /** The moves of an account (`acct_…`), earliest first, those to come included. */
  async movesOf(tx: Tx, account: string): Promise<AccountPlanMove[]> {
    const rows = await tx.accountPlan.findMany({ where: { accountId: account }, orderBy: { from: 'asc' } });
    return rows.map((row) => ({
      account: row.accountId,
      ...(row.planVersionId === null ? {} : { planVersion: row.planVersionId }),
      from: at(row.from),
    }));
  }

  async #plans(tx: Tx, where: { OR?: ({ id: string } | { name: string })[] }): Promise<StoredPlan[]> {
    const plans = await tx.plan.findMany({ where, orderBy: { name: 'asc' } });
    const ids = plans.map(({ id }) => id);
    const versions = await tx.planVersion.findMany({ where: { planId: { in: ids } }, orderBy: { version: 'asc' } });
    const prices = await tx.price.findMany({
      where: { planVersionId: { in: versions.map(({ id }) => id) } },
      orderBy: { id: 'asc' },
    });
    const stored = prices.map(priceOf);
    return plans.map((plan) => ({
      id: plan.id,
      name: plan.name,
      createdAt: at(plan.createdAt),
      versions: versions
        .filter(({ planId }) => planId === plan.id)
        .map((row) =>
          versionOf(
            row,
            stored.filter(({ planVersion }) => planVersion === row.id),
          ),
        ),
    }));
  }
}

interface VersionColumns {
  readonly id: string;
  readonly planId: string;
  readonly version: number;
  readonly definition: unknown;
  readonly modifiers: unknown;
  readonly asset: string;
  readonly assetDecimals: number;
  readonly createdAt: Date;
}

function versionOf(row: VersionColumns, prices: readonly StoredPrice[]): StoredPlanVersion {
  const modifiers = readPeriodTerms(row.modifiers);
  const plan = readPlan(row.definition);
  if ('problem' in modifiers || 'problem' in plan)
    throw new Fault('invariant_broken', `plan version ${row.id} cannot be read`, { reason: 'unreadable_plan' });
  const across = prices.find(isAcross);
  return {
    id: row.id,
    plan: row.planId,
    version: row.version,
    prices: prices.filter((price) => !isAcross(price)),
    modifiers,
    ...(across ? { across } : {}),
    definition: plan.definition,
    asset: assetId(row.asset),
    assetDecimals: row.assetDecimals,
    createdAt: at(row.createdAt),
  };
}

/** What a plan asks across its items has neither a meter nor a name. */
const isAcross = ({ meter, name }: StoredPrice): boolean => meter === '' && name === undefined;

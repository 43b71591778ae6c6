import type { Decimal } from '@core/money';
import type { Period } from '@core/time';
import type { PriceDefinitionJson, Problem } from './definition.js';
import type { Share } from './proration.js';
import type { RatedUsage, UsageNeed } from './rated-usage.js';

/** A span of time and the bucket of a time-of-day table that prices it. */
export interface BucketSpan {
  readonly bucket: string;
  readonly period: Period;
}

/** The terms of a price: what usage costs, exactly. */
export interface PriceTerms {
  /** Name of the model in the registry. */
  readonly model: string;
  /** What the model needs, in one form: stored with the price and shown to readers. */
  readonly definition: PriceDefinitionJson;
  /** What has to be known of the usage. Empty for `flat`, whose cost does not depend on usage; else 'quantity' is in it. */
  readonly needs: readonly UsageNeed[];
  /** Dimensions the usage must be grouped by (matrix, tiers per group); [] otherwise. */
  readonly groupBy: readonly string[];
  /** Time-of-day table: cuts a period, in an IANA zone, where another bucket begins; absent otherwise. */
  readonly clock?: { readonly zone: string; bucketsOf(period: Period): readonly BucketSpan[] };
  /** The same table without its rates: equal ones cut alike. */
  readonly table?: string;
  /** Why one request cannot be quoted by itself; absent when it can. */
  readonly unquotable?: string;
  /** Why a part of a period cannot be billed before the period ends; absent when it can. */
  readonly indivisible?: string;
  /**
   * Exact cost in whole units of the asset (e.g. USDC), before the modifiers of the period. A net credit, a quantity below
   * zero, is the negated cost of its magnitude.
   * @throws Fault unprocessable (`usage_needed`, `no_rate`) when the usage lacks what `needs` names, or a rate for it
   */
  cost(usage: RatedUsage): Decimal;
  /** The same terms with the flat amount or the allowances for a share of the period; absent when there is none. */
  prorated?(what: 'flat' | 'allowances', share: Share): PriceTerms;
}

/** Reads a definition: the terms, or a sentence that says what is wrong with it. */
export type PriceModel = (definition: unknown) => PriceTerms | Problem;

import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Asset } from '@core/money';
import type { ReleaseLevel } from '@core/payments';
import { readTerms } from '@core/pricing';
import { type Clock, type Instant, formatInstant } from '@core/time';
import { MeterReader } from '@features/metering';
import type { Database } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { PriceBook, type StoredPrice } from './price-book.js';
import { RatingStore } from './rating.store.js';

export interface PriceDefinition {
  readonly provider: string;
  /** Name or id of the meter. */
  readonly meter: string;
  /** `per_unit`. */
  readonly model: string;
  /** What the model needs; for per_unit `{ rate: "0.004" }`, in whole units of the asset for one unit of the meter. */
  readonly definition: unknown;
  readonly asset: Pick<Asset, 'id' | 'decimals'>;
  /** Absent: submitted. */
  readonly release?: ReleaseLevel | undefined;
  /** Absent: now. */
  readonly effectiveAt?: Instant | undefined;
}

/**
 * Makes a price version. Versions never change: a new price is a new version, in force from its instant on. It may not
 * begin in the past, where it would change what was already owed, except for a meter that has no price yet: then usage
 * metered since that instant is charged.
 */
export class CreatePrice {
  readonly #meters = new MeterReader();
  readonly #book = new PriceBook();
  readonly #store = new RatingStore();

  constructor(
    private readonly database: Database,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly ids: IdSource,
  ) {}

  /**
   * @returns `exists` when the same version was made before
   * @throws Fault not_found (`unknown_meter`), invalid_request (`invalid_price`, `price_in_past`), conflict (`price_exists`)
   */
  async run(input: PriceDefinition): Promise<{ readonly outcome: 'created' | 'exists'; readonly price: StoredPrice }> {
    const terms = readTerms(input.model, input.definition);
    if ('problem' in terms) throw new Fault('invalid_request', terms.problem, { reason: 'invalid_price' });
    const id = this.ids.next(ID_PREFIXES.price);
    return this.database.forProvider(input.provider, async (tx) => {
      const meter = await this.#meters.find(tx, input.meter);
      if (!meter) {
        throw new Fault(
          'not_found',
          `There is no meter "${input.meter.slice(0, 64)}". Create it with POST /v1/meters.`,
          { reason: 'unknown_meter' },
        );
      }
      await this.#store.lockPrices(tx, meter.id, 'alone');
      const now = this.clock.now();
      const effectiveAt = input.effectiveAt ?? now;
      const versions = await this.#book.versions(tx, meter.id);
      const release = input.release ?? 'submitted';
      const wanted: StoredPrice = {
        id,
        meter: meter.id,
        terms,
        asset: input.asset.id,
        assetDecimals: input.asset.decimals,
        release,
        effectiveAt,
        createdAt: now,
      };
      const taken = versions.find((version) => version.effectiveAt === effectiveAt);
      if (taken && sayTheSame(taken, wanted)) return { outcome: 'exists' as const, price: taken };
      if (taken) {
        throw new Fault(
          'conflict',
          `The meter has another price from ${formatInstant(effectiveAt)}, and prices do not change: choose another instant.`,
          {
            reason: 'price_exists',
            details: { price: taken.id },
          },
        );
      }
      if (effectiveAt < now && versions.length > 0) {
        throw new Fault(
          'invalid_request',
          `"effectiveAt" lies before now (${formatInstant(now)}), and that usage is priced already. Leave it out to begin now.`,
          {
            reason: 'price_in_past',
          },
        );
      }
      await tx.price.create({
        data: {
          id,
          providerId: input.provider,
          meterId: meter.id,
          model: terms.model,
          definition: terms.definition,
          asset: wanted.asset,
          assetDecimals: wanted.assetDecimals,
          release,
          effectiveAt: new Date(effectiveAt),
          createdAt: new Date(now),
        },
      });
      if ((await this.#store.markAccountsOf(tx, input.provider, meter.id, effectiveAt, now)) > 0)
        await this.outbox.add(tx, 'rate-usage', {});
      return { outcome: 'created' as const, price: wanted };
    });
  }
}

const sayTheSame = (a: StoredPrice, b: StoredPrice): boolean =>
  a.asset === b.asset &&
  a.assetDecimals === b.assetDecimals &&
  a.release === b.release &&
  a.terms.model === b.terms.model &&
  JSON.stringify(a.terms.definition) === JSON.stringify(b.terms.definition);

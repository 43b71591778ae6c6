import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { ReleaseLevel } from '@core/payments';
import { type Clock, type Instant, formatInstant } from '@core/time';
import { MeterReader } from '@features/metering';
import type { Database } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { DueMarks } from './due-marks.store.js';
import { PriceBook, type StoredPrice } from './price-book.js';
import { PriceStore } from './price.store.js';
import { type PriceSpec, readPrice } from './read-price.js';
import { RatingStore } from './rating.store.js';

interface PriceDefinition extends PriceSpec {
  readonly provider: string;
  /** Name or id of the meter. */
  readonly meter: string;
  /** Absent: submitted. */
  readonly release?: ReleaseLevel | undefined;
  /** Absent: now. */
  readonly effectiveAt?: Instant | undefined;
}

/**
 * Makes a price version for every account. Versions never change: a new price is a new version, in force from its instant
 * on. It may not begin in the past, where it would change what was already owed, except for a meter that has no price yet:
 * then usage metered since that instant is charged, as far as its period is not closed.
 */
export class CreatePrice {
  readonly #meters = new MeterReader();
  readonly #book = new PriceBook();
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
   * @returns `exists` when the same version was made before
   * @throws Fault not_found (`unknown_meter`), invalid_request (`invalid_price`, `price_in_past`), conflict (`price_exists`,
   *   `period_closed`)
   */
  async run(input: PriceDefinition): Promise<{ readonly outcome: 'created' | 'exists'; readonly price: StoredPrice }> {
    const id = this.ids.next(ID_PREFIXES.price);
    return this.database.forProvider(input.provider, async (tx) => {
      const meter = await this.#meters.find(tx, input.meter);
      if (!meter) throw unknownMeter(input.meter);
      const { terms, modifiers } = readPrice(input, meter);
      await this.#prices.lock(tx, `prices ${meter.id}`);
      const now = this.clock.now();
      const effectiveAt = input.effectiveAt ?? now;
      const versions = await this.#book.versions(tx, meter.id);
      const wanted: StoredPrice = {
        id,
        meter: meter.id,
        source: 'default',
        terms,
        modifiers,
        asset: input.asset.id,
        assetDecimals: input.asset.decimals,
        release: input.release ?? 'submitted',
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
      requireOpen(await this.#rating.closedUntil(tx), effectiveAt, 'effectiveAt');
      await this.#prices.insert(tx, input.provider, wanted);
      await this.#prices.cut(tx, input.provider, meter.number, effectiveAt);
      if ((await this.#marks.ofMeter(tx, input.provider, meter, effectiveAt, now)) > 0)
        await this.outbox.add(tx, 'rate-usage', {});
      return { outcome: 'created' as const, price: wanted };
    });
  }
}

export const unknownMeter = (asked: string): Fault =>
  new Fault('not_found', `There is no meter "${asked.slice(0, 64)}". Create it with POST /v1/meters.`, {
    reason: 'unknown_meter',
  });

/** @throws Fault conflict (`period_closed`): what lies in a closed period stands for good */
export function requireOpen(closedUntil: Instant | undefined, from: Instant, field: string): void {
  if (closedUntil === undefined || from >= closedUntil) return;
  throw new Fault(
    'conflict',
    `"${field}" lies in a closed period, whose charges stand: the earliest is ${formatInstant(closedUntil)}.`,
    { reason: 'period_closed', details: { earliest: formatInstant(closedUntil) } },
  );
}

export const sayTheSame = (a: StoredPrice, b: StoredPrice): boolean =>
  a.asset === b.asset &&
  a.assetDecimals === b.assetDecimals &&
  a.release === b.release &&
  a.name === b.name &&
  a.meter === b.meter &&
  a.terms.model === b.terms.model &&
  JSON.stringify(a.terms.definition) === JSON.stringify(b.terms.definition) &&
  JSON.stringify(a.modifiers.definition) === JSON.stringify(b.modifiers.definition);

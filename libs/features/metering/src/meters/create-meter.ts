import { Fault } from '@core/faults';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import { type Aggregation, type Meter, type MeterRules, meterProblem, writeMeterRules } from '@core/metering';
import { type Clock, type Instant, formatInstant } from '@core/time';
import type { Database, Tx } from '@platform/database';
import { MeterReader, type StoredMeter } from './meter.reader.js';
import { lockCatalogue, requestRebuild, storeVersion } from './meter-versions.js';

export interface MeterDefinition extends Partial<MeterRules> {
  readonly provider: string;
  readonly name: string;
  /** The type of the events it hears; its name when left out. */
  readonly eventType?: string | undefined;
  readonly aggregation: Aggregation;
  readonly unit: string;
  readonly description?: string | undefined;
  /**
   * From which time of use on it counts. When left out: everything, for the first meter that hears a type, and from now on
   * for a further one. A past instant has stored events counted too, which may take a moment.
   */
  readonly effectiveAt?: Instant | undefined;
}

/** A definition with what it leaves out filled in. */
export function wholeDefinition(
  definition: Omit<MeterDefinition, 'provider' | 'effectiveAt'>,
): Omit<Meter, 'id' | 'version' | 'effectiveAt'> {
  const { name, eventType = name, aggregation, unit, description } = definition;
  const whole = {
    name,
    eventType,
    aggregation,
    unit,
    ...rulesOf(definition),
    ...(description === undefined ? {} : { description }),
  };
  const problem = meterProblem(whole);
  if (problem !== undefined) throw new Fault('invalid_request', problem, { reason: 'invalid_meter' });
  return whole;
}

/** The rules among the fields of a definition; what it does not mention is left out. */
export function rulesOf(definition: Partial<MeterRules>): MeterRules {
  const { property, filters = [], groupBy = [], itemized = false } = definition;
  const { conversion, rounding, carryOver, duration, limits } = definition;
  return {
    filters,
    groupBy,
    itemized,
    ...(property === undefined ? {} : { property }),
    ...(conversion === undefined ? {} : { conversion }),
    ...(rounding === undefined ? {} : { rounding }),
    ...(carryOver === undefined ? {} : { carryOver }),
    ...(duration === undefined ? {} : { duration }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** Whether two sets of rules say the same. */
export const sameRules = (a: MeterRules, b: MeterRules): boolean =>
  canonical(writeMeterRules(a)) === canonical(writeMeterRules(b));

const canonical = (json: object): string =>
  JSON.stringify(
    Object.entries(json)
      .filter(([, value]) => value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

/** Defines a meter. Defining the same meter again answers with the one there is. */
export class CreateMeter {
  readonly #meters = new MeterReader();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws Fault invalid_request (`invalid_meter`) for a definition that makes no sense; conflict (`meter_exists`) when the
   * name is taken by a meter that counts otherwise
   */
  async run(input: MeterDefinition): Promise<{ readonly outcome: 'created' | 'exists'; readonly meter: StoredMeter }> {
    const { provider, effectiveAt } = input;
    const definition = wholeDefinition(input);
    const { name, eventType, aggregation, unit, description } = definition;
    const now = this.clock.now();
    return this.database.forProvider(provider, async (tx) => {
      await lockCatalogue(tx, provider);
      const existing = await this.#meters.find(tx, name, now);
      if (existing) return { outcome: 'exists' as const, meter: sameMeter(existing, definition) };
      const shared = (await this.#meters.listening(tx, provider, [eventType])).length > 0;
      const id = this.ids.next(ID_PREFIXES.meter);
      const data = { id, providerId: provider, name, eventType, aggregation, unit, description: description ?? null };
      const { number } = await tx.meter.create({ data, select: { number: true } });
      const since = effectiveAt ?? (shared ? now : undefined);
      await storeVersion(tx, { provider, id, version: 1, effectiveAt: since, rules: definition });
      // Usage of that time may be rolled up already: the first meter of a type has none, as its events were held.
      if (shared && since !== undefined) await requestRebuild(tx, { provider, meter: number, since });
      return { outcome: 'created' as const, meter: await this.#created(tx, id, now) };
    });
  }

  async #created(tx: Tx, id: string, now: Instant): Promise<StoredMeter> {
    const meter = await this.#meters.find(tx, id, now);
    if (!meter) throw new Fault('invariant_broken', 'a meter was neither created nor found');
    return meter;
  }
}

function sameMeter(existing: StoredMeter, wanted: Omit<Meter, 'id' | 'version' | 'effectiveAt'>): StoredMeter {
  const { name, aggregation, unit, eventType } = existing;
  const differs =
    aggregation !== wanted.aggregation || unit !== wanted.unit || eventType !== wanted.eventType
      ? `it is a ${aggregation} of ${unit} that hears "${eventType}", and what a meter counts does not change: use another name`
      : !sameRules(existing, wanted)
        ? `its rules in force since ${formatInstant(existing.effectiveAt)} are others: POST /v1/meters/${name}/versions changes them`
        : undefined;
  if (differs === undefined) return existing;
  throw new Fault('conflict', `The meter "${name}" exists: ${differs}.`, {
    reason: 'meter_exists',
    details: { meter: existing.id },
  });
}

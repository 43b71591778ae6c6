import { Fault } from '@core/faults';
import { type Aggregation, type Meter, meterProblem } from '@core/metering';
import { ID_PREFIXES, type IdSource } from '@core/ids';
import type { Database } from '@platform/database';
import { MeterReader } from './meter.reader.js';

export interface MeterDefinition {
  readonly provider: string;
  readonly name: string;
  readonly aggregation: Aggregation;
  readonly unit: string;
  readonly description?: string | undefined;
}

/** Defines a meter. Defining the same meter again answers with the one there is. */
export class CreateMeter {
  readonly #meters = new MeterReader();

  constructor(
    private readonly database: Database,
    private readonly ids: IdSource,
  ) {}

  /**
   * @throws Fault invalid_request (`invalid_meter`) for a bad name or unit; conflict (`meter_exists`) when the name is
   * taken by a meter that counts otherwise
   */
  async run(input: MeterDefinition): Promise<{ readonly outcome: 'created' | 'exists'; readonly meter: Meter }> {
    const { provider, name, aggregation, unit, description } = input;
    const problem = meterProblem({ name, unit, ...(description === undefined ? {} : { description }) });
    if (problem !== undefined) throw new Fault('invalid_request', problem, { reason: 'invalid_meter' });
    const id = this.ids.next(ID_PREFIXES.meter);
    return this.database.forProvider(provider, async (tx) => {
      const { count } = await tx.meter.createMany({
        data: [{ id, providerId: provider, name, aggregation, unit, description: description ?? null }],
        skipDuplicates: true,
      });
      const meter = await this.#meters.find(tx, name);
      if (!meter) throw new Fault('invariant_broken', 'a meter was neither created nor found');
      if (meter.aggregation !== aggregation || meter.unit !== unit) {
        throw new Fault(
          'conflict',
          `The meter "${name}" exists as a ${meter.aggregation} of ${meter.unit}. Meters do not change: use another name.`,
          {
            reason: 'meter_exists',
            details: { meter: meter.id },
          },
        );
      }
      return { outcome: count === 1 ? ('created' as const) : ('exists' as const), meter };
    });
  }
}

import { AGGREGATIONS, type Aggregation, type Meter } from '@core/metering';
import { Fault } from '@core/faults';
import type { Tx } from '@platform/database';

interface MeterColumns {
  readonly id: string;
  readonly name: string;
  readonly aggregation: string;
  readonly unit: string;
  readonly description: string | null;
}

export function meterOf(row: MeterColumns): Meter {
  const { id, name, unit, description } = row;
  return {
    id,
    name,
    aggregation: aggregationOf(row.aggregation),
    unit,
    ...(description === null ? {} : { description }),
  };
}

function aggregationOf(text: string): Aggregation {
  const known = AGGREGATIONS.find((aggregation) => aggregation === text);
  if (!known) throw new Fault('invariant_broken', `a meter has the unknown aggregation ${text}`);
  return known;
}

/** The provider's meters. */
export class MeterReader {
  /** By id (`mtr_…`) or by name. */
  async find(tx: Tx, idOrName: string): Promise<Meter | undefined> {
    const row = await tx.meter.findFirst({ where: { OR: [{ id: idOrName }, { name: idOrName }] } });
    return row ? meterOf(row) : undefined;
  }

  /** In order of name. */
  async list(tx: Tx): Promise<Meter[]> {
    return (await tx.meter.findMany({ orderBy: { name: 'asc' } })).map(meterOf);
  }
}

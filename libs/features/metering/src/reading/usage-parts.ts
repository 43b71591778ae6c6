import { type QuantityParts, durationOf } from '@core/metering';
import { Fault } from '@core/faults';
import { ZERO, addDecimals } from '@core/money';
import { type Instant, type Period, instant } from '@core/time';
import type { Tx } from '@platform/database';
import { toldBy } from '../meters/meter.reader.js';
import { NO_CELLS, type Spans, type Whose, cellSums, valueSums } from './cell-usage.js';
import { lastValues, levelPoints, runPoints } from './point-usage.js';
import { integralsOver, levelSegments } from './point-segments.js';

export interface PartsQuery extends Whose {
  readonly asOf: Instant;
  readonly unsoldOnly?: boolean;
}

/** Points times windows: more would keep a processor busy for seconds. */
const MOST_STEPS = 20_000_000;

/** What the meter's quantity is made of, for each of the spans. */
export async function partsOf(tx: Tx, query: PartsQuery, spans: readonly Spans[]): Promise<QuantityParts[]> {
  const { meter, unsoldOnly } = query;
  const counted = meter.aggregation === 'count' || meter.aggregation === 'sum' || meter.aggregation === 'average';
  const cells = counted || !unsoldOnly ? await cellSums(tx, query, spans, false) : [];
  const measured = counted ? [] : await measuredParts(tx, query, spans);
  const byIndex = new Map(cells.map((sums) => [sums.of, sums]));
  return spans.map((_, i) => {
    const { count, sum, sold } = byIndex.get(i) ?? NO_CELLS;
    return { ...(counted ? { count, sum } : measured[i]), ...(unsoldOnly ? {} : { sold }) };
  });
}

async function measuredParts(tx: Tx, query: PartsQuery, spans: readonly Spans[]): Promise<QuantityParts[]> {
  const { meter, asOf } = query;
  switch (meter.aggregation) {
    case 'level': {
      const hull = hullOf(spans);
      const segments = levelSegments(await levelPoints(tx, query, hull), Math.min(hull.end, asOf));
      return integralsOver(segments, spans, asOf).map((integral) => ({ integral }));
    }
    case 'duration': {
      const points = await runPoints(tx, query, hullOf(spans));
      if (points.length * spans.flat().length > MOST_STEPS) {
        throw new Fault(
          'invalid_request',
          'That is too much to count at once: ask for a shorter range or larger windows.',
          {
            reason: 'too_many_windows',
          },
        );
      }
      return spans.map((periods) => ({
        seconds: periods.reduce((sum, period) => {
          const rules = toldBy(meter, period.end - 1).duration;
          return addDecimals(sum, durationOf(points, period, asOf, rules).seconds);
        }, ZERO),
      }));
    }
    case 'latest': {
      const ends = spans.flatMap((periods) => periods).sort((a, b) => a.start - b.start);
      const carried = (end: number) => toldBy(meter, end - 1).carryOver === true;
      const values = await lastValues(
        tx,
        query,
        ends.map((period) => ({ ...period, carried: carried(period.end) })),
      );
      const found = new Map(ends.map((period, i) => [period, values[i]]));
      // Of spans counted as one, the last that has a value says which is the latest.
      return spans.map((periods) => ({
        latest: periods.reduce(
          (last, period) => found.get(period) ?? last,
          found.get(periods[0] ?? { start: instant(0), end: instant(0) }),
        ),
      }));
    }
    case 'count':
    case 'sum':
    case 'average':
    case 'unique':
    case 'max':
    case 'min': {
      const values = new Map((await valueSums(tx, query, spans, false)).map((sums) => [sums.of, sums]));
      return spans.map((_, i) => {
        const { distinct = 0n, max, min } = values.get(i) ?? {};
        return { distinct, max, min };
      });
    }
  }
}

const hullOf = (spans: readonly Spans[]): Period => {
  const all = spans.flat();
  return {
    start: instant(all.reduce((least, { start }) => Math.min(least, start), Number.MAX_SAFE_INTEGER)),
    end: instant(all.reduce((most, { end }) => Math.max(most, end), 0)),
  };
};

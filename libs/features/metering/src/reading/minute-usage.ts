import type { QuantityParts } from '@core/metering';
import { type Decimal, ZERO, addDecimals, compareDecimals } from '@core/money';
import { type Instant, type Period, instant } from '@core/time';
import type { Tx } from '@platform/database';
import { onlyMeter } from '../roll-up/catalogue.js';
import { LogReader } from '../log/log.reader.js';
import { queryRows } from '../log/query-rows.js';
import { ReplayLog } from '../roll-up/replay-log.js';
import type { PartsQuery } from './usage-parts.js';

interface Gathered {
  count: number;
  sum: Decimal;
  sold: Decimal;
  readonly values: Map<string, { count: number; number: Decimal | undefined }>;
}

/**
 * What the quantity is made of in short periods that follow each other, from the log itself: cells cut where each of the periods
 * begins. Reads the provider's entries of that time, so it is for short ranges.
 */
export async function minuteParts(
  tx: Tx,
  query: PartsQuery & { readonly range: Period },
  periods: readonly Period[],
): Promise<QuantityParts[]> {
  const { meter, range, unsoldOnly } = query;
  const accounts = await queryRows<{ number: number; provider: string }>(
    tx,
    'SELECT number, provider_id AS provider FROM accounts WHERE id = $1',
    [query.account],
  );
  const [account] = accounts;
  if (!account) return periods.map(() => ({}));
  const cuts = [...new Set<Instant>([...meter.cuts, ...periods.map(({ start }) => start), range.end])].sort(
    (a, b) => a - b,
  );
  const parts = periods.map((): Gathered => ({ count: 0, sum: ZERO, sold: ZERO, values: new Map() }));
  const at = (start: number) => parts[indexOf(periods, start)];
  const pages = new ReplayLog().pages(tx, {
    provider: account.provider,
    through: await new LogReader().cursor(tx),
    use: range,
    hear: onlyMeter({ ...meter, cuts }),
  });
  for await (const { rows } of pages) {
    for (const cell of rows.cells) {
      const part = cell.account === account.number && cell.grain === 15 ? at(cell.start) : undefined;
      if (!part) continue;
      part.count += cell.count;
      part.sum = addDecimals(part.sum, cell.sum);
      part.sold = addDecimals(part.sold, cell.sold);
    }
    for (const { account: of, start, value, number, count } of rows.values) {
      const values = of === account.number ? at(start)?.values : undefined;
      values?.set(value, { number, count: count + (values.get(value)?.count ?? 0) });
    }
  }
  return parts.map(({ count, sum, sold, values }) => ({
    count,
    sum,
    ...(unsoldOnly ? {} : { sold }),
    ...ofValues([...values.values()].filter((value) => value.count !== 0)),
  }));
}

function ofValues(values: readonly { number: Decimal | undefined }[]): QuantityParts {
  const numbers = values.flatMap(({ number }) => number ?? []);
  const furthest = (sign: 1 | -1) =>
    numbers.reduce<Decimal | undefined>(
      (found, number) => (found && compareDecimals(number, found) !== sign ? found : number),
      undefined,
    );
  return { distinct: values.length, max: furthest(1), min: furthest(-1) };
}

/** The period an instant lies in; they follow each other. */
function indexOf(periods: readonly Period[], at: number): number {
  let [low, high] = [0, periods.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((periods[middle]?.start ?? instant(0)) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

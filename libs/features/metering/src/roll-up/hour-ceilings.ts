import { passesFilters, versionAt } from '@core/metering';
import { type Decimal, ZERO, addDecimals, compareDecimals, decimal, parseDecimal } from '@core/money';
import { exact, type WriterTx } from '@platform/database';
import type { Hearing, OpenEntry } from './catalogue.js';

const HOUR_MS = 3_600_000;
const ONE = decimal(1n);

/** What an event adds to an hour that has a ceiling. */
interface Measured {
  readonly open: OpenEntry;
  readonly ordinal: number;
  /** `account meter hour` */
  readonly hour: string;
  readonly amount: Decimal;
  readonly ceiling: Decimal;
}

/**
 * Which events of a page go beyond a meter's ceiling for an account's hour (UTC), by position. Events are taken in the order of
 * the log; what does not fit is left out, and what comes after it may still fit. Sums are of values, for meters of values, and
 * otherwise of events. Usage sold is paid, and corrections are somebody's decision: neither is held.
 */
export async function overHourCeilings(
  tx: WriterTx,
  page: readonly OpenEntry[],
  hearing: Hearing,
  leftOut: ReadonlyMap<bigint, readonly number[]>,
): Promise<Map<bigint, number[]>> {
  const over = new Map<bigint, number[]>();
  const measured = page.flatMap((open) => limited(open, hearing, leftOut.get(open.entry.position) ?? []));
  if (measured.length === 0) return over;
  const used = await usedSoFar(tx, new Set(measured.map(({ hour }) => hour)));
  for (let i = 0; i < measured.length;) {
    const { open, ordinal } = measured[i] ?? {};
    let next = i;
    while (measured[next]?.open === open && measured[next]?.ordinal === ordinal) next += 1;
    // An event counts for all the meters that hear it, or for none.
    const parts = measured.slice(i, next);
    const fits = parts.every(
      ({ hour, amount, ceiling }) => compareDecimals(addDecimals(used.get(hour) ?? ZERO, amount), ceiling) <= 0,
    );
    if (fits) for (const { hour, amount } of parts) used.set(hour, addDecimals(used.get(hour) ?? ZERO, amount));
    else if (open && ordinal !== undefined) {
      const { position } = open.entry;
      over.set(position, [...(over.get(position) ?? []), ordinal]);
    }
    i = next;
  }
  return over;
}

function limited(open: OpenEntry, hearing: Hearing, leftOut: readonly number[]): Measured[] {
  if (!('batch' in open)) return [];
  const { batch, entry } = open;
  const heard = batch.types.map((type) => hearing.listening(entry.provider, type));
  if (!heard.some((meters) => meters.some(({ versions }) => versions.some(({ limits }) => limits?.perHour)))) return [];
  const skipped = new Set([...entry.skip, ...leftOut]);
  const { columns, t0, dimensions } = batch;
  const measured: Measured[] = [];
  columns.type.forEach((type, ordinal) => {
    const account = entry.accounts[columns.account[ordinal] ?? -1] ?? 0;
    if (account === 0 || skipped.has(ordinal)) return;
    const at = t0 + (columns.time[ordinal] ?? 0);
    for (const meter of heard[type] ?? []) {
      const version = versionAt(meter.versions, at);
      const ceiling = version?.limits?.perHour;
      if (!ceiling || version.eventType !== batch.types[type]) continue;
      if (
        !passesFilters(
          version,
          dimensions?.[columns.dimensions?.[ordinal] ?? -1],
          columns.action?.[ordinal] ?? undefined,
        )
      )
        continue;
      const value = columns.value?.[ordinal];
      const amount = version.aggregation === 'sum' ? amountOf(value) : ONE;
      measured.push({ open, ordinal, hour: `${account} ${meter.number} ${Math.floor(at / HOUR_MS)}`, amount, ceiling });
    }
  });
  return measured;
}

const amountOf = (value: number | string | null | undefined): Decimal =>
  typeof value === 'number'
    ? decimal(BigInt(value))
    : ((typeof value === 'string' ? parseDecimal(value) : undefined) ?? ZERO);

/** What is counted of these hours already. */
async function usedSoFar(tx: WriterTx, hours: ReadonlySet<string>): Promise<Map<string, Decimal>> {
  const keys = [...hours].map((hour) => hour.split(' '));
  const rows = await tx.query<{ hour: string; used: string }>(
    `SELECT h.account || ' ' || h.meter || ' ' || h.hour AS hour,
      sum(CASE WHEN m.aggregation = 'sum' THEN c.sum ELSE c.count END)::text AS used
    FROM unnest($1::int[], $2::int[], $3::bigint[]) AS h (account, meter, hour)
      JOIN meters m ON m.number = h.meter
      JOIN usage_cells c ON c.account = h.account AND c.meter = h.meter AND c.grain = 15
        AND c.start >= timestamptz 'epoch' + h.hour * interval '1 hour' AND c.start < timestamptz 'epoch' + (h.hour + 1) * interval '1 hour'
    GROUP BY h.account, h.meter, h.hour`,
    [keys.map(([account]) => account), keys.map(([, meter]) => meter), keys.map(([, , hour]) => hour)],
  );
  return new Map(rows.map(({ hour, used }) => [hour, exact(used)]));
}

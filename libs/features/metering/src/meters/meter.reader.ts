import { AGGREGATIONS, type Aggregation, type Meter, readMeterRules, versionAt } from '@core/metering';
import { Fault } from '@core/faults';
import { type Instant, instant } from '@core/time';
import type { Tx } from '@platform/database';
import { type Querying, queryRows } from '../log/query-rows.js';

/** A meter as it is kept: the version in force now, and all that came before and will come. */
export interface StoredMeter extends Meter {
  /** The small number that stands for it in derived rows. */
  readonly number: number;
  /** In order of `effectiveAt`. */
  readonly versions: readonly Meter[];
  /** Instants, in order, that no cell reaches across: where versions begin, and where prices do off the quarter of an hour. */
  readonly cuts: readonly Instant[];
}

interface MeterRow {
  readonly id: string;
  readonly number: number;
  readonly provider: string;
  readonly name: string;
  readonly event_type: string;
  readonly aggregation: string;
  readonly unit: string;
  readonly description: string | null;
  /** [version, effective at in ms, rules], in order of the instant. */
  readonly versions: readonly (readonly [number, number, unknown])[] | null;
  readonly cuts: readonly number[] | null;
  /** The database's time in ms. */
  readonly now: string;
}

const METERS = `SELECT m.id, m.number, m.provider_id AS provider, m.name, m.event_type, m.aggregation, m.unit, m.description,
    (SELECT jsonb_agg(jsonb_build_array(v.version, (extract(epoch FROM v.effective_at) * 1000)::bigint, v.rules) ORDER BY v.effective_at)
      FROM meter_versions v WHERE v.meter_id = m.id) AS versions,
    (SELECT jsonb_agg((extract(epoch FROM c.at) * 1000)::bigint ORDER BY c.at) FROM usage_cuts c WHERE c.meter = m.number) AS cuts,
    (extract(epoch FROM now()) * 1000)::bigint::text AS now
  FROM meters m`;

/** The provider's meters. `now` decides which version is in force; the database's clock when it is left out. */
export class MeterReader {
  /** By id (`mtr_…`) or by name. */
  async find(tx: Tx, idOrName: string, now?: Instant): Promise<StoredMeter | undefined> {
    const rows = await queryRows<MeterRow>(tx, `${METERS} WHERE m.id = $1 OR m.name = $1 ORDER BY m.id = $1 DESC`, [
      idOrName,
    ]);
    return rows[0] && meterOf(rows[0], now);
  }

  /** In order of name. */
  async list(tx: Tx, now?: Instant): Promise<StoredMeter[]> {
    return (await queryRows<MeterRow>(tx, `${METERS} ORDER BY m.name`)).map((row) => meterOf(row, now));
  }

  /** By the numbers that stand for them in derived rows. */
  async numbered(on: Querying, numbers: readonly number[]): Promise<Map<number, StoredMeter>> {
    const rows = await queryRows<MeterRow>(on, `${METERS} WHERE m.number = ANY ($1::int[])`, [numbers.map(String)]);
    return new Map(rows.map((row) => [row.number, meterOf(row)]));
  }

  /** A provider's meters that hear events of these types, in order of number. */
  async listening(on: Querying, provider: string, eventTypes: readonly string[]): Promise<StoredMeter[]> {
    const rows = await queryRows<MeterRow>(
      on,
      `${METERS} WHERE m.provider_id = $1 AND m.event_type = ANY ($2::text[]) ORDER BY m.number`,
      [provider, eventTypes],
    );
    return rows.map((row) => meterOf(row));
  }

  /** The same for several providers at once, by provider and event type. */
  async listeningToAll(
    on: Querying,
    types: readonly { readonly provider: string; readonly type: string }[],
  ): Promise<Map<string, StoredMeter[]>> {
    const rows = await queryRows<MeterRow>(
      on,
      `${METERS} WHERE (m.provider_id, m.event_type) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY m.number`,
      [types.map(({ provider }) => provider), types.map(({ type }) => type)],
    );
    const heard = new Map<string, StoredMeter[]>();
    for (const row of rows) {
      const key = typeKey(row.provider, row.event_type);
      const others = heard.get(key);
      if (others) others.push(meterOf(row));
      else heard.set(key, [meterOf(row)]);
    }
    return heard;
  }
}

/** Names are printable, so a line feed is part of none. */
export const typeKey = (provider: string, type: string): string => `${provider}\n${type}`;

function meterOf(row: MeterRow, now = instant(Number(row.now))): StoredMeter {
  const fixed = {
    id: row.id,
    name: row.name,
    eventType: row.event_type,
    unit: row.unit,
    aggregation: aggregationOf(row.aggregation),
    ...(row.description === null ? {} : { description: row.description }),
  };
  const versions = (row.versions ?? []).map(([version, effectiveAt, json]): Meter => {
    const rules = readMeterRules(json);
    if ('problem' in rules) throw new Fault('invariant_broken', `a meter's rules cannot be read: ${rules.problem}`);
    return { ...fixed, ...rules, version, effectiveAt: instant(effectiveAt) };
  });
  const current = versionAt(versions, now) ?? versions[0];
  if (!current) throw new Fault('invariant_broken', 'a meter has no version');
  const begins = versions.slice(1).map(({ effectiveAt }) => effectiveAt);
  const cuts = [...new Set([...(row.cuts ?? []).map(instant), ...begins])].sort((a, b) => a - b);
  return { ...current, number: row.number, versions, cuts };
}

function aggregationOf(text: string): Aggregation {
  const known = AGGREGATIONS.find((aggregation) => aggregation === text);
  if (!known) throw new Fault('invariant_broken', `a meter has the unknown aggregation ${text}`);
  return known;
}

/** The version a meter is told by at an instant: before its first one, which hears nothing yet, by that. */
export const toldBy = (meter: StoredMeter, at: number): Meter =>
  versionAt(meter.versions, at) ?? meter.versions[0] ?? meter;

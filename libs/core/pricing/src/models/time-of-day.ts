import { Fault } from '@core/faults';
import { type Decimal, ZERO, addDecimals, multiplyDecimals } from '@core/money';
import { DefinitionReader, type PriceDefinitionJson, canonical } from '../definition.js';
import { isZone } from '../local-time.js';
import type { PriceModel } from '../price-terms.js';
import { needed } from '../rated-usage.js';
import { DAY_MINUTES, type WeeklySpan, bucketSpans, clockText, overlapOf, weeklySpans } from './week-table.js';

/** The bucket of all time the table does not name. */
const REST = 'default';

interface Bucket {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly days: readonly number[] | undefined;
  readonly rate: Decimal;
}

/** The hour on the wall, in the price's zone, picks the rate. Time outside the table has the default rate. */
export const timeOfDay: PriceModel = (definition) => {
  const read = new DefinitionReader('A time_of_day price', definition, ['zone', 'buckets', 'default']);
  const zone = read.text('zone', 'a zone of the IANA database, such as "Europe/Berlin"');
  if (!isZone(zone)) {
    read.refuse(
      `A time_of_day price: "${zone.slice(0, 64)}" is not a zone of the IANA database, such as "Europe/Berlin".`,
    );
  }
  const buckets = read.list('buckets', 'buckets', 100).map((entry, i) => readBucket(entry, i + 1, read));
  const names = buckets.map(({ name }) => name);
  const twice = names.find((name, i) => name === REST || names.indexOf(name) !== i);
  if (twice !== undefined) {
    read.refuse(
      twice === REST ? `No bucket may be called "${REST}": that is the rest.` : `Two buckets are called "${twice}".`,
    );
  }
  const otherwise = read.decimal('default');
  if (read.problem !== undefined) return { problem: read.problem };
  const week: readonly WeeklySpan[] = buckets.flatMap(weeklySpans);
  const clash = overlapOf(week);
  if (clash)
    return { problem: `Buckets "${clash[0].bucket}" and "${clash[1].bucket}" overlap; every hour has one rate.` };

  const rates: ReadonlyMap<string, Decimal> = new Map([
    ...buckets.map(({ name, rate }) => [name, rate] as const),
    [REST, otherwise] as const,
  ]);
  const rateOf = (bucket: string): Decimal => {
    const rate = rates.get(bucket);
    if (rate) return rate;
    throw new Fault('invariant_broken', `the time_of_day price has no bucket "${bucket.slice(0, 64)}"`);
  };
  return {
    model: 'time_of_day',
    definition: canonical({ zone, buckets: buckets.map(written), default: otherwise }),
    needs: ['quantity', 'hours'],
    groupBy: [],
    clock: { zone, bucketsOf: (period) => bucketSpans(week, REST, zone, period) },
    table: JSON.stringify([zone, buckets.map(({ name, from, to, days }) => [name, from, to, days ?? []])]),
    cost: (usage) =>
      Object.entries(needed(usage.buckets, 'time_of_day', 'the quantity of each bucket of its table')).reduce(
        (sum, [bucket, quantity]) => addDecimals(sum, multiplyDecimals(quantity, rateOf(bucket))),
        ZERO,
      ),
  };
};

const written = ({ name, from, to, days, rate }: Bucket): PriceDefinitionJson =>
  canonical({ name, from: clockText(from), to: clockText(to), days, rate });

function readBucket(entry: unknown, place: number, table: DefinitionReader): Bucket {
  const read = new DefinitionReader(`Bucket ${place}`, entry, ['name', 'from', 'to', 'days', 'rate']);
  const bucket = {
    name: read.text('name', 'a name of its own'),
    from: readClock(read, 'from'),
    to: readClock(read, 'to'),
    days: readDays(read),
    rate: read.decimal('rate'),
  };
  if (bucket.from === DAY_MINUTES)
    read.refuse(`Bucket ${place}: "from" is at most "23:59"; "24:00" is where a day ends.`);
  if (bucket.from === bucket.to) {
    read.refuse(`Bucket ${place} is empty: "from" and "to" are the same; a whole day is "00:00" to "24:00".`);
  }
  if (read.problem !== undefined) table.refuse(read.problem);
  return bucket;
}

/** Minutes since midnight. */
function readClock(read: DefinitionReader, field: 'from' | 'to'): number {
  const given = read.raw(field);
  const match = typeof given === 'string' ? /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(given) : null;
  if (!match) {
    read.refuse(`${read.subject}: "${field}" must be a time such as "08:00", "24:00" at most.`);
    return 0;
  }
  return match[1] === undefined ? DAY_MINUTES : Number(match[1]) * 60 + Number(match[2]);
}

/** Days a bucket begins on, 1 for Monday to 7 for Sunday; absent: every day. */
function readDays(read: DefinitionReader): readonly number[] | undefined {
  if (!read.has('days')) return undefined;
  const entries = read.list('days', 'days', 7);
  const days = [1, 2, 3, 4, 5, 6, 7].filter((day) => entries.includes(day));
  if (days.length === entries.length) return days;
  read.refuse(`${read.subject}: "days" lists numbers from 1 (Monday) to 7 (Sunday), none twice.`);
  return days;
}

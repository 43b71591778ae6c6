import { Fault } from '@core/faults';
import {
  AGGREGATIONS,
  type Meter,
  type MeterRules,
  quantityUnit,
  readMeterRules,
  writeMeterRules,
} from '@core/metering';
import { z } from 'zod';
import { label, shown, time } from './fields.js';

// Definitions of meters as they travel. Core reads the rules and says what is wrong with them.

const decimalText = z.string('must be a decimal in a string, e.g. "3600"');
const names = z.array(z.string());

/** What of a meter its versions may change. */
const rules = {
  property: z.string().optional().describe('unique: the dimension whose distinct values are counted.'),
  filters: z
    .array(
      z.strictObject({
        dimension: z.string(),
        in: names.optional(),
        notIn: names.optional(),
        exists: z.boolean().optional(),
      }),
    )
    .optional()
    .describe('Conditions an event must all meet to count.'),
  groupBy: names.optional().describe('Dimensions that split the quantity.'),
  itemized: z.boolean().optional().describe('Keeps every value, as percentage prices with bounds per event need.'),
  conversion: z
    .strictObject({ divideBy: decimalText, unit: z.string() })
    .optional()
    .describe('E.g. { "divideBy": "3600000000000", "unit": "GB-hour" } for byte-seconds.'),
  rounding: z
    .strictObject({ mode: z.enum(['up', 'down', 'nearest']), places: z.int() })
    .optional()
    .describe('The one rounding, after conversion.'),
  carryOver: z.boolean().optional().describe('latest: whether a range without a value has the last one before it.'),
  duration: z
    .strictObject({
      minimumSeconds: decimalText.optional(),
      incrementSeconds: decimalText.optional(),
      heartbeatLimitSeconds: decimalText.optional(),
    })
    .optional(),
  limits: z
    .strictObject({ perEvent: decimalText.optional(), perHour: decimalText.optional() })
    .optional()
    .describe('Ceilings: what exceeds them is held, visible and replayable.'),
};

/** A meter that is not there yet, as it is made or previewed. */
export const newMeter = z.strictObject({
  name: z.string().describe('Unique; unless `eventType` says otherwise also the `type` of its events, e.g. api.calls.'),
  eventType: label().optional().describe('The `type` of the events it hears; several meters may hear one.'),
  aggregation: z
    .enum(AGGREGATIONS)
    .describe(
      'count: events · sum, max, min, average: of values · unique: values of a dimension · latest: the value that came last · duration: start to stop · level: a level over time.',
    ),
  unit: z.string().describe('What one event, value or level counts, e.g. call, second, byte.'),
  description: z.string().optional(),
  ...rules,
});
type NewMeter = z.output<typeof newMeter>;

/** @throws Fault invalid_request (`invalid_meter`) with the sentence of core */
function rulesOf(given: object): MeterRules {
  const read = readMeterRules(given);
  if ('problem' in read) throw new Fault('invalid_request', read.problem, { reason: 'invalid_meter' });
  return read;
}

const revised = <T extends z.ZodType>(rule: T) => rule.nullable();

/** Rules that change with a version: what is left out stays as it is, null takes a rule away. */
export const revisedRules = {
  property: revised(rules.property),
  filters: revised(rules.filters),
  groupBy: revised(rules.groupBy),
  itemized: revised(rules.itemized),
  conversion: revised(rules.conversion),
  rounding: revised(rules.rounding),
  carryOver: revised(rules.carryOver),
  duration: revised(rules.duration),
  limits: revised(rules.limits),
};

/** @throws Fault as `rulesOf` */
export function revisionOf(given: object): Partial<MeterRules> {
  const kept = Object.fromEntries(Object.entries(given).filter(([, rule]) => rule !== null && rule !== undefined));
  const read: Readonly<Record<string, unknown>> = { ...rulesOf(kept) };
  return Object.fromEntries(Object.keys(given).map((name) => [name, name in kept ? read[name] : undefined]));
}

/** A definition as the commands take it. @throws Fault as `rulesOf` */
export function definitionOf({ name, eventType, aggregation, unit, description, ...given }: NewMeter) {
  return {
    name,
    eventType: eventType ?? name,
    aggregation,
    unit,
    ...(description === undefined ? {} : { description }),
    ...rulesOf(given),
  };
}

const version = {
  version: z.int(),
  effectiveAt: shown.time.describe('By time of use; the first version holds for all time before it.'),
  ...rules,
};

export const meter = z.object({
  id: z.string(),
  name: z.string(),
  eventType: z.string(),
  aggregation: z.enum(AGGREGATIONS),
  unit: z.string(),
  quantityUnit: z.string().describe('What its quantities count: a level meter of bytes counts byte-seconds.'),
  description: z.string().optional(),
  ...version,
});

export const meterWithVersions = meter.extend({ versions: z.array(z.object(version)) });

const versionView = (each: Meter) => ({
  version: each.version,
  effectiveAt: time(each.effectiveAt),
  ...writeMeterRules(each),
});

export const meterView = (each: Meter) => ({
  id: each.id,
  name: each.name,
  eventType: each.eventType,
  aggregation: each.aggregation,
  unit: each.unit,
  quantityUnit: quantityUnit(each),
  ...(each.description === undefined ? {} : { description: each.description }),
  ...versionView(each),
});

export const versionsView = (versions: readonly Meter[]) => versions.map(versionView);

import { type Decimal, compareDecimals, formatDecimal, parseDecimal } from '@core/money';
import { FIELDS_OF, PRINTABLE } from './fit-meters.js';
import { type Meter, type MeterFilter, quantityUnit } from './meter.js';

/** A definition before it has an id, a version and an instant. */
export type MeterDefinition = Omit<Meter, 'id' | 'version' | 'effectiveAt'>;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$/;
const UNIT = /^[A-Za-z][A-Za-z0-9_ -]{0,31}$/;
const MOST_FILTERS = 16;
const MOST_FILTER_VALUES = 100;
const MOST_GROUPS = 8;
const MOST_PLACES = 18;
/** A year: what is longer is no run of a resource any more. */
const LONGEST_SECONDS = parseDecimal('31622400');

/** What is wrong with a meter's definition, in a sentence for whoever wrote it; undefined when nothing is. */
export const meterProblem = (definition: MeterDefinition): string | undefined =>
  wordProblem(definition) ??
  propertyProblem(definition) ??
  filtersProblem(definition.filters) ??
  groupProblem(definition.groupBy) ??
  quantityProblem(definition) ??
  durationProblem(definition) ??
  limitProblem(definition);

/** What forbids one definition to follow another as the next version of a meter; undefined when nothing does. */
export function meterChangeProblem(before: MeterDefinition, after: MeterDefinition): string | undefined {
  if (before.name !== after.name) return 'A meter keeps its name: create another meter for another name.';
  if (before.aggregation !== after.aggregation) {
    return `A meter keeps its aggregation, which is ${before.aggregation}: what is stored of it could not be counted as ${after.aggregation}. Create another meter.`;
  }
  const [unit, next] = [quantityUnit(before), quantityUnit(after)];
  return unit === next
    ? undefined
    : `A meter keeps the unit of its quantities, which is ${unit}: a period of both versions could not be added up with ${next}. Create another meter.`;
}

function wordProblem({ name, eventType, unit, description }: MeterDefinition): string | undefined {
  if (!NAME.test(name)) {
    return 'A meter is named with 1 to 128 letters, digits and the marks _ . : / - and begins with a letter or a digit, e.g. api.calls.';
  }
  if (!NAME.test(eventType)) {
    return 'An event type has 1 to 128 letters, digits and the marks _ . : / - and begins with a letter or a digit; leave it out to hear the name of the meter.';
  }
  if (!UNIT.test(unit)) {
    return 'A unit is a word of at most 32 letters and digits that begins with a letter, e.g. call, second, byte.';
  }
  return (description ?? '').length > 500 ? 'A description has at most 500 characters.' : undefined;
}

function propertyProblem({ aggregation, property, carryOver, itemized }: MeterDefinition): string | undefined {
  if (aggregation === 'unique') {
    if (property === undefined)
      return 'A unique meter needs a "property": the dimension whose distinct values it counts.';
    if (!isDimension(property)) return `The property ${dimensionForm}`;
  } else if (property !== undefined) {
    return `Only a unique meter has a "property"; this one is a ${aggregation} meter.`;
  }
  if (carryOver !== undefined && aggregation !== 'latest') {
    return `Only a latest meter carries a value over; this one is a ${aggregation} meter.`;
  }
  if (itemized && !FIELDS_OF[aggregation].includes('value')) {
    return `Only meters of values can be itemized; this one is a ${aggregation} meter.`;
  }
  return undefined;
}

const isDimension = (text: string): boolean => PRINTABLE.test(text) && new TextEncoder().encode(text).length <= 64;
const dimensionForm = 'must be the name of a dimension: printable, with 1 to 64 bytes.';

function filtersProblem(filters: readonly MeterFilter[]): string | undefined {
  if (filters.length > MOST_FILTERS) return `A meter has at most ${MOST_FILTERS} filters.`;
  for (const [i, filter] of filters.entries()) {
    const problem = filterProblem(filter);
    if (problem !== undefined) return `Filter ${i + 1} ${problem}`;
  }
  return undefined;
}

function filterProblem({ dimension, in: only, notIn, exists }: MeterFilter): string | undefined {
  if (!isDimension(dimension)) return dimensionForm;
  if (!only && !notIn && exists === undefined) return 'says nothing: give it "in", "notIn" or "exists".';
  for (const list of [only, notIn]) {
    if (list && (list.length === 0 || list.length > MOST_FILTER_VALUES)) {
      return `needs 1 to ${MOST_FILTER_VALUES} values in each list.`;
    }
  }
  if (exists === false && (only || notIn))
    return 'asks for a missing dimension and for values of it: no event meets both.';
  return only && notIn && only.every((value) => notIn.includes(value))
    ? 'refuses every value that it asks for: no event meets it.'
    : undefined;
}

function groupProblem(groupBy: readonly string[]): string | undefined {
  if (groupBy.length > MOST_GROUPS) return `A meter groups by at most ${MOST_GROUPS} dimensions.`;
  const bad = groupBy.findIndex((name) => !isDimension(name));
  if (bad >= 0) return `Group ${bad + 1} ${dimensionForm}`;
  const twice = groupBy.find((name, i) => groupBy.indexOf(name) !== i);
  return twice === undefined ? undefined : `The meter groups by "${twice}" twice.`;
}

function quantityProblem({ conversion, rounding }: MeterDefinition): string | undefined {
  if (conversion) {
    if (!isPositive(conversion.divideBy)) {
      return `A quantity can only be divided by more than zero, and the conversion says ${formatDecimal(conversion.divideBy)}.`;
    }
    if (!UNIT.test(conversion.unit)) {
      return 'The unit after conversion is a word of at most 32 letters and digits that begins with a letter, e.g. GB-hour.';
    }
  }
  if (rounding && !(Number.isInteger(rounding.places) && Math.abs(rounding.places) <= MOST_PLACES)) {
    return `Quantities are rounded to ${-MOST_PLACES} to ${MOST_PLACES} decimal places.`;
  }
  return undefined;
}

function durationProblem({ aggregation, duration }: MeterDefinition): string | undefined {
  if (!duration) return undefined;
  if (aggregation !== 'duration') return `Only a duration meter has rules of runs; this one is a ${aggregation} meter.`;
  const rules = [
    ['minimumSeconds', 'The minimum'],
    ['incrementSeconds', 'The increment'],
    ['heartbeatLimitSeconds', 'The heartbeat limit'],
  ] as const;
  for (const [field, name] of rules) {
    const seconds = duration[field];
    if (!seconds) continue;
    if (seconds.scale > 3) return `${name} is in seconds with at most three decimal places.`;
    if (!isPositive(seconds)) return `${name} must be more than zero seconds; leave it out for none.`;
    if (LONGEST_SECONDS && compareDecimals(seconds, LONGEST_SECONDS) > 0)
      return `${name} is at most a year of seconds.`;
  }
  return undefined;
}

function limitProblem({ aggregation, limits }: MeterDefinition): string | undefined {
  if (!limits) return undefined;
  if (limits.perEvent && (aggregation === 'count' || aggregation === 'unique')) {
    return `An event of a ${aggregation} meter counts one: a ceiling per event has no use.`;
  }
  for (const limit of [limits.perEvent, limits.perHour]) {
    if (limit && !isPositive(limit)) return 'A ceiling must be more than zero; leave it out for none.';
  }
  return undefined;
}

const isPositive = ({ units }: Decimal): boolean => units > 0n;

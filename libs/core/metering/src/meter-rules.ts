import { type Decimal, formatDecimal, parseDecimal } from '@core/money';
import type { DurationRules, MeterFilter, MeterRules, QuantityRounding } from './meter.js';

/** The rules as JSON: decimals are strings, and what says nothing is left out. */
interface MeterRulesJson {
  readonly property?: string;
  readonly filters?: readonly MeterFilter[];
  readonly groupBy?: readonly string[];
  readonly itemized?: boolean;
  readonly conversion?: { readonly divideBy: string; readonly unit: string };
  readonly rounding?: QuantityRounding;
  readonly carryOver?: boolean;
  readonly duration?: { readonly [Rule in keyof DurationRules]: string };
  readonly limits?: { readonly perEvent?: string; readonly perHour?: string };
}

type Json = Readonly<Record<string, unknown>>;
interface Problem {
  readonly problem: string;
}

/** What is no rule, in a sentence; it travels up to the one reader that answers with it. */
class Unreadable extends Error {}

const FIELDS = [
  'property',
  'filters',
  'groupBy',
  'itemized',
  'conversion',
  'rounding',
  'carryOver',
  'duration',
  'limits',
] as const;

/** Reads the shape of rules from the JSON kept with a meter's version; whether they suit the meter is for `meterProblem`. */
export function readMeterRules(json: unknown): MeterRules | Problem {
  try {
    return rulesOf(objectOf(json ?? {}, 'rules', FIELDS));
  } catch (error) {
    if (error instanceof Unreadable) return { problem: error.message };
    throw error;
  }
}

function rulesOf(json: Json): MeterRules {
  const property = given(json.property, (value) => textOf(value, 'property'));
  const carryOver = given(json.carryOver, (value) => flagOf(value, 'carryOver'));
  const conversion = given(json.conversion, (value) => {
    const { divideBy, unit } = objectOf(value, 'conversion', ['divideBy', 'unit']);
    return { divideBy: decimalOf(divideBy, 'conversion.divideBy'), unit: textOf(unit, 'conversion.unit') };
  });
  const rounding = given(json.rounding, roundingOf);
  const duration = given(json.duration, (value) =>
    decimalsOf(value, 'duration', ['minimumSeconds', 'incrementSeconds', 'heartbeatLimitSeconds']),
  );
  const limits = given(json.limits, (value) => decimalsOf(value, 'limits', ['perEvent', 'perHour']));
  return {
    ...(property === undefined ? {} : { property }),
    filters: listOf(json.filters ?? [], 'filters').map(filterOf),
    groupBy: textsOf(json.groupBy ?? [], 'groupBy'),
    itemized: given(json.itemized, (value) => flagOf(value, 'itemized')) ?? false,
    ...(conversion ? { conversion } : {}),
    ...(rounding ? { rounding } : {}),
    ...(carryOver === undefined ? {} : { carryOver }),
    ...(duration ? { duration } : {}),
    ...(limits ? { limits } : {}),
  };
}

function filterOf(json: unknown, i: number): MeterFilter {
  const name = `filters[${i}]`;
  const filter = objectOf(json, name, ['dimension', 'in', 'notIn', 'exists']);
  const only = given(filter.in, (value) => textsOf(value, `${name}.in`));
  const notIn = given(filter.notIn, (value) => textsOf(value, `${name}.notIn`));
  const exists = given(filter.exists, (value) => flagOf(value, `${name}.exists`));
  return {
    dimension: textOf(filter.dimension, `${name}.dimension`),
    ...(only ? { in: only } : {}),
    ...(notIn ? { notIn } : {}),
    ...(exists === undefined ? {} : { exists }),
  };
}

function roundingOf(json: unknown): QuantityRounding {
  const { mode, places } = objectOf(json, 'rounding', ['mode', 'places']);
  if (mode !== 'up' && mode !== 'down' && mode !== 'nearest') {
    throw new Unreadable('"rounding.mode" must be up, down or nearest.');
  }
  if (typeof places !== 'number' || !Number.isInteger(places)) {
    throw new Unreadable('"rounding.places" must be an integer; negative ones round to tens, hundreds and so on.');
  }
  return { mode, places };
}

const given = <Value>(json: unknown, read: (value: unknown) => Value): Value | undefined =>
  json === undefined || json === null ? undefined : read(json);

function objectOf(json: unknown, name: string, fields: readonly string[]): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Unreadable(`"${name}" must be an object.`);
  }
  const stranger = Object.keys(json).find((key) => !fields.includes(key));
  if (stranger !== undefined) {
    throw new Unreadable(`"${stranger.slice(0, 64)}" is not a field of "${name}", which has ${fields.join(', ')}.`);
  }
  return json as Json;
}

function listOf(json: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(json)) throw new Unreadable(`"${name}" must be a list.`);
  return json;
}

const textsOf = (json: unknown, name: string): string[] =>
  listOf(json, name).map((item, i) => textOf(item, `${name}[${i}]`));

function textOf(json: unknown, name: string): string {
  if (typeof json !== 'string') throw new Unreadable(`"${name}" must be a string.`);
  return json;
}

function flagOf(json: unknown, name: string): boolean {
  if (typeof json !== 'boolean') throw new Unreadable(`"${name}" must be true or false.`);
  return json;
}

function decimalOf(json: unknown, name: string): Decimal {
  const value = typeof json === 'string' ? parseDecimal(json) : undefined;
  if (!value) throw new Unreadable(`"${name}" must be a plain decimal as a string, e.g. "1.25".`);
  return value;
}

function decimalsOf<Field extends string>(
  json: unknown,
  name: string,
  fields: readonly Field[],
): { readonly [field in Field]?: Decimal } {
  const object = objectOf(json, name, fields);
  const decimals: { [field in Field]?: Decimal } = {};
  for (const field of fields) {
    const value = given(object[field], (number) => decimalOf(number, `${name}.${field}`));
    if (value) decimals[field] = value;
  }
  return decimals;
}

/** The JSON of a meter's rules, which `readMeterRules` reads back. */
export function writeMeterRules(rules: MeterRules): MeterRulesJson {
  const { property, filters, groupBy, itemized, conversion, rounding, carryOver, duration, limits } = rules;
  return {
    ...(property === undefined ? {} : { property }),
    ...(filters.length > 0 ? { filters } : {}),
    ...(groupBy.length > 0 ? { groupBy } : {}),
    ...(itemized ? { itemized } : {}),
    ...(conversion ? { conversion: { divideBy: formatDecimal(conversion.divideBy), unit: conversion.unit } } : {}),
    ...(rounding ? { rounding } : {}),
    ...(carryOver === undefined ? {} : { carryOver }),
    ...(duration ? { duration: written(duration) } : {}),
    ...(limits ? { limits: written(limits) } : {}),
  };
}

const written = (decimals: DurationRules | NonNullable<MeterRules['limits']>): Record<string, string> => {
  const all: Readonly<Record<string, Decimal | undefined>> = { ...decimals };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value ? [[name, formatDecimal(value)]] : [])),
  );
};

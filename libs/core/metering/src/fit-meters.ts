import { type Decimal, compareDecimals, decimal, formatDecimal, negateDecimal } from '@core/money';
import type { Aggregation, Meter } from './meter.js';
import { MOST_DIGITS, MOST_PLACES, readNumber, readQuantity } from './quantity-text.js';
import type { RejectionReason } from './rejection.js';
import { type Rejection, rejected } from './rejection.js';
import { passesFilters } from './series.js';
import { ACTIONS, type SentData } from './usage-event.js';

// Controls, lone surrogates and line separators have no place in a name, and PostgreSQL refuses some of them.
export const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,256}$/u;

export type Field = 'value' | 'level' | 'delta' | 'action' | 'weight' | 'resource';

/** The fields that measure something for each kind of meter; the rest of an event says who, when, where and at what cost. */
export const FIELDS_OF: Readonly<Record<Aggregation, readonly Field[]>> = {
  count: [],
  unique: [],
  sum: ['value'],
  max: ['value'],
  min: ['value'],
  average: ['value'],
  latest: ['value'],
  duration: ['action', 'weight', 'resource'],
  level: ['level', 'delta', 'resource'],
};

const TAKES: Readonly<Record<Aggregation, string>> = {
  count: 'counts events, one each',
  unique: 'counts the distinct values of a dimension',
  sum: 'sums "data.value"',
  max: 'takes the largest "data.value"',
  min: 'takes the smallest "data.value"',
  average: 'takes the average of "data.value"',
  latest: 'takes the last "data.value"',
  duration: 'measures from "start" to "stop" in "data.action"',
  level: 'follows "data.level"',
};

/**
 * Why the measurements of an event do not fit the meters that hear it: it must fit every one whose filters it meets, and
 * carry nothing that none of them uses. With no meter at all, only the forms of its numbers are judged.
 */
export function misfit(data: SentData, meters: readonly Meter[]): Rejection | undefined {
  if (meters.length > 0) {
    const stray = strayField(data, meters);
    if (stray) return stray;
    for (const meter of meters) {
      const lack = passesFilters(meter, data.dimensions, data.action) ? lackFor(data, meter) : undefined;
      if (lack) return lack;
    }
  }
  return malformed(data);
}

function lackFor(data: SentData, meter: Meter): Rejection | undefined {
  const { aggregation, name } = meter;
  switch (aggregation) {
    case 'count':
    case 'unique':
      return undefined;
    case 'duration':
      return actionLack(data, name);
    case 'level':
      return levelLack(data, name);
    case 'sum':
    case 'max':
    case 'min':
    case 'average':
    case 'latest':
      return data.value !== undefined && readQuantity(data.value)
        ? undefined
        : rejected('invalid_value', `${name} ${TAKES[aggregation]}: ${quantityForm(data.value)}`);
  }
}

function levelLack({ level, delta }: SentData, name: string): Rejection | undefined {
  if (level !== undefined && delta !== undefined) {
    return rejected('invalid_level', `${name} takes either "data.level" or "data.delta": send one of them.`);
  }
  if (delta !== undefined) {
    return readNumber(delta) ? undefined : rejected('invalid_delta', `${name} follows "data.delta": ${numberForm}`);
  }
  return level !== undefined && readQuantity(level)
    ? undefined
    : rejected('invalid_level', `${name} ${TAKES.level}: ${quantityForm(level)}`);
}

function actionLack({ action, weight }: SentData, name: string): Rejection | undefined {
  if (action === undefined || !ACTIONS.includes(action)) {
    return rejected('invalid_action', `${name} ${TAKES.duration}: send one of ${ACTIONS.join(', ')}.`);
  }
  if (action === 'stop' || action === 'heartbeat') {
    return weight === undefined
      ? undefined
      : rejected(
          'invalid_weight',
          `${name} takes "data.weight" from a start or a resize: leave it out of a ${action}.`,
        );
  }
  if (weight === undefined ? action === 'start' : readQuantity(weight)) return undefined;
  return rejected('invalid_weight', `${name} multiplies by "data.weight": ${quantityForm(weight)}`);
}

/** A measurement no meter uses is refused: ignored, it would look counted. */
function strayField(data: SentData, meters: readonly Meter[]): Rejection | undefined {
  const [only] = meters;
  const used = (field: Field): boolean => meters.some(({ aggregation }) => FIELDS_OF[aggregation].includes(field));
  const who =
    meters.length === 1 && only ? `${only.name} is a ${only.aggregation} meter and` : 'No meter that hears it';
  const uses = meters.length === 1 ? 'has no use for' : 'uses';
  for (const [field, reason] of STRAY) {
    if (data[field] !== undefined && !used(field)) {
      return rejected(reason, `${who} ${uses} "data.${field}": leave it out.`);
    }
  }
  if (data.value === undefined || used('value')) return undefined;
  const counting = meters.find(({ aggregation }) => aggregation === 'count');
  const counted = readQuantity(data.value);
  if (counting && counted && compareDecimals(counted, decimal(1n)) === 0) return undefined;
  return rejected(
    'invalid_value',
    counting
      ? `${counting.name} ${TAKES.count}: leave out "data.value", or measure with a sum meter.`
      : `${who} ${uses} "data.value": leave it out.`,
  );
}

const STRAY: readonly (readonly [Exclude<Field, 'value'>, RejectionReason])[] = [
  ['level', 'invalid_level'],
  ['delta', 'invalid_delta'],
  ['action', 'invalid_action'],
  ['weight', 'invalid_weight'],
  ['resource', 'invalid_resource'],
];

const QUANTITIES: readonly (readonly ['value' | 'level' | 'weight' | 'cost', RejectionReason])[] = [
  ['value', 'invalid_value'],
  ['level', 'invalid_level'],
  ['weight', 'invalid_weight'],
  ['cost', 'invalid_cost'],
];

function malformed(data: SentData): Rejection | undefined {
  for (const [field, reason] of QUANTITIES) {
    const text = data[field];
    if (text !== undefined && !readQuantity(text)) return rejected(reason, `"data.${field}": ${quantityForm(text)}`);
  }
  if (data.delta !== undefined && !readNumber(data.delta))
    return rejected('invalid_delta', `"data.delta": ${numberForm}`);
  if (data.action !== undefined && !ACTIONS.includes(data.action)) {
    return rejected('invalid_action', `"data.action" is one of ${ACTIONS.join(', ')}.`);
  }
  const { resource = '' } = data;
  return resource === '' || PRINTABLE.test(resource)
    ? undefined
    : rejected(
        'invalid_resource',
        '"data.resource" must have at most 256 printable characters; leave it out for a single resource.',
      );
}

const precision = `with at most ${MOST_DIGITS} digits and ${MOST_PLACES} decimal places.`;
const numberForm = `send a plain decimal as a string, e.g. "-1.25", ${precision}`;
const quantityForm = (text: string | undefined): string =>
  `${text === undefined ? 'it is missing; ' : ''}send a plain decimal of zero or more as a string, e.g. "1.25", ${precision}`;

/** The meter whose ceiling for one event this one exceeds, in a sentence; undefined when none does. */
export function overCeiling(data: SentData, meters: readonly Meter[]): string | undefined {
  for (const meter of meters) {
    const most = meter.limits?.perEvent;
    if (!most || !passesFilters(meter, data.dimensions, data.action)) continue;
    const measured = measuredBy(data, meter.aggregation);
    if (measured && compareDecimals(measured, most) > 0) {
      return `${meter.name} takes at most ${formatDecimal(most)} per event and this one says ${formatDecimal(measured)}: it is held until someone looks at it.`;
    }
  }
  return undefined;
}

function measuredBy(data: SentData, aggregation: Aggregation): Decimal | undefined {
  const [first] = FIELDS_OF[aggregation].flatMap((field) => {
    const text = field === 'action' || field === 'resource' ? undefined : data[field];
    return text === undefined ? [] : (readNumber(text) ?? []);
  });
  return first && first.units < 0n ? negateDecimal(first) : first;
}

import { parseDecimal } from '@core/money';
import { sortedDimensions } from './content.js';
import { placesOf, readShort, unitsOf } from './quantity-text.js';
import type { BatchNumber, UsageBatch } from './usage-batch.js';

/** Two lanes of 32 bits that a content is mixed into. */
interface Lanes {
  a: number;
  b: number;
}

const SPAN = 2 ** 32;

/**
 * Marks of 64 bits of what the events of a batch say, by ordinal and the account's number: events with one
 * `canonicalContent` have one mark, and others have another but for chance. A mark only tells a repeat from a conflict, and the
 * first event counts in either case, so it need not withstand anybody. What events have in common is read once.
 * @returns writes the mark of an event as two words, of which one is never 0
 */
export function contentMarks(
  batch: UsageBatch,
): (ordinal: number, account: number, to: Uint32Array, at: number) => void {
  const { columns, t0 } = batch;
  const types = batch.types.map((type) => text(lanes(), type));
  // A resource without a name is none.
  const resources = (batch.resources ?? []).map((resource) => (resource === '' ? undefined : text(lanes(), resource)));
  const dimensions = (batch.dimensions ?? []).map((each) => {
    const sorted = sortedDimensions(each);
    return sorted.length === 0 ? undefined : text(lanes(), JSON.stringify(sorted));
  });
  const numbers = NUMBERS.flatMap((name, i) => {
    const column = columns[name];
    return column ? [{ column, field: i + 1 }] : [];
  });
  const mixed = lanes();
  return (i, account, to, at) => {
    const type = types[columns.type[i] ?? -1];
    mixed.a = type?.a ?? 0;
    mixed.b = type?.b ?? 0;
    word(mixed, account);
    if (columns.timeStated?.[i] !== 0) whole(mixed, t0 + (columns.time[i] ?? 0));
    for (const { column, field } of numbers) number(mixed, field, column[i]);
    const action = columns.action?.[i];
    if (action) text(mixed, action);
    const resource = resources[columns.resource?.[i] ?? -1];
    if (resource) part(mixed, RESOURCE, resource);
    const labels = dimensions[columns.dimensions?.[i] ?? -1];
    if (labels) part(mixed, DIMENSIONS, labels);
    to[at] = finished(mixed.a ^ Math.imul(mixed.b, 0x85ebca6b));
    to[at + 1] = finished(mixed.b ^ Math.imul(mixed.a, 0xc2b2ae35)) || 1;
  };
}

const NUMBERS = ['value', 'level', 'delta', 'weight', 'cost'] as const;
const [RESOURCE, DIMENSIONS] = [NUMBERS.length + 1, NUMBERS.length + 2];

const lanes = (): Lanes => ({ a: 0x9747b28c, b: 0x3c6ef372 });

function word(to: Lanes, value: number): void {
  const a = Math.imul(to.a ^ value, 0x9e3779b1);
  const b = Math.imul(to.b ^ value, 0x5f356495);
  to.a = (a ^ (a >>> 15)) + 0x165667b1;
  to.b = (b ^ (b >>> 13)) + 0x27d4eb2f;
}

/** An integer within 2^53, of either sign. */
function whole(to: Lanes, value: number): void {
  word(to, value | 0);
  word(to, Math.floor(value / SPAN) | 0);
}

function text(to: Lanes, value: string): Lanes {
  for (let i = 0; i < value.length; i += 1) word(to, value.charCodeAt(i));
  word(to, value.length);
  return to;
}

function part(to: Lanes, field: number, { a, b }: Lanes): void {
  word(to, field);
  word(to, a);
  word(to, b);
}

/** A number in lowest terms, so that 1.0 and 1 are the same; a text that is none says nothing. */
function number(to: Lanes, field: number, cell: BatchNumber | undefined): void {
  if (cell === undefined || cell === null) return;
  if (typeof cell === 'number' && Number.isSafeInteger(cell)) return exact(to, field, cell, 0);
  const short = readShort(String(cell));
  if (short >= 0) {
    let [units, places] = [unitsOf(short), placesOf(short)];
    while (places > 0 && units % 10 === 0) {
      units /= 10;
      places -= 1;
    }
    return exact(to, field, units, places);
  }
  const parsed = parseDecimal(String(cell));
  if (!parsed) return;
  const units = Number(parsed.units);
  if (Number.isSafeInteger(units)) return exact(to, field, units, parsed.scale);
  exact(to, field, -1, -1 - parsed.scale);
  text(to, parsed.units.toString());
}

function exact(to: Lanes, field: number, units: number, scale: number): void {
  word(to, field + (scale << 4));
  whole(to, units);
}

function finished(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

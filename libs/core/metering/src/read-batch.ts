import { sourceProblem } from './accept-event.js';
import { MOST_BATCH_EVENTS, type UsageBatch } from './usage-batch.js';
import { ACTIONS } from './usage-event.js';

interface Problem {
  readonly problem: string;
}

const MOST_TYPES = 256;
const MOST_ENTRIES = 10_000;
/** The last instant a date can tell. */
const LAST_INSTANT = 8.64e15;

const FIELDS = new Set(['stream', 'source', 'seq', 't0', 'types', 'accounts', 'resources', 'dimensions', 'columns']);
const REQUIRED = ['type', 'account', 'time'] as const;
const NUMBERS = ['value', 'level', 'delta', 'weight', 'cost'] as const;
const COLUMNS = new Set<string>([...REQUIRED, ...NUMBERS, 'action', 'resource', 'dimensions']);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

const naturalBelow = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < most;

/**
 * Reads the body of the stream door: shape, lengths and ranges in one pass. What events say is judged by `judgeBatch`: a text
 * that is no number concerns one event, a column of another length the whole batch. A field nobody knows is a problem: ignored,
 * it would look counted, and what belongs to the open door must not be told here.
 */
export function readBatch(body: unknown): UsageBatch | Problem {
  if (!isRecord(body))
    return { problem: 'The body must be a JSON object with "stream", "source", "seq" and "columns".' };
  const problem = headProblem(body) ?? dictionaryProblem(body) ?? columnsProblem(body);
  return problem === undefined ? (body as object as UsageBatch) : { problem };
}

function headProblem({ stream, seq, source, t0, ...others }: Record<string, unknown>): string | undefined {
  const stranger = Object.keys(others).find((field) => !FIELDS.has(field));
  if (stranger !== undefined) return `"${stranger.slice(0, 64)}" is not a field of a batch.`;
  if (typeof stream !== 'string' || !UUID.test(stream)) return '"stream" must be a UUID in lower case.';
  if (!naturalBelow(seq, Infinity) || seq === 0) return '"seq" must be an integer from 1 to 2^53-1.';
  if (typeof source !== 'string') return '"source" must be a string.';
  const unusable = sourceProblem(source);
  if (unusable) return unusable.message;
  return naturalBelow(t0, LAST_INSTANT) ? undefined : '"t0" must be the milliseconds since 1970, an integer.';
}

function dictionaryProblem({ types, accounts, resources, dimensions }: Record<string, unknown>): string | undefined {
  if (!isDictionary(types, 1, MOST_TYPES)) return `"types" must be 1 to ${MOST_TYPES} strings.`;
  if (!isDictionary(accounts, 1, MOST_ENTRIES)) return `"accounts" must be 1 to ${MOST_ENTRIES} strings.`;
  if (resources !== undefined && !isDictionary(resources, 0, MOST_ENTRIES)) {
    return `"resources" must be at most ${MOST_ENTRIES} strings.`;
  }
  if (dimensions === undefined) return undefined;
  const good = isList(dimensions) && dimensions.length <= MOST_ENTRIES && dimensions.every(isDimensions);
  return good ? undefined : `"dimensions" must be at most ${MOST_ENTRIES} objects whose values are strings.`;
}

const isDictionary = (value: unknown, least: number, most: number): boolean =>
  isList(value) && value.length >= least && value.length <= most && value.every((entry) => typeof entry === 'string');

const isDimensions = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((entry) => typeof entry === 'string');

function columnsProblem(body: Record<string, unknown>): string | undefined {
  const { columns } = body;
  if (!isRecord(columns)) return '"columns" must be an object of arrays.';
  const lengthOf = (list: unknown): number => (isList(list) ? list.length : 0);
  const length = lengthOf(columns.type);
  if (length < 1 || length > MOST_BATCH_EVENTS) return `"columns.type" must have 1 to ${MOST_BATCH_EVENTS} items.`;
  for (const name of REQUIRED) if (columns[name] === undefined) return `"columns.${name}" is missing.`;
  for (const [name, column] of Object.entries(columns)) {
    if (!COLUMNS.has(name)) return `"columns.${name.slice(0, 64)}" is not a column of a batch.`;
    if (column === undefined) continue;
    if (!isList(column)) return `"columns.${name}" must be an array.`;
    if (column.length !== length) {
      return `"columns.${name}" has ${column.length} items and "columns.type" has ${length}: they must be as many.`;
    }
  }
  const t0 = typeof body.t0 === 'number' ? body.t0 : 0;
  const column = (name: string): readonly unknown[] => {
    const list = columns[name];
    return isList(list) ? list : [];
  };
  const bad =
    itemProblem('type', badIndex(column('type'), lengthOf(body.types)), 'an index into "types"') ??
    itemProblem('account', badIndex(column('account'), lengthOf(body.accounts)), 'an index into "accounts"') ??
    itemProblem('time', badIndex(column('time'), LAST_INSTANT - t0), 'an integer of milliseconds after "t0"');
  if (bad !== undefined) return bad;
  for (const name of NUMBERS) {
    const problem = itemProblem(
      name,
      badNumber(column(name), name === 'delta'),
      `null, a plain decimal as a string, or an integer ${name === 'delta' ? 'within 2^53-1' : 'from 0 to 2^53-1'}`,
    );
    if (problem !== undefined) return problem;
  }
  return (
    itemProblem('action', badAction(column('action')), `null or one of ${ACTIONS.join(', ')}`) ??
    itemProblem(
      'resource',
      badIndex(column('resource'), lengthOf(body.resources), true),
      'null or an index into "resources"',
    ) ??
    itemProblem(
      'dimensions',
      badIndex(column('dimensions'), lengthOf(body.dimensions), true),
      'null or an index into "dimensions"',
    )
  );
}

const itemProblem = (name: string, at: number, form: string): string | undefined =>
  at < 0 ? undefined : `"columns.${name}[${at}]" must be ${form}.`;

// Each column is read by a loop of its own over one kind of value: this runs for every event that is ever sent.

function badIndex(column: readonly unknown[], below: number, orNull = false): number {
  for (let i = 0; i < column.length; i += 1) {
    const item = column[i];
    if (typeof item === 'number' ? !(item >= 0 && item < below && item % 1 === 0) : !(orNull && item === null))
      return i;
  }
  return -1;
}

function badNumber(column: readonly unknown[], signed: boolean): number {
  for (let i = 0; i < column.length; i += 1) {
    const item = column[i];
    if (item === null || typeof item === 'string') continue;
    if (!Number.isSafeInteger(item) || (!signed && (item as number) < 0)) return i;
  }
  return -1;
}

const badAction = (column: readonly unknown[]): number =>
  column.findIndex((item) => item !== null && !ACTIONS.some((action) => action === item));

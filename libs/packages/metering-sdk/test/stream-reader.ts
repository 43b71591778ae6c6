import type { UsageEvent } from '../src/contract.js';

// What the server understands of a batch, written from the wire contract alone and not from the code that makes batches.

type Columns = Record<string, readonly (number | string | null)[] | undefined>;

export interface ReadBatch {
  readonly stream: string;
  readonly seq: number;
  readonly events: readonly UsageEvent[];
}

const NAMES = [
  'type',
  'account',
  'time',
  'value',
  'level',
  'delta',
  'action',
  'weight',
  'cost',
  'resource',
  'dimensions',
];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const PLAIN = /^\d+(\.\d+)?$/;

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new TypeError(what);
}

/** @throws TypeError for a batch that the contract does not allow. */
export function readBatch(body: string): ReadBatch {
  must(Buffer.byteLength(body) <= 1024 * 1024, 'more than 1 MiB');
  const batch = JSON.parse(body) as Record<string, unknown> & { columns: Columns };
  const { stream, source, seq, t0, columns } = batch;
  must(typeof stream === 'string' && UUID.test(stream), 'stream');
  must(typeof source === 'string' && Number.isSafeInteger(seq) && Number(seq) >= 1, 'source and seq');
  must(Number.isSafeInteger(t0) && Number(t0) >= 0, 't0');
  const types = list<string>(batch.types, 1, 256);
  const accounts = list<string>(batch.accounts, 1, 10_000);
  const resources = list<string>(batch.resources ?? [], 0, 5_000);
  const dimensions = list<Record<string, string>>(batch.dimensions ?? [], 0, 5_000);
  const length = columns.type?.length ?? 0;
  must(length >= 1 && length <= 5_000, 'length');
  for (const [name, cells] of Object.entries(columns)) {
    must(NAMES.includes(name) && cells?.length === length, `column ${name}`);
    must(['type', 'account', 'time'].includes(name) || cells.some((cell) => cell !== null), `${name} is not used`);
  }
  const events = Array.from({ length }, (_, index): UsageEvent => {
    const cell = (name: string): number | string | null => columns[name]?.[index] ?? null;
    const time = cell('time');
    must(Number.isSafeInteger(time) && Number(time) >= 0, 'time');
    const action = cell('action');
    must(action === null || ['start', 'stop', 'resize', 'heartbeat'].includes(String(action)), 'action');
    const data = {
      ...quantity('value', cell('value')),
      ...quantity('level', cell('level')),
      ...quantity('delta', cell('delta')),
      ...(action !== null && { action: action as 'start' }),
      ...quantity('weight', cell('weight')),
      ...quantity('cost', cell('cost')),
      ...(cell('resource') !== null && { resource: entry(resources, cell('resource')) }),
      ...(cell('dimensions') !== null && { dimensions: entry(dimensions, cell('dimensions')) }),
    };
    return {
      specversion: '1.0',
      id: `${stream}.${String(seq)}.${index}`,
      source,
      type: entry(types, cell('type')),
      subject: entry(accounts, cell('account')),
      time: new Date(Number(t0) + Number(time)).toISOString(),
      ...(Object.keys(data).length > 0 && { datacontenttype: 'application/json', data }),
    };
  });
  return { stream, seq: Number(seq), events };
}

function list<Value>(value: unknown, least: number, most: number): readonly Value[] {
  must(Array.isArray(value) && value.length >= least && value.length <= most, 'dictionary');
  return value as Value[];
}

function entry<Value>(dictionary: readonly Value[], index: number | string | null): Value {
  const value = typeof index === 'number' ? dictionary[index] : undefined;
  must(value !== undefined, 'index out of range');
  return value;
}

function quantity(name: string, cell: number | string | null): Record<string, string> {
  if (cell === null) return {};
  const text = String(cell);
  must(typeof cell === 'string' || Number.isSafeInteger(cell), name);
  must(PLAIN.test(name === 'delta' ? text.replace(/^-/, '') : text), name);
  return { [name]: text };
}

import { bytesIn, type Draft } from './batch.js';
import type { StreamBatch, StreamCell } from './contract.js';
import type { Usage } from './usage.js';

/** What goes by the stream door: isStreamable says so. */
export type StreamUsage = Usage & { readonly time: number };

const MOST_TYPES = 256;
const MOST_ACCOUNTS = 10_000;

/** Two indexes and a time with their commas, at their longest. */
const FIXED_BYTES = 4 + 6 + 17;
const NULL_BYTES = 5;
/** An index, or an action in its quotes. */
const INDEX_BYTES = 6;
const ACTION_BYTES = 12;
/** `"dimensions":[],` */
const COLUMN_BYTES = 16;

/** Distinct values in the order they were first seen, each with an index. */
class Dictionary<Value> {
  readonly values: Value[] = [];
  readonly #indexes = new Map<string, number>();

  /** Bytes that the value adds. */
  cost(key: string): number {
    return this.#indexes.has(key) ? 0 : bytesIn(JSON.stringify(key)) + 1;
  }

  indexOf(key: string, value: Value): number {
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    this.#indexes.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}

/** The optional columns, in the order they are written. */
const OPTIONAL = ['value', 'level', 'delta', 'action', 'weight', 'cost', 'resource', 'dimensions'] as const;
type Optional = (typeof OPTIONAL)[number];

/** Gathers events into columns as they come, and knows at any time how long their JSON is at most. */
export class StreamDraft implements Draft<StreamUsage> {
  readonly #types = new Dictionary<string>();
  readonly #accounts = new Dictionary<string>();
  readonly #resources = new Dictionary<string>();
  readonly #dimensions = new Dictionary<Readonly<Record<string, string>>>();
  readonly #type: number[] = [];
  readonly #account: number[] = [];
  readonly #time: number[] = [];
  readonly #optional = new Map<Optional, StreamCell[]>();
  #bytes: number;

  constructor(
    private readonly limits: { readonly maxEvents: number; readonly maxBytes: number; readonly envelopeBytes: number },
  ) {
    this.#bytes = limits.envelopeBytes;
  }

  get count(): number {
    return this.#type.length;
  }

  get isFull(): boolean {
    return this.count >= this.limits.maxEvents;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(usage: StreamUsage): boolean {
    const bytes = this.#bytes + this.#cost(usage);
    if (this.isFull || (this.count > 0 && (bytes > this.limits.maxBytes || this.#dictionariesAreFull(usage))))
      return false;
    this.#bytes = bytes;
    this.#append(usage);
    return true;
  }

  /** The batch, with the number it gets now. */
  batch(identity: Pick<StreamBatch, 'stream' | 'source' | 'seq'>): StreamBatch {
    const t0 = this.#time.reduce((least, time) => Math.min(least, time), Infinity);
    const optional = OPTIONAL.flatMap((name) => {
      const cells = this.#optional.get(name);
      return cells === undefined
        ? []
        : [[name, [...cells, ...new Array<null>(this.count - cells.length).fill(null)]] as const];
    });
    return {
      ...identity,
      t0,
      types: this.#types.values,
      accounts: this.#accounts.values,
      ...(this.#resources.values.length > 0 && { resources: this.#resources.values }),
      ...(this.#dimensions.values.length > 0 && { dimensions: this.#dimensions.values }),
      columns: {
        type: this.#type,
        account: this.#account,
        time: this.#time.map((time) => time - t0),
        ...Object.fromEntries(optional),
      },
    };
  }

  #append({ meter, account, time, data }: StreamUsage): void {
    const at = this.#type.push(this.#types.indexOf(meter, meter)) - 1;
    this.#account.push(this.#accounts.indexOf(account, account));
    this.#time.push(time);
    for (const name of OPTIONAL) {
      const cell = this.#cell(name, data);
      if (cell === undefined) continue;
      const cells = this.#optional.get(name) ?? [];
      if (cells.length === 0) this.#optional.set(name, cells);
      while (cells.length < at) cells.push(null);
      cells.push(cell);
    }
  }

  #cell(name: Optional, data: Usage['data']): StreamCell | undefined {
    if (name === 'resource')
      return data.resource === undefined ? undefined : this.#resources.indexOf(data.resource, data.resource);
    if (name === 'dimensions')
      return data.dimensions === undefined
        ? undefined
        : this.#dimensions.indexOf(JSON.stringify(data.dimensions), data.dimensions);
    if (name === 'action') return data.action;
    const quantity = data[name];
    return quantity === undefined ? undefined : cellOf(quantity);
  }

  #dictionariesAreFull({ meter, account }: StreamUsage): boolean {
    if (this.#types.values.length >= MOST_TYPES && this.#types.cost(meter) > 0) return true;
    return this.#accounts.values.length >= MOST_ACCOUNTS && this.#accounts.cost(account) > 0;
  }

  #cost({ meter, account, data }: StreamUsage): number {
    let bytes = FIXED_BYTES + this.#types.cost(meter) + this.#accounts.cost(account);
    for (const name of OPTIONAL) {
      const isNew = !this.#optional.has(name);
      const cell = this.#cellCost(name, data);
      if (cell > 0 && isNew) bytes += COLUMN_BYTES + this.count * NULL_BYTES;
      bytes += cell === 0 && !isNew ? NULL_BYTES : cell;
    }
    return bytes;
  }

  /** Nothing for a cell that is empty. */
  #cellCost(name: Optional, data: Usage['data']): number {
    if (name === 'resource') return data.resource === undefined ? 0 : INDEX_BYTES + this.#resources.cost(data.resource);
    if (name === 'dimensions')
      return data.dimensions === undefined ? 0 : INDEX_BYTES + this.#dimensions.cost(JSON.stringify(data.dimensions));
    if (name === 'action') return data.action === undefined ? 0 : ACTION_BYTES;
    const quantity = data[name];
    return quantity === undefined ? 0 : quantity.length + 3;
  }
}

/** Whole numbers are shorter and faster to read as numbers, where a number can hold them exactly. */
function cellOf(quantity: string): StreamCell {
  const number = Number(quantity);
  return Number.isSafeInteger(number) && String(number) === quantity ? number : quantity;
}

import { type Answer, type Batch, bytesIn, type Door, type Draft, isObject, objectIn } from './batch.js';
import type { EventVerdict, StreamBatch, StreamCell, UsageData, UsageEvent } from './contract.js';
import type { DroppedBatch } from './errors.js';
import { StreamDraft, type StreamUsage } from './stream-draft.js';
import { eventOf } from './usage.js';

/** Where a stream stands: `seq` is the last number given to a batch. */
export interface StreamPosition {
  readonly stream: string;
  readonly seq: number;
}

/**
 * `POST /v1/events/stream`: numbered columnar batches. A number that was given to bytes is never given to others; that is
 * what makes a repeat recognisable without looking at a single event.
 */
export class StreamDoor implements Door<StreamUsage> {
  readonly name = 'stream';
  readonly path = '/stream';
  #position: StreamPosition;
  /** Of a batch without events, at its longest. */
  readonly #envelopeBytes: number;

  constructor(
    private readonly source: string,
    private readonly newStream: () => string,
    private readonly limits: { readonly maxEvents: number; readonly maxBytes: number },
  ) {
    this.#position = { stream: newStream(), seq: 0 };
    const numbers = { stream: this.#position.stream, seq: Number.MAX_SAFE_INTEGER, t0: 1e14 };
    const dictionaries = { types: [], accounts: [], resources: [], dimensions: [] };
    const columns = { type: [], account: [], time: [] };
    this.#envelopeBytes = bytesIn(JSON.stringify({ source, ...numbers, ...dictionaries, columns }));
  }

  get position(): StreamPosition {
    return this.#position;
  }

  /** Goes on where an earlier process of the same spool ended. */
  goOn(position: StreamPosition): void {
    this.#position = position;
  }

  /** Begins a new stream, when the numbers of this one cannot be trusted any more. */
  beginAnew(): void {
    this.#position = { stream: this.newStream(), seq: 0 };
  }

  sizeAlone(usage: StreamUsage): number {
    const roughly = this.#envelopeBytes + roughBytes(usage);
    if (roughly <= this.limits.maxBytes) return roughly;
    const draft = this.newDraft();
    draft.add(usage);
    return draft.bytes;
  }

  newDraft(): StreamDraft {
    return new StreamDraft({ ...this.limits, envelopeBytes: this.#envelopeBytes });
  }

  seal(draft: Draft<StreamUsage>): Batch {
    if (!(draft instanceof StreamDraft)) throw new TypeError('This draft was made by another door.');
    const { stream, seq } = this.#position;
    this.#position = { stream, seq: seq + 1 };
    return numberedBatch(draft.batch({ ...this.#position, source: this.source }));
  }

  toText(usage: StreamUsage): string {
    return JSON.stringify(usage);
  }

  fromText(text: string): StreamUsage {
    return JSON.parse(text) as StreamUsage;
  }
}

const numberedBatch = (form: StreamBatch): Batch => new NumberedBatch(form, JSON.stringify(form));

/** A batch whose bytes were kept. */
export const keptBatch = (body: string): Batch => new NumberedBatch(JSON.parse(body) as StreamBatch, body);

class NumberedBatch implements Batch {
  readonly contentType = 'application/json';

  constructor(
    private readonly form: StreamBatch,
    readonly body: string,
  ) {}

  get count(): number {
    return this.form.columns.type.length;
  }

  get numbered(): DroppedBatch {
    return { stream: this.form.stream, seq: this.form.seq, body: this.body };
  }

  event(index: number): UsageEvent | undefined {
    const { stream, source, seq, t0, types, accounts, columns } = this.form;
    const meter = types[columns.type[index] ?? -1];
    const account = accounts[columns.account[index] ?? -1];
    const time = columns.time[index];
    if (meter === undefined || account === undefined || time === undefined) return undefined;
    return eventOf({ meter, account, time: t0 + time, data: this.#data(index) }, `${stream}.${seq}.${index}`, source);
  }

  halves(): undefined {
    return undefined; // Two batches cannot share a number.
  }

  answerIn(text: string): Answer | undefined {
    const answer = objectIn(text);
    if (answer?.stream !== this.form.stream || answer.seq !== this.form.seq) return undefined;
    const { outcome, accepted, held, rejected, items } = answer;
    if (!isCount(accepted) || !isCount(held) || !isCount(rejected) || !Array.isArray(items)) return undefined;
    const untaken = items.map((item) => this.#untaken(item)).filter((one) => one !== undefined);
    if (accepted + held + rejected !== this.count || untaken.length !== held + rejected) return undefined;
    const isRepeat = outcome === 'duplicate';
    return {
      acknowledged: isRepeat ? 0 : accepted,
      duplicate: isRepeat ? accepted : 0,
      conflict: 0,
      held,
      rejected,
      untaken,
    };
  }

  #untaken(item: unknown): Answer['untaken'][number] | undefined {
    if (!isObject(item) || !isCount(item.index) || item.index >= this.count) return undefined;
    const { index, verdict, reason, message } = item;
    if (verdict !== 'held' && verdict !== 'rejected') return undefined;
    const { stream, source, seq } = this.form;
    const said: EventVerdict = {
      source,
      id: `${stream}.${seq}.${index}`,
      verdict,
      ...(typeof reason === 'string' && { reason }),
      ...(typeof message === 'string' && { message }),
    };
    return { index, verdict: said };
  }

  #data(index: number): UsageData {
    const { columns, resources, dimensions } = this.form;
    const action = columns.action?.[index];
    const resource = resources?.[columns.resource?.[index] ?? -1];
    const labels = dimensions?.[columns.dimensions?.[index] ?? -1];
    return {
      ...quantity('value', columns.value?.[index]),
      ...quantity('level', columns.level?.[index]),
      ...quantity('delta', columns.delta?.[index]),
      ...(action && { action }),
      ...quantity('weight', columns.weight?.[index]),
      ...quantity('cost', columns.cost?.[index]),
      ...(resource !== undefined && { resource }),
      ...(labels !== undefined && { dimensions: labels }),
    };
  }
}

const quantity = (name: 'value' | 'level' | 'delta' | 'weight' | 'cost', cell: StreamCell | undefined): UsageData =>
  cell === undefined || cell === null ? {} : { [name]: String(cell) };

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** More than one event can take: the longest escape of a character has six bytes, and columns have names. */
function roughBytes({ meter, account, data }: StreamUsage): number {
  let characters = meter.length + account.length + (data.resource?.length ?? 0);
  for (const [key, label] of Object.entries(data.dimensions ?? {})) characters += key.length + label.length + 3;
  return 600 + 6 * characters;
}

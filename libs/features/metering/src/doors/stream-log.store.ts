import type { ItemVerdict } from '@core/metering';
import type { Writer } from '@platform/database';
import { bytesArray, integerArray } from './binary-arrays.js';
import { type BatchToKeep, entriesOf, heldJson, json } from './batch-to-keep.js';

export interface NumberedBatch extends BatchToKeep {
  readonly stream: string;
  readonly seq: number;
  readonly source: string;
  /** SHA-256 of the body, in hex. */
  readonly hash: string;
  readonly items: readonly ItemVerdict[];
}

export interface KeptBatch {
  /** reused: another body has its number. */
  readonly outcome: 'stored' | 'duplicate' | 'reused';
  readonly completeThrough: number;
  /** As it was first answered; absent unless it is a duplicate. */
  readonly first?: { readonly events: number; readonly items: readonly ItemVerdict[] };
}

const HASH_BYTES = 32;

/** Appends the batches of streams to the usage log: many batches, one round trip, one commit. */
export class StreamLogStore {
  constructor(private readonly writer: Writer) {}

  /** Keeps numbered batches of streams. One result per batch, in order. */
  async keep(batches: readonly NumberedBatch[]): Promise<KeptBatch[]> {
    const results: KeptBatch[] = [];
    const places = batches.map((_, place) => place);
    const plain = places.filter((place) => batches[place]?.held.length === 0);
    const passedOver = new Set(places.filter((place) => batches[place]?.held.length !== 0));
    const part = (of: readonly number[]) => of.flatMap((place) => batches[place] ?? []);
    if (plain.length > 0) {
      const next = part(plain);
      const left = new Set(await this.#keepNext(next));
      const through = new Map<string, number>();
      next.forEach(({ provider, stream, seq }, i) => {
        const key = `${provider} ${stream}`;
        if (!left.has(i)) through.set(key, Math.max(seq, through.get(key) ?? 0));
      });
      next.forEach(({ provider, stream }, i) => {
        const place = plain[i] ?? -1;
        if (left.has(i)) passedOver.add(place);
        else results[place] = { outcome: 'stored', completeThrough: through.get(`${provider} ${stream}`) ?? 0 };
      });
    }
    if (passedOver.size > 0) {
      const rest = places.filter((place) => passedOver.has(place));
      const kept = await this.#keepAny(part(rest));
      rest.forEach((place, i) => {
        const result = kept[i];
        if (result) results[place] = result;
      });
    }
    return results;
  }

  /** Keeps the batches that are the next of their streams. @returns the places of the others */
  async #keepNext(batches: readonly NumberedBatch[]): Promise<number[]> {
    const entries = entriesOf(batches);
    const [row] = await this.writer.query<{ left: number[] }>(
      'SELECT append_next_batches($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS left',
      [
        batches.map(({ provider }) => provider),
        batches.map(({ stream }) => stream),
        batches.map(({ seq }) => seq),
        integerArray(entries.map(({ off }) => off)),
        integerArray(entries.map(({ len }) => len)),
        bytesArray(Buffer.from(batches.map(({ hash }) => hash).join(''), 'hex'), HASH_BYTES),
        batches.map(({ since }) => since),
        batches.map(({ until }) => until),
        integerArray(batches.map(({ events }) => events)),
        batches.map(({ accounts }) => `{${accounts.join(',')}}`),
        entries.map(({ skip }) => (skip ? `{${skip.join(',')}}` : null)),
        batches.map(({ items }) => (items.length > 0 ? json(items) : null)),
        Buffer.concat(batches.map(({ body }) => body)),
      ],
    );
    return (row?.left ?? []).map((place) => place - 1);
  }

  /** Keeps numbered batches, whatever their numbers and events. */
  async #keepAny(batches: readonly NumberedBatch[]): Promise<KeptBatch[]> {
    const listed = entriesOf(batches).map((entry, n) => {
      const { stream, seq, source, hash, items } = batches[n] ?? {};
      return { ...entry, stream, seq, source, hash, items: items?.length ? items : null };
    });
    const rows = await this.writer.query<{
      n: number;
      outcome: KeptBatch['outcome'];
      through: string;
      events: number | null;
      items: ItemVerdict[] | null;
    }>(
      'SELECT n, outcome, complete_through::text AS through, events, items FROM append_stream_batches($1::jsonb, $2::bytea, $3::jsonb)',
      [json(listed), Buffer.concat(batches.map(({ body }) => body)), heldJson(batches, 0)],
    );
    const results: KeptBatch[] = [];
    for (const { n, outcome, through, events, items } of rows) {
      const first = outcome === 'duplicate' ? { first: { events: events ?? 0, items: items ?? [] } } : {};
      results[n] = { outcome, completeThrough: Number(through), ...first };
    }
    return results;
  }
}

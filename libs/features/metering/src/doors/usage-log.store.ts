import type { ItemVerdict, LoggedEvent, UsageBatch } from '@core/metering';
import type { Writer } from '@platform/database';
import { bigintArray, bytesArray, integerArray } from './binary-arrays.js';
import { type BatchIdentities, IDENTITY_BYTES } from './event-identity.js';
import type { IdentityFilters } from './identity-filter.js';
import type { TakenIdentity } from './identity.store.js';

/** What every batch to be kept has. */
interface BatchToKeep {
  readonly provider: string;
  /** JSON text in UTF-8. */
  readonly body: Buffer;
  /** Earliest and latest time of use, in milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
  readonly events: number;
  /** Numbers of the accounts in its dictionary. */
  readonly accounts: readonly number[];
  /** Ordinals that do not count; absent: all do. */
  readonly skip?: readonly number[] | undefined;
  readonly held: readonly HeldEvent[];
}

export interface HeldEvent {
  readonly ordinal: number;
  readonly reason: string;
  readonly event: LoggedEvent;
}

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

export type IdentifiedBatch = BatchToKeep & BatchIdentities;

const HASH_BYTES = 32;

/** By ordinal, the events of a batch whose identity was taken. */
export type Repeats = ReadonlyMap<number, TakenIdentity>;

/** Appends to the usage log: many batches, one round trip, one commit. */
export class UsageLogStore {
  constructor(
    private readonly writer: Writer,
    private readonly filters: IdentityFilters,
  ) {}

  /** Keeps numbered batches of streams. One result per batch, in order. */
  async keepNumbered(batches: readonly NumberedBatch[]): Promise<KeptBatch[]> {
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
      [json(listed), Buffer.concat(batches.map(({ body }) => body)), heldJson(batches)],
    );
    const results: KeptBatch[] = [];
    for (const { n, outcome, through, events, items } of rows) {
      const first = outcome === 'duplicate' ? { first: { events: events ?? 0, items: items ?? [] } } : {};
      results[n] = { outcome, completeThrough: Number(through), ...first };
    }
    return results;
  }

  /** Keeps batches of identified events, each identity once; one result per batch, in order. */
  async keepIdentified(batches: readonly IdentifiedBatch[]): Promise<Repeats[]> {
    await this.filters.ready();
    const identities = Buffer.concat(batches.map((batch) => batch.identities));
    const marks = Buffer.concat(batches.map((batch) => batch.marks));
    const unmarked = Buffer.concat(batches.map((batch) => batch.unmarked));
    const owners: number[] = [];
    const ordinals: number[] = [];
    batches.forEach(({ events }, n) => {
      for (let i = 0; i < events; i += 1) {
        owners.push(n);
        ordinals.push(i);
      }
    });
    const probes = this.filters.probes(identities);
    const [row] = await this.writer.query<{
      kept: {
        repeats: [place: number, same: boolean | null, voided: boolean, position: string, ordinal: number][];
        segments: number[];
      };
    }>('SELECT append_open_batches($1::jsonb, $2::bytea, $3::jsonb, $4, $5, $6, $7, $8, $9, $10, $11) AS kept', [
      json(entriesOf(batches)),
      Buffer.concat(batches.map(({ body }) => body)),
      heldJson(batches),
      bytesArray(identities, IDENTITY_BYTES),
      bigintArray(marks, unmarked),
      integerArray(owners),
      integerArray(ordinals),
      integerArray(probes.segments),
      bytesArray(identities, IDENTITY_BYTES, probes.places),
      integerArray(probes.known),
      probes.careful,
    ]);
    this.filters.learn(row?.kept.segments ?? []);
    this.filters.taken(
      probes,
      (row?.kept.repeats ?? []).map(([place]) => place - 1),
    );
    const repeats = batches.map(() => new Map<number, TakenIdentity>());
    for (const [place, same, voided, position, ordinal] of row?.kept.repeats ?? []) {
      const receipt = { position: BigInt(position), ordinal };
      repeats[owners[place - 1] ?? -1]?.set(ordinals[place - 1] ?? -1, { receipt, same: same ?? undefined, voided });
    }
    return repeats;
  }

  /** Keeps batches whose identities are looked at by the roll-up. */
  async keepUnseen(batches: readonly BatchToKeep[]): Promise<true[]> {
    await this.writer.query(
      `INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
      SELECT next_usage_position(), b.provider, 'inbox', timestamptz 'epoch' + b.since * interval '1 millisecond',
        timestamptz 'epoch' + b.until * interval '1 millisecond', b.events, convert_from(substr($2::bytea, b.off + 1, b.len), 'UTF8'), b.accounts
      FROM jsonb_to_recordset($1::jsonb) AS b (provider text, off integer, len integer, since bigint, until bigint, events integer, accounts integer[])`,
      [json(entriesOf(batches)), Buffer.concat(batches.map(({ body }) => body))],
    );
    return batches.map(() => true);
  }
}

/** What is told of each batch beside its body: `off` and `len` say where that is among the bodies. */
function entriesOf(batches: readonly BatchToKeep[]) {
  let end = 0;
  return batches.map(({ provider, body, since, until, events, accounts, skip }, n) => {
    const off = end;
    end += body.length;
    return { n, provider, off, len: body.length, since, until, events, accounts, skip: skip?.length ? skip : null };
  });
}

function heldJson(batches: readonly BatchToKeep[]): string | null {
  const held = batches.flatMap(({ provider, held }, n) => held.map((each) => ({ n, provider, ...each })));
  return held.length === 0 ? null : json(held);
}

/** JSON that PostgreSQL takes: it knows neither NUL nor half of a surrogate pair, which messages may quote. */
const json = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' && UNSTORABLE.test(each) ? each.replace(UNSTORABLE_ALL, '\u{FFFD}') : each,
  );
const UNSTORABLE = /[\0\p{Cs}]/u;
const UNSTORABLE_ALL = /[\0\p{Cs}]/gu;

/** The earliest and latest time of use of a batch, leaving out what is rejected; `otherwise` when that is everything. */
export function spanOf(
  batch: UsageBatch,
  rejected: ReadonlySet<number>,
  otherwise: number,
): { readonly since: number; readonly until: number } {
  const { time } = batch.columns;
  let [first, last] = [Infinity, -Infinity];
  for (let i = 0; i < time.length; i += 1) {
    const after = time[i] ?? 0;
    if (rejected.size > 0 && rejected.has(i)) continue;
    if (after < first) first = after;
    if (after > last) last = after;
  }
  return last < first ? { since: otherwise, until: otherwise } : { since: batch.t0 + first, until: batch.t0 + last };
}

import type { UsageBatch } from '@core/metering';
import { type ChangePart, type SoldItem, changeParts, readSold } from '../log/entry-body.js';
import { type LogEntry, readBody } from '../log/log.reader.js';
import { MeterReader, type StoredMeter, typeKey } from '../meters/meter.reader.js';
import type { Querying } from '../log/query-rows.js';

/** An entry with its body read. */
export type OpenEntry = { readonly entry: LogEntry } & (
  { readonly batch: UsageBatch } | { readonly sold: readonly SoldItem[] } | { readonly parts: readonly ChangePart[] }
);

/** @throws SyntaxError, TypeError when the body is not what its kind says */
export function openEntry(entry: LogEntry): OpenEntry {
  switch (entry.kind) {
    case 'sold':
      return { entry, sold: readSold(entry) };
    case 'change':
      return { entry, parts: changeParts(entry) };
    case 'stream':
    case 'open':
      return { entry, batch: readBody(entry) };
  }
}

/** Who hears what. */
export interface Hearing {
  listening(provider: string, type: string): readonly StoredMeter[];
  numbered(meter: number): StoredMeter | undefined;
}

/** The meters that a page of entries speaks of, as they are defined in the transaction that reads them. */
export class Catalogue implements Hearing {
  private constructor(
    private readonly byType: ReadonlyMap<string, readonly StoredMeter[]>,
    private readonly byNumber: ReadonlyMap<number, StoredMeter>,
  ) {}

  static async of(on: Querying, page: readonly OpenEntry[]): Promise<Catalogue> {
    const types = new Map<string, { provider: string; type: string }>();
    const numbers = new Set<number>();
    for (const open of page) {
      const { provider } = open.entry;
      const batches = 'batch' in open ? [open.batch] : 'parts' in open ? open.parts.map(({ batch }) => batch) : [];
      for (const type of batches.flatMap((batch) => batch.types))
        types.set(typeKey(provider, type), { provider, type });
      if ('sold' in open) for (const { meter } of open.sold) numbers.add(meter);
    }
    const meters = new MeterReader();
    return new Catalogue(
      types.size > 0 ? await meters.listeningToAll(on, [...types.values()]) : new Map(),
      numbers.size > 0 ? await meters.numbered(on, [...numbers]) : new Map(),
    );
  }

  listening(provider: string, type: string): readonly StoredMeter[] {
    return this.byType.get(typeKey(provider, type)) ?? [];
  }

  numbered(meter: number): StoredMeter | undefined {
    return this.byNumber.get(meter);
  }

  all(): Iterable<StoredMeter> {
    return new Set([...this.byType.values()].flat().concat([...this.byNumber.values()]));
  }
}

/** Hears with the ears of one meter only, if need be defined otherwise than it is stored. */
export const onlyMeter = (meter: StoredMeter): Hearing => ({
  listening: (_provider, type) => (type === meter.eventType ? [meter] : []),
  numbered: (number) => (number === meter.number ? meter : undefined),
});

import { Fault } from '@core/faults';
import type { Receipt } from '@core/metering';
import type { Database, Tx } from '@platform/database';
import { EventHistories, type EventHistory, accountNumber, lastVersion, stateOf } from './event-histories.js';
import { type EntryKind, type UsageEventView, formatReceipt, parseReceipt } from './event-view.js';
import { type Querying, queryRows } from './query-rows.js';
import { type EntryEvent, type UsageEntry, entriesAt, eventsOf } from './usage-entries.js';

interface EventPage {
  readonly events: readonly UsageEventView[];
  /** Where the next, older page begins; absent on the last one. A page may be short and still have a next one. */
  readonly next?: string;
}

interface EventFilter {
  /** `acct_…` */
  readonly account?: string | undefined;
  readonly type?: string | undefined;
  /** `mtr_…` or its name: events of the type it hears, and usage sold by it. */
  readonly meter?: string | undefined;
  readonly kind?: EntryKind | undefined;
}

const MOST_EVENTS = 500;
/** Entries looked at for one page, and looked at together. */
const MOST_ENTRIES = 2_000;
const TOGETHER = 64;
const LOOKED_UP_TOGETHER = 1_000;
/** Events looked at for one page, beyond the entry that reaches it. */
const MOST_LOOKED_AT = 20_000;

/** The numbers behind a filter. */
interface Wanted {
  readonly account?: number;
  readonly type?: string | undefined;
  /** Meters whose sold usage is meant; absent: all. */
  readonly soldBy?: ReadonlySet<number>;
  readonly kind?: EntryKind | undefined;
}

/** Pages through a provider's usage events, the last received first, each in its current version. */
export class ListEvents {
  readonly #histories = new EventHistories();

  constructor(private readonly database: Database) {}

  /** @throws Fault invalid_request for a cursor or limit that is none, not_found (`unknown_meter`) */
  async run(
    input: EventFilter & {
      readonly provider: string;
      readonly cursor?: string | undefined;
      readonly limit?: number | undefined;
    },
  ): Promise<EventPage> {
    const { provider, cursor, limit = 100 } = input;
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_EVENTS) {
      throw new Fault('invalid_request', `"limit" is a whole number from 1 to ${MOST_EVENTS}.`, {
        reason: 'invalid_limit',
      });
    }
    const before = cursor === undefined ? { position: 2n ** 62n, ordinal: 0 } : parseReceipt(cursor);
    return this.database.forProvider(provider, async (tx) => {
      const wanted = await wantedBy(tx, provider, input);
      if (!wanted) return { events: [] };
      const { found, next } = await this.#scan(tx, provider, wanted, before, limit);
      const events = await this.#histories.views(tx, provider, found);
      return { events, ...(next ? { next: formatReceipt(next) } : {}) };
    });
  }

  /** Goes back through the log until the page is full, the log ends, or enough was looked at. */
  async #scan(tx: Tx, provider: string, wanted: Wanted, before: Receipt, limit: number): Promise<Found> {
    const found: EventHistory[] = [];
    const headers = await headersBefore(tx, provider, before);
    let looked = 0;
    let waiting: (readonly [UsageEntry, EntryEvent])[] = [];
    const look = async (): Promise<boolean> => {
      const histories = await this.#histories.withVersions(tx, provider, waiting);
      waiting = [];
      found.push(...[...histories.values()].filter((history) => isWanted(history, wanted)));
      return found.length > limit || looked >= MOST_LOOKED_AT;
    };
    for (let place = 0; place < headers.length; place += TOGETHER) {
      const chunk = headers.slice(place, place + TOGETHER);
      const positions = chunk.filter((header) => mayHold(header, wanted)).map(({ position }) => position);
      for await (const entry of entriesAt(tx, provider, positions)) {
        const own = [...eventsOf(entry)].filter(({ receipt }) => isBefore(receipt, before)).reverse();
        for (const event of own) {
          looked += 1;
          const may = wanted.account === undefined || event.account === wanted.account || event.account === 0;
          if (may) waiting.push([{ ...entry, body: '' }, event]);
          if (waiting.length >= LOOKED_UP_TOGETHER && (await look())) return pageOf(found, limit, event.receipt);
        }
        if (looked >= MOST_LOOKED_AT && (await look())) {
          return pageOf(found, limit, { position: entry.position, ordinal: 0 });
        }
      }
      const last = chunk.at(-1)?.position ?? 0n;
      if ((await look()) && place + TOGETHER < headers.length)
        return pageOf(found, limit, { position: last, ordinal: 0 });
    }
    const last = headers.length < MOST_ENTRIES ? undefined : headers.at(-1);
    return pageOf(found, limit, last && { position: last.position, ordinal: 0 });
  }
}

interface Found {
  readonly found: readonly EventHistory[];
  /** The next page begins before it. */
  readonly next?: Receipt | undefined;
}

/** @param seen the last place looked at; absent at the end of the log */
const pageOf = (found: readonly EventHistory[], limit: number, seen: Receipt | undefined): Found =>
  found.length > limit ? { found: found.slice(0, limit), next: found[limit - 1]?.receipt } : { found, next: seen };

interface Header {
  readonly position: bigint;
  readonly kind: string;
  readonly accounts: readonly number[];
}

async function headersBefore(tx: Tx, provider: string, before: Receipt): Promise<Header[]> {
  // Of the cursor's own entry something remains unless it was at its first event.
  const comparison = before.ordinal > 0 ? '<=' : '<';
  const rows = await queryRows<{ position: string; kind: string; accounts: number[] }>(
    tx,
    `SELECT position::text AS position, kind, to_jsonb(accounts) AS accounts FROM usage_log
    WHERE provider_id = $1 AND position ${comparison} $2::bigint ORDER BY usage_log.position DESC LIMIT ${MOST_ENTRIES}`,
    [provider, String(before.position)],
  );
  return rows.map((row) => ({ ...row, position: BigInt(row.position) }));
}

const isBefore = (a: Receipt, b: Receipt): boolean =>
  a.position < b.position || (a.position === b.position && a.ordinal < b.ordinal);

/** An event whose account was unknown may have been given one since, by a replay. */
const mayHold = ({ kind, accounts }: Header, wanted: Wanted): boolean =>
  (wanted.kind === undefined || kind === wanted.kind) &&
  (wanted.account === undefined || accounts.includes(wanted.account) || accounts.includes(0));

function isWanted(history: EventHistory, { account, type, soldBy }: Wanted): boolean {
  if (stateOf(history) === undefined) return false;
  const version = lastVersion(history);
  if (account !== undefined && version.account !== account) return false;
  if (history.soldBy !== undefined) return !soldBy || soldBy.has(history.soldBy);
  return type === undefined || version.event.type === type;
}

/** Undefined when nothing can match. */
async function wantedBy(
  on: Querying,
  provider: string,
  { account, type, meter, kind }: EventFilter,
): Promise<Wanted | undefined> {
  const number = account === undefined ? undefined : await accountNumber(on, provider, account);
  if (account !== undefined && number === undefined) return undefined;
  const known = { kind, ...(number === undefined ? {} : { account: number }) };
  if (type === undefined && meter === undefined) return known;
  const rows = await queryRows<{ number: number; type: string; named: boolean }>(
    on,
    `SELECT number, event_type AS type, id = $2 OR name = $2 AS named FROM meters
    WHERE provider_id = $1 AND (id = $2 OR name = $2 OR event_type = $3)`,
    [provider, meter ?? '', type ?? ''],
  );
  if (meter === undefined) return { ...known, type, soldBy: new Set(rows.map((row) => row.number)) };
  const named = rows.find((row) => row.named);
  if (!named) {
    throw new Fault('not_found', 'There is no meter with this id or name.', {
      reason: 'unknown_meter',
      details: { meter: meter.slice(0, 128) },
    });
  }
  if (type !== undefined && type !== named.type) return undefined;
  return { ...known, type: named.type, soldBy: new Set([named.number]) };
}

import { type LoggedEvent, RESERVED_SOURCE, type Receipt, eventAt } from '@core/metering';
import { formatDecimal } from '@core/money';
import { instant } from '@core/time';
import { changeParts, readSold } from './entry-body.js';
import { type LogEntry, readBody } from './log.reader.js';
import { type Querying, queryRows } from './query-rows.js';

/** The source of usage sold through the gate; its ids are those of the payments. */
export const GATE_SOURCE = `${RESERVED_SOURCE}gate`;

/** An entry of the usage log, as far as its events go. */
export type UsageEntry = Pick<LogEntry, 'position' | 'kind' | 'receivedAt' | 'body' | 'accounts' | 'skip'>;

/** An event as its entry tells it. */
export interface EntryEvent {
  readonly receipt: Receipt;
  readonly event: LoggedEvent;
  /** The number of its account; 0 for an unknown one. */
  readonly account: number;
  /** The number of the meter it was sold by. */
  readonly soldBy?: number;
}

interface EntryRow {
  readonly position: string;
  readonly kind: LogEntry['kind'];
  readonly received: string;
  readonly body: string;
  readonly accounts: readonly number[];
  readonly skip: readonly number[];
}

/** Bodies are up to a MiB each: so many are held at a time. */
const READ_TOGETHER = 32;

/** Reads entries of the usage log by their positions, in the order given, a few at a time. */
export async function* entriesAt(
  on: Querying,
  provider: string,
  positions: readonly bigint[],
): AsyncGenerator<UsageEntry> {
  for (let from = 0; from < positions.length; from += READ_TOGETHER) {
    const rows = await queryRows<EntryRow>(
      on,
      `SELECT l.position::text AS position, l.kind, (extract(epoch FROM l.received_at) * 1000)::bigint::text AS received, l.body,
        to_jsonb(l.accounts) AS accounts, to_jsonb(coalesce(l.skip, '{}') || coalesce(s.ordinals, '{}')) AS skip
      FROM unnest($2::text[]) WITH ORDINALITY AS p (position, ord)
        JOIN usage_log l ON l.position = p.position::bigint AND l.provider_id = $1
        LEFT JOIN usage_skips s ON s.position = l.position AND s.provider_id = $1
      ORDER BY p.ord`,
      [provider, positions.slice(from, from + READ_TOGETHER).map(String)],
    );
    for (const { position, received, ...row } of rows) {
      yield { ...row, position: BigInt(position), receivedAt: instant(Number(received)) };
    }
  }
}

/** The events that came with an entry, skipped ones too. Versions of other entries' events are not among them. */
export function* eventsOf(entry: UsageEntry): Generator<EntryEvent> {
  if (entry.kind === 'sold') {
    yield* soldIn(entry);
    return;
  }
  if (entry.kind !== 'change') {
    const batch = readBody(entry);
    for (let ordinal = 0; ordinal < batch.columns.type.length; ordinal += 1) {
      const account = entry.accounts[batch.columns.account[ordinal] ?? -1] ?? 0;
      yield { receipt: { position: entry.position, ordinal }, event: eventAt(batch, ordinal), account };
    }
    return;
  }
  for (const { sign, batch, accounts, receipts } of changeParts(entry)) {
    for (let row = 0; sign === 1 && row < batch.columns.type.length; row += 1) {
      const receipt = receipts(row);
      if (receipt.position !== entry.position) continue;
      yield { receipt, event: eventAt(batch, row), account: accounts[batch.columns.account[row] ?? -1] ?? 0 };
    }
  }
}

function* soldIn(entry: UsageEntry): Generator<EntryEvent> {
  for (const [ordinal, { account, meter, time, quantity, payment }] of readSold(entry).entries()) {
    const event: LoggedEvent = {
      source: GATE_SOURCE,
      id: payment,
      type: '',
      subject: '',
      time,
      timeStated: true,
      value: formatDecimal(quantity),
    };
    yield { receipt: { position: entry.position, ordinal }, event, account, soldBy: meter };
  }
}

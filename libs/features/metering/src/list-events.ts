import { Fault } from '@core/faults';
import type { Decimal } from '@core/money';
import type { Instant } from '@core/time';
import { at, type Database, exact } from '@platform/database';

/** A usage event as it is kept. */
export interface UsageEventView {
  readonly source: string;
  readonly id: string;
  readonly meter: string;
  readonly account: string;
  readonly time: Instant;
  readonly receivedAt: Instant;
  readonly value?: Decimal;
  readonly level?: Decimal;
  readonly resource?: string;
  readonly dimensions?: unknown;
  /** The payment it was sold by, when it was sold through the gate. */
  readonly payment?: string;
}

export interface EventPage {
  readonly events: readonly UsageEventView[];
  /** Where the next, older page begins; absent on the last one. */
  readonly next?: string;
}

const MOST_EVENTS = 500;

/** Pages through a provider's usage events, the last received first. */
export class ListEvents {
  constructor(private readonly database: Database) {}

  /** @throws Fault invalid_request for a cursor or limit that is none */
  async run(input: {
    readonly provider: string;
    /** `acct_…` */
    readonly account?: string | undefined;
    /** `mtr_…` */
    readonly meter?: string | undefined;
    readonly cursor?: string | undefined;
    readonly limit?: number | undefined;
  }): Promise<EventPage> {
    const limit = input.limit ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > MOST_EVENTS) {
      throw new Fault('invalid_request', `"limit" is a whole number from 1 to ${MOST_EVENTS}.`, {
        reason: 'invalid_limit',
      });
    }
    const before = readCursor(input.cursor);
    const rows = await this.database.forProvider(input.provider, (tx) =>
      tx.usageEvent.findMany({
        where: {
          ...(input.account === undefined ? {} : { accountId: input.account }),
          ...(input.meter === undefined ? {} : { meterId: input.meter }),
          ...(before === undefined ? {} : { receipt: { lt: before } }),
        },
        orderBy: { receipt: 'desc' },
        take: limit + 1,
      }),
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      events: page.map((row) => ({
        source: row.source,
        id: row.eventId,
        meter: row.meterId,
        account: row.accountId,
        time: at(row.time),
        receivedAt: at(row.receivedAt),
        ...(row.value === null ? {} : { value: exact(row.value) }),
        ...(row.level === null ? {} : { level: exact(row.level) }),
        ...(row.resource === null ? {} : { resource: row.resource }),
        ...(row.dimensions === null ? {} : { dimensions: row.dimensions }),
        ...(row.paymentId === null ? {} : { payment: row.paymentId }),
      })),
      ...(rows.length > limit && last ? { next: last.receipt.toString() } : {}),
    };
  }
}

function readCursor(cursor: string | undefined): bigint | undefined {
  if (cursor === undefined) return undefined;
  if (!/^[1-9]\d{0,17}$/.test(cursor)) {
    throw new Fault('invalid_request', 'That is not a cursor: use the "next" of the page before, unchanged.', {
      reason: 'invalid_cursor',
    });
  }
  return BigInt(cursor);
}

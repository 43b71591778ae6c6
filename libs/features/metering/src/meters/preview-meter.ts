import {
  Contributions,
  type DurationFlag,
  type Meter,
  type QuantityParts,
  durationOf,
  quantityOf,
  quantityUnit,
} from '@core/metering';
import { Fault } from '@core/faults';
import { type Decimal, ZERO, addDecimals } from '@core/money';
import { type Clock, type Period, addMs, instant } from '@core/time';
import type { Database } from '@platform/database';
import { type OpenEntry, onlyMeter, openEntry } from '../roll-up/catalogue.js';
import { contribute } from '../roll-up/contribute.js';
import { type MeterDefinition, wholeDefinition } from './create-meter.js';
import { type DerivedRows, rowsOf } from '../roll-up/derived.store.js';
import { LogReader } from '../log/log.reader.js';
import type { StoredMeter } from './meter.reader.js';
import { type PreviewedAccount, PreviewedRows } from './previewed-rows.js';
import { queryRows } from '../log/query-rows.js';
import { within } from '../roll-up/replay-log.js';
import { integralsOver, levelSegments } from '../reading/point-segments.js';

interface MeterPreviewInput {
  readonly provider: string;
  readonly definition: Omit<MeterDefinition, 'provider' | 'effectiveAt'>;
  /** At most {@link MOST_PREVIEW_DAYS} days, of any instants. */
  readonly range: Period;
  /** `acct_…` */
  readonly account?: string | undefined;
  /** Most accounts that are listed, those with most events first; 100 when left out. */
  readonly limit?: number | undefined;
}

interface MeterPreview {
  /** Of its quantities. */
  readonly unit: string;
  /** The sum of the quantities of all accounts that were seen, each rounded as it would be billed. */
  readonly total: Decimal;
  readonly accounts: readonly { readonly account: string; readonly quantity: Decimal; readonly events: number }[];
  /** How many accounts have events that count. */
  readonly accountCount: number;
  /** Of the accounts that are listed; at most 100. */
  readonly flags: readonly (DurationFlag & { readonly account: string })[];
  readonly events: {
    /** Events of its type in the range, in their first or amended versions, voided ones left out. */
    readonly seen: number;
    /** Those it would count. */
    readonly kept: number;
    /** Those that meet its filters and lack what it measures. */
    readonly invalid: number;
  };
  /** Whether every stored event that may matter was looked at. */
  readonly complete: boolean;
}

const MOST_PREVIEW_DAYS = 92;
const DAY_MS = 86_400_000;
const MOST_FLAGS = 100;
/** How far before the range a level or a run is looked for. */
const CARRIED_DAYS = 92;

/** Says what a meter would have counted, by reading stored events with its definition. Nothing is written. */
export class PreviewMeter {
  readonly #log = new LogReader();

  /** @param mostEvents how many stored events are looked at before it stops with what it has */
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly mostEvents = 5_000_000,
  ) {}

  /**
   * Levels and runs that began more than 92 days before the range are not seen.
   * @throws Fault invalid_request (`invalid_meter`, `range_too_long`, `empty_range`); not_found (`unknown_account`)
   */
  async run(input: MeterPreviewInput): Promise<MeterPreview> {
    const { provider, range, limit = 100 } = input;
    checkRange(range);
    const draft = draftOf(input.definition, range);
    const only = input.account === undefined ? undefined : await this.#number(provider, input.account);
    const { rows, complete } = await this.#read(provider, draft, range, only);
    const asOf = this.clock.now();
    const accounts = rows
      .accounts()
      .map((each) => ({ ...each, ...measured(draft, each, range, asOf) }))
      .sort((a, b) => b.events - a.events || a.number - b.number);
    const listed = accounts.slice(0, limit);
    const names = await this.#names(
      provider,
      listed.map(({ number }) => number),
    );
    const nameOf = (number: number) => names.get(number) ?? '';
    const kept = accounts.reduce((sum, { events }) => sum + events, 0);
    return {
      unit: quantityUnit(draft),
      total: accounts.reduce((sum, { quantity }) => addDecimals(sum, quantity), ZERO),
      accounts: listed.map(({ number, quantity, events }) => ({ account: nameOf(number), quantity, events })),
      accountCount: accounts.filter(({ events }) => events > 0).length,
      flags: listed
        .flatMap(({ number, flags }) => flags.map((flag) => ({ ...flag, account: nameOf(number) })))
        .slice(0, MOST_FLAGS),
      events: { seen: rows.seen, kept, invalid: rows.fitting - kept },
      complete,
    };
  }

  /** Page by page, each in a transaction of its own: the log does not change behind the reader. */
  async #read(
    provider: string,
    draft: StoredMeter,
    range: Period,
    only: number | undefined,
  ): Promise<{ rows: PreviewedRows; complete: boolean }> {
    const carries = ['latest', 'duration', 'level'].includes(draft.aggregation);
    const use = carries ? { start: addMs(range.start, -CARRIED_DAYS * DAY_MS), end: range.end } : range;
    const rows = new PreviewedRows(draft, range, only);
    const through = await this.database.forProvider(provider, (tx) => this.#log.cursor(tx));
    let after = 0n;
    let looked = 0;
    for (;;) {
      const page = await this.database.forProvider(provider, (tx) =>
        this.#log.page(tx, { after, through, provider, use }),
      );
      const last = page.at(-1);
      if (!last) return { rows, complete: true };
      if (looked >= this.mostEvents) return { rows, complete: false };
      rows.add(within(contributionsOf(page.map(openEntry), draft, rows), use));
      looked += page.reduce((sum, { events }) => sum + events, 0);
      after = last.position;
    }
  }

  async #number(provider: string, account: string): Promise<number> {
    const rows = await this.database.forProvider(provider, (tx) =>
      queryRows<{ number: number }>(tx, 'SELECT number FROM accounts WHERE id = $1', [account]),
    );
    if (rows[0]) return rows[0].number;
    throw new Fault('not_found', `There is no account ${account}.`, { reason: 'unknown_account' });
  }

  async #names(provider: string, numbers: readonly number[]): Promise<Map<number, string>> {
    const rows = await this.database.forProvider(provider, (tx) =>
      queryRows<{ number: number; id: string }>(
        tx,
        'SELECT number, id FROM accounts WHERE number = ANY ($1::text[]::int[])',
        [numbers.map(String)],
      ),
    );
    return new Map(rows.map(({ number, id }) => [number, id]));
  }
}

function contributionsOf(page: readonly OpenEntry[], draft: StoredMeter, rows: PreviewedRows): DerivedRows {
  const contributions = new Contributions();
  const hearing = onlyMeter(draft);
  for (const open of page) {
    rows.look(open);
    // Usage sold was sold by another meter.
    if (!('sold' in open)) contribute(contributions, open, hearing);
  }
  return rowsOf(contributions);
}

function checkRange({ start, end }: Period): void {
  if (end <= start) {
    throw new Fault('invalid_request', 'The range is empty: its end lies after its start.', { reason: 'empty_range' });
  }
  if (end - start > MOST_PREVIEW_DAYS * DAY_MS) {
    throw new Fault('invalid_request', `A preview covers at most ${MOST_PREVIEW_DAYS} days.`, {
      reason: 'range_too_long',
    });
  }
}

/** A meter of the definition as if it had always been there. Its cells are cut at the range, so that any instant bounds it. */
function draftOf(definition: MeterPreviewInput['definition'], { start, end }: Period): StoredMeter {
  const version: Meter = { ...wholeDefinition(definition), id: '', version: 1, effectiveAt: instant(0) };
  return { ...version, number: 0, versions: [version], cuts: [start, end] };
}

function measured(
  draft: StoredMeter,
  { count, sum, values, points }: PreviewedAccount,
  range: Period,
  asOf: ReturnType<Clock['now']>,
): { quantity: Decimal; flags: readonly DurationFlag[] } {
  const parts = (of: QuantityParts) => quantityOf(draft, of);
  switch (draft.aggregation) {
    case 'level': {
      const [integral = ZERO] = integralsOver(levelSegments(points, Math.min(range.end, asOf)), [[range]], asOf);
      return { quantity: parts({ integral }), flags: [] };
    }
    case 'duration': {
      const { seconds, flags } = durationOf(points, range, asOf, draft.duration);
      return { quantity: parts({ seconds }), flags };
    }
    case 'count':
    case 'sum':
    case 'unique':
    case 'max':
    case 'min':
    case 'average':
    case 'latest':
      return { quantity: parts({ count, sum, ...values }), flags: [] };
  }
}

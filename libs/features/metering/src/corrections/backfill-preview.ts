import { Fault } from '@core/faults';
import { Contributions } from '@core/metering';
import type { Decimal } from '@core/money';
import { type Instant, type Period, instant } from '@core/time';
import type { Database, Tx, Writer } from '@platform/database';
import { type BackfillPlan, type BackfillPlanner, type BackfillVerdict, changeOf } from './backfill-plan.js';
import { BackfillStore } from './backfill.store.js';
import { changeEntry } from './change-entry.js';
import { Catalogue, openEntry } from '../roll-up/catalogue.js';
import { contribute } from '../roll-up/contribute.js';
import { type DerivedRows, DerivedStore, rowsOf } from '../roll-up/derived.store.js';
import { accountIds } from '../log/event-histories.js';
import { MeterReader, type StoredMeter } from '../meters/meter.reader.js';
import { queryRows } from '../log/query-rows.js';
import { SeriesPlaces } from '../roll-up/series-places.js';
import { UsageReader } from '../reading/usage.reader.js';

/** What a backfill changes for an account and a meter. */
export interface AffectedUsage {
  /** `acct_…` */
  readonly account: string;
  /** `mtr_…` */
  readonly meter: string;
  /** Earliest instant whose usage changes. */
  readonly since: Instant;
}

/** Quantities from the first change on, up to now: before the backfill, and with it. */
export interface BackfillQuantity {
  readonly account: string;
  readonly meter: string;
  readonly period: Period;
  readonly before: Decimal;
  readonly after: Decimal;
}

interface Affected extends AffectedUsage {
  readonly counts: StoredMeter;
}

interface Planned {
  readonly rows: DerivedRows;
  readonly affected: readonly Affected[];
  readonly verdicts: readonly BackfillVerdict[];
}

/** New events come after all there are. */
const LAST_POSITION = 2n ** 62n;
const QUARTER_MS = 15 * 60_000;

/** Carries the result out of a transaction that is rolled back. */
class RolledBack<T> extends Error {
  constructor(readonly result: T) {
    super('a preview is rolled back');
  }
}

/** What committing a draft would change, found by doing it in a transaction that is rolled back. */
export class BackfillPreview {
  readonly #backfills = new BackfillStore();
  readonly #derived = new DerivedStore();
  readonly #meters = new MeterReader();
  readonly #usage = new UsageReader();

  constructor(
    private readonly writer: Writer,
    private readonly planner: BackfillPlanner,
  ) {}

  /** Applies the draft to the derived rows. */
  async apply(tx: Tx, backfill: string): Promise<{ readonly affected: readonly AffectedUsage[] }> {
    const { rows, affected } = await this.#plan(tx, backfill);
    await this.#derived.apply(tx, tx.__provider, rows);
    return { affected: affected.map(({ account, meter, since }) => ({ account, meter, since })) };
  }

  async quantities(
    database: Database,
    { provider, backfill, now }: { readonly provider: string; readonly backfill: string; readonly now: Instant },
  ): Promise<{ readonly quantities: readonly BackfillQuantity[]; readonly verdicts: readonly BackfillVerdict[] }> {
    type Result = Awaited<ReturnType<BackfillPreview['quantities']>>;
    try {
      return await database.forProvider(provider, async (tx): Promise<Result> => {
        const { rows, affected, verdicts } = await this.#plan(tx, backfill);
        const before = await this.#totals(tx, affected, now);
        await this.#derived.apply(tx, provider, rows);
        const after = await this.#totals(tx, affected, now);
        const quantities = affected.flatMap(({ account, meter, since }, i) => {
          const [was, is] = [before[i], after[i]];
          return was && is ? [{ account, meter, period: periodOf(since, now), before: was, after: is }] : [];
        });
        throw new RolledBack<Result>({ quantities, verdicts });
      });
    } catch (error) {
      if (error instanceof RolledBack) return error.result as Result;
      throw error;
    }
  }

  /** Nothing is rolled up between planning and the end of the transaction, so derived rows and plan are of one instant. */
  async #plan(tx: Tx, id: string): Promise<Planned> {
    const provider = tx.__provider;
    const backfill = await this.#backfills.get(tx, provider, id);
    if (backfill.state !== 'draft') {
      throw new Fault('conflict', `This backfill is ${backfill.state}: there is nothing left to look at beforehand.`, {
        reason: 'not_a_draft',
      });
    }
    await queryRows(tx, "SELECT pg_advisory_xact_lock(hashtext('farebox.roll_up'))::text");
    const plan = await this.planner.commit(this.writer, provider, backfill);
    const { contributions, rows } = await this.#changes(tx, plan, backfill.createdAt);
    const touched = contributions.touched();
    const meters = await this.#meters.numbered(tx, [...new Set(touched.map(({ meter }) => meter))]);
    const accounts = await accountIds(tx, provider, new Set(touched.map(({ account }) => account)));
    const affected = touched.flatMap(({ account, meter, since }) => {
      const [id, counts] = [accounts.get(account), meters.get(meter)];
      return id === undefined || !counts ? [] : [{ account: id, meter: counts.id, since, counts }];
    });
    return { rows, affected, verdicts: plan.verdicts };
  }

  /** What rolling up the entry of the plan would change. */
  async #changes(
    tx: Tx,
    plan: BackfillPlan,
    now: Instant,
  ): Promise<{ contributions: Contributions; rows: DerivedRows }> {
    const contributions = new Contributions();
    const change = changeOf(LAST_POSITION, plan);
    if (change.minus.length + change.plus.length === 0) return { contributions, rows: rowsOf(contributions) };
    const { body, since, until, events, accounts } = changeEntry(LAST_POSITION, change);
    const open = openEntry({
      position: LAST_POSITION,
      provider: tx.__provider,
      kind: 'change',
      receivedAt: now,
      since,
      until,
      events,
      body: JSON.stringify(body),
      accounts,
      skip: [],
      items: [],
    });
    const catalogue = await Catalogue.of(tx, [open]);
    contribute(contributions, open, catalogue);
    const rows = await new SeriesPlaces().settle(tx, tx.__provider, rowsOf(contributions), [open], catalogue);
    return { contributions, rows };
  }

  async #totals(tx: Tx, affected: readonly Affected[], now: Instant): Promise<Decimal[]> {
    const totals: Decimal[] = [];
    for (const { account, counts, since } of affected) {
      totals.push(await this.#usage.total(tx, { account, meter: counts, range: periodOf(since, now), asOf: now }));
    }
    return totals;
  }
}

/** From the quarter of an hour of the first change to the end of the current one. */
const periodOf = (since: Instant, now: Instant): Period => ({
  start: instant(Math.floor(since / QUARTER_MS) * QUARTER_MS),
  end: instant((Math.floor(Math.max(since, now) / QUARTER_MS) + 1) * QUARTER_MS),
});

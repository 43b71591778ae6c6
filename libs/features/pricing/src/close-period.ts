import { Fault } from '@core/faults';
import { type Clock, type Instant, type Period, formatInstant, monthOf } from '@core/time';
import type { RollUpUsage } from '@features/metering';
import { at, type Database, type Tx } from '@platform/database';
import type { RateUsage } from './rate-usage.js';
import { RatingStore } from './rating.store.js';

/** A period whose charges stand for good. */
export interface ClosedPeriod {
  readonly period: Period;
  /** Usage up to this position of the log was rated when it was closed. */
  readonly position: bigint;
  readonly closedAt: Instant;
}

interface ClosedColumns {
  readonly periodStart: Date;
  readonly periodEnd: Date;
  readonly position: bigint;
  readonly closedAt: Date;
}

const closedOf = (row: ClosedColumns): ClosedPeriod => ({
  period: { start: at(row.periodStart), end: at(row.periodEnd) },
  position: row.position,
  closedAt: at(row.closedAt),
});

export class PeriodReader {
  /** Earliest first. */
  async list(tx: Tx): Promise<ClosedPeriod[]> {
    return (await tx.closedPeriod.findMany({ orderBy: { periodStart: 'asc' } })).map(closedOf);
  }
}

/** Usage that arrives while a period is being closed is rated first, so often; what comes later is corrected. */
const ROUNDS = 5;

/**
 * Closes a calendar month (UTC), and with it all that lies before: rates what is left of it, and from then on its charges
 * stand. What changes of it later is charged in the month that is open, by charges that name the ones they correct.
 */
export class ClosePeriod {
  readonly #store = new RatingStore();

  constructor(
    private readonly database: Database,
    private readonly rate: RateUsage,
    private readonly rollUp: Pick<RollUpUsage, 'run'>,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns `already_closed` with what was kept when it, or a later one, was closed
   * @throws Fault invalid_request (`invalid_period`: not a month, or not over yet), conflict (`usage_not_rated`: some usage of
   *   it cannot be rated; the details name it), unavailable when usage keeps arriving faster than it is rated
   */
  async run(input: {
    readonly provider: string;
    readonly period: Period;
  }): Promise<{ readonly outcome: 'closed' | 'already_closed'; readonly closed: ClosedPeriod }> {
    const { provider, period } = input;
    const month = monthOf(period.start);
    if (month.start !== period.start || month.end !== period.end)
      throw invalidPeriod('A period that is closed is a calendar month, such as "2026-10".');
    if (this.clock.now() < period.end)
      throw invalidPeriod(`The period ends at ${formatInstant(period.end)}; it can be closed from then on.`);
    const known = await this.database.forProvider(provider, (tx) => this.#closing(tx, period));
    if (known) return { outcome: 'already_closed', closed: known };
    await this.rollUp.run({ through: 'now' });
    for (let round = 1; round <= ROUNDS; round += 1) {
      const problems = await this.rate.rateBefore(provider, period.end);
      if (problems.length > 0) throw notRated(problems);
      const closed = await this.#close(provider, period);
      if (closed) return closed;
    }
    throw new Fault('unavailable', 'Usage of the period keeps arriving; try again shortly.', {
      reason: 'usage_arriving',
      retryAfterSeconds: 5,
    });
  }

  /** Undefined when usage of the period arrived since it was rated. */
  #close(
    provider: string,
    period: Period,
  ): Promise<{ outcome: 'closed' | 'already_closed'; closed: ClosedPeriod } | undefined> {
    return this.database.forProvider(provider, async (tx) => {
      await this.#store.lockPeriods(tx, provider, 'alone');
      const known = await this.#closing(tx, period);
      if (known) return { outcome: 'already_closed' as const, closed: known };
      // First how far the roll-up is, then what it marked: so nothing up to the position is left out.
      const [cursor] = await tx.$queryRaw<{ position: bigint }[]>`
        SELECT position FROM usage_cursors WHERE name = 'roll-up'`;
      const waiting = await this.#store.waitsBefore(tx, period.end);
      if (waiting) return undefined;
      // Charges carry the time their transaction began: this one has to lie after all that committed before it.
      await tx.$executeRaw`
        INSERT INTO closed_periods (provider_id, period_start, period_end, position, closed_at)
        VALUES (${provider}, ${formatInstant(period.start)}::timestamptz, ${formatInstant(period.end)}::timestamptz,
          ${cursor?.position ?? 0n}::bigint, clock_timestamp())`;
      const closed = await this.#closing(tx, period);
      if (!closed) throw new Fault('invariant_broken', 'a period that was just closed is not there');
      return { outcome: 'closed' as const, closed };
    });
  }

  /** The closed period that a period is, or lies before. */
  async #closing(tx: Tx, period: Period): Promise<ClosedPeriod | undefined> {
    const row = await tx.closedPeriod.findFirst({
      where: { periodEnd: { gte: new Date(period.end) } },
      orderBy: { periodStart: 'asc' },
    });
    return row ? closedOf(row) : undefined;
  }
}

const invalidPeriod = (message: string): Fault => new Fault('invalid_request', message, { reason: 'invalid_period' });

const notRated = (problems: readonly { account: string; meter: string; problem: string }[]): Fault =>
  new Fault(
    'conflict',
    `Usage of the period cannot be rated, so it cannot be closed: ${problems[0]?.problem ?? ''} Mend what the details name, then close it.`,
    {
      reason: 'usage_not_rated',
      details: {
        problems: problems.slice(0, 100).map(({ account, meter, problem }) => ({
          account,
          ...(meter === '' ? {} : { meter }),
          problem,
        })),
      },
    },
  );

import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { type Clock, type Instant, addMs } from '@core/time';
import type { RollUpUsage } from '@features/metering';
import type { Database, Writer } from '@platform/database';
import { AccountRating } from './account-rating.js';
import { DueMarks } from './due-marks.store.js';
import { type DueKey, type DuePlace, RatingStore } from './rating.store.js';

interface RatingResult {
  /** Accounts' meters that were looked at. */
  readonly rated: number;
  /** Charges whose totals changed. */
  readonly changed: number;
  /** Of those looked at, how many cannot be rated as they are: each says why, and is tried again within the hour. */
  readonly problems: number;
}

const PAGE = 200;
/** Rated side by side; each takes a connection. */
const AT_ONCE = 2;
const RETRY_MS = 3_600_000;

type Outcome = { readonly changed: number } | { readonly problem: string };

/**
 * Turns usage that waits into charges. A charge is the total of an account's unpaid usage of a meter in one calendar month
 * (UTC) at one price version, and is set, not added to: rating again, twice at once, or after a crash comes to the same.
 * The difference to what was charged before is posted in the same transaction.
 */
export class RateUsage {
  readonly #store = new RatingStore();
  readonly #marks = new DueMarks();
  readonly #rating: AccountRating;

  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly clock: Clock,
    ids: IdSource,
    private readonly rollUp: Pick<RollUpUsage, 'run'>,
  ) {
    this.#rating = new AccountRating(ids);
  }

  /**
   * Rates everything that is due, of every provider.
   * @throws AggregateError when some failed for a reason of ours: the others were rated, and those stay due
   */
  async run(): Promise<RatingResult> {
    const errors: unknown[] = [];
    const sum = { rated: 0, changed: 0, problems: 0 };
    let place: DuePlace | undefined;
    do {
      const page = await this.#store.dueAfter(this.writer, this.clock.now(), place, PAGE);
      await this.#rateAll(page, sum, errors);
      place = page.length === PAGE ? page.at(-1) : undefined;
    } while (place);
    if (errors.length > 0)
      throw new AggregateError(
        errors,
        `${errors.length} of ${sum.rated} accounts' meters could not be rated and stay due`,
      );
    return sum;
  }

  /** Rates what waits of one account, up to this moment and whenever it is due: before a statement is read. */
  async rateNow({ provider, account }: { readonly provider: string; readonly account: string }): Promise<RatingResult> {
    await this.rollUp.run({ through: 'now' });
    const sum = { rated: 0, changed: 0, problems: 0 };
    const errors: unknown[] = [];
    const dueOf = () => this.database.forProvider(provider, (tx) => this.#store.dueOf(tx, account));
    const metered = (await dueOf()).filter(({ meter }) => meter !== '');
    await this.#rateAll(metered, sum, errors);
    // What the account owes without a meter follows from what was rated, so it may have become due just now.
    await this.#rateAll(
      (await dueOf()).filter(({ meter }) => meter === ''),
      sum,
      errors,
    );
    if (errors.length > 0) throw errors[0];
    return sum;
  }

  /**
   * Rates what waits of a provider's service before an instant, whenever it is due.
   * @returns those that cannot be rated, with why
   */
  async rateBefore(provider: string, before: Instant): Promise<readonly (DueKey & { readonly problem: string })[]> {
    const problems = new Map<string, DueKey & { readonly problem: string }>();
    // Twice: the first round finds what the second has to add up.
    for (const round of [1, 2]) {
      let after: DueKey | undefined;
      do {
        const page = await this.database.forProvider(provider, (tx) =>
          this.#store.waitingBefore(tx, before, after, PAGE),
        );
        for (const due of page) {
          const outcome = await this.#rate(due);
          if ('problem' in outcome && round === 2)
            problems.set(`${due.account} ${due.meter}`, { ...due, problem: outcome.problem });
        }
        after = page.length === PAGE ? page.at(-1) : undefined;
      } while (after);
    }
    return [...problems.values()];
  }

  /**
   * Rates what waits of some accounts of a provider's service before an instant, whenever it is due: before their books are closed. What
   * cannot be rated as it is stays due.
   * @returns accounts whose rating failed for a reason of ours, with the reason
   */
  async rateAccounts(
    provider: string,
    accounts: readonly string[],
    before: Instant,
  ): Promise<ReadonlyMap<string, unknown>> {
    await this.rollUp.run({ through: 'now' });
    const failed = new Map<string, unknown>();
    for (const round of ['metered', 'without a meter']) {
      let after: DueKey | undefined;
      do {
        const page = await this.database.forProvider(provider, (tx) =>
          this.#store.waitingBefore(tx, before, after, PAGE, accounts),
        );
        const some = page.filter(({ meter }) => (meter === '') === (round !== 'metered'));
        await this.#eachOf(some, ({ account }, outcome) => {
          if (outcome.status === 'rejected') failed.set(account, outcome.reason);
        });
        after = page.length === PAGE ? page.at(-1) : undefined;
      } while (after);
    }
    return failed;
  }

  async #rateAll(
    page: readonly DueKey[],
    sum: { rated: number; changed: number; problems: number },
    errors: unknown[],
  ): Promise<void> {
    await this.#eachOf(page, (_, outcome) => {
      sum.rated += 1;
      if (outcome.status === 'rejected') errors.push(outcome.reason);
      else if ('problem' in outcome.value) sum.problems += 1;
      else sum.changed += outcome.value.changed;
    });
  }

  async #eachOf(
    page: readonly DueKey[],
    rated: (due: DueKey, outcome: PromiseSettledResult<Outcome>) => void,
  ): Promise<void> {
    for (let i = 0; i < page.length; i += AT_ONCE) {
      const some = page.slice(i, i + AT_ONCE);
      const outcomes = await Promise.allSettled(some.map((due) => this.#rate(due)));
      some.forEach((due, n) => {
        const outcome = outcomes[n];
        if (outcome) rated(due, outcome);
      });
    }
  }

  /** One transaction for an account's usage of a meter. What cannot be rated says why and holds up nobody else. */
  async #rate(due: DueKey): Promise<Outcome> {
    try {
      return { changed: await this.#apply(due) };
    } catch (error) {
      if (!(error instanceof Fault) || error.retryable || error.code === 'internal') throw error;
      const again = addMs(this.clock.now(), RETRY_MS);
      await this.database.forProvider(due.provider, (tx) => this.#store.keepProblem(tx, due, error.message, again));
      // What no provider can mend is an error of ours, and is told where errors are.
      if (error.code === 'invariant_broken') throw error;
      return { problem: error.message };
    }
  }

  #apply(due: DueKey): Promise<number> {
    return this.database.forProvider(due.provider, async (tx) => {
      await this.#store.lockUsage(tx, due);
      await this.#store.lockPeriods(tx, due.provider, 'shared');
      const now = this.clock.now();
      const mark = await this.#store.mark(tx, due);
      if (!mark) return 0;
      const { changed, dueAgain, planSince } = await this.#rating.run(tx, due, mark.since, now);
      if (planSince !== undefined) await this.#marks.one(tx, { ...due, meter: '' }, planSince, now);
      if (dueAgain === undefined) await this.#store.unmark(tx, due, mark.marks);
      else await this.#store.postpone(tx, due, mark.marks, now, dueAgain);
      return changed.length;
    });
  }
}

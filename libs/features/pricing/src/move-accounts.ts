import { Fault } from '@core/faults';
import { type Clock, type Instant, formatInstant, instant } from '@core/time';
import type { Database, Tx } from '@platform/database';
import type { Outbox } from '@platform/queues';
import { unknownPlan } from './create-plan.js';
import { requireOpen } from './create-price.js';
import { AccountPlanStore } from './plan.store.js';
import { type AccountPlanMove, PlanReader, type StoredPlan, type StoredPlanVersion } from './plan.reader.js';
import { onTheGrid } from './price.store.js';
import { RateMoved } from './rate-moved.js';
import { RatingStore } from './rating.store.js';

const QUARTER_MS = 900_000;

/** When a move takes effect: what was asked for, or the start of the quarter of an hour under way. */
async function startOf(
  tx: Tx,
  rating: RatingStore,
  asked: Instant | undefined,
  now: Instant,
  field: string,
): Promise<Instant> {
  const closedUntil = await rating.closedUntil(tx);
  if (asked === undefined) {
    const quarter = instant(Math.floor(now / QUARTER_MS) * QUARTER_MS);
    return closedUntil !== undefined && quarter < closedUntil ? closedUntil : quarter;
  }
  if (!onTheGrid(asked)) {
    const before = instant(Math.floor(asked / QUARTER_MS) * QUARTER_MS);
    throw new Fault(
      'invalid_request',
      `"${field}" has to lie on a quarter of an hour (UTC): ${formatInstant(before)} or ${formatInstant(instant(before + QUARTER_MS))}.`,
      { reason: 'unaligned_instant' },
    );
  }
  requireOpen(closedUntil, asked, field);
  return asked;
}

/** @throws Fault not_found (`unknown_plan`) */
async function versionOf(
  tx: Tx,
  plans: PlanReader,
  asked: string,
  version: number | undefined,
): Promise<{ readonly plan: StoredPlan; readonly version: StoredPlanVersion }> {
  const plan = await plans.find(tx, asked);
  if (!plan) throw unknownPlan(asked);
  const found = version === undefined ? plan.versions.at(-1) : plan.versions.find((one) => one.version === version);
  if (!found)
    throw new Fault('not_found', `Plan "${plan.name}" has no version ${version ?? 1}.`, { reason: 'unknown_plan' });
  return { plan, version: found };
}

/** Puts an account on a plan, or takes it off its plan. */
export class MoveAccount {
  readonly #plans = new PlanReader();
  readonly #store = new AccountPlanStore();
  readonly #rating = new RatingStore();
  readonly #moved: RateMoved;

  constructor(
    private readonly database: Database,
    outbox: Outbox,
    private readonly clock: Clock,
  ) {
    this.#moved = new RateMoved(outbox);
  }

  /**
   * @param input.account id or name
   * @param input.plan id or name; absent: off its plan
   * @param input.version absent: the newest
   * @param input.from on a quarter of an hour, in no closed period, after the account's last move; absent: the quarter under way
   * @returns `unchanged` when the account is on that version from then on already
   * @throws Fault not_found (`unknown_account`, `unknown_plan`), invalid_request (`unaligned_instant`), conflict
   *   (`period_closed`, `moved_later`)
   */
  async run(input: {
    readonly provider: string;
    readonly account: string;
    readonly plan?: string | undefined;
    readonly version?: number | undefined;
    readonly from?: Instant | undefined;
  }): Promise<{ readonly outcome: 'moved' | 'unchanged'; readonly move: AccountPlanMove }> {
    return this.database.forProvider(input.provider, async (tx) => {
      await this.#store.lock(tx, input.provider);
      const account = await this.#store.account(tx, input.account);
      const to = input.plan === undefined ? undefined : await versionOf(tx, this.#plans, input.plan, input.version);
      const now = this.clock.now();
      const from = await startOf(tx, this.#rating, input.from, now, 'from');
      const last = (await this.#plans.movesOf(tx, account)).at(-1);
      const planVersion = to?.version.id;
      if (last?.planVersion === planVersion && (last === undefined || last.from <= from))
        return { outcome: 'unchanged' as const, move: last ?? { account, from } };
      if (last && from <= last.from) {
        throw new Fault(
          'conflict',
          `The account moves at ${formatInstant(last.from)} already; a further move lies after that.`,
          { reason: 'moved_later', details: { from: formatInstant(last.from) } },
        );
      }
      await this.#store.add(tx, input.provider, { account, planVersion, from });
      const versions = [last?.planVersion, planVersion].flatMap((id) => id ?? []);
      await this.#moved.within(tx, input.provider, { from, accounts: [account], versions }, now);
      return {
        outcome: 'moved' as const,
        move: { account, ...(planVersion === undefined ? {} : { planVersion }), from },
      };
    });
  }
}

/** Moves every account of a plan to a version of it, or of another plan, at one instant. */
export class MigratePlan {
  readonly #plans = new PlanReader();
  readonly #store = new AccountPlanStore();
  readonly #rating = new RatingStore();
  readonly #moved: RateMoved;

  constructor(
    private readonly database: Database,
    outbox: Outbox,
    private readonly clock: Clock,
  ) {
    this.#moved = new RateMoved(outbox);
  }

  /**
   * @param input.plan id or name of the plan the accounts are on at `at`
   * @param input.to id or name; absent: the same plan
   * @param input.version absent: the newest of `to`
   * @param input.at as `from` of MoveAccount; accounts whose last move lies there or later are left as they are
   * @throws Fault not_found (`unknown_plan`), invalid_request (`unaligned_instant`), conflict (`period_closed`)
   */
  async run(input: {
    readonly provider: string;
    readonly plan: string;
    readonly to?: string | undefined;
    readonly version?: number | undefined;
    readonly at?: Instant | undefined;
  }): Promise<{ readonly moved: number; readonly planVersion: string; readonly from: Instant }> {
    return this.database.forProvider(input.provider, async (tx) => {
      await this.#store.lock(tx, input.provider);
      const left = await this.#plans.find(tx, input.plan);
      if (!left) throw unknownPlan(input.plan);
      const { version } = await versionOf(tx, this.#plans, input.to ?? left.id, input.version);
      const now = this.clock.now();
      const from = await startOf(tx, this.#rating, input.at, now, 'at');
      const of = left.versions.map(({ id }) => id);
      const accounts = await this.#store.moveAll(tx, input.provider, { of, to: version.id, from });
      if (accounts.length > 0)
        await this.#moved.within(tx, input.provider, { from, accounts, versions: [...of, version.id] }, now);
      return { moved: accounts.length, planVersion: version.id, from };
    });
  }
}

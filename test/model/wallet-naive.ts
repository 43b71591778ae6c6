import { METERS, type StoryLimit, type TimedStep, type WalletSeen, type WalletStory } from './wallet-story.js';

/**
 * A wallet told unit by unit: every unit of every grant is spent, set aside or given back by itself, and limits are sums over all
 * holds there ever were. Slow, plain, and without a line of the product's rules.
 */

interface NaiveGrant {
  readonly paid: boolean;
  readonly size: number;
  readonly cost: number;
  readonly priority: number;
  readonly starts: number;
  readonly ends: number;
  readonly scope: readonly string[] | undefined;
  left: number;
  void: boolean;
  consumed: number;
  expired: number;
  voided: number;
  refunded: number;
}

interface NaiveHold {
  state: 'held' | 'captured' | 'released' | 'expired';
  readonly meter: string;
  readonly key: string;
  readonly taken: number;
  ends: number;
  amount: number;
  used: number;
  captured: number;
  reversed: number;
  /** Number of the grant of each unit set aside; -1 on credit. */
  aside: number[];
  /** Of each unit charged and not taken back, in the order of giving. */
  given: number[];
}

const CREDIT = -1;
const HOUR = 3_600_000;

export class NaiveWallet {
  readonly #grants: NaiveGrant[] = [];
  readonly #holds: NaiveHold[] = [];
  readonly #limits: { window: StoryLimit['window']; meter?: string; key?: string; amount: number; hard: boolean }[];
  readonly #credit: number;
  #owed = 0;

  constructor(
    story: Pick<WalletStory, 'limits' | 'creditLimit'>,
    private now: number,
  ) {
    this.#limits = story.limits.map((limit) => ({ ...limit }));
    this.#credit = story.creditLimit;
  }

  tell({ after, step }: TimedStep): string {
    this.now += after;
    switch (step.kind) {
      case 'grant':
        this.#grants.push({
          paid: step.of === 'paid',
          size: step.amount,
          cost: step.cost,
          priority: step.priority,
          starts: this.now + step.startsIn,
          ends: step.endsIn === undefined ? Infinity : this.now + step.endsIn,
          scope: step.scope,
          left: step.amount,
          void: false,
          consumed: 0,
          expired: 0,
          voided: 0,
          refunded: 0,
        });
        return 'issued';
      case 'take': {
        const hold: NaiveHold = {
          state: 'held',
          meter: step.meter,
          key: step.key,
          taken: this.now,
          ends: this.now + step.ttlSeconds * 1000,
          amount: 0,
          used: 0,
          captured: 0,
          reversed: 0,
          aside: [],
          given: [],
        };
        const refused = this.#cover(hold, step.amount);
        if (refused === undefined) this.#holds.push(hold);
        return refused ?? 'held';
      }
      case 'limit': {
        const limit = this.#limits[step.limit];
        if (limit) Object.assign(limit, { amount: step.amount, hard: step.hard });
        return 'set';
      }
      case 'sweep':
        for (const hold of [...this.#holds].sort((a, b) => a.ends - b.ends))
          if (hold.state === 'held' && this.now >= hold.ends) this.#over(hold);
        for (const [n, grant] of this.#grants.entries()) {
          const free = grant.left - this.#aside(n);
          if (!grant.void && this.now < grant.ends) continue;
          grant.left -= free;
          if (grant.void) grant.voided += free;
          else grant.expired += free;
        }
        return 'swept';
      case 'void':
      case 'refund': {
        const n = step.grant % Math.max(1, this.#grants.length);
        const grant = this.#grants[n];
        if (!grant) return 'none';
        return step.kind === 'void' ? this.#void(grant, n) : this.#refund(grant, n, step.amount);
      }
      case 'again':
      case 'capture':
      case 'extend':
      case 'release':
      case 'reverse': {
        const hold = this.#holds[step.hold % Math.max(1, this.#holds.length)];
        if (!hold) return 'none';
        if (step.kind === 'again' && !step.same) return 'conflict';
        if (step.kind === 'reverse') return this.#reverse(hold, step.total);
        if (hold.state === 'held' && this.now >= hold.ends) this.#over(hold);
        if (step.kind === 'again') return `exists ${hold.state}`;
        if (hold.state !== 'held') return hold.state === 'captured' ? 'was captured' : 'had ended';
        if (step.kind === 'capture') return this.#charge(hold, step.amount);
        if (step.kind === 'release') {
          if (hold.used > 0) return this.#charge(hold, hold.used);
          hold.state = 'released';
          hold.aside = [];
          return 'released';
        }
        const before = hold.amount;
        const refused = step.amount > before ? this.#cover(hold, step.amount - before) : undefined;
        hold.used = Math.max(hold.used, Math.min(step.used, hold.amount));
        if (refused === undefined && step.ttlSeconds !== undefined)
          hold.ends = Math.max(hold.ends, this.now + step.ttlSeconds * 1000);
        return refused ?? 'extended';
      }
    }
  }

  seen(): WalletSeen {
    const open = this.#holds.filter(({ state }) => state === 'held');
    const left = this.#grants.reduce((sum, grant) => sum + grant.left, 0);
    return {
      posted: String(left - this.#owed),
      held: String(open.reduce((sum, hold) => sum + hold.amount, 0)),
      available: METERS.map((meter) => String(this.#available(meter))),
      grants: this.#grants.map((grant, n) =>
        [grant.left, this.#aside(n), grant.consumed, grant.expired, grant.voided, grant.refunded].map(String),
      ),
      holds: this.#holds.map((hold) => [
        hold.state,
        ...[hold.amount, hold.used, hold.captured, hold.reversed].map(String),
      ]),
      limits: this.#limits.map((limit) => this.#usedOf(limit, this.now).map(String)),
    };
  }

  #aside(grant: number): number {
    return this.#holds.reduce(
      (sum, { state, aside }) => sum + (state === 'held' ? aside.filter((each) => each === grant).length : 0),
      0,
    );
  }

  #good(grant: NaiveGrant, meter: string, at: number): boolean {
    return !grant.void && grant.starts <= at && at < grant.ends && (!grant.scope || grant.scope.includes(meter));
  }

  #creditFree(): number {
    return Math.max(0, this.#credit - this.#owed - this.#aside(CREDIT));
  }

  #available(meter: string): number {
    return this.#grants.reduce(
      (sum, grant, n) => sum + (this.#good(grant, meter, this.now) ? grant.left - this.#aside(n) : 0),
      this.#creditFree(),
    );
  }

  /** The grant that the next unit comes from, among candidates. */
  #next(candidates: readonly number[]): number | undefined {
    let best: number | undefined;
    for (const n of candidates) {
      const one = this.#grants[n];
      const other = best === undefined ? undefined : this.#grants[best];
      if (!one) continue;
      if (
        !other ||
        one.priority < other.priority ||
        (one.priority === other.priority && one.ends < other.ends) ||
        // Earlier ones are met first, and age is the last thing that counts.
        (one.priority === other.priority && one.ends === other.ends && !one.paid && other.paid)
      )
        best = n;
    }
    return best;
  }

  /** Sets so much more aside for a hold, or says why not. */
  #cover(hold: NaiveHold, more: number): string | undefined {
    for (const limit of this.#limits) {
      if (
        !limit.hard ||
        (limit.key !== undefined && limit.key !== hold.key) ||
        (limit.meter !== undefined && limit.meter !== hold.meter)
      )
        continue;
      const [spent = 0, held = 0] = this.#usedOf(limit, hold.taken);
      if (spent + held + more > limit.amount) return 'limit';
    }
    if (more > this.#available(hold.meter)) return `insufficient ${this.#available(hold.meter)}`;
    const free = this.#grants.map((grant, n) =>
      this.#good(grant, hold.meter, this.now) ? grant.left - this.#aside(n) : 0,
    );
    for (let unit = 0; unit < more; unit += 1) {
      const from = this.#next(free.flatMap((units, n) => (units > 0 ? [n] : []))) ?? CREDIT;
      hold.aside.push(from);
      if (from !== CREDIT) free[from] = (free[from] ?? 0) - 1;
    }
    hold.amount += more;
    return undefined;
  }

  #charge(hold: NaiveHold, asked: number): string {
    const own = hold.aside;
    hold.aside = [];
    hold.state = 'captured';
    hold.captured = Math.min(asked, hold.amount);
    const has = this.#grants.map((grant, n) =>
      this.#good(grant, hold.meter, hold.taken) && this.#good(grant, hold.meter, this.now)
        ? grant.left - this.#aside(n)
        : own.filter((each) => each === n).length,
    );
    for (let unit = 0; unit < hold.captured; unit += 1) {
      const from = this.#next(has.flatMap((units, n) => (units > 0 ? [n] : []))) ?? CREDIT;
      hold.given.push(from);
      const grant = this.#grants[from];
      if (!grant) this.#owed += 1;
      else {
        grant.left -= 1;
        grant.consumed += 1;
        has[from] = (has[from] ?? 0) - 1;
      }
    }
    return 'captured';
  }

  #over(hold: NaiveHold): void {
    if (hold.used > 0) this.#charge(hold, hold.used);
    else {
      hold.state = 'expired';
      hold.aside = [];
    }
  }

  #reverse(hold: NaiveHold, total: number): string {
    if (hold.state !== 'captured') return 'not captured';
    if (total > hold.captured) return 'too much';
    for (; hold.reversed < total; hold.reversed += 1) {
      const grant = this.#grants[hold.given.pop() ?? CREDIT];
      if (!grant) this.#owed -= 1;
      else {
        grant.left += 1;
        grant.consumed -= 1;
      }
    }
    return 'reversed';
  }

  #void(grant: NaiveGrant, n: number): string {
    if (grant.void) return 'unchanged';
    if (this.now >= grant.ends || grant.left === 0) return 'ended';
    const free = grant.left - this.#aside(n);
    Object.assign(grant, { void: true, left: grant.left - free, voided: free });
    return 'voided';
  }

  #refund(grant: NaiveGrant, n: number, asked: number | undefined): string {
    const free = grant.left - this.#aside(n);
    if (!grant.paid || grant.void || this.now >= grant.ends || free === 0) return 'refused';
    const back = asked ?? free;
    if (back === 0 || back > free) return 'refused';
    grant.left -= back;
    grant.refunded += back;
    return `refunded ${Math.floor((back * grant.cost) / grant.size)}`;
  }

  /** What was spent and is held in the window of a limit that holds an instant. */
  #usedOf(limit: { window: string; meter?: string; key?: string }, at: number): [number, number] {
    let spent = 0;
    let held = 0;
    for (const hold of this.#holds) {
      if (limit.key !== undefined && limit.key !== hold.key) continue;
      if (limit.meter !== undefined && limit.meter !== hold.meter) continue;
      if (!sameWindow(limit.window, hold.taken, at)) continue;
      if (hold.state === 'held') held += hold.amount;
      if (hold.state === 'captured') spent += hold.captured - hold.reversed;
    }
    return [spent, held];
  }
}

function sameWindow(window: string, a: number, b: number): boolean {
  switch (window) {
    case 'hour':
      return Math.floor(a / HOUR) === Math.floor(b / HOUR);
    case 'day':
      return new Date(a).toISOString().slice(0, 10) === new Date(b).toISOString().slice(0, 10);
    case 'month':
      return new Date(a).toISOString().slice(0, 7) === new Date(b).toISOString().slice(0, 7);
    default:
      return true;
  }
}

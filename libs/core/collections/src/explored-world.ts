import { afterVerdict, type IntentSeen, isOpenAttempt, judgeIntent, meaningOf, nextStep } from './index.js';
import type { AttemptState, AttemptStanding, Step, Verdict } from './index.js';

/** A world small enough to be explored whole: one statement, a rail, two workers, replies that are lost, time that passes. */
export interface World {
  readonly intents: readonly {
    readonly attempt: number;
    readonly status: IntentSeen['status'];
    readonly code?: string;
  }[];
  readonly attempts: readonly Row[];
  /** Of the lease: each claim takes the next one. */
  readonly fence: number;
  readonly workers: readonly (Run | null)[];
}

interface Row {
  readonly state: AttemptState;
  readonly intent?: number;
  readonly confirmed: boolean;
  readonly old: boolean;
}

/** What a worker knows. Its copy of the row is as old as its last write that went through. */
interface Run {
  readonly fence: number;
  readonly number: number;
  readonly row: Row;
  readonly verdict?: Verdict['kind'];
  readonly code?: string;
  readonly notFound?: boolean;
  /** A write that is decided and not made. */
  readonly write?: Partial<Row> & { readonly next?: boolean };
  readonly marked?: boolean;
}

const MOST_ATTEMPTS = 2;
const HOUR = 3_600_000;

export const START: World = {
  intents: [],
  attempts: [{ state: 'prepared', confirmed: false, old: false }],
  fence: 0,
  workers: [null, null],
};

const replace = <T>(list: readonly T[], at: number, item: T): T[] => list.map((one, i) => (i === at ? item : one));

const standingOf = ({ row, verdict, notFound }: Run): AttemptStanding => ({
  state: row.state,
  ageMs: row.old ? 100 * HOUR : 0,
  stateAgeMs: row.old ? 100 * HOUR : 0,
  confirmAgeMs: row.confirmed ? (row.old ? 100 * HOUR : 0) : undefined,
  keySpent: false,
  verdict,
  notFound: notFound === true,
});

const seenOf = (world: World, at: number): IntentSeen => {
  const intent = world.intents[at];
  if (!intent) throw new Error('no such intent');
  const { status, code, attempt } = intent;
  const received = status === 'succeeded' ? 500n : 0n;
  return {
    id: `pi_${at}`,
    status,
    cents: 500n,
    centsReceived: received,
    currency: 'usd',
    attempt: `${attempt}`,
    code,
    charge: undefined,
  };
};

const CONFIRMABLE: readonly IntentSeen['status'][] = ['requires_confirmation', 'requires_payment_method'];
/** What the rail may make of a confirm. */
const OUTCOMES: readonly { readonly status: IntentSeen['status']; readonly code?: string }[] = [
  { status: 'succeeded' },
  { status: 'processing' },
  { status: 'requires_action' },
  { status: 'requires_payment_method', code: 'expired_card' },
];

/** Every world that may come next. `decide` is the rule under test. */
export function after(world: World, decide: (standing: AttemptStanding) => Step = nextStep): World[] {
  const next: World[] = [...ofTheRail(world)];
  if (world.attempts.some(({ old, state }) => !old && isOpenAttempt(state)))
    next.push({ ...world, attempts: world.attempts.map((row) => ({ ...row, old: true })) });
  world.workers.forEach((run, w) => {
    const become = (changed: World, to: Run | null): World => ({
      ...changed,
      workers: replace(changed.workers, w, to),
    });
    const number = world.attempts.length - 1;
    const row = world.attempts[number];
    if (run === null) {
      if (row && isOpenAttempt(row.state)) {
        const fence = world.fence + 1;
        next.push(become({ ...world, fence }, { fence, number, row }));
      }
      return;
    }
    next.push(become(world, null));
    if (run.write) next.push(write(world, run, become));
    else next.push(...act(world, run, decide(standingOf(run)), become));
  });
  return next;
}

/** What happens at the rail without us: debits end, and a holder confirms what is not cancelled. */
function* ofTheRail(world: World): Generator<World> {
  for (const [i, intent] of world.intents.entries()) {
    const become = (status: IntentSeen['status'], code?: string): World => ({
      ...world,
      intents: replace(world.intents, i, { attempt: intent.attempt, status, ...(code === undefined ? {} : { code }) }),
    });
    if (intent.status === 'processing') {
      yield become('succeeded');
      yield become('requires_payment_method', 'account_closed');
    }
    if (intent.status === 'requires_action') yield become('succeeded');
    if (intent.status === 'requires_payment_method') yield become('succeeded');
  }
}

/** One call: its effect, and the reply seen or lost. */
function act(world: World, run: Run, step: Step, become: (changed: World, to: Run | null) => World): World[] {
  const { number, row } = run;
  switch (step) {
    case 'prepare': {
      const known = world.intents.findIndex(({ attempt }) => attempt === number);
      // The key is forgotten in time, so the same call makes another one.
      const forgotten = world.attempts[number]?.old === true;
      const at = known < 0 || forgotten ? world.intents.length : known;
      const made: World =
        at < world.intents.length
          ? world
          : { ...world, intents: [...world.intents, { attempt: number, status: 'requires_confirmation' }] };
      if (made.intents.length > MOST_ATTEMPTS + 1) return [become(world, null)];
      return [become(made, { ...run, write: { state: 'created', intent: at } }), become(made, null)];
    }
    case 'find': {
      const at = world.intents.findIndex(({ attempt }) => attempt === number);
      return [become(world, at < 0 ? { ...run, notFound: true } : { ...run, write: { state: 'created', intent: at } })];
    }
    case 'abandon':
      return [become(world, { ...run, write: { state: 'abandoned', next: true } })];
    case 'confirm': {
      if (!row.confirmed) return [become(world, { ...run, write: { confirmed: true } })];
      const at = row.intent ?? -1;
      const intent = world.intents[at];
      if (!intent) throw new Error('a confirm without a stored id');
      const effects = CONFIRMABLE.includes(intent.status)
        ? OUTCOMES.map((to) => ({ ...world, intents: replace(world.intents, at, { attempt: intent.attempt, ...to }) }))
        : [world];
      return effects.flatMap((changed) => [look(changed, run, become), become(changed, null)]);
    }
    case 'read':
      return [look(world, run, become)];
    case 'cancel': {
      const at = row.intent ?? -1;
      const intent = world.intents[at];
      if (!intent) throw new Error('a cancel without a stored id');
      const code = intent.code;
      const changed: World =
        intent.status === 'succeeded' || intent.status === 'processing'
          ? world
          : {
              ...world,
              intents: replace(world.intents, at, {
                attempt: intent.attempt,
                status: 'canceled',
                ...(code ? { code } : {}),
              }),
            };
      return [look(changed, run, become), become(changed, null)];
    }
    case 'wait':
      return [become(world, null)];
  }
}

/** The fetched object decides. */
function look(world: World, run: Run, become: (changed: World, to: Run | null) => World): World {
  const seen = seenOf(world, run.row.intent ?? -1);
  const verdict = judgeIntent({ id: `${run.number}`, cents: 500n, currency: 'usd' }, seen);
  if (verdict.kind === 'alarm') throw new Error(verdict.reason);
  const to = afterVerdict(run.row.state, verdict, run.row.confirmed);
  const known: Run = { ...run, verdict: verdict.kind };
  if (to === undefined) return become(world, known);
  const dead = 'code' in verdict && meaningOf(verdict.code) === 'dead';
  return become(world, { ...known, write: { state: to, next: to === 'abandoned' || (to === 'failed' && dead) } });
}

/** Goes through only under the newest lease. */
function write(world: World, run: Run, become: (changed: World, to: Run | null) => World): World {
  if (run.fence !== world.fence || !run.write) return become(world, null);
  const { next, ...change } = run.write;
  const row: Row = { ...run.row, ...change, old: world.attempts[run.number]?.old ?? false };
  const attempts = replace(world.attempts, run.number, row);
  if (next) {
    const more = attempts.length < MOST_ATTEMPTS ? [{ state: 'prepared', confirmed: false, old: false } as const] : [];
    return become({ ...world, attempts: [...attempts, ...more] }, null);
  }
  const { write: _written, ...rest } = run;
  return become({ ...world, attempts }, isOpenAttempt(row.state) ? { ...rest, row } : null);
}

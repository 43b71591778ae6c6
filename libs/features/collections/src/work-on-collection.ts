import {
  type ActAnswer,
  attemptKey,
  type BillingRail,
  type CollectionCrashPoint,
  type IntentSeen,
  judgeIntent,
  meaningOf,
  nextStep,
  pollAfterMs,
  type PrepareAnswer,
  type ReadAnswer,
  type Step,
  troubleAfterMs,
  type Verdict,
} from '@core/collections';
import type { Database, Writer } from '@platform/database';
import type { ApplyVerdict } from './apply-verdict.js';
import type { Attempt } from './attempts/attempt.js';
import type { AttemptsStore, EvidenceToKeep } from './attempts/attempts.store.js';
import type { CollectionsStore } from './collections.store.js';
import { type Lease, Superseded } from './lease.js';
import type { StartAttempt } from './start-attempt.js';

/** More calls than any attempt needs: the rest is left to the next run. */
const MOST_STEPS = 12;

/** What this run has learned of the attempt. */
interface Learned {
  readonly verdict?: Verdict['kind'] | undefined;
  readonly notFound?: boolean;
}

type Looked =
  /** On to the next call. */
  | { readonly kind: 'go'; readonly learned: Learned }
  /** Nothing more to be had now. */
  | { readonly kind: 'rest'; readonly trouble: boolean; readonly alarm?: string };

const REST: Looked = { kind: 'rest', trouble: false };

/**
 * Brings one leased collection as far as it goes now. Each call to the rail lies between two transactions: what it sends was committed
 * before, what it answers is kept as evidence after, and what the collection becomes is decided by the fetched object alone. May end
 * anywhere: the next run goes on from what is written.
 */
export class WorkOnCollection {
  constructor(
    private readonly writer: Writer,
    private readonly database: Database,
    private readonly collections: CollectionsStore,
    private readonly attempts: AttemptsStore,
    private readonly start: StartAttempt,
    private readonly apply: ApplyVerdict,
    private readonly rail: BillingRail,
    private readonly crash: CollectionCrashPoint,
  ) {}

  /** @returns what an operator must know */
  async run(lease: Lease): Promise<readonly string[]> {
    try {
      return await this.#work(lease);
    } catch (error) {
      if (error instanceof Superseded) return [];
      await this.collections
        .release(this.writer, lease, {
          runAfterMs: troubleAfterMs(lease.trouble),
          polls: lease.polls,
          trouble: lease.trouble + 1,
        })
        .catch(() => undefined);
      throw error;
    }
  }

  async #work(leased: Lease): Promise<readonly string[]> {
    let lease = leased;
    let learned: Learned = {};
    for (let i = 0; i < MOST_STEPS; i += 1) {
      let attempt = await this.attempts.open(this.writer, lease.collection);
      if (!attempt) {
        if (i > 0 && lease.state !== 'open') break;
        // One try a run: what was abandoned has its time.
        if (i > 0 && lease.attempts > leased.attempts + 1) break;
        lease = await this.start.run(lease);
        attempt = await this.attempts.open(this.writer, lease.collection);
        if (!attempt) break;
        this.crash.reach('collections.attempt-stored');
        learned = {};
      }
      const step = stepOf(attempt, learned);
      if (step === 'wait') {
        const polls = lease.polls + 1;
        // News of this run has set the time of the next look already.
        const next = lease === leased ? { runAfterMs: pollAfterMs(polls), polls, trouble: 0 } : undefined;
        await this.collections.release(this.writer, lease, next);
        return [];
      }
      const before = lease;
      const { looked, after } = await this.#step(lease, attempt, step);
      lease = after;
      if (looked.kind === 'rest') {
        // What was moved meanwhile has its time already.
        const { runAfterMs, trouble } = { runAfterMs: troubleAfterMs(before.trouble), trouble: before.trouble + 1 };
        await this.collections.release(
          this.writer,
          lease,
          looked.trouble ? { runAfterMs, polls: lease.polls, trouble } : undefined,
        );
        return looked.alarm === undefined ? [] : [looked.alarm];
      }
      learned = { ...learned, ...looked.learned };
    }
    await this.collections.release(this.writer, lease);
    return [];
  }

  async #step(lease: Lease, attempt: Attempt, step: Exclude<Step, 'wait'>): Promise<{ looked: Looked; after: Lease }> {
    switch (step) {
      case 'prepare':
        return this.#prepared(lease, attempt, 'prepare', await this.rail.prepare(attempt.create));
      case 'find':
        return this.#prepared(lease, attempt, 'find', await this.rail.find(attempt));
      case 'abandon':
        return { looked: REST, after: await this.apply.abandon(lease, attempt) };
      case 'confirm':
        return this.#confirm(lease, attempt);
      case 'read':
        return this.#read(lease, attempt);
      case 'cancel':
        return this.#cancel(lease, attempt);
    }
  }

  /** An answer that may bring the id of the intent. */
  async #prepared(
    lease: Lease,
    attempt: Attempt,
    step: 'prepare' | 'find',
    answer: PrepareAnswer | ReadAnswer,
  ): Promise<{ looked: Looked; after: Lease }> {
    if (step === 'prepare') this.crash.reach('collections.intent-created');
    await this.#keep(lease, attempt, step, answer);
    if (answer.kind === 'missing') return { looked: { kind: 'go', learned: { notFound: true } }, after: lease };
    if (answer.kind === 'refused') {
      // Nothing was made. A method that is gone makes way for the next one; any other refusal is of something we wrote.
      if (meaningOf(answer.code) === 'later') return this.#alarm(lease, attempt, answer.reason);
      await this.#fenced(lease, (tx) => this.attempts.spendKey(tx, attempt, answer.code));
      const known = { ...attempt, keySpent: true, failure: answer.code };
      return { looked: { kind: 'go', learned: {} }, after: await this.apply.abandon(lease, known) };
    }
    if (answer.kind !== 'fetched') return { looked: await this.#unclear(lease, attempt, answer), after: lease };
    const verdict = judgeIntent(attempt, answer.intent);
    if (verdict.kind === 'alarm') return this.#alarm(lease, attempt, verdict.reason);
    const after = await this.#fenced(lease, (tx) => this.attempts.storeIntent(tx, attempt, answer.intent.id));
    this.crash.reach('collections.intent-stored');
    return { looked: { kind: 'go', learned: {} }, after };
  }

  /** That a confirm may have been sent is written before it is. */
  async #confirm(lease: Lease, attempt: Attempt): Promise<{ looked: Looked; after: Lease }> {
    await this.#fenced(lease, (tx) => this.attempts.markConfirmed(tx, attempt));
    this.crash.reach('collections.before-confirm');
    const answer = await this.rail.confirm(attempt.intent ?? '', attempt.confirm);
    this.crash.reach('collections.confirmed');
    return this.#acted(lease, { ...attempt, confirmAgeMs: attempt.confirmAgeMs ?? 0 }, 'confirm', answer);
  }

  async #cancel(lease: Lease, attempt: Attempt): Promise<{ looked: Looked; after: Lease }> {
    // Repeating it is harmless whatever the key, and a key may keep an error.
    const key = `${attemptKey(lease.statement, attempt.number, 'cancel')}-${lease.fence}`;
    const answer = await this.rail.cancel(attempt.intent ?? '', key);
    this.crash.reach('collections.canceled');
    return this.#acted(lease, attempt, 'cancel', answer);
  }

  /** Whatever was answered, the object is fetched. */
  async #acted(
    lease: Lease,
    attempt: Attempt,
    step: 'confirm' | 'cancel',
    answer: ActAnswer,
  ): Promise<{ looked: Looked; after: Lease }> {
    await this.#keep(lease, attempt, step, answer);
    if (answer.kind === 'mismatch') return this.#alarm(lease, attempt, answer.reason);
    if (answer.kind === 'in_flight' || answer.kind === 'busy')
      return { looked: troubled(lease, answer.reason), after: lease };
    const spent = answer.kind === 'refused' || (answer.kind === 'unknown' && answer.spent);
    if (spent && step === 'confirm') {
      const code = answer.kind === 'refused' ? answer.code : undefined;
      await this.#fenced(lease, (tx) => this.attempts.spendKey(tx, attempt, code));
    }
    const read = await this.#read(lease, attempt);
    // Asked without effect: again, but not at once.
    const idle = read.looked.kind === 'go' && answer.kind === 'unknown' && !spent && read.after === lease;
    return idle ? { looked: troubled(lease, answer.reason), after: lease } : read;
  }

  async #read(lease: Lease, attempt: Attempt): Promise<{ looked: Looked; after: Lease }> {
    const answer = await this.rail.read(attempt.intent ?? '');
    await this.#keep(lease, attempt, 'read', answer);
    this.crash.reach('collections.intent-read');
    if (answer.kind === 'missing') {
      const alarm = `PaymentIntent ${attempt.intent ?? ''} of ${attempt.id} is not at Stripe: is the key of another account?`;
      return { looked: { kind: 'rest', trouble: true, alarm }, after: lease };
    }
    if (answer.kind !== 'fetched') return { looked: troubled(lease, answer.reason), after: lease };
    return this.#judged(lease, attempt, answer.intent);
  }

  async #judged(lease: Lease, attempt: Attempt, seen: IntentSeen): Promise<{ looked: Looked; after: Lease }> {
    const verdict = judgeIntent(attempt, seen);
    if (verdict.kind === 'alarm') return this.#alarm(lease, attempt, verdict.reason);
    const after = await this.apply.run(lease, attempt, verdict, seen.charge);
    if (after) this.crash.reach('collections.outcome-stored');
    return { looked: { kind: 'go', learned: { verdict: verdict.kind } }, after: after ?? lease };
  }

  async #unclear(
    lease: Lease,
    attempt: Attempt,
    answer: Extract<PrepareAnswer | ReadAnswer, { reason: string }>,
  ): Promise<Looked> {
    if (answer.kind === 'mismatch') return (await this.#alarm(lease, attempt, answer.reason)).looked;
    if (answer.kind === 'unknown' && answer.spent && attempt.state === 'prepared')
      await this.#fenced(lease, (tx) => this.attempts.spendKey(tx, attempt, undefined));
    return troubled(lease, answer.reason);
  }

  /** Nothing is changed by what cannot be ours, except that nothing goes on. */
  async #alarm(lease: Lease, attempt: Attempt, reason: string): Promise<{ looked: Looked; after: Lease }> {
    const after = await this.apply.halt(lease, attempt, reason);
    return {
      looked: { kind: 'rest', trouble: false, alarm: `collection ${lease.collection} is halted: ${reason}` },
      after,
    };
  }

  async #fenced(
    lease: Lease,
    write: (tx: Parameters<Parameters<Database['forProvider']>[1]>[0]) => Promise<void>,
  ): Promise<Lease> {
    await this.database.forProvider(lease.provider, async (tx) => {
      await this.collections.hold(tx, lease);
      await write(tx);
    });
    return lease;
  }

  async #keep(
    lease: Lease,
    attempt: Attempt,
    step: EvidenceToKeep['step'],
    answer: PrepareAnswer | ReadAnswer | ActAnswer,
  ): Promise<void> {
    await this.attempts.keep(this.writer, lease.provider, attempt.id, {
      step,
      answer: answer.kind,
      ...('reason' in answer ? { note: answer.reason } : 'note' in answer ? { note: answer.note } : {}),
      ...('object' in answer ? { object: answer.object } : {}),
    });
  }
}

/** So often in a row, somebody should know. */
const ALARM_AFTER = 6;

const troubled = ({ collection, trouble }: Lease, reason: string): Looked => ({
  kind: 'rest',
  trouble: true,
  ...(trouble === ALARM_AFTER ? { alarm: `Stripe gives no clear answer about ${collection}: ${reason}` } : {}),
});

const stepOf = (attempt: Attempt, { verdict, notFound = false }: Learned): Step =>
  nextStep({ ...attempt, verdict, notFound });

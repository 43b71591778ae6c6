import { type Instant, addMs } from '@core/time';
import {
  availableFor,
  captureHold,
  counterOf,
  EMPTY_WALLET,
  expireHold,
  extendHold,
  type Grant,
  heldOf,
  type Hold,
  lapse,
  lessParts,
  type Limit,
  type Part,
  postedOf,
  refundGrant,
  releaseHold,
  remainingOf,
  reverseCharge,
  takeHold,
  voidGrant,
  type Wallet,
  windowStart,
} from '@core/wallet';
import { METERS, type StoryLimit, type TimedStep, type WalletSeen, type WalletStory } from './wallet-story.js';

interface KeptHold {
  hold: Hold;
  captured: bigint;
  reversed: bigint;
  credit: bigint;
  given: readonly Part[];
  back: readonly Part[];
}

const subjectOf = ({ key, meter }: StoryLimit): Limit['subject'] => {
  if (key !== undefined) return { kind: 'key', key };
  return meter === undefined ? { kind: 'account' } : { kind: 'meter', meter };
};

/** The story told to the rules of core, with nothing around them. */
export class PureWallet {
  #wallet: Wallet;
  readonly #holds: KeptHold[] = [];

  constructor(
    story: Pick<WalletStory, 'limits' | 'creditLimit'>,
    private now: Instant,
  ) {
    this.#wallet = {
      ...EMPTY_WALLET,
      creditLimit: BigInt(story.creditLimit),
      limits: story.limits.map((limit, n) => ({
        id: `lim_${n}`,
        subject: subjectOf(limit),
        window: limit.window,
        amount: BigInt(limit.amount),
        hard: limit.hard,
        alertPercents: [],
      })),
    };
  }

  tell({ after, step }: TimedStep): string {
    this.now = addMs(this.now, after);
    const { now } = this;
    switch (step.kind) {
      case 'grant': {
        const grant: Grant = {
          id: `grt_${String(this.#wallet.grants.length).padStart(4, '0')}`,
          kind: step.of,
          priority: step.priority,
          effectiveAt: addMs(now, step.startsIn),
          expiresAt: step.endsIn === undefined ? undefined : addMs(now, step.endsIn),
          scope: step.scope,
          createdAt: now,
          amount: BigInt(step.amount),
          cost: BigInt(step.cost),
          granted: BigInt(step.amount),
          consumed: 0n,
          expired: 0n,
          voided: 0n,
          refunded: 0n,
          held: 0n,
          isVoid: false,
        };
        this.#wallet = { ...this.#wallet, grants: [...this.#wallet.grants, grant] };
        return 'issued';
      }
      case 'take': {
        const { meter, key, ttlSeconds } = step;
        const taken = takeHold(this.#wallet, { amount: BigInt(step.amount), meter, key, budgets: [], ttlSeconds }, now);
        if (taken.outcome === 'insufficient') return `insufficient ${taken.available}`;
        if (taken.outcome === 'limit') return 'limit';
        this.#wallet = taken.wallet;
        this.#holds.push({ hold: taken.hold, captured: 0n, reversed: 0n, credit: 0n, given: [], back: [] });
        return 'held';
      }
      case 'limit':
        this.#wallet = {
          ...this.#wallet,
          limits: this.#wallet.limits.map((limit, n) =>
            n === step.limit ? { ...limit, amount: BigInt(step.amount), hard: step.hard } : limit,
          ),
        };
        return 'set';
      case 'sweep':
        for (const kept of [...this.#holds].sort((a, b) => a.hold.expiresAt - b.hold.expiresAt)) this.#endOverdue(kept);
        this.#wallet = { ...this.#wallet, grants: this.#wallet.grants.map((grant) => lapse(grant, now).grant) };
        return 'swept';
      case 'void':
      case 'refund': {
        const grant = this.#wallet.grants[step.grant % Math.max(1, this.#wallet.grants.length)];
        if (!grant) return 'none';
        const asked = step.kind === 'refund' && step.amount !== undefined ? BigInt(step.amount) : undefined;
        const ended = step.kind === 'void' ? voidGrant(grant, now) : refundGrant(grant, asked, now);
        if (!('grant' in ended)) return ended.outcome;
        this.#setGrant(ended.grant);
        return ended.outcome === 'refunded' ? `refunded ${ended.cash}` : ended.outcome;
      }
      case 'again':
      case 'capture':
      case 'extend':
      case 'release':
      case 'reverse': {
        const kept = this.#holds[step.hold % Math.max(1, this.#holds.length)];
        if (!kept) return 'none';
        if (step.kind === 'again' && !step.same) return 'conflict';
        if (step.kind === 'reverse') return this.#reverse(kept, BigInt(step.total));
        this.#endOverdue(kept);
        const { hold } = kept;
        if (step.kind === 'again') return `exists ${hold.state}`;
        if (hold.state !== 'held') return hold.state === 'captured' ? 'was captured' : 'had ended';
        if (step.kind === 'capture') return this.#charge(kept, BigInt(step.amount));
        if (step.kind === 'release') {
          if (hold.used > 0n) return this.#charge(kept, hold.used);
          const released = releaseHold(this.#wallet, hold);
          this.#wallet = released.wallet;
          kept.hold = released.hold;
          return 'released';
        }
        const { ttlSeconds } = step;
        const extension = { used: BigInt(step.used), amount: BigInt(step.amount), ttlSeconds };
        const extended = extendHold(this.#wallet, hold, extension, now);
        this.#wallet = extended.wallet;
        kept.hold = extended.hold;
        return extended.outcome === 'insufficient' ? `insufficient ${extended.available}` : extended.outcome;
      }
    }
  }

  seen(): WalletSeen {
    const { grants, limits, counters } = this.#wallet;
    return {
      posted: postedOf(this.#wallet).toString(),
      held: heldOf(this.#wallet).toString(),
      available: METERS.map((meter) => availableFor(this.#wallet, meter, this.now).toString()),
      grants: grants.map((grant) =>
        [remainingOf(grant), grant.held, grant.consumed, grant.expired, grant.voided, grant.refunded].map(String),
      ),
      holds: this.#holds.map(({ hold, captured, reversed }) => [
        hold.state,
        ...[hold.amount, hold.used, captured, reversed].map(String),
      ]),
      limits: limits.map((limit) => {
        const { spent, held } = counterOf(counters, limit.id, windowStart(limit.window, this.now));
        return [spent, held].map(String);
      }),
    };
  }

  #setGrant(changed: Grant): void {
    const grants = this.#wallet.grants.map((grant) => (grant.id === changed.id ? changed : grant));
    this.#wallet = { ...this.#wallet, grants };
  }

  #charge(kept: KeptHold, asked: bigint): string {
    const captured = captureHold(this.#wallet, kept.hold, asked, this.now);
    this.#wallet = captured.wallet;
    Object.assign(kept, {
      hold: captured.hold,
      captured: captured.charged,
      credit: captured.credit,
      given: captured.consumed,
    });
    return 'captured';
  }

  #endOverdue(kept: KeptHold): void {
    const { hold } = kept;
    if (hold.state !== 'held' || this.now < hold.expiresAt) return;
    const ended = expireHold(this.#wallet, hold, this.now);
    this.#wallet = ended.wallet;
    kept.hold = ended.hold;
    if (ended.outcome === 'captured')
      Object.assign(kept, { captured: ended.charged, credit: ended.credit, given: ended.consumed });
  }

  #reverse(kept: KeptHold, total: bigint): string {
    if (kept.hold.state !== 'captured') return 'not captured';
    if (total > kept.captured) return 'too much';
    if (total <= kept.reversed) return 'reversed';
    const charge = {
      charged: kept.captured,
      lineage: lessParts(kept.given, kept.back),
      credit: kept.credit,
      counted: kept.hold.counted,
    };
    const reversed = reverseCharge(this.#wallet, charge, total - kept.reversed);
    this.#wallet = reversed.wallet;
    kept.back = [...kept.back, ...reversed.restored];
    kept.credit -= reversed.credit;
    kept.reversed = total;
    return 'reversed';
  }
}

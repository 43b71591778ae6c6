import { Fault } from '@core/faults';
import type { Instant } from '@core/time';
import { drain, lessParts } from './burn.js';
import type { Hold, Refusal } from './holds.js';
import { type CountedIn, count, limitVerdict, windowStart } from './limits.js';
import { changeGrants, type Wallet } from './wallet.js';

/** The call that a hold, taken before the call was known, is for. */
export interface Assignment {
  /** What the call may cost at most. */
  readonly amount: bigint;
  /** Name of the meter it is sold by. */
  readonly meter: string;
  /** Agent key that spends. */
  readonly key: string | undefined;
}

export type Assigned =
  | { readonly outcome: 'assigned'; readonly wallet: Wallet; readonly hold: Hold }
  /** More than it set aside. */
  | { readonly outcome: 'beyond' }
  | Extract<Refusal, { outcome: 'limit' }>;

/**
 * Ties a hold to the call it turned out to be for, and gives back what that cannot cost: of credit first, then of the grants, the
 * last to be spent first. Limits of the meter count the call from here; what is set aside stays so, whatever else has changed.
 * @throws Fault invariant_broken for a hold that has ended, is tied to a meter, or has used something
 */
export function assignHold(wallet: Wallet, hold: Hold, { amount, meter, key }: Assignment, at: Instant): Assigned {
  if (hold.state !== 'held' || hold.meter !== undefined || hold.used > 0n)
    throw new Fault('invariant_broken', 'a hold is assigned that is not open and unused');
  if (amount > hold.amount) return { outcome: 'beyond' };
  const uncounted = wallet.limits.filter(
    ({ id, subject }) => subject.kind === 'meter' && !hold.counted.some((one) => one.limit === id),
  );
  const verdict = limitVerdict(uncounted, wallet.counters, { amount, meter, key }, at);
  if (!verdict.ok) return { outcome: 'limit', limit: verdict.limit, left: verdict.left };
  const added = verdict.applicable.map((limit): CountedIn => ({
    limit: limit.id,
    start: windowStart(limit.window, at),
  }));
  const spare = hold.amount - amount;
  const credit = spare < hold.credit ? spare : hold.credit;
  const { parts: back } = drain(
    [...hold.parts].reverse().map((part) => [part.grant, part.amount] as const),
    spare - credit,
  );
  const fewer = count(wallet.counters, hold.counted, { spent: 0n, held: -spare });
  return {
    outcome: 'assigned',
    wallet: {
      ...wallet,
      grants: changeGrants(wallet.grants, back, (grant, part) => ({ ...grant, held: grant.held - part })),
      creditHeld: wallet.creditHeld - credit,
      counters: count(fewer, added, { spent: 0n, held: amount }),
    },
    hold: {
      ...hold,
      amount,
      meter,
      parts: lessParts(hold.parts, back),
      credit: hold.credit - credit,
      counted: [...hold.counted, ...added],
    },
  };
}

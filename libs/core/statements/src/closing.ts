import { Fault } from '@core/faults';
import { type BillingPeriod, formatInstant, type Instant, type Period, zonedPeriodOf } from '@core/time';
import type { AssetId } from '@core/money';

/** What the ledger says of an account's period, in atomic units of its asset. */
export interface DrawnUp {
  /** Of all receivables: what was owed at the start; negative: the account was owed it. */
  readonly opening: bigint;
  readonly charges: bigint;
  readonly payments: bigint;
  readonly adjustments: bigint;
  readonly closing: bigint;
  /** Owed and on no statement yet; negative when the account is owed it. */
  readonly accrued: bigint;
  /** How many movements there were. */
  readonly moved: bigint;
}

/**
 * What closing a period comes to: a statement that asks for `due`, or none where nothing moved and nothing is owed either way. What is
 * negative stays where it is and lowers what the next statement asks for.
 * @throws Fault invariant_broken when the movements do not lead from the opening to the closing
 */
export function closePeriodOf(
  drawn: DrawnUp,
): { readonly issue: false } | { readonly issue: true; readonly due: bigint } {
  if (drawn.opening + drawn.charges - drawn.payments + drawn.adjustments !== drawn.closing)
    throw new Fault('invariant_broken', `a statement closes at ${drawn.closing} and does not add up`, {
      reason: 'statement_disagrees',
    });
  if (drawn.moved === 0n && drawn.closing === 0n && drawn.accrued === 0n) return { issue: false };
  return { issue: true, due: drawn.accrued > 0n ? drawn.accrued : 0n };
}

/** The period after one that ended, by the calendar of the terms. It begins where that one ended, whatever cut it. */
export function periodAfter(ended: Period, size: BillingPeriod, zone: string): Period {
  return { start: ended.end, end: zonedPeriodOf(ended.end, size, zone).end };
}

/** When a statement has to be paid: at issue, or at the end of the day of a zone that lies so many days after the day of issue. */
export function dueAtOf(issuedAt: Instant, dueDays: number, zone: string): Instant {
  if (dueDays === 0) return issuedAt;
  let { end } = zonedPeriodOf(issuedAt, 'day', zone);
  for (let day = 0; day < dueDays; day += 1) ({ end } = zonedPeriodOf(end, 'day', zone));
  return end;
}

/** What a statement's hash is taken over: whose it is, its period, its opening, and every movement in the order it was recorded. */
export function statementContent(
  of: { readonly account: string; readonly asset: AssetId; readonly period: Period; readonly opening: bigint },
  movements: readonly { readonly postingKey: string; readonly atomic: bigint }[],
): string {
  const { account, asset, period, opening } = of;
  return [
    `${account} ${asset} ${formatInstant(period.start)} ${formatInstant(period.end)} ${opening}`,
    ...movements.map(({ postingKey, atomic }) => `${postingKey} ${atomic}`),
  ].join('\n');
}

/** Places between two durable steps of closing, where a fault test ends the process. */
export type ClosePlace =
  'close.rated' | 'close.locked' | 'close.issued' | 'close.posted' | 'close.before-commit' | 'close.committed';

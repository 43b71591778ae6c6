import { Fault } from '@core/faults';
import type { AssetId, Decimal } from '@core/money';
import type { Instant, Period } from '@core/time';

/** The meter and price a line is about. */
export interface LineSubject {
  /** Absent for what was sold without a meter of ours. */
  readonly meter?: { readonly id: string; readonly name: string };
  /** Unit of the quantity. */
  readonly unit?: string;
  /** Rate: of a price per unit; '' for any other model. */
  readonly price?: { readonly id: string; readonly rate: string; readonly model?: string };
}

/** What one step of pricing added to a charge or took off it. */
interface ChargePart {
  /** usage, discount, maximum, minimum, overage or true_up. */
  readonly kind: string;
  /** Before rounding, in whole units of the asset. */
  readonly exact: Decimal;
}

/** What is owed for usage, or on a plan without any: what a charge changed by in the period. */
export interface MeteredLine extends LineSubject {
  readonly kind: 'metered';
  /** `chg_…` */
  readonly charge: string;
  /** `chg_…`, of a closed period, which this one corrects. */
  readonly corrects?: string;
  /** What a charge without a meter is for: an item of a plan. */
  readonly name?: string;
  /** How the charge as it stands comes about; absent when it is the price of usage alone. */
  readonly parts?: readonly ChargePart[];
  /** The span of usage the charge is for; it may lie before the period, when usage arrived late or was corrected. */
  readonly service: Period;
  readonly quantity: Decimal;
  /** Atomic units; negative when usage was corrected downwards. */
  readonly atomic: bigint;
}

/** Calls sold and paid for one by one. */
export interface PaidLine extends LineSubject {
  readonly kind: 'paid';
  readonly calls: number;
  readonly quantity: Decimal;
  readonly atomic: bigint;
}

export type ChargeLine = MeteredLine | PaidLine;

/** How a payment came: a transfer of its own, vouchers of a channel, value that was paid or given before, or by card or bank. */
export type PaymentRail = 'usdc' | 'channel' | 'prepaid' | 'stripe';

/** A payment, or the return of one that is proven not to have happened; what a channel or a grant paid in the period is one line. */
export interface PaymentLine {
  /** `pay_…`, `chn_…` or `grt_…`; what was collected for a statement: what collected it. */
  readonly payment: string;
  readonly rail: PaymentRail;
  /** How many requests it paid for. */
  readonly calls: number;
  readonly returned: boolean;
  /** Atomic units; negative when returned. */
  readonly atomic: bigint;
  readonly at: Instant;
  /** State now, not at the period's end. */
  readonly state: string;
  readonly resource: string;
  readonly network: string;
  readonly payer: string;
  readonly payTo: string;
  /** Hash of the on-chain transfer, once there is one. */
  readonly transaction?: string;
  readonly logIndex?: number;
  readonly block?: { readonly number: bigint; readonly hash: string };
  readonly settledAt?: Instant;
}

/** Any other change of what the account owes: positive owes more. */
export interface AdjustmentLine {
  readonly postingKey: string;
  readonly reason: string;
  readonly reference: string;
  readonly atomic: bigint;
  readonly at: Instant;
}

export interface StatementLines {
  readonly asset: AssetId;
  /** What the account owed at the start; negative when it was owed. Atomic units. */
  readonly opening: bigint;
  readonly charges: readonly ChargeLine[];
  readonly payments: readonly PaymentLine[];
  readonly adjustments: readonly AdjustmentLine[];
}

export interface StatementTotals {
  readonly opening: bigint;
  readonly charges: bigint;
  readonly payments: bigint;
  readonly adjustments: bigint;
  /** opening + charges − payments + adjustments. */
  readonly closing: bigint;
}

/** An account's period in one asset. */
export interface StatementSection extends StatementLines {
  readonly totals: StatementTotals;
}

const sum = (lines: readonly { readonly atomic: bigint }[]): bigint =>
  lines.reduce((total, { atomic }) => total + atomic, 0n);

/**
 * Totals the lines of a period. Lines are rounded already, so a total is a sum and is not rounded again.
 * @param ledger what the account owes at the end of the period according to the ledger
 * @throws Fault invariant_broken when the lines do not lead from the opening to the ledger's balance
 */
export function buildStatement(lines: StatementLines, ledger: bigint): StatementSection {
  const [charges, payments, adjustments] = [sum(lines.charges), sum(lines.payments), sum(lines.adjustments)];
  const closing = lines.opening + charges - payments + adjustments;
  if (closing !== ledger) {
    throw new Fault(
      'invariant_broken',
      `the statement closes at ${closing} of ${lines.asset} and the ledger at ${ledger}: ${lines.opening} + ${charges} - ${payments} + ${adjustments}`,
      { reason: 'statement_disagrees' },
    );
  }
  const repeated = firstRepeated(lines.charges.flatMap((line) => (line.kind === 'metered' ? [line.charge] : [])));
  if (repeated !== undefined)
    throw new Fault('invariant_broken', `charge ${repeated} is on the statement twice`, {
      reason: 'statement_disagrees',
    });
  return { ...lines, totals: { opening: lines.opening, charges, payments, adjustments, closing } };
}

function firstRepeated(ids: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return ids.find((id) => seen.size === seen.add(id).size);
}

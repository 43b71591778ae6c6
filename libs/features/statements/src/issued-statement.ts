import type { AssetId } from '@core/money';
import type { StatementStanding } from '@core/statements';
import type { Instant, Period } from '@core/time';

/** An issued statement. Amounts are atomic units of its asset. */
export interface IssuedStatement extends StatementStanding {
  /** `stm_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly asset: AssetId;
  /** As printed on it, e.g. `S-000123`. */
  readonly number: string;
  readonly period: Period;
  /** Of the IANA database: its calendar cut the period. */
  readonly zone: string;
  readonly opening: bigint;
  readonly charges: bigint;
  readonly payments: bigint;
  readonly adjustments: bigint;
  readonly closing: bigint;
  /** due - paid - credited - writtenOff. */
  readonly open: bigint;
  /** SHA-256 of what it says, hex. */
  readonly contentHash: string;
  readonly issuedAt: Instant;
  readonly dueAt: Instant;
  /** Grows with every change of its state or sums. */
  readonly version: number;
}

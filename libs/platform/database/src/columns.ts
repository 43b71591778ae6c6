import { type Decimal, parseDecimal } from '@core/money';
import { type Instant, instant } from '@core/time';
import { Fault } from '@core/faults';

/** A NUMERIC(78,0) or BIGINT column, as text or as Prisma's decimal, as an integer. */
export const big = (column: string | bigint | { toFixed(places?: number): string }): bigint =>
  BigInt(typeof column === 'object' ? column.toFixed(0) : column);

/** A NUMERIC column, as text or as Prisma's decimal, as an exact decimal. */
export function exact(column: string | { toFixed(): string }): Decimal {
  const text = typeof column === 'string' ? column : column.toFixed();
  const value = parseDecimal(text);
  if (!value) throw new Fault('invariant_broken', 'a NUMERIC column holds no plain decimal');
  return value;
}

/** A TIMESTAMPTZ column as an instant. */
export const at = (column: Date): Instant => instant(column.getTime());

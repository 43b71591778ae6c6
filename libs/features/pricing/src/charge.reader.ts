import { type AssetId, type Decimal, assetId } from '@core/money';
import type { Period } from '@core/time';
import { at, big, exact, type Tx } from '@platform/database';

/** What an account owes for a meter over a window at one price version. */
export interface Charge {
  /** `chg_…` */
  readonly id: string;
  readonly account: string;
  readonly meter: string;
  readonly price: string;
  readonly window: Period;
  readonly quantity: Decimal;
  readonly asset: AssetId;
  readonly atomic: bigint;
  readonly revision: number;
}

/** Charges as they stand now. */
export class ChargeReader {
  /** Those of an account whose windows meet a range, by window and meter. */
  async of(tx: Tx, account: string, range: Period): Promise<Charge[]> {
    const rows = await tx.charge.findMany({
      where: { accountId: account, windowStart: { lt: new Date(range.end) }, windowEnd: { gt: new Date(range.start) } },
      orderBy: [{ windowStart: 'asc' }, { meterId: 'asc' }, { priceId: 'asc' }],
    });
    return rows.map((row) => ({
      id: row.id,
      account: row.accountId,
      meter: row.meterId,
      price: row.priceId,
      window: { start: at(row.windowStart), end: at(row.windowEnd) },
      quantity: exact(row.quantity),
      asset: assetId(row.asset),
      atomic: big(row.amount),
      revision: row.revision,
    }));
  }
}

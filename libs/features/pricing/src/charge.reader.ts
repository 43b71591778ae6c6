import type { Period } from '@core/time';
import type { Tx } from '@platform/database';
import { chargeOf, type StoredCharge } from './charge.store.js';

/** What an account owes for a span of service at one price version. */
export type Charge = StoredCharge;

/** Charges as they stand now. */
export class ChargeReader {
  /** Those of an account whose windows meet a range, by window and meter. */
  async of(tx: Tx, account: string, range: Period): Promise<Charge[]> {
    const rows = await tx.charge.findMany({
      where: { accountId: account, windowStart: { lt: new Date(range.end) }, windowEnd: { gt: new Date(range.start) } },
      orderBy: [{ windowStart: 'asc' }, { serviceStart: 'asc' }, { meterId: 'asc' }, { priceId: 'asc' }],
    });
    return rows.map(chargeOf);
  }

  /** Charges by id. */
  async named(tx: Tx, ids: readonly string[]): Promise<Map<string, Charge>> {
    const rows = await tx.charge.findMany({ where: { id: { in: [...ids] } } });
    return new Map(rows.map((row) => [row.id, chargeOf(row)]));
  }
}

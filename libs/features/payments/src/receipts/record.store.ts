import { ID_PREFIXES, type IdPrefix } from '@core/ids';
import type { UsageRecord } from '@core/records';
import type { Writer } from '@platform/database';

/** What is stored of a payment beside what its public document says. */
export interface RecordedPayment {
  readonly provider: string;
  readonly way: string;
  /** Lower-case hex. */
  readonly digest: string;
  readonly payTo: string | undefined;
  readonly unit: string | undefined;
  readonly price: Omit<NonNullable<UsageRecord['price']>, 'version'> | undefined;
  readonly reservedAt: string;
  readonly servedAt: string | undefined;
  /** Names of its entries, in the order they were posted. */
  readonly entries: readonly string[];
}

interface Row {
  provider_id: string;
  way: string;
  digest: string;
  pay_to: string | null;
  unit: string | null;
  model: string | null;
  definition: Record<string, unknown> | null;
  modifiers: Record<string, unknown> | null;
  asset: string | null;
  asset_decimals: number | null;
  reserved_at: Date;
  served_at: Date | null;
  entries: string[];
}

/** The row of a payment of each way, by what its id begins with. */
const SOURCES: Partial<Record<IdPrefix, string>> = {
  [ID_PREFIXES.payment]: `SELECT id, provider_id, CASE WHEN facilitator IS NULL THEN 'exact' ELSE 'upto' END AS way, encode(binding, 'hex') AS digest, pay_to, meter_id, price_id, reserved_at, served_at
    FROM payments`,
  [ID_PREFIXES.voucher]: `SELECT v.id, v.provider_id, 'batch-settlement' AS way, encode(v.binding, 'hex') AS digest, c.receiver AS pay_to, v.meter_id, v.price_id,
    v.reserved_at, v.served_at FROM vouchers v JOIN channels c ON c.id = v.channel`,
  [ID_PREFIXES.hold]: `SELECT h.id, h.provider_id, CASE WHEN h.key LIKE 'credit:%' THEN 'credit' ELSE 'prepaid' END AS way,
      coalesce(encode(a.binding, 'hex'), h.fingerprint) AS digest, NULL AS pay_to, h.meter_id, h.price_id, h.taken_at AS reserved_at,
      CASE WHEN h.state = 'captured' THEN h.ended_at END AS served_at
    FROM holds h LEFT JOIN credit_attestations a ON a.hold_id = h.id`,
};

/** The first leg of everything that is posted about one payment. */
const FIRST_LEGS = ['capture:#:charge', 'settle:#:receipt', 'fail:#:return', 'recover:#:receipt'];

/** Reads what usage records are made of. */
export class RecordStore {
  constructor(private readonly writer: Writer) {}

  /** Undefined for a payment that is not there. */
  async find(id: string): Promise<RecordedPayment | undefined> {
    const source = Object.entries(SOURCES).find(([prefix]) => id.startsWith(`${prefix}_`))?.[1];
    if (source === undefined) return undefined;
    const [row] = await this.writer.query<Row>(
      `SELECT p.provider_id, p.way, p.digest, p.pay_to, m.unit, c.model, c.definition, c.modifiers, c.asset, c.asset_decimals, p.reserved_at, p.served_at,
        ARRAY(SELECT t.entry FROM transfers t WHERE t.provider_id = p.provider_id AND t.posting_key = ANY ($2::text[]) ORDER BY t.id) AS entries
      FROM (${source}) p LEFT JOIN meters m ON m.id = p.meter_id LEFT JOIN prices c ON c.id = p.price_id
      WHERE p.id = $1`,
      [id, FIRST_LEGS.map((key) => key.replace('#', id))],
    );
    return row && recordedOf(row);
  }
}

function recordedOf(row: Row): RecordedPayment {
  const { model, definition, modifiers, asset, asset_decimals: assetDecimals } = row;
  const priced = model !== null && definition !== null && asset !== null && assetDecimals !== null;
  return {
    provider: row.provider_id,
    way: row.way,
    // A hold is bound to its request by the digest of that alone, which is kept in base64url.
    digest: /^[0-9a-f]{64}$/.test(row.digest)
      ? row.digest
      : Buffer.from(row.digest.split('.', 1)[0] ?? '', 'base64url').toString('hex'),
    payTo: row.pay_to ?? undefined,
    unit: row.unit ?? undefined,
    price: priced ? { model, definition, modifiers: modifiers ?? {}, asset, assetDecimals } : undefined,
    reservedAt: row.reserved_at.toISOString(),
    servedAt: row.served_at?.toISOString(),
    entries: row.entries,
  };
}

import { parseAtomic, parseDecimal } from '@core/money';
import { z } from 'zod';

/** Media type of a signed usage record, without `application/`. */
export const RECORD_TYPE = 'farebox-usage-record+jws';

const atomic = z.string().refine((text) => parseAtomic(text) !== undefined, 'expected atomic units');
const decimal = z.string().refine((text) => parseDecimal(text) !== undefined, 'expected a plain decimal');
const instantText = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'expected an RFC 3339 time in UTC');

/** The price a charge was computed at: one immutable version. */
const pricedBySchema = z.strictObject({
  /** `prc_…` */
  version: z.string(),
  /** `per_unit`, `graduated`, … and what the model needs. */
  model: z.string(),
  definition: z.record(z.string(), z.unknown()),
  /** Minimum, discounts, rounding …: {} for none. */
  modifiers: z.record(z.string(), z.unknown()),
  /** Asset id the price is set in, and the places of its atomic unit. */
  asset: z.string(),
  assetDecimals: z.int().min(0).max(36),
});

/**
 * What one payment bought and what became of it, as the signed document says it. Amounts are atomic units and quantities
 * plain decimals, both as strings. It is made from what is stored: the same payment in the same state gives the same bytes.
 */
const usageRecordSchema = z.strictObject({
  type: z.literal('farebox.usage-record'),
  version: z.literal(1),
  /** `pay_…`, `hld_…`, `vch_…` */
  payment: z.string(),
  provider: z.string(),
  account: z.string(),
  payer: z.string(),
  /** exact: a signed transfer · prepaid: a hold on a balance · batch-settlement: a voucher of a channel · … */
  way: z.string(),
  quote: z.strictObject({
    /**
     * Lower-case hex digest that binds the payment to provider, method, URL, body, meter, quantity and terms. Who sent the
     * request can compute it again.
     */
    digest: z.string().regex(/^[0-9a-f]{64}$/),
    /** CAIP-2 network, token or asset id, and payee of the offer; most that could be charged. */
    network: z.string(),
    asset: z.string(),
    payTo: z.string().optional(),
    ceiling: atomic,
  }),
  usage: z
    .strictObject({ meter: z.string(), quantity: decimal, unit: z.string() })
    .optional()
    .meta({ description: 'Absent where the payment was only settled here and priced elsewhere.' }),
  price: pricedBySchema.optional(),
  /** Absent until the request was served. */
  charged: atomic.optional(),
  settlement: z.strictObject({
    status: z.enum(['reserved', 'served', 'submitted', 'confirmed', 'final', 'voided', 'failed']),
    /** Hash of the transfer. */
    transaction: z.string().optional(),
  }),
  ledger: z.strictObject({
    /** Names of the entries about it in the provider's ledger, in the order they were posted. */
    entries: z.array(z.string()),
  }),
  reservedAt: instantText,
  servedAt: instantText.optional(),
});
export type UsageRecord = z.output<typeof usageRecordSchema>;

type RecordReading =
  { readonly ok: true; readonly record: UsageRecord } | { readonly ok: false; readonly message: string };

/** Reads a usage record's document. */
export function readUsageRecord(document: unknown): RecordReading {
  const parsed = usageRecordSchema.safeParse(document);
  if (parsed.success) return { ok: true, record: parsed.data };
  const [issue] = parsed.error.issues;
  return {
    ok: false,
    message: `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'is no usage record'}`,
  };
}

import { Fault } from '@core/faults';
import { type AssetId, type Decimal, assetId, formatDecimal, parseDecimal } from '@core/money';
import type { LinePart } from '@core/pricing';
import { type Instant, type Period, formatInstant } from '@core/time';
import { at, big, exact, type Tx } from '@platform/database';

/** A charge as it is kept. */
export interface StoredCharge {
  /** `chg_…` */
  readonly id: string;
  readonly account: string;
  /** `mtr_…`; '' for what is owed without a meter. */
  readonly meter: string;
  readonly price: string;
  /** The span of usage it is for. */
  readonly service: Period;
  /** When it is charged: the service, or the open month when the service lies in a closed one. */
  readonly window: Period;
  /** `chg_…`, in a closed period, that this one corrects. */
  readonly corrects?: string;
  readonly quantity: Decimal;
  readonly asset: AssetId;
  readonly atomic: bigint;
  /** Before the one rounding, whole units of the asset. */
  readonly exact: Decimal;
  readonly lines: readonly LinePart[];
  readonly revision: number;
}

/** What of a charge is set anew each time. */
export type ChargeTotals = Pick<StoredCharge, 'service' | 'window' | 'quantity' | 'atomic' | 'exact' | 'lines'>;

interface AccountTotal {
  readonly account: string;
  readonly asset: AssetId;
  readonly decimals: number;
  readonly atomic: bigint;
}

interface ChargeColumns {
  id: string;
  accountId: string;
  meterId: string | null;
  priceId: string;
  windowStart: Date;
  windowEnd: Date;
  serviceStart: Date;
  serviceEnd: Date;
  corrects: string | null;
  quantity: { toFixed(): string };
  asset: string;
  amount: { toFixed(places?: number): string };
  exact: { toFixed(): string };
  lines: unknown;
  revision: number;
}

export const chargeOf = (row: ChargeColumns): StoredCharge => ({
  id: row.id,
  account: row.accountId,
  meter: row.meterId ?? '',
  price: row.priceId,
  service: { start: at(row.serviceStart), end: at(row.serviceEnd) },
  window: { start: at(row.windowStart), end: at(row.windowEnd) },
  ...(row.corrects === null ? {} : { corrects: row.corrects }),
  quantity: exact(row.quantity),
  asset: assetId(row.asset),
  atomic: big(row.amount),
  exact: exact(row.exact),
  lines: readLines(row.lines),
  revision: row.revision,
});

const KINDS = ['usage', 'discount', 'maximum', 'minimum', 'overage', 'true_up'] as const;

/** @throws Fault invariant_broken when the stored lines are none */
export function readLines(json: unknown): LinePart[] {
  if (!Array.isArray(json)) throw new Fault('invariant_broken', 'the lines of a charge are no list');
  return json.map((line: unknown) => {
    const fields: Partial<Record<string, unknown>> = typeof line === 'object' && line !== null ? { ...line } : {};
    const kind = KINDS.find((one) => one === fields.kind);
    const value = decimalOf(fields.exact);
    if (!kind || !value) throw new Fault('invariant_broken', 'a line of a charge cannot be read');
    const quantity = decimalOf(fields.quantity);
    return { kind, exact: value, ...(quantity ? { quantity } : {}) };
  });
}

const decimalOf = (text: unknown): Decimal | undefined => (typeof text === 'string' ? parseDecimal(text) : undefined);

const writeLines = (lines: readonly LinePart[]): string =>
  JSON.stringify(
    lines.map(({ kind, exact: value, quantity }) => ({
      kind,
      exact: formatDecimal(value),
      ...(quantity ? { quantity: formatDecimal(quantity) } : {}),
    })),
  );

export class ChargeStore {
  /** Charges of an account for a meter ('' for none) whose service begins at or after an instant. */
  async from(tx: Tx, { account, meter }: { account: string; meter: string }, from: Instant): Promise<StoredCharge[]> {
    const rows = await tx.charge.findMany({
      where: { accountId: account, meterId: meter === '' ? null : meter, serviceStart: { gte: new Date(from) } },
      orderBy: [{ windowStart: 'asc' }, { serviceStart: 'asc' }],
    });
    return rows.map(chargeOf);
  }

  /** Every charge of an account at some prices. */
  async atPrices(tx: Tx, account: string, prices: readonly string[]): Promise<StoredCharge[]> {
    if (prices.length === 0) return [];
    const rows = await tx.charge.findMany({ where: { accountId: account, priceId: { in: [...prices] } } });
    return rows.map(chargeOf);
  }

  /** What the metered items of plan versions came to for services that begin in a span, in atomic units, by plan version. */
  async spentOnPlans(tx: Tx, account: string, service: Period): Promise<Map<string, bigint>> {
    const rows = await tx.$queryRaw<{ plan: string; spent: string }[]>`
      SELECT p.plan_version_id AS plan, sum(c.amount)::text AS spent
      FROM charges c JOIN prices p ON p.id = c.price_id
      WHERE c.account_id = ${account} AND p.plan_version_id IS NOT NULL AND p.meter_id IS NOT NULL
        AND c.service_start >= ${formatInstant(service.start)}::timestamptz AND c.service_start < ${formatInstant(service.end)}::timestamptz
      GROUP BY 1`;
    return new Map(rows.map(({ plan, spent }) => [plan, big(spent)]));
  }

  /** What accounts' charges come to, in atomic units, by account and asset. */
  async totals(tx: Tx, accounts: readonly string[]): Promise<AccountTotal[]> {
    const rows = await tx.$queryRaw<{ account: string; asset: string; decimals: number; sum: string }[]>`
      SELECT c.account_id AS account, c.asset, max(p.asset_decimals) AS decimals, sum(c.amount)::text AS sum
      FROM charges c JOIN prices p ON p.id = c.price_id
      WHERE c.account_id = ANY (${[...accounts]}::text[]) GROUP BY 1, 2 ORDER BY 1, 2`;
    return rows.map(({ account, asset, decimals, sum }) => ({
      account,
      asset: assetId(asset),
      decimals,
      atomic: big(sum),
    }));
  }

  /** Sets a charge: the first time a row, later its totals. The revision it changed by is kept with it. */
  async set(
    tx: Tx,
    provider: string,
    charge: StoredCharge,
    change: { readonly quantity: Decimal; readonly atomic: bigint },
  ): Promise<void> {
    const instants = [charge.window.start, charge.window.end, charge.service.start, charge.service.end];
    const [start, end, from, to] = instants.map(formatInstant);
    const meter = charge.meter === '' ? null : charge.meter;
    await tx.$executeRaw`
      INSERT INTO charges (id, provider_id, account_id, meter_id, price_id, window_start, window_end, service_start, service_end, corrects,
        quantity, asset, amount, exact, lines, revision)
      VALUES (${charge.id}, ${provider}, ${charge.account}, ${meter}, ${charge.price}, ${start}::timestamptz, ${end}::timestamptz,
        ${from}::timestamptz, ${to}::timestamptz, ${charge.corrects ?? null}, ${formatDecimal(charge.quantity)}::numeric, ${charge.asset},
        ${charge.atomic.toString()}::numeric, ${formatDecimal(charge.exact)}::numeric, ${writeLines(charge.lines)}::jsonb, ${charge.revision})
      ON CONFLICT (account_id, price_id, service_start, window_start) DO UPDATE SET window_end = excluded.window_end,
        service_end = excluded.service_end, quantity = excluded.quantity, amount = excluded.amount, exact = excluded.exact,
        lines = excluded.lines, revision = excluded.revision, rated_at = now()`;
    await tx.$executeRaw`
      INSERT INTO charge_revisions (charge_id, revision, provider_id, account_id, quantity_change, amount_change)
      VALUES (${charge.id}, ${charge.revision}, ${provider}, ${charge.account}, ${formatDecimal(change.quantity)}::numeric,
        ${change.atomic.toString()}::numeric)`;
  }
}

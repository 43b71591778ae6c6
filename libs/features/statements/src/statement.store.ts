import type { PaymentRail } from '@core/statements';
import { type AssetId, type Decimal, assetId } from '@core/money';
import { type Instant, type Period, formatInstant } from '@core/time';
import { ID_PREFIXES } from '@core/ids';
import { at, big, exact, Prisma, type Tx } from '@platform/database';

/** A transfer that moved what the account owes: positive owes more. */
export interface Movement {
  readonly asset: AssetId;
  readonly postingKey: string;
  readonly reason: string;
  readonly reference: string;
  readonly atomic: bigint;
  readonly at: Instant;
  /** Code of the ledger account on the other side. */
  readonly counter: string;
  /** In the order they were recorded. */
  readonly order: bigint;
}

/** What setting a charge changed. */
interface ChargeChange {
  readonly charge: string;
  readonly quantity: Decimal;
  readonly atomic: bigint;
}

/** All that happened to an account's receivables, seen at one moment. */
export interface PeriodSnapshot {
  readonly opening: ReadonlyMap<AssetId, bigint>;
  /** The ledger's balance at the end of the period. */
  readonly closing: ReadonlyMap<AssetId, bigint>;
  readonly movements: readonly Movement[];
  readonly changes: readonly ChargeChange[];
}

export interface PaymentDetail {
  readonly id: string;
  readonly rail: PaymentRail;
  /** The channel whose voucher it is. */
  readonly channel?: string;
  readonly state: string;
  readonly network: string;
  readonly resource: string;
  readonly payer: string;
  readonly payTo: string;
  readonly meterId: string | undefined;
  readonly priceId: string | undefined;
  readonly quantity: Decimal | undefined;
  readonly transaction: string | undefined;
  readonly logIndex: number | undefined;
  readonly block: { readonly number: bigint; readonly hash: string } | undefined;
  readonly settledAt: Instant | undefined;
}

interface SnapshotRow {
  kind: 'opening' | 'closing' | 'movement' | 'change';
  asset: string;
  key: string;
  reason: string;
  reference: string;
  amount: string;
  quantity: string;
  at: Date;
  counter: string;
  ord: bigint;
}

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

/** What has no transfer of its own on a chain. */
const UNSETTLED = { transaction: undefined, logIndex: undefined, block: undefined, settledAt: undefined };

/** Most ids named in one query. */
const CHUNK = 5_000;

export class StatementStore {
  /**
   * Opening, closing, and all between, of all receivables and without what moved between them, in one statement and hence from one snapshot: transfers that commit meanwhile are in
   * all of it or in none. Opening and closing are each summed from the first transfer on, independently of the lines.
   */
  async snapshot(tx: Tx, account: string, period: Period): Promise<PeriodSnapshot> {
    const [start, end] = [formatInstant(period.start), formatInstant(period.end)];
    const rows = await tx.$queryRaw<SnapshotRow[]>`
      WITH place AS (
        SELECT la.id, la.asset FROM ledger_accounts la WHERE la.account_id = ${account} AND la.code IN ('1110', '1100', '1120')
      ), movement AS (
        SELECT p.asset, t.id, t.posting_key, t.reason, t.reference, t.amount, t.effective_at, t.credit_id AS counter
        FROM place p JOIN transfers t ON t.debit_id = p.id
        WHERE t.effective_at < ${end}::timestamptz AND t.credit_id NOT IN (SELECT id FROM place)
        UNION ALL
        SELECT p.asset, t.id, t.posting_key, t.reason, t.reference, -t.amount, t.effective_at, t.debit_id
        FROM place p JOIN transfers t ON t.credit_id = p.id
        WHERE t.effective_at < ${end}::timestamptz AND t.debit_id NOT IN (SELECT id FROM place)
      )
      SELECT 'opening' AS kind, asset, '' AS key, '' AS reason, '' AS reference,
        coalesce(sum(amount) FILTER (WHERE effective_at < ${start}::timestamptz), 0)::text AS amount, '0' AS quantity, ${start}::timestamptz AS at,
        0::bigint AS ord, '' AS counter
      FROM movement GROUP BY asset
      UNION ALL
      SELECT 'closing', asset, '', '', '', sum(amount)::text, '0', ${end}::timestamptz, 0, '' FROM movement GROUP BY asset
      UNION ALL
      SELECT 'movement', m.asset, m.posting_key, m.reason, m.reference, m.amount::text, '0', m.effective_at, m.id, other.code
      FROM movement m JOIN ledger_accounts other ON other.id = m.counter WHERE m.effective_at >= ${start}::timestamptz
      UNION ALL
      SELECT 'change', '', charge_id, '', '', sum(amount_change)::text, sum(quantity_change)::text, max(rated_at), 0, ''
      FROM charge_revisions
      WHERE account_id = ${account} AND rated_at >= ${start}::timestamptz AND rated_at < ${end}::timestamptz
      GROUP BY charge_id
      ORDER BY at, ord, key`;
    const sums = (kind: SnapshotRow['kind']) =>
      new Map(rows.filter((row) => row.kind === kind).map((row) => [assetId(row.asset), big(row.amount)]));
    return {
      opening: sums('opening'),
      closing: sums('closing'),
      movements: rows
        .filter(({ kind }) => kind === 'movement')
        .map((row) => ({
          asset: assetId(row.asset),
          postingKey: row.key,
          reason: row.reason,
          reference: row.reference,
          atomic: big(row.amount),
          at: at(row.at),
          counter: row.counter,
          order: row.ord,
        })),
      changes: rows
        .filter(({ kind }) => kind === 'change')
        .map((row) => ({ charge: row.key, quantity: exact(row.quantity), atomic: big(row.amount) })),
    };
  }

  /** Of any way to pay, by their ids. */
  async payments(tx: Tx, ids: readonly string[]): Promise<Map<string, PaymentDetail>> {
    const of = (prefix: string): string[] => ids.filter((id) => id.startsWith(`${prefix}_`));
    const found = await Promise.all([
      this.#transfers(tx, of(ID_PREFIXES.payment)),
      this.#holds(tx, of(ID_PREFIXES.hold)),
      this.#vouchers(tx, of(ID_PREFIXES.voucher)),
    ]);
    return new Map(found.flatMap((details) => [...details]));
  }

  async #holds(tx: Tx, ids: readonly string[]): Promise<Map<string, PaymentDetail>> {
    const rows = await inChunks(ids, (some) => tx.hold.findMany({ where: { id: { in: some } } }));
    return new Map(
      rows.map((row) => [
        row.id,
        {
          ...UNSETTLED,
          id: row.id,
          rail: 'prepaid',
          state: 'settled',
          network: 'farebox:prepaid',
          resource: row.resource,
          payer: row.payer,
          payTo: '',
          meterId: row.meterId ?? undefined,
          priceId: row.priceId ?? undefined,
          quantity: exact(row.capturedQuantity ?? row.quantity),
        },
      ]),
    );
  }

  async #vouchers(tx: Tx, ids: readonly string[]): Promise<Map<string, PaymentDetail>> {
    const rows = await inChunks(ids, (some) => tx.voucher.findMany({ where: { id: { in: some } } }));
    const named = [...new Set(rows.map(({ channel }) => channel))];
    const channels = await inChunks(named, (some) => tx.channel.findMany({ where: { id: { in: some } } }));
    const byId = new Map(channels.map((channel) => [channel.id, channel]));
    return new Map(
      rows.map((row) => {
        const channel = byId.get(row.channel);
        const claimed = channel?.claimedFinal.gte(channel.charged) ?? false;
        return [
          row.id,
          {
            ...UNSETTLED,
            id: row.id,
            rail: 'channel',
            channel: row.channel,
            state: claimed ? 'settled' : 'served',
            network: channel?.network ?? '',
            resource: row.resource,
            payer: channel?.payer ?? '',
            payTo: channel?.receiver ?? '',
            meterId: row.meterId ?? undefined,
            priceId: row.priceId ?? undefined,
            quantity: row.quantity === null ? undefined : exact(row.quantity),
          },
        ];
      }),
    );
  }

  async #transfers(tx: Tx, ids: readonly string[]): Promise<Map<string, PaymentDetail>> {
    const rows = await inChunks(ids, (some) => tx.payment.findMany({ where: { id: { in: some } } }));
    return new Map(
      rows.map((row) => [
        row.id,
        {
          id: row.id,
          rail: 'usdc',
          state: row.state,
          network: row.network,
          resource: row.resource,
          payer: row.payer,
          payTo: row.payTo,
          meterId: row.meterId ?? undefined,
          priceId: row.priceId ?? undefined,
          quantity: row.quantity === null ? undefined : exact(row.quantity),
          transaction: row.transaction === null ? undefined : hex(row.transaction),
          logIndex: row.logIndex ?? undefined,
          block:
            row.blockNumber === null || row.blockHash === null
              ? undefined
              : { number: row.blockNumber, hash: hex(row.blockHash) },
          settledAt: row.settledAt === null ? undefined : at(row.settledAt),
        },
      ]),
    );
  }

  /** The account by id, or by the provider's own name for it. */
  async account(tx: Tx, idOrName: string): Promise<{ id: string; name: string | undefined } | undefined> {
    const row = await tx.account.findFirst({
      where: { OR: [{ id: idOrName }, { name: idOrName }] },
      select: { id: true, name: true },
    });
    return row ? { id: row.id, name: row.name ?? undefined } : undefined;
  }

  async providerName(tx: Tx): Promise<string | undefined> {
    const rows = await tx.$queryRaw<{ name: string }[]>(
      Prisma.sql`SELECT name FROM providers WHERE id = current_provider()`,
    );
    return rows[0]?.name;
  }
}

export async function inChunks<Row>(ids: readonly string[], load: (some: string[]) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let i = 0; i < ids.length; i += CHUNK) rows.push(...(await load(ids.slice(i, i + CHUNK))));
  return rows;
}

import { assetId } from '@core/money';
import { type Instant, instant } from '@core/time';
import type { GrantKind, Recurrence } from '@core/wallet';
import { rowsOf, type Tx, type WriterTx } from '@platform/database';
import type { StoredGrant } from './stored-grant.js';

interface RecurrenceJson {
  every: Recurrence['every'];
  until?: number;
  rollover?: { min: string; max: string };
  keepsOverage: boolean;
}

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  asset: string;
  kind: GrantKind;
  priority: number;
  amount: string;
  cost: string;
  granted: string;
  consumed: string;
  expired: string;
  voided: string;
  refunded: string;
  held: string;
  effective_at: string;
  expires_at: string | null;
  scope: string[];
  funding: string | null;
  reason: string | null;
  recurrence: RecurrenceJson | null;
  renews_at: string | null;
  key: string | null;
  is_void: boolean;
  created_at: string;
}

const ms = (column: string): string => `(extract(epoch FROM g.${column}) * 1000)::bigint::text AS ${column}`;

const COLUMNS = `g.id, g.provider_id, g.account_id, g.asset, g.kind, g.priority, g.amount::text, g.cost::text, g.granted::text, g.consumed::text,
  g.expired::text, g.voided::text, g.refunded::text, g.held::text, ${ms('effective_at')}, ${ms('expires_at')}, g.scope, g.funding, g.reason,
  g.recurrence, ${ms('renews_at')}, g.key, g.voided_at IS NOT NULL AS is_void, ${ms('created_at')}`;

const timeOf = (text: string | null): Instant | undefined => (text === null ? undefined : instant(Number(text)));

const grantOf = (row: Row): StoredGrant => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  asset: assetId(row.asset),
  kind: row.kind,
  priority: row.priority,
  amount: BigInt(row.amount),
  cost: BigInt(row.cost),
  granted: BigInt(row.granted),
  consumed: BigInt(row.consumed),
  expired: BigInt(row.expired),
  voided: BigInt(row.voided),
  refunded: BigInt(row.refunded),
  held: BigInt(row.held),
  effectiveAt: instant(Number(row.effective_at)),
  expiresAt: timeOf(row.expires_at),
  scope: row.scope.length === 0 ? undefined : row.scope,
  funding: row.funding ?? undefined,
  reason: row.reason ?? undefined,
  recurrence: row.recurrence === null ? undefined : recurrenceOf(row.recurrence),
  renewsAt: timeOf(row.renews_at),
  key: row.key ?? undefined,
  isVoid: row.is_void,
  createdAt: instant(Number(row.created_at)),
});

const recurrenceOf = ({ every, until, rollover, keepsOverage }: RecurrenceJson): Recurrence => ({
  every,
  keepsOverage,
  ...(until === undefined ? {} : { until: instant(until) }),
  ...(rollover ? { rollover: { min: BigInt(rollover.min), max: BigInt(rollover.max) } } : {}),
});

const recurrenceJson = ({ every, until, rollover, keepsOverage }: Recurrence): RecurrenceJson => ({
  every,
  keepsOverage,
  ...(until === undefined ? {} : { until }),
  ...(rollover ? { rollover: { min: rollover.min.toString(), max: rollover.max.toString() } } : {}),
});

const TIME = (place: number): string => `timestamptz 'epoch' + $${place}::bigint * interval '1 millisecond'`;

export class GrantStore {
  async find(tx: Tx | WriterTx, id: string): Promise<StoredGrant | undefined> {
    const [row] = await rowsOf<Row>(tx, `SELECT ${COLUMNS} FROM grants g WHERE g.id = $1`, [id]);
    return row && grantOf(row);
  }

  async ofKey(tx: Tx | WriterTx, account: string, key: string): Promise<StoredGrant | undefined> {
    const [row] = await rowsOf<Row>(tx, `SELECT ${COLUMNS} FROM grants g WHERE g.account_id = $1 AND g.key = $2`, [
      account,
      key,
    ]);
    return row && grantOf(row);
  }

  /** Of an account, newest first; those before `before` where it is given. */
  async ofAccount(tx: Tx, account: string, limit: number, before?: string): Promise<StoredGrant[]> {
    const rows = await rowsOf<Row>(
      tx,
      `SELECT ${COLUMNS} FROM grants g WHERE g.account_id = $1 AND ($3::text IS NULL OR g.id < $3) ORDER BY g.id DESC LIMIT $2`,
      [account, limit, before ?? null],
    );
    return rows.map(grantOf);
  }

  /** Those of an account that have something left. */
  async left(tx: Tx, account: string): Promise<StoredGrant[]> {
    return (
      await rowsOf<Row>(tx, `SELECT ${COLUMNS} FROM grants g WHERE g.account_id = $1 AND g.is_left`, [account])
    ).map(grantOf);
  }

  /** Whose renewal is due, of all providers. */
  async toRenew(tx: WriterTx, at: Instant, limit: number): Promise<StoredGrant[]> {
    const rows = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM grants g WHERE g.renews_at <= ${TIME(1)} ORDER BY g.renews_at, g.id LIMIT $2`,
      [at, limit],
    );
    return rows.map(grantOf);
  }

  /** What has expired or is void and has something left that is not held, of all providers. */
  async over(tx: WriterTx, at: Instant, limit: number): Promise<StoredGrant[]> {
    const rows = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM grants g WHERE g.is_left AND g.remaining > g.held AND g.expires_at <= ${TIME(1)}
       UNION ALL
       SELECT ${COLUMNS} FROM grants g WHERE g.is_left AND g.remaining > g.held AND g.voided_at IS NOT NULL
         AND (g.expires_at IS NULL OR g.expires_at > ${TIME(1)})
       LIMIT $2`,
      [at, limit],
    );
    return rows.map(grantOf);
  }

  /** Keeps a new grant; its wallet's balance rises with it. */
  async insert(tx: Tx | WriterTx, grant: StoredGrant): Promise<void> {
    await rowsOf(
      tx,
      `INSERT INTO grants (id, provider_id, account_id, asset, kind, priority, amount, cost, granted, remaining, effective_at, expires_at, scope,
         funding, reason, recurrence, renews_at, key, created_at)
       VALUES ($1, $2, $3, $4, $5, $6::integer, $7::numeric, $8::numeric, $7::numeric, $7::numeric, ${TIME(9)}, ${TIME(10)}, $11::text[], $12, $13,
         $14::jsonb, ${TIME(15)}, $16, ${TIME(17)})`,
      [
        grant.id,
        grant.provider,
        grant.account,
        grant.asset,
        grant.kind,
        grant.priority,
        grant.amount.toString(),
        grant.cost.toString(),
        grant.effectiveAt,
        grant.expiresAt ?? null,
        grant.scope ?? [],
        grant.funding ?? null,
        grant.reason ?? null,
        grant.recurrence ? JSON.stringify(recurrenceJson(grant.recurrence)) : null,
        grant.renewsAt ?? null,
        grant.key ?? null,
        grant.createdAt,
      ],
    );
    await rowsOf(tx, 'UPDATE wallets SET posted = posted + $3::numeric WHERE account_id = $1 AND asset = $2', [
      grant.account,
      grant.asset,
      grant.amount.toString(),
    ]);
  }

  async setRenewal(tx: WriterTx, id: string, renewsAt: Instant | undefined): Promise<void> {
    await tx.query(`UPDATE grants SET renews_at = ${TIME(2)} WHERE id = $1`, [id, renewsAt ?? null]);
  }
}

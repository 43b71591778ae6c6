import type { PaymentAsset, PaymentState } from '@core/payments';
import type { ExactAuthorization, Hex } from '@core/x402';
import { at, big, type Writer } from '@platform/database';
import type { Refund, RefundState } from './refund.js';

interface Row {
  id: string;
  provider_id: string;
  account_id: string;
  asset: string;
  grant_id: string;
  value: string;
  cash: string;
  state: RefundState;
  attempt: number;
  reason: string | null;
  payment_id: string | null;
  transaction: string | null;
  payer: Hex | null;
  bought_state: PaymentState | null;
  created_at: Date;
  ended_at: Date | null;
}

const COLUMNS = `r.id, r.provider_id, r.account_id, r.asset, r.grant_id, r.value::text, r.cash::text, r.state, r.attempt, r.reason, r.payment_id,
  encode(s.transaction, 'hex') AS transaction, b.payer, b.state AS bought_state, r.created_at, r.ended_at`;
const FROM = `FROM refunds r LEFT JOIN payments s ON s.id = r.payment_id
  LEFT JOIN topups t ON t.grant_id = r.grant_id LEFT JOIN payments b ON b.id = t.payment_id`;

const refundOf = (row: Row): Refund => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  asset: row.asset,
  grant: row.grant_id,
  value: big(row.value),
  cash: big(row.cash),
  state: row.state,
  attempt: row.attempt,
  reason: row.reason ?? undefined,
  payment: row.payment_id ?? undefined,
  transaction: row.transaction === null ? undefined : `0x${row.transaction}`,
  bought: row.payer === null || row.bought_state === null ? undefined : { payer: row.payer, state: row.bought_state },
  createdAt: at(row.created_at),
  endedAt: row.ended_at === null ? undefined : at(row.ended_at),
});

/** All SQL of refunds that are sent. */
export class RefundsStore {
  constructor(private readonly writer: Writer) {}

  async find(provider: string, id: string): Promise<Refund | undefined> {
    const [row] = await this.writer.query<Row>(`SELECT ${COLUMNS} ${FROM} WHERE r.provider_id = $1 AND r.id = $2`, [
      provider,
      id,
    ]);
    return row && refundOf(row);
  }

  /** Newest first; those before `before` where it is given. */
  async list(page: { provider: string; state?: RefundState | undefined; limit: number; before?: string | undefined }) {
    const rows = await this.writer.query<Row>(
      `SELECT ${COLUMNS} ${FROM} WHERE r.provider_id = $1 AND ($2::text IS NULL OR r.state = $2) AND ($3::text IS NULL OR r.id < $3)
       ORDER BY r.id DESC LIMIT $4`,
      [page.provider, page.state ?? null, page.before ?? null, page.limit],
    );
    return rows.map(refundOf);
  }

  /**
   * Hands a signed refund to the settler: payment, state and wake-up in one commit.
   * @returns false when the refund is no longer owed as it was when its transfer was made
   */
  async send(
    refund: Refund,
    sent: {
      readonly payment: string;
      readonly asset: PaymentAsset;
      readonly authorization: ExactAuthorization;
      /** Lower-case hex. */
      readonly binding: string;
      readonly resource: string;
    },
  ): Promise<boolean> {
    const { payment, asset, authorization, binding, resource } = sent;
    return this.writer.transaction(async (tx) => {
      const [row] = await tx.query(
        "SELECT 1 FROM refunds WHERE id = $1 AND state = 'owed' AND attempt = $2 AND payment_id IS NULL FOR UPDATE",
        [refund.id, refund.attempt],
      );
      if (!row) return false;
      await tx.query(
        `INSERT INTO payments (id, provider_id, account_id, origin, state, network, chain_id, asset, asset_id, payer, pay_to, nonce, amount,
           valid_after, valid_before, signature, binding, resource, release, known_payer, charged, expires_at, served_at, next_run_at)
         VALUES ($1, $2, $3, 'refund', 'served', $4, $5, $6, $7, $8, $9, decode($10, 'hex'), $11, $12, $13, decode($14, 'hex'),
           decode($15, 'hex'), $16, 'confirmed', false, $11, now(), now(), now())`,
        [
          payment,
          refund.provider,
          refund.account,
          asset.network,
          asset.domain.chainId,
          asset.domain.address,
          asset.id,
          authorization.from,
          authorization.to,
          authorization.nonce.slice(2),
          authorization.value,
          authorization.validAfter,
          authorization.validBefore,
          authorization.signature.slice(2),
          binding,
          resource,
        ],
      );
      await tx.query("UPDATE refunds SET state = 'sending', payment_id = $2, reason = NULL WHERE id = $1", [
        refund.id,
        payment,
      ]);
      await tx.query(
        "INSERT INTO outbox (queue, payload) VALUES ('submit-settlement', jsonb_build_object('chainId', $1::int))",
        [asset.domain.chainId],
      );
      await tx.query("SELECT pg_notify('farebox_outbox', '')");
      return true;
    });
  }
}

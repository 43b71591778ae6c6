import type { ClaimRow, ChannelOnChain } from '@core/settlement';
import type { ChannelConfig, Hex } from '@core/x402';
import { amount, assetId, type Amount } from '@core/money';
import { big, type Writer, type WriterTx } from '@platform/database';
import { hexOf } from '../settling-payment.js';
import type { ClaimTerms } from './claim-terms.js';

/** A channel as the settler sees it. Amounts are atomic units. */
export interface SettlingChannel {
  /** `chn_…` */
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly assetId: string;
  readonly channelId: Hex;
  readonly config: ChannelConfig;
  readonly charged: bigint;
  readonly signedMax: bigint;
  readonly signature: Hex | undefined;
  readonly claimedFinal: bigint;
  readonly lost: bigint;
  /** The refund that is under way, if there is one. */
  readonly refund:
    { readonly id: string; readonly amount: bigint; readonly nonce: bigint; readonly due: boolean } | undefined;
}

interface ChannelRow {
  id: string;
  provider_id: string;
  account_id: string;
  asset_id: string;
  channel_id: Buffer;
  payer: Hex;
  payer_authorizer: Hex;
  receiver: Hex;
  receiver_authorizer: Hex;
  token: Hex;
  withdraw_delay: number;
  salt: Buffer;
  charged: string;
  signed_max: string;
  signature: Buffer | null;
  claimed_final: string;
  lost: string;
  refund_id: string | null;
  refund_amount: string | null;
  refund_nonce_asked: string | null;
  refund_due: boolean | null;
}

const COLUMNS = `c.id, c.provider_id, c.account_id, c.asset_id, c.channel_id, c.payer, c.payer_authorizer, c.receiver, c.receiver_authorizer,
  c.token, c.withdraw_delay, c.salt, c.charged::text, c.signed_max::text, c.signature, c.claimed_final::text, c.lost::text,
  r.id AS refund_id, r.amount::text AS refund_amount, r.nonce::text AS refund_nonce_asked,
  r.batch_id IS NULL AND r.next_run_at <= now() AS refund_due`;
const TABLES = 'channels c LEFT JOIN channel_refunds r ON r.id = c.refund';

const channelOf = (row: ChannelRow): SettlingChannel => ({
  id: row.id,
  provider: row.provider_id,
  account: row.account_id,
  assetId: row.asset_id,
  channelId: hexOf(row.channel_id),
  config: {
    payer: row.payer,
    payerAuthorizer: row.payer_authorizer,
    receiver: row.receiver,
    receiverAuthorizer: row.receiver_authorizer,
    token: row.token,
    withdrawDelay: row.withdraw_delay,
    salt: hexOf(row.salt),
  },
  charged: big(row.charged),
  signedMax: big(row.signed_max),
  signature: row.signature ? hexOf(row.signature) : undefined,
  claimedFinal: big(row.claimed_final),
  lost: big(row.lost),
  refund:
    row.refund_id === null
      ? undefined
      : {
          id: row.refund_id,
          amount: big(row.refund_amount ?? '0'),
          nonce: big(row.refund_nonce_asked ?? '0'),
          due: row.refund_due === true,
        },
});

/** Channels as settlement needs them. Where several are locked it is in order of their ids. */
export class ClaimsStore {
  constructor(private readonly db: Writer) {}

  /** Channels to claim from or to pay back: the soonest withdrawal first, then the most at risk. */
  async due(chainId: number, { minValue, maxAgeMs }: ClaimTerms, most: number): Promise<SettlingChannel[]> {
    const rows = await this.db.query<ChannelRow>(
      `SELECT ${COLUMNS} FROM ${TABLES}
       WHERE c.chain_id = $1 AND c.batch_id IS NULL AND (
         (c.refund IS NOT NULL AND r.batch_id IS NULL AND r.next_run_at <= now())
         OR (c.charged > c.total_claimed AND c.balance > c.total_claimed AND c.signature IS NOT NULL AND c.refund IS NULL AND (
           c.withdraw_requested_at IS NOT NULL OR c.charged - c.total_claimed >= $2
           OR c.unclaimed_since <= now() - make_interval(secs => $3 / 1000.0))))
       ORDER BY c.refund IS NULL, c.withdraw_requested_at + c.withdraw_delay NULLS LAST, c.charged - c.total_claimed DESC, c.id LIMIT $4`,
      [chainId, minValue, maxAgeMs, most],
    );
    return rows.map(channelOf);
  }

  /** Puts the channels into a batch. Answers those that no other worker was faster with. */
  async take(tx: WriterTx, batch: string, ids: readonly string[]): Promise<Set<string>> {
    const rows = await tx.query<{ id: string }>(
      `WITH free AS (SELECT id FROM channels WHERE id = ANY ($2::text[]) AND batch_id IS NULL ORDER BY id FOR UPDATE)
       UPDATE channels c SET batch_id = $1 FROM free WHERE c.id = free.id RETURNING c.id`,
      [batch, ids],
    );
    await tx.query(
      `UPDATE channel_refunds r SET batch_id = $1, attempts = r.attempts + 1 FROM channels c
       WHERE c.id = ANY ($2::text[]) AND c.batch_id = $1 AND r.id = c.refund`,
      [batch, ids],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** A refund that did not pass is tried again later. */
  async postponeRefunds(channels: readonly string[], ms: number): Promise<void> {
    await this.db.query(
      `UPDATE channel_refunds r SET next_run_at = now() + make_interval(secs => $2 / 1000.0) FROM channels c
       WHERE c.id = ANY ($1::text[]) AND r.id = c.refund`,
      [channels, ms],
    );
  }

  /** Which of these channels we keep. */
  async known(chainId: number, channelIds: readonly Hex[]): Promise<SettlingChannel[]> {
    if (channelIds.length === 0) return [];
    const rows = await this.db.query<ChannelRow>(
      `SELECT ${COLUMNS} FROM ${TABLES}
       WHERE c.chain_id = $1 AND c.channel_id IN (SELECT decode(u.id, 'hex') FROM unnest($2::text[]) AS u (id)) ORDER BY c.id`,
      [chainId, channelIds.map((id) => id.slice(2))],
    );
    return rows.map(channelOf);
  }

  /** Channels whose mirror may be wrong: written from blocks above this height, or with a refund on its way. */
  async doubtful(chainId: number, above: bigint | undefined): Promise<Hex[]> {
    const rows = await this.db.query<{ channel_id: Buffer }>(
      'SELECT channel_id FROM channels WHERE chain_id = $1 AND (refund IS NOT NULL OR synced_block > $2)',
      [chainId, above ?? null],
    );
    return rows.map(({ channel_id }) => hexOf(channel_id));
  }

  /** Writes down what was read in one block, whatever was known before: a block that went away may have been higher. */
  async mirror(chainId: number, block: bigint, channels: readonly ChannelOnChain[]): Promise<void> {
    if (channels.length === 0) return;
    await this.db.query(
      `WITH read AS (
         SELECT c.id, i.* FROM jsonb_to_recordset($3::jsonb) AS i (channel text, balance numeric, claimed numeric, requested bigint,
           withdrawal numeric, nonce numeric)
           JOIN channels c ON c.chain_id = $1 AND c.channel_id = decode(i.channel, 'hex')
         ORDER BY c.id FOR UPDATE OF c
       )
       UPDATE channels c SET balance = read.balance, total_claimed = read.claimed, withdraw_requested_at = read.requested,
         withdraw_amount = read.withdrawal, refund_nonce = read.nonce, synced_block = $2, synced_at = now(),
         unclaimed_since = CASE WHEN c.charged > read.claimed THEN coalesce(c.unclaimed_since, now()) END
       FROM read WHERE c.id = read.id`,
      [
        chainId,
        block,
        JSON.stringify(
          channels.map(({ channelId, balance, totalClaimed, withdrawal, refundNonce }) => ({
            channel: channelId.slice(2),
            balance: balance.toString(),
            claimed: totalClaimed.toString(),
            requested: withdrawal?.requestedAt.toString() ?? null,
            withdrawal: withdrawal?.amount.toString() ?? null,
            nonce: refundNonce.toString(),
          })),
        ),
      ],
    );
  }

  /** The refund nonce has moved on: the payer has its value back, and the channel may be used again. */
  async refunded(chainId: number): Promise<number> {
    const rows = await this.db.query(
      `WITH done AS (
         UPDATE channel_refunds r SET state = 'done', done_at = now()
         FROM channels c WHERE c.refund = r.id AND c.chain_id = $1 AND r.state = 'open' AND c.refund_nonce > r.nonce
         RETURNING r.channel
       )
       UPDATE channels c SET refund = NULL FROM done WHERE c.id = done.channel RETURNING 1`,
      [chainId],
    );
    return rows.length;
  }

  /** Channels whose ledger is behind the chain, or that may no longer hold what was charged. */
  async unsettled(chainId: number, most: number): Promise<SettlingChannel[]> {
    const rows = await this.db.query<ChannelRow>(
      `SELECT ${COLUMNS} FROM ${TABLES}
       WHERE c.chain_id = $1 AND (c.total_claimed > c.claimed_final OR (c.balance < c.charged AND c.charged > c.claimed_final + c.lost))
       ORDER BY c.id LIMIT $2`,
      [chainId, most],
    );
    return rows.map(channelOf);
  }

  /** Locks a channel and answers how far its ledger is; whether a deposit of it is still on its way. */
  async standing(
    tx: WriterTx,
    id: string,
  ): Promise<{ charged: bigint; claimedFinal: bigint; lost: bigint; awaitsDeposit: boolean } | undefined> {
    const [row] = await tx.query<{ charged: string; claimed_final: string; lost: string; awaits: boolean }>(
      `SELECT c.charged::text, c.claimed_final::text, c.lost::text, EXISTS (
         SELECT FROM channel_deposits d JOIN payments p ON p.id = d.payment_id
         WHERE d.channel = c.id AND p.state IN ('served', 'settling', 'included')) AS awaits
       FROM channels c WHERE c.id = $1 FOR UPDATE`,
      [id],
    );
    return (
      row && {
        charged: big(row.charged),
        claimedFinal: big(row.claimed_final),
        lost: big(row.lost),
        awaitsDeposit: row.awaits,
      }
    );
  }

  async settled(tx: WriterTx, id: string, claimedFinal: bigint, lost: bigint): Promise<void> {
    await tx.query('UPDATE channels SET claimed_final = $2, lost = $3 WHERE id = $1', [id, claimedFinal, lost]);
  }

  /** How far the events were read, and the time by the database's clock before this look. */
  async cursor(chainId: number): Promise<{ block: { number: bigint; hash: Hex } | undefined; now: string }> {
    const [row] = await this.db.query<{ number: string | null; hash: Buffer | null; now: string }>(
      `SELECT s.block_number::text AS number, s.block_hash AS hash, now()::text AS now
       FROM (SELECT 1) one LEFT JOIN channel_cursors s ON s.chain_id = $1`,
      [chainId],
    );
    const block = row?.number && row.hash ? { number: big(row.number), hash: hexOf(row.hash) } : undefined;
    return { block, now: row?.now ?? '' };
  }

  async moveCursor(chainId: number, block: { number: bigint; hash: Hex }, at: string): Promise<void> {
    await this.db.query(
      `INSERT INTO channel_cursors (chain_id, block_number, block_hash, scanned_at) VALUES ($1, $2, decode($3, 'hex'), $4::timestamptz)
       ON CONFLICT (chain_id) DO UPDATE SET block_number = excluded.block_number, block_hash = excluded.block_hash,
         scanned_at = excluded.scanned_at WHERE channel_cursors.scanned_at <= excluded.scanned_at`,
      [chainId, block.number, block.hash.slice(2), at],
    );
  }
}

/** So much of the channel's asset. */
export const amountOf = (channel: SettlingChannel, atomic: bigint): Amount => amount(assetId(channel.assetId), atomic);

/** The row that claims up to a running total by the newest voucher; undefined while none was ever signed. */
export const rowOf = (channel: SettlingChannel, totalClaimed: bigint): ClaimRow | undefined =>
  channel.signature && {
    config: channel.config,
    voucher: { channelId: channel.channelId, maxClaimable: channel.signedMax, signature: channel.signature },
    totalClaimed,
  };

import type { ChannelOnChain } from '@core/settlement';
import type { ChannelConfig, Hex } from '@core/x402';
import type { Writer, WriterTx } from '@platform/database';
import { CHANNEL_COLUMNS, type ChannelColumns, channelOf, type ChannelRow } from './channel-row.js';

/** A channel that is met for the first time. */
export interface NewChannel {
  /** `chn_…` */
  readonly id: string;
  readonly provider: string;
  /** The account to open should the payer have none. */
  readonly newAccount: string;
  readonly chainId: number;
  readonly network: string;
  readonly assetId: string;
  readonly channelId: Hex;
  readonly config: ChannelConfig;
}

/** A deposit that is taken to the chain for its payer. */
export interface NewDeposit {
  /** `pay_…` */
  readonly payment: string;
  readonly provider: string;
  readonly amount: bigint;
  readonly collector: Hex;
  readonly nonce: Hex;
  readonly salt: Hex;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly signature: Hex;
  readonly binding: string;
  readonly resource: string;
}

/** Opening and mirroring of channels, deposits and refunds. */
export class ChannelStore {
  constructor(private readonly writer: Writer) {}

  async find(chainId: number, channelId: Hex): Promise<ChannelRow | undefined> {
    const [row] = await this.writer.query<ChannelColumns>(
      `SELECT ${CHANNEL_COLUMNS} FROM channels c WHERE c.chain_id = $1 AND c.channel_id = decode($2, 'hex')`,
      [chainId, channelId.slice(2)],
    );
    return row && channelOf(row);
  }

  /**
   * Keeps a channel from now on. What was claimed before is where its charges begin: what was sold by a record that got lost is
   * lost. The payer's wallet gets an account, as when it pays any other way, under the lock that claims take for that.
   */
  async open(channel: NewChannel, onChain: ChannelOnChain, block: bigint): Promise<void> {
    await this.writer.transaction(async (tx) => {
      await tx.query("SELECT pg_advisory_xact_lock(hashtext('farebox.claim_payments'))");
      const account = await accountOf(tx, channel);
      await tx.query(
        `INSERT INTO channels (id, provider_id, account_id, chain_id, network, asset_id, channel_id, payer, payer_authorizer, receiver,
           receiver_authorizer, token, withdraw_delay, salt, charged, signed_max, claimed_final, claimed_before, balance, total_claimed,
           withdraw_requested_at, withdraw_amount, refund_nonce, synced_block)
         VALUES ($1, $2, $3, $4, $5, $6, decode($7, 'hex'), $8, $9, $10, $11, $12, $13, decode($14, 'hex'), $15, $15, $15, $15, $16, $15, $17, $18,
           $19, $20)
         ON CONFLICT (chain_id, channel_id) DO NOTHING`,
        [
          channel.id,
          channel.provider,
          account,
          channel.chainId,
          channel.network,
          channel.assetId,
          channel.channelId.slice(2),
          channel.config.payer,
          channel.config.payerAuthorizer,
          channel.config.receiver,
          channel.config.receiverAuthorizer,
          channel.config.token,
          channel.config.withdrawDelay,
          channel.config.salt.slice(2),
          onChain.totalClaimed,
          onChain.balance,
          onChain.withdrawal?.requestedAt ?? null,
          onChain.withdrawal?.amount ?? null,
          onChain.refundNonce,
          block,
        ],
      );
    });
  }

  /** Writes down what was read in a block, unless something newer is known. */
  async mirror(id: string, onChain: ChannelOnChain, block: bigint): Promise<void> {
    await this.writer.query(
      `UPDATE channels SET balance = $2, total_claimed = $3, withdraw_requested_at = $4, withdraw_amount = $5, refund_nonce = $6,
         synced_block = $7, synced_at = now()
       WHERE id = $1 AND synced_block <= $7`,
      [
        id,
        onChain.balance,
        onChain.totalClaimed,
        onChain.withdrawal?.requestedAt ?? null,
        onChain.withdrawal?.amount ?? null,
        onChain.refundNonce,
        block,
      ],
    );
  }

  /**
   * Takes a deposit to the chain: from now on it is a payment like others, to the contract that collects deposits. One deposit at a
   * time: answers the payment that is under way already, should there be one.
   */
  async deposit(channel: ChannelRow, chainId: number, deposit: NewDeposit): Promise<string> {
    return this.writer.transaction(async (tx) => {
      await tx.query('SELECT FROM channels WHERE id = $1 FOR UPDATE', [channel.id]);
      const [open] = await tx.query<{ id: string }>(
        `SELECT p.id FROM payments p WHERE p.network = $2 AND p.asset = $3 AND p.payer = $4 AND p.nonce = decode($5, 'hex')
         UNION ALL
         SELECT p.id FROM channel_deposits d JOIN payments p ON p.id = d.payment_id WHERE d.channel = $1 AND p.state IN ('served', 'settling')
         LIMIT 1`,
        [channel.id, channel.network, channel.config.token, channel.config.payer, deposit.nonce.slice(2)],
      );
      if (open) return open.id;
      await tx.query(
        `INSERT INTO payments (id, provider_id, account_id, origin, state, network, chain_id, asset, asset_id, payer, pay_to, nonce, amount,
           valid_after, valid_before, signature, binding, resource, release, known_payer, charged, expires_at, served_at, next_run_at)
         VALUES ($1, $2, $3, 'deposit', 'served', $4, $5, $6, $7, $8, $9, decode($10, 'hex'), $11, $12, $13, decode($14, 'hex'),
           decode($15, 'hex'), $16, 'confirmed', false, $11, now(), now(), now())`,
        [
          deposit.payment,
          deposit.provider,
          channel.account,
          channel.network,
          chainId,
          channel.config.token,
          channel.assetId,
          channel.config.payer,
          deposit.collector,
          deposit.nonce.slice(2),
          deposit.amount,
          deposit.validAfter,
          deposit.validBefore,
          deposit.signature.slice(2),
          deposit.binding,
          deposit.resource,
        ],
      );
      await tx.query(
        "INSERT INTO channel_deposits (payment_id, provider_id, channel, salt) VALUES ($1, $2, $3, decode($4, 'hex'))",
        [deposit.payment, deposit.provider, channel.id, deposit.salt.slice(2)],
      );
      await wakeSettler(tx, chainId);
      return deposit.payment;
    });
  }

  /**
   * Stops selling on a channel and has the payer given back what is left. Answers the refund; undefined while calls are open, whose
   * charges are not known yet.
   */
  async refund(
    channel: ChannelRow,
    refund: { readonly id: string; readonly amount: bigint },
  ): Promise<string | undefined> {
    return this.writer.transaction(async (tx) => {
      const [row] = await tx.query<{ refund: string | null; refund_nonce: string }>(
        'SELECT refund, refund_nonce::text FROM channels WHERE id = $1 FOR UPDATE',
        [channel.id],
      );
      if (!row) return undefined;
      if (row.refund !== null) return row.refund;
      const open = await tx.query(
        "SELECT FROM vouchers WHERE channel = $1 AND state = 'reserved' AND expires_at > now() LIMIT 1",
        [channel.id],
      );
      if (open.length > 0) return undefined;
      await tx.query(
        `INSERT INTO channel_refunds (id, provider_id, channel, state, amount, nonce) VALUES ($1, $2, $3, 'open', $4, $5)`,
        [refund.id, channel.provider, channel.id, refund.amount, row.refund_nonce],
      );
      await tx.query('UPDATE channels SET refund = $2 WHERE id = $1', [channel.id, refund.id]);
      return refund.id;
    });
  }

  async findRefund(id: string): Promise<
    | {
        readonly state: 'open' | 'done' | 'failed';
        readonly amount: bigint;
        readonly transaction: Hex | undefined;
        readonly reason: string | undefined;
      }
    | undefined
  > {
    const [row] = await this.writer.query<{
      state: 'open' | 'done' | 'failed';
      amount: string;
      transaction: string | null;
      reason: string | null;
    }>(
      "SELECT state, amount::text, encode(transaction, 'hex') AS transaction, reason FROM channel_refunds WHERE id = $1",
      [id],
    );
    return (
      row && {
        state: row.state,
        amount: BigInt(row.amount),
        transaction: row.transaction === null ? undefined : `0x${row.transaction}`,
        reason: row.reason ?? undefined,
      }
    );
  }
}

async function accountOf(tx: WriterTx, { provider, newAccount, config }: NewChannel): Promise<string> {
  const [known] = await tx.query<{ account_id: string }>(
    "SELECT account_id FROM identities WHERE provider_id = $1 AND kind = 'wallet' AND subject = $2",
    [provider, config.payer],
  );
  if (known) return known.account_id;
  await tx.query('INSERT INTO accounts (id, provider_id) VALUES ($1, $2)', [newAccount, provider]);
  await tx.query("INSERT INTO identities (provider_id, kind, subject, account_id) VALUES ($1, 'wallet', $2, $3)", [
    provider,
    config.payer,
    newAccount,
  ]);
  return newAccount;
}

async function wakeSettler(tx: WriterTx, chainId: number): Promise<void> {
  await tx.query(
    "INSERT INTO outbox (queue, payload) VALUES ('submit-settlement', jsonb_build_object('chainId', $1::int))",
    [chainId],
  );
  await tx.query("SELECT pg_notify('farebox_outbox', '')");
}

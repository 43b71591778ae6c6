import type { AuthorizedTransfer } from '@core/settlement';
import type { ChannelConfig, Hex } from '@core/x402';
import { big } from '@platform/database';

/** A payment on its way to the chain. */
export interface SettlingPayment extends AuthorizedTransfer {
  readonly id: string;
  readonly provider: string;
  /** Times it was put into a batch, this one included. */
  readonly attempts: number;
  /** Unix seconds. */
  readonly reservedAt: bigint;
}

/** The columns of `payments p` that make a settling payment. */
export const SETTLING_COLUMNS = `p.id, p.provider_id, p.asset, p.payer, p.pay_to, p.amount::text, p.charged::text, p.facilitator,
  p.permit2_nonce::text, p.valid_after::text,
  p.valid_before::text, p.nonce, p.signature, p.attempts, extract(epoch FROM p.reserved_at)::bigint::text AS reserved_at,
  CASE WHEN p.origin = 'deposit' THEN (
    SELECT jsonb_build_object('payer', c.payer, 'payerAuthorizer', c.payer_authorizer, 'receiver', c.receiver,
      'receiverAuthorizer', c.receiver_authorizer, 'token', c.token, 'withdrawDelay', c.withdraw_delay,
      'configSalt', '0x' || encode(c.salt, 'hex'), 'depositSalt', '0x' || encode(d.salt, 'hex'))
    FROM channel_deposits d JOIN channels c ON c.id = d.channel WHERE d.payment_id = p.id
  ) END AS deposit`;

export interface SettlingRow {
  readonly id: string;
  readonly provider_id: string;
  readonly asset: Hex;
  readonly payer: Hex;
  readonly pay_to: Hex;
  readonly amount: string;
  readonly charged: string | null;
  readonly facilitator: Hex | null;
  readonly permit2_nonce: string | null;
  readonly valid_after: string;
  readonly valid_before: string;
  readonly nonce: Buffer;
  readonly signature: Buffer;
  readonly attempts: number;
  readonly reserved_at: string;
  readonly deposit: (Omit<ChannelConfig, 'salt'> & { readonly configSalt: Hex; readonly depositSalt: Hex }) | null;
}

export const hexOf = (bytes: Buffer): Hex => `0x${bytes.toString('hex')}`;
export const bytesOf = (text: Hex): Buffer => Buffer.from(text.slice(2), 'hex');

export const settlingPayment = (row: SettlingRow): SettlingPayment => ({
  id: row.id,
  provider: row.provider_id,
  token: row.asset,
  payer: row.payer,
  payTo: row.pay_to,
  value: big(row.facilitator === null ? row.amount : (row.charged ?? row.amount)),
  validAfter: big(row.valid_after),
  validBefore: big(row.valid_before),
  nonce: hexOf(row.nonce),
  signature: hexOf(row.signature),
  attempts: row.attempts,
  reservedAt: big(row.reserved_at),
  ...depositOf(row),
  ...ceilingOf(row),
});

function ceilingOf({ facilitator, permit2_nonce: nonce, amount }: SettlingRow): Pick<AuthorizedTransfer, 'ceiling'> {
  if (facilitator === null || nonce === null) return {};
  return { ceiling: { facilitator, nonce: big(nonce), permitted: big(amount) } };
}

function depositOf({ deposit }: SettlingRow): Pick<AuthorizedTransfer, 'deposit'> {
  if (!deposit) return {};
  const { configSalt, depositSalt, ...config } = deposit;
  return { deposit: { config: { ...config, salt: configSalt }, salt: depositSalt } };
}

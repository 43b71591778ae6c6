import type { AuthorizedTransfer } from '@core/settlement';
import { big } from '@platform/database';
import type { Hex } from '@core/x402';

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
export const SETTLING_COLUMNS = `p.id, p.provider_id, p.asset, p.payer, p.pay_to, p.amount::text, p.valid_after::text,
  p.valid_before::text, p.nonce, p.signature, p.attempts, extract(epoch FROM p.reserved_at)::bigint::text AS reserved_at`;

export interface SettlingRow {
  readonly id: string;
  readonly provider_id: string;
  readonly asset: Hex;
  readonly payer: Hex;
  readonly pay_to: Hex;
  readonly amount: string;
  readonly valid_after: string;
  readonly valid_before: string;
  readonly nonce: Buffer;
  readonly signature: Buffer;
  readonly attempts: number;
  readonly reserved_at: string;
}

export const hexOf = (bytes: Buffer): Hex => `0x${bytes.toString('hex')}`;
export const bytesOf = (text: Hex): Buffer => Buffer.from(text.slice(2), 'hex');

export const settlingPayment = (row: SettlingRow): SettlingPayment => ({
  id: row.id,
  provider: row.provider_id,
  token: row.asset,
  payer: row.payer,
  payTo: row.pay_to,
  value: big(row.amount),
  validAfter: big(row.valid_after),
  validBefore: big(row.valid_before),
  nonce: hexOf(row.nonce),
  signature: hexOf(row.signature),
  attempts: row.attempts,
  reservedAt: big(row.reserved_at),
});

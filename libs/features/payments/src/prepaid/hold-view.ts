import { ID_PREFIXES } from '@core/ids';
import { CREDIT_NETWORK, encodeSettlementResponse, type SettlementResponse, X402_HEADERS } from '@core/x402';
import type { StoredHold } from '@features/wallet';
import type { PaymentStatus, PaymentView } from '../gate/gate-decisions.js';
import { statusUrlOf } from '../gate/payment-view.js';

/** Where prepaid balances are kept, in the form of a network. */
export const PREPAID_NETWORK = 'farebox:prepaid';

/** What the keys of holds begin with that were paid on credit by the wire; those of attestations go on with `authorize:`. */
export const CREDIT_KEY = 'credit:';
export const ATTESTED_KEY = `${CREDIT_KEY}authorize:`;

/**
 * What the fingerprint of a hold says that was paid on credit by the wire: the digest of what was asked, and the most that its agent agreed
 * to be charged, atomic units.
 */
export const creditFingerprint = (digest: string, ceiling: bigint): string => `${digest}.${ceiling}`;

/** The most that may ever be charged; undefined for a hold whose agent set no such bound. */
export function ceilingOf({ key, fingerprint }: StoredHold): bigint | undefined {
  const ceiling = key.startsWith(CREDIT_KEY) ? fingerprint.split('.')[1] : undefined;
  return ceiling === undefined ? undefined : BigInt(ceiling);
}

const networkOf = ({ key }: StoredHold): string => (key.startsWith(CREDIT_KEY) ? CREDIT_NETWORK : PREPAID_NETWORK);

/** The id of the attestation that promises a hold: the hold's own, under another name. */
export const attestationIdOf = (hold: string): string => `${ID_PREFIXES.attestation}${hold.slice(hold.indexOf('_'))}`;

/** By what a payment on credit is known to who pays. */
const commitmentOf = ({ id, key }: StoredHold): string => (key.startsWith(ATTESTED_KEY) ? attestationIdOf(id) : id);

const STATUS: Readonly<Record<StoredHold['state'], PaymentStatus>> = {
  held: 'reserved',
  captured: 'final',
  released: 'voided',
  expired: 'voided',
};

/** A hold as the public document of a payment. */
export const viewOfHold = (hold: StoredHold, publicUrl: string): PaymentView => ({
  id: hold.id,
  status: STATUS[hold.state],
  account: hold.account,
  payer: hold.payer,
  network: networkOf(hold),
  asset: hold.asset,
  amount: hold.amount.toString(),
  ...(hold.captured === undefined ? {} : { charged: hold.captured.toString() }),
  ...(hold.meter === undefined ? {} : { meter: hold.meter }),
  quantity: hold.capturedQuantity ?? hold.quantity,
  ...(hold.priceId === undefined ? {} : { priceVersion: hold.priceId }),
  statusUrl: statusUrlOf(hold, publicUrl),
});

/** How a captured hold was settled: nothing moved on a chain. */
export function settlementOfHold(hold: StoredHold, publicUrl: string): SettlementResponse {
  const network = networkOf(hold);
  const amount = (hold.captured ?? 0n).toString();
  return {
    success: true,
    payer: hold.payer,
    transaction: '',
    network,
    amount,
    extensions: {
      farebox: { payment: hold.id, status: STATUS[hold.state], statusUrl: statusUrlOf(hold, publicUrl) },
    },
    ...(network === CREDIT_NETWORK ? { extra: { commitmentId: commitmentOf(hold), chargedAmount: amount } } : {}),
  };
}

/** PAYMENT-RESPONSE of a request that was paid from a balance. */
export const receiptHeaders = (hold: StoredHold, publicUrl: string): Record<string, string> => ({
  [X402_HEADERS.response]: encodeSettlementResponse(settlementOfHold(hold, publicUrl)),
  'cache-control': 'private, no-store',
});

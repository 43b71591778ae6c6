import { UPTO_CONTRACTS } from '@core/x402';
import type { AuthorizationKey, ExpectedTransfer, Receipt, TokenEvent } from './rail.js';

/**
 * What a transaction says of one authorization. paid: it was used, and the transfer that belongs to it is the one we wait for ·
 * otherwise: it was used or cancelled, and paid somebody or something else · absent: the transaction does not concern it.
 */
type Evidence =
  { readonly kind: 'paid'; readonly logIndex: number } | { readonly kind: 'otherwise' } | { readonly kind: 'absent' };

const ABSENT: Evidence = { kind: 'absent' };
const OTHERWISE: Evidence = { kind: 'otherwise' };

const keyOf = ({ token, payer, nonce }: AuthorizationKey): string => `${token}|${payer}|${nonce}`;

/**
 * Reads a receipt once and judges any number of authorizations by it. The token reports the use of an authorization and, as
 * its very next event, the transfer that the use caused. Both are required: the use alone is also what a second
 * authorization with the same nonce leaves behind, and a transfer alone is anybody's. As each transfer follows one use, one
 * transfer never proves two payments.
 */
export function evidenceIn(receipt: Receipt): (expected: ExpectedTransfer) => Evidence {
  if (!receipt.success) return () => ABSENT;
  const byLogIndex = new Map<number, TokenEvent>(receipt.events.map((event) => [event.logIndex, event]));
  const ends = new Map<string, TokenEvent>();
  for (const event of receipt.events) if (event.kind !== 'transfer') ends.set(keyOf(event), event);
  return (expected) => {
    if (expected.ceiling) return evidenceOfCeiling(receipt, expected, expected.ceiling.facilitator);
    const end = ends.get(keyOf(expected));
    if (!end) return ABSENT;
    const moved = end.kind === 'used' ? byLogIndex.get(end.logIndex + 1) : undefined;
    return moved?.kind === 'transfer' && isTransferOf(moved, expected)
      ? { kind: 'paid', logIndex: moved.logIndex }
      : OTHERWISE;
  };
}

const isTransferOf = (moved: Extract<TokenEvent, { kind: 'transfer' }>, expected: ExpectedTransfer): boolean =>
  moved.token === expected.token &&
  moved.from === expected.payer &&
  moved.to === expected.payTo &&
  moved.value === expected.value;

/**
 * Permit2 reports nothing when it uses a nonce, so a ceiling is proved by what is particular to it: the proxy moves value for the one that
 * the payer named and nobody else, one ceiling in a transaction, and uses the nonce or reverts. Whose transaction it was and
 * which transfer it made is the evidence; that it was for this payment its carrier knows.
 */
function evidenceOfCeiling(receipt: Receipt, expected: ExpectedTransfer, facilitator: string): Evidence {
  if (receipt.sender !== facilitator || receipt.target !== UPTO_CONTRACTS.proxy) return ABSENT;
  for (const event of receipt.events) {
    if (event.kind === 'transfer' && isTransferOf(event, expected)) return { kind: 'paid', logIndex: event.logIndex };
  }
  return OTHERWISE;
}

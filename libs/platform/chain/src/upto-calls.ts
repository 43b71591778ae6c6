import type { AuthorizedTransfer, CeilingKey } from '@core/settlement';
import { type Hex, UPTO_CONTRACTS, type UptoAuthorization } from '@core/x402';
import { toFunctionSelector } from 'viem';
import { wordOf, wordOfHex } from './multicall.js';

const selector = (signature: string): string => toFunctionSelector(signature).slice(2);

const SETTLE = selector(
  'function settle(((address,uint256),uint256,uint256),uint256,address,(address,address,uint256),bytes)',
);
const NONCE_BITMAP = selector('function nonceBitmap(address,uint256)');
const ALLOWANCE = selector('function allowance(address,address)');

/** Without arguments, in hexadecimal without prefix. */
export const PROXY_PERMIT2 = selector('function PERMIT2()');

const SIGNATURE_BYTES = 65;
/** Ten words of arguments come before the bytes of the signature. */
const SIGNATURE_OFFSET = wordOf(10 * 32);

interface Settlement {
  readonly token: Hex;
  readonly permitted: bigint;
  readonly nonce: bigint;
  readonly deadline: bigint;
  readonly amount: bigint;
  readonly owner: Hex;
  readonly payTo: Hex;
  readonly facilitator: Hex;
  readonly validAfter: bigint;
  /** 65 bytes. */
  readonly signature: Hex;
}

/** Who settles what, and how: the beginning of the call says it all but the amount and the signature. */
const data = (settlement: Settlement): Hex =>
  `0x${SETTLE}${wordOfHex(settlement.token)}${wordOf(settlement.permitted)}${wordOf(settlement.nonce)}${wordOf(settlement.deadline)}${wordOf(
    settlement.amount,
  )}${wordOfHex(settlement.owner)}${wordOfHex(settlement.payTo)}${wordOfHex(settlement.facilitator)}${wordOf(
    settlement.validAfter,
  )}${SIGNATURE_OFFSET}${wordOf(SIGNATURE_BYTES)}${settlement.signature.slice(2).padEnd(3 * 64, '0')}`;

/** The call that settles a ceiling for what was charged of it. */
export const settleCeilingData = (item: AuthorizedTransfer, ceiling: NonNullable<AuthorizedTransfer['ceiling']>): Hex =>
  data({
    token: item.token,
    permitted: ceiling.permitted,
    nonce: ceiling.nonce,
    deadline: item.validBefore,
    amount: item.value,
    owner: item.payer,
    payTo: item.payTo,
    facilitator: ceiling.facilitator,
    validAfter: item.validAfter,
    signature: item.signature,
  });

/** The call that would settle all of it. */
export const settleWholeData = (authorization: UptoAuthorization): Hex =>
  data({
    ...authorization,
    permitted: authorization.amount,
    owner: authorization.from,
    payTo: authorization.to,
  });

const HEAD = 2 + 8;
/** Whether a call settles by this nonce of this payer, for whatever amount. */
export const settlesNonce = (input: string, payer: Hex, nonce: bigint): boolean =>
  input.slice(2, HEAD) === SETTLE &&
  input.slice(HEAD + 2 * 64, HEAD + 3 * 64) === wordOf(nonce) &&
  input.slice(HEAD + 5 * 64, HEAD + 6 * 64) === wordOfHex(payer);

/** Reads the word of Permit2 in which a nonce has its bit. */
export const nonceWordCall = (payer: Hex, { nonce }: Pick<CeilingKey, 'nonce'>): string =>
  NONCE_BITMAP + wordOfHex(payer) + wordOf(nonce >> 8n);

export const nonceIsUsed = (word: bigint, { nonce }: Pick<CeilingKey, 'nonce'>): boolean =>
  ((word >> (nonce & 0xffn)) & 1n) === 1n;

export const allowanceCall = (owner: Hex): string => ALLOWANCE + wordOfHex(owner) + wordOfHex(UPTO_CONTRACTS.permit2);

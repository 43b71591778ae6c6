import type { AuthorizationKey, AuthorizedTransfer } from '@core/settlement';
import type { Hex } from '@core/x402';
import { toEventSelector, toFunctionSelector } from 'viem';
import { wordOf, wordOfHex } from './multicall.js';

const selector = (signature: string): string => toFunctionSelector(signature).slice(2);

const TRANSFER = selector(
  'function transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)',
);
const AUTHORIZATION_STATE = selector('function authorizationState(address,bytes32)');
const BALANCE_OF = selector('function balanceOf(address)');
const IS_BLACKLISTED = selector('function isBlacklisted(address)');

/** Calls without arguments, in hexadecimal without prefix. */
export const PAUSED = selector('function paused()');
export const DOMAIN_SEPARATOR = selector('function DOMAIN_SEPARATOR()');
export const DECIMALS = selector('function decimals()');

export const AUTHORIZATION_USED = toEventSelector('event AuthorizationUsed(address indexed,bytes32 indexed)');
export const AUTHORIZATION_CANCELED = toEventSelector('event AuthorizationCanceled(address indexed,bytes32 indexed)');
export const TRANSFERRED = toEventSelector('event Transfer(address indexed,address indexed,uint256)');

/**
 * The form with v, r and s: it costs some 5 000 gas less than the one that takes a signature as bytes. Wallets that are
 * contracts would need the latter.
 */
export const transferCall = (item: AuthorizedTransfer): string => {
  const r = item.signature.slice(2, 66);
  const s = item.signature.slice(66, 130);
  const v = item.signature.slice(130, 132).padStart(64, '0');
  return (
    TRANSFER +
    wordOfHex(item.payer) +
    wordOfHex(item.payTo) +
    wordOf(item.value) +
    wordOf(item.validAfter) +
    wordOf(item.validBefore) +
    wordOfHex(item.nonce) +
    v +
    r +
    s
  );
};

export const authorizationStateCall = ({ payer, nonce }: AuthorizationKey): string =>
  AUTHORIZATION_STATE + wordOfHex(payer) + wordOfHex(nonce);
export const balanceCall = (owner: Hex): string => BALANCE_OF + wordOfHex(owner);
export const blacklistedCall = (address: Hex): string => IS_BLACKLISTED + wordOfHex(address);

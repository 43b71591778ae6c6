/**
 * Gas limit of a transaction that settles a ceiling: 113 k to a payee that never had any USDC, with a new word of nonces. The rest is
 * room for an allowance that has to be written and a token that becomes dearer.
 */
export const CEILING_GAS = 220_000n;

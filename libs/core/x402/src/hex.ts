/** Bytes in hexadecimal with the prefix `0x`; lower case wherever the product keeps or compares them. */
export type Hex = `0x${string}`;

export const ADDRESS_FORM = /^0x[0-9a-fA-F]{40}$/;
export const BYTES32_FORM = /^0x[0-9a-fA-F]{64}$/;
export const BYTES_FORM = /^0x(?:[0-9a-fA-F]{2})*$/;

/** An address that came as anything, in lower case; undefined for what is none. */
export const lowerAddress = (value: unknown): Hex | undefined =>
  typeof value === 'string' && ADDRESS_FORM.test(value) ? lowerHex(value) : undefined;

/** The same bytes in lower case. The caller has checked the form. */
export const lowerHex = (text: string): Hex => `0x${text.slice(2).toLowerCase()}`;

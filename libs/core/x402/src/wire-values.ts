import { parseAtomic } from '@core/money';
import { z } from 'zod';
import { ADDRESS_FORM, BYTES32_FORM, BYTES_FORM } from './hex.js';

/** An optional field of the protocol, where `null` says the same as leaving it out. */
export const absentOr = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === null ? undefined : value), schema.optional());

export const text = z.string().min(1);

/** JSON whose inside belongs to a scheme or an extension: kept as it is. */
export const jsonObject = z.record(z.string(), z.unknown());

/** A count of atomic units, at most uint256. */
export const atomicText = z
  .string()
  .refine((value) => parseAtomic(value) !== undefined, 'expected decimal digits of an integer from 0 to 2^256 - 1')
  .meta({ pattern: '^(?:0|[1-9][0-9]{0,77})$' });

export const addressText = z.string().regex(ADDRESS_FORM, 'expected 0x and 40 hex digits');
export const bytes32Text = z.string().regex(BYTES32_FORM, 'expected 0x and 64 hex digits');
export const bytesText = z.string().regex(BYTES_FORM, 'expected 0x and an even number of hex digits');

/** CAIP-2, or the same shape for networks that are no chain, e.g. `farebox:credit`. */
export const networkText = z.string().regex(/^[^:]+:.+$/, 'expected a CAIP-2 network such as eip155:8453');

const PRINTABLE = /^[\x20-\x7e]+$/;
export const printableText = z.string().min(1).max(32).regex(PRINTABLE, 'expected printable ASCII');

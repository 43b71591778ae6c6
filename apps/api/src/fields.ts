import { KEY_SCOPES, type KeyScope } from '@features/accounts';
import { isId, type IdPrefix } from '@core/ids';
import { parseAtomic } from '@core/money';
import { formatInstant, type Instant, parseInstant } from '@core/time';
import { z } from 'zod';

/** Fields that many requests and answers share. Messages continue the name of the field. */

export const needs = (scope: KeyScope): { readonly scope: KeyScope } => ({ scope });

/** A name or label: printable, without spaces at its ends. */
export const label = (most = 256) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(most, `must have at most ${most} characters`)
    .regex(/^[^\p{C}]*$/u, 'must be printable text')
    .refine((text) => text === text.trim(), 'must not begin or end with a space');

export const instantText = z
  .string()
  .transform((text, context): Instant => {
    const at = parseInstant(text);
    if (at !== undefined) return at;
    context.addIssue({
      code: 'custom',
      message: 'must be a date-time of RFC 3339 with its offset, e.g. 2026-11-21T08:00:00Z',
    });
    return z.NEVER;
  })
  .describe('RFC 3339 date-time with an offset.');

export const atomicText = z
  .string()
  .transform((text, context): bigint => {
    const atomic = parseAtomic(text);
    if (atomic !== undefined) return atomic;
    context.addIssue({
      code: 'custom',
      message: 'must be a whole number of atomic units in decimal digits, as a string, e.g. "4000" for 0.004 USDC',
    });
    return z.NEVER;
  })
  .describe('Atomic units, decimal digits.');

export const idText = (prefix: IdPrefix) =>
  z.string().refine((text) => isId(text, prefix), `must be an id that begins with ${prefix}_`);

export const pageLimit = z
  .string()
  .regex(/^(?:[1-9]\d?|1\d\d|200)$/, 'must be a number from 1 to 200')
  .transform(Number)
  .optional()
  .describe('Most items on the page; 50 when absent.');

/** Where a page of events begins. */
export const eventCursor = z
  .string()
  .regex(/^[1-9]\d{0,17}\.(?:0|[1-9]\d{0,8})$/, 'must be the `next` of the page before, unchanged')
  .optional();

export const PAGE = 50;

export const scopeName = z.enum(KEY_SCOPES);

export const time = (at: Instant): string => formatInstant(at);

export const optionalTime = (at: Instant | undefined): string | undefined =>
  at === undefined ? undefined : formatInstant(at);

/** For the documents: fields of answers. */
export const shown = {
  time: z.iso.datetime().describe('UTC.'),
  atomic: z.string().describe('Atomic units, decimal digits.'),
  signedAtomic: z.string().describe('Atomic units, decimal digits, may be negative.'),
  decimal: z.string().describe('A plain decimal.'),
  next: z.string().nullable().describe('Give it as `cursor` to get the next page; null on the last one.'),
};

import { z } from 'zod';
import { shown } from './fields.js';

const money = z.object({ atomic: shown.signedAtomic, amount: shown.decimal.optional() });
const line = z.record(z.string(), z.unknown());

export const readStatement = z.object({
  provider: z.object({ id: z.string(), name: z.string() }),
  account: z.object({ id: z.string(), name: z.string().optional() }),
  period: z.object({ start: shown.time, end: shown.time }),
  readAt: shown.time,
  status: z.enum(['open', 'ended']).describe('open while the period lasts.'),
  assets: z.array(
    z.object({
      asset: z.string(),
      decimals: z.int().optional(),
      opening: money,
      charges: money,
      payments: money,
      adjustments: money,
      closing: money.describe('opening + charges - payments + adjustments, which is the balance of the ledger.'),
      lines: z.object({ charges: z.array(line), payments: z.array(line), adjustments: z.array(line) }),
    }),
  ),
});

const prefersCsv = (accept: string | undefined): boolean =>
  /\btext\/csv\b/.test(accept ?? '') && !/\bapplication\/json\b/.test(accept ?? '');

/** What is asked for, and in which form: the end of the path says it, else what is accepted. */
export function formOf(
  named: string,
  accept: string | undefined,
): { readonly name: string; readonly form: 'csv' | 'json' } {
  const [, name = named, form] = /^(.*?)(?:\.(csv|json))?$/.exec(named) ?? [];
  if (form === undefined) return { name, form: prefersCsv(accept) ? 'csv' : 'json' };
  return { name, form: form === 'csv' ? 'csv' : 'json' };
}

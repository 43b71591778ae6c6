import { type Period, formatInstant } from '@core/time';
import type { Tx } from '@platform/database';

export interface UsingAccount {
  /** `acct_…` */
  readonly id: string;
  readonly name?: string;
}

/** Who used a meter. */
export class UsingAccounts {
  /** The accounts with usage of a meter in a range, or a level or run that may reach into it, by id. */
  async list(
    tx: Tx,
    meter: { readonly number: number },
    range: Period,
    page: {
      readonly only?: readonly string[] | undefined;
      readonly after?: string | undefined;
      readonly limit: number;
    },
  ): Promise<UsingAccount[]> {
    const [start, end] = [formatInstant(range.start), formatInstant(range.end)];
    const only = page.only === undefined ? null : [...page.only];
    const rows = await tx.$queryRaw<{ id: string; name: string | null }[]>`
      SELECT a.id, a.name
      FROM (
        SELECT account FROM usage_cells WHERE meter = ${meter.number} AND grain = 1440
          AND start >= date_trunc('day', ${start}::timestamptz, 'UTC') AND start < ${end}::timestamptz
        UNION
        SELECT account FROM usage_values WHERE meter = ${meter.number}
          AND start >= date_trunc('day', ${start}::timestamptz, 'UTC') AND start < ${end}::timestamptz
        UNION
        SELECT account FROM usage_points WHERE meter = ${meter.number} AND time < ${end}::timestamptz
      ) used JOIN accounts a ON a.number = used.account
      WHERE a.id > ${page.after ?? ''} AND (${only}::text[] IS NULL OR a.id = ANY (${only}::text[]) OR a.name = ANY (${only}::text[]))
      ORDER BY a.id LIMIT ${page.limit}`;
    return rows.map(({ id, name }) => ({ id, ...(name === null ? {} : { name }) }));
  }
}

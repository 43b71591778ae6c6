import { Fault } from '@core/faults';
import type { IdSource } from '@core/ids';
import { formatInstant, instant } from '@core/time';
import type { Announcement } from '@core/webhooks';
import { Announce } from '@features/webhooks';
import type { Writer } from '@platform/database';
import { ALERT_KINDS } from './alerts.js';

/** Most alerts announced in one transaction. */
const SWEPT = 500;

interface AlertRow {
  readonly id: string;
  readonly provider: string;
  readonly account: string;
  readonly asset: string;
  readonly kind: string;
  /** Amounts are decimal digits. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Tells providers what wallets raised. The paid path only writes an alert; this finds it and announces it, once. */
export class AnnounceAlerts {
  readonly #announce: Announce;

  constructor(
    private readonly writer: Writer,
    ids: IdSource,
  ) {
    this.#announce = new Announce(ids);
  }

  /** @returns how many were announced */
  async run(): Promise<number> {
    for (let all = 0; ;) {
      const swept = await this.#sweep();
      all += swept;
      if (swept < SWEPT) return all;
    }
  }

  async #sweep(): Promise<number> {
    return this.writer.transaction(async (tx) => {
      const rows = await tx.query<AlertRow>(
        `UPDATE wallet_alerts SET delivered_at = now() WHERE id IN
           (SELECT id FROM wallet_alerts WHERE delivered_at IS NULL AND kind = ANY ($2) ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING id, provider_id AS provider, account_id AS account, asset, kind, details`,
        [SWEPT, ALERT_KINDS],
      );
      const inOrder = [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
      await this.#announce.all(tx, inOrder.map(announcementOf));
      return rows.length;
    });
  }
}

function announcementOf({ id, provider, account, asset, kind, details }: AlertRow): Announcement {
  const of = { provider, object: { id, version: 1 }, once: id };
  const told = { account, asset, alert: id };
  const text = (name: string): string => String(details[name]);
  switch (kind) {
    case 'balance_low':
      return { ...of, type: 'balance.low', data: { ...told, threshold: text('threshold'), balance: text('value') } };
    case 'limit_reached':
      return {
        ...of,
        type: 'limit.crossed',
        data: {
          ...told,
          limit: text('limit'),
          percent: Number(details['percent']),
          threshold: text('threshold'),
          spent: text('value'),
          windowStart: formatInstant(instant(Number(details['start']))),
        },
      };
    case 'top_up_due':
      return { ...of, type: 'topup.due', data: { ...told, amount: text('amount') } };
    default:
      throw new Fault('invariant_broken', `"${kind}" is no kind of alert`);
  }
}

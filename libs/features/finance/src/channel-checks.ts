import type { BookCheck } from './book-check.js';

/** Usage sold by vouchers, by call. */
const SOLD =
  "(SELECT item ->> 4 AS voucher FROM usage_log, json_array_elements(body::json -> 'items') AS item WHERE kind = 'sold' AND item ->> 4 LIKE 'vch\\_%') sold";

/** The books of payment channels. */
export const CHANNEL_CHECKS: readonly BookCheck[] = [
  {
    invariant: 'L4',
    says: 'what vouchers promise is what channels were charged and what is neither claimed nor lost',
    counted: 'SELECT count(*)::text AS n FROM channels',
    faults: `WITH booked AS (
        SELECT la.provider_id, la.asset,
          sum(coalesce((SELECT sum(t.amount) FROM transfers t WHERE t.debit_id = la.id), 0) - coalesce((SELECT sum(t.amount) FROM transfers t WHERE t.credit_id = la.id), 0)) AS balance
        FROM ledger_accounts la WHERE la.code = '1026' GROUP BY 1, 2
      ), known AS (
        SELECT c.provider_id, c.asset_id AS asset, sum(c.charged - c.claimed_final - c.lost) AS balance FROM channels c GROUP BY 1, 2
      )
      SELECT 'ledger account 1026 of ' || provider_id || ' holds ' || coalesce(b.balance, 0) || ', its channels say ' || coalesce(k.balance, 0) AS fault
      FROM booked b FULL JOIN known k USING (provider_id, asset) WHERE coalesce(b.balance, 0) <> coalesce(k.balance, 0)`,
  },
  {
    invariant: 'C2',
    says: 'one ceiling of a channel pays for one call; each call has one recorded usage, and none that was not served has one or an answer',
    counted: 'SELECT count(*)::text AS n FROM vouchers',
    faults: `SELECT 'ceiling ' || ceiling || ' of channel ' || channel || ' was sold ' || count(*) || ' times' AS fault
      FROM vouchers WHERE state = 'served' AND charged > 0 GROUP BY channel, ceiling HAVING count(*) > 1
      UNION ALL
      SELECT 'voucher ' || r.voucher_id || ' (' || v.state || ') has a kept answer'
      FROM voucher_replies r JOIN vouchers v ON v.id = r.voucher_id WHERE v.state <> 'served'
      UNION ALL
      SELECT 'voucher ' || v.id || ' (' || v.state || ') has ' || count(sold.voucher) || ' records of usage'
      FROM vouchers v LEFT JOIN ${SOLD} ON sold.voucher = v.id WHERE v.meter_id IS NOT NULL
      GROUP BY v.id HAVING count(sold.voucher) <> (CASE v.state WHEN 'served' THEN 1 ELSE 0 END)`,
  },
  {
    invariant: 'C4',
    says: 'a call is charged within its amount, a channel within its highest ceiling, and the channel what its calls were',
    counted: 'SELECT count(*)::text AS n FROM channels',
    faults: `SELECT 'voucher ' || v.id || ' charged ' || v.charged || ' of ' || v.amount AS fault
      FROM vouchers v LEFT JOIN transfers t ON t.provider_id = v.provider_id AND t.posting_key = 'capture:' || v.id || ':charge'
      WHERE v.state = 'served' AND (v.charged > v.amount OR coalesce(t.amount, 0) <> v.charged)
      UNION ALL
      SELECT 'channel ' || c.id || ' is charged ' || c.charged || ', its calls ' || coalesce(s.charged, 0) || ' since ' || c.claimed_before
      FROM channels c LEFT JOIN (SELECT channel, sum(charged) AS charged FROM vouchers WHERE state = 'served' GROUP BY 1) s ON s.channel = c.id
      WHERE c.charged > c.signed_max OR c.charged - c.claimed_before <> coalesce(s.charged, 0)`,
  },
];

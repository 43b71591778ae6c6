-- Calls paid by vouchers, cheaper: read and written as columns (see `column_values`), and checked a statement at a time.

-- ---------------------------------------------------------------- what a voucher refers to
-- A call is of a channel, and of that channel's provider and account. It says so for good, and neither is ever removed: one check of
-- each statement says more than three foreign keys did, without a look-up and a lock for each row.
CREATE FUNCTION require_channels() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  missing text;
BEGIN
  SELECT w.id INTO missing FROM written w
  WHERE NOT EXISTS (SELECT FROM channels c WHERE c.id = w.channel AND c.provider_id = w.provider_id AND c.account_id = w.account_id)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'voucher % is of no channel of this provider and account', missing USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER of_a_channel AFTER INSERT ON vouchers REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION require_channels();
CREATE TRIGGER stays_of_its_channel BEFORE UPDATE OF id, channel, provider_id, account_id ON vouchers FOR EACH ROW
  WHEN ((OLD.id, OLD.channel, OLD.provider_id, OLD.account_id) IS DISTINCT FROM (NEW.id, NEW.channel, NEW.provider_id, NEW.account_id))
  EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_removed BEFORE DELETE ON vouchers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_removed_whole BEFORE TRUNCATE ON vouchers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stays_as_opened BEFORE UPDATE OF id, provider_id, account_id ON channels FOR EACH ROW
  WHEN ((OLD.id, OLD.provider_id, OLD.account_id) IS DISTINCT FROM (NEW.id, NEW.provider_id, NEW.account_id))
  EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_removed BEFORE DELETE ON channels FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_removed_whole BEFORE TRUNCATE ON channels FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE vouchers DROP CONSTRAINT vouchers_provider_id_fkey, DROP CONSTRAINT vouchers_account_id_fkey, DROP CONSTRAINT vouchers_channel_fkey;

CREATE FUNCTION require_vouchers() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  missing text;
BEGIN
  SELECT w.voucher_id INTO missing FROM written w
  WHERE NOT EXISTS (SELECT FROM vouchers v WHERE v.id = w.voucher_id AND v.provider_id = w.provider_id)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'there is no voucher % of this provider', missing USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER of_a_voucher AFTER INSERT ON voucher_replies REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION require_vouchers();
ALTER TABLE voucher_replies DROP CONSTRAINT voucher_replies_voucher_id_fkey;

-- ---------------------------------------------------------------- reservations
-- As before, of columns {id, provider, account, channel, turn, ceiling, signature, amount, binding, resource, attempt, meter, quantity,
-- price, deposit, ttl}.
CREATE FUNCTION reserve_vouchers(items text) RETURNS TABLE (voucher_id text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  c text[] := string_to_array(items, E'\x1e');
  channels_of text[] := column_values(c[4]);
  ceilings numeric[] := column_values(c[6])::numeric[];
  standing text[];
BEGIN
  SELECT coalesce(array_agg(locked.id) FILTER (WHERE locked.is_as_seen), '{}') INTO standing
  FROM (
    SELECT l.id, l.turn = d.turn AND l.refund IS NULL AND l.withdraw_requested_at IS NULL AND l.balance >= d.ceiling AS is_as_seen
    FROM (
      SELECT i.channel, max(i.turn) AS turn, max(i.ceiling) AS ceiling
      FROM unnest(channels_of, column_values(c[5])::bigint[], ceilings) AS i (channel, turn, ceiling) GROUP BY 1
    ) d JOIN channels l ON l.id = d.channel
    ORDER BY l.id FOR NO KEY UPDATE OF l
  ) locked;

  -- A reservation whose time is over is let go here at the latest, as its ceiling is wanted.
  UPDATE vouchers v SET state = 'voided', voided_at = now(), void_reason = 'expired'
  FROM unnest(channels_of, ceilings) AS i (channel, ceiling)
  WHERE v.channel = i.channel AND v.ceiling = i.ceiling AND v.state = 'reserved' AND v.expires_at <= now() AND i.channel = ANY (standing);

  UPDATE channels l SET turn = l.turn + 1, signed_max = greatest(l.signed_max, t.ceiling),
    signature = CASE WHEN t.ceiling > l.signed_max THEN decode(t.signature, 'hex') ELSE l.signature END
  FROM (
    SELECT DISTINCT ON (i.channel) i.channel, i.ceiling, i.signature
    FROM unnest(channels_of, ceilings, column_values(c[7])) AS i (channel, ceiling, signature) ORDER BY i.channel, i.ceiling DESC
  ) t
  WHERE l.id = t.channel AND l.id = ANY (standing);

  RETURN QUERY
  INSERT INTO vouchers (id, provider_id, account_id, channel, state, ceiling, amount, binding, resource, attempt, meter_id, quantity, price_id,
    deposit, expires_at)
  SELECT i.id, coalesce(i.provider, c[2]), i.account, i.channel, 'reserved', i.ceiling, coalesce(i.amount, c[8])::numeric,
    decode(i.binding, 'hex'), coalesce(i.resource, c[10]), i.attempt, coalesce(i.meter, c[12]), coalesce(i.quantity, c[13])::numeric,
    coalesce(i.price, c[14]), i.deposit, now() + make_interval(secs => coalesce(i.ttl, c[16])::integer)
  FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), channels_of, ceilings, column_values(c[8]),
    column_values(c[9]), column_values(c[10]), column_values(c[11]), column_values(c[12]), column_values(c[13]), column_values(c[14]),
    column_values(c[15]), column_values(c[16]))
    AS i (id, provider, account, channel, ceiling, amount, binding, resource, attempt, meter, quantity, price, deposit, ttl)
  WHERE i.channel = ANY (standing)
  RETURNING id;
END
$$;

-- ---------------------------------------------------------------- captures
-- Captures many calls, all of them or none: the channel's total, the call, its reply, the usage and the transfers commit together. `items`:
-- columns {id, channel, provider, charged, quantity, status, headers, body (base64)}; `places` and `transfers` as `post_new_transfers`
-- takes them. Channels are locked in order of their ids, here as everywhere. Where some were captured, voided or expired before, nothing
-- is written, and the others are answered with `written` false.
CREATE FUNCTION capture_vouchers(items text, places text, transfers text)
RETURNS TABLE (voucher_id text, written boolean, charged_after text, balance text, total_claimed text, withdraw_requested_at text,
  refund_nonce text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  c text[] := string_to_array(items, E'\x1e');
  ids text[] := column_values(c[1]);
  channels_of text[] := column_values(c[2]);
  answered integer;
BEGIN
  PERFORM FROM channels l WHERE l.id = ANY (channels_of) ORDER BY l.id FOR NO KEY UPDATE;

  RETURN QUERY
  WITH item AS (
    SELECT i.id, i.channel, coalesce(i.provider, c[3]) AS provider, coalesce(i.charged, c[4])::numeric AS charged,
      coalesce(i.quantity, c[5])::numeric AS quantity, i.status, i.headers, i.body
    FROM unnest(ids, channels_of, column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]), column_values(c[7]),
      column_values(c[8])) AS i (id, channel, provider, charged, quantity, status, headers, body)
  ), open AS MATERIALIZED (
    SELECT v.id, v.channel, i.charged, i.quantity,
      sum(i.charged) OVER (PARTITION BY v.channel ORDER BY v.ceiling, v.id) + l.charged AS charged_after
    FROM item i JOIN vouchers v ON v.id = i.id JOIN channels l ON l.id = v.channel
    WHERE v.provider_id = i.provider AND v.channel = i.channel AND v.state = 'reserved' AND v.expires_at > now()
  ), whole AS MATERIALIZED (
    SELECT count(*) = cardinality(ids) AS is_so FROM open
  ), served AS (
    UPDATE vouchers v SET state = 'served', served_at = now(), charged = o.charged, quantity = o.quantity, charged_after = o.charged_after
    FROM open o, whole w WHERE w.is_so AND v.id = o.id
    RETURNING v.id, v.channel, v.provider_id, v.account_id, v.meter_id, v.quantity, v.charged_after, v.served_at
  ), total AS (
    UPDATE channels l SET charged = l.charged + t.charged, unclaimed_since = coalesce(l.unclaimed_since, now())
    FROM (SELECT o.channel, sum(o.charged) AS charged FROM open o GROUP BY o.channel) t, whole w WHERE w.is_so AND l.id = t.channel
    RETURNING l.id, l.balance, l.total_claimed, l.withdraw_requested_at, l.refund_nonce
  ), kept AS (
    INSERT INTO voucher_replies (voucher_id, provider_id, status, headers, body)
    SELECT i.id, i.provider, i.status::integer, i.headers::jsonb, decode(coalesce(i.body, ''), 'base64') FROM item i, whole w
    WHERE w.is_so AND i.status IS NOT NULL
  ), sold AS (
    SELECT s.provider_id, min(s.served_at) AS since, max(s.served_at) AS until, count(*) AS events,
      json_build_object('items', json_agg(json_build_array(a.number, m.number, (extract(epoch FROM s.served_at) * 1000)::bigint,
        s.quantity::text, s.id)))::text AS body,
      array_agg(DISTINCT a.number) AS accounts
    FROM served s JOIN accounts a ON a.id = s.account_id JOIN meters m ON m.id = s.meter_id
    GROUP BY s.provider_id
  ), logged AS (
    INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
    SELECT next_usage_position(), s.provider_id, 'sold', s.since, s.until, s.events, s.body, s.accounts FROM sold s
  )
  SELECT s.id, true, s.charged_after::text, t.balance::text, t.total_claimed::text, t.withdraw_requested_at::text, t.refund_nonce::text
  FROM served s JOIN total t ON t.id = s.channel
  UNION ALL
  SELECT o.id, false, NULL, NULL, NULL, NULL, NULL FROM open o, whole w WHERE NOT w.is_so;

  GET DIAGNOSTICS answered = ROW_COUNT;
  IF answered = cardinality(ids) AND transfers <> '' THEN
    PERFORM post_new_transfers(places, transfers);
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION reserve_vouchers(text), capture_vouchers(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reserve_vouchers(text), capture_vouchers(text, text, text) TO farebox_writer;

-- Payment channels: what payers deposited, the vouchers they signed, what was charged by them and what was claimed on the chain.

CREATE TABLE channels (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  chain_id integer NOT NULL,
  network text NOT NULL,
  asset_id text NOT NULL,
  channel_id bytea NOT NULL,
  payer text NOT NULL,
  payer_authorizer text NOT NULL,
  receiver text NOT NULL,
  receiver_authorizer text NOT NULL,
  token text NOT NULL,
  withdraw_delay integer NOT NULL,
  salt bytea NOT NULL,
  -- All that was charged in the life of the channel, and the newest voucher: the one with the highest ceiling.
  charged numeric(78, 0) NOT NULL DEFAULT 0,
  signed_max numeric(78, 0) NOT NULL DEFAULT 0,
  signature bytea,
  -- The mirror: the channel as the chain had it in a block.
  balance numeric(78, 0) NOT NULL DEFAULT 0,
  total_claimed numeric(78, 0) NOT NULL DEFAULT 0,
  withdraw_requested_at bigint,
  withdraw_amount numeric(78, 0),
  refund_nonce numeric(78, 0) NOT NULL DEFAULT 0,
  synced_block bigint NOT NULL DEFAULT 0,
  synced_at timestamptz(3) NOT NULL DEFAULT now(),
  -- What the ledger was told of final blocks: claimed for the receiver, and charged but never to be had.
  claimed_final numeric(78, 0) NOT NULL DEFAULT 0,
  -- What had been claimed when this record began: sold by a record that got lost, and not in our books.
  claimed_before numeric(78, 0) NOT NULL DEFAULT 0,
  lost numeric(78, 0) NOT NULL DEFAULT 0,
  -- Raised by every reservation: what was decided on an older turn is decided again.
  turn bigint NOT NULL DEFAULT 0,
  -- The batch whose transaction claims from this channel now, or pays it back.
  batch_id text,
  -- The refund that is under way: nothing is sold on the channel meanwhile.
  refund text,
  opened_at timestamptz(3) NOT NULL DEFAULT now(),
  -- The oldest charge that is not claimed.
  unclaimed_since timestamptz(3),
  CONSTRAINT channel_once UNIQUE (chain_id, channel_id),
  CHECK (octet_length(channel_id) = 32 AND octet_length(salt) = 32 AND octet_length(signature) = 65),
  CHECK (payer = lower(payer) AND receiver = lower(receiver) AND token = lower(token)),
  CONSTRAINT charged_within_voucher CHECK (charged >= 0 AND charged <= signed_max),
  CONSTRAINT claimed_within_charged CHECK (claimed_final + lost <= charged)
);
CREATE INDEX channels_of_provider ON channels (provider_id);
CREATE INDEX channels_to_claim ON channels (chain_id) WHERE charged > total_claimed;
CREATE INDEX channels_synced ON channels (chain_id, synced_block);
CREATE INDEX channels_of_batch ON channels (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE vouchers (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  channel text NOT NULL REFERENCES channels (id),
  state text NOT NULL CHECK (state IN ('reserved', 'served', 'voided')),
  -- The signed running total, and the most this call may be charged.
  ceiling numeric(78, 0) NOT NULL,
  amount numeric(78, 0) NOT NULL,
  binding bytea NOT NULL CHECK (octet_length(binding) = 32),
  resource text NOT NULL,
  attempt text,
  meter_id text,
  quantity numeric,
  price_id text,
  deposit text,
  charged numeric(78, 0),
  -- What the channel was charged in all, this call included.
  charged_after numeric(78, 0),
  reserved_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3) NOT NULL,
  served_at timestamptz(3),
  voided_at timestamptz(3),
  void_reason text,
  CHECK (amount > 0 AND ceiling > 0),
  CONSTRAINT voucher_charged_within_amount CHECK (charged >= 0 AND charged <= amount),
  CONSTRAINT voucher_served_is_charged CHECK ((state = 'served') = (charged IS NOT NULL AND served_at IS NOT NULL AND charged_after IS NOT NULL))
);
-- One ceiling pays for one call. A call that cost nothing, or was let go, leaves its ceiling to the next.
CREATE UNIQUE INDEX voucher_once ON vouchers (channel, ceiling) WHERE state = 'reserved' OR (state = 'served' AND charged > 0);
CREATE INDEX vouchers_open ON vouchers (channel) WHERE state = 'reserved';
CREATE INDEX vouchers_to_void ON vouchers (expires_at) WHERE state = 'reserved';

-- The handler's answer to a served call, given again to who presents the same voucher for the same request.
CREATE TABLE voucher_replies (
  voucher_id text PRIMARY KEY REFERENCES vouchers (id),
  provider_id text NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL
);

-- Deposits travel as payments of origin `deposit`: their value goes from the payer's wallet into the payer's channel, and nothing of it is ours.
CREATE TABLE channel_deposits (
  payment_id text PRIMARY KEY REFERENCES payments (id),
  provider_id text NOT NULL,
  channel text NOT NULL REFERENCES channels (id),
  salt bytea NOT NULL CHECK (octet_length(salt) = 32)
);
CREATE INDEX channel_deposits_of_channel ON channel_deposits (channel);

-- What payers asked back. open: to be sent · done: seen on the chain · failed: cannot be given.
CREATE TABLE channel_refunds (
  id text PRIMARY KEY,
  provider_id text NOT NULL,
  channel text NOT NULL REFERENCES channels (id),
  state text NOT NULL CHECK (state IN ('open', 'done', 'failed')),
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  nonce numeric(78, 0) NOT NULL,
  batch_id text,
  transaction bytea,
  attempts integer NOT NULL DEFAULT 0,
  next_run_at timestamptz(3) NOT NULL DEFAULT now(),
  asked_at timestamptz(3) NOT NULL DEFAULT now(),
  done_at timestamptz(3),
  reason text,
  CONSTRAINT refund_once UNIQUE (channel, nonce)
);
CREATE INDEX channel_refunds_open ON channel_refunds (channel) WHERE state = 'open';

-- How far the events of a chain's channels were read: everything up to this block is in the mirror.
CREATE TABLE channel_cursors (
  chain_id integer PRIMARY KEY,
  block_number bigint NOT NULL,
  block_hash bytea NOT NULL,
  scanned_at timestamptz(3) NOT NULL DEFAULT now()
);

ALTER TABLE payments DROP CONSTRAINT payments_origin_check,
  ADD CONSTRAINT payments_origin_check CHECK (origin IN ('gate', 'facilitator', 'deposit'));

DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['channels', 'vouchers', 'voucher_replies', 'channel_deposits', 'channel_refunds'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON channels, vouchers, channel_refunds, channel_cursors TO farebox_writer;
GRANT SELECT, INSERT ON voucher_replies, channel_deposits TO farebox_writer;
GRANT SELECT ON channel_cursors TO farebox_auditor;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON voucher_replies FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON channel_deposits FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What was charged stays charged, and no voucher replaces a higher one: a claim by a lower ceiling would lose the difference.
CREATE FUNCTION refuse_lower_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'channel % never goes back', OLD.id USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER only_upward BEFORE UPDATE ON channels FOR EACH ROW
  WHEN (NEW.charged < OLD.charged OR NEW.signed_max < OLD.signed_max OR NEW.claimed_final < OLD.claimed_final)
  EXECUTE FUNCTION refuse_lower_channel();

CREATE FUNCTION refuse_illegal_voucher_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'voucher % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON vouchers FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state AND OLD.state <> 'reserved') EXECUTE FUNCTION refuse_illegal_voucher_transition();

-- What a look shows of calls that come with vouchers: their channel, what it sold by this very ceiling, what was charged of late above it, and,
-- on the first call of each channel, the calls that are open. Stable, so that all of it is of one instant.
CREATE FUNCTION look_at_vouchers(chains integer[], ids text[], ceilings numeric[])
RETURNS TABLE (ord integer, channel text, taken_by text, taken_binding text, charged_above text, open_ceilings text[], open_amounts text[])
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH matched AS (
    SELECT c.id AS channel, a.ceiling, a.ord::integer - 1 AS ord, row_number() OVER (PARTITION BY c.id ORDER BY a.ord) AS nth
    FROM unnest(chains, ids, ceilings) WITH ORDINALITY AS a (chain_id, id, ceiling, ord)
      JOIN channels c ON c.chain_id = a.chain_id AND c.channel_id = decode(a.id, 'hex')
  )
  SELECT p.ord, p.channel, t.id, encode(t.binding, 'hex'), a.charged::text, o.ceilings, o.amounts
  FROM matched p
  LEFT JOIN LATERAL (
    SELECT v.id, v.binding FROM vouchers v
    WHERE v.channel = p.channel AND v.ceiling = p.ceiling
      AND ((v.state = 'reserved' AND v.expires_at > now()) OR (v.state = 'served' AND v.charged > 0)) LIMIT 1
  ) t ON true
  -- Calls that were reserved within ten seconds may have overtaken one that was signed before them.
  LEFT JOIN LATERAL (
    SELECT sum(o.charged) AS charged FROM (
      SELECT v.charged FROM vouchers v
      WHERE v.channel = p.channel AND v.ceiling > p.ceiling AND v.state = 'served' AND v.charged > 0
        AND v.reserved_at > now() - interval '10 s'
      ORDER BY v.ceiling LIMIT 1000
    ) o
  ) a ON true
  LEFT JOIN LATERAL (
    SELECT array_agg(v.ceiling::text ORDER BY v.id) AS ceilings, array_agg(v.amount::text ORDER BY v.id) AS amounts
    FROM vouchers v WHERE p.nth = 1 AND v.channel = p.channel AND v.state = 'reserved' AND v.expires_at > now()
  ) o ON true;
END
$$;

-- Lets calls through that were decided on what a look at their channels showed, unless another reservation came between: then none of that
-- channel's is written and all are to be decided again. A capture in between does no harm, as it only turns what was open into at most as
-- much that is charged. Items: {id, provider, account, channel, turn, ceiling, signature, amount, binding, resource, attempt, meter, quantity, price,
-- deposit, ttl}. Answers the ids that were written.
CREATE FUNCTION reserve_vouchers(items jsonb) RETURNS TABLE (voucher_id text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  standing text[];
BEGIN
  SELECT coalesce(array_agg(l.id), '{}') INTO standing FROM (
    SELECT c.id FROM channels c
    WHERE c.id IN (SELECT i.channel FROM jsonb_to_recordset(items) AS i (channel text))
    ORDER BY c.id FOR UPDATE
  ) l;
  SELECT coalesce(array_agg(c.id), '{}') INTO standing
  FROM channels c JOIN (
    SELECT i.channel, max(i.turn) AS turn, max(i.ceiling) AS ceiling FROM jsonb_to_recordset(items) AS i (channel text, turn bigint, ceiling numeric) GROUP BY 1
  ) d ON d.channel = c.id
  WHERE c.id = ANY (standing) AND c.turn = d.turn AND c.refund IS NULL AND c.withdraw_requested_at IS NULL AND c.balance >= d.ceiling;

  -- A reservation whose time is over is let go here at the latest, as its ceiling is wanted.
  UPDATE vouchers v SET state = 'voided', voided_at = now(), void_reason = 'expired'
  FROM jsonb_to_recordset(items) AS i (channel text, ceiling numeric)
  WHERE v.channel = i.channel AND v.ceiling = i.ceiling AND v.state = 'reserved' AND v.expires_at <= now() AND i.channel = ANY (standing);

  UPDATE channels c SET turn = c.turn + 1, signed_max = greatest(c.signed_max, t.ceiling),
    signature = CASE WHEN t.ceiling > c.signed_max THEN decode(t.signature, 'hex') ELSE c.signature END
  FROM (
    SELECT DISTINCT ON (i.channel) i.channel, i.ceiling, i.signature
    FROM jsonb_to_recordset(items) AS i (channel text, ceiling numeric, signature text) ORDER BY i.channel, i.ceiling DESC
  ) t
  WHERE c.id = t.channel AND c.id = ANY (standing);

  RETURN QUERY
  INSERT INTO vouchers (id, provider_id, account_id, channel, state, ceiling, amount, binding, resource, attempt, meter_id, quantity, price_id,
    deposit, expires_at)
  SELECT i.id, i.provider, i.account, i.channel, 'reserved', i.ceiling, i.amount, decode(i.binding, 'hex'), i.resource, i.attempt, i.meter,
    i.quantity, i.price, i.deposit, now() + make_interval(secs => i.ttl)
  FROM jsonb_to_recordset(items) AS i (id text, provider text, account text, channel text, ceiling numeric, amount numeric, binding text,
    resource text, attempt text, meter text, quantity numeric, price text, deposit text, ttl integer)
  WHERE i.channel = ANY (standing)
  RETURNING id;
END
$$;

-- Captures many calls in one statement: the channel's total, the call, its reply, the usage and the transfers commit together.
-- Items: {id, provider, charged, quantity, replyStatus, replyHeaders, replyBody (base64), transfers}. Channels are locked in order of
-- their ids, here as everywhere. Answers what was captured now; the others were captured, voided or expired before.
CREATE FUNCTION capture_vouchers(items jsonb)
RETURNS TABLE (voucher_id text, charged_after text, balance text, total_claimed text, withdraw_requested_at text, refund_nonce text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  captured text[];
  postings jsonb;
BEGIN
  PERFORM FROM channels c
  WHERE c.id IN (SELECT v.channel FROM jsonb_to_recordset(items) AS i (id text) JOIN vouchers v ON v.id = i.id)
  ORDER BY c.id FOR UPDATE;

  WITH item AS (
    SELECT * FROM jsonb_to_recordset(items) AS i (id text, provider text, charged numeric, quantity numeric)
  ), open AS (
    SELECT v.id, v.channel, i.charged, i.quantity,
      sum(i.charged) OVER (PARTITION BY v.channel ORDER BY v.ceiling, v.id) + c.charged AS charged_after
    FROM item i JOIN vouchers v ON v.id = i.id JOIN channels c ON c.id = v.channel
    WHERE v.provider_id = i.provider AND v.state = 'reserved' AND v.expires_at > now()
  ), served AS (
    UPDATE vouchers v SET state = 'served', served_at = now(), charged = o.charged, quantity = o.quantity, charged_after = o.charged_after
    FROM open o WHERE v.id = o.id
    RETURNING v.id
  ), total AS (
    UPDATE channels c SET charged = c.charged + t.charged, unclaimed_since = coalesce(c.unclaimed_since, now())
    FROM (SELECT o.channel, sum(o.charged) AS charged FROM open o GROUP BY o.channel) t WHERE c.id = t.channel
    RETURNING c.id
  )
  SELECT coalesce(array_agg(served.id), '{}') INTO captured FROM served;

  IF cardinality(captured) = 0 THEN RETURN; END IF;

  INSERT INTO voucher_replies (voucher_id, provider_id, status, headers, body)
  SELECT i.id, i.provider, i."replyStatus", i."replyHeaders", decode(i."replyBody", 'base64')
  FROM jsonb_to_recordset(items) AS i (id text, provider text, "replyStatus" integer, "replyHeaders" jsonb, "replyBody" text)
  WHERE i.id = ANY (captured) AND i."replyStatus" IS NOT NULL;

  INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
  SELECT next_usage_position(), sold.*
  FROM (
    SELECT v.provider_id, 'sold', min(v.served_at), max(v.served_at), count(*),
      json_build_object('items', json_agg(json_build_array(a.number, m.number, (extract(epoch FROM v.served_at) * 1000)::bigint, v.quantity::text, v.id)))::text,
      array_agg(DISTINCT a.number)
    FROM vouchers v JOIN accounts a ON a.id = v.account_id JOIN meters m ON m.id = v.meter_id
    WHERE v.id = ANY (captured)
    GROUP BY v.provider_id
  ) sold;

  SELECT coalesce(jsonb_agg(transfer), '[]') INTO postings
  FROM jsonb_to_recordset(items) AS i (id text, transfers jsonb), LATERAL jsonb_array_elements(i.transfers) AS transfer
  WHERE i.id = ANY (captured);
  PERFORM post_transfers(postings);

  RETURN QUERY
  SELECT v.id, v.charged_after::text, c.balance::text, c.total_claimed::text, c.withdraw_requested_at::text, c.refund_nonce::text
  FROM vouchers v JOIN channels c ON c.id = v.channel WHERE v.id = ANY (captured);
END
$$;
REVOKE EXECUTE ON FUNCTION look_at_vouchers, reserve_vouchers, capture_vouchers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION look_at_vouchers, reserve_vouchers, capture_vouchers TO farebox_writer;

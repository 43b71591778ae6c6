-- What a claim costs does not grow with what is unsettled.

-- ---------------------------------------------------------------- tables
-- What providers have unsettled: the sum of their payments by gate and facilitator that are reserved, served, settling or included.
-- Only claims write it, which are decided one after another; what is settled meanwhile waits for none of them.
CREATE TABLE exposures (
  asset text NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  open numeric(78, 0) NOT NULL,
  PRIMARY KEY (asset, provider_id)
) WITH (fillfactor = 50);

-- Changes of it that the next claim adds up. Without an index: there are never more than came since the last claim.
CREATE TABLE exposure_changes (
  provider_id text NOT NULL,
  asset text NOT NULL,
  change numeric(78, 0) NOT NULL
);

DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['exposures', 'exposure_changes'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_writer, farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT INSERT, UPDATE ON exposures TO farebox_writer;
GRANT INSERT, DELETE ON exposure_changes TO farebox_writer;

-- ---------------------------------------------------------------- keeping it
-- Whatever makes a payment count as unsettled, or count no more, says so in the same transaction.
CREATE FUNCTION counts_as_unsettled(state text, origin text) RETURNS boolean LANGUAGE sql IMMUTABLE
  RETURN state IN ('reserved', 'served', 'settling', 'included') AND origin IN ('gate', 'facilitator');

CREATE FUNCTION note_claimed_exposure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO exposure_changes (provider_id, asset, change)
  SELECT n.provider_id, n.asset, sum(n.amount) FROM arrived n WHERE counts_as_unsettled(n.state, n.origin) GROUP BY 1, 2;
  RETURN NULL;
END
$$;
CREATE TRIGGER claimed_exposure AFTER INSERT ON payments REFERENCING NEW TABLE AS arrived
  FOR EACH STATEMENT EXECUTE FUNCTION note_claimed_exposure();

CREATE FUNCTION note_changed_exposure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO exposure_changes (provider_id, asset, change)
  SELECT c.provider_id, c.asset, sum(c.amount)
  FROM (
    SELECT o.provider_id, o.asset, -o.amount AS amount FROM before o WHERE counts_as_unsettled(o.state, o.origin)
    UNION ALL
    SELECT n.provider_id, n.asset, n.amount FROM after n WHERE counts_as_unsettled(n.state, n.origin)
  ) c
  GROUP BY 1, 2 HAVING sum(c.amount) <> 0;
  RETURN NULL;
END
$$;
CREATE TRIGGER changed_exposure AFTER UPDATE ON payments REFERENCING OLD TABLE AS before NEW TABLE AS after
  FOR EACH STATEMENT EXECUTE FUNCTION note_changed_exposure();

-- Adds up what changed. Its callers hold the lock of claims.
CREATE FUNCTION fold_exposures() RETURNS void LANGUAGE sql AS $$
  WITH gone AS (DELETE FROM exposure_changes RETURNING provider_id, asset, change)
  INSERT INTO exposures AS e (provider_id, asset, open)
  SELECT g.provider_id, g.asset, sum(g.change) FROM gone g GROUP BY 1, 2
  ON CONFLICT (asset, provider_id) DO UPDATE SET open = e.open + excluded.open
$$;
REVOKE EXECUTE ON FUNCTION fold_exposures FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fold_exposures TO farebox_writer;

INSERT INTO exposures (provider_id, asset, open)
SELECT p.provider_id, p.asset, sum(p.amount) FROM payments p WHERE counts_as_unsettled(p.state, p.origin) GROUP BY 1, 2;
-- It was there for the sum alone.
DROP INDEX payments_open_by_provider;

-- ---------------------------------------------------------------- claims
-- As before, but the provider's sum is kept, and a wallet's is read by itself. What fills a channel, buys balance or is sent back does not
-- count as unsettled: nothing is delivered for it before it is final, beyond the provider's own cap. The payer still needs the funds.
CREATE OR REPLACE FUNCTION claim_payments(items jsonb, global_cap numeric)
RETURNS TABLE (ord integer, outcome text, payment_id text, account_id text, state text, binding bytea, known_payer boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('farebox.claim_payments'));
  PERFORM fold_exposures();
  RETURN QUERY
  WITH item AS MATERIALIZED (
    SELECT i.*, decode(i.nonce, 'hex') AS nonce_bytes, decode(i.binding, 'hex') AS binding_bytes, decode(i.signature, 'hex') AS signature_bytes
    FROM jsonb_to_recordset(items) AS i (ord integer, id text, provider text, "newAccount" text, origin text, network text,
      "chainId" integer, asset text, "assetId" text, payer text, "payTo" text, nonce text, amount numeric, "validAfter" numeric,
      "validBefore" numeric, signature text, binding text, resource text, attempt text, meter text, quantity numeric, price text, release text,
      "ttlSeconds" integer, balance numeric)
  ), existing AS (
    SELECT i.ord, p.id, p.account_id, p.state, p.binding, p.known_payer
    FROM item i JOIN payments p ON p.network = i.network AND p.asset = i.asset AND p.payer = i.payer AND p.nonce = i.nonce_bytes
  ), fresh AS (
    SELECT i.*, row_number() OVER (PARTITION BY i.network, i.asset, i.payer, i.nonce_bytes ORDER BY i.ord) AS presentation
    FROM item i WHERE NOT EXISTS (SELECT FROM existing e WHERE e.ord = i.ord)
  ), open_payer AS (
    -- Wallet by wallet, so that what the others have unsettled is not read.
    SELECT o.*
    FROM (SELECT DISTINCT f.payer FROM fresh f) w, LATERAL (
      SELECT p.payer, p.asset, p.provider_id, sum(p.amount) FILTER (WHERE p.origin IN ('gate', 'facilitator')) AS open, sum(p.amount) FILTER (WHERE p.state <> 'included') AS unspent
      FROM payments p
      WHERE p.payer = w.payer AND p.state IN ('reserved', 'served', 'settling', 'included')
      GROUP BY 1, 2, 3
    ) o
  ), open_provider AS (
    SELECT e.provider_id, e.asset, e.open FROM exposures e
    WHERE e.asset IN (SELECT f.asset FROM fresh f) AND (global_cap IS NOT NULL OR e.provider_id IN (SELECT f.provider FROM fresh f))
  ), weighed AS (
    SELECT f.*, v.exposure_cap_payer, v.exposure_cap_provider,
      sum(f.amount) FILTER (WHERE f.origin IN ('gate', 'facilitator')) OVER (PARTITION BY f.provider, f.payer, f.asset ORDER BY f.ord)
        + coalesce((SELECT o.open FROM open_payer o WHERE o.payer = f.payer AND o.asset = f.asset AND o.provider_id = f.provider), 0) AS payer_open,
      sum(f.amount) FILTER (WHERE f.origin IN ('gate', 'facilitator')) OVER (PARTITION BY f.provider, f.asset ORDER BY f.ord)
        + coalesce((SELECT o.open FROM open_provider o WHERE o.provider_id = f.provider AND o.asset = f.asset), 0) AS provider_open,
      sum(f.amount) FILTER (WHERE f.origin IN ('gate', 'facilitator')) OVER (PARTITION BY f.asset ORDER BY f.ord)
        + coalesce((SELECT sum(o.open) FROM open_provider o WHERE o.asset = f.asset), 0) AS global_open,
      sum(f.amount) OVER (PARTITION BY f.network, f.payer, f.asset ORDER BY f.ord)
        + coalesce((SELECT sum(o.unspent) FROM open_payer o WHERE o.payer = f.payer AND o.asset = f.asset), 0) AS payer_needs
    FROM fresh f JOIN providers v ON v.id = f.provider
    WHERE f.presentation = 1
  ), verdict AS (
    SELECT w.*, i.account_id AS known_account,
      CASE WHEN w.origin <> 'topup' AND w.payer_open > w.exposure_cap_payer THEN 'payer_cap'
        WHEN w.origin <> 'topup' AND w.provider_open > w.exposure_cap_provider THEN 'provider_cap'
        WHEN w.origin <> 'topup' AND w.global_open > global_cap THEN 'global_cap'
        WHEN w.payer_needs > w.balance THEN 'funds'
        ELSE 'claimed' END AS outcome,
      EXISTS (SELECT FROM payments s WHERE s.provider_id = w.provider AND s.payer = w.payer AND s.state = 'settled') AS known
    FROM weighed w LEFT JOIN identities i ON i.provider_id = w.provider AND i.kind = 'wallet' AND i.subject = w.payer
  ), walk_up AS (
    SELECT DISTINCT ON (v.provider, v.payer) v.provider, v.payer, v."newAccount" AS account
    FROM verdict v WHERE v.outcome = 'claimed' AND v.known_account IS NULL ORDER BY v.provider, v.payer, v.ord
  ), opened AS (
    INSERT INTO accounts (id, provider_id) SELECT u.account, u.provider FROM walk_up u RETURNING id
  ), linked AS (
    INSERT INTO identities (provider_id, kind, subject, account_id) SELECT u.provider, 'wallet', u.payer, u.account FROM walk_up u RETURNING account_id
  ), claimed AS (
    INSERT INTO payments (id, provider_id, account_id, origin, state, network, chain_id, asset, asset_id, payer, pay_to, nonce, amount,
      valid_after, valid_before, signature, binding, resource, attempt, meter_id, quantity, price_id, release, known_payer, expires_at)
    SELECT v.id, v.provider, coalesce(v.known_account, u.account), v.origin, 'reserved', v.network, v."chainId", v.asset, v."assetId", v.payer,
      v."payTo", v.nonce_bytes, v.amount, v."validAfter", v."validBefore", v.signature_bytes, v.binding_bytes, v.resource, v.attempt, v.meter, v.quantity,
      v.price, v.release, v.known, now() + make_interval(secs => v."ttlSeconds")
    FROM verdict v LEFT JOIN walk_up u ON u.provider = v.provider AND u.payer = v.payer
    WHERE v.outcome = 'claimed'
    RETURNING id, account_id, state, binding, known_payer
  )
  SELECT e.ord, 'exists', e.id, e.account_id, e.state, e.binding, e.known_payer FROM existing e
  UNION ALL
  SELECT v.ord, v.outcome, c.id, c.account_id, c.state, c.binding, c.known_payer FROM verdict v LEFT JOIN claimed c ON c.id = v.id
  UNION ALL
  SELECT f.ord, CASE v.outcome WHEN 'claimed' THEN 'exists' ELSE v.outcome END, c.id, c.account_id, c.state, c.binding, c.known_payer
  FROM fresh f
    JOIN verdict v ON v.network = f.network AND v.asset = f.asset AND v.payer = f.payer AND v.nonce_bytes = f.nonce_bytes
    LEFT JOIN claimed c ON c.id = v.id
  WHERE f.presentation > 1;
END
$$;

-- ---------------------------------------------------------------- captures
-- As before, but what is posted is taken as it came.
CREATE OR REPLACE FUNCTION capture_payments(items jsonb) RETURNS TABLE (payment_id text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  captured text[];
  postings jsonb;
BEGIN
  WITH item AS (
    SELECT * FROM jsonb_to_recordset(items) AS i (id text, provider text, charged numeric, quantity numeric)
  ), served AS (
    UPDATE payments p SET state = 'served', served_at = now(), charged = i.charged, quantity = i.quantity, next_run_at = now()
    FROM item i
    WHERE p.id = i.id AND p.provider_id = i.provider AND p.state = 'reserved' AND p.expires_at > now()
    RETURNING p.id
  )
  SELECT coalesce(array_agg(served.id), '{}') INTO captured FROM served;

  IF cardinality(captured) = 0 THEN RETURN; END IF;

  INSERT INTO payment_replies (payment_id, provider_id, status, headers, body)
  SELECT i.id, i.provider, i."replyStatus", i."replyHeaders", decode(i."replyBody", 'base64')
  FROM jsonb_to_recordset(items) AS i (id text, provider text, "replyStatus" integer, "replyHeaders" jsonb, "replyBody" text)
  WHERE i.id = ANY (captured) AND i."replyStatus" IS NOT NULL;

  INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
  SELECT next_usage_position(), sold.*
  FROM (
    SELECT p.provider_id, 'sold', min(p.served_at), max(p.served_at), count(*),
      json_build_object('items', json_agg(json_build_array(a.number, m.number, (extract(epoch FROM p.served_at) * 1000)::bigint, p.quantity::text, p.id)))::text,
      array_agg(DISTINCT a.number)
    FROM payments p JOIN accounts a ON a.id = p.account_id JOIN meters m ON m.id = p.meter_id
    WHERE p.id = ANY (captured)
    GROUP BY p.provider_id
  ) sold;

  -- Nearly always everything is captured, and nothing has to be picked out.
  IF cardinality(captured) = jsonb_array_length(items) THEN
    postings := jsonb_path_query_array(items, '$[*].transfers[*]');
  ELSE
    SELECT coalesce(jsonb_agg(transfer), '[]') INTO postings
    FROM jsonb_to_recordset(items) AS i (id text, transfers jsonb), LATERAL jsonb_array_elements(i.transfers) AS transfer
    WHERE i.id = ANY (captured);
  END IF;
  PERFORM post_transfers(postings);

  INSERT INTO outbox (queue, payload)
  SELECT 'submit-settlement', jsonb_build_object('chainId', p.chain_id) FROM payments p WHERE p.id = ANY (captured) GROUP BY p.chain_id;
  PERFORM pg_notify('farebox_outbox', '');

  RETURN QUERY SELECT unnest(captured);
END
$$;

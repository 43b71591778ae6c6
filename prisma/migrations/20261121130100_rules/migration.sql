-- What the database keeps by itself: roles and their grants, row policies, checks, append-only tables, legal transitions,
-- and the set-based functions of the paid path.

-- ---------------------------------------------------------------- roles
-- app: everything done for one provider, under row-level security.   writer: the few writers that batch across providers.
-- auditor: reads all, for `verify`.   queue: BullMQ's own schema where no Redis is to be had.
-- They have no password until an operator sets one; none owns a table.
DO $$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['farebox_app', 'farebox_writer', 'farebox_auditor', 'farebox_queue'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', role_name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO farebox_queue', current_database());
END
$$;

GRANT USAGE ON SCHEMA public TO farebox_app, farebox_writer, farebox_auditor;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT SELECT, INSERT ON providers, provider_keys, accounts, identities, meters, prices, charges, ledger_accounts, transfers TO farebox_app;
GRANT UPDATE (name, pay_to, exposure_cap_payer, exposure_cap_provider, raise_above, raise_first_payment) ON providers TO farebox_app;
GRANT UPDATE (revoked_at) ON provider_keys TO farebox_app;
GRANT UPDATE (name) ON accounts TO farebox_app;
GRANT UPDATE (quantity, amount, revision, rated_at) ON charges TO farebox_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON rating_due TO farebox_app;
GRANT SELECT ON usage_events, payments, payment_replies, ledger_balances TO farebox_app;
GRANT INSERT ON outbox TO farebox_app;

GRANT SELECT ON providers, meters, prices TO farebox_writer;
GRANT SELECT, INSERT ON accounts, identities, usage_events, ledger_accounts, transfers, payment_replies, settlement_batches TO farebox_writer;
GRANT SELECT, INSERT, UPDATE ON payments, chain_signers, chain_transactions, chain_candidates TO farebox_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON rating_due, ledger_balances TO farebox_writer;
GRANT SELECT, INSERT, DELETE ON outbox TO farebox_writer;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO farebox_auditor;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO farebox_app, farebox_writer;

-- ---------------------------------------------------------------- row-level security
-- The provider is set per transaction. Not set: NULL or '', which equals no provider, so no rows.
CREATE FUNCTION current_provider() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN current_setting('farebox.provider', true);

DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['provider_keys', 'accounts', 'identities', 'meters', 'usage_events', 'prices', 'charges', 'rating_due',
    'ledger_accounts', 'transfers', 'ledger_balances', 'payments', 'payment_replies'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
  END LOOP;
END
$$;
ALTER TABLE providers ENABLE ROW LEVEL SECURITY;
ALTER TABLE providers FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON providers TO farebox_app USING (id = current_provider()) WITH CHECK (id = current_provider());
CREATE POLICY writer_rows ON providers FOR SELECT TO farebox_writer USING (true);
CREATE POLICY auditor_rows ON providers FOR SELECT TO farebox_auditor USING (true);

-- One look-up happens before the provider is known: by the id of the presented key, and for exactly that row.
CREATE POLICY presented_key ON provider_keys FOR SELECT TO farebox_app USING (id = current_setting('farebox.key', true));

-- ---------------------------------------------------------------- references and checks
ALTER TABLE provider_keys ADD FOREIGN KEY (provider_id) REFERENCES providers (id);
ALTER TABLE accounts ADD FOREIGN KEY (provider_id) REFERENCES providers (id);
ALTER TABLE identities ADD FOREIGN KEY (account_id) REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE meters ADD FOREIGN KEY (provider_id) REFERENCES providers (id);
ALTER TABLE prices ADD FOREIGN KEY (meter_id) REFERENCES meters (id);
ALTER TABLE usage_events ADD FOREIGN KEY (meter_id) REFERENCES meters (id);
ALTER TABLE charges ADD FOREIGN KEY (account_id) REFERENCES accounts (id), ADD FOREIGN KEY (price_id) REFERENCES prices (id);
ALTER TABLE payments ADD FOREIGN KEY (provider_id) REFERENCES providers (id);
ALTER TABLE payments ADD FOREIGN KEY (batch_id) REFERENCES settlement_batches (id);
ALTER TABLE payment_replies ADD FOREIGN KEY (payment_id) REFERENCES payments (id);
ALTER TABLE chain_transactions ADD FOREIGN KEY (chain_id, signer) REFERENCES chain_signers (chain_id, address);
ALTER TABLE chain_candidates ADD FOREIGN KEY (transaction_id) REFERENCES chain_transactions (id);

ALTER TABLE providers ADD CHECK (pay_to ~ '^0x[0-9a-f]{40}$'), ADD CHECK (exposure_cap_payer >= 0 AND exposure_cap_provider >= 0);
ALTER TABLE provider_keys ADD CHECK (octet_length(hash) = 32);
ALTER TABLE meters ADD CHECK (aggregation IN ('count', 'sum', 'level'));
ALTER TABLE usage_events
  ADD CHECK (value >= 0 AND value < 1e38 AND value <> 'NaN'),
  ADD CHECK (level >= 0 AND level < 1e38 AND level <> 'NaN'),
  ADD CHECK (octet_length(content_hash) = 32);
ALTER TABLE prices ADD CHECK (release IN ('authorized', 'submitted', 'confirmed')), ADD CHECK (asset_decimals BETWEEN 0 AND 18);
ALTER TABLE charges ADD CHECK (amount >= 0), ADD CHECK (window_start < window_end);
ALTER TABLE payments
  ADD CHECK (state IN ('reserved', 'served', 'settling', 'included', 'settled', 'voided', 'failed', 'recovered')),
  ADD CHECK (origin IN ('gate', 'facilitator')),
  ADD CHECK (octet_length(nonce) = 32 AND octet_length(binding) = 32 AND octet_length(signature) = 65),
  ADD CHECK (asset = lower(asset) AND payer = lower(payer) AND pay_to = lower(pay_to)),
  ADD CHECK (amount > 0),
  ADD CONSTRAINT charged_within_authorization CHECK (charged >= 0 AND charged <= amount),
  ADD CONSTRAINT served_is_charged CHECK (state IN ('reserved', 'voided') OR (charged IS NOT NULL AND served_at IS NOT NULL)),
  ADD CONSTRAINT void_is_not_charged CHECK (state <> 'voided' OR (charged IS NULL AND served_at IS NULL AND voided_at IS NOT NULL)),
  ADD CONSTRAINT settled_has_evidence CHECK (state NOT IN ('included', 'settled') OR (transaction IS NOT NULL AND log_index IS NOT NULL AND block_number IS NOT NULL AND block_hash IS NOT NULL)),
  ADD CONSTRAINT failed_has_proof CHECK (state <> 'failed' OR (failure IS NOT NULL AND failed_at IS NOT NULL));
ALTER TABLE chain_transactions ADD CHECK (state IN ('signed', 'broadcast', 'mined', 'reverted', 'final', 'dropped'));

CREATE INDEX payments_open_by_payer ON payments (payer, asset, provider_id) INCLUDE (amount) WHERE state IN ('reserved', 'served', 'settling', 'included');
CREATE INDEX payments_open_by_provider ON payments (provider_id) INCLUDE (amount, asset) WHERE state IN ('reserved', 'served', 'settling', 'included');
CREATE INDEX payments_known_payers ON payments (provider_id, payer) WHERE state = 'settled';
CREATE INDEX payments_to_submit ON payments (chain_id, valid_before) WHERE state = 'served';
CREATE INDEX payments_to_resolve ON payments (chain_id, next_run_at) WHERE state IN ('settling', 'included');
CREATE INDEX payments_of_batch ON payments (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX payments_to_void ON payments (expires_at) WHERE state = 'reserved';
CREATE INDEX chain_transactions_open ON chain_transactions (chain_id, next_run_at) WHERE state IN ('signed', 'broadcast', 'mined', 'reverted');
CREATE INDEX usage_events_of_meter ON usage_events (meter_id, account_id, time) INCLUDE (value, level, resource) WHERE payment_id IS NULL;

-- The ledger: an unbalanced transfer cannot be written down. One row debits and credits the same amount of the same asset.
ALTER TABLE ledger_accounts ADD CONSTRAINT ledger_account_once UNIQUE NULLS NOT DISTINCT (provider_id, code, asset, account_id, detail);
ALTER TABLE transfers
  ADD CHECK (amount > 0),
  ADD CHECK (debit_id <> credit_id),
  ADD FOREIGN KEY (debit_id, asset) REFERENCES ledger_accounts (id, asset),
  ADD FOREIGN KEY (credit_id, asset) REFERENCES ledger_accounts (id, asset);
-- Which database transaction wrote the row: a roll-up may only pass rows no older transaction can still add to.
ALTER TABLE transfers ADD COLUMN written_by xid8 NOT NULL DEFAULT pg_current_xact_id();

-- ---------------------------------------------------------------- append-only
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: write a correction instead', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger_accounts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON prices FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_replies FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- legal transitions
CREATE FUNCTION refuse_illegal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('reserved', 'served'), ('reserved', 'voided'), ('served', 'settling'), ('settling', 'included'),
    ('included', 'settling'), ('included', 'settled'), ('settling', 'failed'), ('failed', 'recovered')) THEN
    RAISE EXCEPTION 'payment % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON payments FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_illegal_transition();

-- ---------------------------------------------------------------- posting
-- The functions below are planned once per session, often while their tables are small; they must never settle on reading
-- a whole table that is about to grow.
CREATE FUNCTION ledger_account_id(provider text, code text, asset text, account text, detail text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN 'la_' || md5(provider || '|' || code || '|' || asset || '|' || coalesce(account, '') || '|' || detail);

-- Posts transfers: an array of {provider, entry, key, debitCode, debitAccount, debitDetail, creditCode, creditAccount,
-- creditDetail, asset, amount, reason, reference}. Ledger accounts are opened as needed. A posting key that exists is left
-- alone if it says the same and refused if it says something else. Answers how many were new.
CREATE FUNCTION post_transfers(items jsonb) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  posted integer;
  differing text;
BEGIN
  INSERT INTO ledger_accounts (id, provider_id, code, asset, account_id, detail)
  SELECT DISTINCT ON (place.id) place.id, place.provider, place.code, place.asset, place.account, place.detail
  FROM jsonb_to_recordset(items) AS i (provider text, asset text, "debitCode" text, "debitAccount" text, "debitDetail" text,
      "creditCode" text, "creditAccount" text, "creditDetail" text),
    LATERAL (VALUES
      (ledger_account_id(i.provider, i."debitCode", i.asset, i."debitAccount", i."debitDetail"), i.provider, i."debitCode", i.asset, i."debitAccount", i."debitDetail"),
      (ledger_account_id(i.provider, i."creditCode", i.asset, i."creditAccount", i."creditDetail"), i.provider, i."creditCode", i.asset, i."creditAccount", i."creditDetail")
    ) AS place (id, provider, code, asset, account, detail)
  WHERE NOT EXISTS (SELECT FROM ledger_accounts known WHERE known.id = place.id)
  ORDER BY place.id
  ON CONFLICT DO NOTHING;

  INSERT INTO transfers (provider_id, entry, posting_key, debit_id, credit_id, asset, amount, reason, reference)
  SELECT i.provider, i.entry, i.key,
    ledger_account_id(i.provider, i."debitCode", i.asset, i."debitAccount", i."debitDetail"),
    ledger_account_id(i.provider, i."creditCode", i.asset, i."creditAccount", i."creditDetail"),
    i.asset, i.amount, i.reason, i.reference
  FROM jsonb_to_recordset(items) AS i (provider text, entry text, key text, asset text, amount numeric, reason text, reference text,
    "debitCode" text, "debitAccount" text, "debitDetail" text, "creditCode" text, "creditAccount" text, "creditDetail" text)
  ON CONFLICT (provider_id, posting_key) DO NOTHING;
  GET DIAGNOSTICS posted = ROW_COUNT;

  IF posted < jsonb_array_length(items) THEN
    SELECT t.posting_key INTO differing
    FROM jsonb_to_recordset(items) AS i (provider text, key text, asset text, amount numeric, "debitCode" text, "debitAccount" text,
        "debitDetail" text, "creditCode" text, "creditAccount" text, "creditDetail" text)
      JOIN transfers t ON t.provider_id = i.provider AND t.posting_key = i.key
    WHERE (t.amount, t.asset, t.debit_id, t.credit_id) IS DISTINCT FROM (i.amount, i.asset,
      ledger_account_id(i.provider, i."debitCode", i.asset, i."debitAccount", i."debitDetail"),
      ledger_account_id(i.provider, i."creditCode", i.asset, i."creditAccount", i."creditDetail"))
    LIMIT 1;
    IF differing IS NOT NULL THEN
      RAISE EXCEPTION 'posting key % is taken by a transfer that says something else', differing USING ERRCODE = 'unique_violation';
    END IF;
  END IF;
  RETURN posted;
END
$$;

-- ---------------------------------------------------------------- the paid path
-- Claims many payments in one statement. Claims are decided one batch after another (advisory lock), so that the caps and
-- the payer's funds hold whatever the number of processes; no row is shared. Items: see `ClaimItem` in features/payments.
-- Outcomes: claimed | exists | payer_cap | provider_cap | global_cap | funds.
CREATE FUNCTION claim_payments(items jsonb, global_cap numeric)
RETURNS TABLE (ord integer, outcome text, payment_id text, account_id text, state text, binding bytea, known_payer boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('farebox.claim_payments'));
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
    SELECT p.payer, p.asset, p.provider_id, sum(p.amount) AS open, sum(p.amount) FILTER (WHERE p.state <> 'included') AS unspent
    FROM payments p
    WHERE p.state IN ('reserved', 'served', 'settling', 'included') AND p.payer IN (SELECT f.payer FROM fresh f)
    GROUP BY 1, 2, 3
  ), open_provider AS (
    SELECT p.provider_id, p.asset, sum(p.amount) AS open
    FROM payments p
    WHERE p.state IN ('reserved', 'served', 'settling', 'included') AND (global_cap IS NOT NULL OR p.provider_id IN (SELECT f.provider FROM fresh f))
    GROUP BY 1, 2
  ), weighed AS (
    SELECT f.*, v.exposure_cap_payer, v.exposure_cap_provider,
      sum(f.amount) OVER (PARTITION BY f.provider, f.payer, f.asset ORDER BY f.ord)
        + coalesce((SELECT o.open FROM open_payer o WHERE o.payer = f.payer AND o.asset = f.asset AND o.provider_id = f.provider), 0) AS payer_open,
      sum(f.amount) OVER (PARTITION BY f.provider, f.asset ORDER BY f.ord)
        + coalesce((SELECT o.open FROM open_provider o WHERE o.provider_id = f.provider AND o.asset = f.asset), 0) AS provider_open,
      sum(f.amount) OVER (PARTITION BY f.asset ORDER BY f.ord)
        + coalesce((SELECT sum(o.open) FROM open_provider o WHERE o.asset = f.asset), 0) AS global_open,
      sum(f.amount) OVER (PARTITION BY f.network, f.payer, f.asset ORDER BY f.ord)
        + coalesce((SELECT sum(o.unspent) FROM open_payer o WHERE o.payer = f.payer AND o.asset = f.asset), 0) AS payer_needs
    FROM fresh f JOIN providers v ON v.id = f.provider
    WHERE f.presentation = 1
  ), verdict AS (
    SELECT w.*, i.account_id AS known_account,
      CASE WHEN w.payer_open > w.exposure_cap_payer THEN 'payer_cap'
        WHEN w.provider_open > w.exposure_cap_provider THEN 'provider_cap'
        WHEN w.global_open > global_cap THEN 'global_cap'
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

-- Captures many served payments in one statement: state, reply, usage, transfers and the settler's wake-up commit together.
-- Items: {id, provider, charged, quantity, replyStatus, replyHeaders, replyBody (base64), eventHash (hex), transfers}.
-- Answers the ids that were captured now; the others were captured, voided or expired before.
CREATE FUNCTION capture_payments(items jsonb) RETURNS TABLE (payment_id text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
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

  INSERT INTO usage_events (provider_id, source, event_id, meter_id, account_id, time, value, content_hash, payment_id)
  SELECT p.provider_id, 'farebox:gate', p.id, p.meter_id, p.account_id, p.served_at, p.quantity, decode(i."eventHash", 'hex'), p.id
  FROM jsonb_to_recordset(items) AS i (id text, "eventHash" text) JOIN payments p ON p.id = i.id
  WHERE i.id = ANY (captured) AND p.meter_id IS NOT NULL;

  SELECT coalesce(jsonb_agg(transfer), '[]') INTO postings
  FROM jsonb_to_recordset(items) AS i (id text, transfers jsonb), LATERAL jsonb_array_elements(i.transfers) AS transfer
  WHERE i.id = ANY (captured);
  PERFORM post_transfers(postings);

  INSERT INTO outbox (queue, payload)
  SELECT 'submit-settlement', jsonb_build_object('chainId', p.chain_id) FROM payments p WHERE p.id = ANY (captured) GROUP BY p.chain_id;
  PERFORM pg_notify('farebox_outbox', '');

  RETURN QUERY SELECT unnest(captured);
END
$$;

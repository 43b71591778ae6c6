-- Balance that agents buy with a payment of their own, and unused balance that goes back on the chain.

-- ---------------------------------------------------------------- tables
-- What a provider sells balance by; the defaults of the service where there is no row.
CREATE TABLE topup_settings (
  provider_id text PRIMARY KEY REFERENCES providers (id),
  least numeric(78, 0) NOT NULL CHECK (least > 0),
  most numeric(78, 0) NOT NULL,
  -- Most an account may have in balance whose payment is in a block and not final yet.
  provisional_credit_cap numeric(78, 0) NOT NULL DEFAULT 0 CHECK (provisional_credit_cap >= 0),
  CHECK (least <= most)
);

-- One row for a captured payment that buys balance. paid: no balance yet · provisional: balance given before the payment is final ·
-- credited: the payment is final and the balance is there · failed: the payment is proven never to have happened.
CREATE TABLE topups (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  payment_id text NOT NULL REFERENCES payments (id),
  account_id text NOT NULL REFERENCES accounts (id),
  asset text NOT NULL,
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  state text NOT NULL DEFAULT 'paid' CHECK (state IN ('paid', 'provisional', 'credited', 'failed')),
  grant_id text REFERENCES grants (id),
  -- Of a failed one: what had been used of the provisional balance, as it is booked, and how often that was changed.
  lost numeric(78, 0) NOT NULL DEFAULT 0,
  loss_steps integer NOT NULL DEFAULT 0,
  bought_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT topup_once UNIQUE (payment_id),
  CONSTRAINT topup_grant_once UNIQUE (grant_id),
  CONSTRAINT credited_has_grant CHECK (state NOT IN ('provisional', 'credited') OR grant_id IS NOT NULL),
  CONSTRAINT lost_within_amount CHECK (lost >= 0 AND lost <= amount)
);
CREATE INDEX topups_open ON topups (id) WHERE state IN ('paid', 'provisional');
CREATE INDEX topups_provisional ON topups (account_id, asset) WHERE state = 'provisional';
CREATE INDEX topups_failed ON topups (grant_id) WHERE state = 'failed' AND grant_id IS NOT NULL;

CREATE FUNCTION refuse_illegal_topup_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('paid', 'provisional'), ('paid', 'credited'), ('paid', 'failed'), ('provisional', 'credited'), ('provisional', 'failed')) THEN
    RAISE EXCEPTION 'top-up % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON topups FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_illegal_topup_transition();

-- A refund is sent as a payment of its provider, one attempt at a time; the attempt makes the nonce.
ALTER TABLE refunds
  ADD COLUMN payment_id text REFERENCES payments (id),
  ADD COLUMN attempt integer NOT NULL DEFAULT 0,
  ADD COLUMN reason text,
  ADD COLUMN ended_at timestamptz(3),
  ADD CONSTRAINT refunds_state_check CHECK (state IN ('owed', 'sending', 'paid', 'cancelled')),
  ADD CONSTRAINT sent_has_payment CHECK (state NOT IN ('sending', 'paid') OR payment_id IS NOT NULL);
CREATE INDEX refunds_of_provider ON refunds (provider_id, id);
CREATE UNIQUE INDEX refunds_of_payment ON refunds (payment_id) WHERE payment_id IS NOT NULL;

ALTER TABLE payments DROP CONSTRAINT payments_origin_check,
  ADD CONSTRAINT payments_origin_check CHECK (origin IN ('gate', 'facilitator', 'deposit', 'topup', 'refund'));

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['topup_settings', 'topups'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_writer, farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT INSERT, UPDATE ON topup_settings TO farebox_app;
GRANT INSERT, UPDATE ON topups TO farebox_writer;
GRANT UPDATE (payment_id, attempt, reason, ended_at) ON refunds TO farebox_writer;

-- ---------------------------------------------------------------- claims
-- As before, but what fills a channel, buys balance or is sent back does not count as unsettled: nothing is delivered for it before it is
-- final, beyond the provider's own cap. The payer still needs the funds.
CREATE OR REPLACE FUNCTION claim_payments(items jsonb, global_cap numeric)
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
    SELECT p.payer, p.asset, p.provider_id, sum(p.amount) FILTER (WHERE p.origin IN ('gate', 'facilitator')) AS open, sum(p.amount) FILTER (WHERE p.state <> 'included') AS unspent
    FROM payments p
    WHERE p.state IN ('reserved', 'served', 'settling', 'included') AND p.payer IN (SELECT f.payer FROM fresh f)
    GROUP BY 1, 2, 3
  ), open_provider AS (
    SELECT p.provider_id, p.asset, sum(p.amount) AS open
    FROM payments p
    WHERE p.state IN ('reserved', 'served', 'settling', 'included') AND p.origin IN ('gate', 'facilitator') AND (global_cap IS NOT NULL OR p.provider_id IN (SELECT f.provider FROM fresh f))
    GROUP BY 1, 2
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

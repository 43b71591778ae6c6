-- Prepaid value: wallets, the grants in them, holds on them, what bounds their use and what is told about them.

-- ---------------------------------------------------------------- tables
-- One row for an account and asset that ever had value. Everything below changes under its lock; `posted` and `held` are sums of
-- the rows below, kept with them in one transaction, so that the bound is checked whatever the number of processes.
CREATE TABLE wallets (
  account_id text NOT NULL REFERENCES accounts (id),
  asset text NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  posted numeric(78, 0) NOT NULL DEFAULT 0,
  held numeric(78, 0) NOT NULL DEFAULT 0 CHECK (held >= 0),
  owed numeric(78, 0) NOT NULL DEFAULT 0 CHECK (owed >= 0),
  credit_held numeric(78, 0) NOT NULL DEFAULT 0 CHECK (credit_held >= 0),
  credit_limit numeric(78, 0) NOT NULL DEFAULT 0 CHECK (credit_limit >= 0),
  alert_below numeric(78, 0)[] NOT NULL DEFAULT '{}',
  -- A number drawn anew whenever the wallet, or anything below that is under its lock, may have changed: who knows the version knows
  -- the wallet. Drawn and not counted, so that a change that was given up can never be taken for another.
  version bigint NOT NULL DEFAULT 0,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT wallets_pkey PRIMARY KEY (account_id, asset),
  CONSTRAINT never_below_its_limit CHECK (posted - held >= -credit_limit)
) WITH (fillfactor = 50);

CREATE TABLE grants (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL,
  asset text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('paid', 'promotional', 'goodwill')),
  priority integer NOT NULL,
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  cost numeric(78, 0) NOT NULL DEFAULT 0,
  granted numeric(78, 0) NOT NULL,
  consumed numeric(78, 0) NOT NULL DEFAULT 0,
  expired numeric(78, 0) NOT NULL DEFAULT 0,
  voided numeric(78, 0) NOT NULL DEFAULT 0,
  refunded numeric(78, 0) NOT NULL DEFAULT 0,
  remaining numeric(78, 0) NOT NULL,
  held numeric(78, 0) NOT NULL DEFAULT 0,
  effective_at timestamptz(3) NOT NULL,
  -- The first instant at which it is no longer good.
  expires_at timestamptz(3),
  -- Names of meters; none: all.
  scope text[] NOT NULL DEFAULT '{}',
  -- What paid for it: a top-up, a receipt outside.
  funding text,
  reason text,
  -- {every, until, rollover: {min, max}, keepsOverage}
  recurrence jsonb,
  renews_at timestamptz(3),
  -- Names the request that issued it, so that repeating it issues nothing.
  key text,
  voided_at timestamptz(3),
  created_at timestamptz(3) NOT NULL,
  -- What indexes ask for instead of the amount, which changes with every charge: they then stay as they are.
  is_left boolean NOT NULL GENERATED ALWAYS AS (remaining > 0) STORED,
  FOREIGN KEY (account_id, asset) REFERENCES wallets (account_id, asset),
  CONSTRAINT grants_account_id_key_key UNIQUE (account_id, key),
  CONSTRAINT nothing_is_lost CHECK (remaining = granted - consumed - expired - voided - refunded),
  CHECK (consumed >= 0 AND expired >= 0 AND voided >= 0 AND refunded >= 0),
  CONSTRAINT held_of_what_remains CHECK (held >= 0 AND held <= remaining),
  CHECK (CASE kind WHEN 'paid' THEN cost BETWEEN 0 AND amount AND funding IS NOT NULL AND recurrence IS NULL ELSE cost = 0 AND refunded = 0 END),
  CHECK (expires_at > effective_at)
) WITH (fillfactor = 50);
CREATE INDEX grants_left ON grants (account_id, asset) WHERE is_left;
CREATE INDEX grants_of_account ON grants (account_id, created_at);
CREATE INDEX grants_to_expire ON grants (expires_at) WHERE is_left AND expires_at IS NOT NULL;
CREATE INDEX grants_to_clear ON grants (id) WHERE is_left AND voided_at IS NOT NULL;
CREATE INDEX grants_to_renew ON grants (renews_at) WHERE renews_at IS NOT NULL;

-- Lineage: which grants gave how much for what. A reversal gives back; `step` counts on.
CREATE TABLE grant_consumptions (
  -- `hld_…`, or the renewal that paid for overage.
  reference text NOT NULL,
  step integer NOT NULL,
  provider_id text NOT NULL,
  grant_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('use', 'reversal', 'overage')),
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  made_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT grant_consumptions_pkey PRIMARY KEY (reference, step)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON grant_consumptions FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE holds (
  id text PRIMARY KEY,
  provider_id text NOT NULL,
  account_id text NOT NULL,
  asset text NOT NULL,
  key text NOT NULL,
  -- What the key stands for: the same key with another one is a conflict.
  fingerprint text NOT NULL,
  state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'captured', 'released', 'expired')),
  amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
  used numeric(78, 0) NOT NULL DEFAULT 0,
  captured numeric(78, 0),
  -- Asked for beyond what was held, and not charged.
  excess numeric(78, 0) NOT NULL DEFAULT 0,
  -- Of what was captured: on credit; taken back.
  on_credit numeric(78, 0) NOT NULL DEFAULT 0,
  reversed numeric(78, 0) NOT NULL DEFAULT 0,
  meter_id text,
  meter text,
  quantity numeric NOT NULL,
  used_quantity numeric,
  captured_quantity numeric,
  price_id text,
  payer text NOT NULL,
  agent_key text,
  resource text NOT NULL,
  -- [[grant, amount], …], what is set aside on credit, [[limit, start, cap?], …]
  parts jsonb NOT NULL,
  credit numeric(78, 0) NOT NULL,
  counted jsonb NOT NULL,
  reason text,
  taken_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3),
  CONSTRAINT holds_account_id_key_key UNIQUE (account_id, key),
  CONSTRAINT captured_within_hold CHECK (captured >= 0 AND captured <= amount AND used <= amount),
  CONSTRAINT reversed_within_capture CHECK (reversed >= 0 AND reversed <= coalesce(captured, 0)),
  CONSTRAINT captured_when_captured CHECK ((state = 'captured') = (captured IS NOT NULL)),
  CONSTRAINT ended_when_ended CHECK ((state = 'held') = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX holds_to_expire ON holds (expires_at) WHERE state = 'held';
CREATE INDEX holds_of_account ON holds (account_id, asset, taken_at);

CREATE FUNCTION refuse_second_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'hold % is % and stays so', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER ends_once BEFORE UPDATE OF state ON holds FOR EACH ROW WHEN (OLD.state <> 'held' AND OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_second_end();

CREATE TABLE hold_replies (
  hold_id text PRIMARY KEY,
  provider_id text NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON hold_replies FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE spend_limits (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL,
  asset text NOT NULL,
  subject_kind text NOT NULL CHECK (subject_kind IN ('account', 'key', 'meter')),
  -- Key id or name of the meter; empty for the account.
  subject text NOT NULL DEFAULT '',
  "window" text NOT NULL CHECK ("window" IN ('hour', 'day', 'month', 'lifetime')),
  amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
  hard boolean NOT NULL,
  alert_percents integer[] NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  FOREIGN KEY (account_id, asset) REFERENCES wallets (account_id, asset),
  CONSTRAINT spend_limits_once UNIQUE (account_id, asset, subject_kind, subject, "window"),
  CHECK ((subject_kind = 'account') = (subject = ''))
);

CREATE TABLE spend_counters (
  account_id text NOT NULL,
  asset text NOT NULL,
  -- `lim_…`, or `<agent key>/<window>` of a budget.
  limit_id text NOT NULL,
  window_start timestamptz(3) NOT NULL,
  provider_id text NOT NULL,
  spent numeric(78, 0) NOT NULL CHECK (spent >= 0),
  held numeric(78, 0) NOT NULL CHECK (held >= 0),
  CONSTRAINT spend_counters_pkey PRIMARY KEY (account_id, asset, limit_id, window_start)
) WITH (fillfactor = 50);

-- What to tell, once per crossing. Handed over by whoever sets `delivered_at`.
CREATE TABLE wallet_alerts (
  id text PRIMARY KEY,
  provider_id text NOT NULL,
  account_id text NOT NULL,
  asset text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('balance_low', 'limit_reached', 'top_up_due')),
  details jsonb NOT NULL,
  raised_at timestamptz(3) NOT NULL,
  delivered_at timestamptz(3)
);
CREATE INDEX wallet_alerts_of_account ON wallet_alerts (account_id, id);
CREATE INDEX wallet_alerts_to_deliver ON wallet_alerts (id) WHERE delivered_at IS NULL;

-- Buying more when little is left: what to do, and where it stands.
CREATE TABLE auto_topups (
  account_id text NOT NULL,
  asset text NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  threshold numeric(78, 0) NOT NULL CHECK (threshold >= 0),
  fixed numeric(78, 0) CHECK (fixed > 0),
  up_to numeric(78, 0) CHECK (up_to > 0),
  cool_off_seconds integer NOT NULL CHECK (cool_off_seconds >= 0),
  per_day integer NOT NULL CHECK (per_day > 0),
  max_failures integer NOT NULL CHECK (max_failures > 0),
  pending numeric(78, 0),
  last_at timestamptz(3),
  on_that_day integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  CONSTRAINT auto_topups_pkey PRIMARY KEY (account_id, asset),
  FOREIGN KEY (account_id, asset) REFERENCES wallets (account_id, asset),
  CHECK ((fixed IS NULL) <> (up_to IS NULL))
);

-- Unused paid value that goes back: owed until the money has been sent.
CREATE TABLE refunds (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL,
  asset text NOT NULL,
  grant_id text NOT NULL REFERENCES grants (id),
  -- Value taken from the grant, and what is paid for it.
  value numeric(78, 0) NOT NULL CHECK (value > 0),
  cash numeric(78, 0) NOT NULL CHECK (cash >= 0 AND cash <= value),
  state text NOT NULL DEFAULT 'owed',
  key text,
  created_at timestamptz(3) NOT NULL,
  CONSTRAINT refunds_grant_id_key_key UNIQUE (grant_id, key)
);
CREATE INDEX refunds_of_account ON refunds (account_id, id);

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['wallets', 'grants', 'grant_consumptions', 'holds', 'hold_replies', 'spend_limits', 'spend_counters',
    'wallet_alerts', 'auto_topups', 'refunds'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON wallets, grants, holds, spend_counters, auto_topups TO farebox_app, farebox_writer;
GRANT SELECT, INSERT ON grant_consumptions, hold_replies, refunds TO farebox_app, farebox_writer;
GRANT UPDATE (state) ON refunds TO farebox_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON spend_limits TO farebox_app;
GRANT SELECT ON spend_limits TO farebox_writer;
GRANT DELETE ON auto_topups TO farebox_app;
GRANT SELECT, INSERT, UPDATE ON wallet_alerts TO farebox_app, farebox_writer;

-- ---------------------------------------------------------------- versions
-- What changes a wallet locks it first, which makes another version. What is set beside it does so itself.
CREATE FUNCTION another_version() RETURNS bigint LANGUAGE sql VOLATILE RETURN (random() * 281474976710655)::bigint;
CREATE FUNCTION touch_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE wallets SET version = another_version()
  WHERE (account_id, asset) = (coalesce(NEW.account_id, OLD.account_id), coalesce(NEW.asset, OLD.asset));
  RETURN NULL;
END
$$;
CREATE TRIGGER another_version AFTER INSERT OR UPDATE OR DELETE ON spend_limits FOR EACH ROW EXECUTE FUNCTION touch_wallet();
CREATE TRIGGER another_version AFTER INSERT OR UPDATE OR DELETE ON auto_topups FOR EACH ROW EXECUTE FUNCTION touch_wallet();
CREATE TRIGGER another_version AFTER INSERT ON grants FOR EACH ROW EXECUTE FUNCTION touch_wallet();
CREATE TRIGGER another_version AFTER UPDATE OF alert_below, credit_limit ON wallets FOR EACH ROW EXECUTE FUNCTION touch_wallet();

-- ---------------------------------------------------------------- lock and load
-- Locks wallets, in one order, gives each another version, and answers all that decisions about them need: those of `accounts`/`assets`, and of the holds and
-- grants named. With them come holds that have one of `keys` (parallel to `accounts`, null for none). `budgets`: of
-- `budget_accounts`, counters to load beside those of the wallets' own limits. `at`: the time to decide by, milliseconds; null for that of the database once the locks are had.
CREATE FUNCTION lock_wallets(accounts text[], assets text[], keys text[], hold_ids text[], grant_ids text[], budget_accounts text[],
  budgets text[], at bigint)
RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  locked_accounts text[];
  locked_assets text[];
  found_versions bigint[];
  of_grants jsonb;
  of_holds jsonb;
  of_limits jsonb;
  of_counters jsonb;
  of_wallets jsonb;
BEGIN
  SELECT coalesce(array_agg(locked.account_id), '{}'), coalesce(array_agg(locked.asset), '{}'), coalesce(array_agg(locked.version), '{}')
  INTO locked_accounts, locked_assets, found_versions
  FROM (
    SELECT w.account_id, w.asset, w.version FROM wallets w
    JOIN (
      SELECT a.account, a.asset FROM unnest(accounts, assets) AS a (account, asset)
      UNION
      SELECT h.account_id, h.asset FROM holds h WHERE h.id = ANY (hold_ids)
      UNION
      SELECT g.account_id, g.asset FROM grants g WHERE g.id = ANY (grant_ids)
    ) wanted ON w.account_id = wanted.account AND w.asset = wanted.asset
    ORDER BY w.account_id, w.asset
    FOR NO KEY UPDATE OF w
  ) locked;
  UPDATE wallets w SET version = another_version()
  FROM unnest(locked_accounts, locked_assets) AS l (account, asset) WHERE w.account_id = l.account AND w.asset = l.asset;

  -- Statements of their own: they see what others committed while this one waited for the locks.
  SELECT coalesce(jsonb_agg(jsonb_build_array(w.account_id, w.asset, w.provider_id, w.owed::text, w.credit_held::text, w.credit_limit::text,
      w.alert_below::text[], CASE WHEN t.account_id IS NOT NULL THEN jsonb_build_array(t.threshold::text, t.fixed::text, t.up_to::text, t.cool_off_seconds, t.per_day,
        t.max_failures, t.pending::text, (extract(epoch FROM t.last_at) * 1000)::bigint, t.on_that_day, t.failures) END, l.version, w.version)), '[]') INTO of_wallets
  FROM unnest(locked_accounts, locked_assets, found_versions) AS l (account, asset, version)
    JOIN wallets w ON w.account_id = l.account AND w.asset = l.asset
    LEFT JOIN auto_topups t ON t.account_id = l.account AND t.asset = l.asset;

  SELECT coalesce(jsonb_agg(jsonb_build_array(g.account_id, g.asset, g.id, g.kind, g.priority, g.amount::text, g.cost::text, g.granted::text,
      g.consumed::text, g.expired::text, g.voided::text, g.refunded::text, g.held::text, (extract(epoch FROM g.effective_at) * 1000)::bigint,
      (extract(epoch FROM g.expires_at) * 1000)::bigint, nullif(g.scope, '{}'), (extract(epoch FROM g.created_at) * 1000)::bigint, g.voided_at IS NOT NULL)), '[]')
  INTO of_grants
  FROM (
    SELECT g.* FROM unnest(locked_accounts, locked_assets) AS l (account, asset)
      JOIN grants g ON g.account_id = l.account AND g.asset = l.asset AND g.is_left
    UNION ALL
    SELECT g.* FROM grants g WHERE g.id = ANY (grant_ids) AND NOT g.is_left
  ) g;

  SELECT coalesce(jsonb_agg(jsonb_build_array(s.account_id, s.asset, s.id, s.subject_kind, s.subject, s."window", s.amount::text, s.hard,
      s.alert_percents)), '[]') INTO of_limits
  FROM unnest(locked_accounts, locked_assets) AS l (account, asset) JOIN spend_limits s ON s.account_id = l.account AND s.asset = l.asset;

  SELECT coalesce(jsonb_agg(hold_json(h)), '[]') INTO of_holds
  FROM holds h WHERE h.id IN (
    SELECT unnest(hold_ids)
    UNION
    SELECT k.id FROM unnest(accounts, keys) AS a (account, key) JOIN holds k ON k.account_id = a.account AND k.key = a.key);

  SELECT coalesce(jsonb_agg(jsonb_build_array(c.account_id, c.asset, c.limit_id, (extract(epoch FROM c.window_start) * 1000)::bigint, c.spent::text,
      c.held::text)), '[]') INTO of_counters
  FROM (
    SELECT l.account, l.asset, named.id, now_windows.start
    FROM unnest(locked_accounts, locked_assets) AS l (account, asset),
      LATERAL (SELECT i ->> 2 AS id FROM jsonb_array_elements(of_limits) i WHERE i ->> 0 = l.account AND i ->> 1 = l.asset 
        UNION ALL SELECT b.id FROM unnest(budget_accounts, budgets) AS b (account, id) WHERE b.account = l.account) AS named,
      LATERAL (SELECT coalesce(timestamptz 'epoch' + at * interval '1 millisecond', clock_timestamp()) AT TIME ZONE 'UTC' AS now) t,
      LATERAL (VALUES (timestamptz 'epoch'), (date_trunc('hour', t.now) AT TIME ZONE 'UTC'), (date_trunc('day', t.now) AT TIME ZONE 'UTC'),
        (date_trunc('month', t.now) AT TIME ZONE 'UTC')) AS now_windows (start)
    UNION
    SELECT h ->> 2, h ->> 3, c ->> 0, timestamptz 'epoch' + (c ->> 1)::bigint * interval '1 millisecond'
    FROM jsonb_array_elements(of_holds) h, LATERAL jsonb_array_elements(h -> 23) c
  ) AS wanted (account, asset, limit_id, start)
  JOIN spend_counters c ON c.account_id = wanted.account AND c.asset = wanted.asset AND c.limit_id = wanted.limit_id AND c.window_start = wanted.start;

  RETURN jsonb_build_object('at', coalesce(at, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 'wallets', of_wallets,
    'grants', of_grants, 'limits', of_limits, 'counters', of_counters, 'holds', of_holds);
END
$$;

-- A hold as decisions and readers take it, in this order.
CREATE FUNCTION hold_json(h holds) RETURNS jsonb LANGUAGE sql STABLE RETURN jsonb_build_array(
  h.id, h.provider_id, h.account_id, h.asset, h.key, h.fingerprint, h.state, h.amount::text, h.used::text, h.captured::text, h.excess::text,
  h.on_credit::text, h.reversed::text, h.meter_id, h.meter, h.quantity::text, h.used_quantity::text, h.captured_quantity::text, h.price_id,
  h.payer, h.agent_key, h.resource, h.parts, h.counted, h.credit::text, (extract(epoch FROM h.taken_at) * 1000)::bigint,
  (extract(epoch FROM h.expires_at) * 1000)::bigint, (extract(epoch FROM h.ended_at) * 1000)::bigint, h.reason);

-- ---------------------------------------------------------------- write
-- Writes what was decided under the locks, set by set. `changes` is {wallets, grants, counters, holds, changedHolds, endedHolds (only
-- their end differs), lineage, sold, alerts, topUps, replies, transfers, at}; the lists that are absent are empty. What was captured goes into the usage log, one entry for a
-- provider's, as it does for payments.
CREATE FUNCTION write_wallets(changes jsonb) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  decided timestamptz := timestamptz 'epoch' + (changes ->> 'at')::bigint * interval '1 millisecond';
  ended integer;
BEGIN
  IF changes ? 'grants' THEN
    UPDATE grants g SET held = i.held, granted = i.granted, consumed = i.consumed, expired = i.expired, voided = i.voided, refunded = i.refunded,
      remaining = i.remaining, voided_at = CASE WHEN i."isVoid" THEN coalesce(g.voided_at, decided) END
    FROM jsonb_to_recordset(changes -> 'grants') AS i (id text, held numeric, granted numeric, consumed numeric, expired numeric,
      voided numeric, refunded numeric, remaining numeric, "isVoid" boolean)
    WHERE g.id = i.id;
  END IF;

  IF changes ? 'wallets' THEN
    UPDATE wallets w SET posted = i.posted, held = i.held, owed = i.owed, credit_held = i."creditHeld", version = i.version
    FROM jsonb_to_recordset(changes -> 'wallets') AS i (account text, asset text, posted numeric, held numeric, owed numeric,
      "creditHeld" numeric, version bigint)
    WHERE w.account_id = i.account AND w.asset = i.asset;
  END IF;

  IF changes ? 'counters' THEN
    INSERT INTO spend_counters (account_id, asset, limit_id, window_start, provider_id, spent, held)
    SELECT i.account, i.asset, i."limit", timestamptz 'epoch' + i.start * interval '1 millisecond', i.provider, i.spent, i.held
    FROM jsonb_to_recordset(changes -> 'counters') AS i (account text, asset text, "limit" text, start bigint, provider text, spent numeric, held numeric)
    ON CONFLICT (account_id, asset, limit_id, window_start) DO UPDATE SET spent = excluded.spent, held = excluded.held;
  END IF;

  IF changes ? 'holds' THEN
    INSERT INTO holds (id, provider_id, account_id, asset, key, fingerprint, state, amount, used, captured, excess, on_credit, meter_id, meter,
      quantity, used_quantity, captured_quantity, price_id, payer, agent_key, resource, parts, credit, counted, reason, taken_at, expires_at, ended_at)
    SELECT i.id, i.provider, i.account, i.asset, i.key, i.fingerprint, i.state, i.amount, i.used, i.captured, i.excess, i."onCredit", i."meterId",
      i.meter, i.quantity, i."usedQuantity", i."capturedQuantity", i."priceId", i.payer, i."agentKey", i.resource, i.parts, i.credit, i.counted,
      i.reason, timestamptz 'epoch' + i."takenAt" * interval '1 millisecond', timestamptz 'epoch' + i."expiresAt" * interval '1 millisecond',
      CASE WHEN i.state <> 'held' THEN decided END
    FROM jsonb_to_recordset(changes -> 'holds') AS i (id text, provider text, account text, asset text, key text, fingerprint text, state text,
      amount numeric, used numeric, captured numeric, excess numeric, "onCredit" numeric, "meterId" text, meter text, quantity numeric,
      "usedQuantity" numeric, "capturedQuantity" numeric, "priceId" text, payer text, "agentKey" text, resource text, parts jsonb,
      credit numeric, counted jsonb, reason text, "takenAt" bigint, "expiresAt" bigint);
  END IF;

  IF changes ? 'changedHolds' THEN
    UPDATE holds h SET state = i.state, amount = i.amount, used = i.used, captured = i.captured, excess = i.excess, on_credit = i."onCredit",
      reversed = i.reversed, quantity = i.quantity, used_quantity = i."usedQuantity", captured_quantity = i."capturedQuantity", parts = i.parts,
      credit = i.credit, counted = i.counted, reason = i.reason, expires_at = timestamptz 'epoch' + i."expiresAt" * interval '1 millisecond',
      ended_at = CASE WHEN i.state <> 'held' THEN coalesce(h.ended_at, decided) END
    FROM jsonb_to_recordset(changes -> 'changedHolds') AS i (id text, state text, amount numeric, used numeric, captured numeric, excess numeric,
      "onCredit" numeric, reversed numeric, quantity numeric, "usedQuantity" numeric, "capturedQuantity" numeric, parts jsonb, credit numeric,
      counted jsonb, reason text, "expiresAt" bigint)
    WHERE h.id = i.id;
  END IF;

  IF changes ? 'endedHolds' THEN
    UPDATE holds h SET state = i.state, captured = i.captured, captured_quantity = i."capturedQuantity", excess = coalesce(i.excess, 0),
      on_credit = coalesce(i."onCredit", 0), reason = i.reason, ended_at = decided
    FROM jsonb_to_recordset(changes -> 'endedHolds') AS i (id text, state text, captured numeric, "capturedQuantity" numeric, excess numeric,
      "onCredit" numeric, reason text)
    -- Not by the state, for which there is an index: it would be read whole for each of them.
    WHERE h.id = i.id AND h.ended_at IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended < jsonb_array_length(changes -> 'endedHolds') THEN
      RAISE EXCEPTION 'a hold that is to end has ended before' USING ERRCODE = 'restrict_violation';
    END IF;
  END IF;

  IF changes ? 'lineage' THEN
    INSERT INTO grant_consumptions (reference, step, provider_id, grant_id, kind, amount, made_at)
    SELECT i.reference, i.step, i.provider, i."grant", i.kind, i.amount, decided
    FROM jsonb_to_recordset(changes -> 'lineage') AS i (reference text, step integer, provider text, "grant" text, kind text, amount numeric);
  END IF;

  IF changes ? 'sold' THEN
    INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
    SELECT next_usage_position(), sold.*
    FROM (
      SELECT i.provider, 'sold', decided, decided, count(*),
        json_build_object('items', json_agg(json_build_array(a.number, m.number, (changes ->> 'at')::bigint, i.quantity, i.id)))::text,
        array_agg(DISTINCT a.number)
      FROM jsonb_to_recordset(changes -> 'sold') AS i (id text, provider text, account text, meter text, quantity text)
        JOIN accounts a ON a.id = i.account JOIN meters m ON m.id = i.meter
      GROUP BY i.provider
    ) sold;
  END IF;

  IF changes ? 'replies' THEN
    INSERT INTO hold_replies (hold_id, provider_id, status, headers, body)
    SELECT i.id, i.provider, i.status, i.headers, decode(i.body, 'base64')
    FROM jsonb_to_recordset(changes -> 'replies') AS i (id text, provider text, status integer, headers jsonb, body text);
  END IF;

  IF changes ? 'alerts' THEN
    INSERT INTO wallet_alerts (id, provider_id, account_id, asset, kind, details, raised_at)
    SELECT i.id, i.provider, i.account, i.asset, i.kind, i.details, decided
    FROM jsonb_to_recordset(changes -> 'alerts') AS i (id text, provider text, account text, asset text, kind text, details jsonb);
  END IF;

  IF changes ? 'topUps' THEN
    UPDATE auto_topups t SET pending = i.pending, last_at = timestamptz 'epoch' + i."lastAt" * interval '1 millisecond', on_that_day = i."onThatDay",
      failures = i.failures
    FROM jsonb_to_recordset(changes -> 'topUps') AS i (account text, asset text, pending numeric, "lastAt" bigint, "onThatDay" integer, failures integer)
    WHERE t.account_id = i.account AND t.asset = i.asset;
  END IF;

  IF changes ? 'transfers' THEN
    PERFORM post_transfers(changes -> 'transfers');
  END IF;
END
$$;

-- Writes what was decided by somebody who remembered the wallets instead of reading them: `accounts`/`assets` in these `versions`.
-- Answers {at: the time of the database, milliseconds, written: whether all was as remembered, stale: the accounts whose wallets were
-- not}. Where it was not, nothing is written: a wallet has another version, a hold of one of `keys` (parallel to `key_accounts`)
-- exists, or `lag`, how far in milliseconds the time decided by may be behind that of the database, is passed (null: any).
CREATE FUNCTION commit_wallets(accounts text[], assets text[], versions bigint[], key_accounts text[], keys text[], lag integer, changes jsonb)
RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  stale text[];
  matching integer;
  now_at bigint;
BEGIN
  SELECT count(*) FILTER (WHERE is_same), array_agg(account) FILTER (WHERE NOT is_same) INTO matching, stale
  FROM (
    SELECT w.account_id AS account, w.version = known.version AS is_same
    FROM unnest(accounts, assets, versions) AS known (account, asset, version)
      JOIN wallets w ON w.account_id = known.account AND w.asset = known.asset
    ORDER BY w.account_id, w.asset
    FOR NO KEY UPDATE OF w
  ) locked;
  now_at := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  IF matching < cardinality(accounts)
    OR (changes ->> 'at')::bigint NOT BETWEEN now_at - lag AND now_at + lag
    OR EXISTS (SELECT FROM unnest(key_accounts, keys) AS k (account, key) JOIN holds h ON h.account_id = k.account AND h.key = k.key)
  THEN
    RETURN jsonb_build_object('at', now_at, 'written', false, 'stale', coalesce(stale, '{}'));
  END IF;
  PERFORM write_wallets(changes);
  RETURN jsonb_build_object('at', now_at, 'written', true, 'stale', '[]'::jsonb);
END
$$;
REVOKE EXECUTE ON FUNCTION lock_wallets, write_wallets, commit_wallets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION commit_wallets TO farebox_writer;
GRANT EXECUTE ON FUNCTION lock_wallets, write_wallets TO farebox_app, farebox_writer;

-- Collecting statements by card and bank debit: one collection a statement, one open attempt a collection, what Stripe was seen to say, and
-- the events it delivered.

-- ---------------------------------------------------------------- tables
-- A worker that works on a collection holds its lease; `fence` grows with each lease, and every write names it.
CREATE TABLE collections (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  statement_id text NOT NULL REFERENCES statements (id),
  asset text NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'attempting', 'processing', 'requires_action', 'dunning', 'paid',
    'disputed', 'reversed', 'uncollectible', 'closed', 'halted')),
  -- Attempts made, and steps of the schedule taken.
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  dunning integer NOT NULL DEFAULT 0 CHECK (dunning >= 0),
  -- Why it is where it is, in a word.
  reason text,
  -- Looks at the rail since its last news, and calls in a row without a clear answer.
  polls integer NOT NULL DEFAULT 0 CHECK (polls >= 0),
  trouble integer NOT NULL DEFAULT 0 CHECK (trouble >= 0),
  next_run_at timestamptz(3),
  lease_until timestamptz(3),
  fence bigint NOT NULL DEFAULT 0,
  version integer NOT NULL DEFAULT 1,
  opened_at timestamptz(3) NOT NULL DEFAULT now(),
  changed_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT collection_once UNIQUE (statement_id),
  CONSTRAINT collection_ended_rests CHECK (state NOT IN ('paid', 'uncollectible', 'closed', 'halted', 'disputed') OR next_run_at IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX collections_due ON collections (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE INDEX collections_of_account ON collections (account_id, id);
CREATE INDEX collections_of_provider ON collections (provider_id, id);

-- One try on one method. What is sent is written before it is sent, and sent as it is written.
CREATE TABLE collection_attempts (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  collection_id text NOT NULL REFERENCES collections (id),
  statement_id text NOT NULL REFERENCES statements (id),
  number integer NOT NULL CHECK (number > 0),
  rail text NOT NULL CHECK (rail IN ('card', 'bank')),
  method_id text NOT NULL,
  customer text NOT NULL,
  -- Cents of the currency, and what they pay of the statement in its asset.
  cents bigint NOT NULL CHECK (cents >= 50),
  currency text NOT NULL CHECK (currency = 'usd'),
  asset text NOT NULL,
  covers numeric(78, 0) NOT NULL CHECK (covers > 0),
  api_version text NOT NULL,
  create_key text NOT NULL,
  create_body text NOT NULL,
  confirm_key text NOT NULL,
  confirm_body text NOT NULL,
  state text NOT NULL DEFAULT 'prepared' CHECK (state IN ('prepared', 'created', 'processing', 'requires_action', 'refused', 'succeeded',
    'disputed', 'reversed', 'failed', 'abandoned', 'halted')),
  -- pi_…
  payment_intent text,
  -- ch_… or py_…: the charge that succeeded.
  charge text,
  -- When a confirm may first have been sent: written before it is.
  confirmed_at timestamptz(3),
  -- The rail keeps an error under the key of the step: nothing more is to be had by it.
  key_spent boolean NOT NULL DEFAULT false,
  -- 1120 was posted.
  debit_started boolean NOT NULL DEFAULT false,
  failure text,
  -- Of one that succeeded: what of it the statement took; the rest was unapplied.
  applied numeric(78, 0) CHECK (applied BETWEEN 0 AND covers),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  state_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT attempt_once UNIQUE (collection_id, number),
  CONSTRAINT attempt_intent_once UNIQUE (payment_intent),
  CONSTRAINT attempt_key_once UNIQUE (create_key),
  CONSTRAINT confirmed_by_stored_id CHECK (payment_intent IS NOT NULL OR (confirmed_at IS NULL AND state IN ('prepared', 'abandoned', 'halted'))),
  CONSTRAINT succeeded_says_what_it_paid CHECK (state NOT IN ('succeeded', 'disputed', 'reversed') OR applied IS NOT NULL),
  CONSTRAINT failed_has_code CHECK (state <> 'failed' OR failure IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX collection_attempts_one_open ON collection_attempts (collection_id)
  WHERE state IN ('prepared', 'created', 'processing', 'requires_action', 'refused', 'halted');
-- Money moves once for a statement.
CREATE UNIQUE INDEX collection_attempts_one_success ON collection_attempts (statement_id) WHERE state IN ('succeeded', 'disputed');
CREATE INDEX collection_attempts_of_provider ON collection_attempts (provider_id, id);

-- What the rail answered, as it did. Never changed.
CREATE TABLE collection_evidence (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  attempt_id text NOT NULL REFERENCES collection_attempts (id),
  step text NOT NULL CHECK (step IN ('prepare', 'find', 'confirm', 'read', 'cancel')),
  answer text NOT NULL,
  note text,
  object jsonb,
  seen_at timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX collection_evidence_of_attempt ON collection_evidence (attempt_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON collection_evidence FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON collection_evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Events of Stripe, of all providers: each a hint to fetch an object. parked: of an object we do not know, or not yet.
CREATE TABLE stripe_events (
  id text PRIMARY KEY,
  type text NOT NULL,
  object_id text,
  object_kind text,
  created_at timestamptz(3) NOT NULL,
  api_version text,
  livemode boolean NOT NULL,
  raw text NOT NULL,
  state text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'applied', 'ignored', 'parked')),
  tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
  next_run_at timestamptz(3) DEFAULT now(),
  received_at timestamptz(3) NOT NULL DEFAULT now(),
  handled_at timestamptz(3),
  CONSTRAINT handled_rests CHECK (state NOT IN ('applied', 'ignored') OR next_run_at IS NULL)
);
CREATE INDEX stripe_events_due ON stripe_events (next_run_at) WHERE next_run_at IS NOT NULL;

-- ---------------------------------------------------------------- what never changes
CREATE FUNCTION refuse_attempt_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.id, OLD.provider_id, OLD.account_id, OLD.collection_id, OLD.statement_id, OLD.number, OLD.rail, OLD.method_id, OLD.customer, OLD.cents,
      OLD.currency, OLD.asset, OLD.covers, OLD.api_version, OLD.create_key, OLD.create_body, OLD.confirm_key, OLD.confirm_body)
    IS DISTINCT FROM (NEW.id, NEW.provider_id, NEW.account_id, NEW.collection_id, NEW.statement_id, NEW.number, NEW.rail, NEW.method_id,
      NEW.customer, NEW.cents, NEW.currency, NEW.asset, NEW.covers, NEW.api_version, NEW.create_key, NEW.create_body, NEW.confirm_key,
      NEW.confirm_body)
    OR (OLD.payment_intent IS NOT NULL AND NEW.payment_intent IS DISTINCT FROM OLD.payment_intent) THEN
    RAISE EXCEPTION 'attempt % is written down and sent as it is', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER written_is_fixed BEFORE UPDATE ON collection_attempts FOR EACH ROW EXECUTE FUNCTION refuse_attempt_change();

CREATE FUNCTION refuse_illegal_attempt_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('prepared', 'created'), ('prepared', 'abandoned'), ('prepared', 'halted'),
    ('created', 'processing'), ('created', 'requires_action'), ('created', 'refused'), ('created', 'succeeded'), ('created', 'failed'),
    ('created', 'abandoned'), ('created', 'halted'),
    ('processing', 'requires_action'), ('processing', 'refused'), ('processing', 'succeeded'), ('processing', 'failed'), ('processing', 'halted'),
    ('requires_action', 'processing'), ('requires_action', 'refused'), ('requires_action', 'succeeded'), ('requires_action', 'failed'),
    ('requires_action', 'halted'),
    ('refused', 'processing'), ('refused', 'requires_action'), ('refused', 'succeeded'), ('refused', 'failed'), ('refused', 'halted'),
    ('succeeded', 'disputed'), ('succeeded', 'reversed'), ('disputed', 'succeeded'), ('disputed', 'reversed'), ('reversed', 'disputed'),
    ('reversed', 'succeeded'), ('halted', 'created'), ('halted', 'abandoned')) THEN
    RAISE EXCEPTION 'attempt % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON collection_attempts FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_illegal_attempt_transition();

CREATE FUNCTION refuse_illegal_collection_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('open', 'attempting'), ('open', 'waiting'), ('open', 'dunning'), ('open', 'uncollectible'), ('open', 'closed'),
    ('waiting', 'open'), ('waiting', 'closed'),
    ('attempting', 'processing'), ('attempting', 'requires_action'), ('attempting', 'paid'), ('attempting', 'open'), ('attempting', 'dunning'),
    ('attempting', 'uncollectible'), ('attempting', 'halted'),
    ('processing', 'requires_action'), ('processing', 'attempting'), ('processing', 'paid'), ('processing', 'open'), ('processing', 'dunning'),
    ('processing', 'uncollectible'), ('processing', 'halted'),
    ('requires_action', 'processing'), ('requires_action', 'attempting'), ('requires_action', 'paid'), ('requires_action', 'open'),
    ('requires_action', 'dunning'), ('requires_action', 'uncollectible'), ('requires_action', 'halted'),
    ('dunning', 'open'), ('dunning', 'attempting'), ('dunning', 'uncollectible'), ('dunning', 'closed'),
    ('paid', 'disputed'), ('paid', 'reversed'), ('disputed', 'paid'), ('disputed', 'reversed'),
    ('reversed', 'open'), ('reversed', 'dunning'), ('reversed', 'uncollectible'), ('reversed', 'closed'), ('reversed', 'paid'),
    ('reversed', 'disputed'), ('uncollectible', 'closed'), ('closed', 'open'), ('halted', 'attempting'), ('halted', 'open')) THEN
    RAISE EXCEPTION 'collection % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON collections FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_illegal_collection_transition();

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['collections', 'collection_attempts', 'collection_evidence'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO farebox_app, farebox_writer', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT UPDATE ON collections, collection_attempts TO farebox_app, farebox_writer;
GRANT SELECT, INSERT, UPDATE ON stripe_events TO farebox_writer;
GRANT SELECT ON stripe_events TO farebox_auditor;

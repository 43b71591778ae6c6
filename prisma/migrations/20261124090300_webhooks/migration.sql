-- What providers are told, where, and how that went.

-- ---------------------------------------------------------------- tables
CREATE TABLE webhook_endpoints (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  url text NOT NULL,
  description text NOT NULL DEFAULT '',
  -- Types of events it wants; '*' for all there are and will be.
  types text[] NOT NULL CHECK (cardinality(types) > 0),
  concurrency integer NOT NULL CHECK (concurrency BETWEEN 1 AND 4),
  state text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'deleted')),
  -- asked: by its provider · gone: the receiver answered 410.
  disabled_because text CHECK (disabled_because IN ('asked', 'gone')),
  -- The breaker: failed attempts in a row, and until when nothing is sent.
  failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  paused_until timestamptz(3),
  -- Secrets are derived from these and a key that is not in the database.
  secret_generation integer NOT NULL DEFAULT 1 CHECK (secret_generation > 0),
  rotated_at timestamptz(3),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT disabled_has_cause CHECK ((state = 'disabled') = (disabled_because IS NOT NULL)),
  CONSTRAINT rotated_has_former CHECK ((secret_generation > 1) = (rotated_at IS NOT NULL))
);
CREATE INDEX webhook_endpoints_of_provider ON webhook_endpoints (provider_id, id) WHERE state <> 'deleted';

CREATE TABLE webhook_events (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  type text NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  object_id text NOT NULL,
  object_version bigint NOT NULL CHECK (object_version >= 0),
  data jsonb NOT NULL,
  -- Given by who looks for what to announce: the same is not announced twice.
  once_key text,
  occurred_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT webhook_events_once UNIQUE (provider_id, once_key)
);
CREATE INDEX webhook_events_of_provider ON webhook_events (provider_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON webhook_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON webhook_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An event for an endpoint; a replay is a further round. `attempts` is the fencing token as well: each lease has the next one.
-- `next_at`: when it is due; while delivering, when its lease ends.
CREATE TABLE webhook_deliveries (
  event_id text NOT NULL REFERENCES webhook_events (id),
  endpoint_id text NOT NULL REFERENCES webhook_endpoints (id),
  round integer NOT NULL CHECK (round > 0),
  provider_id text NOT NULL,
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'delivering', 'retrying', 'delivered', 'exhausted', 'replayed', 'cancelled')),
  attempts integer NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 10),
  next_at timestamptz(3) NOT NULL DEFAULT now(),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (event_id, endpoint_id, round),
  CONSTRAINT ended_has_end CHECK ((state IN ('pending', 'delivering', 'retrying')) = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX webhook_deliveries_one_open ON webhook_deliveries (event_id, endpoint_id) WHERE state IN ('pending', 'delivering', 'retrying');
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_at) WHERE state IN ('pending', 'delivering', 'retrying');
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (created_at) WHERE state IN ('pending', 'delivering', 'retrying');
CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, event_id, round);

CREATE FUNCTION refuse_illegal_delivery_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('pending', 'delivering'), ('pending', 'exhausted'), ('pending', 'cancelled'),
    ('delivering', 'delivered'), ('delivering', 'retrying'), ('delivering', 'exhausted'), ('delivering', 'cancelled'),
    ('retrying', 'delivering'), ('retrying', 'exhausted'), ('retrying', 'cancelled'), ('exhausted', 'replayed')) THEN
    RAISE EXCEPTION 'delivery of % cannot go from % to %', OLD.event_id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON webhook_deliveries FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_illegal_delivery_transition();

-- Written before each POST. One without an end: nobody knows how it went, as its worker ended first.
CREATE TABLE webhook_attempts (
  event_id text NOT NULL,
  endpoint_id text NOT NULL,
  round integer NOT NULL,
  attempt integer NOT NULL CHECK (attempt > 0),
  provider_id text NOT NULL,
  started_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3),
  outcome text CHECK (outcome IN ('answered', 'refused', 'failed')),
  status integer,
  why text,
  CONSTRAINT webhook_attempts_pkey PRIMARY KEY (event_id, endpoint_id, round, attempt),
  FOREIGN KEY (event_id, endpoint_id, round) REFERENCES webhook_deliveries (event_id, endpoint_id, round),
  CONSTRAINT ended_has_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL)),
  CONSTRAINT answer_has_status CHECK ((outcome = 'answered') = (status IS NOT NULL))
);
CREATE TRIGGER ends_once BEFORE UPDATE ON webhook_attempts FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE DELETE ON webhook_attempts FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- announcing
-- Writes events and a delivery of each for every endpoint that wants it, and wakes the worker when there is one. Items: see `Announce` in
-- features/webhooks; `only` names the one endpoint an event is for. Answers how many deliveries there are.
CREATE FUNCTION announce_events(items jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  made integer;
BEGIN
  WITH item AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(items) AS i (id text, provider text, type text, version integer, "objectId" text, "objectVersion" bigint,
      data jsonb, once text, "only" text)
  ), kept AS (
    INSERT INTO webhook_events (id, provider_id, type, version, object_id, object_version, data, once_key)
    SELECT i.id, i.provider, i.type, i.version, i."objectId", i."objectVersion", i.data, i.once FROM item i
    ON CONFLICT (provider_id, once_key) DO NOTHING
    RETURNING id, provider_id, type
  ), staged AS (
    INSERT INTO webhook_deliveries (event_id, endpoint_id, round, provider_id)
    SELECT k.id, e.id, 1, k.provider_id
    FROM kept k JOIN item i ON i.id = k.id JOIN webhook_endpoints e ON e.provider_id = k.provider_id AND e.state = 'enabled'
    WHERE CASE WHEN i."only" IS NULL THEN e.types && ARRAY[k.type, '*'] ELSE e.id = i."only" END
    RETURNING 1
  )
  SELECT count(*) INTO made FROM staged;
  IF made > 0 THEN PERFORM wake_webhooks(); END IF;
  RETURN made;
END
$$;

CREATE FUNCTION wake_webhooks() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO outbox (queue, payload) VALUES ('deliver-webhooks', '{}');
  PERFORM pg_notify('farebox_outbox', '');
END
$$;

-- Opens a further round of an event for endpoints that have none open, and wakes the worker. What was given up is replayed from here on.
CREATE FUNCTION replay_event(event text, endpoints text[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  made integer;
BEGIN
  -- Locked, so that two replays at once open one round.
  PERFORM FROM webhook_endpoints e WHERE e.id = ANY (endpoints) ORDER BY e.id FOR UPDATE;
  WITH wanted AS (
    SELECT e.id, e.provider_id, coalesce(max(d.round), 0) + 1 AS round
    FROM webhook_endpoints e LEFT JOIN webhook_deliveries d ON d.endpoint_id = e.id AND d.event_id = event
    WHERE e.id = ANY (endpoints)
    GROUP BY e.id, e.provider_id
    HAVING NOT coalesce(bool_or(d.state IN ('pending', 'delivering', 'retrying')), false)
  ), former AS (
    UPDATE webhook_deliveries d SET state = 'replayed' FROM wanted w WHERE d.event_id = event AND d.endpoint_id = w.id AND d.state = 'exhausted'
  ), staged AS (
    INSERT INTO webhook_deliveries (event_id, endpoint_id, round, provider_id) SELECT event, w.id, w.round, w.provider_id FROM wanted w
    RETURNING 1
  )
  SELECT count(*) INTO made FROM staged;
  IF made > 0 THEN PERFORM wake_webhooks(); END IF;
  RETURN made;
END
$$;

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['webhook_endpoints', 'webhook_events', 'webhook_deliveries', 'webhook_attempts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_writer, farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT INSERT, UPDATE ON webhook_endpoints TO farebox_app;
GRANT UPDATE (state, disabled_because, failures, paused_until) ON webhook_endpoints TO farebox_writer;
GRANT INSERT ON webhook_events, webhook_deliveries TO farebox_app, farebox_writer;
GRANT UPDATE (state, ended_at) ON webhook_deliveries TO farebox_app;
GRANT UPDATE (state, attempts, next_at, ended_at) ON webhook_deliveries TO farebox_writer;
GRANT INSERT ON webhook_attempts TO farebox_writer;
GRANT UPDATE (ended_at, outcome, status, why) ON webhook_attempts TO farebox_writer;

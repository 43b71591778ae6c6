-- Usage as an append-only log of batches, and what is derived from it. The plain table of events of before moves into the log.

-- ---------------------------------------------------------------- small numbers
-- Derived rows are many and narrow: they name accounts and meters by number.
ALTER TABLE accounts ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE;
ALTER TABLE meters ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE;

-- ---------------------------------------------------------------- meters
-- What is fixed is in `meters`; what a version may change (filters, groups, conversion, ceilings …) is in its rules.
ALTER TABLE meters ADD COLUMN event_type text;
UPDATE meters SET event_type = name;
ALTER TABLE meters ALTER COLUMN event_type SET NOT NULL;
CREATE INDEX meters_by_event_type ON meters (provider_id, event_type);
ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check;
ALTER TABLE meters ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('count', 'sum', 'unique', 'max', 'min', 'average', 'latest', 'duration', 'level'));

CREATE TABLE meter_versions (
  meter_id text NOT NULL REFERENCES meters (id),
  version integer NOT NULL CHECK (version > 0),
  provider_id text NOT NULL REFERENCES providers (id),
  effective_at timestamptz(3) NOT NULL,
  rules jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT meter_versions_pkey PRIMARY KEY (meter_id, version),
  UNIQUE (meter_id, effective_at)
);
INSERT INTO meter_versions (meter_id, version, provider_id, effective_at) SELECT id, 1, provider_id, 'epoch' FROM meters;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON meter_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- the log
-- One row per batch, in the order of `position`. Kinds: stream (sequenced batches of the SDK, as they were sent), open
-- (CloudEvents, each identity once), sold (usage captured through the gate), change (corrections, backfills and replays: signed
-- parts). A month a partition, by time of receipt.
CREATE SEQUENCE usage_log_position;
CREATE TABLE usage_log (
  position bigint NOT NULL,
  provider_id text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('stream', 'open', 'sold', 'change')),
  received_at timestamptz(3) NOT NULL DEFAULT now(),
  -- Earliest and latest time of use in it.
  since timestamptz(3) NOT NULL,
  until timestamptz(3) NOT NULL,
  events integer NOT NULL CHECK (events > 0),
  stream uuid,
  seq bigint,
  -- JSON text. Kept as it is: compressing it costs more than it saves.
  body text NOT NULL,
  body_hash bytea,
  -- Numbers of the accounts in the body's dictionary, in its order; 0 for an unknown one.
  accounts integer[] NOT NULL,
  -- Ordinals that do not count: rejected, held, or repeated.
  skip integer[],
  -- The verdicts on those that were not accepted, as they were answered.
  items jsonb,
  CONSTRAINT usage_log_pkey PRIMARY KEY (position, received_at)
) PARTITION BY RANGE (received_at);
ALTER TABLE usage_log ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX usage_log_of_stream ON usage_log (stream, seq) WHERE stream IS NOT NULL;
CREATE INDEX usage_log_of_provider ON usage_log (provider_id, position);
-- Times of use follow positions closely, so a summary of page ranges finds them and costs a writer next to nothing.
CREATE INDEX usage_log_by_use ON usage_log USING brin (until, since) WITH (pages_per_range = 32, autosummarize = on);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON usage_log FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Makes the month's partition of an instant, where there is none. Run by the worker ahead of time; it is nobody's else to
-- create tables, so it acts as its owner.
CREATE FUNCTION ensure_usage_month(at timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  first_of_month timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
  name text := 'usage_log_' || to_char(first_of_month, 'YYYY_MM');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(hashtext('farebox.usage_months'));
  IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
  -- A batch of a hundred events stays in its row; only larger ones go beside it.
  EXECUTE format('CREATE TABLE %I PARTITION OF usage_log FOR VALUES FROM (%L) TO (%L) WITH (toast_tuple_target = 8160)', name,
    first_of_month AT TIME ZONE 'UTC', (first_of_month + interval '1 month') AT TIME ZONE 'UTC');
END
$$;
SELECT ensure_usage_month(now() + make_interval(months => ahead)) FROM generate_series(0, 2) AS ahead;
-- What no month was made for lands here rather than being refused.
CREATE TABLE usage_log_other PARTITION OF usage_log DEFAULT;

-- The next position. Whoever takes one holds the log shared until it commits: who holds it alone for a moment knows that every
-- position given out so far is committed or never will be.
CREATE FUNCTION next_usage_position() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtext('farebox.usage_log'));
  RETURN nextval('usage_log_position');
END
$$;

-- How far the log is rolled up.
CREATE TABLE usage_cursors (
  name text PRIMARY KEY,
  position bigint NOT NULL
);
INSERT INTO usage_cursors (name, position) VALUES ('roll-up', 0);

-- A sequence of batches of one sender: `complete_through` is the last of those before which none is missing.
CREATE TABLE usage_streams (
  provider_id text NOT NULL REFERENCES providers (id),
  stream uuid NOT NULL,
  source text NOT NULL,
  highest bigint NOT NULL DEFAULT 0,
  batches bigint NOT NULL DEFAULT 0,
  events bigint NOT NULL DEFAULT 0,
  complete_through bigint NOT NULL DEFAULT 0,
  first_at timestamptz(3) NOT NULL DEFAULT now(),
  last_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT usage_streams_pkey PRIMARY KEY (provider_id, stream)
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------- identities of the open door
-- The first 16 bytes of SHA-256 of "provider\nsource\nid". Every identity is in one place, and the event it was taken by counts.
-- Those that were taken lately are kept as they came, a run per commit. Whoever takes some holds 'farebox.identities' alone until it
-- commits, so runs are committed in their order, and whoever has seen one has been able to see all before it.
CREATE SEQUENCE identity_run;
CREATE TABLE identity_runs (
  run bigint PRIMARY KEY,
  -- 28 bytes each: identity (16), mark of the content (8, zeros for none), ordinal (4, lowest byte first).
  records bytea NOT NULL,
  -- Whose they are: the first counts[1] belong to the entry positions[1], and so on.
  positions bigint[] NOT NULL,
  counts integer[] NOT NULL
);
ALTER TABLE identity_runs ALTER COLUMN records SET STORAGE EXTERNAL;

-- The oldest runs are folded into segments, which never change: pages of identities, found by the beginning of the identity, and a
-- filter that tells which are not in it.
CREATE TABLE identity_segments (
  segment integer PRIMARY KEY,
  opened_at timestamptz(3) NOT NULL DEFAULT now(),
  closed_at timestamptz(3),
  -- All runs up to this one are in this segment or an earlier one; absent, like what follows, until it is filled.
  through bigint UNIQUE,
  ids bigint,
  buckets integer,
  filter bytea,
  CHECK ((closed_at IS NULL) = (through IS NULL) AND (closed_at IS NULL) = (filter IS NULL) AND (closed_at IS NULL) = (buckets IS NULL))
);
ALTER TABLE identity_segments ALTER COLUMN filter SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX one_open_segment ON identity_segments ((true)) WHERE closed_at IS NULL;

CREATE TABLE identity_pages (
  segment integer NOT NULL,
  bucket integer NOT NULL,
  -- 36 bytes each: as in a run, and the position (8, lowest byte first).
  records bytea NOT NULL,
  CONSTRAINT identity_pages_pkey PRIMARY KEY (segment, bucket)
) PARTITION BY LIST (segment);
ALTER TABLE identity_pages ALTER COLUMN records SET STORAGE PLAIN;

-- The segment to be filled next, made if there is none.
CREATE FUNCTION open_identity_segment() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  next_segment integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('farebox.identity_segments'));
  SELECT segment INTO next_segment FROM identity_segments WHERE closed_at IS NULL;
  IF FOUND THEN RETURN next_segment; END IF;
  SELECT coalesce(max(segment), 0) + 1 INTO next_segment FROM identity_segments;
  EXECUTE format('CREATE TABLE %I PARTITION OF identity_pages FOR VALUES IN (%s)', 'identity_pages_' || next_segment, next_segment);
  INSERT INTO identity_segments (segment) VALUES (next_segment);
  RETURN next_segment;
END
$$;

-- Forgets segments closed before an instant, which must lie more than 13 months back.
CREATE FUNCTION drop_identity_segments(closed_before timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  old integer;
  dropped integer := 0;
BEGIN
  IF closed_before > now() - interval '13 months' THEN
    RAISE EXCEPTION 'identities are kept for at least 13 months';
  END IF;
  -- The last one stays: it says how far runs are folded.
  FOR old IN
    SELECT segment FROM identity_segments
    WHERE closed_at < closed_before AND segment < (SELECT max(segment) FROM identity_segments WHERE closed_at IS NOT NULL)
  LOOP
    EXECUTE format('DROP TABLE %I', 'identity_pages_' || old);
    DELETE FROM identity_segments WHERE segment = old;
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END
$$;

-- ---------------------------------------------------------------- held events, corrections, backfills
-- Events that are kept and do not count: dead letters (unknown account or meter) and quarantine (over a ceiling). Named by
-- their receipt: position and ordinal.
CREATE TABLE usage_held (
  position bigint NOT NULL,
  ordinal integer NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  reason text NOT NULL,
  event jsonb NOT NULL,
  state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'replayed', 'discarded')),
  held_at timestamptz(3) NOT NULL DEFAULT now(),
  resolved_at timestamptz(3),
  -- The log entry that replays it.
  replayed_by bigint,
  CONSTRAINT usage_held_pkey PRIMARY KEY (position, ordinal)
);
CREATE INDEX usage_held_of_provider ON usage_held (provider_id, state, position, ordinal);

-- Which events of an entry the roll-up found not to count: those over an hourly ceiling, or in an entry that cannot be read.
CREATE TABLE usage_skips (
  position bigint PRIMARY KEY,
  provider_id text NOT NULL,
  ordinals integer[] NOT NULL
);

-- Versions of corrected events; the last one counts. Event is absent when voided.
CREATE TABLE usage_corrections (
  position bigint NOT NULL,
  ordinal integer NOT NULL,
  revision integer NOT NULL CHECK (revision > 0),
  provider_id text NOT NULL REFERENCES providers (id),
  action text NOT NULL CHECK (action IN ('void', 'amend', 'restore')),
  event jsonb,
  reason text,
  backfill_id text,
  -- The log entry that applies it.
  entry bigint NOT NULL,
  made_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT usage_corrections_pkey PRIMARY KEY (position, ordinal, revision),
  CHECK ((action = 'void') = (event IS NULL))
);
CREATE INDEX usage_corrections_of_provider ON usage_corrections (provider_id, made_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON usage_corrections FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE usage_backfills (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'committed', 'reverted', 'dropped')),
  -- {type, account?, from, to}: stored events of that range are replaced; absent: only added to.
  replaces jsonb,
  reason text,
  events integer NOT NULL DEFAULT 0,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  committed_at timestamptz(3),
  committed_by bigint,
  reverted_at timestamptz(3),
  reverted_by bigint
);
CREATE INDEX usage_backfills_of_provider ON usage_backfills (provider_id, created_at);
CREATE TABLE usage_backfill_parts (
  backfill_id text NOT NULL REFERENCES usage_backfills (id),
  part integer NOT NULL,
  provider_id text NOT NULL,
  -- JSON text: a batch, as in the log.
  body text NOT NULL,
  accounts integer[] NOT NULL,
  CONSTRAINT usage_backfill_parts_pkey PRIMARY KEY (backfill_id, part)
);

-- ---------------------------------------------------------------- derived
-- A cache: rebuilt from the log, it is the same. Start of a cell: its quarter of an hour or its day (UTC), or the instant within
-- it from which another price or definition holds. Series: the values of the meter's groups, '' when it has none.
CREATE TABLE usage_cells (
  provider_id text NOT NULL,
  account integer NOT NULL,
  meter integer NOT NULL,
  -- Minutes: 15 or 1440.
  grain smallint NOT NULL,
  start timestamptz(3) NOT NULL,
  series text NOT NULL,
  count bigint NOT NULL,
  sum numeric NOT NULL,
  cost numeric NOT NULL,
  -- Quantity sold through the gate, which is paid already.
  sold numeric NOT NULL,
  CONSTRAINT usage_cells_pkey PRIMARY KEY (account, meter, grain, start, series)
) WITH (fillfactor = 70);
CREATE INDEX usage_cells_of_meter ON usage_cells (meter, grain, start);

-- How many events of a quarter had which value: for unique, max, min and itemized meters.
CREATE TABLE usage_values (
  provider_id text NOT NULL,
  account integer NOT NULL,
  meter integer NOT NULL,
  start timestamptz(3) NOT NULL,
  series text NOT NULL,
  value text NOT NULL,
  number numeric,
  count bigint NOT NULL,
  CONSTRAINT usage_values_pkey PRIMARY KEY (account, meter, start, series, value)
);
CREATE INDEX usage_values_of_meter ON usage_values (meter, start);

-- Levels and their changes, starts and stops, latest values: one row an event.
CREATE TABLE usage_points (
  provider_id text NOT NULL,
  account integer NOT NULL,
  meter integer NOT NULL,
  resource text NOT NULL,
  time timestamptz(3) NOT NULL,
  position bigint NOT NULL,
  ordinal integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('level', 'delta', 'start', 'stop', 'resize', 'heartbeat', 'value')),
  number numeric,
  series text NOT NULL,
  CONSTRAINT usage_points_pkey PRIMARY KEY (account, meter, resource, time, position, ordinal)
);
CREATE INDEX usage_points_of_meter ON usage_points (meter, time);

-- ---------------------------------------------------------------- what was stored before
-- Usage metered: batches of one event, deduplicated, in the order of receipt.
INSERT INTO usage_log (position, provider_id, kind, received_at, since, until, events, body, accounts)
SELECT e.receipt, e.provider_id, 'open', e.received_at, e.time, e.time, 1,
  json_strip_nulls(json_build_object('t0', (extract(epoch FROM e.time) * 1000)::bigint, 'types', json_build_array(m.event_type), 'accounts', json_build_array(e.account_id),
    'resources', CASE WHEN e.resource IS NOT NULL THEN json_build_array(e.resource) END,
    'dimensions', CASE WHEN e.dimensions IS NOT NULL THEN json_build_array(e.dimensions) END,
    'sources', json_build_array(e.source),
    'columns', json_build_object('type', json_build_array(0), 'account', json_build_array(0), 'time', json_build_array(0), 'source', json_build_array(0),
      'id', json_build_array(e.event_id),
      'value', CASE WHEN e.value IS NOT NULL THEN json_build_array(trim_scale(e.value)::text) END,
      'level', CASE WHEN e.level IS NOT NULL THEN json_build_array(trim_scale(e.level)::text) END,
      'resource', CASE WHEN e.resource IS NOT NULL THEN json_build_array(0) END,
      'dimensions', CASE WHEN e.dimensions IS NOT NULL THEN json_build_array(0) END)))::text,
  ARRAY[a.number]
FROM usage_events e JOIN accounts a ON a.id = e.account_id JOIN meters m ON m.id = e.meter_id
WHERE e.payment_id IS NULL;
-- Their identities, a thousand a run. What an event said is seen from the event itself: there is no mark.
INSERT INTO identity_runs (run, records, positions, counts)
SELECT nextval('identity_run'), string_agg(i.identity || '\x000000000000000000000000'::bytea, ''::bytea ORDER BY i.receipt),
  array_agg(i.receipt ORDER BY i.receipt), array_agg(1)
FROM (
  SELECT e.receipt, substr(sha256(convert_to(e.provider_id || E'\n' || e.source || E'\n' || e.event_id, 'UTF8')), 1, 16) AS identity,
    row_number() OVER (ORDER BY e.receipt) / 1000 AS part
  FROM usage_events e WHERE e.payment_id IS NULL
) i GROUP BY i.part ORDER BY i.part;
-- Usage sold.
INSERT INTO usage_log (position, provider_id, kind, received_at, since, until, events, body, accounts)
SELECT e.receipt, e.provider_id, 'sold', e.received_at, e.time, e.time, 1,
  json_build_object('items', json_build_array(json_build_array(a.number, m.number, (extract(epoch FROM e.time) * 1000)::bigint, trim_scale(e.value)::text, e.payment_id)))::text,
  ARRAY[a.number]
FROM usage_events e JOIN accounts a ON a.id = e.account_id JOIN meters m ON m.id = e.meter_id
WHERE e.payment_id IS NOT NULL;
SELECT setval('usage_log_position', coalesce(max(position), 0) + 1, false) FROM usage_log;
DROP TABLE usage_events;

-- ---------------------------------------------------------------- row policies and grants
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['meter_versions', 'usage_log', 'usage_streams', 'usage_held', 'usage_skips', 'usage_corrections', 'usage_backfills',
    'usage_backfill_parts', 'usage_cells', 'usage_values', 'usage_points'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT SELECT ON usage_cursors, identity_runs, identity_segments, identity_pages TO farebox_auditor;

GRANT SELECT, INSERT ON meter_versions TO farebox_app;
GRANT SELECT ON usage_log, usage_streams, usage_held, usage_skips, usage_corrections, usage_backfills, usage_backfill_parts, usage_cursors TO farebox_app;
-- What a correction would cost is found by applying it in a transaction that is rolled back.
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_cells, usage_values, usage_points TO farebox_app;

GRANT SELECT ON meter_versions TO farebox_writer;
GRANT SELECT, INSERT ON usage_log, usage_corrections, usage_skips TO farebox_writer;
GRANT SELECT, INSERT, UPDATE ON usage_streams, usage_held, usage_cursors, usage_backfills, identity_segments TO farebox_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_cells, usage_values, usage_points, usage_backfill_parts TO farebox_writer;
GRANT SELECT, INSERT ON identity_pages TO farebox_writer;
GRANT SELECT, INSERT, DELETE ON identity_runs TO farebox_writer;
GRANT USAGE ON SEQUENCE usage_log_position, identity_run TO farebox_writer;
REVOKE EXECUTE ON FUNCTION ensure_usage_month, open_identity_segment, drop_identity_segments FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_usage_month, open_identity_segment, drop_identity_segments TO farebox_writer;

-- ---------------------------------------------------------------- usage sold through the gate
-- As before, but usage goes to the log: one entry for a provider's payments captured together.
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

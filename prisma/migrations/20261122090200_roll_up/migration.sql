-- What the roll-up keeps beside the derived rows, and how it changes them.

-- ---------------------------------------------------------------- cuts, series, rebuilds
-- Instants off the grid of a quarter of an hour at which a meter's price changes: no cell reaches across one.
CREATE TABLE usage_cuts (
  meter integer NOT NULL,
  at timestamptz(3) NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  CONSTRAINT usage_cuts_pkey PRIMARY KEY (meter, at)
);

-- The series that have a place of their own in an account's day of a meter: the first ones, in the order of the log. Not
-- derived: a place stays taken when its events are voided, so that a rebuild puts everything where it was.
CREATE TABLE usage_series (
  account integer NOT NULL,
  meter integer NOT NULL,
  day date NOT NULL,
  series text NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  CONSTRAINT usage_series_pkey PRIMARY KEY (account, meter, day, series)
);

-- Meters whose derived rows the next roll-up makes anew, from an instant on: their definition changed what it counts.
CREATE TABLE usage_rebuilds (
  meter integer PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  since timestamptz(3) NOT NULL,
  requested_at timestamptz(3) NOT NULL DEFAULT now()
);

DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['usage_cuts', 'usage_series', 'usage_rebuilds'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT SELECT, INSERT ON usage_cuts, usage_series TO farebox_app;
GRANT SELECT, INSERT, UPDATE ON usage_rebuilds TO farebox_app;
GRANT SELECT ON usage_cuts TO farebox_writer;
GRANT SELECT, INSERT ON usage_series TO farebox_writer;
GRANT SELECT, UPDATE, DELETE ON usage_rebuilds TO farebox_writer;
-- How far positions have been given out.
GRANT SELECT ON SEQUENCE usage_log_position TO farebox_writer;

-- ---------------------------------------------------------------- derived rows
-- Adds signed changes to a provider's derived rows, in the order they are given in. What comes to nothing is removed, so that
-- live rows are those a rebuild makes. `tables` is 'usage', or the prefix of temporary tables made aside.
CREATE FUNCTION apply_usage(provider text, cells jsonb, vals jsonb, points jsonb, tables text DEFAULT 'usage')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_array_length(cells) > 0 THEN
    EXECUTE format($sql$
      INSERT INTO %1$I AS live (provider_id, account, meter, grain, start, series, count, sum, cost, sold)
      SELECT $1, a, m, g, timestamptz 'epoch' + t * interval '1 millisecond', s, n, u, c, d
      FROM jsonb_to_recordset($2) AS r (a integer, m integer, g smallint, t bigint, s text, n bigint, u numeric, c numeric, d numeric)
      ON CONFLICT (account, meter, grain, start, series) DO UPDATE SET count = live.count + excluded.count, sum = live.sum + excluded.sum,
        cost = live.cost + excluded.cost, sold = live.sold + excluded.sold
      $sql$, tables || '_cells') USING provider, cells;
    EXECUTE format($sql$
      DELETE FROM %1$I live USING jsonb_to_recordset($1) AS r (a integer, m integer, g smallint, t bigint, s text, n bigint, u numeric, c numeric, d numeric)
      WHERE (n <= 0 OR u < 0 OR c < 0 OR d < 0)
        AND account = a AND meter = m AND grain = g AND start = timestamptz 'epoch' + t * interval '1 millisecond' AND series = s
        AND count = 0 AND sum = 0 AND cost = 0 AND sold = 0
      $sql$, tables || '_cells') USING cells;
  END IF;
  IF jsonb_array_length(vals) > 0 THEN
    EXECUTE format($sql$
      INSERT INTO %1$I AS live (provider_id, account, meter, start, series, value, number, count)
      SELECT $1, a, m, timestamptz 'epoch' + t * interval '1 millisecond', s, v, x, n
      FROM jsonb_to_recordset($2) AS r (a integer, m integer, t bigint, s text, v text, x numeric, n bigint)
      ON CONFLICT (account, meter, start, series, value) DO UPDATE SET count = live.count + excluded.count
      $sql$, tables || '_values') USING provider, vals;
    EXECUTE format($sql$
      DELETE FROM %1$I live USING jsonb_to_recordset($1) AS r (a integer, m integer, t bigint, s text, v text, n bigint)
      WHERE n <= 0 AND account = a AND meter = m AND start = timestamptz 'epoch' + t * interval '1 millisecond' AND series = s AND value = v
        AND count = 0
      $sql$, tables || '_values') USING vals;
  END IF;
  IF jsonb_array_length(points) > 0 THEN
    -- An amended event keeps its receipt: the old point goes before the new one comes.
    EXECUTE format($sql$
      DELETE FROM %1$I live USING jsonb_to_recordset($1) AS change (a integer, m integer, r text, t bigint, p bigint, o integer, g smallint)
      WHERE g < 0 AND account = a AND meter = m AND resource = r AND time = timestamptz 'epoch' + t * interval '1 millisecond'
        AND position = p AND ordinal = o
      $sql$, tables || '_points') USING points;
    EXECUTE format($sql$
      INSERT INTO %1$I (provider_id, account, meter, resource, time, position, ordinal, kind, number, series)
      SELECT $1, a, m, r, timestamptz 'epoch' + t * interval '1 millisecond', p, o, k, x, s
      FROM jsonb_to_recordset($2) AS change (a integer, m integer, r text, t bigint, p bigint, o integer, k text, x numeric, s text, g smallint)
      WHERE g > 0
      $sql$, tables || '_points') USING provider, points;
  END IF;
END
$$;

-- The two doors of usage write through these: one call, one round trip, one commit for the batches of many senders.

-- ---------------------------------------------------------------- stream door
-- Keeps the numbered batches that are simply the next of their streams, which nearly all are: the streams are known and without
-- gaps, and the batches go on from the last one. Arrays of one length, an element a batch; `offs` and `lens` say where in `bodies`
-- the body is, `since` and `until` are milliseconds since 1970; none of the events is held. Batches of one stream are kept or passed
-- over together.
-- Answers with those passed over, by their place from 1: they are for append_stream_batches.
CREATE FUNCTION append_next_batches(providers text[], streams uuid[], seqs bigint[], offs integer[], lens integer[], hashes bytea[],
  since bigint[], until bigint[], events integer[], accounts text[], skips text[], items text[], bodies bytea)
RETURNS integer[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
-- A bitmap scan would walk all dead versions of a stream's row again and again; a plain one marks them and passes them over.
SET enable_bitmapscan = off AS $$
DECLARE
  kept integer[];
BEGIN
  -- In order of stream, so that two writers of the same ones wait for each other instead of in a circle. Whoever waited sees what
  -- the other one did.
  WITH run AS MATERIALIZED (
    SELECT r.provider, r.stream, min(r.seq) AS first, max(r.seq) AS last, count(*) AS batches, sum(r.events) AS events, array_agg(r.n) AS places
    FROM unnest(providers, streams, seqs, events) WITH ORDINALITY AS r (provider, stream, seq, events, n)
    GROUP BY r.provider, r.stream
    HAVING count(DISTINCT r.seq) = count(*) AND max(r.seq) - min(r.seq) + 1 = count(*)
    ORDER BY r.provider, r.stream
  ), raised AS (
    UPDATE usage_streams s SET highest = r.last, batches = s.batches + r.batches, events = s.events + r.events, complete_through = r.last, last_at = now()
    FROM run r
    WHERE s.provider_id = r.provider AND s.stream = r.stream AND s.highest = r.first - 1 AND s.complete_through = s.highest
    RETURNING r.places
  )
  SELECT array_agg(place) INTO kept FROM raised, unnest(raised.places) AS place;
  IF kept IS NULL THEN RETURN ARRAY(SELECT generate_series(1, cardinality(seqs))); END IF;

  INSERT INTO usage_log (position, provider_id, kind, since, until, events, stream, seq, body, body_hash, accounts, skip, items)
  SELECT next_usage_position(), b.provider, 'stream', timestamptz 'epoch' + b.since * interval '1 millisecond',
    timestamptz 'epoch' + b.until * interval '1 millisecond', b.events, b.stream, b.seq,
    convert_from(substr(bodies, b.off + 1, b.len), 'UTF8'), b.hash, b.accounts::integer[], b.skip::integer[], b.items::jsonb
  FROM unnest(providers, streams, seqs, offs, lens, hashes, since, until, events, accounts, skips, items)
    WITH ORDINALITY AS b (provider, stream, seq, off, len, hash, since, until, events, accounts, skip, items, n)
  WHERE cardinality(kept) = cardinality(seqs) OR b.n = ANY (kept)
  ORDER BY b.n;

  IF cardinality(kept) = cardinality(seqs) THEN RETURN '{}'; END IF;
  RETURN ARRAY(SELECT n FROM generate_series(1, cardinality(seqs)) AS n WHERE n <> ALL (kept));
END
$$;

-- Keeps numbered batches. `batches` are {n, provider, stream, seq, source, off, len, hash, since, until, events, accounts, skip,
-- items}: n counts from 0, off and len say where in `bodies` the body is, since and until are milliseconds since 1970. `held` are
-- {n, ordinal, reason, event}, or null.
-- Answers in no particular order. stored: it is new · duplicate: it was there, with its events and items as first answered ·
-- reused: its number is taken by another body.
CREATE FUNCTION append_stream_batches(batches jsonb, bodies bytea, held jsonb)
RETURNS TABLE (n integer, outcome text, complete_through bigint, events integer, items jsonb)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  fresh integer[];
  filled record;
  through bigint;
BEGIN
  -- Senders of the same streams wait for each other here, in one order, so that they cannot wait in a circle.
  INSERT INTO usage_streams (provider_id, stream, source)
  SELECT DISTINCT ON (b.provider, b.stream) b.provider, b.stream, b.source
  FROM jsonb_to_recordset(batches) AS b (n integer, provider text, stream uuid, source text)
  ORDER BY b.provider, b.stream, b.n
  ON CONFLICT (provider_id, stream) DO UPDATE SET last_at = now();

  -- Above the highest number nothing can be stored, and below the gapless ones everything is: only what lies between is looked up.
  SELECT coalesce(array_agg(b.n), '{}') INTO fresh
  FROM (
    SELECT DISTINCT ON (b.provider, b.stream, b.seq) b.*
    FROM jsonb_to_recordset(batches) AS b (n integer, provider text, stream uuid, seq bigint)
    ORDER BY b.provider, b.stream, b.seq, b.n
  ) b JOIN usage_streams s ON s.provider_id = b.provider AND s.stream = b.stream
  WHERE b.seq > s.highest OR (b.seq > s.complete_through AND NOT EXISTS (
    SELECT FROM usage_log l WHERE l.stream = b.stream AND l.seq = b.seq AND l.provider_id = b.provider));

  INSERT INTO usage_log (position, provider_id, kind, since, until, events, stream, seq, body, body_hash, accounts, skip, items)
  SELECT next_usage_position(), b.provider, 'stream', timestamptz 'epoch' + b.since * interval '1 millisecond',
    timestamptz 'epoch' + b.until * interval '1 millisecond', b.events, b.stream, b.seq,
    convert_from(substr(bodies, b.off + 1, b.len), 'UTF8'), decode(b.hash, 'hex'), b.accounts, b.skip, b.items
  FROM (
    SELECT b.* FROM jsonb_to_recordset(batches) AS b (n integer, provider text, stream uuid, seq bigint, off integer, len integer, hash text,
      since bigint, until bigint, events integer, accounts integer[], skip integer[], items jsonb)
    WHERE b.n = ANY (fresh) ORDER BY b.n
  ) b;

  IF held IS NOT NULL THEN
    INSERT INTO usage_held (position, ordinal, provider_id, reason, event)
    SELECT l.position, h.ordinal, l.provider_id, h.reason, h.event
    FROM jsonb_to_recordset(held) AS h (n integer, ordinal integer, reason text, event jsonb)
      JOIN jsonb_to_recordset(batches) AS b (n integer, provider text, stream uuid, seq bigint) ON b.n = h.n
      JOIN usage_log l ON l.stream = b.stream AND l.seq = b.seq AND l.provider_id = b.provider
    WHERE h.n = ANY (fresh);
  END IF;

  -- A stream without gaps is complete up to its highest number. In one with gaps the complete part grows only when the batch that
  -- it ends before has come; then it is walked from there.
  FOR filled IN
    WITH added AS (
      SELECT b.provider, b.stream, max(b.seq) AS highest, count(*) AS batches, sum(b.events) AS events, array_agg(b.seq) AS seqs
      FROM jsonb_to_recordset(batches) AS b (n integer, provider text, stream uuid, seq bigint, events integer)
      WHERE b.n = ANY (fresh) GROUP BY 1, 2
    )
    UPDATE usage_streams s SET
      highest = greatest(s.highest, a.highest), batches = s.batches + a.batches, events = s.events + a.events,
      complete_through = CASE WHEN s.batches + a.batches = greatest(s.highest, a.highest) THEN greatest(s.highest, a.highest) ELSE s.complete_through END
    FROM added a WHERE s.provider_id = a.provider AND s.stream = a.stream
    RETURNING s.provider_id, s.stream, s.complete_through, s.highest > s.complete_through AND s.complete_through + 1 = ANY (a.seqs) AS grows
  LOOP
    CONTINUE WHEN NOT filled.grows;
    through := filled.complete_through;
    WHILE EXISTS (SELECT FROM usage_log l WHERE l.stream = filled.stream AND l.seq = through + 1 AND l.provider_id = filled.provider_id) LOOP
      through := through + 1;
    END LOOP;
    UPDATE usage_streams s SET complete_through = through WHERE s.provider_id = filled.provider_id AND s.stream = filled.stream;
  END LOOP;

  RETURN QUERY
  SELECT b.n, CASE WHEN b.n = ANY (fresh) THEN 'stored' WHEN l.body_hash = decode(b.hash, 'hex') THEN 'duplicate' ELSE 'reused' END,
    s.complete_through, l.events, l.items
  FROM jsonb_to_recordset(batches) AS b (n integer, provider text, stream uuid, seq bigint, hash text)
    JOIN usage_streams s ON s.provider_id = b.provider AND s.stream = b.stream
    LEFT JOIN usage_log l ON b.n <> ALL (fresh) AND l.stream = b.stream AND l.seq = b.seq AND l.provider_id = b.provider;
END
$$;

-- ---------------------------------------------------------------- identities
-- Takes identities for their receipts. `records`, `positions` and `counts` are as in identity_runs. The caller has looked at all
-- runs up to `seen` and all that is folded of them, and found none of the identities there; none is twice among them. What others
-- took since is looked at here: usually nothing, or little.
-- stale: nothing is taken, as the caller has seen too little · run: under which they are kept · before: the last run before it ·
-- folded: the last run that is in a segment · repeats: [{"at": place in `records` from 0, "n": place in `counts` from 1, "ordinal",
-- "position": text, "record": hex}], those that others took, with what they were taken by; null for none.
CREATE FUNCTION claim_identities(seen bigint, records bytea, positions bigint[], counts integer[],
  OUT stale boolean, OUT run bigint, OUT before bigint, OUT folded bigint, OUT repeats jsonb)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
  newer identity_runs[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('farebox.identities'));
  -- One statement, hence one state of things: a run is either here or folded.
  SELECT coalesce((SELECT max(s.through) FROM identity_segments s), 0), array_agg(r.part ORDER BY r.number)
  INTO folded, newer FROM (SELECT i AS part, i.run AS number FROM identity_runs i WHERE i.run > seen LIMIT 257) r;
  stale := folded > seen OR coalesce(cardinality(newer), 0) > 256;
  IF stale THEN RETURN; END IF;
  run := nextval('identity_run');
  before := coalesce((newer[cardinality(newer)]).run, seen);

  IF newer IS NOT NULL THEN
    WITH taken AS MATERIALIZED (
      SELECT substr(r.records, (i * 28 + 1)::integer, 28) AS record, e.position
      FROM unnest(newer) AS r,
        LATERAL (SELECT p.position, p.n AS count, sum(p.n) OVER (ORDER BY p.place) AS ends
          FROM unnest(r.positions, r.counts) WITH ORDINALITY AS p (position, n, place)) AS e,
        LATERAL generate_series(e.ends - e.count, e.ends - 1) AS i
    ), wanted AS MATERIALIZED (
      SELECT i, e.n, substr(records, (i * 28 + 1)::integer, 28) AS record
      FROM (SELECT c.count, c.n, sum(c.count) OVER (ORDER BY c.n) AS ends FROM unnest(counts) WITH ORDINALITY AS c (count, n)) AS e,
        LATERAL generate_series(e.ends - e.count, e.ends - 1) AS i
    )
    SELECT jsonb_agg(jsonb_build_object('at', w.i, 'n', w.n, 'position', t.position::text, 'record', encode(t.record, 'hex'), 'ordinal',
      get_byte(w.record, 24) + (get_byte(w.record, 25) << 8) + (get_byte(w.record, 26) << 16) + (get_byte(w.record, 27) << 24)))
    INTO repeats FROM wanted w JOIN taken t ON substr(t.record, 1, 16) = substr(w.record, 1, 16);
  END IF;
  IF repeats IS NOT NULL THEN
    records := coalesce((
      SELECT string_agg(substr(records, i * 28 + 1, 28), ''::bytea ORDER BY i) FROM generate_series(0, octet_length(records) / 28 - 1) AS i
      WHERE i <> ALL (ARRAY(SELECT (r ->> 'at')::integer FROM jsonb_array_elements(repeats) r))), '');
    counts := ARRAY(
      SELECT c.count - (SELECT count(*)::integer FROM jsonb_array_elements(repeats) r WHERE (r ->> 'n')::integer = c.n)
      FROM unnest(counts) WITH ORDINALITY AS c (count, n) ORDER BY c.n);
  END IF;
  IF octet_length(records) > 0 THEN
    INSERT INTO identity_runs (run, records, positions, counts) VALUES (run, records, positions, counts);
  END IF;
END
$$;

-- Of the events of these entries, those that have been voided: [["position", ordinal], …].
CREATE FUNCTION voided_events(entries bigint[]) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_array(c.position::text, c.ordinal)), '[]')
  FROM (
    SELECT DISTINCT ON (c.position, c.ordinal) c.position, c.ordinal, c.action
    FROM usage_corrections c WHERE c.position = ANY (entries) ORDER BY c.position, c.ordinal, c.revision DESC
  ) c WHERE c.action = 'void'
$$;

-- ---------------------------------------------------------------- open door
-- Keeps batches of CloudEvents, each identity once. Arrays of one length, an element a batch, as above; `skips` are the ordinals that
-- do not count, among them those whose identity was taken; `records` and `counts` are the identities of the others, as for
-- claim_identities. `held` are {n, ordinal, reason, event}, n from 1, or null. `told`: entries of which it is asked what was voided.
-- A batch of nothing but repeats leaves no entry. Answers as claim_identities, and: positions of the batches, as an array's text ·
-- voided, as voided_events, of `told` and of what the repeats were taken by.
CREATE FUNCTION append_open_batches(seen bigint, records bytea, counts integer[], providers text[], offs integer[], lens integer[],
  since bigint[], until bigint[], events integer[], accounts text[], skips text[], bodies bytea, held jsonb, told bigint[],
  OUT stale boolean, OUT run bigint, OUT before bigint, OUT folded bigint, OUT repeats jsonb, OUT positions text, OUT voided jsonb)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
  places bigint[];
BEGIN
  -- Before the first position: who holds a position waits for nobody who may wait for one.
  PERFORM pg_advisory_xact_lock(hashtext('farebox.identities'));
  SELECT array_agg(p.at) INTO places FROM (SELECT next_usage_position() AS at FROM generate_series(1, cardinality(providers))) p;
  SELECT c.stale, c.run, c.before, c.folded, c.repeats INTO stale, run, before, folded, repeats
  FROM claim_identities(seen, records, places, counts) c;
  IF stale THEN RETURN; END IF;
  positions := places::text;

  IF repeats IS NULL THEN
    INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts, skip)
    SELECT places[b.n], b.provider, 'open', timestamptz 'epoch' + b.since * interval '1 millisecond',
      timestamptz 'epoch' + b.until * interval '1 millisecond', b.events, convert_from(substr(bodies, b.off + 1, b.len), 'UTF8'),
      b.accounts::integer[], b.skip::integer[]
    FROM unnest(providers, offs, lens, since, until, events, accounts, skips)
      WITH ORDINALITY AS b (provider, off, len, since, until, events, accounts, skip, n)
    ORDER BY b.n;
  ELSE
    WITH repeated AS (
      SELECT (r ->> 'n')::integer AS n, array_agg((r ->> 'ordinal')::integer) AS ordinals FROM jsonb_array_elements(repeats) r GROUP BY 1
    )
    INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts, skip)
    SELECT places[b.n], b.provider, 'open', timestamptz 'epoch' + b.since * interval '1 millisecond',
      timestamptz 'epoch' + b.until * interval '1 millisecond', b.events, convert_from(substr(bodies, b.off + 1, b.len), 'UTF8'),
      b.accounts::integer[], nullif(ARRAY(SELECT DISTINCT o FROM unnest(b.skip::integer[] || r.ordinals) AS o ORDER BY o), '{}')
    FROM unnest(providers, offs, lens, since, until, events, accounts, skips)
      WITH ORDINALITY AS b (provider, off, len, since, until, events, accounts, skip, n)
      LEFT JOIN repeated r ON r.n = b.n
    WHERE r.n IS NULL OR cardinality(r.ordinals) < counts[b.n]
    ORDER BY b.n;
    told := told || ARRAY(SELECT (r ->> 'position')::bigint FROM jsonb_array_elements(repeats) r);
  END IF;

  IF held IS NOT NULL THEN
    INSERT INTO usage_held (position, ordinal, provider_id, reason, event)
    SELECT places[h.n], h.ordinal, providers[h.n], h.reason, h.event
    FROM jsonb_to_recordset(held) AS h (n integer, ordinal integer, reason text, event jsonb)
    WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(coalesce(repeats, '[]')) r
      WHERE (r ->> 'n')::integer = h.n AND (r ->> 'ordinal')::integer = h.ordinal);
  END IF;
  voided := CASE WHEN cardinality(told) > 0 THEN voided_events(told) ELSE '[]' END;
END
$$;

REVOKE EXECUTE ON FUNCTION append_next_batches, append_stream_batches, claim_identities, voided_events, append_open_batches FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_next_batches, append_stream_batches, claim_identities, voided_events, append_open_batches TO farebox_writer;

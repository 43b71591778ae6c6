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
-- Takes identities for their receipts, each once for all time they are remembered. Receipts are new: none is stored yet. What may
-- be stored already is looked up for the pairs (`probe_segments`, `probe_ids`), 0 standing for the open segment; and for all of
-- them in closed segments whose filter the caller does not have: those not in `known`. `careful`: the caller expects others to
-- have taken some of them in the open segment.
-- Answers with those that were taken before, by their place in `ids` from 1. same: whether the content is; null when that has to
-- be seen from the event itself · voided: whether what it was taken by has been voided.
CREATE FUNCTION claim_identities(ids bytea[], contents bigint[], positions bigint[], ordinals integer[], probe_segments integer[],
  probe_ids bytea[], known integer[], careful boolean)
RETURNS TABLE (place integer, "position" bigint, ordinal integer, same boolean, voided boolean)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  open_segment integer;
  probed integer;
  wanted bytea[];
  gone bytea[] := '{}';
  taken jsonb := '[]';
  found jsonb;
  added integer;
BEGIN
  -- Held to the end: no segment is closed while somebody writes to it, so a closed one is complete and never changes.
  PERFORM pg_advisory_xact_lock_shared(hashtext('farebox.identities'));
  SELECT segment INTO STRICT open_segment FROM identity_segments WHERE closed_at IS NULL;

  FOR probed IN
    SELECT s.segment FROM identity_segments s
    WHERE s.closed_at IS NULL OR s.segment <> ALL (known) OR s.segment = ANY (probe_segments)
  LOOP
    wanted := CASE WHEN probed <> open_segment AND probed <> ALL (known) THEN ids
      ELSE ARRAY(SELECT p.id FROM unnest(probe_segments, probe_ids) AS p (segment, id)
        WHERE p.segment = CASE probed WHEN open_segment THEN 0 ELSE probed END) END;
    CONTINUE WHEN cardinality(wanted) = 0;
    SELECT jsonb_agg(jsonb_build_array(encode(u.identity, 'hex'), u.position, u.ordinal, u.content)), array_agg(u.identity)
    INTO found, wanted FROM usage_identities u WHERE u.segment = probed AND u.identity = ANY (wanted);
    IF found IS NOT NULL THEN
      taken := taken || found;
      gone := gone || wanted;
    END IF;
  END LOOP;

  -- In order of identity, so that two writers with the same ones wait for each other instead of in a circle. An insert that does
  -- not provide for conflicts takes half the time; it is tried unless there will be some.
  wanted := '{}';
  LOOP
    IF careful THEN
      WITH item AS MATERIALIZED (
        SELECT i.* FROM unnest(ids, contents, positions, ordinals) WITH ORDINALITY AS i (id, content, position, ordinal, place)
          LEFT JOIN unnest(gone) AS g (id) ON g.id = i.id
        WHERE g.id IS NULL
      ), added AS (
        INSERT INTO usage_identities (segment, identity, content, position, ordinal)
        SELECT open_segment, i.id, i.content, i.position, i.ordinal FROM item i ORDER BY i.id, i.place
        ON CONFLICT DO NOTHING
        RETURNING position, ordinal
      )
      SELECT coalesce(array_agg(DISTINCT i.id), '{}') INTO wanted
      FROM item i LEFT JOIN added a ON a.position = i.position AND a.ordinal = i.ordinal WHERE a.position IS NULL;
      EXIT;
    END IF;
    BEGIN
      INSERT INTO usage_identities (segment, identity, content, position, ordinal)
      SELECT DISTINCT ON (i.id) open_segment, i.id, i.content, i.position, i.ordinal
      FROM unnest(ids, contents, positions, ordinals) WITH ORDINALITY AS i (id, content, position, ordinal, place)
        LEFT JOIN unnest(gone) AS g (id) ON g.id = i.id
      WHERE g.id IS NULL ORDER BY i.id, i.place;
      GET DIAGNOSTICS added = ROW_COUNT;
      IF added + cardinality(gone) < cardinality(ids) THEN
        wanted := ARRAY(SELECT i.id FROM unnest(ids) AS i (id) GROUP BY i.id HAVING count(*) > 1);
      END IF;
      EXIT;
    EXCEPTION WHEN unique_violation THEN
      careful := true;
    END;
  END LOOP;
  IF cardinality(wanted) = 0 AND cardinality(gone) = 0 THEN RETURN; END IF;

  -- A statement of its own: it also sees what another writer committed while this one waited.
  RETURN QUERY
  WITH stored AS MATERIALIZED (
    SELECT u.identity, u.position, u.ordinal, u.content FROM usage_identities u WHERE u.segment = open_segment AND u.identity = ANY (wanted)
    UNION
    SELECT decode(t ->> 0, 'hex'), (t ->> 1)::bigint, (t ->> 2)::integer, (t ->> 3)::bigint FROM jsonb_array_elements(taken) t
  ), corrected AS MATERIALIZED (
    SELECT DISTINCT ON (c.position, c.ordinal) c.position, c.ordinal, c.action
    FROM usage_corrections c WHERE c.position = ANY (ARRAY(SELECT DISTINCT s.position FROM stored s))
    ORDER BY c.position, c.ordinal, c.revision DESC
  )
  SELECT i.place::integer, s.position, s.ordinal, s.content = i.content, coalesce(c.action = 'void', false)
  FROM unnest(ids, contents, positions, ordinals) WITH ORDINALITY AS i (id, content, position, ordinal, place)
    JOIN stored s ON s.identity = i.id
    LEFT JOIN corrected c ON c.position = s.position AND c.ordinal = s.ordinal
  WHERE (s.position, s.ordinal) <> (i.position, i.ordinal);
END
$$;

-- ---------------------------------------------------------------- open door
-- Keeps batches of CloudEvents, each identity once. `batches` are {n, provider, off, len, since, until, events, accounts, skip} as
-- above; identity i is that of event `ordinals[i]` of batch `owners[i]`. A batch of nothing but repeats leaves no entry.
-- Answers {"repeats": [[place, same, voided, "position", ordinal], …], "segments": [closed segments with a filter that are not
-- among `known`]}.
CREATE FUNCTION append_open_batches(batches jsonb, bodies bytea, held jsonb, ids bytea[], contents bigint[], owners integer[],
  ordinals integer[], probe_segments integer[], probe_ids bytea[], known integer[], careful boolean)
RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  places bigint[];
  repeats jsonb;
BEGIN
  SELECT array_agg(taken.p) INTO places FROM (SELECT next_usage_position() AS p FROM generate_series(1, jsonb_array_length(batches))) taken;

  SELECT jsonb_agg(jsonb_build_array(c.place, c.same, c.voided, c.position::text, c.ordinal)) INTO repeats
  FROM claim_identities(ids, contents, ARRAY(SELECT places[o + 1] FROM unnest(owners) WITH ORDINALITY AS own (o, place) ORDER BY own.place), ordinals,
    probe_segments, probe_ids, known, careful) c;

  WITH repeated AS MATERIALIZED (
    SELECT r.owner, array_agg(r.ordinal) AS ordinals
    FROM (SELECT owners[(r ->> 0)::integer] AS owner, ordinals[(r ->> 0)::integer] AS ordinal FROM jsonb_array_elements(coalesce(repeats, '[]')) r) r
    GROUP BY 1
  ), entry AS (
    INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts, skip)
    SELECT places[b.n + 1], b.provider, 'open', timestamptz 'epoch' + b.since * interval '1 millisecond',
      timestamptz 'epoch' + b.until * interval '1 millisecond', b.events, convert_from(substr(bodies, b.off + 1, b.len), 'UTF8'), b.accounts,
      nullif(ARRAY(SELECT DISTINCT o FROM unnest(b.skip || r.ordinals) o ORDER BY o), '{}')
    FROM jsonb_to_recordset(batches) AS b (n integer, provider text, off integer, len integer, since bigint, until bigint, events integer,
        accounts integer[], skip integer[])
      LEFT JOIN repeated r ON r.owner = b.n
    WHERE r.owner IS NULL OR cardinality(r.ordinals) < b.events
    ORDER BY b.n
  )
  INSERT INTO usage_held (position, ordinal, provider_id, reason, event)
  SELECT places[h.n + 1], h.ordinal, h.provider, h.reason, h.event
  FROM jsonb_to_recordset(coalesce(held, '[]')) AS h (n integer, provider text, ordinal integer, reason text, event jsonb)
    LEFT JOIN repeated r ON r.owner = h.n
  WHERE r.owner IS NULL OR h.ordinal <> ALL (r.ordinals);

  RETURN jsonb_build_object('repeats', coalesce(repeats, '[]'), 'segments',
    (SELECT coalesce(jsonb_agg(s.segment), '[]') FROM identity_segments s WHERE s.filter IS NOT NULL AND s.segment <> ALL (known)));
END
$$;

REVOKE EXECUTE ON FUNCTION append_next_batches, append_stream_batches, claim_identities, append_open_batches FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_next_batches, append_stream_batches, claim_identities, append_open_batches TO farebox_writer;

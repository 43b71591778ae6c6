-- The paid path, cheaper: what many calls need is read and written together.

-- ---------------------------------------------------------------- keys
-- The keys with these ids, whoever's they are, as {id, provider, name, scopes, hash (hex), createdAt, expiresAt, revokedAt
-- (milliseconds)}, and of an agent's {account, budgets: [[asset, span, amount], …]}. The caller sees exactly the rows whose ids were
-- presented: each is looked up under its own policy.
CREATE FUNCTION presented_keys(ids text[]) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
  presented text;
BEGIN
  FOREACH presented IN ARRAY ids LOOP
    PERFORM set_config('farebox.key', presented, true);
    RETURN QUERY
    SELECT jsonb_build_object('id', k.id, 'provider', k.provider_id, 'name', k.name, 'scopes', k.scopes, 'hash', encode(k.hash, 'hex'),
      'createdAt', (extract(epoch FROM k.created_at) * 1000)::bigint, 'expiresAt', (extract(epoch FROM k.expires_at) * 1000)::bigint,
      'revokedAt', (extract(epoch FROM k.revoked_at) * 1000)::bigint)
    FROM provider_keys k WHERE k.id = presented;
    CONTINUE WHEN FOUND;
    RETURN QUERY
    SELECT jsonb_build_object('id', k.id, 'provider', k.provider_id, 'account', k.account_id, 'name', k.name, 'scopes', k.scopes,
      'hash', encode(k.hash, 'hex'), 'createdAt', (extract(epoch FROM k.created_at) * 1000)::bigint,
      'expiresAt', (extract(epoch FROM k.expires_at) * 1000)::bigint, 'revokedAt', (extract(epoch FROM k.revoked_at) * 1000)::bigint,
      'budgets', coalesce((SELECT jsonb_agg(jsonb_build_array(b.asset, b.span, b.amount::text) ORDER BY b.asset, b.span)
        FROM agent_key_budgets b WHERE b.key_id = k.id), '[]'))
    FROM agent_keys k WHERE k.id = presented;
  END LOOP;
  PERFORM set_config('farebox.key', '', true);
END
$$;
REVOKE EXECUTE ON FUNCTION presented_keys FROM PUBLIC;
GRANT EXECUTE ON FUNCTION presented_keys TO farebox_app;

-- ---------------------------------------------------------------- writing wallets
-- What `write_wallets` and `commit_wallets` of before took as one JSON document comes as columns, which is read in a third of the time.
-- A text of parts, separated by the character 1D; each a set of rows, as columns separated by 1E, of values separated by 1F. 1C alone is no
-- value. A column whose values are all the same, or all absent, holds it once. None of these characters is in a value.
--
-- This takes a column apart: a row that has nothing of a column that has a value has that of the first.
CREATE FUNCTION column_values(of_column text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN string_to_array(of_column, E'\x1f', E'\x1c');

-- Posts transfers whose ledger accounts the caller knows by their ids. `places`: those it does not know to exist {id, provider, code,
-- asset, account, detail}; `rows`: {provider, entry, leg, debit, credit, asset, amount, reason, reference}. Each has to be new: unlike
-- those of `post_transfers`, they are written with what makes them happen once.
CREATE FUNCTION post_new_transfers(places text, rows text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  c text[];
BEGIN
  IF places <> '' THEN
    c := string_to_array(places, E'\x1e');
    INSERT INTO ledger_accounts (id, provider_id, code, asset, account_id, detail)
    SELECT i.id, i.provider, i.code, i.asset, i.account, coalesce(i.detail, '')
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]))
      AS i (id, provider, code, asset, account, detail)
    ORDER BY i.id
    ON CONFLICT DO NOTHING;
  END IF;
  c := string_to_array(rows, E'\x1e');
  INSERT INTO transfers (provider_id, entry, posting_key, debit_id, credit_id, asset, amount, reason, reference)
  SELECT coalesce(i.provider, c[1]), i.entry, i.entry || ':' || i.leg, i.debit, i.credit, coalesce(i.asset, c[6]), coalesce(i.amount, c[7])::numeric,
    coalesce(i.reason, c[8]), i.reference
  FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]),
    column_values(c[7]), column_values(c[8]), column_values(c[9])) AS i (provider, entry, leg, debit, credit, asset, amount, reason, reference);
END
$$;

-- Writes what was decided under the locks, set by set. Parts: 1 {at, counters, changedHolds, alerts, topUps} as JSON, 2 wallets, 3 grants,
-- 4 holds, 5 holds of which only their end differs, 6 lineage, 7 what was sold, 8 replies, 9 ledger accounts, 10 transfers. A part that is empty
-- has no rows. What was captured goes into the usage log, one entry for a provider's, as it does for payments.
CREATE FUNCTION write_wallets(changes text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  parts text[] := string_to_array(changes, E'\x1d');
  rest jsonb := parts[1];
  decided timestamptz := timestamptz 'epoch' + (rest ->> 'at')::bigint * interval '1 millisecond';
  c text[];
  ended integer;
BEGIN
  IF parts[3] <> '' THEN
    c := string_to_array(parts[3], E'\x1e');
    UPDATE grants g SET held = coalesce(i.held, c[2])::numeric, granted = coalesce(i.granted, c[3])::numeric,
      consumed = coalesce(i.consumed, c[4])::numeric, expired = coalesce(i.expired, c[5])::numeric, voided = coalesce(i.voided, c[6])::numeric,
      refunded = coalesce(i.refunded, c[7])::numeric, remaining = coalesce(i.remaining, c[8])::numeric,
      voided_at = CASE WHEN coalesce(i.is_void, c[9])::boolean THEN coalesce(g.voided_at, decided) END
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]),
      column_values(c[7]), column_values(c[8]), column_values(c[9])) AS i (id, held, granted, consumed, expired, voided, refunded, remaining, is_void)
    WHERE g.id = i.id;
  END IF;

  IF parts[2] <> '' THEN
    c := string_to_array(parts[2], E'\x1e');
    UPDATE wallets w SET posted = coalesce(i.posted, c[3])::numeric, held = coalesce(i.held, c[4])::numeric, owed = coalesce(i.owed, c[5])::numeric,
      credit_held = coalesce(i.credit_held, c[6])::numeric, version = i.version::bigint
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]),
      column_values(c[7])) AS i (account, asset, posted, held, owed, credit_held, version)
    WHERE w.account_id = coalesce(i.account, c[1]) AND w.asset = coalesce(i.asset, c[2]);
  END IF;

  IF rest ? 'counters' THEN
    INSERT INTO spend_counters (account_id, asset, limit_id, window_start, provider_id, spent, held)
    SELECT i.account, i.asset, i."limit", timestamptz 'epoch' + i.start * interval '1 millisecond', i.provider, i.spent, i.held
    FROM jsonb_to_recordset(rest -> 'counters') AS i (account text, asset text, "limit" text, start bigint, provider text, spent numeric, held numeric)
    ON CONFLICT (account_id, asset, limit_id, window_start) DO UPDATE SET spent = excluded.spent, held = excluded.held;
  END IF;

  IF parts[4] <> '' THEN
    c := string_to_array(parts[4], E'\x1e');
    INSERT INTO holds (id, provider_id, account_id, asset, key, fingerprint, state, amount, used, captured, excess, on_credit, meter_id, meter,
      quantity, used_quantity, captured_quantity, price_id, payer, agent_key, resource, parts, credit, counted, reason, taken_at, expires_at, ended_at)
    SELECT i.id, coalesce(i.provider, c[2]), coalesce(i.account, c[3]), coalesce(i.asset, c[4]), i.key, coalesce(i.fingerprint, c[6]),
      coalesce(i.state, c[7]), coalesce(i.amount, c[8])::numeric, coalesce(i.used, c[9])::numeric, i.captured::numeric,
      coalesce(i.excess, c[11])::numeric, coalesce(i.on_credit, c[12])::numeric, i.meter_id, i.meter, coalesce(i.quantity, c[15])::numeric,
      i.used_quantity::numeric, i.captured_quantity::numeric, i.price_id, coalesce(i.payer, c[19]), i.agent_key, coalesce(i.resource, c[21]),
      coalesce(i.parts, c[22])::jsonb, coalesce(i.credit, c[23])::numeric, coalesce(i.counted, c[24])::jsonb, i.reason,
      timestamptz 'epoch' + coalesce(i.taken_at, c[26])::bigint * interval '1 millisecond',
      timestamptz 'epoch' + coalesce(i.expires_at, c[27])::bigint * interval '1 millisecond',
      CASE WHEN coalesce(i.state, c[7]) <> 'held' THEN decided END
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]),
      column_values(c[7]), column_values(c[8]), column_values(c[9]), column_values(c[10]), column_values(c[11]), column_values(c[12]),
      column_values(c[13]), column_values(c[14]), column_values(c[15]), column_values(c[16]), column_values(c[17]), column_values(c[18]),
      column_values(c[19]), column_values(c[20]), column_values(c[21]), column_values(c[22]), column_values(c[23]), column_values(c[24]),
      column_values(c[25]), column_values(c[26]), column_values(c[27]))
      AS i (id, provider, account, asset, key, fingerprint, state, amount, used, captured, excess, on_credit, meter_id, meter, quantity,
        used_quantity, captured_quantity, price_id, payer, agent_key, resource, parts, credit, counted, reason, taken_at, expires_at);
  END IF;

  IF rest ? 'changedHolds' THEN
    UPDATE holds h SET state = i.state, amount = i.amount, used = i.used, captured = i.captured, excess = i.excess, on_credit = i."onCredit",
      reversed = i.reversed, quantity = i.quantity, used_quantity = i."usedQuantity", captured_quantity = i."capturedQuantity", parts = i.parts,
      credit = i.credit, counted = i.counted, reason = i.reason, expires_at = timestamptz 'epoch' + i."expiresAt" * interval '1 millisecond',
      ended_at = CASE WHEN i.state <> 'held' THEN coalesce(h.ended_at, decided) END
    FROM jsonb_to_recordset(rest -> 'changedHolds') AS i (id text, state text, amount numeric, used numeric, captured numeric, excess numeric,
      "onCredit" numeric, reversed numeric, quantity numeric, "usedQuantity" numeric, "capturedQuantity" numeric, parts jsonb, credit numeric,
      counted jsonb, reason text, "expiresAt" bigint)
    WHERE h.id = i.id;
  END IF;

  IF parts[5] <> '' THEN
    c := string_to_array(parts[5], E'\x1e');
    UPDATE holds h SET state = coalesce(i.state, c[2]), captured = i.captured::numeric, captured_quantity = i.captured_quantity::numeric,
      excess = coalesce(i.excess, c[5])::numeric, on_credit = coalesce(i.on_credit, c[6])::numeric, reason = i.reason, ended_at = decided
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]),
      column_values(c[7])) AS i (id, state, captured, captured_quantity, excess, on_credit, reason)
    -- Not by the state, for which there is an index: it would be read whole for each of them.
    WHERE h.id = i.id AND h.ended_at IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF ended < cardinality(column_values(c[1])) THEN
      RAISE EXCEPTION 'a hold that is to end has ended before' USING ERRCODE = 'restrict_violation';
    END IF;
  END IF;

  IF parts[6] <> '' THEN
    c := string_to_array(parts[6], E'\x1e');
    INSERT INTO grant_consumptions (reference, step, provider_id, grant_id, kind, amount, made_at)
    SELECT coalesce(i.reference, c[1]), coalesce(i.step, c[2])::integer, coalesce(i.provider, c[3]), coalesce(i."grant", c[4]), coalesce(i.kind, c[5]),
      coalesce(i.amount, c[6])::numeric, decided
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]), column_values(c[6]))
      AS i (reference, step, provider, "grant", kind, amount);
  END IF;

  IF parts[7] <> '' THEN
    c := string_to_array(parts[7], E'\x1e');
    INSERT INTO usage_log (position, provider_id, kind, since, until, events, body, accounts)
    SELECT next_usage_position(), sold.*
    FROM (
      SELECT i.provider, 'sold', decided, decided, count(*),
        json_build_object('items', json_agg(json_build_array(a.number, m.number, (rest ->> 'at')::bigint, i.quantity, i.id)))::text,
        array_agg(DISTINCT a.number)
      FROM (
        SELECT s.id, coalesce(s.provider, c[2]) AS provider, coalesce(s.account, c[3]) AS account, coalesce(s.meter, c[4]) AS meter,
          coalesce(s.quantity, c[5]) AS quantity
        FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]))
          AS s (id, provider, account, meter, quantity)
      ) i JOIN accounts a ON a.id = i.account JOIN meters m ON m.id = i.meter
      GROUP BY i.provider
    ) sold;
  END IF;

  IF parts[8] <> '' THEN
    c := string_to_array(parts[8], E'\x1e');
    INSERT INTO hold_replies (hold_id, provider_id, status, headers, body)
    SELECT i.id, coalesce(i.provider, c[2]), coalesce(i.status, c[3])::integer, coalesce(i.headers, c[4])::jsonb, decode(coalesce(i.body, c[5]), 'base64')
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3]), column_values(c[4]), column_values(c[5]))
      AS i (id, provider, status, headers, body);
  END IF;

  IF rest ? 'alerts' THEN
    INSERT INTO wallet_alerts (id, provider_id, account_id, asset, kind, details, raised_at)
    SELECT i.id, i.provider, i.account, i.asset, i.kind, i.details, decided
    FROM jsonb_to_recordset(rest -> 'alerts') AS i (id text, provider text, account text, asset text, kind text, details jsonb);
  END IF;

  IF rest ? 'topUps' THEN
    UPDATE auto_topups t SET pending = i.pending, last_at = timestamptz 'epoch' + i."lastAt" * interval '1 millisecond', on_that_day = i."onThatDay",
      failures = i.failures
    FROM jsonb_to_recordset(rest -> 'topUps') AS i (account text, asset text, pending numeric, "lastAt" bigint, "onThatDay" integer, failures integer)
    WHERE t.account_id = i.account AND t.asset = i.asset;
  END IF;

  IF parts[10] <> '' THEN
    PERFORM post_new_transfers(parts[9], parts[10]);
  END IF;
END
$$;

-- Writes what was decided by somebody who remembered the wallets instead of reading them: `known`, columns {account, asset, version}.
-- Answers {at: the time of the database, milliseconds, written: whether all was as remembered, stale: the accounts whose wallets were
-- not}. Where it was not, nothing is written: a wallet has another version, a hold of one of `keys`, columns {account, key},
-- exists, or `lag`, how far in milliseconds the time decided by, `decided`, may be behind that of the database, is passed (null: any).
CREATE FUNCTION commit_wallets(known text, keys text, decided bigint, lag integer, changes text)
RETURNS jsonb LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  c text[] := string_to_array(known, E'\x1e');
  k text[] := string_to_array(keys, E'\x1e');
  stale text[];
  matching integer;
  now_at bigint;
BEGIN
  SELECT count(*) FILTER (WHERE is_same), array_agg(account) FILTER (WHERE NOT is_same) INTO matching, stale
  FROM (
    SELECT w.account_id AS account, w.version = i.version::bigint AS is_same
    FROM unnest(column_values(c[1]), column_values(c[2]), column_values(c[3])) AS i (account, asset, version)
      JOIN wallets w ON w.account_id = coalesce(i.account, c[1]) AND w.asset = coalesce(i.asset, c[2])
    ORDER BY w.account_id, w.asset
    FOR NO KEY UPDATE OF w
  ) locked;
  now_at := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  IF matching < cardinality(column_values(c[3]))
    OR decided NOT BETWEEN now_at - lag AND now_at + lag
    OR EXISTS (SELECT FROM unnest(column_values(k[1]), column_values(k[2])) AS i (account, key)
      JOIN holds h ON h.account_id = coalesce(i.account, k[1]) AND h.key = i.key)
  THEN
    RETURN jsonb_build_object('at', now_at, 'written', false, 'stale', coalesce(stale, '{}'));
  END IF;
  IF changes <> '' THEN
    PERFORM write_wallets(changes);
  END IF;
  RETURN jsonb_build_object('at', now_at, 'written', true, 'stale', '[]'::jsonb);
END
$$;
REVOKE EXECUTE ON FUNCTION post_new_transfers, write_wallets(text), commit_wallets(text, text, bigint, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION commit_wallets(text, text, bigint, integer, text) TO farebox_writer;
GRANT EXECUTE ON FUNCTION post_new_transfers, write_wallets(text) TO farebox_app, farebox_writer;

-- Scheme `upto`: a payer signs for a ceiling by Permit2, and the relayer key it names moves what was used of it.

-- ---------------------------------------------------------------- tables
-- Both are set for a payment of scheme `upto`: the relayer key that alone may send it, and the nonce its payer signed under. Its `nonce`
-- is a digest of that, as Permit2's nonces are of another kind than those of a token: the two may be equal and mean nothing by it.
ALTER TABLE payments
  ADD COLUMN facilitator text,
  ADD COLUMN permit2_nonce numeric(78, 0),
  ADD CONSTRAINT ceiling_names_its_sender CHECK ((facilitator IS NULL) = (permit2_nonce IS NULL)),
  ADD CONSTRAINT facilitator_form CHECK (facilitator ~ '^0x[0-9a-f]{40}$'),
  ADD CONSTRAINT permit2_nonce_form CHECK (permit2_nonce >= 0 AND permit2_nonce < 2::numeric ^ 256);
-- Permit2 keeps the nonces of an owner for all tokens together.
CREATE UNIQUE INDEX payments_permit2_nonce ON payments (chain_id, payer, permit2_nonce) WHERE permit2_nonce IS NOT NULL;
CREATE INDEX payments_of_facilitator ON payments (chain_id, facilitator, valid_before)
  WHERE facilitator IS NOT NULL AND state IN ('served', 'settling');

-- batch: a Multicall3 batch, of transfers or of calls to channels · upto: one payment by its ceiling, sent by the key it names.
ALTER TABLE chain_transactions
  ADD COLUMN kind text NOT NULL DEFAULT 'batch' CONSTRAINT chain_transactions_kind CHECK (kind IN ('batch', 'upto'));

-- ---------------------------------------------------------------- claims
-- Claims of scheme `upto`: those of `claim_payments` and `claim_identified_payments`, each with the nonce that Permit2 knows. A nonce that is
-- taken for another token exists; of two in one batch the second is asked for again.
CREATE FUNCTION claim_ceilings(items jsonb, global_cap numeric)
RETURNS TABLE (ord integer, outcome text, payment_id text, account_id text, known_payer boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  taken jsonb;
  decided jsonb;
BEGIN
  -- The lock of claim_payments, which is taken before any row.
  PERFORM pg_advisory_xact_lock(hashtext('farebox.claim_payments'));
  SELECT coalesce(jsonb_object_agg(i.ord, coalesce(to_jsonb(i.holder), '{}')), '{}') INTO taken
  FROM (
    SELECT i.ord,
      (SELECT p.id FROM payments p WHERE p.chain_id = i."chainId" AND p.payer = i.payer AND p.permit2_nonce = i."permit2Nonce" AND p.asset <> i.asset) AS holder,
      first_value(i.asset) OVER (PARTITION BY i."chainId", i.payer, i."permit2Nonce" ORDER BY i.ord) <> i.asset AS second
    FROM jsonb_to_recordset(items) AS i (ord integer, "chainId" integer, asset text, payer text, "permit2Nonce" numeric)
  ) i
  WHERE i.holder IS NOT NULL OR i.second;

  SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]') INTO decided
  FROM claim_identified_payments((SELECT coalesce(jsonb_agg(i.item), '[]') FROM jsonb_array_elements(items) AS i (item)
    WHERE NOT taken ? (i.item ->> 'ord')), global_cap) c;

  UPDATE payments p SET facilitator = i.facilitator, permit2_nonce = i."permit2Nonce"
  FROM jsonb_to_recordset(decided) AS d (ord integer, outcome text, payment_id text)
    JOIN jsonb_to_recordset(items) AS i (ord integer, facilitator text, "permit2Nonce" numeric) ON i.ord = d.ord
  WHERE d.outcome = 'claimed' AND p.id = d.payment_id;

  RETURN QUERY
  SELECT d.ord, d.outcome, d.payment_id, d.account_id, d.known_payer
  FROM jsonb_to_recordset(decided) AS d (ord integer, outcome text, payment_id text, account_id text, known_payer boolean)
  UNION ALL
  SELECT t.key::integer, CASE jsonb_typeof(t.value) WHEN 'string' THEN 'exists' ELSE 'again' END,
    CASE jsonb_typeof(t.value) WHEN 'string' THEN t.value #>> '{}' END, NULL, NULL
  FROM jsonb_each(taken) AS t;
END
$$;
REVOKE EXECUTE ON FUNCTION claim_ceilings FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_ceilings TO farebox_writer;

-- Names that agents give their payments (extension `payment-identifier`), so that a payment asked for again is found again.

-- CreateTable
CREATE TABLE "payment_identifiers" (
    "provider_id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "identifier" TEXT NOT NULL,
    "fingerprint" JSONB NOT NULL,
    "payment_id" TEXT NOT NULL,
    "taken_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "payment_identifiers_pkey" PRIMARY KEY ("provider_id","subject","identifier")
);

-- CreateIndex
CREATE INDEX "payment_identifiers_taken_at_idx" ON "payment_identifiers"("taken_at");

ALTER TABLE payment_identifiers
  ADD FOREIGN KEY (provider_id) REFERENCES providers (id),
  ADD CHECK (identifier ~ '^[A-Za-z0-9_-]{16,128}$'),
  ADD CHECK (jsonb_typeof(fingerprint) = 'object');

-- ---------------------------------------------------------------- row policies and grants
ALTER TABLE payment_identifiers ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_identifiers FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON payment_identifiers TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY writer_rows ON payment_identifiers TO farebox_writer USING (true) WITH CHECK (true);
CREATE POLICY auditor_rows ON payment_identifiers FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT ON payment_identifiers TO farebox_app, farebox_auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON payment_identifiers TO farebox_writer;

-- ---------------------------------------------------------------- taking an identifier
-- Whether a payment was let go and can never be charged any more. Only then may its identifier name another one.
CREATE FUNCTION payment_was_let_go(payment text) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM payments p WHERE p.id = payment AND p.state = 'voided')
    OR EXISTS (SELECT FROM vouchers v WHERE v.id = payment AND v.state = 'voided');

-- Takes identifiers for payments about to be claimed in the same transaction. Items: {ord, id, provider, subject,
-- identifier, fingerprint}, others than these are ignored, and so are items without an identifier. Answers the items whose
-- identifier names another payment, and that payment. Locks are taken in the order of the key.
CREATE FUNCTION take_payment_identifiers(items jsonb) RETURNS TABLE (ord integer, payment_id text)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO payment_identifiers AS known (provider_id, subject, identifier, fingerprint, payment_id)
  SELECT DISTINCT ON (i.provider, i.subject, i.identifier) i.provider, i.subject, i.identifier, i.fingerprint, i.id
  FROM jsonb_to_recordset(items) AS i (ord integer, id text, provider text, subject text, identifier text, fingerprint jsonb)
  WHERE i.identifier IS NOT NULL
  ORDER BY i.provider, i.subject, i.identifier, i.ord
  ON CONFLICT (provider_id, subject, identifier) DO UPDATE SET payment_id = excluded.payment_id, taken_at = now()
    WHERE known.fingerprint = excluded.fingerprint AND payment_was_let_go(known.payment_id);

  RETURN QUERY SELECT i.ord, k.payment_id
  FROM jsonb_to_recordset(items) AS i (ord integer, id text, provider text, subject text, identifier text)
    JOIN payment_identifiers k ON k.provider_id = i.provider AND k.subject = i.subject AND k.identifier = i.identifier
  WHERE k.payment_id <> i.id;
END
$$;

-- Gives back, in the transaction that took them, the identifiers of payments that were not claimed after all.
CREATE FUNCTION return_payment_identifiers(items jsonb, unclaimed integer[]) RETURNS void
LANGUAGE sql SET enable_seqscan = off AS $$
  DELETE FROM payment_identifiers k
  USING jsonb_to_recordset(items) AS i (ord integer, id text, provider text, subject text, identifier text)
  WHERE i.ord = ANY (unclaimed) AND k.provider_id = i.provider AND k.subject = i.subject AND k.identifier = i.identifier
    AND k.payment_id = i.id
$$;

-- `claim_payments` for batches in which some payment has an identifier: an identifier and its claim are one commit, so that
-- neither is ever there without the other. Outcomes beside those of `claim_payments`: identified (the identifier names
-- `payment_id`; nothing of this one was used) | again (its identifier was free again when the batch ended: ask once more).
CREATE FUNCTION claim_identified_payments(items jsonb, global_cap numeric)
RETURNS TABLE (ord integer, outcome text, payment_id text, account_id text, known_payer boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  held jsonb;
  decided jsonb;
BEGIN
  -- The lock of claim_payments, which is taken before any row.
  PERFORM pg_advisory_xact_lock(hashtext('farebox.claim_payments'));
  SELECT coalesce(jsonb_object_agg(t.ord, t.payment_id), '{}') INTO held FROM take_payment_identifiers(items) t;

  SELECT coalesce(jsonb_agg(jsonb_build_object('ord', c.ord, 'outcome', c.outcome, 'payment_id', c.payment_id, 'account_id', c.account_id,
    'known_payer', c.known_payer)), '[]') INTO decided
  FROM claim_payments((SELECT coalesce(jsonb_agg(i.item), '[]') FROM jsonb_array_elements(items) AS i (item)
    WHERE NOT held ? (i.item ->> 'ord')), global_cap) c;

  PERFORM return_payment_identifiers(items, ARRAY(SELECT d.ord FROM jsonb_to_recordset(decided) AS d (ord integer, outcome text)
    WHERE d.outcome <> 'claimed'));

  RETURN QUERY
  SELECT d.ord, d.outcome, d.payment_id, d.account_id, d.known_payer
  FROM jsonb_to_recordset(decided) AS d (ord integer, outcome text, payment_id text, account_id text, known_payer boolean)
  UNION ALL
  SELECT i.ord, CASE WHEN k.payment_id IS NULL THEN 'again' ELSE 'identified' END, k.payment_id, NULL, NULL
  FROM jsonb_to_recordset(items) AS i (ord integer, provider text, subject text, identifier text)
    LEFT JOIN payment_identifiers k ON k.provider_id = i.provider AND k.subject = i.subject AND k.identifier = i.identifier
  WHERE held ? (i.ord::text);
END
$$;

-- Posting costs what is written and little more: items are read once, ledger accounts are looked up once each, and a statement's
-- transfers are checked together instead of one by one.

-- A transfer names two ledger accounts of its asset. They are append-only, so what was there when it was written stays there: a check
-- of each statement says as much as a foreign key would, without a look-up and a lock for each row.
CREATE FUNCTION require_ledger_accounts() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  missing text;
BEGIN
  SELECT named.id INTO missing
  FROM (SELECT debit_id AS id, asset FROM written UNION SELECT credit_id, asset FROM written) named
  WHERE NOT EXISTS (SELECT FROM ledger_accounts a WHERE a.id = named.id AND a.asset = named.asset)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'there is no ledger account % of this asset', missing USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER between_ledger_accounts AFTER INSERT ON transfers REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION require_ledger_accounts();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger_accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE transfers DROP CONSTRAINT transfers_debit_id_asset_fkey, DROP CONSTRAINT transfers_credit_id_asset_fkey;

-- As before: an array of {provider, entry, key, debitCode, debitAccount, debitDetail, creditCode, creditAccount, creditDetail, asset,
-- amount, reason, reference}. Ledger accounts are opened as needed. A posting key that exists is left alone if it says the same and
-- refused if it says something else. Answers how many were new.
CREATE OR REPLACE FUNCTION post_transfers(items jsonb) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  posted integer;
  differing text;
BEGIN
  WITH item AS MATERIALIZED (
    SELECT i.*, ledger_account_id(i.provider, i."debitCode", i.asset, i."debitAccount", i."debitDetail") AS debit,
      ledger_account_id(i.provider, i."creditCode", i.asset, i."creditAccount", i."creditDetail") AS credit
    FROM jsonb_to_recordset(items) AS i (provider text, entry text, key text, asset text, amount numeric, reason text, reference text,
      "debitCode" text, "debitAccount" text, "debitDetail" text, "creditCode" text, "creditAccount" text, "creditDetail" text)
  ),
  unknown AS MATERIALIZED (
    SELECT named.id FROM (SELECT debit AS id FROM item UNION SELECT credit FROM item) named
    WHERE NOT EXISTS (SELECT FROM ledger_accounts known WHERE known.id = named.id)
  ),
  opened AS (
    INSERT INTO ledger_accounts (id, provider_id, code, asset, account_id, detail)
    SELECT DISTINCT ON (place.id) place.id, place.provider, place.code, place.asset, place.account, place.detail
    FROM unknown, LATERAL (
      SELECT debit AS id, provider, "debitCode" AS code, asset, "debitAccount" AS account, "debitDetail" AS detail FROM item WHERE debit = unknown.id
      UNION ALL
      SELECT credit, provider, "creditCode", asset, "creditAccount", "creditDetail" FROM item WHERE credit = unknown.id
    ) place
    ORDER BY place.id
    ON CONFLICT DO NOTHING
  ),
  written AS (
    INSERT INTO transfers (provider_id, entry, posting_key, debit_id, credit_id, asset, amount, reason, reference)
    SELECT provider, entry, key, debit, credit, asset, amount, reason, reference FROM item
    ON CONFLICT (provider_id, posting_key) DO NOTHING
    RETURNING 1
  )
  SELECT count(*) INTO posted FROM written;

  IF posted < jsonb_array_length(items) THEN
    SELECT t.posting_key INTO differing
    FROM jsonb_to_recordset(items) AS i (provider text, key text, asset text, amount numeric, "debitCode" text, "debitAccount" text,
        "debitDetail" text, "creditCode" text, "creditAccount" text, "creditDetail" text)
      JOIN transfers t ON t.provider_id = i.provider AND t.posting_key = i.key
    WHERE (t.amount, t.asset, t.debit_id, t.credit_id) IS DISTINCT FROM (i.amount, i.asset,
      ledger_account_id(i.provider, i."debitCode", i.asset, i."debitAccount", i."debitDetail"),
      ledger_account_id(i.provider, i."creditCode", i.asset, i."creditAccount", i."creditDetail"))
    LIMIT 1;
    IF differing IS NOT NULL THEN
      RAISE EXCEPTION 'posting key % is taken by a transfer that says something else', differing USING ERRCODE = 'unique_violation';
    END IF;
  END IF;
  RETURN posted;
END
$$;

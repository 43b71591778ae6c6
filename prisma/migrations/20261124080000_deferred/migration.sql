-- Deferred accounts: the credit line of an account, the terms it is billed by, its issued statements, and books that stay closed.

-- ---------------------------------------------------------------- credit
-- What an account may owe in one asset, however it came to owe it: calls on credit that were not billed yet and open holds (in its
-- wallet), and beside them `due`: rated usage and statements that were not paid. So owed of its wallet + due = the balance of the account's
-- receivables (1110, 1100, 1120) in this asset. The wallet's own limit is what the line leaves for calls: it may be below zero.
CREATE TABLE credit_lines (
  account_id text NOT NULL,
  asset text NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  credit_limit numeric(78, 0) NOT NULL CHECK (credit_limit >= 0),
  due numeric(78, 0) NOT NULL DEFAULT 0,
  -- Past due: nothing more on credit, whatever is left of the line.
  restricted boolean NOT NULL DEFAULT false,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT credit_lines_pkey PRIMARY KEY (account_id, asset),
  FOREIGN KEY (account_id, asset) REFERENCES wallets (account_id, asset)
);

-- The limit of a wallet moves with what is due elsewhere, so it may come to lie below what is owed; then only taking more is refused.
ALTER TABLE wallets
  DROP CONSTRAINT wallets_credit_limit_check,
  DROP CONSTRAINT never_below_its_limit,
  ADD CONSTRAINT never_below_its_limit CHECK (posted - held >= -(owed + credit_held));
CREATE FUNCTION refuse_credit_beyond_limit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the wallet of % may owe % and would owe %', NEW.account_id, NEW.credit_limit, NEW.owed + NEW.credit_held
    USING ERRCODE = 'check_violation', CONSTRAINT = 'never_below_its_limit';
END
$$;
CREATE TRIGGER never_below_its_limit BEFORE UPDATE ON wallets FOR EACH ROW
  WHEN (NEW.owed + NEW.credit_held > greatest(NEW.credit_limit, OLD.owed + OLD.credit_held))
  EXECUTE FUNCTION refuse_credit_beyond_limit();

-- What an account owes in an asset by the ledger: accrued, invoiced, and being debited.
CREATE FUNCTION receivable_balance(account text, of_asset text) RETURNS numeric LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT coalesce(sum(moved.amount), 0) FROM ledger_accounts a, LATERAL (
    SELECT t.amount FROM transfers t WHERE t.debit_id = a.id
    UNION ALL
    SELECT -t.amount FROM transfers t WHERE t.credit_id = a.id
  ) moved
  WHERE a.account_id = account AND a.asset = of_asset AND a.code IN ('1110', '1100', '1120');
END;

-- Adds to what is due on an account's line; answers whether it has one. The wallet is locked first, as by all that changes it.
CREATE FUNCTION change_due(account text, of_asset text, change numeric) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  line credit_lines;
BEGIN
  PERFORM FROM wallets WHERE account_id = account AND asset = of_asset FOR UPDATE;
  IF NOT FOUND THEN
    -- A line is opened with what is posted by then: whoever posted before goes on only after it, or is seen by it.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('credit ' || account, 0));
    PERFORM FROM wallets WHERE account_id = account AND asset = of_asset FOR UPDATE;
  END IF;
  UPDATE credit_lines SET due = due + change, updated_at = now() WHERE account_id = account AND asset = of_asset RETURNING * INTO line;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE wallets SET credit_limit = CASE WHEN line.restricted THEN 0 ELSE line.credit_limit END - line.due
  WHERE account_id = account AND asset = of_asset;
  RETURN true;
END
$$;

-- ---------------------------------------------------------------- terms
-- How an account is billed. A period is under way from period_start until period_end, and closed once its grace is over.
CREATE TABLE billing_terms (
  account_id text PRIMARY KEY REFERENCES accounts (id),
  provider_id text NOT NULL REFERENCES providers (id),
  asset text NOT NULL,
  period text NOT NULL CHECK (period IN ('day', 'week', 'month')),
  zone text NOT NULL DEFAULT 'UTC',
  grace_seconds integer NOT NULL DEFAULT 3600 CHECK (grace_seconds BETWEEN 60 AND 604800),
  due_days integer NOT NULL DEFAULT 0 CHECK (due_days BETWEEN 0 AND 120),
  -- Tried in this order; none: the account pays its statements itself.
  rails text[] NOT NULL DEFAULT '{}' CHECK (rails <@ ARRAY['card', 'bank', 'usdc']),
  past_due text NOT NULL DEFAULT 'prepaid_only' CHECK (past_due IN ('warn', 'prepaid_only', 'suspend')),
  standing text NOT NULL DEFAULT 'good' CHECK (standing IN ('good', 'warned', 'prepaid_only', 'suspended')),
  period_start timestamptz(3) NOT NULL,
  period_end timestamptz(3) NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  updated_at timestamptz(3) NOT NULL DEFAULT now(),
  CHECK (period_start < period_end)
);
CREATE INDEX billing_terms_to_close ON billing_terms (period_end, provider_id, account_id);
CREATE INDEX billing_terms_suspended ON billing_terms (account_id) WHERE standing = 'suspended';
CREATE INDEX billing_terms_of_provider ON billing_terms (provider_id, account_id);

-- ---------------------------------------------------------------- books that are closed
-- Nothing is posted to an account's receivables with an effective time before this: its statements say what was.
CREATE TABLE closed_books (
  account_id text PRIMARY KEY REFERENCES accounts (id),
  provider_id text NOT NULL REFERENCES providers (id),
  closed_until timestamptz(3) NOT NULL
);

-- A posting is effective when it is recorded, unless its transaction says otherwise: usage that is rated in the grace of a period.
CREATE FUNCTION effective_instant() RETURNS timestamptz LANGUAGE sql STABLE
  RETURN coalesce(nullif(current_setting('farebox.effective_at', true), '')::timestamptz, now());
ALTER TABLE transfers ALTER COLUMN effective_at SET DEFAULT effective_instant();

CREATE FUNCTION refuse_closed_books() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  closed text;
BEGIN
  SELECT b.account_id INTO closed FROM ledger_accounts a JOIN closed_books b ON b.account_id = a.account_id
  WHERE a.id IN (NEW.debit_id, NEW.credit_id) AND a.code IN ('1110', '1100', '1120') AND NEW.effective_at < b.closed_until
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the books of % are closed: post it in the open period', closed USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER refuse_closed_books BEFORE INSERT ON transfers FOR EACH ROW WHEN (NEW.effective_at <> now())
  EXECUTE FUNCTION refuse_closed_books();

-- ---------------------------------------------------------------- statements
-- The last number given in a series of a provider: taken in the transaction that issues, so that no number is missing.
CREATE TABLE statement_series (
  provider_id text NOT NULL REFERENCES providers (id),
  series text NOT NULL,
  last bigint NOT NULL DEFAULT 0 CHECK (last >= 0),
  CONSTRAINT statement_series_pkey PRIMARY KEY (provider_id, series)
);

-- An issued statement: what it says never changes, only what becomes of it. Its lines are the movements of the account's receivables in the
-- period, which cannot change once its books are closed; content_hash is taken over them.
CREATE TABLE statements (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  asset text NOT NULL,
  series text NOT NULL,
  number bigint NOT NULL CHECK (number > 0),
  period_start timestamptz(3) NOT NULL,
  period_end timestamptz(3) NOT NULL,
  zone text NOT NULL,
  opening numeric(78, 0) NOT NULL,
  charges numeric(78, 0) NOT NULL,
  payments numeric(78, 0) NOT NULL,
  adjustments numeric(78, 0) NOT NULL,
  closing numeric(78, 0) NOT NULL,
  -- What it asks for: what was accrued and not paid when it was issued. Nothing where the account was owed something.
  due numeric(78, 0) NOT NULL CHECK (due >= 0),
  content_hash bytea NOT NULL CHECK (octet_length(content_hash) = 32),
  issued_at timestamptz(3) NOT NULL DEFAULT now(),
  due_at timestamptz(3) NOT NULL,
  state text NOT NULL DEFAULT 'issued' CHECK (state IN ('issued', 'processing', 'paid', 'part_paid', 'overdue', 'uncollectible', 'voided')),
  -- Σ of what was received for it and not taken back.
  paid numeric(78, 0) NOT NULL DEFAULT 0 CHECK (paid >= 0),
  version integer NOT NULL DEFAULT 1,
  changed_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT statement_once UNIQUE (account_id, period_start),
  CONSTRAINT statement_number_once UNIQUE (provider_id, series, number),
  CONSTRAINT statement_adds_up CHECK (opening + charges - payments + adjustments = closing),
  CHECK (period_start < period_end)
);
CREATE INDEX statements_of_provider ON statements (provider_id, issued_at DESC, id DESC);
CREATE INDEX statements_unpaid ON statements (due_at, id) WHERE state IN ('issued', 'processing', 'part_paid', 'overdue');

CREATE FUNCTION refuse_statement_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.id, OLD.provider_id, OLD.account_id, OLD.asset, OLD.series, OLD.number, OLD.period_start, OLD.period_end, OLD.zone, OLD.opening, OLD.charges,
      OLD.payments, OLD.adjustments, OLD.closing, OLD.due, OLD.content_hash, OLD.issued_at, OLD.due_at)
    IS DISTINCT FROM (NEW.id, NEW.provider_id, NEW.account_id, NEW.asset, NEW.series, NEW.number, NEW.period_start, NEW.period_end, NEW.zone,
      NEW.opening, NEW.charges, NEW.payments, NEW.adjustments, NEW.closing, NEW.due, NEW.content_hash, NEW.issued_at, NEW.due_at) THEN
    RAISE EXCEPTION 'statement % is issued: write a credit note or a new statement instead', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER issued_is_fixed BEFORE UPDATE ON statements FOR EACH ROW EXECUTE FUNCTION refuse_statement_change();
CREATE TRIGGER issued_stays BEFORE DELETE ON statements FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['credit_lines', 'billing_terms', 'closed_books', 'statement_series', 'statements'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_writer, farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT INSERT, UPDATE ON credit_lines, billing_terms, closed_books, statement_series, statements TO farebox_app, farebox_writer;
GRANT UPDATE (credit_limit) ON wallets TO farebox_app;

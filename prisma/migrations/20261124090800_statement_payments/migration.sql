-- Statements that are paid by an x402 payment of the statement itself.

-- ---------------------------------------------------------------- tables
-- One row for a captured payment that pays a statement. paid: on its way, and nothing of it applied · applied: its payment is final and what
-- was open of the statement is paid; what is over stays received and unapplied · failed: the payment is proven never to have happened.
CREATE TABLE statement_payments (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  -- Whose statement it is, whoever pays it.
  account_id text NOT NULL REFERENCES accounts (id),
  statement_id text NOT NULL REFERENCES statements (id),
  payment_id text NOT NULL REFERENCES payments (id),
  -- The token, and atomic units of it: what was paid, and what of that the statement took.
  asset text NOT NULL,
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  applied numeric(78, 0) NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'paid' CHECK (state IN ('paid', 'applied', 'failed')),
  paid_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT statement_payment_once UNIQUE (payment_id),
  CONSTRAINT applied_within_amount CHECK (applied >= 0 AND applied <= amount),
  CONSTRAINT applied_when_final CHECK (applied = 0 OR state = 'applied'),
  CONSTRAINT statement_payment_ended CHECK ((state = 'paid') = (ended_at IS NULL))
);
-- One at a time: the next one would pay too much.
CREATE UNIQUE INDEX statement_payments_one_open ON statement_payments (statement_id) WHERE state = 'paid';
CREATE INDEX statement_payments_of_statement ON statement_payments (statement_id, id);
CREATE INDEX statement_payments_of_provider ON statement_payments (provider_id, id);

CREATE FUNCTION refuse_statement_payment_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.state <> 'paid' OR (OLD.id, OLD.provider_id, OLD.account_id, OLD.statement_id, OLD.payment_id, OLD.asset, OLD.amount, OLD.paid_at)
    IS DISTINCT FROM (NEW.id, NEW.provider_id, NEW.account_id, NEW.statement_id, NEW.payment_id, NEW.asset, NEW.amount, NEW.paid_at) THEN
    RAISE EXCEPTION 'statement payment % (%) says what was paid, and ends once', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER ends_once BEFORE UPDATE ON statement_payments FOR EACH ROW EXECUTE FUNCTION refuse_statement_payment_change();
CREATE TRIGGER paid_stays BEFORE DELETE ON statement_payments FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- payments
ALTER TABLE payments DROP CONSTRAINT payments_origin_check,
  ADD CONSTRAINT payments_origin_check CHECK (origin IN ('gate', 'facilitator', 'deposit', 'topup', 'refund', 'statement'));

-- As balance that is bought, a statement that is paid adds nothing to what is delivered and unsettled: no cap stands in its way.
DO $$
DECLARE
  before text := pg_get_functiondef('claim_payments(jsonb, numeric)'::regprocedure);
  after text := replace(before, 'w.origin <> ''topup''', 'w.origin NOT IN (''topup'', ''statement'')');
BEGIN
  IF after = before THEN
    RAISE EXCEPTION 'claim_payments does not pass over top-ups as expected';
  END IF;
  EXECUTE after;
END
$$;

-- ---------------------------------------------------------------- roles
ALTER TABLE statement_payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE statement_payments FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON statement_payments TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY writer_rows ON statement_payments TO farebox_writer USING (true) WITH CHECK (true);
CREATE POLICY auditor_rows ON statement_payments FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT ON statement_payments TO farebox_app, farebox_writer, farebox_auditor;
GRANT INSERT ON statement_payments TO farebox_writer;
GRANT UPDATE (state, applied, ended_at) ON statement_payments TO farebox_app, farebox_writer;

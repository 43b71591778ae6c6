-- Balance that agents buy with a payment of their own, and unused balance that goes back on the chain.

-- ---------------------------------------------------------------- tables
-- What a provider sells balance by; the defaults of the service where there is no row.
CREATE TABLE topup_settings (
  provider_id text PRIMARY KEY REFERENCES providers (id),
  least numeric(78, 0) NOT NULL CHECK (least > 0),
  most numeric(78, 0) NOT NULL,
  -- Most an account may have in balance whose payment is in a block and not final yet.
  provisional_credit_cap numeric(78, 0) NOT NULL DEFAULT 0 CHECK (provisional_credit_cap >= 0),
  CHECK (least <= most)
);

-- One row for a captured payment that buys balance. paid: no balance yet · provisional: balance given before the payment is final ·
-- credited: the payment is final and the balance is there · failed: the payment is proven never to have happened.
CREATE TABLE topups (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  payment_id text NOT NULL REFERENCES payments (id),
  account_id text NOT NULL REFERENCES accounts (id),
  asset text NOT NULL,
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  state text NOT NULL DEFAULT 'paid' CHECK (state IN ('paid', 'provisional', 'credited', 'failed')),
  grant_id text REFERENCES grants (id),
  -- Of a failed one: what had been used of the provisional balance, as it is booked, and how often that was changed.
  lost numeric(78, 0) NOT NULL DEFAULT 0,
  loss_steps integer NOT NULL DEFAULT 0,
  bought_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT topup_once UNIQUE (payment_id),
  CONSTRAINT topup_grant_once UNIQUE (grant_id),
  CONSTRAINT credited_has_grant CHECK (state NOT IN ('provisional', 'credited') OR grant_id IS NOT NULL),
  CONSTRAINT lost_within_amount CHECK (lost >= 0 AND lost <= amount)
);
CREATE INDEX topups_open ON topups (id) WHERE state IN ('paid', 'provisional');
CREATE INDEX topups_provisional ON topups (account_id, asset) WHERE state = 'provisional';
CREATE INDEX topups_failed ON topups (grant_id) WHERE state = 'failed' AND grant_id IS NOT NULL;

CREATE FUNCTION refuse_illegal_topup_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('paid', 'provisional'), ('paid', 'credited'), ('paid', 'failed'), ('provisional', 'credited'), ('provisional', 'failed')) THEN
    RAISE EXCEPTION 'top-up % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transition BEFORE UPDATE OF state ON topups FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION refuse_illegal_topup_transition();

-- A refund is sent as a payment of its provider, one attempt at a time; the attempt makes the nonce.
ALTER TABLE refunds
  ADD COLUMN payment_id text REFERENCES payments (id),
  ADD COLUMN attempt integer NOT NULL DEFAULT 0,
  ADD COLUMN reason text,
  ADD COLUMN ended_at timestamptz(3),
  ADD CONSTRAINT refunds_state_check CHECK (state IN ('owed', 'sending', 'paid', 'cancelled')),
  ADD CONSTRAINT sent_has_payment CHECK (state NOT IN ('sending', 'paid') OR payment_id IS NOT NULL);
CREATE INDEX refunds_of_provider ON refunds (provider_id, id);
CREATE UNIQUE INDEX refunds_of_payment ON refunds (payment_id) WHERE payment_id IS NOT NULL;

ALTER TABLE payments DROP CONSTRAINT payments_origin_check,
  ADD CONSTRAINT payments_origin_check CHECK (origin IN ('gate', 'facilitator', 'deposit', 'topup', 'refund'));

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['topup_settings', 'topups'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_writer, farebox_auditor', owned);
  END LOOP;
END
$$;
GRANT INSERT, UPDATE ON topup_settings TO farebox_app;
GRANT INSERT, UPDATE ON topups TO farebox_writer;
GRANT UPDATE (payment_id, attempt, reason, ended_at) ON refunds TO farebox_writer;

-- What an account can be charged by at Stripe, and the hosted pages on which its holder says so or buys balance.

-- ---------------------------------------------------------------- tables
-- An account's customer at Stripe. Without an id it is being made, under a key that follows from the account.
CREATE TABLE stripe_customers (
  account_id text PRIMARY KEY REFERENCES accounts (id),
  provider_id text NOT NULL REFERENCES providers (id),
  body text NOT NULL,
  stripe_id text UNIQUE,
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

-- One hosted page. setup: a method is stored · topup: balance is bought. opening: Stripe was not heard yet · open · complete: what it is
-- for happened · failed: the holder went through it and the bank said no · expired.
CREATE TABLE checkouts (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  purpose text NOT NULL CHECK (purpose IN ('setup', 'topup')),
  -- What is sent, as it is sent.
  body text NOT NULL,
  stripe_id text UNIQUE,
  state text NOT NULL DEFAULT 'opening' CHECK (state IN ('opening', 'open', 'complete', 'failed', 'expired')),
  -- Of a top-up: US cents, and what they buy.
  cents bigint CHECK (cents > 0),
  asset text,
  amount numeric(78, 0) CHECK (amount > 0),
  grant_id text REFERENCES grants (id),
  intent_id text UNIQUE,
  looks integer NOT NULL DEFAULT 0,
  next_run_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT topup_names_its_amount CHECK ((purpose = 'topup') = (cents IS NOT NULL AND asset IS NOT NULL AND amount IS NOT NULL)),
  CONSTRAINT ended_when_ended CHECK ((state IN ('opening', 'open')) = (ended_at IS NULL)),
  CONSTRAINT bought_has_grant CHECK (purpose <> 'topup' OR state <> 'complete' OR (grant_id IS NOT NULL AND intent_id IS NOT NULL))
);
CREATE INDEX checkouts_due ON checkouts (next_run_at) WHERE state IN ('opening', 'open');
CREATE INDEX checkouts_of_account ON checkouts (account_id, id);

-- A card or bank account that may be charged without its holder. Nothing of its number but the last four digits.
CREATE TABLE payment_methods (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  rail text NOT NULL CHECK (rail IN ('card', 'bank')),
  type text NOT NULL CHECK (type IN ('card', 'us_bank_account', 'sepa_debit')),
  label text NOT NULL CHECK (length(label) <= 64),
  customer_id text NOT NULL,
  stripe_id text NOT NULL,
  mandate_id text,
  is_default boolean NOT NULL DEFAULT false,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'dead', 'detached')),
  reason text,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  -- When Stripe was told to forget one that was taken away.
  forgotten_at timestamptz(3),
  CONSTRAINT payment_method_once UNIQUE (account_id, stripe_id)
);
CREATE INDEX payment_methods_usable ON payment_methods (account_id, rail) WHERE state = 'active';
CREATE UNIQUE INDEX payment_methods_default ON payment_methods (account_id, rail) WHERE is_default AND state = 'active';
CREATE INDEX payment_methods_to_forget ON payment_methods (ended_at) WHERE state = 'detached' AND forgotten_at IS NULL;
CREATE INDEX payment_methods_by_mandate ON payment_methods (mandate_id) WHERE mandate_id IS NOT NULL;
CREATE INDEX payment_methods_by_stripe ON payment_methods (stripe_id);

-- Every movement of the balance at Stripe, as it was imported: what Stripe's books say, beside ours. A deployment has one balance; what names
-- no account of ours has no provider, and is reported instead of posted.
CREATE TABLE stripe_movements (
  id text PRIMARY KEY,
  provider_id text REFERENCES providers (id),
  account_id text REFERENCES accounts (id),
  category text NOT NULL,
  currency text NOT NULL,
  amount bigint NOT NULL,
  fee bigint NOT NULL,
  net bigint NOT NULL,
  source text,
  payout text,
  is_available boolean NOT NULL,
  available_on timestamptz(3) NOT NULL,
  created_at timestamptz(3) NOT NULL,
  imported_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT net_is_amount_less_fee CHECK (net = amount - fee)
);
CREATE INDEX stripe_movements_created ON stripe_movements (created_at);
CREATE INDEX stripe_movements_pending ON stripe_movements (available_on) WHERE NOT is_available;
CREATE INDEX stripe_movements_of_payout ON stripe_movements (payout) WHERE payout IS NOT NULL;
CREATE INDEX stripe_movements_of_source ON stripe_movements (source);
CREATE TRIGGER append_only BEFORE DELETE ON stripe_movements FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A payment whose holder, or whose bank, asks for the money back. open: Stripe holds it · won · lost.
CREATE TABLE disputes (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  stripe_id text NOT NULL UNIQUE,
  -- What was paid: a statement, by one of its attempts, or balance on a hosted page.
  statement_id text REFERENCES statements (id),
  checkout_id text REFERENCES checkouts (id),
  cents bigint NOT NULL CHECK (cents > 0),
  reason text NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'won', 'lost')),
  respond_by timestamptz(3),
  version integer NOT NULL DEFAULT 1,
  opened_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT of_one_payment CHECK ((statement_id IS NULL) <> (checkout_id IS NULL)),
  CONSTRAINT ended_when_ended CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX disputes_of_provider ON disputes (provider_id, id);

-- Money that goes back by card or bank. owed: decided and booked, to be sent · sent: Stripe has it · succeeded · failed: it did not arrive, and
-- is owed no longer.
CREATE TABLE card_refunds (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  statement_id text NOT NULL REFERENCES statements (id),
  attempt_id text NOT NULL REFERENCES collection_attempts (id),
  cents bigint NOT NULL CHECK (cents > 0),
  asset text NOT NULL,
  value numeric(78, 0) NOT NULL CHECK (value > 0),
  reason text NOT NULL,
  -- What is sent, as it is sent.
  body text NOT NULL,
  stripe_id text UNIQUE,
  state text NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'sent', 'succeeded', 'failed')),
  failure text,
  looks integer NOT NULL DEFAULT 0,
  next_run_at timestamptz(3) NOT NULL DEFAULT now(),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  ended_at timestamptz(3),
  CONSTRAINT ended_when_ended CHECK ((state IN ('owed', 'sent')) = (ended_at IS NULL))
);
CREATE INDEX card_refunds_due ON card_refunds (next_run_at) WHERE state IN ('owed', 'sent');
CREATE INDEX card_refunds_of_statement ON card_refunds (statement_id);

-- ---------------------------------------------------------------- roles
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['stripe_customers', 'checkouts', 'payment_methods', 'disputes', 'card_refunds'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_app, farebox_writer, farebox_auditor', owned);
    EXECUTE format('GRANT INSERT, UPDATE ON %I TO farebox_app, farebox_writer', owned);
  END LOOP;
END
$$;
ALTER TABLE stripe_movements ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON stripe_movements FOR SELECT TO farebox_app USING (provider_id = current_provider());
CREATE POLICY writer_rows ON stripe_movements TO farebox_writer USING (true) WITH CHECK (true);
CREATE POLICY auditor_rows ON stripe_movements FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT ON stripe_movements TO farebox_app, farebox_writer, farebox_auditor;
GRANT INSERT, UPDATE (is_available, payout, provider_id) ON stripe_movements TO farebox_writer;

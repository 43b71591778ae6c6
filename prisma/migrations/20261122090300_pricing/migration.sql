-- Prices of all models with what holds over a period, plans, prices agreed with an account, closed periods and corrections.

-- ---------------------------------------------------------------- prices
-- One table for every price, so that a charge names its price whatever it comes from.
ALTER TABLE prices
  ALTER COLUMN meter_id DROP NOT NULL,
  ADD COLUMN source text NOT NULL DEFAULT 'default',
  ADD COLUMN name text,
  ADD COLUMN plan_version_id text,
  ADD COLUMN account_id text REFERENCES accounts (id),
  ADD COLUMN modifiers jsonb NOT NULL DEFAULT '{}';
ALTER TABLE prices
  ADD CHECK (source IN ('default', 'plan', 'override')),
  ADD CHECK ((source = 'plan') = (plan_version_id IS NOT NULL)),
  ADD CHECK ((source = 'override') = (account_id IS NOT NULL)),
  ADD CHECK (meter_id IS NOT NULL OR source = 'plan');
DROP INDEX prices_meter_id_effective_at_key;
CREATE UNIQUE INDEX prices_of_meter ON prices (meter_id, effective_at) WHERE source = 'default';
CREATE UNIQUE INDEX prices_of_plan_version ON prices (plan_version_id, meter_id, name) NULLS NOT DISTINCT WHERE source = 'plan';
CREATE INDEX prices_of_account ON prices (account_id, meter_id) WHERE source = 'override';
-- Whether a meter is priced at all: asked for every meter that is rolled up.
CREATE INDEX prices_by_meter ON prices (meter_id);

-- ---------------------------------------------------------------- plans
CREATE TABLE plans (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  name text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT plans_provider_id_name_key UNIQUE (provider_id, name)
);
CREATE TABLE plan_versions (
  id text PRIMARY KEY,
  plan_id text NOT NULL REFERENCES plans (id),
  version integer NOT NULL CHECK (version > 0),
  provider_id text NOT NULL REFERENCES providers (id),
  definition jsonb NOT NULL,
  modifiers jsonb NOT NULL DEFAULT '{}',
  asset text NOT NULL,
  asset_decimals integer NOT NULL CHECK (asset_decimals BETWEEN 0 AND 18),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT plan_versions_plan_id_version_key UNIQUE (plan_id, version)
);
ALTER TABLE prices ADD FOREIGN KEY (plan_version_id) REFERENCES plan_versions (id);

-- Which plan version an account is on from an instant on; none: it left its plan. On the grid of the cells of usage.
CREATE TABLE account_plans (
  account_id text NOT NULL REFERENCES accounts (id),
  "from" timestamptz(3) NOT NULL CHECK (extract(epoch FROM "from") % 900 = 0),
  provider_id text NOT NULL REFERENCES providers (id),
  plan_version_id text REFERENCES plan_versions (id),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT account_plans_pkey PRIMARY KEY (account_id, "from")
);
CREATE INDEX account_plans_plan_version_id_from_idx ON account_plans (plan_version_id, "from");

-- The price agreed with an account for a meter from an instant on; none: no longer.
CREATE TABLE account_prices (
  account_id text NOT NULL REFERENCES accounts (id),
  meter_id text NOT NULL REFERENCES meters (id),
  "from" timestamptz(3) NOT NULL,
  provider_id text NOT NULL REFERENCES providers (id),
  price_id text REFERENCES prices (id),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT account_prices_pkey PRIMARY KEY (account_id, meter_id, "from")
);

-- ---------------------------------------------------------------- charges
-- Service: the span of usage that is charged. Window: when it is charged. They differ where the service lies in a closed
-- period: such a charge names the one it corrects, and its total may be below zero.
ALTER TABLE charges
  ALTER COLUMN meter_id DROP NOT NULL,
  ADD COLUMN service_start timestamptz(3),
  ADD COLUMN service_end timestamptz(3),
  ADD COLUMN corrects text REFERENCES charges (id),
  ADD COLUMN exact numeric,
  ADD COLUMN lines jsonb NOT NULL DEFAULT '[]';
UPDATE charges c SET service_start = c.window_start, service_end = c.window_end,
  exact = trim_scale(c.amount * ('1e-' || p.asset_decimals)::numeric),
  lines = jsonb_build_array(jsonb_build_object('kind', 'usage', 'quantity', trim_scale(c.quantity)::text,
    'exact', trim_scale(c.amount * ('1e-' || p.asset_decimals)::numeric)::text))
FROM prices p WHERE p.id = c.price_id;
ALTER TABLE charges
  ALTER COLUMN service_start SET NOT NULL,
  ALTER COLUMN service_end SET NOT NULL,
  ALTER COLUMN exact SET NOT NULL,
  DROP CONSTRAINT charges_amount_check,
  ADD CONSTRAINT below_zero_as_it_is_exactly CHECK (amount >= 0 OR exact < 0),
  ADD CHECK (service_start < service_end),
  ADD CHECK (service_start <= window_start),
  ADD CHECK (corrects IS NULL OR service_start < window_start);
DROP INDEX charges_account_id_meter_id_price_id_window_start_key;
CREATE UNIQUE INDEX charges_account_id_price_id_service_start_window_start_key ON charges (account_id, price_id, service_start, window_start);
CREATE INDEX charges_of_meter ON charges (account_id, meter_id, service_start);
CREATE INDEX charges_that_correct ON charges (corrects) WHERE corrects IS NOT NULL;
GRANT UPDATE (service_end, exact, lines) ON charges TO farebox_app;

-- ---------------------------------------------------------------- what waits
ALTER TABLE rating_due ADD COLUMN problem text;
CREATE INDEX rating_problems ON rating_due (provider_id) WHERE problem IS NOT NULL;

-- ---------------------------------------------------------------- closed periods
-- All that lies before the end of a closed period stands for good.
CREATE TABLE closed_periods (
  provider_id text NOT NULL REFERENCES providers (id),
  period_start timestamptz(3) NOT NULL,
  period_end timestamptz(3) NOT NULL CHECK (period_end > period_start),
  position bigint NOT NULL,
  closed_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT closed_periods_pkey PRIMARY KEY (provider_id, period_start)
);

CREATE FUNCTION refuse_closed_charge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  since timestamptz := CASE TG_OP WHEN 'INSERT' THEN NEW.window_start WHEN 'DELETE' THEN OLD.window_start
    ELSE least(OLD.window_start, NEW.window_start) END;
  provider text := CASE TG_OP WHEN 'DELETE' THEN OLD.provider_id ELSE NEW.provider_id END;
BEGIN
  IF EXISTS (SELECT FROM closed_periods c WHERE c.provider_id = provider AND c.period_end > since) THEN
    RAISE EXCEPTION 'the period of charge % is closed: correct it in the open one', CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER closed_stands BEFORE INSERT OR UPDATE OR DELETE ON charges FOR EACH ROW EXECUTE FUNCTION refuse_closed_charge();

-- ---------------------------------------------------------------- append-only, row policies and grants
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['plans', 'plan_versions', 'account_plans', 'account_prices', 'closed_periods'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()', owned);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO farebox_app', owned);
    EXECUTE format('GRANT SELECT ON %I TO farebox_auditor', owned);
  END LOOP;
END
$$;

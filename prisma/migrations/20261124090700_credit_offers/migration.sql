-- Credit on the wire: attestations that were issued to agents, each the promise of one hold.

-- A row is written once and presented at most once. `id` is the `jti`; what a gate presented it for is `binding`. What became of it is the
-- state of its hold: held until it is captured, let go or overdue.
CREATE TABLE credit_attestations (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  hold_id text NOT NULL REFERENCES holds (id),
  -- By what the agent was known that asked for it: an attestation is worth no more than that is when it is presented.
  known_by text NOT NULL CHECK (known_by IN ('key', 'wallet', 'directory')),
  subject text NOT NULL,
  -- As the claims say it.
  resource text NOT NULL,
  method text,
  asset text NOT NULL,
  amount numeric(78, 0) NOT NULL CHECK (amount > 0),
  issued_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  hold_expires_at timestamptz(3) NOT NULL,
  binding bytea CHECK (octet_length(binding) = 32),
  -- Names the arrival of the request it was presented with.
  attempt text,
  presented_at timestamptz(3),
  CONSTRAINT attestation_of_hold_once UNIQUE (hold_id),
  CONSTRAINT presented_with_binding CHECK ((binding IS NULL) = (presented_at IS NULL)),
  CONSTRAINT attempt_of_presented CHECK (attempt IS NULL OR binding IS NOT NULL),
  CONSTRAINT to_present_then_to_redeem CHECK (issued_at < expires_at AND expires_at <= hold_expires_at)
);
CREATE INDEX credit_attestations_of_account ON credit_attestations (account_id, issued_at);

CREATE FUNCTION refuse_second_presentation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.binding IS NOT NULL
    OR (OLD.id, OLD.provider_id, OLD.account_id, OLD.hold_id, OLD.known_by, OLD.subject, OLD.resource, OLD.method, OLD.asset, OLD.amount, OLD.issued_at,
      OLD.expires_at, OLD.hold_expires_at)
    IS DISTINCT FROM (NEW.id, NEW.provider_id, NEW.account_id, NEW.hold_id, NEW.known_by, NEW.subject, NEW.resource, NEW.method, NEW.asset, NEW.amount,
      NEW.issued_at, NEW.expires_at, NEW.hold_expires_at) THEN
    RAISE EXCEPTION 'attestation % is issued, and presented once', OLD.id USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER presented_once BEFORE UPDATE ON credit_attestations FOR EACH ROW EXECUTE FUNCTION refuse_second_presentation();
CREATE TRIGGER issued_stays BEFORE DELETE ON credit_attestations FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER issued_stays_whole BEFORE TRUNCATE ON credit_attestations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which assets a provider gives credit in: asked once per provider and five seconds.
CREATE INDEX credit_lines_of_provider ON credit_lines (provider_id, asset);

-- ---------------------------------------------------------------- names
-- A payment by a hold may have a name too.
CREATE OR REPLACE FUNCTION payment_was_let_go(payment text) RETURNS boolean LANGUAGE sql STABLE
  RETURN EXISTS (SELECT FROM payments p WHERE p.id = payment AND p.state = 'voided')
    OR EXISTS (SELECT FROM vouchers v WHERE v.id = payment AND v.state = 'voided')
    OR EXISTS (SELECT FROM holds h WHERE h.id = payment AND h.state IN ('released', 'expired'));

-- ---------------------------------------------------------------- roles
ALTER TABLE credit_attestations ENABLE ROW LEVEL SECURITY;
ALTER TABLE credit_attestations FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON credit_attestations TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY writer_rows ON credit_attestations TO farebox_writer USING (true) WITH CHECK (true);
CREATE POLICY auditor_rows ON credit_attestations FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT ON credit_attestations TO farebox_app, farebox_writer, farebox_auditor;
GRANT INSERT, UPDATE (binding, attempt, presented_at) ON credit_attestations TO farebox_writer;
-- Whether the key still holds that asked for an attestation.
GRANT SELECT (id, account_id, expires_at, revoked_at) ON agent_keys TO farebox_writer;

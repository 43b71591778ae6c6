-- Who an agent is: keys of accounts with their budgets, how an identity came to its account, and the proofs that were used.

-- ---------------------------------------------------------------- keys of agents
-- A table apart from the providers' keys, so that nothing which takes a provider's key can ever take one of these for it.
CREATE TABLE agent_keys (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  account_id text NOT NULL REFERENCES accounts (id),
  name text NOT NULL,
  scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['pay', 'read']),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3),
  revoked_at timestamptz(3)
);
CREATE INDEX agent_keys_account_id_idx ON agent_keys (account_id);

-- Most that a key may spend of an asset within a span. Set with the key and never changed: another budget is another key.
CREATE TABLE agent_key_budgets (
  key_id text NOT NULL REFERENCES agent_keys (id),
  asset text NOT NULL,
  span text NOT NULL CHECK (span IN ('hour', 'day', 'month', 'lifetime')),
  provider_id text NOT NULL REFERENCES providers (id),
  amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
  CONSTRAINT agent_key_budgets_pkey PRIMARY KEY (key_id, asset, span)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON agent_key_budgets FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON agent_key_budgets FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- identities
-- All that exist came by a payment.
ALTER TABLE identities
  ADD COLUMN proof text NOT NULL DEFAULT 'payment',
  ADD CHECK (proof IN ('payment', 'sign-in', 'message-signature')),
  ADD CHECK (CASE kind
    WHEN 'wallet' THEN subject ~ '^0x[0-9a-f]{40}$' AND proof IN ('payment', 'sign-in')
    WHEN 'directory' THEN subject = lower(subject) AND proof = 'message-signature'
    ELSE false END);

-- ---------------------------------------------------------------- proofs that were used
-- A row is in the way of its proof until the proof could no longer be taken anyhow. `attempt` names the one arrival of a request
-- that may show the proof again, when its answer was lost.
CREATE TABLE used_proofs (
  provider_id text NOT NULL REFERENCES providers (id),
  kind text NOT NULL CHECK (kind IN ('sign-in', 'message-signature')),
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  attempt text,
  expires_at timestamptz(3) NOT NULL,
  CONSTRAINT used_proofs_pkey PRIMARY KEY (provider_id, kind, digest)
);
CREATE INDEX used_proofs_expires_at_idx ON used_proofs (expires_at);

-- ---------------------------------------------------------------- who may do what
DO $$
DECLARE
  owned text;
BEGIN
  FOREACH owned IN ARRAY ARRAY['agent_keys', 'agent_key_budgets', 'used_proofs'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
    EXECUTE format('CREATE POLICY provider_rows ON %I TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider())', owned);
    EXECUTE format('CREATE POLICY writer_rows ON %I TO farebox_writer USING (true) WITH CHECK (true)', owned);
    EXECUTE format('CREATE POLICY auditor_rows ON %I FOR SELECT TO farebox_auditor USING (true)', owned);
  END LOOP;
END
$$;
-- The look-up before the provider is known, by the id of the presented key.
CREATE POLICY presented_key ON agent_keys FOR SELECT TO farebox_app USING (id = current_setting('farebox.key', true));
CREATE POLICY presented_key ON agent_key_budgets FOR SELECT TO farebox_app USING (key_id = current_setting('farebox.key', true));

GRANT SELECT, INSERT ON agent_keys, agent_key_budgets TO farebox_app;
GRANT UPDATE (revoked_at) ON agent_keys TO farebox_app;
GRANT DELETE ON identities TO farebox_app;
GRANT SELECT ON used_proofs TO farebox_app;
GRANT SELECT, INSERT, DELETE, UPDATE (attempt) ON used_proofs TO farebox_writer;
GRANT SELECT ON agent_keys, agent_key_budgets, used_proofs TO farebox_auditor;

-- Rating keeps its history, so that a statement of any period can say how much of a charge fell in it; and the indexes of the
-- usage queries.

-- ---------------------------------------------------------------- charge revisions
-- What each setting of a charge changed. A revision and the transfer that posts it share one transaction, hence one time.
CREATE TABLE charge_revisions (
  charge_id text NOT NULL REFERENCES charges (id),
  revision integer NOT NULL CHECK (revision > 0),
  provider_id text NOT NULL,
  account_id text NOT NULL,
  quantity_change numeric NOT NULL,
  amount_change numeric(78, 0) NOT NULL,
  rated_at timestamptz(3) NOT NULL DEFAULT now(),
  CONSTRAINT charge_revisions_pkey PRIMARY KEY (charge_id, revision)
);
CREATE INDEX charge_revisions_of_account ON charge_revisions (provider_id, account_id, rated_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON charge_revisions FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE charge_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE charge_revisions FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON charge_revisions TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY auditor_rows ON charge_revisions FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT, INSERT ON charge_revisions TO farebox_app;
GRANT SELECT ON charge_revisions TO farebox_auditor;

-- A later price version ends the window of the one before it.
GRANT UPDATE (window_end) ON charges TO farebox_app;

-- ---------------------------------------------------------------- usage
-- The level carried into a range, per resource, and the levels inside it.
CREATE INDEX usage_events_levels ON usage_events (meter_id, account_id, resource, time, receipt) INCLUDE (level) WHERE level IS NOT NULL;
-- Pages of events, newest receipt first.
CREATE INDEX usage_events_by_receipt ON usage_events (provider_id, receipt);

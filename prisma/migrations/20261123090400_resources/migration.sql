-- What a provider wants to be found by: its priced resources, listed for anyone who asks the facilitator's door.
CREATE TABLE resources (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  method text NOT NULL CHECK (method ~ '^[A-Z]{3,10}$'),
  url text NOT NULL CHECK (length(url) <= 2048),
  meter text NOT NULL,
  quantity numeric NOT NULL CHECK (quantity > 0),
  description text,
  mime_type text,
  service_name text,
  tags text[] NOT NULL DEFAULT '{}',
  updated_at timestamptz(3) NOT NULL,
  UNIQUE (provider_id, method, url)
);
ALTER TABLE resources ENABLE ROW LEVEL SECURITY;
ALTER TABLE resources FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON resources TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY writer_rows ON resources FOR SELECT TO farebox_writer USING (true);
CREATE POLICY auditor_rows ON resources FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT, INSERT, DELETE ON resources TO farebox_app;
GRANT UPDATE (meter, quantity, description, mime_type, service_name, tags, updated_at) ON resources TO farebox_app;
GRANT SELECT ON resources TO farebox_writer, farebox_auditor;

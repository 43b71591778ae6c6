-- Requests made with an Idempotency-Key: what was asked, and what was answered. Kept for 24 hours.
CREATE TABLE "idempotency_keys" (
    "provider_id" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "request_hash" BYTEA NOT NULL,
    "status" INTEGER,
    "body" TEXT,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("provider_id","key")
);

CREATE INDEX "idempotency_keys_provider_id_started_at_idx" ON "idempotency_keys"("provider_id", "started_at");

ALTER TABLE idempotency_keys ADD FOREIGN KEY (provider_id) REFERENCES providers (id);
ALTER TABLE idempotency_keys ADD CHECK (octet_length(request_hash) = 32), ADD CHECK ((status IS NULL) = (body IS NULL));

GRANT SELECT, INSERT, DELETE ON idempotency_keys TO farebox_app;
GRANT UPDATE (status, body, started_at) ON idempotency_keys TO farebox_app;
GRANT SELECT ON idempotency_keys TO farebox_auditor;

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON idempotency_keys TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY auditor_rows ON idempotency_keys FOR SELECT TO farebox_auditor USING (true);

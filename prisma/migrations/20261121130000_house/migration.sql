-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "providers" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "pay_to" TEXT NOT NULL,
    "exposure_cap_payer" DECIMAL(78,0) NOT NULL,
    "exposure_cap_provider" DECIMAL(78,0) NOT NULL,
    "raise_above" DECIMAL(78,0),
    "raise_first_payment" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "providers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "provider_keys" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "scopes" TEXT[],
    "hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "provider_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "accounts" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "name" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "accounts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "identities" (
    "provider_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "identities_pkey" PRIMARY KEY ("provider_id","kind","subject")
);

-- CreateTable
CREATE TABLE "meters" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "aggregation" TEXT NOT NULL,
    "unit" TEXT NOT NULL,
    "description" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "meters_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "usage_events" (
    "provider_id" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "meter_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "time" TIMESTAMPTZ(3) NOT NULL,
    "receipt" BIGSERIAL NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "value" DECIMAL,
    "level" DECIMAL,
    "resource" TEXT,
    "dimensions" JSONB,
    "content_hash" BYTEA NOT NULL,
    "payment_id" TEXT,

    CONSTRAINT "usage_events_pkey" PRIMARY KEY ("provider_id","source","event_id")
);

-- CreateTable
CREATE TABLE "prices" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "meter_id" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "definition" JSONB NOT NULL,
    "asset" TEXT NOT NULL,
    "asset_decimals" INTEGER NOT NULL,
    "release" TEXT NOT NULL DEFAULT 'submitted',
    "effective_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "prices_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "charges" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "meter_id" TEXT NOT NULL,
    "price_id" TEXT NOT NULL,
    "window_start" TIMESTAMPTZ(3) NOT NULL,
    "window_end" TIMESTAMPTZ(3) NOT NULL,
    "quantity" DECIMAL NOT NULL,
    "asset" TEXT NOT NULL,
    "amount" DECIMAL(78,0) NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "rated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "charges_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rating_due" (
    "provider_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "meter_id" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "marks" BIGINT NOT NULL DEFAULT 1,

    CONSTRAINT "rating_due_pkey" PRIMARY KEY ("provider_id","account_id","meter_id")
);

-- CreateTable
CREATE TABLE "ledger_accounts" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "asset" TEXT NOT NULL,
    "account_id" TEXT,
    "detail" TEXT NOT NULL DEFAULT '',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ledger_accounts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "transfers" (
    "id" BIGSERIAL NOT NULL,
    "provider_id" TEXT NOT NULL,
    "entry" TEXT NOT NULL,
    "posting_key" TEXT NOT NULL,
    "debit_id" TEXT NOT NULL,
    "credit_id" TEXT NOT NULL,
    "asset" TEXT NOT NULL,
    "amount" DECIMAL(78,0) NOT NULL,
    "reason" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "effective_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "transfers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ledger_balances" (
    "ledger_account_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "debits" DECIMAL(78,0) NOT NULL,
    "credits" DECIMAL(78,0) NOT NULL,
    "through" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ledger_balances_pkey" PRIMARY KEY ("ledger_account_id")
);

-- CreateTable
CREATE TABLE "payments" (
    "id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "account_id" TEXT NOT NULL,
    "origin" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "network" TEXT NOT NULL,
    "chain_id" INTEGER NOT NULL,
    "asset" TEXT NOT NULL,
    "asset_id" TEXT NOT NULL,
    "payer" TEXT NOT NULL,
    "pay_to" TEXT NOT NULL,
    "nonce" BYTEA NOT NULL,
    "amount" DECIMAL(78,0) NOT NULL,
    "valid_after" DECIMAL(78,0) NOT NULL,
    "valid_before" DECIMAL(78,0) NOT NULL,
    "signature" BYTEA NOT NULL,
    "binding" BYTEA NOT NULL,
    "resource" TEXT NOT NULL,
    "attempt" TEXT,
    "meter_id" TEXT,
    "quantity" DECIMAL,
    "price_id" TEXT,
    "release" TEXT NOT NULL,
    "known_payer" BOOLEAN NOT NULL,
    "charged" DECIMAL(78,0),
    "reserved_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "served_at" TIMESTAMPTZ(3),
    "voided_at" TIMESTAMPTZ(3),
    "void_reason" TEXT,
    "batch_id" TEXT,
    "submitted_at" TIMESTAMPTZ(3),
    "transaction" BYTEA,
    "log_index" INTEGER,
    "block_number" BIGINT,
    "block_hash" BYTEA,
    "included_at" TIMESTAMPTZ(3),
    "settled_at" TIMESTAMPTZ(3),
    "failed_at" TIMESTAMPTZ(3),
    "failure" JSONB,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_run_at" TIMESTAMPTZ(3),

    CONSTRAINT "payments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "payment_replies" (
    "payment_id" TEXT NOT NULL,
    "provider_id" TEXT NOT NULL,
    "status" INTEGER NOT NULL,
    "headers" JSONB NOT NULL,
    "body" BYTEA NOT NULL,

    CONSTRAINT "payment_replies_pkey" PRIMARY KEY ("payment_id")
);

-- CreateTable
CREATE TABLE "chain_signers" (
    "chain_id" INTEGER NOT NULL,
    "address" TEXT NOT NULL,
    "next_nonce" BIGINT NOT NULL,
    "lease_owner" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "fence" BIGINT NOT NULL DEFAULT 0,
    "paused_reason" TEXT,

    CONSTRAINT "chain_signers_pkey" PRIMARY KEY ("chain_id","address")
);

-- CreateTable
CREATE TABLE "settlement_batches" (
    "id" TEXT NOT NULL,
    "chain_id" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "settlement_batches_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chain_transactions" (
    "id" TEXT NOT NULL,
    "chain_id" INTEGER NOT NULL,
    "signer" TEXT NOT NULL,
    "nonce" BIGINT NOT NULL,
    "batch_id" TEXT,
    "state" TEXT NOT NULL,
    "fence" BIGINT NOT NULL,
    "hash" BYTEA,
    "block_number" BIGINT,
    "block_hash" BYTEA,
    "gas_used" DECIMAL(78,0),
    "gas_price" DECIMAL(78,0),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "mined_at" TIMESTAMPTZ(3),
    "final_at" TIMESTAMPTZ(3),
    "next_run_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "attempts" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "chain_transactions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chain_candidates" (
    "hash" BYTEA NOT NULL,
    "transaction_id" TEXT NOT NULL,
    "raw" BYTEA NOT NULL,
    "max_fee_per_gas" DECIMAL(78,0) NOT NULL,
    "max_priority_fee_per_gas" DECIMAL(78,0) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "broadcast_at" TIMESTAMPTZ(3),

    CONSTRAINT "chain_candidates_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "queue" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "providers_pay_to_idx" ON "providers"("pay_to");

-- CreateIndex
CREATE INDEX "provider_keys_provider_id_idx" ON "provider_keys"("provider_id");

-- CreateIndex
CREATE UNIQUE INDEX "accounts_provider_id_name_key" ON "accounts"("provider_id", "name");

-- CreateIndex
CREATE INDEX "identities_account_id_idx" ON "identities"("account_id");

-- CreateIndex
CREATE UNIQUE INDEX "meters_provider_id_name_key" ON "meters"("provider_id", "name");

-- CreateIndex
CREATE INDEX "usage_events_provider_id_account_id_meter_id_time_idx" ON "usage_events"("provider_id", "account_id", "meter_id", "time");

-- CreateIndex
CREATE INDEX "prices_provider_id_idx" ON "prices"("provider_id");

-- CreateIndex
CREATE UNIQUE INDEX "prices_meter_id_effective_at_key" ON "prices"("meter_id", "effective_at");

-- CreateIndex
CREATE INDEX "charges_provider_id_account_id_window_start_idx" ON "charges"("provider_id", "account_id", "window_start");

-- CreateIndex
CREATE UNIQUE INDEX "charges_account_id_meter_id_price_id_window_start_key" ON "charges"("account_id", "meter_id", "price_id", "window_start");

-- CreateIndex
CREATE INDEX "rating_due_due_at_idx" ON "rating_due"("due_at");

-- CreateIndex
CREATE INDEX "ledger_accounts_provider_id_code_idx" ON "ledger_accounts"("provider_id", "code");

-- CreateIndex
CREATE INDEX "ledger_accounts_account_id_idx" ON "ledger_accounts"("account_id");

-- CreateIndex
CREATE UNIQUE INDEX "ledger_accounts_id_asset_key" ON "ledger_accounts"("id", "asset");

-- CreateIndex
CREATE INDEX "transfers_debit_id_effective_at_idx" ON "transfers"("debit_id", "effective_at");

-- CreateIndex
CREATE INDEX "transfers_credit_id_effective_at_idx" ON "transfers"("credit_id", "effective_at");

-- CreateIndex
CREATE UNIQUE INDEX "transfers_provider_id_posting_key_key" ON "transfers"("provider_id", "posting_key");

-- CreateIndex
CREATE INDEX "ledger_balances_provider_id_idx" ON "ledger_balances"("provider_id");

-- CreateIndex
CREATE UNIQUE INDEX "payments_network_asset_payer_nonce_key" ON "payments"("network", "asset", "payer", "nonce");

-- CreateIndex
CREATE INDEX "chain_transactions_batch_id_idx" ON "chain_transactions"("batch_id");

-- CreateIndex
CREATE UNIQUE INDEX "chain_transactions_chain_id_signer_nonce_key" ON "chain_transactions"("chain_id", "signer", "nonce");

-- CreateIndex
CREATE INDEX "chain_candidates_transaction_id_idx" ON "chain_candidates"("transaction_id");



-- What servers of their own ask us to carry to the channels on the chain: deposits of their payers, claims, payouts, refunds. Nothing of it is
-- our charge; only the gas is booked, to the provider whose wallet is paid.
--
-- open: to be sent, or on its way · included: the chain has it · done: in a block that cannot go away · failed: it will not happen.
CREATE TABLE relay_orders (
  id text PRIMARY KEY,
  provider_id text NOT NULL REFERENCES providers (id),
  chain_id integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('deposit', 'claim', 'settle', 'refund')),
  -- Two requests of one identity are one order; what they ask for must be the same then.
  identity bytea NOT NULL CHECK (octet_length(identity) = 32),
  content bytea NOT NULL CHECK (octet_length(content) = 32),
  -- All that is needed to sign it.
  body jsonb NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'included', 'done', 'failed')),
  -- The head of the chain when it was ordered: what it did is not found below.
  since_block bigint NOT NULL,
  -- The batch whose transaction carried it last.
  batch_id text,
  attempts integer NOT NULL DEFAULT 0,
  -- The transaction that did it, ours or somebody else's; none where the chain had it before we looked for one.
  transaction bytea CHECK (octet_length(transaction) = 32),
  -- The head of the chain by which it was found carried out: a node that is behind it says nothing against it.
  seen_block bigint,
  -- What moved, atomic units, and the channel after it: the answer to whoever asks again.
  moved numeric(78, 0) CHECK (moved >= 0),
  channel_state jsonb,
  reason text,
  next_run_at timestamptz(3) NOT NULL DEFAULT now(),
  ordered_at timestamptz(3) NOT NULL DEFAULT now(),
  included_at timestamptz(3),
  ended_at timestamptz(3),
  CONSTRAINT order_included_is_answered CHECK (state NOT IN ('included', 'done') OR (moved IS NOT NULL AND seen_block IS NOT NULL AND included_at IS NOT NULL)),
  CONSTRAINT order_failed_has_reason CHECK ((state = 'failed') = (reason IS NOT NULL)),
  CONSTRAINT order_ended CHECK ((state IN ('done', 'failed')) = (ended_at IS NOT NULL))
);
-- What failed may be ordered again: the chain may take later what it did not take then.
CREATE UNIQUE INDEX relay_order_once ON relay_orders (chain_id, identity) WHERE state <> 'failed';
CREATE INDEX relay_orders_due ON relay_orders (chain_id, next_run_at) WHERE state IN ('open', 'included');
CREATE INDEX relay_orders_of_provider ON relay_orders (provider_id);

ALTER TABLE relay_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE relay_orders FORCE ROW LEVEL SECURITY;
CREATE POLICY provider_rows ON relay_orders TO farebox_app USING (provider_id = current_provider()) WITH CHECK (provider_id = current_provider());
CREATE POLICY writer_rows ON relay_orders TO farebox_writer USING (true) WITH CHECK (true);
CREATE POLICY auditor_rows ON relay_orders FOR SELECT TO farebox_auditor USING (true);
GRANT SELECT ON relay_orders TO farebox_app, farebox_auditor;
GRANT SELECT, INSERT, UPDATE ON relay_orders TO farebox_writer;

CREATE FUNCTION refuse_illegal_order_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'relay order % cannot go from % to %, nor ask for something else', OLD.id, OLD.state, NEW.state
    USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER legal_change BEFORE UPDATE ON relay_orders FOR EACH ROW
  WHEN (
    OLD.state IN ('done', 'failed')
    OR (OLD.state = 'open' AND NEW.state = 'done')
    OR (OLD.state = 'included' AND NEW.state = 'failed')
    OR (OLD.id, OLD.provider_id, OLD.chain_id, OLD.kind, OLD.identity, OLD.content, OLD.body, OLD.since_block)
      IS DISTINCT FROM (NEW.id, NEW.provider_id, NEW.chain_id, NEW.kind, NEW.identity, NEW.content, NEW.body, NEW.since_block)
  )
  EXECUTE FUNCTION refuse_illegal_order_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON relay_orders FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What settlement keeps beside the tables it found.

-- A candidate that only uses up the nonce, because the transaction it stands in for can never be mined.
ALTER TABLE chain_candidates ADD COLUMN filler boolean NOT NULL DEFAULT false;

-- How many payments of each provider a transaction carried when it was signed: its gas is shared out by that, whatever
-- becomes of the payments.
ALTER TABLE chain_transactions ADD COLUMN providers jsonb NOT NULL DEFAULT '{}';

-- What a rollup charged for the data of the transaction, on top of gas times price.
ALTER TABLE chain_transactions ADD COLUMN data_fee numeric(78, 0);

CREATE INDEX payments_included ON payments (chain_id, block_number) WHERE state = 'included';

CREATE FUNCTION refuse_illegal_transaction_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state, NEW.state) NOT IN (('signed', 'broadcast'), ('signed', 'mined'), ('signed', 'reverted'), ('signed', 'dropped'),
    ('broadcast', 'mined'), ('broadcast', 'reverted'), ('broadcast', 'dropped'),
    ('mined', 'broadcast'), ('mined', 'final'), ('mined', 'dropped'),
    ('reverted', 'broadcast'), ('reverted', 'final'), ('reverted', 'dropped')) THEN
    RAISE EXCEPTION 'chain transaction % cannot go from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER legal_transaction_transition BEFORE UPDATE OF state ON chain_transactions FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION refuse_illegal_transaction_transition();

-- Signed bytes, the nonce they are for and what was sent never change.
CREATE FUNCTION refuse_other_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'signed bytes never change: sign a further candidate instead' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER same_bytes BEFORE UPDATE OF hash, transaction_id, raw, filler ON chain_candidates FOR EACH ROW
  EXECUTE FUNCTION refuse_other_bytes();

-- A roll-up of balances may pass a transfer only when no transaction can still commit one with a lower id. It compares
-- transaction ids, so a transaction must have its own before it takes the first transfer id.
CREATE FUNCTION take_transaction_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN NULL;
END
$$;
CREATE TRIGGER transaction_id_first BEFORE INSERT ON transfers FOR EACH STATEMENT EXECUTE FUNCTION take_transaction_id();

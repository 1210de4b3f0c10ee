-- The books.

CREATE OR REPLACE FUNCTION washminute.settle_balance(
    washman_id text, amount numeric, reason text, idempotency_key text DEFAULT NULL) RETURNS numeric
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_settle_balance';
COMMENT ON FUNCTION washminute.settle_balance(text, numeric, text, text) IS
  'Books money that changed hands outside: a positive amount (MAD) is paid in by the washman, a negative one is taken, also below the floor. Returns the new balance. The same idempotency key and arguments give the same answer with one effect.';

CREATE OR REPLACE FUNCTION washminute.washman_balance(washman_id text) RETURNS numeric
LANGUAGE C STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_washman_balance';
COMMENT ON FUNCTION washminute.washman_balance(text) IS
  'The balance of a washman in MAD, what is held included.';

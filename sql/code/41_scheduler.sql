-- What is due is done.

CREATE OR REPLACE FUNCTION washminute.run_due() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_run_due';
COMMENT ON FUNCTION washminute.run_due() IS
  'What a scheduler calls every minute: does what is due for requests and clears old idempotency keys, as washminute_owner. Does nothing in a cloned database until washminute.adopt().';

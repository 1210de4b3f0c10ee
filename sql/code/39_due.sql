-- What falls due for requests.

CREATE OR REPLACE FUNCTION washminute.expire_due()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_expire_due';
COMMENT ON FUNCTION washminute.expire_due() IS
  'Does what is due for requests, at most 500 in a call: decides on collected answers, offers to the next washmen, expires what nobody has accepted in time. Returns how many expired. The worker does the same when it is due, and run_due() every minute.';

CREATE OR REPLACE FUNCTION washminute._run_due_requests(batch integer, milliseconds integer)
RETURNS TABLE (done integer, next_due timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_run_due_requests';
COMMENT ON FUNCTION washminute._run_due_requests(integer, integer) IS
  'Internal: the worker''s expire_due(), for at most so many requests, and none begun later than that; how many requests were done, and when the next is due (infinity: none).';

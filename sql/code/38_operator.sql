-- What administrators do with washmen and jobs, for a reason that is kept in the log.

CREATE OR REPLACE FUNCTION washminute.reassign_request(request_id uuid, admin_id text, washman_id text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_reassign_request';
COMMENT ON FUNCTION washminute.reassign_request(uuid, text, text, text) IS
  'An administrator gives a request, or the job of another washman before the work begins, to this washman, whether or not he was offered it. He must not be suspended, busy at that time, or without room on his balance.';

CREATE OR REPLACE FUNCTION washminute.suspend_washman(washman_id text, admin_id text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_suspend_washman';
COMMENT ON FUNCTION washminute.suspend_washman(text, text, text) IS
  'An administrator suspends a washman: he is offered nothing more and can accept nothing. A job in hand stays his, unless it is reassigned.';

CREATE OR REPLACE FUNCTION washminute.reinstate_washman(washman_id text, admin_id text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_reinstate_washman';
COMMENT ON FUNCTION washminute.reinstate_washman(text, text, text) IS
  'An administrator ends the suspension of a washman.';

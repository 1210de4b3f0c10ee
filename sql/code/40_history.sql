-- The story of a request.

CREATE OR REPLACE FUNCTION washminute.request_history(request_id uuid)
RETURNS TABLE (at timestamptz, event text, actor text, detail jsonb)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 20
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_request_history';
COMMENT ON FUNCTION washminute.request_history(uuid) IS
  'What happened to a request, in order: when, what, by whom (NULL for a deadline) and the facts.';

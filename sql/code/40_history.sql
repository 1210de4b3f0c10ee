-- The story of a request.

CREATE OR REPLACE FUNCTION washminute.request_history(request_id uuid)
RETURNS TABLE (at timestamptz, event text, actor text, detail jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20
SET search_path FROM CURRENT
AS $$
  SELECT e.at, e.event, e.actor_id, e.data
    FROM washminute_data.events AS e
   WHERE e.request_id = request_history.request_id
   ORDER BY e.event_id
$$;
COMMENT ON FUNCTION washminute.request_history(uuid) IS
  'What happened to a request, in order: when, what, by whom (NULL for a deadline) and the facts.';

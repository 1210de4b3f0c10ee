-- Live events that an app has missed.

CREATE OR REPLACE FUNCTION washminute_api.events(after bigint, max_events integer DEFAULT 200)
RETURNS TABLE (eid text, event text, data jsonb, at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 50
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT m.position::text, m.event, m.data, m.at
                 FROM washminute.missed_events(washminute.require_caller(), after, max_events,
                                               washminute._acts_as_admin()) AS m
                ORDER BY m.position;
END
$$;
COMMENT ON FUNCTION washminute_api.events(bigint, integer) IS
  'The live events that came for me after a position, the greatest eid that my app has seen, in order. 410: some are not kept any more, so read everything anew.';

CREATE OR REPLACE FUNCTION washminute_api.live_cursor() RETURNS bigint
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
  SELECT washminute.live_cursor()
$$;
COMMENT ON FUNCTION washminute_api.live_cursor() IS
  'The position of the newest live event: ask for it, then read everything, then ask for events after it.';

REVOKE ALL ON FUNCTION washminute_api.live_cursor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION washminute_api.live_cursor() TO washminute_customer, washminute_washman, washminute_admin;
REVOKE ALL ON FUNCTION washminute_api.events(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION washminute_api.events(bigint, integer)
  TO washminute_customer, washminute_washman, washminute_admin;

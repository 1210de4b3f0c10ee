-- Who is near.

CREATE OR REPLACE FUNCTION washminute.nearby_washmen(
    longitude float8, latitude float8, initial_radius_m float8 DEFAULT NULL,
    radius_step_m float8 DEFAULT NULL, radius_limit_m float8 DEFAULT NULL,
    max_results integer DEFAULT 50, max_age interval DEFAULT NULL)
RETURNS TABLE (washman_id text, distance_m float8, radius_m float8, located_at timestamptz)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 20
AS 'MODULE_PATHNAME', 'washminute_nearby_washmen_fast';
COMMENT ON FUNCTION washminute.nearby_washmen(float8, float8, float8, float8, float8, integer, interval) IS
  'The washmen who are online, seen within max_age and not suspended, in the smallest ring around the place that holds one, nearest first. Distances are geodesic metres on WGS 84; NULL arguments take the setting of that name.';

CREATE OR REPLACE FUNCTION washminute._nearby_washmen(
    longitude float8, latitude float8, initial_radius_m float8, radius_step_m float8, radius_limit_m float8,
    max_results integer, max_age interval)
RETURNS TABLE (washman_id text, distance_m float8, radius_m float8, located_at timestamptz)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 20
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_nearby_washmen';
COMMENT ON FUNCTION washminute._nearby_washmen(float8, float8, float8, float8, float8, integer, interval) IS
  'Internal: nearby_washmen where SQL is needed.';

CREATE OR REPLACE FUNCTION washminute.explain_match(request_id uuid)
RETURNS TABLE (washman_id text, distance_m float8, offered boolean, reasons text[])
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_explain_match';
COMMENT ON FUNCTION washminute.explain_match(uuid) IS
  'Everybody within radius_limit_m of a request, nearest first: whether he was offered it, and why he would not be now: suspended, offline, position_old, declined, busy, balance_below_floor, no_room_for_commission, own_request, too_many_offers, outside_ring, others_nearer; next_wave: he would be with the next one.';

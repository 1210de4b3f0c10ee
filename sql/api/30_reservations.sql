-- Reservations and opening hours, as apps see them.

CREATE OR REPLACE FUNCTION washminute_api.open_reservations()
RETURNS TABLE (request_id uuid, customer_first_name text, neighbourhood text, distance_m double precision,
               services text[], earnings numeric, payment_method text, reservation_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 10
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.open_reservations(washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.open_reservations() IS
  'The reservations near me that I can accept early, and what I may know of them before.';

CREATE OR REPLACE FUNCTION washminute_api.reschedule_request(request_id uuid, reservation_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.reschedule_request(request_id, washminute.require_caller(), reservation_at);
END
$$;
COMMENT ON FUNCTION washminute_api.reschedule_request(uuid, timestamptz) IS
  'Move my reservation to another time; a washman who has accepted it keeps it if he is free then.';

CREATE OR REPLACE FUNCTION washminute_api.can_book_instant(longitude float8, latitude float8)
RETURNS TABLE (can_book boolean, zone_code text, opens_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.can_book_instant(longitude, latitude);
END
$$;
COMMENT ON FUNCTION washminute_api.can_book_instant(float8, float8) IS
  'Whether a wash can be booked there for now; the zone of the place (null: none serves it), and when it is open next.';

CREATE OR REPLACE FUNCTION washminute_api.available_slots(
    longitude float8, latitude float8, day date DEFAULT NULL, slot_minutes integer DEFAULT 30)
RETURNS TABLE (starts_at timestamptz, starts_local timestamp)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 30
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.available_slots(longitude, latitude, day, slot_minutes);
END
$$;
COMMENT ON FUNCTION washminute_api.available_slots(float8, float8, date, integer) IS
  'The times of a local day (null: today) for which a wash can be reserved there, also by the clock of the place.';

REVOKE ALL ON FUNCTION
  washminute_api.open_reservations(), washminute_api.reschedule_request(uuid, timestamptz),
  washminute_api.can_book_instant(float8, float8), washminute_api.available_slots(float8, float8, date, integer)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION washminute_api.open_reservations() TO washminute_washman;
GRANT EXECUTE ON FUNCTION washminute_api.reschedule_request(uuid, timestamptz)
  TO washminute_customer, washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.can_book_instant(float8, float8), washminute_api.available_slots(float8, float8, date, integer)
  TO washminute_anon, washminute_customer, washminute_washman, washminute_admin;

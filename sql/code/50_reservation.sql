-- Reservations: what is due before they begin, and another time for one.

CREATE OR REPLACE FUNCTION washminute.notify_due_reservations(as_of timestamptz DEFAULT NULL)
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_notify_due_reservations';
COMMENT ON FUNCTION washminute.notify_due_reservations(timestamptz) IS
  'Does what is due for reservations as of a time (NULL: washminute.now()), at most 500 of them in a call: offers them to washmen near, 30, 15 and 5 minutes before they begin, and reminds of those accepted early; each stage once. Returns how many stages somebody was told of. The worker does the same when it is due, and run_due() every minute.';

CREATE OR REPLACE FUNCTION washminute.reschedule_request(request_id uuid, actor_id text, reservation_at timestamptz)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_reschedule_request';
COMMENT ON FUNCTION washminute.reschedule_request(uuid, text, timestamptz) IS
  'The customer, or an administrator, moves a reservation that has not begun to another time; a washman who has accepted it keeps it if he is free then. What was due before the old time is due before the new one. The same time again does nothing.';

CREATE OR REPLACE FUNCTION washminute.resolve_reservations() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_resolve_reservations';
COMMENT ON FUNCTION washminute.resolve_reservations() IS
  'After the rules of a time zone have changed: reservations keep their time by the zone''s clock, and what is due before moves with it. At most 1000 in a call, the next first; returns how many moved. run_due() does it every five minutes. Sessions that are open know the old rules: restart the server after an update of the time zones.';

CREATE OR REPLACE FUNCTION washminute._widest_ring() RETURNS double precision
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.max(v.value)::double precision
    FROM (SELECT s.value FROM washminute_data.settings AS s WHERE s.name = 'radius_limit_m'
          UNION ALL
          SELECT z.value FROM washminute_data.zone_settings AS z WHERE z.name = 'radius_limit_m') AS v
$$;
COMMENT ON FUNCTION washminute._widest_ring() IS 'Internal: the greatest radius_limit_m of all zones, in metres.';

CREATE OR REPLACE FUNCTION washminute.open_reservations(washman_id text)
RETURNS TABLE (request_id uuid, customer_first_name text, neighbourhood text, distance_m double precision,
               services text[], earnings numeric, payment_method text, reservation_at timestamptz)
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE ROWS 10
SET search_path FROM CURRENT
AS $$
  WITH here AS MATERIALIZED (
    SELECT ST_SetSRID(ST_MakePoint(w.longitude, w.latitude), 4326)::geography AS place, washminute._widest_ring() AS radius_m
      FROM washminute.washman_position(open_reservations.washman_id) AS w
      JOIN washminute_data.washmen AS m
        ON m.washman_id = open_reservations.washman_id AND m.status = 'online' AND m.suspended_at IS NULL
     WHERE w.located_at >= washminute.now() - (SELECT s.value FROM washminute_data.settings AS s
                                                WHERE s.name = 'position_max_age_seconds') * '1 second'::interval),
  zone AS MATERIALIZED (
    SELECT z.zone_code, washminute._zone_setting(z.zone_code, 'radius_limit_m') AS radius_m, z.card_dispatch
      FROM washminute_data.service_zones AS z),
  near AS MATERIALIZED (
    SELECT r.request_id, r.reservation_at, ST_Distance(cell.place, here.place) AS distance_m
      FROM here
      JOIN washminute_data.request_timers AS i ON ST_DWithin(i.place, here.place, here.radius_m + 1000)
     CROSS JOIN LATERAL (
       SELECT ST_SetSRID(ST_MakePoint(0.01 * (pg_catalog.floor(100 * ST_X(i.place::geometry)) + 0.5),
                                      0.01 * (pg_catalog.floor(100 * ST_Y(i.place::geometry)) + 0.5)), 4326)::geography) AS cell (place)
      JOIN washminute_data.washing_requests AS r ON r.request_id = i.request_id
      JOIN zone ON zone.zone_code = r.zone_code
      JOIN washminute_data.orders AS o ON o.order_id = r.order_id
     WHERE r.status = 'pending' AND r.reservation_at > washminute.now() AND r.expires_at > washminute.now()
       AND (o.payment_method = 'cash' OR o.payment_verified OR zone.card_dispatch = 'at_once')
       AND r.customer_id <> open_reservations.washman_id
       AND NOT EXISTS (SELECT FROM washminute_data.offers AS f
                        WHERE f.request_id = r.request_id AND f.washman_id = open_reservations.washman_id
                          AND f.declined_at IS NOT NULL)
       AND NOT EXISTS (SELECT FROM washminute_data.jobs AS j
                        WHERE j.washman_id = open_reservations.washman_id AND j.live
                          AND j.period && pg_catalog.tstzrange(r.reservation_at, r.reservation_at + r.duration_minutes * '1 minute'::interval))
       AND ST_Distance(cell.place, here.place) <= zone.radius_m
     ORDER BY r.reservation_at, distance_m LIMIT 100)
  SELECT n.request_id, t.customer_first_name, t.neighbourhood, pg_catalog.round(n.distance_m),
         t.services, t.earnings, t.payment_method, n.reservation_at
    FROM near AS n, LATERAL washminute._request_told(n.request_id, open_reservations.washman_id) AS t
   ORDER BY n.reservation_at, n.distance_m
$$;
COMMENT ON FUNCTION washminute.open_reservations(text) IS
  'The reservations ahead that a washman can accept early, from where he is: those within radius_limit_m of the zone at whose time he has no other job, with what he may know before (the distance is to the middle of a square of a hundredth of a degree, which does not tell the place); the next first, at most 100.';

-- When a zone is open.

CREATE OR REPLACE FUNCTION washminute._opening_spans(zone_code text, first_day date, last_day date)
RETURNS TABLE (opens_local timestamp, closes_local timestamp)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path FROM CURRENT
AS $$
  SELECT d.day + h.opens_at,
         d.day + h.closes_at + CASE WHEN h.closes_at < h.opens_at THEN '1 day' ELSE '0' END::interval
    FROM washminute_data.service_zones AS z,
         LATERAL (SELECT first_day + n FROM pg_catalog.generate_series(0, last_day - first_day) AS n) AS d (day)
    LEFT JOIN washminute_data.opening_exceptions AS x
           ON x.zone_code = _opening_spans.zone_code AND d.day BETWEEN x.first_day AND x.last_day,
         LATERAL (
           SELECT x.opens_at, x.closes_at WHERE x.zone_code IS NOT NULL AND x.opens_at IS NOT NULL
           UNION ALL
           SELECT w.opens_at, w.closes_at FROM washminute_data.opening_hours AS w
            WHERE x.zone_code IS NULL AND w.zone_code = z.zone_code
              AND w.weekday = pg_catalog.date_part('isodow', d.day)
           UNION ALL
           SELECT z.opens_at, z.closes_at
            WHERE x.zone_code IS NULL
              AND NOT EXISTS (SELECT FROM washminute_data.opening_hours AS w
                               WHERE w.zone_code = z.zone_code
                                 AND w.weekday = pg_catalog.date_part('isodow', d.day))) AS h
   WHERE z.zone_code = _opening_spans.zone_code
$$;
COMMENT ON FUNCTION washminute._opening_spans(text, date, date) IS
  'Internal: when a zone opens and closes on these days, by its clock; the end of a day may be on the next one.';

CREATE OR REPLACE FUNCTION washminute.zone_is_open(zone_code text, at timestamptz DEFAULT NULL) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT z.active
         AND EXISTS (SELECT FROM washminute._opening_spans(z.zone_code, w.wall_time::date - 1, w.wall_time::date) AS s
                      WHERE w.wall_time >= s.opens_local AND w.wall_time < s.closes_local)
    FROM washminute_data.service_zones AS z,
         LATERAL (SELECT COALESCE(at, washminute.now()) AT TIME ZONE z.time_zone
                   WHERE at IS NULL OR pg_catalog.isfinite(at)) AS w (wall_time)
   WHERE z.zone_code = zone_is_open.zone_code
$$;
COMMENT ON FUNCTION washminute.zone_is_open(text, timestamptz) IS
  'Whether work may start in a zone at a time (NULL: now), by its clock, weekday and exceptions; false for one that takes no orders, NULL for one that does not exist.';

CREATE OR REPLACE FUNCTION washminute.next_opening(zone_code text, at timestamptz DEFAULT NULL) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT CASE WHEN washminute.zone_is_open(z.zone_code, t.at) THEN t.at
         ELSE (SELECT pg_catalog.min(o.opens_at)
                 FROM washminute._opening_spans(z.zone_code, (t.at AT TIME ZONE z.time_zone)::date,
                                                (t.at AT TIME ZONE z.time_zone)::date + 60) AS s,
                      LATERAL (SELECT s.opens_local AT TIME ZONE z.time_zone) AS o (opens_at)
                WHERE o.opens_at > t.at) END
    FROM washminute_data.service_zones AS z, (SELECT COALESCE(next_opening.at, washminute.now())) AS t (at)
   WHERE z.zone_code = next_opening.zone_code AND z.active AND pg_catalog.isfinite(t.at)
$$;
COMMENT ON FUNCTION washminute.next_opening(text, timestamptz) IS
  'The first time from then on (NULL: now) at which work may start in a zone; NULL where that is none within 60 days.';

CREATE OR REPLACE FUNCTION washminute._zone_of(longitude float8, latitude float8) RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT z.zone_code FROM washminute_data.service_zones AS z
   WHERE z.active AND ST_Covers(z.boundary, ST_SetSRID(ST_MakePoint(longitude, latitude), 4326)::geography)
   ORDER BY ST_Area(z.boundary), z.zone_code LIMIT 1
$$;
COMMENT ON FUNCTION washminute._zone_of(float8, float8) IS
  'Internal: the zone that a place belongs to; NULL outside all.';

CREATE OR REPLACE FUNCTION washminute.can_book_instant(longitude float8, latitude float8)
RETURNS TABLE (can_book boolean, zone_code text, opens_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT COALESCE(washminute.zone_is_open(z.code), false), z.code, washminute.next_opening(z.code)
    FROM (SELECT washminute._zone_of(longitude, latitude)) AS z (code)
$$;
COMMENT ON FUNCTION washminute.can_book_instant(float8, float8) IS
  'Whether a wash can be booked at a place for now; its zone (NULL: none serves it), and when that is open next, which is now where it is open.';

CREATE OR REPLACE FUNCTION washminute.available_slots(
    longitude float8, latitude float8, day date DEFAULT NULL, slot_minutes integer DEFAULT 30)
RETURNS TABLE (starts_at timestamptz, starts_local timestamp)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 30
SET search_path FROM CURRENT
AS $$
  SELECT s.starts_at, s.starts_at AT TIME ZONE z.time_zone
    FROM washminute_data.service_zones AS z,
         LATERAL (SELECT COALESCE(day, (washminute.now() AT TIME ZONE z.time_zone)::date)
                   WHERE day IS NULL OR day BETWEEN (washminute.now() AT TIME ZONE 'UTC')::date - 2
                                                AND (washminute.now() AT TIME ZONE 'UTC')::date + 400) AS d (day),
         LATERAL (SELECT DISTINCT g.starts_at
                    FROM washminute._opening_spans(z.zone_code, d.day - 1, d.day) AS o,
                         pg_catalog.generate_series(o.opens_local AT TIME ZONE z.time_zone,
                                                    o.closes_local AT TIME ZONE z.time_zone,
                                                    LEAST(GREATEST(slot_minutes, 5), 1440) * '1 minute'::interval)
                           AS g (starts_at)
                   WHERE g.starts_at AT TIME ZONE z.time_zone < o.closes_local) AS s
   WHERE z.zone_code = washminute._zone_of(longitude, latitude)
     AND (s.starts_at AT TIME ZONE z.time_zone)::date = d.day
     AND s.starts_at >= washminute.now()
                        + washminute._zone_setting(z.zone_code, 'reservation_notice_minutes') * '1 minute'::interval
     AND s.starts_at <= washminute.now()
                        + washminute._zone_setting(z.zone_code, 'reservation_horizon_days') * '24 hours'::interval
   ORDER BY s.starts_at
$$;
COMMENT ON FUNCTION washminute.available_slots(float8, float8, date, integer) IS
  'The times of a local day (NULL: today) for which a wash can be reserved at a place, every slot_minutes (5 to 1440) from the opening on, also by the zone''s clock. An hour that the clock skips is none, one that it repeats is two.';

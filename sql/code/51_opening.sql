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
    LEFT JOIN LATERAL (SELECT x.first_day, x.last_day FROM washminute_data.opening_exceptions AS x
                        WHERE x.zone_code = _opening_spans.zone_code AND d.day BETWEEN x.first_day AND x.last_day
                        ORDER BY x.last_day - x.first_day, x.first_day DESC LIMIT 1) AS e ON true,
         LATERAL (
           SELECT x.opens_at, x.closes_at FROM washminute_data.opening_exceptions AS x
            WHERE x.zone_code = z.zone_code AND x.first_day = e.first_day AND x.last_day = e.last_day
           UNION ALL
           SELECT w.opens_at, w.closes_at FROM washminute_data.opening_hours AS w
            WHERE e.first_day IS NULL AND w.zone_code = z.zone_code
              AND w.weekday = pg_catalog.date_part('isodow', d.day)
           UNION ALL
           SELECT z.opens_at, z.closes_at
            WHERE e.first_day IS NULL
              AND NOT EXISTS (SELECT FROM washminute_data.opening_hours AS w
                               WHERE w.zone_code = z.zone_code
                                 AND w.weekday = pg_catalog.date_part('isodow', d.day))) AS h
   WHERE z.zone_code = _opening_spans.zone_code AND h.opens_at IS NOT NULL
$$;
COMMENT ON FUNCTION washminute._opening_spans(text, date, date) IS
  'Internal: when a zone opens and closes on these days, by its clock; the end of a day may be on the next one.';

CREATE OR REPLACE FUNCTION washminute._moments_within(opens_local timestamp, closes_local timestamp, time_zone text)
RETURNS TABLE (at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT m.at
    FROM (SELECT opens_local AT TIME ZONE time_zone, closes_local AT TIME ZONE time_zone) AS b (opens_at, closes_at),
         LATERAL (SELECT (b.closes_at + '3 hours') AT TIME ZONE time_zone - (b.opens_at - '3 hours'::interval) AT TIME ZONE time_zone
                         <> b.closes_at - b.opens_at + '6 hours') AS c (clock_changes),
         -- an hour, or less, that the clock repeats or skips: it is changed at a quarter of an hour
         LATERAL (
           SELECT b.opens_at WHERE NOT c.clock_changes
           UNION
           SELECT b.opens_at + n * '15 minutes'::interval FROM pg_catalog.generate_series(-8, 8) AS n WHERE c.clock_changes
           UNION
           SELECT q FROM pg_catalog.generate_series(pg_catalog.date_bin('15 minutes', b.opens_at - '2 hours'::interval, 'epoch'),
                                                    b.closes_at + '2 hours', '15 minutes') AS q WHERE c.clock_changes) AS m (at)
   WHERE m.at AT TIME ZONE time_zone >= opens_local AND m.at AT TIME ZONE time_zone < closes_local
$$;
COMMENT ON FUNCTION washminute._moments_within(timestamp, timestamp, text) IS
  'Internal: moments at which the clock of a time zone shows a time of the span: the first one, and, where the clock is changed near by, every quarter of an hour, and so each first one after a change.';

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
         ELSE (SELECT pg_catalog.min(m.at)
                 FROM washminute._opening_spans(z.zone_code, (t.at AT TIME ZONE z.time_zone)::date - 1,
                                                (t.at AT TIME ZONE z.time_zone)::date + 60) AS s,
                      LATERAL washminute._moments_within(s.opens_local, s.closes_local, z.time_zone) AS m
                WHERE m.at > t.at) END
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

CREATE OR REPLACE FUNCTION washminute._require_place(longitude float8, latitude float8, slot_minutes integer DEFAULT NULL)
RETURNS integer
LANGUAGE C STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_require_place';
COMMENT ON FUNCTION washminute._require_place(float8, float8, integer) IS
  'Internal: raises WM_COORDINATE_INVALID unless a place is on the globe, and WM_ARGUMENT_INVALID where slots are not 5 to 1440 minutes apart; the minutes, 30 where they are NULL.';

CREATE OR REPLACE FUNCTION washminute.can_book_instant(longitude float8, latitude float8)
RETURNS TABLE (can_book boolean, zone_code text, opens_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT COALESCE(washminute.zone_is_open(z.code), false), z.code, washminute.next_opening(z.code)
    FROM (SELECT washminute._zone_of(longitude, latitude)
           WHERE washminute._require_place(longitude, latitude) IS NOT NULL) AS z (code)
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
    FROM (SELECT washminute._require_place(longitude, latitude, slot_minutes)) AS p (minutes),
         washminute_data.service_zones AS z,
         LATERAL (SELECT COALESCE(day, (washminute.now() AT TIME ZONE z.time_zone)::date)
                   WHERE day IS NULL OR day BETWEEN (washminute.now() AT TIME ZONE 'UTC')::date - 2
                                                AND (washminute.now() AT TIME ZONE 'UTC')::date + 400) AS d (day),
         LATERAL (SELECT DISTINCT g.starts_at
                    FROM washminute._opening_spans(z.zone_code, d.day - 1, d.day) AS o,
                         LATERAL (SELECT pg_catalog.min(m.at) FROM washminute._moments_within(o.opens_local, o.closes_local, z.time_zone) AS m)
                           AS f (opens_at),
                         -- two hours more: it may be that the clock repeats one
                         pg_catalog.generate_series(f.opens_at, o.closes_local AT TIME ZONE z.time_zone + '2 hours',
                                                    p.minutes * '1 minute'::interval) AS g (starts_at)
                   WHERE g.starts_at AT TIME ZONE z.time_zone >= o.opens_local
                     AND g.starts_at AT TIME ZONE z.time_zone < o.closes_local) AS s
   WHERE z.zone_code = (SELECT washminute._zone_of(longitude, latitude) WHERE p.minutes IS NOT NULL)
     AND (s.starts_at AT TIME ZONE z.time_zone)::date = d.day
     AND s.starts_at >= washminute.now()
                        + washminute._zone_setting(z.zone_code, 'reservation_notice_minutes') * '1 minute'::interval
     AND s.starts_at <= washminute.now()
                        + washminute._zone_setting(z.zone_code, 'reservation_horizon_days') * '24 hours'::interval
   ORDER BY s.starts_at
$$;
COMMENT ON FUNCTION washminute.available_slots(float8, float8, date, integer) IS
  'The times of a local day (NULL: today) for which a wash can be reserved at a place, every slot_minutes (5 to 1440; NULL: 30) from the opening on, also by the zone''s clock. An hour that the clock skips is none, one that it repeats is two.';

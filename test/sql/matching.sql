-- Who is near: the smallest ring that holds a washman, everybody in it, nearest
-- first; the same as a search by brute force, everywhere on the globe.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-03-10 10:00+00', 0);

--
-- Rings of 5, 10, 15 and 20 km around a place, washmen due north of it
--

CREATE FUNCTION pg_temp.north(metres float8) RETURNS float8 LANGUAGE sql
AS $$ SELECT ST_Y(ST_Project(ST_SetSRID(ST_MakePoint(40, 10), 4326)::geography, metres, 0)::geometry) $$;

CREATE FUNCTION pg_temp.near(VARIADIC settings float8[] DEFAULT ARRAY[NULL, NULL, NULL]::float8[]) RETURNS TABLE (washman_id text, metres numeric, radius_m float8)
LANGUAGE sql
AS $$
  SELECT n.washman_id, round(n.distance_m::numeric, 3), n.radius_m
    FROM washminute.nearby_washmen(40, 10, settings[1], settings[2], settings[3]) AS n
$$;

SELECT test_helpers.washman('matching_' || metres, 40, pg_temp.north(metres))
  FROM unnest(ARRAY[4000, 4900, 7000, 12000, 19900, 20100]) AS metres ORDER BY metres;
SELECT * FROM pg_temp.near();

-- whoever leaves makes room for the next ring
SELECT washminute.set_washman_status('matching_4000', 'offline');
UPDATE washminute_data.washmen SET suspended_at = washminute.now() WHERE washman_id = 'matching_4900';
SELECT * FROM pg_temp.near();
SELECT washminute.set_washman_status('matching_7000', 'offline');
SELECT * FROM pg_temp.near();
SELECT washminute.set_washman_status('matching_12000', 'offline');
SELECT * FROM pg_temp.near();
SELECT washminute.set_washman_status('matching_19900', 'offline');
SELECT * FROM pg_temp.near();
SELECT * FROM pg_temp.near(NULL, NULL, 25000);

-- NULL is the setting of that name
BEGIN;
UPDATE washminute_data.settings SET value = 21000 WHERE name = 'radius_limit_m';
UPDATE washminute_data.settings SET value = 7000 WHERE name = 'radius_step_m';
UPDATE washminute_data.settings SET value = 6500 WHERE name = 'initial_radius_m';
SELECT * FROM pg_temp.near();
ROLLBACK;

SELECT washminute.set_washman_status('matching_' || metres, 'online') FROM unnest(ARRAY[4000, 7000, 12000, 19900]) AS metres ORDER BY metres;
UPDATE washminute_data.washmen SET suspended_at = NULL WHERE washman_id = 'matching_4900';

-- other rings; the last one is cut off at the limit; a limit below the setting of the first ring is the only ring
SELECT * FROM pg_temp.near(100, 3000, 30000);
SELECT * FROM pg_temp.near(100, 50000, 7500);
SELECT * FROM pg_temp.near(NULL, NULL, 4500);
SELECT * FROM pg_temp.near(30000);

-- a ring includes its edge
SELECT distance_m AS nearest FROM washminute.nearby_washmen(40, 10) ORDER BY distance_m LIMIT 1 \gset
SELECT washman_id, radius_m = :nearest AS ring_of_that_radius FROM washminute.nearby_washmen(40, 10, :nearest);
SELECT washman_id, radius_m = :nearest - 0.0001 + 700 AS next_ring FROM washminute.nearby_washmen(40, 10, :nearest - 0.0001, 700);

-- a ring is never narrower than the washman who makes it, however narrow the steps
SELECT step, count(n.washman_id) > 0 AS found, bool_and(n.distance_m <= n.radius_m) AS within
  FROM unnest(ARRAY[0.1, 0.3, 0.7, 1e-3, 1e-6, 1e-9, 1e-11, 1e-300]::float8[]) WITH ORDINALITY AS s (step, number)
  LEFT JOIN LATERAL washminute.nearby_washmen(40, 10, 10, s.step) AS n ON true
 GROUP BY number, step ORDER BY number;

-- a number of results; ties go by id
SELECT washminute.report_location('matching_7000', 40, pg_temp.north(4000)), washminute.report_location('matching_7000', 40, pg_temp.north(4000));
SELECT washman_id, round(distance_m::numeric, 3) AS metres FROM washminute.nearby_washmen(40, 10, max_results => 2);
SELECT washman_id, round(distance_m::numeric, 3) AS metres FROM washminute.nearby_washmen(40, 10, max_results => 1);

--
-- Old positions
--

SELECT washminute.set_clock('2026-03-10 12:00+00', 0);
SELECT washman_id, located_at FROM washminute.nearby_washmen(40, 10);
SELECT count(*) AS seen_within_an_hour FROM washminute.nearby_washmen(40, 10, max_age => '1 hour');
SELECT washminute.set_clock('2026-03-10 12:00:00.000001+00', 0);
SELECT count(*) AS seen_within_two_hours FROM washminute.nearby_washmen(40, 10);
SELECT count(*) AS seen_within_three_hours FROM washminute.nearby_washmen(40, 10, max_age => '3 hours');
SELECT washminute.report_location('matching_4900', 40, pg_temp.north(4900));
SELECT washman_id FROM washminute.nearby_washmen(40, 10);
SELECT washminute.set_clock('2026-03-10 10:00+00', 0);
SELECT washminute.set_washman_status('matching_' || metres, 'offline') FROM unnest(ARRAY[4000, 4900, 7000, 12000, 19900, 20100]) AS metres ORDER BY metres;

--
-- Random places, by brute force
--

CREATE FUNCTION pg_temp.by_brute_force(longitude float8, latitude float8, first float8, step float8, last float8, most integer)
RETURNS TABLE (washman_id text, distance_m float8, radius_m float8)
LANGUAGE sql
AS $$
  WITH candidates AS (
    SELECT p.washman_id, ST_Distance(p.last_location, ST_SetSRID(ST_MakePoint(longitude, latitude), 4326)::geography) AS distance_m
      FROM washminute_data.washman_positions AS p
      JOIN washminute_data.washmen AS w ON w.washman_id = p.washman_id
     WHERE w.status = 'online' AND w.suspended_at IS NULL AND p.last_location_updated_at >= washminute.now() - interval '2 hours'),
  ring AS (
    SELECT min(least(first + k * step, last)) AS radius_m
      FROM generate_series(0, ceil((last - first) / step)::integer) AS k
     WHERE least(first + k * step, last) >= (SELECT min(c.distance_m) FROM candidates AS c))
  SELECT c.washman_id, c.distance_m, r.radius_m FROM candidates AS c, ring AS r
   WHERE c.distance_m <= r.radius_m ORDER BY c.distance_m, c.washman_id COLLATE "C" LIMIT most
$$;

-- how many searches from random places differ, and how many found somebody
CREATE FUNCTION pg_temp.compare(places text, longitude float8, latitude float8, spread float8, first float8, step float8, last float8, most integer)
RETURNS TABLE (places text, searches bigint, differ bigint, with_results boolean)
LANGUAGE sql
AS $$
  SELECT places, count(*),
         count(*) FILTER (WHERE (f.ids, f.metres, f.radius) IS DISTINCT FROM (b.ids, b.metres, b.radius)),
         count(f.ids) > count(*) / 4
    FROM (SELECT greatest(-180, least(180, longitude + spread * (random() - 0.5))) AS x,
                 greatest(-90, least(90, latitude + spread * (random() - 0.5))) AS y
            FROM generate_series(1, 40)) AS p,
         LATERAL (SELECT array_agg(n.washman_id ORDER BY n.ordinality) AS ids,
                         array_agg(n.distance_m ORDER BY n.ordinality) AS metres, min(n.radius_m) AS radius
                    FROM washminute.nearby_washmen(p.x, p.y, first, step, last, most) WITH ORDINALITY AS n) AS f,
         LATERAL (SELECT array_agg(n.washman_id ORDER BY n.ordinality) AS ids,
                         array_agg(n.distance_m ORDER BY n.ordinality) AS metres, min(n.radius_m) AS radius
                    FROM pg_temp.by_brute_force(p.x, p.y, first, step, last, most) WITH ORDINALITY AS n) AS b
$$;

-- nobody flies: a second report confirms the first; then the table has it, too
CREATE FUNCTION pg_temp.move(ids text[], longitudes float8[], latitudes float8[]) RETURNS integer LANGUAGE plpgsql
AS $$
DECLARE
  taken integer := washminute.report_locations(ids, longitudes, latitudes);
BEGIN
  IF taken < cardinality(ids) THEN
    taken := taken + washminute.report_locations(ids, longitudes, latitudes);
  END IF;
  PERFORM washminute.flush_locations();
  RETURN taken;
END
$$;
SELECT setseed(0.25) IS NOT NULL AS seeded;
SELECT count(washminute.upsert_user('matching_r' || n, 'washman')) AS washmen FROM generate_series(1, 300) AS n;
SELECT count(washminute.set_washman_status('matching_r' || n, 'online')) AS washmen FROM generate_series(1, 300) AS n;

-- in and around a city, some at one and the same place
SELECT pg_temp.move(array_agg('matching_r' || n), array_agg(x), array_agg(y)) AS taken
  FROM (SELECT n, 60 + round(random()::numeric, CASE WHEN n <= 50 THEN 1 ELSE 8 END) AS x,
               -20 + round(random()::numeric, CASE WHEN n <= 50 THEN 1 ELSE 8 END) AS y
          FROM generate_series(1, 300) AS n) AS p;
SELECT * FROM pg_temp.compare('city', 60.5, -19.5, 1.4, 5000, 5000, 20000, 50);
SELECT * FROM pg_temp.compare('city, many', 60.5, -19.5, 1.4, 30000, 5000, 60000, 1000);
SELECT * FROM pg_temp.compare('city, three', 60.5, -19.5, 1.4, 30000, 5000, 60000, 3);
SELECT * FROM pg_temp.compare('city, narrow rings', 60.5, -19.5, 1.4, 500, 250, 20000, 50);

-- across the antimeridian
SELECT pg_temp.move(array_agg('matching_r' || n), array_agg(x), array_agg(y)) AS taken
  FROM (SELECT n, CASE WHEN n % 2 = 0 THEN 180 - random() / 2 ELSE -180 + random() / 2 END AS x, random() - 0.5 AS y
          FROM generate_series(1, 300) AS n) AS p;
SELECT * FROM pg_temp.compare('antimeridian, west', 180, 0, 0.5, 5000, 5000, 20000, 50);
SELECT * FROM pg_temp.compare('antimeridian, east', -180, 0, 0.5, 5000, 5000, 20000, 50);
SELECT count(*) > 0 AS from_both_sides
  FROM washminute.nearby_washmen(180, 0, 50000, NULL, 50000, 1000) AS n
  JOIN washminute_data.washman_positions AS p ON p.washman_id = n.washman_id
HAVING min(ST_X(p.last_location::geometry)) < 0 AND max(ST_X(p.last_location::geometry)) > 0;
SELECT (SELECT array_agg(n) FROM washminute.nearby_washmen(180, 0) AS n)
     = (SELECT array_agg(n) FROM washminute.nearby_washmen(-180, 0) AS n) AS one_meridian;

-- at the poles
SELECT pg_temp.move(array_agg('matching_r' || n), array_agg(random() * 360 - 180),
                                   array_agg(CASE WHEN n % 2 = 0 THEN 1 ELSE -1 END * (90 - random() / 2))) AS taken
  FROM generate_series(1, 300) AS n;
SELECT * FROM pg_temp.compare('north pole', 0, 90, 0.4, 5000, 5000, 20000, 50);
SELECT * FROM pg_temp.compare('south pole', 90, -90, 0.4, 5000, 5000, 20000, 50);
SELECT * FROM pg_temp.compare('about the north pole', 0, 89.9, 360, 5000, 5000, 20000, 50);
SELECT (SELECT array_agg(n.washman_id) FROM washminute.nearby_washmen(0, 90) AS n)
     = (SELECT array_agg(n.washman_id) FROM washminute.nearby_washmen(123, 90) AS n) AS one_pole;

-- where a sphere, by which the index orders, tells another order than the spheroid: on the equator a
-- degree northwards is shorter than one eastwards; the nearest comes after many who are farther
SELECT pg_temp.move(array_agg('matching_r' || n), array_agg(CASE WHEN n = 300 THEN 100 ELSE 100 + arc END),
                                   array_agg(CASE WHEN n = 300 THEN arc ELSE 0 END)) AS taken
  FROM (SELECT n, degrees((CASE WHEN n = 300 THEN 10020 ELSE 10000 + n / 20.0 END) / 6371008.77) AS arc FROM generate_series(1, 300) AS n) AS p;
SELECT washman_id, round(distance_m) AS metres FROM washminute.nearby_washmen(100, 0, max_results => 3);
SELECT washman_id, round(distance_m) AS metres FROM pg_temp.by_brute_force(100, 0, 5000, 5000, 20000, 3);
SELECT washman_id, round(distance_m) AS metres FROM washminute.nearby_washmen(100, 0, max_results => 1);

-- all over the globe, as far as there is anybody
SELECT pg_temp.move(array_agg('matching_r' || n), array_agg(random() * 360 - 180),
                                   array_agg(degrees(asin(random() * 2 - 1)))) AS taken
  FROM generate_series(1, 300) AS n;
SELECT * FROM pg_temp.compare('globe', 0, 0, 360, 1000000, 500000, 20037508, 50);
SELECT * FROM pg_temp.compare('globe, all', 0, 0, 360, 20037508, 20037508, 20037508, 10000);
SELECT count(washminute.set_washman_status('matching_r' || n, 'offline')) AS washmen FROM generate_series(1, 300) AS n;

--
-- Bad input
--

BEGIN TRANSACTION READ ONLY;
SELECT count(*) AS found FROM washminute.nearby_washmen(40, 10, 1e308, 1e308, 1e308, 10000, '1 s');
COMMIT;

SELECT call, test_helpers.outcome('SELECT * FROM washminute.nearby_washmen(' || call || ')')
  FROM (VALUES
    (1, $$NULL, 30$$),
    (2, $$-9, NULL$$),
    (3, $$'NaN', 30$$),
    (4, $$-9, 'NaN'$$),
    (5, $$'infinity', 30$$),
    (6, $$-9, '-infinity'$$),
    (7, $$180.1, 30$$),
    (8, $$-9, -90.1$$),
    (10, $$-9, 30, 0$$),
    (11, $$-9, 30, -5000$$),
    (12, $$-9, 30, 'NaN'$$),
    (13, $$-9, 30, 'infinity'$$),
    (20, $$-9, 30, 5000, 0$$),
    (21, $$-9, 30, 5000, -1$$),
    (22, $$-9, 30, 5000, 'NaN'$$),
    (30, $$-9, 30, 5000, 5000, 0$$),
    (31, $$-9, 30, 5000, 5000, 'infinity'$$),
    (32, $$-9, 30, 5000, 5000, 4999$$),
    (40, $$-9, 30, max_results => NULL$$),
    (41, $$-9, 30, max_results => 0$$),
    (42, $$-9, 30, max_results => -1$$),
    (43, $$-9, 30, max_results => 10001$$),
    (50, $$-9, 30, max_age => '0'$$),
    (51, $$-9, 30, max_age => '-1 hour'$$)
  ) AS c (number, call) ORDER BY number;
-- no age reaches beyond the beginning of the calendar
SELECT test_helpers.outcome($$SELECT * FROM washminute.nearby_washmen(-9, 30, max_age => '100000000 years')$$) ~ '^PT400 |^ok' AS clear;

SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();

-- Positions come in: the newest counts, and what is not on the globe or not in the
-- past is refused, in bulk skipped.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-03-10 10:00+00', 0);
SELECT washminute.upsert_user('location_' || n, 'washman') FROM generate_series(1, 4) AS n ORDER BY n;
SELECT washminute.upsert_user('location_customer', 'customer');
-- three are online, and in the live index where there is one; one is not
SELECT washminute.set_washman_status('location_' || n, 'online') FROM generate_series(1, 3) AS n ORDER BY n;

CREATE TEMPORARY VIEW positions AS
  SELECT washman_id, ST_X(last_location::geometry) AS longitude, ST_Y(last_location::geometry) AS latitude,
         last_location_updated_at, accuracy_m
    FROM washminute_data.washman_positions WHERE washman_id LIKE 'location\_%' ORDER BY washman_id COLLATE "C";
-- the table has what the index holds once that is flushed
\set look 'SELECT washminute.flush_locations() >= 0 AS flushed; SELECT * FROM positions'

SELECT washminute.report_location('location_1', -9.6, 30.42);
SELECT washminute.report_location(washman_id => 'location_2', longitude => -9.61, latitude => 30.43, accuracy_m => 12.5,
                                  recorded_at => '2026-03-10 09:59+00');
:look;

-- an older position is ignored without an error, one of the same time is taken
SELECT test_helpers.outcome($$SELECT washminute.report_location('location_1', 1, 1, NULL, '2026-03-10 09:59:59.999999+00')$$);
:look;
SELECT washminute.report_location('location_1', -9.601, 30.421, 0);
:look;

-- a device's clock may run ahead by five seconds
SELECT test_helpers.outcome($$SELECT washminute.report_location('location_2', -9.62, 30.43, 3, '2026-03-10 10:00:05+00')$$);
SELECT test_helpers.outcome($$SELECT washminute.report_location('location_2', -9.63, 30.43, 3, '2026-03-10 10:00:05.000001+00')$$);
:look WHERE washman_id = 'location_2';

-- the edges of the globe, and the oldest fix
SELECT test_helpers.outcome($$SELECT washminute.report_location('location_3', 180, 90, 1e308, '4713-01-01 00:00+00 BC')$$);
:look WHERE washman_id = 'location_3';
SELECT test_helpers.outcome($$SELECT washminute.report_location('location_3', -180, -90)$$);

-- bad input
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.report_location(' || call || ')')
  FROM (VALUES
    (1, $$NULL, -9.6, 30.4$$),
    (2, $$'', -9.6, 30.4$$),
    (3, $$' ', -9.6, 30.4$$),
    (4, $$repeat('x', 129), -9.6, 30.4$$),
    (5, $$E'location_1\r', -9.6, 30.4$$),
    (6, $$'location_nobody', -9.6, 30.4$$),
    (7, $$'location_customer', -9.6, 30.4$$),
    (10, $$'location_1', NULL, 30.4$$),
    (11, $$'location_1', -9.6, NULL$$),
    (12, $$'location_1', 'NaN', 30.4$$),
    (13, $$'location_1', -9.6, 'NaN'$$),
    (14, $$'location_1', 'infinity', 30.4$$),
    (15, $$'location_1', -9.6, '-infinity'$$),
    (16, $$'location_1', 180.0000001, 30.4$$),
    (17, $$'location_1', -180.0000001, 30.4$$),
    (18, $$'location_1', -9.6, 90.0000001$$),
    (19, $$'location_1', -9.6, -90.0000001$$),
    (20, $$'location_1', 1e308, 30.4$$),
    (30, $$'location_1', -9.6, 30.4, -0.001$$),
    (31, $$'location_1', -9.6, 30.4, 'NaN'$$),
    (32, $$'location_1', -9.6, 30.4, 'infinity'$$),
    (40, $$'location_1', -9.6, 30.4, NULL, '-infinity'$$),
    (41, $$'location_1', -9.6, 30.4, NULL, 'infinity'$$),
    (42, $$'location_1', -9.6, 30.4, NULL, '294276-12-31 23:59:59+00'$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

--
-- Many at once
--

SELECT washminute.set_clock('2026-03-10 11:00+00', 0);
-- nobody comes from the pole so fast: a second report confirms it
SELECT washminute.report_location('location_3', -9.3, 30.3);
SELECT washminute.report_locations(ARRAY['location_1', 'location_2', 'location_3', 'location_4'],
                                   ARRAY[-9.1, -9.2, -9.3, -9.4], ARRAY[30.1, 30.2, 30.3, 30.4]) AS taken;
:look;

-- times of their own; what a single report would refuse is skipped: NULL, nobody, off the globe,
-- the future, infinite times; so is what a single report would ignore; a NULL time is now
SELECT washminute.set_clock('2026-03-10 12:00+00', 0);
SELECT washminute.report_locations(
  ARRAY['location_1', NULL, 'location_nobody', 'location_customer', 'location_2', 'location_2', 'location_2', '', 'location_3', 'location_3',
        'location_3', 'location_4', 'location_4'],
  ARRAY[-8.1, -8, -8, -8, NULL, 'NaN', 181, -8, -8.3, -8.4, -8.5, -8.6, -8.7],
  ARRAY[30.1, 30, 30, 30, 30, 30, 30, 30, 30.3, 30.4, 30.5, 30.6, 30.7],
  ARRAY['2026-03-10 11:30+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-10 12:00:06+00', 'infinity',
        '-infinity', '2026-03-10 10:59+00', NULL]::timestamptz[]) AS taken;
:look;

-- several of one washman: each that is not older than what was held when its turn came is taken,
-- and the newest is kept, whatever the order
SELECT washminute.report_locations(
  ARRAY['location_1', 'location_1', 'location_1', 'location_2', 'location_2'],
  ARRAY[-8.1, -8.11, -8.105, -9.2, -9.2001], ARRAY[30.1, 30.1, 30.1, 30.2, 30.2001],
  ARRAY['2026-03-10 11:31+00', '2026-03-10 11:33+00', '2026-03-10 11:32+00', '2026-03-10 11:40+00', '2026-03-10 11:40+00']::timestamptz[]) AS taken;
:look WHERE washman_id IN ('location_1', 'location_2');

-- one by one, the same calls give the same
SELECT washminute.report_location('location_3', -9.3, 30.3, NULL, '2026-03-10 11:31+00'),
       washminute.report_location('location_3', -9.31, 30.3, NULL, '2026-03-10 11:33+00'),
       washminute.report_location('location_3', -9.305, 30.3, NULL, '2026-03-10 11:32+00');
:look WHERE washman_id = 'location_3';

SELECT washminute.report_locations('{}', '{}', '{}') AS taken_of_none;
SELECT washminute.report_locations('{}', '{}', '{}', '{}') AS taken_of_none;
SELECT count(washminute.report_locations(ARRAY(SELECT 'location_nobody_' || n FROM generate_series(1, 10000) AS n),
                                         array_fill(1::float8, ARRAY[10000]), array_fill(1::float8, ARRAY[10000]))) AS calls;

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.report_locations(' || call || ')')
  FROM (VALUES
    (1, $$NULL, '{1}', '{1}'$$),
    (2, $$'{location_1}', NULL, '{1}'$$),
    (3, $$'{location_1}', '{1}', NULL$$),
    (4, $$'{location_1}', '{1,2}', '{1}'$$),
    (5, $$'{location_1}', '{1}', '{1,2}'$$),
    (6, $$'{location_1}', '{}', '{}'$$),
    (7, $$'{location_1}', '{1}', '{1}', '{}'$$),
    (8, $$'{location_1}', '{1}', '{1}', '{now,now}'$$),
    (9, $$'{location_1,location_2}', '{{1,2},{3,4}}', '{1,2}'$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

--
-- Nobody is faster than max_speed_kmh, 200
--

SELECT washminute.set_clock('2026-03-10 13:00+00', 0);
SELECT washminute.report_location('location_' || n, -9 - n, 30) FROM generate_series(1, 4) AS n ORDER BY n;
SELECT washminute.report_location('location_' || n, -9 - n, 30) FROM generate_series(1, 4) AS n ORDER BY n;
:look;
-- in six minutes 20 km, and 200 m for the scatter of fixes: 20.1 km is believed, 20.3 km is not
SELECT washminute.set_clock('2026-03-10 13:06+00', 0);
SELECT washminute.report_location('location_' || n, ST_X(place), ST_Y(place))
  FROM generate_series(1, 4) AS n, LATERAL (SELECT ST_Project(ST_SetSRID(ST_MakePoint(-9 - n, 30), 4326)::geography, CASE WHEN n % 2 = 0 THEN 20100 ELSE 20300 END, 0)::geometry AS place) AS p ORDER BY n;
:look;
-- a second one that agrees confirms it; one that does not is another suspect, and one where he was is taken
SELECT washminute.report_location('location_1', -10, 30.18315), washminute.report_location('location_3', -12, 40);
:look;
SELECT washminute.report_location('location_3', -12, 30.0001);
:look;
-- what was believed wrongly is forgotten: the first suspect is no more
SELECT washminute.report_location('location_3', -12, 40);
:look;
-- in bulk: the first is a suspect, the second confirms it, one more goes back in vain
SELECT washminute.report_locations('{location_2,location_2,location_2,location_4,location_4,location_4}', '{-20,-20,-11,-20,-20,-13}', '{10,10,30,10,10,30}') AS taken;
:look;
-- the setting holds from the next command on
UPDATE washminute_data.settings SET value = 2000 WHERE name = 'max_speed_kmh';
SELECT washminute.set_clock('2026-03-10 14:06+00', 0);
SELECT washminute.report_location('location_' || n, -20, 20) FROM generate_series(2, 4, 2) AS n ORDER BY n;
:look WHERE washman_id IN ('location_2', 'location_4');
UPDATE washminute_data.settings SET value = 200 WHERE name = 'max_speed_kmh';
SELECT washminute.set_washman_status('location_' || n, 'offline') FROM generate_series(1, 3) AS n ORDER BY n;
SELECT answers OR online IS NOT NULL OR held IS NULL AS shown FROM washminute.live_status();
SELECT washminute._check_live_index();

-- positions come from washmen only, which is why they need no foreign key
SELECT count(*) AS of_no_washman FROM washminute_data.washman_positions AS p
 WHERE NOT EXISTS (SELECT FROM washminute_data.washmen AS w WHERE w.washman_id = p.washman_id);
SELECT count(*) AS foreign_keys FROM pg_constraint WHERE contype = 'f' AND 'washminute_data.washman_positions'::regclass IN (conrelid, confrelid);

SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();

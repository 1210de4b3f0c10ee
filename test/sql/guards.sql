-- What a washman can say of himself only at the place: that he has arrived, by a position of
-- late; and that nobody is there, when he has waited. With the settings as they are by default.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;
CREATE TEMPORARY TABLE settings_before AS SELECT name, value FROM washminute_data.settings;
UPDATE washminute_data.settings AS s SET value = v.value
  FROM (VALUES ('arrival_radius_m', 300), ('arrival_position_seconds', 120), ('no_show_minutes', 5)) AS v (name, value) WHERE s.name = v.name;

-- The clock of this day, which stands still.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2026-10-05 ' || at || '+00')::timestamptz, 0) $$;
-- At that time the washman is so many metres from the place, in that direction from north. PostGIS measures.
CREATE FUNCTION pg_temp.stands(at text, metres float8, degrees float8 = 0, zone text = 'fes', washman text = 'w') RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  place geography := CASE zone WHEN 'fes' THEN ST_MakePoint(-5.00, 34.03) ELSE ST_MakePoint(-5.80, 35.77) END::geography;
  spot geometry := ST_Project(place, metres, radians(degrees))::geometry;
BEGIN
  PERFORM pg_temp.clock(at);
  PERFORM washminute.report_location('guards_' || washman, ST_X(spot), ST_Y(spot));
  RETURN format('%s m', round(ST_Distance(place, spot::geography)::numeric, 3));
END
$$;
-- Tries a move, tells how that ended, and undoes it.
CREATE FUNCTION pg_temp.attempt(to_status text, name text = 'job', washman text = 'w') RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = test_helpers.advance('guards_' || name, 'guards_' || washman, to_status);
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.attempt_at(at text, to_status text, name text = 'job', washman text = 'w') RETURNS text LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_temp.clock(at); RETURN pg_temp.attempt(to_status, name, washman); END $$;

SELECT pg_temp.clock('10:00:00');
SELECT washminute.upsert_user('guards_c', 'customer'), washminute.upsert_user('guards_a', 'admin'), washminute.upsert_user('guards_unknown', 'washman');
SELECT test_helpers.washman('guards_w', -5.00, 34.03);
SELECT test_helpers.book('guards_job', 'guards_c', '{exterior}', -5.00, 34.03);
SELECT test_helpers.accept('guards_job', 'guards_w'), test_helpers.advance('guards_job', 'guards_w', 'en_route');

--
-- How near
--

-- by geodesic distance, to the millimetre and in every direction; on a sphere, or in EPSG:3857, none of these would come out
SELECT pg_temp.stands('10:01:00', 299.999, 0), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:02:00', 300.001, 0), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:03:00', 299.999, 90), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:04:00', 300.001, 90), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:05:00', 299.999, 215), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:06:00', 300.001, 215), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:20:00', 12000, 180), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:30:00', 0), pg_temp.attempt('arrived');
-- a position that he could not have reached counts only when it is confirmed
SELECT pg_temp.stands('10:30:01', 5000, 0), pg_temp.attempt('arrived');
SELECT pg_temp.stands('10:30:11', 5000.01, 0), pg_temp.attempt('arrived');
-- an older one than is held does not
SELECT pg_temp.clock('10:40:00');
SELECT washminute.report_location('guards_w', -5.00, 34.03, NULL, '2026-10-05 10:29:00+00'), pg_temp.attempt('arrived');
SELECT washminute.report_location('guards_w', -5.00, 34.03, NULL, '2026-10-05 10:39:00+00'), pg_temp.attempt('arrived');
SELECT pg_temp.clock('10:41:00.000001'), pg_temp.attempt('arrived');

--
-- How old
--

SELECT pg_temp.stands('11:00:00', 10);
SELECT pg_temp.attempt_at('11:00:00', 'arrived'), pg_temp.attempt_at('11:02:00', 'arrived');
SELECT pg_temp.attempt_at('11:02:00.000001', 'arrived');
SELECT pg_temp.stands('11:02:00.000001', 10), pg_temp.attempt('arrived');
-- what is not allowed anyhow is told first, and whoever has not the job is told nothing of it
SELECT pg_temp.stands('11:10:00', 9000), pg_temp.attempt('no_show'), pg_temp.attempt('arrived', washman => 'unknown');
-- the other moves ask for no position
SELECT pg_temp.attempt('pending');

-- he of whom nothing is known: an operator gave him the job
SELECT test_helpers.book('guards_given', 'guards_c', '{exterior}', -5.00, 34.03);
SELECT test_helpers.outcome(format($$SELECT washminute.reassign_request(%L, 'guards_a', 'guards_unknown', 'by telephone')$$, test_helpers.request('guards_given')));
SELECT test_helpers.advance('guards_given', 'guards_unknown', 'en_route'), pg_temp.attempt('arrived', 'given', 'unknown');
-- he is offline, and tells where he is all the same
SELECT pg_temp.stands('11:11:00', 299, 45, washman => 'unknown'), pg_temp.attempt('arrived', 'given', 'unknown');
SELECT pg_temp.stands('11:12:00', 301, 45, washman => 'unknown'), pg_temp.attempt('arrived', 'given', 'unknown');
-- so does one who was suspended meanwhile: the job in hand is his
SELECT washminute.suspend_washman('guards_unknown', 'guards_a', 'papers');
SELECT pg_temp.stands('11:13:00', 299, 45, washman => 'unknown'), pg_temp.attempt('arrived', 'given', 'unknown');
SELECT test_helpers.cancel('guards_given', 'guards_c');

--
-- Nobody there
--

SELECT pg_temp.stands('11:30:00', 10), test_helpers.advance('guards_job', 'guards_w', 'arrived');
SELECT pg_temp.attempt('no_show');
-- five minutes after the arrival, and not a microsecond before; the position must be of late then, too
SELECT pg_temp.stands('11:34:30', 20);
SELECT pg_temp.attempt_at('11:34:59.999999', 'no_show');
SELECT pg_temp.attempt_at('11:35:00', 'no_show');
SELECT pg_temp.attempt_at('11:36:30', 'no_show');
SELECT pg_temp.attempt_at('11:36:30.000001', 'no_show');
SELECT pg_temp.stands('11:40:00', 300.001, 0), pg_temp.attempt('no_show');
SELECT pg_temp.stands('11:41:00', 299.999, 0), pg_temp.attempt('no_show');
-- the work can begin and end wherever he is
SELECT pg_temp.stands('12:00:00', 9000), test_helpers.advance('guards_job', 'guards_w', 'in_progress'), test_helpers.advance('guards_job', 'guards_w', 'completed');
SELECT test_helpers.state('guards_job');

-- a reservation: nobody need be there before its time, however early he comes
SELECT pg_temp.stands('12:10:00', 0);
SELECT test_helpers.book('guards_reserved', 'guards_c', '{exterior}', -5.00, 34.03, reservation_at => '2026-10-05 13:00+00');
SELECT test_helpers.outcome(format($$SELECT washminute.reassign_request(%L, 'guards_a', 'guards_w', 'by telephone')$$, test_helpers.request('guards_reserved')));
SELECT pg_temp.stands('12:20:00', 0), test_helpers.advance('guards_reserved', 'guards_w', 'en_route'), test_helpers.advance('guards_reserved', 'guards_w', 'arrived');
SELECT pg_temp.stands('12:25:00', 0), pg_temp.attempt('no_show', 'reserved');
SELECT pg_temp.stands('13:04:00', 0), pg_temp.attempt_at('13:04:59.999999', 'no_show', 'reserved'), pg_temp.attempt_at('13:05:00', 'no_show', 'reserved');
-- who comes late waits from then on
SELECT test_helpers.outcome(format($$SELECT washminute.reassign_request(%L, 'guards_a', 'guards_unknown', 'by telephone')$$, test_helpers.request('guards_reserved')));
SELECT washminute.reinstate_washman('guards_unknown', 'guards_a', 'papers are in order');
SELECT test_helpers.outcome(format($$SELECT washminute.reassign_request(%L, 'guards_a', 'guards_unknown', 'by telephone')$$, test_helpers.request('guards_reserved')));
SELECT pg_temp.stands('13:10:00', 0, washman => 'unknown');
SELECT test_helpers.advance('guards_reserved', 'guards_unknown', 'en_route'), test_helpers.advance('guards_reserved', 'guards_unknown', 'arrived');
SELECT pg_temp.stands('13:14:00', 0, washman => 'unknown'), pg_temp.attempt_at('13:14:59.999999', 'no_show', 'reserved', 'unknown'), pg_temp.attempt_at('13:15:00', 'no_show', 'reserved', 'unknown');
SELECT test_helpers.cancel('guards_reserved', 'guards_c');

--
-- Settings of a zone
--

-- in Tanger he may be 1000 m away, by a position of ten seconds, and waits one minute; in Fès all is as before
INSERT INTO washminute_data.zone_settings (zone_code, name, value)
VALUES ('tanger', 'arrival_radius_m', 1000), ('tanger', 'arrival_position_seconds', 10), ('tanger', 'no_show_minutes', 1);
SELECT pg_temp.clock('14:00:00');
SELECT test_helpers.washman('guards_r', -5.80, 35.77);
SELECT test_helpers.book('guards_tanger', 'guards_c', '{exterior}', -5.80, 35.77);
SELECT test_helpers.accept('guards_tanger', 'guards_r'), test_helpers.advance('guards_tanger', 'guards_r', 'en_route');
SELECT pg_temp.stands('14:10:00', 1000.001, 10, 'tanger', 'r'), pg_temp.attempt('arrived', 'tanger', 'r');
SELECT pg_temp.stands('14:11:00', 999.999, 10, 'tanger', 'r'), pg_temp.attempt('arrived', 'tanger', 'r');
SELECT pg_temp.attempt_at('14:11:10', 'arrived', 'tanger', 'r'), pg_temp.attempt_at('14:11:10.000001', 'arrived', 'tanger', 'r');
SELECT pg_temp.stands('14:12:00', 500, 10, 'tanger', 'r'), test_helpers.advance('guards_tanger', 'guards_r', 'arrived');
SELECT pg_temp.stands('14:12:55', 500, 10, 'tanger', 'r'), pg_temp.attempt_at('14:12:59.999999', 'no_show', 'tanger', 'r'), pg_temp.attempt_at('14:13:00', 'no_show', 'tanger', 'r');
SELECT pg_temp.stands('15:00:00', 0), washminute.set_washman_status('guards_w', 'online');
SELECT test_helpers.book('guards_fes', 'guards_c', '{exterior}', -5.00, 34.03);
SELECT test_helpers.accept('guards_fes', 'guards_w'), test_helpers.advance('guards_fes', 'guards_w', 'en_route');
SELECT pg_temp.stands('15:10:00', 999.999, 10), pg_temp.attempt('arrived', 'fes');
SELECT pg_temp.stands('15:11:00', 299.999, 10), pg_temp.attempt_at('15:11:11', 'arrived', 'fes');

-- no time of waiting: at once
UPDATE washminute_data.zone_settings SET value = 0 WHERE zone_code = 'tanger' AND name = 'no_show_minutes';
SELECT pg_temp.stands('15:20:00', 0, 0, 'tanger', 'r'), test_helpers.advance('guards_tanger', 'guards_r', 'no_show');
SELECT test_helpers.state('guards_tanger');

DELETE FROM washminute_data.zone_settings WHERE zone_code = 'tanger';
SELECT test_helpers.cancel('guards_fes', 'guards_a', 'end of the test');
SELECT washminute.set_washman_status(w, 'offline') FROM unnest('{guards_w,guards_r}'::text[]) AS w;
UPDATE washminute_data.settings AS s SET value = b.value FROM settings_before AS b WHERE b.name = s.name AND b.value <> s.value;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

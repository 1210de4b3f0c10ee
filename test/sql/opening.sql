-- When zones are open: the zone's clock counts, whatever the server's is; weekdays,
-- exceptions, hours past midnight, and days on which the clock is changed.
SET timezone TO 'Asia/Tokyo';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;
SELECT washminute.set_clock('2027-01-25 10:00+00', 0);
SELECT washminute.upsert_user('opening_c', 'customer');
-- Safi's; its clock is an hour ahead of UTC, but for Ramadan
CREATE FUNCTION pg_temp.open(at text) RETURNS text LANGUAGE sql
AS $$
  SELECT format('%s, next %s', CASE WHEN washminute.zone_is_open('safi', at::timestamptz) THEN 'open' ELSE 'closed' END,
                washminute.next_opening('safi', at::timestamptz) AT TIME ZONE 'Africa/Casablanca')
$$;
CREATE FUNCTION pg_temp.book(at text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT * FROM washminute.create_booking(''opening_c'', ''{exterior}'', -9.24, 32.30, ''Rue 1'', ''cash'', %L)', at)) $$;
CREATE FUNCTION pg_temp.slots(day date, minutes integer DEFAULT 30) RETURNS text LANGUAGE sql
AS $$
  SELECT format('%s: %s', count(*), string_agg(to_char(s.starts_at AT TIME ZONE 'UTC', 'HH24:MI') || '=' || to_char(s.starts_local, 'HH24:MI'), ' ' ORDER BY s.starts_at))
    FROM washminute.available_slots(-9.24, 32.30, day, minutes) AS s
$$;

-- the zone's hours, 08:00 to 20:00
SELECT at, pg_temp.open(at) FROM unnest('{2027-01-26 06:59:59.999999+00,2027-01-26 07:00+00,2027-01-26 18:59:59+00,2027-01-26 19:00+00}'::text[]) AS at;
SELECT * FROM washminute.can_book_instant(-9.24, 32.30);
SELECT * FROM washminute.can_book_instant(-30, 32.30);
SELECT washminute.zone_is_open('nowhere'), washminute.next_opening('nowhere'), washminute.zone_is_open('safi'), washminute.next_opening('safi') = washminute.now();
SELECT pg_temp.slots('2027-01-26', 120), pg_temp.slots('2027-01-25', 240);
SELECT count(*) FROM washminute.available_slots(-30, 32.30, '2027-01-26');
SELECT count(*) AS too_far FROM washminute.available_slots(-9.24, 32.30, '2027-02-25');
SELECT count(*) AS past FROM washminute.available_slots(-9.24, 32.30, '2027-01-24');
SELECT count(*) AS today FROM washminute.available_slots(-9.24, 32.30);

-- a weekday of its own: Friday the 29th with a pause; Saturday until two in the night
INSERT INTO washminute_data.opening_hours VALUES ('safi', 5, '08:00', '12:00'), ('safi', 5, '14:30', '20:00'), ('safi', 6, '18:00', '02:00');
SELECT at, pg_temp.open(at) FROM unnest('{2027-01-28 10:00+00,2027-01-29 10:59+00,2027-01-29 11:00+00,2027-01-29 13:29+00,2027-01-29 13:30+00,2027-01-30 10:00+00,2027-01-30 17:00+00,2027-01-31 00:59+00,2027-01-31 01:00+00,2027-01-31 10:00+00}'::text[]) AS at;
SELECT pg_temp.slots('2027-01-29', 60), pg_temp.slots('2027-01-30', 60), pg_temp.slots('2027-01-31', 60);
SELECT pg_temp.book('2027-01-29 12:00+00'), pg_temp.book('2027-01-29 13:30+00'), pg_temp.book('2027-01-31 00:30+00'), pg_temp.book('2027-01-31 01:00+00');
-- a holiday, and Ramadan's hours, which come before weekdays'
INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-01-29', '2027-01-29', NULL, NULL, 'A holiday'), ('safi', '2027-02-08', '2027-03-09', '10:00', '16:00', 'Ramadan');
SELECT at, pg_temp.open(at) FROM unnest('{2027-01-29 10:00+00,2027-02-13 17:30+00,2027-02-13 12:00+00}'::text[]) AS at;
SELECT pg_temp.slots('2027-01-29'), pg_temp.slots('2027-02-13', 180);
SELECT pg_temp.book('2027-01-29 10:00+00');
-- what a day of the night before has left open stays so
SELECT at, pg_temp.open(at) FROM unnest('{2027-02-07 00:30+00,2027-02-07 01:00+00}'::text[]) AS at;
-- closed for longer than anybody looks ahead
INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-04-01', '2027-12-31', NULL, NULL, 'Works');
SELECT pg_temp.open('2027-04-02 10:00+00'), pg_temp.open('2027-12-31 10:00+00');

-- Ramadan with a pause; within it a closed day, and one of other hours; Sundays closed
INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-02-08', '2027-03-09', '20:30', '01:00', 'Ramadan, at night'),
  ('safi', '2027-02-17', '2027-02-17', NULL, NULL, 'Stocktaking'), ('safi', '2027-02-17', '2027-02-19', '12:00', '13:00', 'Three days');
SELECT at, pg_temp.open(at) FROM unnest('{2027-02-16 12:00+00,2027-02-16 17:00+00,2027-02-16 21:00+00,2027-02-17 00:30+00,2027-02-17 12:00+00,2027-02-17 21:00+00,2027-02-18 10:00+00,2027-02-18 12:30+00,2027-02-20 21:00+00}'::text[]) AS at;
INSERT INTO washminute_data.opening_hours VALUES ('safi', 7, NULL, NULL);
SELECT at, pg_temp.open(at) FROM unnest('{2027-01-30 10:00+00,2027-01-31 00:30+00,2027-01-31 10:00+00,2027-02-01 10:00+00}'::text[]) AS at;

-- refused: no hours, half of them, the same twice, an unknown weekday or zone
SELECT test_helpers.outcome(s) FROM (VALUES
  ($$INSERT INTO washminute_data.opening_hours VALUES ('safi', 1, '08:00', '08:00')$$), ($$INSERT INTO washminute_data.opening_hours VALUES ('safi', 8, '08:00', '09:00')$$),
  ($$INSERT INTO washminute_data.opening_hours VALUES ('nowhere', 1, '08:00', '09:00')$$),
  ($$INSERT INTO washminute_data.opening_hours VALUES ('safi', 7, NULL, NULL)$$), ($$INSERT INTO washminute_data.opening_hours VALUES ('safi', 2, NULL, '08:00')$$),
  ($$INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-02-08', '2027-03-09', '10:00', '11:00', 'x')$$),
  ($$INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-03-20', '2027-03-19', NULL, NULL, 'x')$$),
  ($$INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-03-20', '2027-03-20', '08:00', NULL, 'x')$$),
  ($$INSERT INTO washminute_data.opening_exceptions VALUES ('safi', '2027-03-20', 'infinity', NULL, NULL, 'x')$$)) AS v (s);
DELETE FROM washminute_data.opening_hours;
DELETE FROM washminute_data.opening_exceptions;

--
-- The clock is changed: in the night to 7 February 2027 from 03:00 back to 02:00, in that to 14 March from 02:00 on to 03:00
--

UPDATE washminute_data.service_zones SET opens_at = '00:00', closes_at = '24:00' WHERE zone_code = 'safi';
SELECT at AT TIME ZONE 'Africa/Casablanca' AS local FROM unnest('{2027-02-07 01:30+00,2027-02-07 02:30+00,2027-03-14 01:59+00,2027-03-14 02:00+00}'::timestamptz[]) AS at;
-- an hour that comes twice can be had twice, one that does not come cannot
SELECT pg_temp.slots('2027-02-07', 60);
SELECT washminute.set_clock('2027-03-01 10:00+00', 0);
SELECT pg_temp.slots('2027-03-14', 60);
SELECT pg_temp.slots('2027-03-13', 1440), left(pg_temp.slots('2027-03-13', 5), 29) AS five_minutes;
UPDATE washminute_data.service_zones SET opens_at = '02:30', closes_at = '03:30' WHERE zone_code = 'safi';
SELECT at, pg_temp.open(at) FROM unnest('{2027-03-14 01:59+00,2027-03-14 02:00+00,2027-03-14 02:29+00,2027-03-14 02:30+00,2027-02-07 01:30+00,2027-02-07 02:29+00,2027-02-07 02:30+00,2027-02-07 03:29+00,2027-02-07 03:30+00}'::text[]) AS at;
-- what opens or closes within the hour that is skipped or repeated: what is said to be the next opening is one, and so is each slot
CREATE FUNCTION pg_temp.edges(opens time, closes time, day date) RETURNS TABLE (at text, next text, is_open boolean, slots text) LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM washminute_data.opening_exceptions;
  INSERT INTO washminute_data.opening_exceptions VALUES ('safi', day, day, opens, closes, 'edges');
  RETURN QUERY
    SELECT to_char(u.t, 'DD HH24:MI'), to_char(o AT TIME ZONE 'UTC', 'DD HH24:MI'), washminute.zone_is_open('safi', o), pg_temp.slots(day, 30)
      FROM unnest(ARRAY[day + time '00:00' - interval '15 minutes', day + time '00:59', day + time '01:20', day + time '01:50', day + time '02:20', day + time '02:50']) AS u (t),
           LATERAL washminute.next_opening('safi', u.t AT TIME ZONE 'UTC') AS o;
END
$$;
SELECT washminute.set_clock('2027-02-01 10:00+00', 0);
SELECT * FROM pg_temp.edges('02:15', '02:45', '2027-02-07');
SELECT * FROM pg_temp.edges('02:00', '05:00', '2027-02-07');
SELECT * FROM pg_temp.edges('00:30', '02:30', '2027-02-07');
SELECT washminute.set_clock('2027-03-01 10:00+00', 0);
SELECT * FROM pg_temp.edges('02:15', '02:45', '2027-03-14');
SELECT * FROM pg_temp.edges('02:15', '04:00', '2027-03-14');
DELETE FROM washminute_data.opening_exceptions;
UPDATE washminute_data.service_zones SET opens_at = '08:00', closes_at = '20:00' WHERE zone_code = 'safi';
SELECT test_helpers.outcome(s) FROM (VALUES ('SELECT * FROM washminute.can_book_instant(200, 1)'), ('SELECT * FROM washminute.can_book_instant(NULL, 1)'),
  ('SELECT * FROM washminute.available_slots(-9.24, 91)'), ('SELECT * FROM washminute.available_slots(-9.24, 32.30, slot_minutes => 0)'),
  ('SELECT * FROM washminute.available_slots(-9.24, 32.30, slot_minutes => 1441)')) AS v (s);
SELECT pg_temp.slots('2027-03-13', NULL) = pg_temp.slots('2027-03-13', 30) AS thirty;
SELECT pg_temp.slots('2027-03-13', 300), pg_temp.slots('2027-03-14', 300);

--
-- A reservation keeps its time by the zone's clock when the rules of its time zone change
--

SELECT washminute.set_clock('2027-03-01 10:00+00', 0);
SELECT test_helpers.book('opening_' || name, 'opening_c', '{exterior}', -9.24, 32.30, 'cash', at::timestamptz)
  FROM (VALUES ('before', '2027-03-02 09:00+00'), ('after', '2027-03-20 08:00+00'), ('taken', '2027-03-20 09:00+00'), ('gone', '2027-03-20 10:00+00')) AS v (name, at);
SELECT test_helpers.washman('opening_w', -9.24, 32.30);
SELECT test_helpers.accept('opening_taken', 'opening_w');
SELECT test_helpers.cancel('opening_gone', 'opening_c');
CREATE FUNCTION pg_temp.times() RETURNS TABLE (name text, reservation_at timestamptz, starts_local timestamp, expires_at timestamptz, first_stage timestamptz, job timestamptz) LANGUAGE sql
AS $$
  SELECT n.name, r.reservation_at, v.starts_local, r.expires_at, (SELECT min(s.due_at) FROM washminute_data.reservation_stages AS s WHERE s.request_id = r.request_id),
         (SELECT lower(j.period) FROM washminute_data.jobs AS j WHERE j.request_id = r.request_id AND j.live)
    FROM (VALUES ('before'), ('after'), ('taken'), ('gone')) AS n (name)
    JOIN washminute_data.washing_requests AS r ON r.request_id = test_helpers.request('opening_' || n.name)
    JOIN washminute_data.reservations AS v ON v.request_id = r.request_id
$$;
SELECT * FROM pg_temp.times();
SELECT washminute.resolve_reservations();
-- as if Morocco stayed with UTC, as in Ramadan
UPDATE washminute_data.service_zones SET time_zone = 'Africa/Abidjan' WHERE zone_code = 'safi';
SELECT washminute.resolve_reservations(), washminute.resolve_reservations();
SELECT * FROM pg_temp.times();
SELECT count(*) AS told FROM washminute_data.outbox WHERE event = 'reservationMoved' AND recipient_id LIKE 'opening\_%';
SELECT * FROM washminute.check_invariants();
-- by itself, once an hour
UPDATE washminute_data.service_zones SET time_zone = 'Africa/Casablanca' WHERE zone_code = 'safi';
SELECT washminute.set_clock('2027-03-01 10:01+00', 0);
SELECT washminute.run_due() >= 0 AS ran, (SELECT reservation_at FROM pg_temp.times() WHERE name = 'after');
SELECT washminute.set_clock('2027-03-01 11:00+00', 0);
SELECT washminute.run_due() >= 0 AS ran;
SELECT * FROM pg_temp.times();

SELECT * FROM washminute.check_invariants();
SELECT washminute.set_washman_status('opening_w', 'offline');
SELECT washminute.set_clock(NULL);

-- Reservations: what is due before they begin, once each; accepted early; another time;
-- with the settings as they are by default.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;
CREATE TEMPORARY TABLE settings_before AS SELECT name, value FROM washminute_data.settings;
UPDATE washminute_data.settings SET value = 10 WHERE name = 'offer_size';
-- a position counts all day here
UPDATE washminute_data.settings SET value = 86400 WHERE name = 'position_max_age_seconds';
SELECT string_agg(format('%s %s', name, value), ', ' ORDER BY name) AS defaults FROM washminute_data.settings WHERE name LIKE 'reservation%';

-- The clock of this day, which stands still.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2027-05-03 ' || at || '+00')::timestamptz, 0) $$;
CREATE FUNCTION pg_temp.due(at text) RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_temp.clock(at); RETURN washminute.notify_due_reservations(); END $$;
CREATE FUNCTION pg_temp.at(at text) RETURNS timestamptz LANGUAGE sql
AS $$ SELECT ('2027-05-03 ' || at || '+00')::timestamptz $$;
-- Washmen "booked_" || name, so many metres north of Nador's centre.
CREATE FUNCTION pg_temp.come(name text, metres float8) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM washminute.upsert_user('booked_' || name, 'washman', initcap(name));
  PERFORM washminute.set_washman_status('booked_' || name, 'offline');
  PERFORM washminute.report_location('booked_' || name, -2.93, 35.17 + metres / 110930.0);
  PERFORM washminute.set_washman_status('booked_' || name, 'online');
END
$$;
CREATE FUNCTION pg_temp.reserve(name text, customer text, at text, payment_method text DEFAULT 'cash') RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN test_helpers.book('booked_' || name, 'booked_' || customer, '{exterior}', -2.93, 35.17, payment_method, pg_temp.at(at));
EXCEPTION WHEN OTHERS THEN
  RETURN test_helpers.outcome(format('SELECT * FROM washminute.create_booking(%L, ''{exterior}'', -2.93, 35.17, ''Rue 1'', %L, %L)',
                                     'booked_' || customer, payment_method, pg_temp.at(at)));
END
$$;
CREATE FUNCTION pg_temp.reschedule(name text, actor text, at text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.reschedule_request(%L, %L, %L)', test_helpers.request('booked_' || name), 'booked_' || actor, pg_temp.at(at))) $$;
CREATE FUNCTION pg_temp.accept(name text, washman text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.accept('booked_' || name, 'booked_' || washman); END $$;
CREATE FUNCTION pg_temp.state(name text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.state('booked_' || name); END $$;
CREATE FUNCTION pg_temp.stages(name text) RETURNS TABLE (stage text, due_at time, done_at time, outcome text) LANGUAGE sql
AS $$
  SELECT s.stage, s.due_at::time, s.done_at::time, s.outcome FROM washminute_data.reservation_stages AS s
   WHERE s.request_id = test_helpers.request('booked_' || name) ORDER BY s.due_at, array_position('{offer,reminder,second_offer,last_offer}', s.stage)
$$;
CREATE FUNCTION pg_temp.offers(name text) RETURNS TABLE (wave integer, told_at time, until_at time, washmen text) LANGUAGE sql
AS $$
  SELECT f.wave, f.offered_at::time, f.expires_at::time, string_agg(substr(f.washman_id, 8), ' ' ORDER BY f.distance_m, f.washman_id COLLATE "C")
    FROM washminute_data.offers AS f WHERE f.request_id = test_helpers.request('booked_' || name)
   GROUP BY f.wave, f.offered_at, f.expires_at ORDER BY f.wave, f.offered_at, f.expires_at
$$;
-- What was said of a request, to whom, since the last look.
CREATE TEMPORARY TABLE seen (outbox_id bigint);
CREATE FUNCTION pg_temp.told(name text) RETURNS TABLE (event text, recipient text, starts_at text, minutes text) LANGUAGE sql
AS $$
  WITH new AS (
    INSERT INTO seen SELECT o.outbox_id FROM washminute_data.outbox AS o
     WHERE o.lane = 'push' AND o.data->>'requestId' = test_helpers.request('booked_' || name)::text
       AND o.outbox_id NOT IN (SELECT s.outbox_id FROM seen AS s)
    RETURNING outbox_id)
  SELECT o.event, substr(o.recipient_id, 8), o.data->>'startsAt', o.data->>'minutes'
    FROM new JOIN washminute_data.outbox AS o USING (outbox_id)
   ORDER BY o.event COLLATE "C", o.recipient_id COLLATE "C"
$$;

SELECT pg_temp.clock('08:00');
SELECT washminute.upsert_user('booked_amina', 'customer', 'Amina El Fassi'), washminute.upsert_user('booked_omar', 'customer', 'Omar'),
       washminute.upsert_user('booked_admin', 'admin');
SELECT pg_temp.come('near', 1000), pg_temp.come('mid', 7000), pg_temp.come('far', 12000), pg_temp.come('away', 30000);

--
-- The stages
--

SELECT pg_temp.reserve('a', 'amina', '12:00');
SELECT * FROM pg_temp.stages('a');
SELECT * FROM pg_temp.told('a');
SELECT starts_local, live FROM washminute_data.reservations WHERE request_id = test_helpers.request('booked_a');
-- not a moment before, then once, however often
SELECT pg_temp.due('11:29:59.999999'), washminute.expire_due() >= 0 AS ran;
SELECT * FROM pg_temp.offers('a');
SELECT pg_temp.due('11:30'), washminute.notify_due_reservations(), washminute.expire_due() >= 0 AS ran, washminute.run_due() >= 0 AS ran, washminute.notify_due_reservations();
SELECT * FROM pg_temp.offers('a');
SELECT * FROM pg_temp.told('a');
SELECT pg_temp.due('11:31'), washminute.expire_due() >= 0 AS ran;
SELECT * FROM pg_temp.told('a');
-- in a wider ring: also those who had not answered
SELECT pg_temp.due('11:45');
SELECT * FROM pg_temp.offers('a');
SELECT * FROM pg_temp.told('a');
SELECT pg_temp.due('11:55:10');
SELECT * FROM pg_temp.offers('a');
SELECT * FROM pg_temp.told('a');
SELECT * FROM pg_temp.stages('a');
SELECT e.data->>'stage' AS stage, e.data->>'offers' AS offers FROM washminute_data.events AS e
 WHERE e.request_id = test_helpers.request('booked_a') AND e.event = 'upcomingReservation' ORDER BY e.event_id;
-- taken at the last moment, or by nobody
SELECT pg_temp.clock('11:59:59');
SELECT pg_temp.accept('a', 'away');
SELECT pg_temp.accept('a', 'far');
SELECT pg_temp.state('a');
SELECT period FROM washminute_data.jobs WHERE request_id = test_helpers.request('booked_a');
SELECT pg_temp.clock('08:00');
SELECT pg_temp.reserve('b', 'omar', '12:00');
SELECT pg_temp.due('11:55'), washminute.expire_due() >= 0 AS ran;
SELECT * FROM pg_temp.stages('b');
SELECT pg_temp.clock('12:00');
SELECT pg_temp.accept('b', 'near');
SELECT washminute.expire_due() >= 0 AS ran;
SELECT pg_temp.state('b');
SELECT live FROM washminute_data.reservations WHERE request_id = test_helpers.request('booked_b');
SELECT * FROM pg_temp.told('b');

-- nobody called until it was too late
SELECT pg_temp.clock('13:00');
SELECT pg_temp.reserve('c', 'omar', '14:00');
SELECT pg_temp.due('14:00'), washminute.expire_due() >= 0 AS ran;
SELECT * FROM pg_temp.stages('c');
SELECT pg_temp.state('c');
-- as of a time that is ahead, by trusted SQL
SELECT pg_temp.clock('14:00');
SELECT pg_temp.reserve('d', 'omar', '15:00');
SELECT washminute.notify_due_reservations(pg_temp.at('14:29')), washminute.notify_due_reservations(pg_temp.at('14:30')), washminute.notify_due_reservations(pg_temp.at('14:30'));
SELECT * FROM pg_temp.offers('d');
SELECT * FROM pg_temp.told('d');
SELECT test_helpers.outcome('SELECT washminute.notify_due_reservations(''infinity'')');
SELECT test_helpers.outcome('SELECT washminute.notify_due_reservations(''-infinity'')');
SELECT test_helpers.cancel('booked_d', 'booked_omar');
SELECT pg_temp.due('14:45');
SELECT * FROM pg_temp.stages('d');

--
-- Accepted early
--

SELECT pg_temp.clock('08:00');
SELECT pg_temp.reserve('e', 'omar', '16:00');
SELECT * FROM pg_temp.told('e');
SELECT request_id = test_helpers.request('booked_e') AS is_e, customer_first_name, neighbourhood, round(distance_m) AS distance_m, services, earnings, payment_method, reservation_at
  FROM washminute.open_reservations('booked_mid');
SELECT count(*) FROM washminute.open_reservations('booked_away');
SELECT count(*) FROM washminute.open_reservations('booked_nobody');
SELECT test_helpers.outcome('SELECT * FROM washminute.open_reservations(NULL)');
SELECT pg_temp.accept('e', 'away');
SELECT pg_temp.accept('e', 'mid');
SELECT pg_temp.accept('e', 'near');
SELECT * FROM pg_temp.told('e');
SELECT count(*) FROM washminute.open_reservations('booked_near');
-- one at a time when he has a job is not shown to him, but to others
SELECT pg_temp.reserve('e2', 'amina', '16:15');
SELECT w, count(*) FROM unnest('{near,mid}'::text[]) AS w, LATERAL washminute.open_reservations('booked_' || w) GROUP BY w;
SELECT pg_temp.accept('e2', 'mid');
SELECT test_helpers.cancel('booked_e2', 'booked_amina');
-- both are reminded, and nobody is offered it
SELECT pg_temp.due('15:29:59');
SELECT pg_temp.due('15:30'), washminute.notify_due_reservations();
SELECT * FROM pg_temp.told('e');
SELECT pg_temp.due('15:55');
SELECT * FROM pg_temp.stages('e');
SELECT * FROM washminute.check_invariants();
-- given back early it waits for its time, given back late it is offered at once
SELECT pg_temp.clock('08:00');
SELECT pg_temp.reserve('f', 'amina', '17:30');
SELECT pg_temp.accept('f', 'near');
SELECT pg_temp.clock('08:30');
SELECT test_helpers.advance('booked_f', 'booked_near', 'pending');
SELECT * FROM pg_temp.offers('f');
SELECT count(*) FROM washminute.open_reservations('booked_near');
SELECT pg_temp.accept('f', 'near');
SELECT pg_temp.accept('f', 'far');
SELECT pg_temp.due('17:00');
SELECT pg_temp.clock('17:05');
SELECT test_helpers.advance('booked_f', 'booked_far', 'pending');
SELECT * FROM pg_temp.offers('f');
SELECT pg_temp.due('17:15');
SELECT * FROM pg_temp.offers('f');
SELECT * FROM pg_temp.stages('f');
SELECT * FROM washminute.check_invariants();

--
-- One at a time
--

SELECT pg_temp.clock('08:00');
SELECT pg_temp.reserve('g', 'amina', '18:00');
SELECT pg_temp.reserve('h', 'amina', '18:29');
SELECT pg_temp.reserve('i', 'amina', '18:30');
SELECT pg_temp.reserve('j', 'omar', '18:00');
SELECT test_helpers.cancel('booked_g', 'booked_amina');
SELECT pg_temp.reserve('h', 'amina', '18:00');

--
-- Another time
--

SELECT pg_temp.reschedule('h', 'omar', '10:00');
SELECT pg_temp.reschedule('h', 'amina', '08:10');
SELECT pg_temp.reschedule('h', 'amina', '21:00');
SELECT pg_temp.reschedule('h', 'amina', '18:10');
SELECT pg_temp.reschedule('h', 'admin', '18:00');
SELECT pg_temp.reschedule('h', 'amina', '10:00');
SELECT * FROM pg_temp.stages('h');
SELECT * FROM pg_temp.told('h');
SELECT pg_temp.due('09:30');
SELECT * FROM pg_temp.told('h');
-- what was offered for the old time is gone
SELECT pg_temp.reschedule('h', 'admin', '11:00');
SELECT * FROM pg_temp.told('h');
SELECT * FROM pg_temp.offers('h');
SELECT * FROM pg_temp.stages('h');
SELECT pg_temp.clock('09:31');
SELECT * FROM washminute.washman_offers('booked_near');
-- a washman who has accepted keeps it if he is free
SELECT pg_temp.accept('h', 'near');
SELECT pg_temp.accept('j', 'near');
SELECT * FROM pg_temp.told('h');
SELECT test_helpers.cancel('booked_f', 'booked_amina');
SELECT pg_temp.reschedule('h', 'amina', '17:45');
SELECT pg_temp.reschedule('h', 'amina', '15:00'), pg_temp.reschedule('h', 'amina', '15:00');
SELECT * FROM pg_temp.told('h');
SELECT period FROM washminute_data.jobs WHERE request_id = test_helpers.request('booked_h') AND live;
SELECT e.event, e.actor_id, e.data->>'reservationAt' AS reservation_at FROM washminute_data.events AS e
 WHERE e.request_id = test_helpers.request('booked_h') AND e.event = 'reservationMoved' ORDER BY e.event_id;
SELECT test_helpers.advance('booked_h', 'booked_near', 'en_route');
SELECT pg_temp.reschedule('h', 'amina', '13:00');
SELECT pg_temp.reschedule('a', 'amina', '13:00');
SELECT test_helpers.outcome(format('SELECT washminute.reschedule_request(%L, ''booked_amina'', %L)', r, t))
  FROM (VALUES (test_helpers.request('booked_i')::text, NULL), (NULL, '2027-05-03 15:00+00'), (test_helpers.request('booked_i')::text, 'infinity'),
               ('00000000-0000-0000-0000-000000000000', '2027-05-03 15:00+00')) AS v (r, t);
SELECT test_helpers.book('booked_now', 'booked_omar', '{exterior}', -2.93, 35.17, 'cash');
SELECT test_helpers.outcome(format('SELECT washminute.reschedule_request(%L, ''booked_omar'', %L)', test_helpers.request('booked_now'), '2027-05-03 15:00+00'));

--
-- By card: from the payment on
--

SELECT pg_temp.clock('10:00');
SELECT pg_temp.reserve('k', 'omar', '14:00', 'card');
SELECT * FROM pg_temp.stages('k');
SELECT count(*) FROM washminute.open_reservations('booked_mid') WHERE request_id = test_helpers.request('booked_k');
SELECT pg_temp.accept('k', 'mid');
SELECT washminute.record_payment(test_helpers.order_of('booked_k'), 60, 'booked k');
SELECT * FROM pg_temp.stages('k');
SELECT pg_temp.accept('k', 'mid');
-- paid when offers are overdue: the last of them is made
UPDATE washminute_data.settings SET value = 0 WHERE name = 'reservation_notice_minutes';
SELECT pg_temp.reserve('l', 'amina', '10:14', 'card');
SELECT pg_temp.clock('10:01');
SELECT washminute.record_payment(test_helpers.order_of('booked_l'), 60, 'booked l'), washminute.notify_due_reservations();
SELECT * FROM pg_temp.stages('l');
SELECT * FROM pg_temp.offers('l');

--
-- What it costs, who is near, and a call for a time ahead
--

SELECT pg_temp.clock('08:00');
SELECT washminute.upsert_user('booked_salma', 'customer');
SELECT pg_temp.reserve('m', 'salma', '13:00');
SELECT pg_temp.accept('m', 'near');
-- free until it would have been offered, and again when he has not set out by its time
SELECT pg_temp.clock('12:29:59.999999');
SELECT * FROM washminute.cancellation_fee(test_helpers.request('booked_m'), 'booked_salma');
SELECT pg_temp.clock('12:30');
SELECT * FROM washminute.cancellation_fee(test_helpers.request('booked_m'), 'booked_salma');
SELECT pg_temp.clock('13:00');
SELECT * FROM washminute.cancellation_fee(test_helpers.request('booked_m'), 'booked_salma');
SELECT test_helpers.cancel('booked_m', 'booked_salma');
-- a time after its beginning makes the last offer, and no reservation begin
SELECT pg_temp.clock('08:00');
SELECT pg_temp.reserve('n', 'salma', '13:00');
SELECT washminute.notify_due_reservations('2027-05-04 00:00+00') > 0 AS told;
SELECT stage, outcome FROM pg_temp.stages('n') ORDER BY stage;
SELECT test_helpers.cancel('booked_n', 'booked_salma');
-- nobody near: the stage says so, and who comes then is offered it
SELECT washminute.set_washman_status(washman_id, 'offline') FROM washminute_data.washmen WHERE washman_id LIKE 'booked\_%' AND status = 'online';
SELECT pg_temp.reserve('o', 'salma', '14:00');
SELECT pg_temp.due('13:30');
SELECT stage, outcome FROM pg_temp.stages('o') WHERE outcome IS NOT NULL ORDER BY stage;
SELECT pg_temp.come('near', 1000);
SELECT * FROM pg_temp.offers('o');

--
-- The second wall, and the rules of time zones
--

SELECT test_helpers.outcome($$INSERT INTO washminute_data.reservations SELECT request_id, 'booked_amina', '[2027-05-03 18:40+00,2027-05-03 18:41+00)', now()
  FROM washminute_data.washing_requests WHERE request_id = test_helpers.request('booked_now')$$);
SELECT * FROM washminute.check_invariants();

UPDATE washminute_data.settings AS s SET value = b.value FROM settings_before AS b WHERE b.name = s.name AND b.value <> s.value;
SELECT washminute.set_washman_status(washman_id, 'offline') FROM washminute_data.washmen WHERE washman_id LIKE 'booked\_%' AND status = 'online';
SELECT washminute.set_clock(NULL);

-- A booking writes order, lines, request, timer, offers, events and outbox rows, or
-- is refused and writes nothing.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);

SELECT washminute.upsert_user('booking_c', 'customer', 'Amina');
SELECT washminute.upsert_user('booking_a', 'admin');
SELECT test_helpers.washman('booking_near', -7.61, 33.60);
SELECT test_helpers.washman('booking_far', -7.61, 33.62);
SELECT test_helpers.washman('booking_out', -7.61, 33.65);

-- everything that one booking writes
INSERT INTO test_helpers.bookings
SELECT 'booking_1', c.*
  FROM washminute.create_booking(customer_id => 'booking_c', service_codes => '{exterior,wax}', longitude => -7.61, latitude => 33.59,
                                 address => '12, rue d''Anfa', payment_method => 'cash') AS c;
SELECT total, status, washmen_offered, reference ~ '^WM[0-9A-HJKMNP-TV-Z]{12}$' AS reference_well_formed
  FROM test_helpers.bookings WHERE name = 'booking_1';
SELECT o.reference = b.reference AS same_reference, o.customer_id, o.status, o.payment_method, o.payment_verified, o.total, o.created_at, o.updated_at
  FROM washminute_data.orders AS o JOIN test_helpers.bookings AS b USING (order_id) WHERE b.name = 'booking_1';
SELECT line_number, service_code, price, duration_minutes
  FROM washminute_data.order_lines WHERE order_id = test_helpers.order_of('booking_1') ORDER BY line_number;
SELECT order_id = test_helpers.order_of('booking_1') AS same_order, customer_id, zone_code, status,
       ST_AsText(client_location) AS place, address, duration_minutes, reservation_at, expires_at, wave,
       washman_id, accepted_at, created_at, updated_at
  FROM washminute_data.washing_requests WHERE request_id = test_helpers.request('booking_1');
SELECT due_at FROM washminute_data.request_timers WHERE request_id = test_helpers.request('booking_1');
SELECT washman_id, wave, round(distance_m) AS metres, located_at, offered_at, expires_at, declined_at
  FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_1') ORDER BY distance_m;
SELECT event, at, actor_id, data - '{requestId,orderId,reference}'::text[] AS data, data->>'orderId' = test_helpers.order_of('booking_1')::text AS same_order,
       data->>'requestId' = request_id::text AS same_request
  FROM washminute_data.events WHERE request_id = test_helpers.request('booking_1') ORDER BY event_id;
SELECT lane, recipient_id, event, data - '{requestId,orderId,reference}'::text[] AS data, state, attempts, created_at, due_at, expires_at
  FROM washminute_data.outbox WHERE data->>'requestId' = test_helpers.request('booking_1')::text ORDER BY outbox_id;

--
-- Who is offered a cash job
--

-- outsiders of the first ring only if nobody is in it; limits of offer_size
BEGIN;
SELECT washminute.set_washman_status('booking_near', 'offline'), washminute.set_washman_status('booking_far', 'offline');
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id, round(distance_m) AS metres FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2');
ROLLBACK;
BEGIN;
UPDATE washminute_data.settings SET value = 1 WHERE name = 'offer_size';
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2');
ROLLBACK;

-- no room for the commission on the balance: 12.00 of 60.00; a card job would need none
BEGIN;
SELECT washminute.settle_balance('booking_near', -488.00, 'room for 12.00'), washminute.settle_balance('booking_far', -488.01, 'one centime less');
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2') ORDER BY washman_id;
SELECT test_helpers.book('booking_3', 'booking_c', '{exterior}', -7.61, 33.59, 'card');
SELECT washminute.record_payment(test_helpers.order_of('booking_3'), 60.00, 'NAPS-1') AS offered;
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_3') ORDER BY washman_id;
ROLLBACK;

-- suspended, not seen for two hours
BEGIN;
UPDATE washminute_data.washmen SET suspended_at = washminute.now() WHERE washman_id = 'booking_near';
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2');
ROLLBACK;
SELECT washminute.now() AS before \gset
SELECT washminute.set_clock(washminute.now() + interval '2 hours 1 microsecond', 0);
BEGIN;
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2');
ROLLBACK;
SELECT washminute.set_clock(:'before', 0);

-- a customer who is a washman too is not offered his own request, nearest as he may be; another's he is
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.washman('booking_c', -7.61, 33.59), washminute.upsert_user('booking_d', 'customer');
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2') ORDER BY washman_id;
SELECT test_helpers.accept('booking_2', 'booking_c');
SELECT test_helpers.book('booking_3', 'booking_d', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_3') ORDER BY washman_id;
-- nor when he alone is there, nor when a washman gives it back
SELECT washminute.set_washman_status('booking_far', 'offline');
SELECT test_helpers.accept('booking_2', 'booking_near'), test_helpers.advance('booking_2', 'booking_near', 'pending');
SELECT washman_id, wave FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2') ORDER BY washman_id;
SELECT washminute.set_washman_status('booking_near', 'offline');
SELECT test_helpers.book('booking_4', 'booking_c', '{exterior}', -7.61, 33.59);
ROLLBACK;

-- a washman with a job in hand is not asked for another at the same time; one who takes longer
-- than planned stays busy
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('booking_1', 'booking_near');
SELECT period FROM washminute_data.jobs WHERE request_id = test_helpers.request('booking_1');
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_2') ORDER BY washman_id;
SELECT washminute.set_clock('2026-04-08 11:50+00', 0);
SELECT test_helpers.book('booking_3', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('booking_3') ORDER BY washman_id;
ROLLBACK;
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);

-- nobody near: booked all the same
SELECT test_helpers.book('booking_nobody', 'booking_c', '{interior}', -7.61, 33.40);
SELECT event, actor_id FROM washminute.request_history(test_helpers.request('booking_nobody')) AS h (at, event, actor_id, detail);
SELECT test_helpers.state('booking_nobody');

-- a card job waits for its payment, a reservation for its day
SELECT test_helpers.book('booking_card', 'booking_c', '{complete,tyres}', -7.61, 33.59, 'card');
SELECT test_helpers.book('booking_later', 'booking_c', '{complete,engine,upholstery}', -7.61, 33.59, 'cash', '2026-04-09 09:00+00');
SELECT b.name, r.duration_minutes, r.reservation_at, r.expires_at, t.due_at, h.event
  FROM test_helpers.bookings AS b JOIN washminute_data.washing_requests AS r USING (request_id)
  JOIN washminute_data.request_timers AS t USING (request_id), washminute.request_history(r.request_id) AS h
 WHERE b.name IN ('booking_card', 'booking_later') ORDER BY b.name, h.at, h.event;

-- prices are those of the day of the booking
BEGIN;
UPDATE washminute_data.services SET price = 65.05, duration_minutes = 31 WHERE service_code = 'exterior';
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -7.61, 33.59);
SELECT price, duration_minutes FROM washminute_data.order_lines WHERE order_id = test_helpers.order_of('booking_1') ORDER BY line_number;
ROLLBACK;

--
-- Opening hours, by the clock of the zone: 08:00 <= local time < 20:00, UTC+1 in April, UTC+0 in Ramadan
--

CREATE FUNCTION pg_temp.book_at(at timestamptz) RETURNS text LANGUAGE sql
AS $$
  SELECT washminute.set_clock(at, 0);
  SELECT test_helpers.outcome($q$SELECT * FROM washminute.create_booking('booking_c', '{exterior}', -9.24, 32.30, 'Safi', 'cash')$q$);
$$;
BEGIN;
SELECT pg_temp.book_at('2026-04-08 06:59:59.999999+00');
SELECT pg_temp.book_at('2026-04-08 07:00:00+00');
SELECT pg_temp.book_at('2026-04-08 18:59:59.999999+00');
SELECT pg_temp.book_at('2026-04-08 19:00:00+00');
SELECT pg_temp.book_at('2026-03-10 07:30+00');
SELECT pg_temp.book_at('2026-03-10 19:30+00');
UPDATE washminute_data.service_zones SET opens_at = '00:00', closes_at = '24:00' WHERE zone_code = 'safi';
SELECT pg_temp.book_at('2026-04-08 22:59:59.999999+00');
SELECT pg_temp.book_at('2026-04-08 23:00+00');
UPDATE washminute_data.service_zones SET time_zone = 'Asia/Tokyo', opens_at = '09:00', closes_at = '10:00' WHERE zone_code = 'safi';
SELECT pg_temp.book_at('2026-04-08 00:00+00');
SELECT pg_temp.book_at('2026-04-08 01:00+00');
UPDATE washminute_data.service_zones SET active = false WHERE zone_code = 'safi';
SELECT pg_temp.book_at('2026-04-08 00:00+00');
ROLLBACK;
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);

-- the smallest zone counts where two overlap
BEGIN;
SELECT test_helpers.book('booking_2', 'booking_c', '{exterior}', -6.82, 34.025);
SELECT zone_code FROM washminute_data.washing_requests WHERE request_id = test_helpers.request('booking_2');
ROLLBACK;

-- reservations: half an hour to thirty days ahead, within the opening hours of that day
SELECT at, test_helpers.outcome(format($$SELECT * FROM washminute.create_booking('booking_c', '{exterior}', -9.24, 32.30, 'Safi', 'cash', %L)$$, at)) AS outcome
  FROM (VALUES
    (1, '2026-04-08 10:30+00'),
    (2, '2026-04-08 10:29:59.999999+00'),
    (3, '2026-04-08 09:00+00'),
    (4, '2026-05-08 10:00+00'),
    (5, '2026-05-08 10:00:00.000001+00'),
    (6, '2026-04-09 06:59+00'),
    (7, '2026-04-09 19:00+00'),
    (8, '4713-01-01 00:00+00 BC'),
    (9, '294276-12-31 23:59:59+00'),
    (10, 'infinity'),
    (11, '-infinity')
  ) AS r (number, at) ORDER BY number;

--
-- Bad input
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT * FROM washminute.create_booking(' || call || ')')
  FROM (VALUES
    (1, $$NULL, '{exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (2, $$'', '{exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (3, $$repeat('x', 129), '{exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (4, $$'booking_nobody', '{exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (5, $$'booking_near', '{exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (6, $$'booking_a', '{exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (10, $$'booking_c', NULL, -7.61, 33.59, 'here', 'cash'$$),
    (11, $$'booking_c', '{}', -7.61, 33.59, 'here', 'cash'$$),
    (12, $$'booking_c', '{NULL}', -7.61, 33.59, 'here', 'cash'$$),
    (13, $$'booking_c', '{exterior,NULL}', -7.61, 33.59, 'here', 'cash'$$),
    (14, $$'booking_c', '{exterior,exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (15, $$'booking_c', '{wax}', -7.61, 33.59, 'here', 'cash'$$),
    (16, $$'booking_c', '{exterior,polish}', -7.61, 33.59, 'here', 'cash'$$),
    (17, $$'booking_c', '{""}', -7.61, 33.59, 'here', 'cash'$$),
    (18, $$'booking_c', '{Exterior}', -7.61, 33.59, 'here', 'cash'$$),
    (19, $$'booking_c', array_fill('exterior'::text, ARRAY[21]), -7.61, 33.59, 'here', 'cash'$$),
    (20, $$'booking_c', '{{exterior,wax},{tyres,tyres}}', -7.61, 33.59, 'here', 'cash'$$),
    (21, $$'booking_c', ARRAY['exterior', repeat('x', 40)], -7.61, 33.59, 'here', 'cash'$$),
    (22, $$'booking_c', ARRAY['exterior', repeat('x', 41)], -7.61, 33.59, 'here', 'cash'$$),
    (23, $$'booking_c', ARRAY[repeat('x', 1000000), 'exterior'], -7.61, 33.59, 'here', 'cash'$$),
    (30, $$'booking_c', '{exterior}', NULL, 33.59, 'here', 'cash'$$),
    (31, $$'booking_c', '{exterior}', -7.61, NULL, 'here', 'cash'$$),
    (32, $$'booking_c', '{exterior}', 'NaN', 33.59, 'here', 'cash'$$),
    (33, $$'booking_c', '{exterior}', -7.61, 'infinity', 'here', 'cash'$$),
    (34, $$'booking_c', '{exterior}', 33.59, -97.61, 'here', 'cash'$$),
    (35, $$'booking_c', '{exterior}', 2.35, 48.85, 'here', 'cash'$$),
    (36, $$'booking_c', '{exterior}', 180, 90, 'here', 'cash'$$),
    (40, $$'booking_c', '{exterior}', -7.61, 33.59, NULL, 'cash'$$),
    (41, $$'booking_c', '{exterior}', -7.61, 33.59, '', 'cash'$$),
    (42, $$'booking_c', '{exterior}', -7.61, 33.59, '  ', 'cash'$$),
    (43, $$'booking_c', '{exterior}', -7.61, 33.59, repeat('x', 501), 'cash'$$),
    (44, $$'booking_c', '{exterior}', -7.61, 33.59, E'here\nthere', 'cash'$$),
    (50, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', NULL$$),
    (51, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', 'cheque'$$),
    (52, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', 'Cash'$$),
    (60, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', 'cash', NULL, ''$$),
    (61, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', 'cash', NULL, '  '$$),
    (62, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', 'cash', NULL, repeat('k', 129)$$),
    (63, $$'booking_c', '{exterior}', -7.61, 33.59, 'here', 'cash', NULL, E'k\x01'$$)
  ) AS c (number, call) ORDER BY number;
BEGIN;
UPDATE washminute_data.services SET active = false WHERE service_code = 'tyres';
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('booking_c', '{exterior,tyres}', -7.61, 33.59, 'here', 'cash')$$);
ROLLBACK;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- a setting that is missing is named, whichever it is
CREATE FUNCTION pg_temp.book_without(setting text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM washminute_data.settings WHERE name = setting;
  RAISE SQLSTATE 'UNDO0' USING MESSAGE =
    test_helpers.outcome($q$SELECT * FROM washminute.create_booking('booking_c', '{exterior}', -7.61, 33.59, 'here', 'cash')$q$);
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
END
$$;
SELECT name, pg_temp.book_without(name) FROM washminute_data.settings ORDER BY name COLLATE "C";
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- settings and services are validated on write
SELECT change, test_helpers.outcome('UPDATE washminute_data.' || change)
  FROM (VALUES
    (1, $$settings SET value = 0.01 WHERE name = 'balance_floor'$$),
    (2, $$settings SET value = 'NaN' WHERE name = 'commission_percent'$$),
    (3, $$settings SET value = 100.01 WHERE name = 'commission_percent'$$),
    (4, $$settings SET value = 12.345 WHERE name = 'commission_percent'$$),
    (5, $$settings SET value = NULL WHERE name = 'offer_size'$$),
    (6, $$services SET price = 0 WHERE service_code = 'wax'$$),
    (7, $$services SET price = 'NaN' WHERE service_code = 'wax'$$),
    (8, $$services SET duration_minutes = 0 WHERE service_code = 'wax'$$),
    (9, $$service_zones SET time_zone = 'Africa/Nowhere' WHERE zone_code = 'safi'$$),
    (10, $$service_zones SET closes_at = opens_at WHERE zone_code = 'safi'$$),
    (11, $$settings SET value = 1801 WHERE name = 'offer_seconds'$$),
    (12, $$settings SET value = 2.5 WHERE name = 'offer_size'$$)
  ) AS c (number, change) ORDER BY number;

SELECT washminute.set_washman_status(washman_id, 'offline') FROM washminute_data.washmen WHERE washman_id LIKE 'booking\_%' ORDER BY washman_id;
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();

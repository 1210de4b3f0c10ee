-- The same key and arguments: the same answer and one effect. Other arguments: PT422.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);
SELECT washminute.upsert_user('idempotency_c', 'customer');
SELECT washminute.upsert_user('idempotency_d', 'customer');
SELECT test_helpers.washman('idempotency_w', -5.80, 35.77);

CREATE FUNCTION pg_temp.digest() RETURNS text LANGUAGE sql
AS $$
  SELECT format('%s orders, %s offers, %s events, %s outbox rows, %s keys',
    (SELECT count(*) FROM washminute_data.orders WHERE customer_id LIKE 'idempotency\_%'),
    (SELECT count(*) FROM washminute_data.offers WHERE washman_id LIKE 'idempotency\_%'),
    (SELECT count(*) FROM washminute_data.events WHERE actor_id LIKE 'idempotency\_%'),
    (SELECT count(*) FROM washminute_data.outbox WHERE recipient_id LIKE 'idempotency\_%'),
    (SELECT count(*) FROM washminute_data.idempotency_keys WHERE actor_id LIKE 'idempotency\_%'))
$$;

SELECT c::text AS answer, total, status, washmen_offered
  FROM washminute.create_booking('idempotency_c', '{exterior,wax}', -5.80, 35.77, 'Rue de la Liberté', 'cash', NULL, 'key 1') AS c \gset first_
SELECT :'first_total' AS total, :'first_status' AS status, :'first_washmen_offered' AS offered;
SELECT pg_temp.digest();
SELECT actor_id, command, key, octet_length(arguments_sha256) AS bytes, created_at FROM washminute_data.idempotency_keys
 WHERE actor_id LIKE 'idempotency\_%';

-- the same call, also later, when booking anew would be refused
SELECT c::text = :'first_answer' AS same_answer
  FROM washminute.create_booking('idempotency_c', '{exterior,wax}', -5.80, 35.77, 'Rue de la Liberté', 'cash', NULL, 'key 1') AS c;
SELECT washminute.set_clock('2026-04-08 22:00+00', 0);
SELECT washminute.set_washman_status('idempotency_w', 'offline');
SELECT c::text = :'first_answer' AS same_answer
  FROM washminute.create_booking('idempotency_c', '{exterior,wax}', -5.80, 35.77, 'Rue de la Liberté', 'cash', NULL, 'key 1') AS c;
SELECT pg_temp.digest();
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);
SELECT washminute.set_washman_status('idempotency_w', 'online');

-- each other argument is another request
SELECT call, test_helpers.outcome('SELECT * FROM washminute.create_booking(''idempotency_c'', ' || call || ', ''key 1'')')
  FROM (VALUES
    (1, $$'{exterior}', -5.80, 35.77, 'Rue de la Liberté', 'cash', NULL$$),
    (2, $$'{wax,exterior}', -5.80, 35.77, 'Rue de la Liberté', 'cash', NULL$$),
    (3, $$'{exterior,wax}', -5.800000000000001, 35.77, 'Rue de la Liberté', 'cash', NULL$$),
    (4, $$'{exterior,wax}', -5.80, 35.77000000000001, 'Rue de la Liberté', 'cash', NULL$$),
    (5, $$'{exterior,wax}', -5.80, 35.77, 'Rue de la Liberte', 'cash', NULL$$),
    (6, $$'{exterior,wax}', -5.80, 35.77, 'Rue de la Liberté', 'card', NULL$$),
    (7, $$'{exterior,wax}', -5.80, 35.77, 'Rue de la Liberté', 'cash', '2026-04-09 10:00+00'$$)
  ) AS c (number, call) ORDER BY number;
SELECT pg_temp.digest();

-- a key belongs to its caller; without a key each call books
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('idempotency_d', '{exterior}', -5.80, 35.77, 'x', 'cash', NULL, 'key 1')$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('idempotency_c', '{exterior}', -5.80, 35.77, 'x', 'cash')$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('idempotency_c', '{exterior}', -5.80, 35.77, 'x', 'cash')$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('idempotency_c', '{exterior}', -5.80, 35.77, 'x', 'cash', NULL, 'Key 1')$$);
SELECT pg_temp.digest();

-- times are compared as moments, whatever zone they are written in
SELECT c::text AS answer FROM washminute.create_booking('idempotency_d', '{exterior}', -5.80, 35.77, 'x', 'cash', '2026-04-09 10:00+00', 'key 2') AS c \gset second_
SET timezone TO 'Asia/Tokyo';
SELECT c::text = :'second_answer' AS same_answer
  FROM washminute.create_booking('idempotency_d', '{exterior}', -5.80, 35.77, 'x', 'cash', '2026-04-09 19:00+09', 'key 2') AS c;
SET timezone TO 'UTC';

-- a booking that was refused leaves its key free
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('idempotency_d', '{polish}', -5.80, 35.77, 'x', 'cash', NULL, 'key 3')$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute.create_booking('idempotency_d', '{exterior}', -5.80, 35.77, 'x', 'cash', NULL, 'key 3')$$);

-- within one transaction too, also a serializable one
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT c::text AS answer FROM washminute.create_booking('idempotency_d', '{exterior}', -5.80, 35.77, 'x', 'card', NULL, 'key 4') AS c \gset third_
SELECT c::text = :'third_answer' AS same_answer
  FROM washminute.create_booking('idempotency_d', '{exterior}', -5.80, 35.77, 'x', 'card', NULL, 'key 4') AS c;
COMMIT;

-- the time zone, number format and date style of the session do not matter
SET extra_float_digits TO -10;
SET datestyle TO 'German';
SELECT c::text = :'first_answer' AS same_answer
  FROM washminute.create_booking('idempotency_c', ARRAY['exterior', 'wax'], -5.80, 35.77, 'Rue de la Liberté', 'cash', NULL, 'key 1') AS c;
RESET extra_float_digits;
SET datestyle TO 'ISO, YMD';

--
-- A settlement
--

CREATE FUNCTION pg_temp.settle(call text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  answer text;
  detail text;
BEGIN
  EXECUTE 'SELECT washminute.settle_balance(' || call || ')' INTO answer;
  RETURN format('answer %s, balance %s, %s transfers, %s events', answer, washminute.washman_balance('idempotency_w'),
    (SELECT count(*) FROM washminute_data.transfers WHERE 'washman:idempotency_w' IN (debit_account, credit_account)),
    (SELECT count(*) FROM washminute_data.events WHERE event = 'balanceSettled' AND data->>'washmanId' = 'idempotency_w'));
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || detail;
END
$$;
SELECT washminute.upsert_user('idempotency_v', 'washman');
SELECT number, call, pg_temp.settle(call)
  FROM (VALUES
    (1, $$'idempotency_w', 12.5, 'paid in', 'key 1'$$),
    (2, $$'idempotency_w', 12.5, 'paid in', 'key 1'$$),
    (3, $$'idempotency_w', 12.500, 'paid in', idempotency_key => 'key 1'$$),
    (4, $$'idempotency_w', 12.51, 'paid in', 'key 1'$$),
    (5, $$'idempotency_w', -12.5, 'paid in', 'key 1'$$),
    (6, $$'idempotency_w', 12.5, 'Paid in', 'key 1'$$),
    (7, $$'idempotency_w', 12.5, 'paid in'$$),
    (8, $$'idempotency_w', 12.5, 'paid in', NULL$$),
    (9, $$'idempotency_w', 12.5, 'paid in', 'key 2'$$),
    -- the answer is still the first one
    (10, $$'idempotency_w', 12.5, 'paid in', 'key 1'$$),
    -- a whole amount, a negative balance, a balance of 0
    (11, $$'idempotency_w', -60, 'paid out', 'key 3'$$),
    (12, $$'idempotency_w', -60, 'paid out', 'key 3'$$),
    (13, $$'idempotency_w', 10, 'paid in', 'key 4'$$),
    (14, $$'idempotency_w', 10, 'paid in', 'key 4'$$),
    -- a key belongs to its washman
    (15, $$'idempotency_v', 12.5, 'paid in', 'key 1'$$),
    -- a settlement that was refused leaves its key free, and a key never excuses bad input
    (20, $$'idempotency_w', 1e12, 'paid in', 'key 5'$$),
    (21, $$'idempotency_w', 1000000000.01, 'paid in', 'key 5'$$),
    (22, $$'idempotency_w', 999999999, 'paid in', 'key 5'$$),
    (23, $$'idempotency_w', 0, 'paid in', 'key 1'$$),
    (24, $$'idempotency_w', 12.5, NULL, 'key 1'$$),
    (25, $$'idempotency_nobody', 12.5, 'paid in', 'key 1'$$),
    -- room is needed the first time only
    (26, $$'idempotency_w', 999999999, 'paid in', 'key 5'$$),
    (27, $$'idempotency_w', -999999999, 'paid out', 'key 6'$$)
  ) AS c (number, call) ORDER BY number;
SELECT actor_id, command, key, answer, jsonb_typeof(answer) AS type FROM washminute_data.idempotency_keys
 WHERE actor_id IN ('idempotency_v', 'idempotency_w') ORDER BY actor_id COLLATE "C", key COLLATE "C";

-- keys are kept for the setting idempotency_hours, 48
SELECT washminute.set_clock('2026-04-10 10:00+00', 0);
SELECT washminute.run_due() >= 0 AS ran;
SELECT count(*) AS keys FROM washminute_data.idempotency_keys WHERE actor_id LIKE 'idempotency\_%';
SELECT washminute.set_clock('2026-04-10 10:00:00.000001+00', 0);
SELECT washminute.run_due() >= 0 AS ran;
SELECT count(*) AS keys FROM washminute_data.idempotency_keys WHERE actor_id LIKE 'idempotency\_%';

SELECT washminute.set_washman_status('idempotency_w', 'offline');
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();

-- expire_due() ends what nobody accepted in time; run_due(), for a scheduler, does
-- that as washminute_owner.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-07-01 10:00+00', 0);
SET default_transaction_isolation TO serializable;
-- what other tests have left pending
SELECT count(washminute.expire_due()) AS calls;
SELECT washminute.expire_due() AS still_due;

SELECT washminute.upsert_user('scheduler_c', 'customer');
SELECT test_helpers.washman('scheduler_1', -9.60, 30.42), test_helpers.washman('scheduler_2', -9.60, 30.43);
SELECT name, test_helpers.book(name, 'scheduler_c', '{exterior}', -9.60, 30.42, payment_method, reservation_at)
  FROM (VALUES ('scheduler_cash', 'cash', NULL), ('scheduler_taken', 'cash', NULL), ('scheduler_unpaid', 'card', NULL), ('scheduler_paid', 'card', NULL),
               ('scheduler_later', 'cash', '2026-07-01 11:00+00'::timestamptz)) AS b (name, payment_method, reservation_at);
SELECT washminute.record_payment(test_helpers.order_of('scheduler_paid'), 60, 'SCHEDULER-1') AS offered;
SELECT test_helpers.accept('scheduler_taken', 'scheduler_1');

CREATE FUNCTION pg_temp.states() RETURNS TABLE (name text, state text, due_at timestamptz) LANGUAGE sql
AS $$
  SELECT b.name, test_helpers.state(b.name), t.due_at
    FROM test_helpers.bookings AS b LEFT JOIN washminute_data.request_timers AS t USING (request_id)
   WHERE b.name LIKE 'scheduler\_%' ORDER BY b.name
$$;

SELECT washminute.set_clock('2026-07-01 10:09:59.999999+00', 0);
SELECT washminute.expire_due();
SELECT washminute.set_clock('2026-07-01 10:10+00', 0);
SELECT washminute.expire_due();
SELECT * FROM pg_temp.states();
SELECT washminute.expire_due();

-- what an expiry writes
SELECT b.name, h.at, h.event, h.actor
  FROM test_helpers.bookings AS b, washminute.request_history(b.request_id) WITH ORDINALITY AS h
 WHERE b.name IN ('scheduler_unpaid', 'scheduler_paid') ORDER BY b.name, h.ordinality;
SELECT b.name, x.lane, x.recipient_id, x.event
  FROM test_helpers.bookings AS b JOIN washminute_data.outbox AS x ON x.data->>'requestId' = b.request_id::text
 WHERE b.name IN ('scheduler_unpaid', 'scheduler_paid') AND x.event LIKE 'r%' ORDER BY b.name, x.outbox_id;
SELECT debit_account, credit_account, amount, purpose, actor_id
  FROM washminute_data.transfers WHERE order_id = test_helpers.order_of('scheduler_paid') ORDER BY transfer_id;

-- a timer that is wrong expires nothing, and is put right
UPDATE washminute_data.request_timers SET due_at = '2026-07-01 10:00+00' WHERE request_id = test_helpers.request('scheduler_later');
SELECT washminute.expire_due();
SELECT * FROM pg_temp.states() WHERE name = 'scheduler_later';

-- an accepted request keeps its job, however late
SELECT washminute.set_clock('2026-07-01 12:00+00', 0);
SELECT washminute.run_due() AS expired;
SELECT * FROM pg_temp.states();
SELECT test_helpers.advance('scheduler_taken', 'scheduler_1', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;

-- at most 500 in one call, the longest due first
SELECT count(*) AS booked FROM generate_series(1, 501) AS n,
       washminute.create_booking('scheduler_c', '{exterior}', -9.60, 30.30, 'Rue ' || n, 'card');
SELECT washminute.set_clock('2026-07-01 12:10+00', 0);
SELECT washminute.expire_due() AS first_call, washminute.expire_due() AS second_call, washminute.expire_due() AS third_call;

--
-- run_due() does its work as washminute_owner, whoever calls it
--

CREATE TABLE test_helpers.workers (who name, session name);
GRANT USAGE ON SCHEMA test_helpers TO washminute_owner;
GRANT INSERT ON test_helpers.workers TO washminute_owner;
CREATE FUNCTION test_helpers.note_worker() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO test_helpers.workers VALUES (CURRENT_USER, CASE WHEN SESSION_USER = CURRENT_USER THEN 'the same' ELSE 'another' END);
  BEGIN
    RESET ROLE;
    RAISE EXCEPTION 'a trigger could become a superuser';
  EXCEPTION WHEN insufficient_privilege THEN
    RETURN NULL;
  END;
END
$$;
CREATE TRIGGER regress_note_worker AFTER DELETE ON washminute_data.request_timers FOR EACH ROW EXECUTE FUNCTION test_helpers.note_worker();
SELECT test_helpers.book('scheduler_whose', 'scheduler_c', '{exterior}', -9.60, 30.30);
SELECT washminute.set_clock('2026-07-01 12:20+00', 0);
SELECT washminute.run_due() AS expired;
SELECT test_helpers.state('scheduler_whose');
SELECT * FROM test_helpers.workers;
SELECT CURRENT_USER = SESSION_USER AS identity_restored;
DROP TRIGGER regress_note_worker ON washminute_data.request_timers;

-- one that fails keeps nobody else waiting, and is tried again in a minute
SET client_min_messages TO error;
CREATE FUNCTION test_helpers.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'failed on purpose'; END $$;
CREATE TRIGGER regress_fail AFTER DELETE ON washminute_data.request_timers FOR EACH ROW EXECUTE FUNCTION test_helpers.fail();
SELECT test_helpers.book('scheduler_fail', 'scheduler_c', '{exterior}', -9.60, 30.30);
SELECT washminute.set_clock('2026-07-01 12:30+00', 0);
SELECT test_helpers.outcome('SELECT washminute.run_due()'), CURRENT_USER = SESSION_USER AS identity_restored;
SELECT test_helpers.state('scheduler_fail');
DROP TRIGGER regress_fail ON washminute_data.request_timers;
SELECT washminute.run_due() AS expired;
SELECT washminute.set_clock('2026-07-01 12:31+00', 0);
SELECT washminute.run_due() AS expired;
-- the worker's part takes no longer than it may, but does one at least
SELECT test_helpers.book('scheduler_part_' || n, 'scheduler_c', '{exterior}', -9.60, 30.30, 'card') FROM generate_series(1, 3) AS n;
SELECT washminute.set_clock('2026-07-01 12:45+00', 0);
SELECT done, next_due <= washminute.now() AS more FROM washminute._run_due_requests(50, 0);
SELECT done, next_due <= washminute.now() AS more FROM washminute._run_due_requests(50, 3600000);
RESET client_min_messages;
DROP FUNCTION test_helpers.note_worker(), test_helpers.fail();
DROP TABLE test_helpers.workers;
REVOKE USAGE ON SCHEMA test_helpers FROM washminute_owner;

SELECT washminute.set_washman_status('scheduler_1', 'offline'), washminute.set_washman_status('scheduler_2', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

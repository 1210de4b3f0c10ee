-- Exactly one washman gets a job, and only one who may have it. (Races are in the
-- isolation tests.)
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-05-05 10:00+00', 0);
SET default_transaction_isolation TO serializable;

SELECT washminute.upsert_user('acceptance_c', 'customer');
SELECT test_helpers.washman('acceptance_' || n, -5.00, 34.03 + n / 1000.0) FROM generate_series(1, 4) AS n ORDER BY n;
SELECT washminute.upsert_user('acceptance_far', 'washman');
CREATE FUNCTION pg_temp.book(name text, payment_method text DEFAULT 'cash') RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.book(name, 'acceptance_c', '{exterior}', -5.00, 34.03, payment_method) $$;
CREATE FUNCTION pg_temp.account(washman_id text) RETURNS text LANGUAGE sql
AS $$ SELECT format('balance %s, held %s, minimum %s', balance, held, minimum) FROM washminute_data.accounts AS a WHERE a.washman_id = account.washman_id $$;

--
-- An acceptance and all its effects
--

SELECT pg_temp.book('acceptance_1');
SELECT id = test_helpers.request('acceptance_1') AS same_request, order_id = test_helpers.order_of('acceptance_1') AS same_order,
       customer_id, status, accepted_at
  FROM washminute.accept_request(request_id => test_helpers.request('acceptance_1'), washman_id => 'acceptance_1');
SELECT status, washman_id, accepted_at, updated_at, wave FROM washminute_data.washing_requests WHERE request_id = test_helpers.request('acceptance_1');
SELECT washman_id, period, live, outcome, commission, held, accepted_at, ended_at FROM washminute_data.jobs WHERE request_id = test_helpers.request('acceptance_1');
SELECT pg_temp.account('acceptance_1');
SELECT event, actor, detail->>'washmanId' AS washman, detail->>'status' AS status FROM washminute.request_history(test_helpers.request('acceptance_1'));
SELECT recipient_id, event, data->>'washmanId' AS washman FROM washminute_data.outbox
 WHERE data->>'requestId' = test_helpers.request('acceptance_1')::text AND event = 'washmanAssigned';

-- the others, and he himself, are told that it is taken
SELECT test_helpers.accept('acceptance_1', 'acceptance_2');
SELECT test_helpers.accept('acceptance_1', 'acceptance_1');
SELECT test_helpers.accept('acceptance_1', 'acceptance_far');
SELECT test_helpers.advance('acceptance_1', 'acceptance_1', to_status)
  FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT test_helpers.accept('acceptance_1', 'acceptance_2');
SELECT test_helpers.accept('acceptance_1', 'acceptance_1');

--
-- Only in a serializable transaction
--

SELECT pg_temp.book('acceptance_2');

-- a trigger of the user's that keeps the push messages away leaves the live event
BEGIN;
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER no_push BEFORE INSERT ON washminute_data.outbox FOR EACH ROW WHEN (NEW.lane = 'push') EXECUTE FUNCTION pg_temp.nothing();
SELECT status FROM washminute.accept_request(test_helpers.request('acceptance_2'), 'acceptance_2');
SELECT lane, event, recipient_id, due_at FROM washminute_data.outbox WHERE xid = pg_current_xact_id();
ROLLBACK;

BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;

--
-- Each reason to refuse; nothing changes
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome(format('SELECT * FROM washminute.accept_request(' || call || ')', test_helpers.request('acceptance_2')))
  FROM (VALUES
    (1, $$NULL, 'acceptance_2'$$),
    (2, $$'00000000-0000-0000-0000-000000000000', 'acceptance_2'$$),
    (3, $$'%s', NULL$$),
    (4, $$'%s', ''$$),
    (5, $$'%s', repeat('x', 129)$$),
    (6, $$'%s', E'acceptance_2\n'$$),
    (7, $$'%s', 'acceptance_nobody'$$),
    (8, $$'%s', 'acceptance_c'$$),
    (9, $$'%s', 'acceptance_far'$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- offline, suspended, declined
BEGIN;
SELECT washminute.set_washman_status('acceptance_2', 'offline');
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
UPDATE washminute_data.washmen SET suspended_at = washminute.now() WHERE washman_id = 'acceptance_3';
SELECT test_helpers.accept('acceptance_2', 'acceptance_3');
SELECT test_helpers.decline('acceptance_2', 'acceptance_4');
SELECT test_helpers.accept('acceptance_2', 'acceptance_4');
SELECT test_helpers.state('acceptance_2');
ROLLBACK;

-- a position that has grown old since the offer does not matter
BEGIN;
UPDATE washminute_data.washman_positions SET last_location_updated_at = '2026-05-05 01:00+00' WHERE washman_id = 'acceptance_2';
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;

-- the offer's last moment, and the one after; the deadline holds though no timer has run
BEGIN;
SELECT washminute.set_clock('2026-05-05 10:09:59.999999+00', 0);
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;
BEGIN;
SELECT washminute.set_clock('2026-05-05 10:10+00', 0);
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
SELECT washminute.set_clock('2026-05-05 10:05+00', 0);
UPDATE washminute_data.offers SET expires_at = '2026-05-05 10:05+00' WHERE request_id = test_helpers.request('acceptance_2') AND washman_id = 'acceptance_2';
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
SELECT test_helpers.accept('acceptance_2', 'acceptance_3');
ROLLBACK;

-- the deadline is that of the moment: a transaction that was begun early does not outwit it.
-- The clock runs a hundred thousand times as fast, so that ten minutes pass in six milliseconds.
BEGIN;
SELECT washminute.set_clock('2026-05-05 10:00+00', 100000);
DO $$
DECLARE
  started timestamptz := clock_timestamp();
BEGIN
  WHILE (clock_timestamp() - started) * 100000 <= interval '10 minutes' LOOP
  END LOOP;
END
$$;
SELECT washminute.now() < expires_at AS begun_before_the_deadline FROM washminute_data.offers
 WHERE request_id = test_helpers.request('acceptance_2') AND washman_id = 'acceptance_2';
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;
SELECT washminute.set_clock('2026-05-05 10:00+00', 0);

-- cancelled, expired
BEGIN;
SELECT test_helpers.cancel('acceptance_2', 'acceptance_c');
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;
BEGIN;
SELECT washminute.set_clock('2026-05-05 10:10+00', 0);
SELECT washminute.expire_due() > 0 AS expired;
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
ROLLBACK;
SELECT washminute.set_clock('2026-05-05 10:00+00', 0);

-- a card job that is not paid yet, whoever holds an offer
BEGIN;
SELECT pg_temp.book('acceptance_3', 'card');
SELECT test_helpers.accept('acceptance_3', 'acceptance_2');
INSERT INTO washminute_data.offers (request_id, washman_id, wave, distance_m, located_at, offered_at, expires_at)
SELECT test_helpers.request('acceptance_3'), 'acceptance_2', 1, 10, washminute.now(), washminute.now(), washminute.now() + interval '10 minutes';
SELECT test_helpers.accept('acceptance_3', 'acceptance_2');
SELECT washminute.record_payment(test_helpers.order_of('acceptance_3'), 60, 'NAPS-1') AS offered;
SELECT test_helpers.accept('acceptance_3', 'acceptance_2');
SELECT test_helpers.state('acceptance_3');
ROLLBACK;

--
-- The balance
--

-- a card job: exactly the floor of -500.00 passes, a centime less does not
BEGIN;
SELECT pg_temp.book('acceptance_3', 'card');
SELECT washminute.record_payment(test_helpers.order_of('acceptance_3'), 60, 'NAPS-1') AS offered;
SELECT washminute.settle_balance('acceptance_2', -500.01, 'a debt');
SELECT test_helpers.accept('acceptance_3', 'acceptance_2');
SELECT washminute.settle_balance('acceptance_2', 0.01, 'what is missing');
SELECT test_helpers.accept('acceptance_3', 'acceptance_2');
SELECT pg_temp.account('acceptance_2');
ROLLBACK;

-- a cash job: room for the commission of 12.00, to the centime
BEGIN;
SELECT washminute.settle_balance('acceptance_2', -488.01, 'a debt');
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
SELECT washminute.settle_balance('acceptance_2', 0.01, 'what is missing');
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
SELECT pg_temp.account('acceptance_2');
SELECT test_helpers.advance('acceptance_2', 'acceptance_2', to_status)
  FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT pg_temp.account('acceptance_2');
SELECT * FROM washminute.check_invariants();
ROLLBACK;

-- what DETAIL calls missing is what it takes, also from below the floor
BEGIN;
SELECT washminute.settle_balance('acceptance_2', -512.00, 'a debt');
SELECT test_helpers.accept('acceptance_2', 'acceptance_2') AS refusal \gset
SELECT (substring(:'refusal' FROM '\{.*')::jsonb->>'missing')::numeric AS missing \gset
SELECT split_part(:'refusal', ' {', 1) AS refusal, substring(:'refusal' FROM '\{.*')::jsonb - 'missing' AS facts, :missing > 0 AS something_missing;
SELECT washminute.settle_balance('acceptance_2', :missing, 'what is missing') IS NOT NULL AS paid_in;
SELECT test_helpers.accept('acceptance_2', 'acceptance_2');
SELECT pg_temp.account('acceptance_2');
ROLLBACK;

-- what is held already counts: two reservations of different hours
BEGIN;
SELECT test_helpers.book('acceptance_3', 'acceptance_c', '{exterior}', -5.00, 34.03, 'cash', '2026-05-06 09:00+00');
SELECT test_helpers.book('acceptance_4', 'acceptance_c', '{exterior}', -5.00, 34.03, 'cash', '2026-05-06 09:30+00');
INSERT INTO washminute_data.offers (request_id, washman_id, wave, distance_m, located_at, offered_at, expires_at)
SELECT test_helpers.request(name), 'acceptance_2', 1, 10, washminute.now(), washminute.now(), '2026-05-06 09:00+00'
  FROM unnest(ARRAY['acceptance_3', 'acceptance_4']) AS name;
SELECT washminute.settle_balance('acceptance_2', -476.01, 'a debt');
SELECT test_helpers.accept('acceptance_3', 'acceptance_2');
SELECT test_helpers.accept('acceptance_4', 'acceptance_2');
SELECT washminute.settle_balance('acceptance_2', 0.01, 'what is missing');
SELECT test_helpers.accept('acceptance_4', 'acceptance_2');
SELECT pg_temp.account('acceptance_2');
-- one job ends when the next begins
SELECT j.period FROM washminute_data.jobs AS j WHERE j.washman_id = 'acceptance_2' ORDER BY j.period;
SELECT * FROM washminute.check_invariants();
ROLLBACK;

-- the settings hold from the next command on
BEGIN;
UPDATE washminute_data.settings SET value = -10.00 WHERE name = 'balance_floor';
UPDATE washminute_data.settings SET value = 16.68 WHERE name = 'commission_percent';
SELECT test_helpers.accept('acceptance_2', 'acceptance_3');
UPDATE washminute_data.settings SET value = 16.67 WHERE name = 'commission_percent';
SELECT test_helpers.accept('acceptance_2', 'acceptance_3');
SELECT pg_temp.account('acceptance_3');
ROLLBACK;

--
-- One job at a time
--

SELECT pg_temp.book('acceptance_5');
SELECT test_helpers.accept('acceptance_2', 'acceptance_3');
SELECT test_helpers.fingerprint() AS before \gset
SELECT test_helpers.accept('acceptance_5', 'acceptance_3');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT test_helpers.accept('acceptance_5', 'acceptance_4');

-- the second wall: not even a superuser can store what must not be
SELECT test_helpers.outcome($$INSERT INTO washminute_data.jobs (request_id, washman_id, period, commission, held, accepted_at)
  VALUES (test_helpers.request('acceptance_2'), 'acceptance_1', tstzrange(washminute.now(), washminute.now() + interval '1 hour'), 12, 12, washminute.now())$$);
SELECT pg_temp.book('acceptance_6');
SELECT test_helpers.outcome($$INSERT INTO washminute_data.jobs (request_id, washman_id, period, commission, held, accepted_at)
  VALUES (test_helpers.request('acceptance_6'), 'acceptance_3', tstzrange(washminute.now(), washminute.now() + interval '1 hour'), 12, 12, washminute.now())$$);
SELECT test_helpers.outcome($$UPDATE washminute_data.accounts SET held = 500.01 WHERE washman_id = 'acceptance_1'$$);

-- a status is moved by the commands alone; other columns are free
SELECT test_helpers.outcome($$UPDATE washminute_data.washing_requests SET status = 'cancelled' WHERE request_id = test_helpers.request('acceptance_6')$$);
SELECT test_helpers.outcome($$UPDATE washminute_data.washing_requests SET status = 'en_route' WHERE request_id = test_helpers.request('acceptance_2')$$);
SELECT test_helpers.outcome($$UPDATE washminute_data.washing_requests SET address = 'Rue 2', status = status WHERE request_id = test_helpers.request('acceptance_6')$$);
SELECT washminute.status_change_allowed();
-- also after a command, failed or not, in the same transaction
BEGIN;
SELECT test_helpers.accept('acceptance_6', 'acceptance_1');
SELECT test_helpers.accept('acceptance_6', 'acceptance_2');
SELECT test_helpers.outcome($$UPDATE washminute_data.washing_requests SET status = 'pending', washman_id = NULL, accepted_at = NULL WHERE request_id = test_helpers.request('acceptance_6')$$);
ROLLBACK;

-- tables are read without statements: who has changed what is ours is told so
CREATE FUNCTION pg_temp.told(change text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  state text;
  message text;
  hint text;
BEGIN
  EXECUTE change;
  PERFORM * FROM washminute.accept_request(test_helpers.request('acceptance_6'), 'acceptance_1');
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = 'ok';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' ', NULLIF(state, 'UNDO0'), message, CASE WHEN hint LIKE 'Columns may be added%' THEN '(with a hint)' END);
END
$$;
SELECT pg_temp.told('ALTER TABLE washminute_data.washmen RENAME COLUMN suspended_at TO banned_at');
SELECT pg_temp.told('ALTER TABLE washminute_data.washing_requests ALTER COLUMN next_wave_at TYPE text');
SELECT pg_temp.told('ALTER TABLE washminute_data.offers RENAME TO proposals');
SELECT pg_temp.told('ALTER TABLE washminute_data.offers RENAME TO proposals; CREATE VIEW washminute_data.offers AS SELECT * FROM washminute_data.proposals');
SELECT pg_temp.told('ALTER TABLE washminute_data.offers RENAME TO proposals; CREATE TABLE washminute_data.offers (LIKE washminute_data.proposals INCLUDING ALL) PARTITION BY HASH (request_id)');
SELECT pg_temp.told('ALTER TABLE washminute_data.request_transitions DROP CONSTRAINT request_transitions_pk, ADD PRIMARY KEY (to_status, from_status, actor_kind)');
SELECT pg_temp.told('ALTER TABLE washminute_data.offers DROP CONSTRAINT offers_pk');
SELECT pg_temp.told('ALTER TABLE washminute_data.offers DROP CONSTRAINT offers_pk, ADD PRIMARY KEY (washman_id, request_id)');
SELECT pg_temp.told('ALTER TABLE washminute_data.offers DROP CONSTRAINT offers_pk, ADD PRIMARY KEY (request_id, washman_id, wave)');
SELECT pg_temp.told('CREATE DOMAIN pg_temp.moment AS timestamptz; ALTER TABLE washminute_data.washing_requests ALTER COLUMN next_wave_at TYPE pg_temp.moment');
SELECT pg_temp.told('ALTER TABLE washminute_data.washmen ADD COLUMN colour text');

SELECT washminute.set_washman_status('acceptance_' || n, 'offline') FROM generate_series(1, 4) AS n ORDER BY n;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

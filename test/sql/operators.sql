-- What administrators do: suspend and reinstate washmen, give jobs to others, cancel by force.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;

-- The clock of this day, which stands still.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2026-10-08 ' || at || '+00')::timestamptz, 0) $$;
CREATE FUNCTION pg_temp.accounts() RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(format('%s %s held %s', substr(washman_id, 11), balance, held), ', ' ORDER BY washman_id) FROM washminute_data.accounts WHERE washman_id LIKE 'operators\_%' AND (balance, held) <> (0, 0) $$;
CREATE FUNCTION pg_temp.messages(name text) RETURNS TABLE (recipient text, audience text, event text, data jsonb) LANGUAGE sql
AS $$
  SELECT recipient_id, o.audience, event, o.data - '{requestId,orderId}'::text[] FROM washminute_data.outbox AS o
   WHERE o.data->>'requestId' = test_helpers.request('operators_' || name)::text AND event NOT IN ('newWashingRequest', 'bookingConfirmed') ORDER BY outbox_id
$$;
CREATE FUNCTION pg_temp.jobs(name text) RETURNS TABLE (washman_id text, live boolean, outcome text, held numeric, accepted_at timestamptz, ended_at timestamptz) LANGUAGE sql
AS $$ SELECT washman_id, live, outcome, held, accepted_at, ended_at FROM washminute_data.jobs WHERE request_id = test_helpers.request('operators_' || name) ORDER BY job_id $$;
CREATE FUNCTION pg_temp.book(name text, method text DEFAULT 'cash', customer text DEFAULT 'c') RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  answer text := test_helpers.book('operators_' || name, 'operators_' || customer, '{exterior}', -7.61, 33.59, method);
BEGIN
  IF method = 'card' THEN
    answer := washminute.record_payment(test_helpers.order_of('operators_' || name), 60, 'OPERATORS-' || name);
  END IF;
  RETURN answer;
END
$$;
-- These see what the statement has done before.
CREATE FUNCTION pg_temp.accept(name text, washman text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.accept('operators_' || name, 'operators_' || washman); END $$;
CREATE FUNCTION pg_temp.advance(name text, washman text, to_status text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.advance('operators_' || name, 'operators_' || washman, to_status); END $$;
CREATE FUNCTION pg_temp.state(name text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.state('operators_' || name); END $$;
CREATE FUNCTION pg_temp.reassign(name text, washman text, reason text DEFAULT 'nearer', admin text DEFAULT 'operators_a') RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.outcome(format('SELECT washminute.reassign_request(%L, %L, %L, %L)', test_helpers.request('operators_' || name), admin, 'operators_' || washman, reason)); END $$;
CREATE FUNCTION pg_temp.force(name text, reason text DEFAULT 'storm', admin text DEFAULT 'operators_a') RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.outcome(format('SELECT washminute.force_cancel_request(%L, %L, %L)', test_helpers.request('operators_' || name), admin, reason)); END $$;
CREATE FUNCTION pg_temp.suspend(washman text, how text DEFAULT 'suspend', reason text DEFAULT 'papers', admin text DEFAULT 'operators_a') RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.outcome(format('SELECT washminute.%I(%L, %L, %L)', how || '_washman', 'operators_' || washman, admin, reason)); END $$;
-- Brings a request, booked before, to a state in the hands of a washman.
CREATE FUNCTION pg_temp.bring(name text, washman text, status text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  move text;
BEGIN
  IF status <> 'pending' THEN
    move := pg_temp.accept(name, washman);
    FOREACH move IN ARRAY CASE status WHEN 'accepted' THEN '{}' WHEN 'en_route' THEN '{en_route}' WHEN 'arrived' THEN '{en_route,arrived}' WHEN 'no_show' THEN '{en_route,arrived,no_show}'
                                      WHEN 'in_progress' THEN '{en_route,arrived,in_progress}' ELSE '{en_route,arrived,in_progress,completed}' END::text[] LOOP
      PERFORM pg_temp.advance(name, washman, move);
    END LOOP;
  END IF;
  RETURN pg_temp.state(name);
END
$$;

SELECT pg_temp.clock('10:00');
SELECT washminute.upsert_user('operators_c', 'customer', 'Amina'), washminute.upsert_user('operators_a', 'admin'), washminute.upsert_user('operators_idle', 'washman');
SELECT test_helpers.washman('operators_' || n, -7.61, 33.59 + n / 1000.0) FROM generate_series(1, 3) AS n ORDER BY n;
CREATE FUNCTION pg_temp.explained(name text) RETURNS TABLE (washman_id text, offered boolean, reasons text[]) LANGUAGE sql
AS $$ SELECT e.washman_id, e.offered, e.reasons FROM washminute.explain_match(test_helpers.request('operators_' || name)) AS e WHERE e.washman_id LIKE 'operators\_%' ORDER BY e.washman_id $$;
CREATE FUNCTION pg_temp.near() RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(n.washman_id, ' ') FROM washminute.nearby_washmen(-7.61, 33.59) AS n WHERE n.washman_id LIKE 'operators\_%' $$;

--
-- Suspended
--

SELECT pg_temp.book('s1');
SELECT washminute.flush_locations() >= 0 AS flushed;
SELECT pg_temp.suspend('1');
SELECT status, suspended_at FROM washminute_data.washmen WHERE washman_id = 'operators_1';
SELECT event, request_id, actor_id, at, data FROM washminute_data.events WHERE event IN ('washmanSuspended', 'washmanReinstated') AND data->>'washmanId' = 'operators_1' ORDER BY event_id;
-- he can accept nothing, also not what he was offered before; he is not matched, and that is why
SELECT pg_temp.accept('s1', '1'), pg_temp.near();
SELECT * FROM pg_temp.explained('s1');
SELECT pg_temp.book('s2');
SELECT washman_id FROM washminute_data.offers WHERE request_id = test_helpers.request('operators_s2') ORDER BY washman_id;
-- nor can he come online, once he is off
SELECT pg_temp.suspend('3'), washminute.set_washman_status('operators_3', 'offline'), test_helpers.outcome($$SELECT washminute.set_washman_status('operators_3', 'online')$$);
SELECT test_helpers.outcome($$SELECT washminute.set_washman_status('operators_1', 'online')$$);
SELECT pg_temp.suspend('3', 'reinstate');
SELECT washminute.set_washman_status('operators_3', 'online');
SELECT pg_temp.near();
-- once more does nothing: not the time, not the log
SELECT pg_temp.clock('10:01'), test_helpers.fingerprint() AS before \gset
SELECT pg_temp.suspend('1'), pg_temp.suspend('2', 'reinstate');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
-- reinstated, he is matched at once, and can accept what he was offered
SELECT pg_temp.suspend('1', 'reinstate', 'papers are in order');
SELECT pg_temp.near();
SELECT * FROM pg_temp.explained('s1');
SELECT pg_temp.accept('s1', '1');
SELECT event, request_id, actor_id, at, data FROM washminute_data.events WHERE event IN ('washmanSuspended', 'washmanReinstated') AND data->>'washmanId' = 'operators_1' ORDER BY event_id;
-- the job in hand stays his, to its end
SELECT pg_temp.suspend('1');
SELECT pg_temp.advance('s1', '1', 'en_route'), pg_temp.advance('s1', '1', 'arrived'), pg_temp.advance('s1', '1', 'in_progress'), pg_temp.advance('s1', '1', 'completed');
SELECT pg_temp.state('s1'), pg_temp.suspend('1', 'reinstate');
-- undone with the transaction
BEGIN;
SELECT pg_temp.suspend('1');
ROLLBACK;
SELECT pg_temp.near();
SELECT test_helpers.cancel('operators_s2', 'operators_a');

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome(format('SELECT washminute.%s(%s)', f, call))
  FROM unnest('{suspend_washman,reinstate_washman}'::text[]) WITH ORDINALITY AS f (f, f_number),
       (VALUES (1, $$'operators_1', 'operators_c', 'x'$$), (2, $$'operators_1', 'operators_1', 'x'$$), (3, $$'operators_1', 'operators_nobody', 'x'$$), (4, $$'operators_1', NULL, 'x'$$),
               (5, $$'operators_1', 'operators_a', NULL$$), (6, $$'operators_1', 'operators_a', ''$$), (7, $$'operators_1', 'operators_a', ' '$$), (8, $$'operators_1', 'operators_a', repeat('x', 501)$$),
               (9, $$NULL, 'operators_a', 'x'$$), (10, $$'operators_nobody', 'operators_a', 'x'$$), (11, $$'operators_c', 'operators_a', 'x'$$)) AS c (number, call) ORDER BY f_number, number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT * FROM washminute.check_invariants();

--
-- Given to another
--

-- from every state before the work: the hold goes with the job, the free minutes begin anew, everybody is told, and how the first one's job ended is known
SELECT pg_temp.clock('11:00');
SELECT pg_temp.book('r_pending'), pg_temp.bring('r_pending', '1', 'pending'), pg_temp.reassign('r_pending', '2'), pg_temp.state('r_pending');
SELECT pg_temp.accounts();
SELECT * FROM pg_temp.jobs('r_pending');
SELECT * FROM pg_temp.messages('r_pending');
SELECT event, actor, detail - '{requestId,orderId}'::text[] AS detail FROM washminute.request_history(test_helpers.request('operators_r_pending')) WHERE event = 'requestReassigned';
SELECT pg_temp.force('r_pending');

SELECT pg_temp.clock('11:00');
SELECT pg_temp.book('r_accepted'), pg_temp.bring('r_accepted', '1', 'accepted');
SELECT pg_temp.accounts(), pg_temp.clock('11:05');
SELECT fee FROM washminute.cancellation_fee(test_helpers.request('operators_r_accepted'), 'operators_c');
SELECT pg_temp.reassign('r_accepted', '2'), pg_temp.state('r_accepted');
SELECT pg_temp.accounts();
SELECT fee FROM washminute.cancellation_fee(test_helpers.request('operators_r_accepted'), 'operators_c');
SELECT * FROM pg_temp.jobs('r_accepted');
SELECT * FROM pg_temp.messages('r_accepted');
SELECT event, actor, detail - '{requestId,orderId}'::text[] AS detail FROM washminute.request_history(test_helpers.request('operators_r_accepted')) WHERE event = 'requestReassigned';
-- it is not the first one's any more; he can take another job at once
SELECT pg_temp.advance('r_accepted', '1', 'en_route'), pg_temp.accept('r_accepted', '1');
SELECT pg_temp.book('r_next'), pg_temp.accept('r_next', '1');
SELECT pg_temp.force('r_next'), pg_temp.force('r_accepted');

SELECT pg_temp.book('r_en_route', 'card'), pg_temp.bring('r_en_route', '1', 'en_route'), pg_temp.reassign('r_en_route', '2'), pg_temp.state('r_en_route');
SELECT pg_temp.accounts();
SELECT washman_id, live, outcome, held FROM pg_temp.jobs('r_en_route');
-- he who has it now begins at the beginning, and is paid
SELECT pg_temp.advance('r_en_route', '2', 'arrived'), pg_temp.advance('r_en_route', '2', 'en_route'), pg_temp.advance('r_en_route', '2', 'arrived'),
       pg_temp.advance('r_en_route', '2', 'in_progress'), pg_temp.advance('r_en_route', '2', 'completed');
SELECT pg_temp.accounts();

SELECT pg_temp.book('r_arrived'), pg_temp.bring('r_arrived', '1', 'arrived'), pg_temp.reassign('r_arrived', '2'), pg_temp.state('r_arrived');
SELECT washman_id, live, outcome, held FROM pg_temp.jobs('r_arrived');
-- and on to a third, and back to the first
SELECT pg_temp.reassign('r_arrived', '3'), pg_temp.reassign('r_arrived', '1'), pg_temp.state('r_arrived');
SELECT washman_id, live, outcome, held FROM pg_temp.jobs('r_arrived');
SELECT pg_temp.accounts();
-- given back by him to whom it was given, it is offered to the others and not to him
SELECT pg_temp.advance('r_arrived', '1', 'pending'), pg_temp.state('r_arrived');
SELECT washman_id, declined_at IS NOT NULL AS declined FROM washminute_data.offers WHERE request_id = test_helpers.request('operators_r_arrived') ORDER BY washman_id;
SELECT pg_temp.accept('r_arrived', '1'), pg_temp.accept('r_arrived', '2');
SELECT pg_temp.force('r_arrived');
SELECT * FROM washminute.check_invariants();

-- not from the other states
SELECT status, pg_temp.book('x_' || status), pg_temp.bring('x_' || status, '1', status), pg_temp.reassign('x_' || status, '2')
  FROM unnest('{completed,no_show}'::text[]) WITH ORDINALITY AS s (status, number) ORDER BY number;
SELECT pg_temp.book('x_in_progress'), pg_temp.bring('x_in_progress', '1', 'in_progress'), pg_temp.reassign('x_in_progress', '2');
SELECT pg_temp.force('x_in_progress'), pg_temp.reassign('x_in_progress', '2');
SELECT pg_temp.book('x_expired');
SELECT pg_temp.clock('11:30');
SELECT count(washminute.expire_due()) AS done;
SELECT pg_temp.reassign('x_expired', '2');
SELECT pg_temp.accounts();

-- to whom it cannot be given: the one who has it, the suspended, the busy, one without room, the customer himself
SELECT pg_temp.clock('12:00');
SELECT washminute.report_location('operators_' || n, -7.61, 33.59 + n / 1000.0) FROM generate_series(1, 3) AS n ORDER BY n;
SELECT washminute.upsert_user('operators_3', 'customer');
SELECT pg_temp.book('t1', customer => '3'), pg_temp.book('t2'), pg_temp.accept('t2', '2');
SELECT pg_temp.accept('t1', '1');
SELECT pg_temp.reassign('t1', '1') AS has_it, pg_temp.reassign('t1', '2') AS busy, pg_temp.reassign('t1', '3') AS customer;
SELECT pg_temp.suspend('3');
SELECT pg_temp.reassign('t2', '3') AS suspended;
SELECT pg_temp.suspend('3', 'reinstate');
-- the floor: below it nobody takes a job, at it nobody a cash job
SELECT washminute.settle_balance('operators_3', -488.01, 'to the floor');
SELECT pg_temp.reassign('t2', '3') AS no_room;
SELECT washminute.settle_balance('operators_3', 0.01, 'a centime');
SELECT pg_temp.reassign('t2', '3') AS room;
SELECT pg_temp.accounts();
SELECT pg_temp.reassign('t2', '2');
SELECT washminute.settle_balance('operators_3', -12.01, 'below the floor');
SELECT pg_temp.book('t3', 'card'), pg_temp.reassign('t3', '3') AS below_floor;
SELECT washminute.settle_balance('operators_3', 0.01, 'at the floor');
SELECT pg_temp.reassign('t3', '3') AS at_the_floor;
SELECT pg_temp.accounts();
-- a failed one leaves all as it was
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.reassign('t2', '1') AS busy, pg_temp.reassign('t2', '3') AS busy_too, pg_temp.reassign('t1', '3') AS customer;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT pg_temp.force('t1'), pg_temp.force('t2'), pg_temp.force('t3');
SELECT washminute.settle_balance('operators_3', 500, 'paid in');

-- one who is offline, and has declined it, and was never offered it, can be sent; a card order must be paid
SELECT washminute.set_washman_status('operators_2', 'offline');
SELECT pg_temp.book('o1');
SELECT test_helpers.decline('operators_o1', 'operators_1');
SELECT pg_temp.reassign('o1', '1'), pg_temp.reassign('o1', 'idle'), pg_temp.state('o1');
SELECT pg_temp.reassign('o1', '2'), pg_temp.state('o1');
SELECT pg_temp.advance('o1', '2', 'en_route');
SELECT pg_temp.force('o1');
SELECT test_helpers.book('operators_o2', 'operators_c', '{exterior}', -7.61, 33.59, 'card');
SELECT pg_temp.reassign('o2', '1');
SELECT pg_temp.force('o2');
SELECT pg_temp.accounts();

SELECT pg_temp.book('b1'), test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome(format('SELECT washminute.reassign_request(%s)', replace(call, 'REQUEST', quote_literal(test_helpers.request('operators_b1')))))
  FROM (VALUES (1, $$REQUEST, 'operators_c', 'operators_1', 'x'$$), (2, $$REQUEST, 'operators_1', 'operators_1', 'x'$$), (3, $$REQUEST, 'operators_nobody', 'operators_1', 'x'$$), (4, $$REQUEST, NULL, 'operators_1', 'x'$$),
               (5, $$REQUEST, 'operators_a', 'operators_1', NULL$$), (6, $$REQUEST, 'operators_a', 'operators_1', ''$$), (7, $$REQUEST, 'operators_a', 'operators_1', '  '$$), (8, $$REQUEST, 'operators_a', 'operators_1', repeat('x', 501)$$),
               (9, $$REQUEST, 'operators_a', 'operators_nobody', 'x'$$), (10, $$REQUEST, 'operators_a', 'operators_c', 'x'$$), (11, $$REQUEST, 'operators_a', NULL, 'x'$$),
               (12, $$NULL, 'operators_a', 'operators_1', 'x'$$), (13, $$'00000000-0000-0000-0000-000000000000', 'operators_a', 'operators_1', 'x'$$)) AS c (number, call) ORDER BY number;
SELECT call, test_helpers.outcome(format('SELECT washminute.force_cancel_request(%s)', replace(call, 'REQUEST', quote_literal(test_helpers.request('operators_b1')))))
  FROM (VALUES (1, $$REQUEST, 'operators_c', 'x'$$), (2, $$REQUEST, 'operators_1', 'x'$$), (3, $$REQUEST, 'operators_nobody', 'x'$$), (4, $$REQUEST, NULL, 'x'$$), (5, $$REQUEST, 'operators_a', NULL$$), (6, $$REQUEST, 'operators_a', ''$$),
               (7, $$REQUEST, 'operators_a', ' '$$), (8, $$REQUEST, 'operators_a', repeat('x', 501)$$), (9, $$NULL, 'operators_a', 'x'$$), (10, $$'00000000-0000-0000-0000-000000000000', 'operators_a', 'x'$$)) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT * FROM washminute.check_invariants();
SELECT pg_temp.force('b1');

--
-- Cancelled by force
--

-- in every state, however late, for nothing: what was held is released, what was paid by card is due back in full
SELECT pg_temp.clock('13:00');
SELECT washminute.set_washman_status('operators_2', 'online');
SELECT washminute.report_location('operators_' || n, -7.61, 33.59 + n / 1000.0) FROM generate_series(1, 3) AS n ORDER BY n;
CREATE FUNCTION pg_temp.forced(status text, method text) RETURNS TABLE (outcome text, state text, accounts text, books text, job text, fee numeric, owed bigint, told text, logged text) LANGUAGE plpgsql
AS $$
DECLARE
  name text := 'f_' || status || '_' || method;
BEGIN
  PERFORM pg_temp.clock('13:00'), pg_temp.book(name, method), pg_temp.bring(name, '1', status), pg_temp.clock('13:09');
  outcome := pg_temp.force(name);
  state := pg_temp.state(name);
  accounts := pg_temp.accounts();
  books := (SELECT string_agg(t.purpose || ' ' || t.amount, ', ' ORDER BY t.transfer_id) FROM washminute_data.transfers AS t WHERE t.order_id = test_helpers.order_of('operators_' || name));
  job := (SELECT j.outcome FROM pg_temp.jobs(name) AS j);
  fee := (SELECT o.fee FROM washminute_data.orders AS o WHERE o.order_id = test_helpers.order_of('operators_' || name));
  owed := (SELECT count(*) FROM washminute_data.receivables AS v WHERE v.order_id = test_helpers.order_of('operators_' || name));
  told := (SELECT string_agg(CASE WHEN m.event = 'refundDue' THEN 'the lane payment' ELSE COALESCE(m.recipient, 'all who hold an offer') END || ' ' || m.event, ', ') FROM pg_temp.messages(name) AS m WHERE m.event IN ('requestCancelled', 'refundDue') OR (m.event = 'offerGone' AND status = 'pending'));
  logged := (SELECT format('%s by %s: %s', h.event, h.actor, h.detail->>'reason') FROM washminute.request_history(test_helpers.request('operators_' || name)) AS h WHERE h.event = 'requestCancelled');
  ASSERT (SELECT count(*) FROM washminute.check_invariants()) = 0, 'invariants';
  RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN NEXT;
END
$$;
SELECT s.status, m.method, f.* FROM unnest('{pending,accepted,en_route,arrived,in_progress,completed,no_show}'::text[]) WITH ORDINALITY AS s (status, number),
       unnest('{cash,card}'::text[]) WITH ORDINALITY AS m (method, m_number), pg_temp.forced(s.status, m.method) AS f ORDER BY s.number, m.m_number DESC;
-- once
SELECT pg_temp.clock('13:00');
SELECT pg_temp.book('f1'), pg_temp.force('f1'), pg_temp.force('f1');
-- an administrator's cancel_request does the same; while the work goes on it asks for a reason
SELECT pg_temp.book('f2'), pg_temp.bring('f2', '1', 'in_progress');
SELECT test_helpers.cancel('operators_f2', 'operators_a'), test_helpers.cancel('operators_f2', 'operators_a', ' '), test_helpers.cancel('operators_f2', 'operators_c', 'rain');
SELECT test_helpers.cancel('operators_f2', 'operators_a', 'rain');
SELECT pg_temp.state('f2');
-- an administrator who is the customer cancels as the customer, or by force
SELECT washminute.upsert_user('operators_a', 'customer');
SELECT pg_temp.book('f3', customer => 'a'), pg_temp.bring('f3', '1', 'en_route'), pg_temp.clock('13:05');
SELECT fee FROM washminute.cancellation_fee(test_helpers.request('operators_f3'), 'operators_a');
SELECT pg_temp.force('f3');
SELECT fee FROM washminute_data.orders WHERE order_id = test_helpers.order_of('operators_f3');

SELECT pg_temp.accounts();
SELECT washminute.set_washman_status('operators_' || n, 'offline') FROM generate_series(1, 3) AS n ORDER BY n;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

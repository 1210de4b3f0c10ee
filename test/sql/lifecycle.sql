-- A request's way from its offers to its end: every move from every state, and what
-- each does to order, books, offers and messages.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-06-02 10:00+00', 0);
SET default_transaction_isolation TO serializable;
SELECT count(washminute.expire_due()) AS older_ones_are_out_of_the_way;

SELECT washminute.upsert_user('lifecycle_c', 'customer'), washminute.upsert_user('lifecycle_other', 'customer'), washminute.upsert_user('lifecycle_a', 'admin');
SELECT test_helpers.washman('lifecycle_' || n, -8.00, 31.63 + n / 1000.0) FROM generate_series(1, 3) AS n ORDER BY n;
CREATE FUNCTION pg_temp.book(name text, payment_method text DEFAULT 'cash') RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.book(name, 'lifecycle_c', '{exterior}', -8.00, 31.63, payment_method) $$;
CREATE FUNCTION pg_temp.account(washman_id text) RETURNS text LANGUAGE sql
AS $$ SELECT format('balance %s, held %s', balance, held) FROM washminute_data.accounts AS a WHERE a.washman_id = account.washman_id $$;
CREATE FUNCTION pg_temp.books(name text) RETURNS TABLE (debit text, credit text, amount numeric, purpose text, actor text) LANGUAGE sql
AS $$ SELECT debit_account, credit_account, amount, purpose, actor_id FROM washminute_data.transfers WHERE order_id = test_helpers.order_of(name) ORDER BY transfer_id $$;
CREATE FUNCTION pg_temp.messages(name text) RETURNS TABLE (recipient text, lane text, event text) LANGUAGE sql
AS $$ SELECT recipient_id, lane, event FROM washminute_data.outbox WHERE data->>'requestId' = test_helpers.request(name)::text AND event <> 'newWashingRequest' ORDER BY outbox_id $$;

--
-- Every command on every state
--

-- the commands that lead to a state
CREATE TEMPORARY TABLE ways (number integer, status text, moves text[]);
INSERT INTO ways VALUES
  (1, 'pending', '{}'), (2, 'accepted', '{}'), (3, 'en_route', '{en_route}'), (4, 'arrived', '{en_route,arrived}'),
  (5, 'in_progress', '{en_route,arrived,in_progress}'), (6, 'completed', '{en_route,arrived,in_progress,completed}'),
  (7, 'no_show', '{en_route,arrived,no_show}'), (8, 'cancelled', '{}'), (9, 'expired', '{}');

-- books, brings the request to a state, tries one command, tells how it ended, and undoes it all
CREATE FUNCTION pg_temp.attempt(way ways, command text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  done text := '';
  move text;
BEGIN
  PERFORM pg_temp.book('lifecycle_x');
  IF way.status = 'cancelled' THEN
    done := test_helpers.cancel('lifecycle_x', 'lifecycle_c');
  ELSIF way.status = 'expired' THEN
    PERFORM washminute.set_clock('2026-06-02 10:10+00', 0);
    PERFORM washminute.expire_due();
    PERFORM washminute.set_clock('2026-06-02 10:00+00', 0);
  ELSIF way.status <> 'pending' THEN
    done := test_helpers.accept('lifecycle_x', 'lifecycle_1');
    FOREACH move IN ARRAY way.moves LOOP
      done := test_helpers.advance('lifecycle_x', 'lifecycle_1', move);
    END LOOP;
  END IF;
  ASSERT test_helpers.state('lifecycle_x') LIKE 'request ' || way.status || '%', test_helpers.state('lifecycle_x') || done;
  EXECUTE 'SELECT test_helpers.' || command INTO done;
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = CASE done WHEN 'ok' THEN test_helpers.state('lifecycle_x') ELSE done END;
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
END
$$;

SELECT c.command, w.status AS from_status, pg_temp.attempt(w, c.command) AS outcome
  FROM ways AS w, (VALUES
    (1, $$advance('lifecycle_x', 'lifecycle_1', 'en_route')$$),
    (2, $$advance('lifecycle_x', 'lifecycle_1', 'arrived')$$),
    (3, $$advance('lifecycle_x', 'lifecycle_1', 'in_progress')$$),
    (4, $$advance('lifecycle_x', 'lifecycle_1', 'completed')$$),
    (5, $$advance('lifecycle_x', 'lifecycle_1', 'no_show')$$),
    (6, $$advance('lifecycle_x', 'lifecycle_1', 'pending')$$),
    (7, $$advance('lifecycle_x', 'lifecycle_2', 'en_route')$$),
    (8, $$cancel('lifecycle_x', 'lifecycle_c')$$),
    (9, $$cancel('lifecycle_x', 'lifecycle_a')$$),
    (10, $$cancel('lifecycle_x', 'lifecycle_other')$$),
    (11, $$cancel('lifecycle_x', 'lifecycle_1')$$),
    (12, $$accept('lifecycle_x', 'lifecycle_2')$$),
    (13, $$decline('lifecycle_x', 'lifecycle_1')$$),
    (14, $$decline('lifecycle_x', 'lifecycle_2')$$)
  ) AS c (number, command) ORDER BY c.number, w.number;
SELECT count(*) AS left_over FROM test_helpers.bookings WHERE name = 'lifecycle_x';
SELECT pg_temp.account('lifecycle_1');

-- a state that has no row of transitions cannot be left
BEGIN;
DELETE FROM washminute_data.request_transitions WHERE from_status = 'accepted';
SELECT pg_temp.book('lifecycle_1');
SELECT test_helpers.accept('lifecycle_1', 'lifecycle_1');
SELECT test_helpers.advance('lifecycle_1', 'lifecycle_1', 'en_route');
ROLLBACK;

--
-- What the moves do
--

-- a cash job: the commission is held, then taken
SELECT pg_temp.book('lifecycle_cash');
SELECT test_helpers.accept('lifecycle_cash', 'lifecycle_1'), pg_temp.account('lifecycle_1');
SELECT washminute.set_clock('2026-06-02 10:20+00', 0);
SELECT to_status, test_helpers.advance('lifecycle_cash', 'lifecycle_1', to_status), pg_temp.account('lifecycle_1')
  FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) WITH ORDINALITY AS m (to_status, number) ORDER BY number;
SELECT test_helpers.state('lifecycle_cash'), pg_temp.account('lifecycle_1');
SELECT live, outcome, commission, held, ended_at FROM washminute_data.jobs WHERE request_id = test_helpers.request('lifecycle_cash');
SELECT * FROM pg_temp.books('lifecycle_cash');
SELECT * FROM pg_temp.messages('lifecycle_cash');
SELECT washminute.set_clock('2026-06-02 10:00+00', 0);

-- a card job: paid, then shared
SELECT pg_temp.book('lifecycle_card', 'card');
SELECT washminute.set_clock('2026-06-02 10:09+00', 0);
SELECT washminute.record_payment(order_id => test_helpers.order_of('lifecycle_card'), amount => 60.00, payment_reference => 'NAPS-7') AS offered;
SELECT test_helpers.state('lifecycle_card');
SELECT expires_at FROM washminute_data.washing_requests WHERE request_id = test_helpers.request('lifecycle_card');
SELECT test_helpers.accept('lifecycle_card', 'lifecycle_2'), pg_temp.account('lifecycle_2');
SELECT test_helpers.advance('lifecycle_card', 'lifecycle_2', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT test_helpers.state('lifecycle_card'), pg_temp.account('lifecycle_2');
SELECT * FROM pg_temp.books('lifecycle_card');
SELECT reason FROM washminute_data.transfers WHERE order_id = test_helpers.order_of('lifecycle_card') AND purpose = 'payment';
SELECT event, actor FROM washminute.request_history(test_helpers.request('lifecycle_card'));
SELECT washminute.set_clock('2026-06-02 10:00+00', 0);

-- given back: the hold is released, the others are offered it anew, he is not, whatever he does
SELECT pg_temp.book('lifecycle_back');
SELECT test_helpers.accept('lifecycle_back', 'lifecycle_1'), pg_temp.account('lifecycle_1');
SELECT washminute.set_clock('2026-06-02 10:05+00', 0);
SELECT test_helpers.advance('lifecycle_back', 'lifecycle_1', 'pending');
SELECT test_helpers.state('lifecycle_back'), pg_temp.account('lifecycle_1');
SELECT wave, expires_at, washman_id, accepted_at FROM washminute_data.washing_requests WHERE request_id = test_helpers.request('lifecycle_back');
SELECT washman_id, wave, offered_at, expires_at, declined_at FROM washminute_data.offers WHERE request_id = test_helpers.request('lifecycle_back') ORDER BY washman_id;
SELECT * FROM pg_temp.messages('lifecycle_back');
SELECT test_helpers.accept('lifecycle_back', 'lifecycle_1');
SELECT test_helpers.advance('lifecycle_back', 'lifecycle_1', 'en_route');
SELECT test_helpers.accept('lifecycle_back', 'lifecycle_3');
SELECT test_helpers.advance('lifecycle_back', 'lifecycle_3', 'en_route'), test_helpers.advance('lifecycle_back', 'lifecycle_3', 'arrived'),
       test_helpers.advance('lifecycle_back', 'lifecycle_3', 'pending');
SELECT test_helpers.state('lifecycle_back'), pg_temp.account('lifecycle_3');
SELECT washman_id, live, outcome FROM washminute_data.jobs WHERE request_id = test_helpers.request('lifecycle_back') ORDER BY job_id;
SELECT test_helpers.cancel('lifecycle_back', 'lifecycle_c');

-- cancelled: by the customer with a reason, by an administrator, who tells the customer; a washman who has it is told
SELECT pg_temp.book('lifecycle_cancel_1');
SELECT test_helpers.cancel('lifecycle_cancel_1', 'lifecycle_c', 'changed my mind');
SELECT test_helpers.state('lifecycle_cancel_1');
SELECT event, actor, detail->>'reason' AS reason FROM washminute.request_history(test_helpers.request('lifecycle_cancel_1')) WHERE event = 'requestCancelled';
SELECT * FROM pg_temp.messages('lifecycle_cancel_1');
SELECT pg_temp.book('lifecycle_cancel_2');
SELECT test_helpers.accept('lifecycle_cancel_2', 'lifecycle_1'), test_helpers.cancel('lifecycle_cancel_2', 'lifecycle_a', 'storm');
SELECT test_helpers.state('lifecycle_cancel_2'), pg_temp.account('lifecycle_1');
SELECT * FROM pg_temp.messages('lifecycle_cancel_2');
SELECT live, outcome FROM washminute_data.jobs WHERE request_id = test_helpers.request('lifecycle_cancel_2');

-- no show, of a card job: the money is due back
SELECT pg_temp.book('lifecycle_no_show', 'card');
SELECT washminute.record_payment(test_helpers.order_of('lifecycle_no_show'), 60, 'NAPS-8') AS offered;
SELECT test_helpers.accept('lifecycle_no_show', 'lifecycle_1');
SELECT test_helpers.advance('lifecycle_no_show', 'lifecycle_1', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'no_show']) AS to_status;
SELECT test_helpers.state('lifecycle_no_show'), pg_temp.account('lifecycle_1');
SELECT * FROM pg_temp.books('lifecycle_no_show');
SELECT * FROM pg_temp.messages('lifecycle_no_show');
SELECT event, actor FROM washminute.request_history(test_helpers.request('lifecycle_no_show'));

-- declined: recorded once
SELECT pg_temp.book('lifecycle_decline'), washminute.set_clock('2026-06-02 10:06+00', 0);
SELECT test_helpers.decline('lifecycle_decline', 'lifecycle_1'), test_helpers.decline('lifecycle_decline', 'lifecycle_1');
SELECT washman_id, declined_at FROM washminute_data.offers WHERE request_id = test_helpers.request('lifecycle_decline') ORDER BY washman_id;
SELECT event, actor FROM washminute.request_history(test_helpers.request('lifecycle_decline'));
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_washman_status('lifecycle_' || n, 'offline') FROM generate_series(1, 3) AS n ORDER BY n;
SELECT washminute.set_clock(NULL);

-- What it costs to cancel, not to be there, to give a job back: who pays, who gets it, what is
-- owed and how that ends. What cancellation_fee() shows is what the books have afterwards.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;
SELECT string_agg(format('%s %s', name, value), ', ' ORDER BY name) AS defaults FROM washminute_data.settings
 WHERE name IN ('cancel_fee', 'cancel_fee_share_percent', 'cancel_free_minutes', 'commission_percent', 'give_back_fee', 'no_show_fee');

-- The clock of this day, which stands still.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2026-10-06 ' || at || '+00')::timestamptz, 0) $$;
CREATE FUNCTION pg_temp.account(washman text) RETURNS text LANGUAGE sql
AS $$ SELECT format('balance %s, held %s', balance, held) FROM washminute_data.accounts WHERE washman_id = 'fees_' || washman $$;
CREATE FUNCTION pg_temp.books(name text) RETURNS TABLE (debit text, credit text, amount numeric, purpose text, actor text, reason text) LANGUAGE sql
AS $$ SELECT debit_account, credit_account, amount, purpose, actor_id, reason FROM washminute_data.transfers WHERE order_id = test_helpers.order_of('fees_' || name) ORDER BY transfer_id $$;
CREATE FUNCTION pg_temp.owed(name text) RETURNS TABLE (debtor text, amount numeric, purpose text, created_at timestamptz, settled_at timestamptz, settled_by text, waived boolean, reason text) LANGUAGE sql
AS $$
  SELECT debtor_id, amount, purpose, created_at, settled_at, settled_by, waived, reason
    FROM washminute_data.receivables WHERE order_id = test_helpers.order_of('fees_' || name) ORDER BY created_at, purpose
$$;
CREATE FUNCTION pg_temp.setting(name text, value numeric) RETURNS void LANGUAGE sql
AS $$ UPDATE washminute_data.settings AS s SET value = setting.value WHERE s.name = setting.name $$;

SELECT pg_temp.clock('09:00');
SELECT washminute.upsert_user('fees_c', 'customer'), washminute.upsert_user('fees_a', 'admin');
SELECT test_helpers.washman('fees_1', -9.60, 30.42), test_helpers.washman('fees_2', -9.60, 30.43);

-- Books for 60.00 and has washman 1 accept at ten o'clock; a job paid by card for one who is to.
CREATE FUNCTION pg_temp.book(name text, method text DEFAULT 'cash') RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.clock('10:00');
  PERFORM test_helpers.book('fees_' || name, 'fees_c', '{exterior}', -9.60, 30.42, method);
  IF method = 'card' THEN
    PERFORM washminute.record_payment(test_helpers.order_of('fees_' || name), 60, 'FEES-' || name);
  END IF;
END
$$;
-- ... and brings it to a state. Cash or card; card_due is one that is not paid.
CREATE FUNCTION pg_temp.job(name text, method text DEFAULT 'cash', status text DEFAULT 'accepted', washman text DEFAULT '1') RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  move text;
BEGIN
  IF method = 'card_due' THEN
    PERFORM test_helpers.book('fees_' || name, 'fees_c', '{exterior}', -9.60, 30.42, 'card');
  ELSE
    PERFORM pg_temp.book(name, method);
  END IF;
  IF status <> 'pending' THEN
    move := test_helpers.accept('fees_' || name, 'fees_' || washman);
    FOREACH move IN ARRAY CASE status WHEN 'accepted' THEN '{}' WHEN 'en_route' THEN '{en_route}' WHEN 'arrived' THEN '{en_route,arrived}'
                                      WHEN 'in_progress' THEN '{en_route,arrived,in_progress}' ELSE '{en_route,arrived,in_progress,completed}' END::text[] LOOP
      PERFORM test_helpers.advance('fees_' || name, 'fees_' || washman, move);
    END LOOP;
  END IF;
  RETURN test_helpers.state('fees_' || name);
END
$$;

-- What the books say of an order that came to nothing, in the words of cancellation_fee(): what left the
-- customer's hands, or is owed, what of that the washman has, and what is due back.
CREATE FUNCTION pg_temp.charged(name text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  this_order uuid := test_helpers.order_of('fees_' || name);
  by_card boolean := (SELECT payment_verified FROM washminute_data.orders WHERE order_id = this_order);
  fee numeric; share numeric; refund numeric; owed numeric; gained numeric;
BEGIN
  SELECT COALESCE(sum(amount) FILTER (WHERE purpose IN ('cancellation_fee', 'cancellation_share')), 0),
         COALESCE(sum(amount) FILTER (WHERE purpose = 'cancellation_share' AND credit_account = 'washman:fees_1'), 0),
         COALESCE(sum(amount) FILTER (WHERE purpose = 'refund_due'), 0)
    INTO fee, share, refund FROM washminute_data.transfers WHERE order_id = this_order;
  SELECT COALESCE(sum(amount), 0) INTO owed FROM washminute_data.receivables WHERE order_id = this_order AND settled_at IS NULL AND debtor_id = 'fees_c';
  SELECT balance INTO gained FROM washminute_data.accounts WHERE washman_id = 'fees_1';
  ASSERT fee = (SELECT o.fee FROM washminute_data.orders AS o WHERE o.order_id = this_order), 'the order''s fee';
  ASSERT owed = CASE WHEN by_card THEN 0 ELSE fee END, 'what is owed: ' || owed;
  ASSERT gained = share, 'the washman''s balance: ' || gained;
  ASSERT (SELECT held FROM washminute_data.accounts WHERE washman_id = 'fees_1') = 0, 'held';
  ASSERT NOT by_card OR fee + refund = 60, 'fee and refund';
  ASSERT (SELECT count(*) FROM washminute.check_invariants()) = 0, 'invariants';
  RETURN format('%s, %s, %s%s', round(fee, 2), round(share, 2), round(refund, 2), CASE WHEN owed > 0 THEN ', owed' END);
END
$$;

-- Brings a job to a state, asks at that time what cancelling would cost, cancels, compares, and undoes it all.
CREATE FUNCTION pg_temp.cancelled(status text, method text, at text, actor text) RETURNS TABLE (shown text, outcome text, charged text, same boolean) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.job('x', method, status);
  PERFORM pg_temp.clock(at);
  BEGIN
    SELECT format('%s, %s, %s', f.fee, f.washman_share, f.refund) INTO shown
      FROM washminute.cancellation_fee(test_helpers.request('fees_x'), 'fees_' || actor) AS f;
  EXCEPTION WHEN SQLSTATE 'PT409' THEN
    shown := SQLERRM;
  END;
  outcome := test_helpers.cancel('fees_x', 'fees_' || actor, 'reason');
  IF outcome = 'ok' THEN
    charged := pg_temp.charged('x');
  END IF;
  RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  same := split_part(charged, ', owed', 1) = shown;
  RETURN NEXT;
END
$$;

--
-- What is shown is what is taken: every state, the last free moment and the first that is not
--

SELECT s.status, m.method, t.at, a.actor, c.shown, c.outcome, c.charged, c.same
  FROM unnest('{pending,accepted,en_route,arrived,in_progress,completed}'::text[]) WITH ORDINALITY AS s (status, number),
       unnest('{cash,card}'::text[]) WITH ORDINALITY AS m (method, number),
       unnest('{10:00,10:02:59.999999,10:03,10:09:59}'::text[]) WITH ORDINALITY AS t (at, number),
       unnest('{c,a}'::text[]) WITH ORDINALITY AS a (actor, number),
       pg_temp.cancelled(s.status, m.method, t.at, a.actor) AS c
 ORDER BY a.number DESC, s.number, m.number DESC, t.number;
SELECT * FROM pg_temp.cancelled('pending', 'card_due', '10:09', 'c');

-- other people are shown nothing, and it changes nothing
SELECT pg_temp.job('shown');
SELECT pg_temp.clock('10:05'), test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome(format('SELECT * FROM washminute.cancellation_fee(%s)', replace(call, 'REQUEST', quote_literal(test_helpers.request('fees_shown')))))
  FROM (VALUES (1, $$REQUEST, 'fees_c'$$), (2, $$REQUEST, 'fees_a'$$), (3, $$REQUEST, 'fees_1'$$), (4, $$REQUEST, 'fees_nobody'$$), (5, $$REQUEST, NULL$$), (6, $$REQUEST, ''$$),
               (7, $$NULL, 'fees_c'$$), (8, $$'00000000-0000-0000-0000-000000000000', 'fees_c'$$)) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT test_helpers.cancel('fees_shown', 'fees_a');

-- all that a late cancellation writes, of a cash job and of one paid by card
BEGIN;
SELECT pg_temp.job('cash'), pg_temp.clock('10:03');
SELECT test_helpers.cancel('fees_cash', 'fees_c', 'rain');
SELECT test_helpers.state('fees_cash');
SELECT * FROM pg_temp.books('cash');
SELECT * FROM pg_temp.owed('cash');
SELECT event, actor_id, data - '{requestId,orderId}'::text[] AS data FROM washminute_data.events
 WHERE request_id = test_helpers.request('fees_cash') AND event NOT IN ('newWashingRequest', 'requestOffered', 'washmanAssigned') ORDER BY event_id;
SELECT lane, event, recipient_id, data - '{requestId,orderId}'::text[] AS data FROM washminute_data.outbox
 WHERE data->>'requestId' = test_helpers.request('fees_cash')::text AND event IN ('refundDue', 'requestCancelled') ORDER BY outbox_id;
SELECT pg_temp.account('1'), (SELECT live OR outcome <> 'cancelled' FROM washminute_data.jobs WHERE request_id = test_helpers.request('fees_cash')) AS live;
ROLLBACK;
BEGIN;
SELECT pg_temp.job('card', 'card', 'arrived'), pg_temp.clock('10:03');
SELECT test_helpers.cancel('fees_card', 'fees_c', 'rain');
SELECT test_helpers.state('fees_card');
SELECT * FROM pg_temp.books('card');
SELECT * FROM pg_temp.owed('card');
SELECT event, actor_id, data - '{requestId,orderId}'::text[] AS data FROM washminute_data.events
 WHERE request_id = test_helpers.request('fees_card') AND event IN ('feeCharged', 'refundDue') ORDER BY event_id;
SELECT lane, event, recipient_id, data - '{requestId,orderId}'::text[] AS data FROM washminute_data.outbox
 WHERE data->>'requestId' = test_helpers.request('fees_card')::text AND event IN ('refundDue', 'requestCancelled') ORDER BY outbox_id;
SELECT pg_temp.account('1');
ROLLBACK;

--
-- Settings: how much, whose, from when
--

-- at most the total; the washman's share to the centime; nothing for one of the two; nothing at all
CREATE FUNCTION pg_temp.with_settings(fee numeric, percent numeric, minutes numeric, method text, at text) RETURNS TABLE (shown text, charged text, same boolean, transfers text) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.setting('cancel_fee', fee), pg_temp.setting('cancel_fee_share_percent', percent), pg_temp.setting('cancel_free_minutes', minutes);
  PERFORM pg_temp.job('y', method);
  PERFORM pg_temp.clock(at);
  SELECT format('%s, %s, %s', f.fee, f.washman_share, f.refund) INTO shown FROM washminute.cancellation_fee(test_helpers.request('fees_y'), 'fees_c') AS f;
  PERFORM test_helpers.cancel('fees_y', 'fees_c');
  charged := pg_temp.charged('y');
  transfers := (SELECT string_agg(b.purpose, ', ') FROM pg_temp.books('y') AS b WHERE b.purpose <> 'payment');
  RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  same := split_part(charged, ', owed', 1) = shown;
  RETURN NEXT;
END
$$;
SELECT v.fee, v.percent, v.minutes, v.method, v.at, w.*
  FROM (VALUES (1, 60.00, 70, 3, 'card', '10:03'), (2, 60.01, 70, 3, 'card', '10:03'), (3, 10000, 70, 3, 'card', '10:03'), (4, 10000, 70, 3, 'cash', '10:03'), (5, 59.99, 100, 3, 'card', '10:03'),
               (6, 10, 0, 3, 'card', '10:03'), (7, 10, 100, 3, 'cash', '10:03'), (8, 9.99, 33.33, 3, 'card', '10:03'), (9, 0.01, 50, 3, 'cash', '10:03'), (10, 0.01, 49.99, 3, 'cash', '10:03'),
               (11, 0, 70, 3, 'card', '10:03'), (12, 10, 70, 0, 'card', '10:00'), (13, 10, 70, 20, 'cash', '10:19:59.999999'), (14, 10, 70, 20, 'cash', '10:20'))
       AS v (number, fee, percent, minutes, method, at), pg_temp.with_settings(v.fee, v.percent, v.minutes, v.method, v.at) AS w ORDER BY v.number;

-- a zone's own
BEGIN;
INSERT INTO washminute_data.zone_settings (zone_code, name, value) VALUES ('agadir', 'cancel_fee', 22.50), ('agadir', 'cancel_fee_share_percent', 40), ('agadir', 'cancel_free_minutes', 1);
SELECT * FROM pg_temp.cancelled('accepted', 'card', '10:00:59.999999', 'c');
SELECT * FROM pg_temp.cancelled('accepted', 'card', '10:01', 'c');
ROLLBACK;

--
-- The fee that was agreed to
--

SELECT pg_temp.job('agreed'), pg_temp.clock('10:03');
CREATE FUNCTION pg_temp.agreeing(agreed text, actor text DEFAULT 'c') RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = test_helpers.outcome(format('SELECT washminute.cancel_request(%L, %L, %L, %s)', test_helpers.request('fees_agreed'), 'fees_' || actor, 'reason', agreed));
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
END
$$;
SELECT agreed, pg_temp.agreeing(agreed) FROM unnest(ARRAY['NULL', '10', '10.00', '10.01', '9.99', '0', '-1', '10.005', '''NaN''', '''infinity''', '1e10']) AS agreed;
SELECT pg_temp.agreeing('0', 'a') AS an_administrator_pays_nothing;
-- it was free when it was shown, and no longer is; the other way round it is only less
SELECT pg_temp.clock('10:02:59.999999'), pg_temp.agreeing('0');
SELECT pg_temp.clock('10:03'), pg_temp.agreeing('0');
SELECT pg_temp.setting('cancel_fee', 12.5);
SELECT pg_temp.agreeing('10');
SELECT pg_temp.setting('cancel_fee', 7.5);
SELECT pg_temp.agreeing('10');
SELECT pg_temp.setting('cancel_fee', 10.00), test_helpers.state('fees_agreed');
SELECT test_helpers.cancel('fees_agreed', 'fees_a');

--
-- Nobody there
--

CREATE FUNCTION pg_temp.no_show(fee numeric, method text) RETURNS TABLE (outcome text, state text, charged text, transfers text) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.setting('no_show_fee', fee);
  PERFORM pg_temp.job('z', method, 'arrived');
  outcome := test_helpers.advance('fees_z', 'fees_1', 'no_show');
  state := test_helpers.state('fees_z');
  charged := pg_temp.charged('z');
  transfers := (SELECT string_agg(b.purpose || ' by ' || b.actor, ', ') FROM pg_temp.books('z') AS b WHERE b.purpose <> 'payment');
  ASSERT method = 'card' OR fee = 0 OR (SELECT string_agg(v.purpose, ',') FROM pg_temp.owed('z') AS v) = 'no_show';
  RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN NEXT;
END
$$;
SELECT v.fee, v.method, n.* FROM (VALUES (1, 10, 'cash'), (2, 10, 'card'), (3, 33.33, 'card'), (4, 60.01, 'cash'), (5, 60.01, 'card'), (6, 0, 'card'), (7, 0, 'cash'))
         AS v (number, fee, method), pg_temp.no_show(v.fee, v.method) AS n ORDER BY v.number;
SELECT pg_temp.setting('no_show_fee', 10.00);

--
-- A job that is given back
--

-- by default it costs nothing, however late
BEGIN;
SELECT pg_temp.job('back', 'cash', 'arrived'), pg_temp.clock('10:09');
SELECT test_helpers.advance('fees_back', 'fees_1', 'pending'), pg_temp.account('1');
SELECT * FROM pg_temp.books('back');
ROLLBACK;

-- with a fee: not in the first three minutes, then from his balance, as long as that stays at the floor or above
CREATE FUNCTION pg_temp.given_back(balance numeric, method text, at text, status text DEFAULT 'accepted') RETURNS TABLE (outcome text, account text, books text, owed text) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.setting('give_back_fee', 5);
  IF balance <> 0 THEN
    PERFORM washminute.settle_balance('fees_1', balance, 'to begin with');
  END IF;
  PERFORM pg_temp.job('g', method, status);
  PERFORM pg_temp.clock(at);
  outcome := test_helpers.advance('fees_g', 'fees_1', 'pending');
  account := pg_temp.account('1');
  books := (SELECT string_agg(format('%s %s to %s by %s', b.amount, b.debit, b.credit, b.actor), ', ') FROM pg_temp.books('g') AS b WHERE b.purpose = 'give_back_fee');
  owed := (SELECT string_agg(format('%s %s %s', v.debtor, v.amount, v.purpose), ', ') FROM pg_temp.owed('g') AS v);
  ASSERT (SELECT count(*) FROM washminute.check_invariants()) = 0, 'invariants';
  RAISE SQLSTATE 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN NEXT;
END
$$;
SELECT v.balance, v.method, v.at, v.status, g.*
  FROM (VALUES (1, 0, 'cash', '10:02:59.999999', 'accepted'), (2, 0, 'cash', '10:03', 'accepted'), (3, 0, 'card', '10:03', 'en_route'), (4, 0, 'cash', '10:03', 'arrived'),
               (5, -488.00, 'cash', '10:03', 'accepted'), (6, -495.00, 'card', '10:03', 'accepted'), (7, -495.01, 'card', '10:03', 'accepted'), (8, -500.00, 'card', '10:03', 'accepted'),
               (9, -500.00, 'card', '10:02:59.999999', 'accepted'))
       AS v (number, balance, method, at, status), pg_temp.given_back(v.balance, v.method, v.at, v.status) AS g ORDER BY v.number;

-- one after the other gives it back, and each pays; what is owed is not what he has earned
SELECT pg_temp.setting('give_back_fee', 5), washminute.settle_balance('fees_2', -500, 'at the floor');
SELECT pg_temp.job('twice', 'card'), pg_temp.clock('10:04');
SELECT test_helpers.advance('fees_twice', 'fees_1', 'pending');
SELECT test_helpers.accept('fees_twice', 'fees_2'), pg_temp.clock('10:07'), test_helpers.advance('fees_twice', 'fees_2', 'pending');
SELECT pg_temp.account('1'), pg_temp.account('2');
SELECT * FROM pg_temp.books('twice');
SELECT * FROM pg_temp.owed('twice');
-- and the customer, whom nobody has come to, pays nothing
SELECT fee, washman_share, refund FROM washminute.cancellation_fee(test_helpers.request('fees_twice'), 'fees_c');
SELECT test_helpers.cancel('fees_twice', 'fees_c');
SELECT fee FROM washminute_data.orders WHERE order_id = test_helpers.order_of('fees_twice');
SELECT pg_temp.setting('give_back_fee', 0.00);
SELECT * FROM washminute.check_invariants();

--
-- What is owed, and how that ends
--

CREATE FUNCTION pg_temp.receivable(name text) RETURNS uuid LANGUAGE sql
AS $$ SELECT receivable_id FROM washminute_data.receivables WHERE order_id = test_helpers.order_of('fees_' || name) $$;
CREATE FUNCTION pg_temp.settle(name text, rest text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.settle_receivable(%L, %s)', pg_temp.receivable(name), rest)) $$;
CREATE FUNCTION pg_temp.sums() RETURNS text LANGUAGE sql
AS $$
  SELECT string_agg(format('%s %s', a.account_id, COALESCE((SELECT sum(e.amount) FROM washminute_data.ledger_entries AS e
           WHERE e.account_id = a.account_id AND e.order_id IN (SELECT b.order_id FROM test_helpers.bookings AS b WHERE b.name LIKE 'fees\_%')), 0)), ', ' ORDER BY a.account_id)
    FROM washminute_data.accounts AS a WHERE a.account_id IN ('cash_settlement', 'platform_revenue', 'receivables')
$$;
SELECT pg_temp.job('paid'), pg_temp.clock('10:03');
SELECT test_helpers.cancel('fees_paid', 'fees_c');
SELECT pg_temp.job('waived', 'cash', 'arrived');
SELECT test_helpers.advance('fees_waived', 'fees_1', 'no_show');
SELECT * FROM pg_temp.owed('paid') UNION ALL SELECT * FROM pg_temp.owed('waived');
SELECT pg_temp.sums();

SELECT pg_temp.clock('11:00'), test_helpers.fingerprint() AS before \gset
SELECT call, pg_temp.settle('paid', call)
  FROM (VALUES (1, $$'fees_c', 'paid'$$), (2, $$'fees_1', 'paid'$$), (3, $$'fees_nobody', 'paid'$$), (4, $$NULL, 'paid'$$), (5, $$'', 'paid'$$), (6, $$'fees_a', NULL$$), (7, $$'fees_a', ''$$),
               (8, $$'fees_a', '  '$$), (9, $$'fees_a', repeat('x', 501)$$)) AS c (number, call) ORDER BY number;
SELECT test_helpers.outcome($$SELECT washminute.settle_receivable('00000000-0000-0000-0000-000000000000', 'fees_a', 'paid')$$);
SELECT test_helpers.outcome($$SELECT washminute.settle_receivable(NULL, 'fees_a', 'paid')$$);
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

SELECT pg_temp.settle('paid', $$'fees_a', 'at the counter'$$);
SELECT pg_temp.settle('waived', $$'fees_a', 'was in hospital', true$$);
SELECT * FROM pg_temp.owed('paid') UNION ALL SELECT * FROM pg_temp.owed('waived');
SELECT * FROM pg_temp.books('paid');
SELECT * FROM pg_temp.books('waived');
SELECT pg_temp.sums();
SELECT event, request_id, actor_id, data FROM washminute_data.events WHERE event = 'receivableSettled' AND actor_id = 'fees_a' ORDER BY event_id;
-- once
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.settle('paid', $$'fees_a', 'again'$$), pg_temp.settle('paid', $$'fees_a', 'again', true$$), pg_temp.settle('waived', $$'fees_a', 'again'$$);
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
-- NULL is not waived; what a washman owes ends the same way
SELECT test_helpers.outcome(format($$SELECT washminute.settle_receivable(%L, 'fees_a', 'paid in', NULL)$$, (SELECT receivable_id FROM washminute_data.receivables WHERE debtor_id = 'fees_2')));
SELECT * FROM pg_temp.owed('twice');
SELECT pg_temp.account('2');

SELECT washminute.settle_balance('fees_2', 500, 'paid in');
SELECT washminute.set_washman_status(w, 'offline') FROM unnest('{fees_1,fees_2}'::text[]) AS w;
SELECT string_agg(format('%s %s', name, value), ', ' ORDER BY name) AS as_before FROM washminute_data.settings
 WHERE name IN ('cancel_fee', 'cancel_fee_share_percent', 'cancel_free_minutes', 'commission_percent', 'give_back_fee', 'no_show_fee');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

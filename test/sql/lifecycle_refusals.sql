-- What decline_request, advance_request, cancel_request and record_payment refuse,
-- each changing nothing.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-06-03 10:00+00', 0);
SET default_transaction_isolation TO serializable;

SELECT washminute.upsert_user('refusals_c', 'customer'), washminute.upsert_user('refusals_a', 'admin');
SELECT test_helpers.washman('refusals_1', -1.91, 34.68);
SELECT washminute.upsert_user('refusals_2', 'washman');
SELECT test_helpers.book('refusals_cash', 'refusals_c', '{exterior}', -1.91, 34.68);
SELECT test_helpers.book('refusals_card', 'refusals_c', '{exterior}', -1.91, 34.68, 'card');
SELECT test_helpers.accept('refusals_cash', 'refusals_1');
SELECT test_helpers.request('refusals_cash') AS cash_request, test_helpers.order_of('refusals_cash') AS cash_order,
       test_helpers.request('refusals_card') AS card_request, test_helpers.order_of('refusals_card') AS card_order \gset

-- puts the ids in
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE sql
AS $$
  SELECT test_helpers.outcome('SELECT washminute.' ||
    replace(replace(replace(replace(call, 'CASH_ORDER', quote_literal(test_helpers.order_of('refusals_cash'))),
                            'CARD_ORDER', quote_literal(test_helpers.order_of('refusals_card'))),
                    'CASH_REQUEST', quote_literal(test_helpers.request('refusals_cash'))),
            'CARD_REQUEST', quote_literal(test_helpers.request('refusals_card'))))
$$;

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, pg_temp.outcome(call)
  FROM (VALUES
    (1, $$decline_request(NULL, 'refusals_1')$$),
    (2, $$decline_request('00000000-0000-0000-0000-000000000000', 'refusals_1')$$),
    (3, $$decline_request(CARD_REQUEST, NULL)$$),
    (4, $$decline_request(CARD_REQUEST, '')$$),
    (5, $$decline_request(CARD_REQUEST, repeat('x', 129))$$),
    (6, $$decline_request(CARD_REQUEST, 'refusals_nobody')$$),
    (7, $$decline_request(CARD_REQUEST, 'refusals_c')$$),
    (8, $$decline_request(CARD_REQUEST, 'refusals_2')$$),
    (20, $$advance_request(NULL, 'refusals_1', 'en_route')$$),
    (21, $$advance_request('00000000-0000-0000-0000-000000000000', 'refusals_1', 'en_route')$$),
    (22, $$advance_request(CASH_REQUEST, NULL, 'en_route')$$),
    (23, $$advance_request(CASH_REQUEST, ' ', 'en_route')$$),
    (24, $$advance_request(CASH_REQUEST, 'refusals_nobody', 'en_route')$$),
    (25, $$advance_request(CASH_REQUEST, 'refusals_c', 'en_route')$$),
    (26, $$advance_request(CASH_REQUEST, 'refusals_2', 'en_route')$$),
    (27, $$advance_request(CASH_REQUEST, 'refusals_1', NULL)$$),
    (28, $$advance_request(CASH_REQUEST, 'refusals_1', '')$$),
    (29, $$advance_request(CASH_REQUEST, 'refusals_1', 'EN_ROUTE')$$),
    (30, $$advance_request(CASH_REQUEST, 'refusals_1', 'accepted')$$),
    (31, $$advance_request(CASH_REQUEST, 'refusals_1', 'cancelled')$$),
    (32, $$advance_request(CASH_REQUEST, 'refusals_1', 'expired')$$),
    (33, $$advance_request(CARD_REQUEST, 'refusals_1', 'en_route')$$),
    (40, $$cancel_request(NULL, 'refusals_c')$$),
    (41, $$cancel_request('00000000-0000-0000-0000-000000000000', 'refusals_c')$$),
    (42, $$cancel_request(CASH_REQUEST, NULL)$$),
    (43, $$cancel_request(CASH_REQUEST, '')$$),
    (44, $$cancel_request(CASH_REQUEST, 'refusals_nobody')$$),
    (45, $$cancel_request(CASH_REQUEST, 'refusals_1')$$),
    (46, $$cancel_request(CASH_REQUEST, 'refusals_c', '')$$),
    (47, $$cancel_request(CASH_REQUEST, 'refusals_c', repeat('x', 501))$$),
    (48, $$cancel_request(CASH_REQUEST, 'refusals_c', E'a\tb')$$),
    (60, $$record_payment(NULL, 60, 'REFUSALS-1')$$),
    (61, $$record_payment('00000000-0000-0000-0000-000000000000', 60, 'REFUSALS-1')$$),
    (62, $$record_payment(CARD_REQUEST, 60, 'REFUSALS-1')$$),
    (63, $$record_payment(CASH_ORDER, 60, 'REFUSALS-1')$$),
    (64, $$record_payment(CARD_ORDER, NULL, 'REFUSALS-1')$$),
    (65, $$record_payment(CARD_ORDER, 'NaN', 'REFUSALS-1')$$),
    (66, $$record_payment(CARD_ORDER, 'infinity', 'REFUSALS-1')$$),
    (67, $$record_payment(CARD_ORDER, '-infinity', 'REFUSALS-1')$$),
    (68, $$record_payment(CARD_ORDER, 0, 'REFUSALS-1')$$),
    (69, $$record_payment(CARD_ORDER, -60, 'REFUSALS-1')$$),
    (70, $$record_payment(CARD_ORDER, 60.001, 'REFUSALS-1')$$),
    (71, $$record_payment(CARD_ORDER, 59.99, 'REFUSALS-1')$$),
    (72, $$record_payment(CARD_ORDER, 60.01, 'REFUSALS-1')$$),
    (73, $$record_payment(CARD_ORDER, 9999999999.99, 'REFUSALS-1')$$),
    (74, $$record_payment(CARD_ORDER, 10000000000, 'REFUSALS-1')$$),
    (75, $$record_payment(CARD_ORDER, 1e1000, 'REFUSALS-1')$$),
    (76, $$record_payment(CARD_ORDER, 1e-1000, 'REFUSALS-1')$$),
    (77, $$record_payment(CARD_ORDER, 60, NULL)$$),
    (78, $$record_payment(CARD_ORDER, 60, '')$$),
    (79, $$record_payment(CARD_ORDER, 60, repeat('x', 129))$$),
    (80, $$record_payment(CARD_ORDER, 1e131071, 'REFUSALS-1')$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- a payment counts once: the same reference again does nothing, whatever became of the request; another is refused
CREATE FUNCTION pg_temp.pay(amount numeric, payment_reference text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  before text := test_helpers.fingerprint();
  offered integer;
BEGIN
  offered := washminute.record_payment(test_helpers.order_of('refusals_card'), amount, payment_reference);
  RETURN format('offered to %s%s', offered, CASE WHEN test_helpers.fingerprint() = before THEN ', nothing changed' END);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS before = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || before;
END
$$;
CREATE FUNCTION pg_temp.books() RETURNS TABLE (debit_account text, credit_account text, amount numeric, purpose text, actor_id text, reason text) LANGUAGE sql
AS $$
  SELECT t.debit_account, t.credit_account, t.amount, t.purpose, t.actor_id, t.reason
    FROM washminute_data.transfers AS t WHERE t.order_id = test_helpers.order_of('refusals_card') ORDER BY t.transfer_id
$$;
SELECT test_helpers.book('refusals_card_2', 'refusals_c', '{exterior}', -1.91, 34.68, 'card');
BEGIN;
SELECT washminute.set_washman_status('refusals_1', 'offline');
SELECT test_helpers.washman('refusals_3', -1.91, 34.68);
SELECT pg_temp.pay(60.000, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-2');
SELECT pg_temp.pay(60.00, 'refusals-1');
SELECT pg_temp.pay(59.99, 'REFUSALS-1');
SELECT * FROM pg_temp.books();
-- a reference belongs to one order, whatever the amount
SELECT test_helpers.outcome(format('SELECT washminute.record_payment(%L, %s, %L)', test_helpers.order_of('refusals_card_2'), amount, 'REFUSALS-1'))
  FROM unnest(ARRAY[60, 59.99]) AS amount;
SELECT pg_temp.outcome($$record_payment(CASH_ORDER, 60, 'REFUSALS-1')$$);
SELECT test_helpers.state('refusals_card_2');
SELECT test_helpers.accept('refusals_card', 'refusals_3');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT test_helpers.advance('refusals_card', 'refusals_3', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-2');
SELECT * FROM washminute.check_invariants();
ROLLBACK;

-- paid, then cancelled: due back once
BEGIN;
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT test_helpers.cancel('refusals_card', 'refusals_c');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-2');
SELECT * FROM pg_temp.books();
ROLLBACK;

-- what comes after the cancellation is booked, and due back; the wrong amount is not
BEGIN;
SELECT test_helpers.cancel('refusals_card', 'refusals_c');
SELECT pg_temp.pay(59.99, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT test_helpers.state('refusals_card');
SELECT * FROM pg_temp.books();
SELECT lane, event, data->>'amount' AS amount FROM washminute_data.outbox WHERE data->>'requestId' = :'card_request' AND lane = 'payment';
SELECT event, actor, detail->>'status' AS status FROM washminute.request_history(:'card_request');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-2');
SELECT * FROM washminute.check_invariants();
ROLLBACK;

-- up to the deadline, and after it as long as the request is pending: the job is offered for a full time
BEGIN;
SELECT washminute.set_clock('2026-06-03 10:09:59.999999+00', 0);
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
ROLLBACK;
BEGIN;
SELECT washminute.set_clock('2026-06-03 10:10+00', 0);
SELECT pg_temp.pay(59.99, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT r.expires_at, t.due_at FROM washminute_data.washing_requests AS r JOIN washminute_data.request_timers AS t USING (request_id) WHERE r.request_id = :'card_request';
SELECT washminute.expire_due() > 0 AS others_expired;
SELECT test_helpers.state('refusals_card');
SELECT * FROM washminute.check_invariants();
ROLLBACK;

-- what comes after it has expired is booked, and due back
BEGIN;
SELECT washminute.set_clock('2026-06-03 10:10+00', 0);
SELECT washminute.expire_due() > 0 AS expired;
SELECT test_helpers.state('refusals_card');
SELECT pg_temp.pay(60.01, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-1');
SELECT pg_temp.pay(60.00, 'REFUSALS-2');
SELECT test_helpers.state('refusals_card');
SELECT * FROM pg_temp.books();
SELECT count(*) AS timers FROM washminute_data.request_timers WHERE request_id = :'card_request';
SELECT * FROM washminute.check_invariants();
ROLLBACK;
SELECT test_helpers.cancel('refusals_card_2', 'refusals_c');

-- paid by card and cancelled before the work: due back, and told to the gateway's lane
SELECT washminute.set_clock('2026-06-03 10:05+00', 0);
SELECT washminute.record_payment(:'card_order', 60.00, 'REFUSALS-2') AS offered;
SELECT test_helpers.cancel('refusals_card', 'refusals_c', 'too late');
SELECT test_helpers.state('refusals_card');
SELECT debit_account, credit_account, amount, purpose, actor_id, reason FROM washminute_data.transfers WHERE order_id = :'card_order' ORDER BY transfer_id;
SELECT lane, event, data->>'amount' AS amount FROM washminute_data.outbox WHERE data->>'requestId' = :'card_request' AND lane = 'payment';

SELECT test_helpers.cancel('refusals_cash', 'refusals_a');
SELECT washminute.set_washman_status('refusals_1', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

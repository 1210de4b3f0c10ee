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
    (60, $$record_payment(NULL, 60, 'NAPS-1')$$),
    (61, $$record_payment('00000000-0000-0000-0000-000000000000', 60, 'NAPS-1')$$),
    (62, $$record_payment(CARD_REQUEST, 60, 'NAPS-1')$$),
    (63, $$record_payment(CASH_ORDER, 60, 'NAPS-1')$$),
    (64, $$record_payment(CARD_ORDER, NULL, 'NAPS-1')$$),
    (65, $$record_payment(CARD_ORDER, 'NaN', 'NAPS-1')$$),
    (66, $$record_payment(CARD_ORDER, 'infinity', 'NAPS-1')$$),
    (67, $$record_payment(CARD_ORDER, '-infinity', 'NAPS-1')$$),
    (68, $$record_payment(CARD_ORDER, 0, 'NAPS-1')$$),
    (69, $$record_payment(CARD_ORDER, -60, 'NAPS-1')$$),
    (70, $$record_payment(CARD_ORDER, 60.001, 'NAPS-1')$$),
    (71, $$record_payment(CARD_ORDER, 59.99, 'NAPS-1')$$),
    (72, $$record_payment(CARD_ORDER, 60.01, 'NAPS-1')$$),
    (73, $$record_payment(CARD_ORDER, 9999999999.99, 'NAPS-1')$$),
    (74, $$record_payment(CARD_ORDER, 10000000000, 'NAPS-1')$$),
    (75, $$record_payment(CARD_ORDER, 1e1000, 'NAPS-1')$$),
    (76, $$record_payment(CARD_ORDER, 1e-1000, 'NAPS-1')$$),
    (77, $$record_payment(CARD_ORDER, 60, NULL)$$),
    (78, $$record_payment(CARD_ORDER, 60, '')$$),
    (79, $$record_payment(CARD_ORDER, 60, repeat('x', 129))$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- a payment counts once, only while the request waits for it, and only till its deadline
BEGIN;
SELECT pg_temp.outcome($$record_payment(CARD_ORDER, 60.000, 'NAPS-1')$$);
SELECT pg_temp.outcome($$record_payment(CARD_ORDER, 60.00, 'NAPS-1')$$);
ROLLBACK;
BEGIN;
SELECT test_helpers.cancel('refusals_card', 'refusals_c');
SELECT pg_temp.outcome($$record_payment(CARD_ORDER, 60.00, 'NAPS-1')$$);
ROLLBACK;
BEGIN;
SELECT washminute.set_clock('2026-06-03 10:09:59.999999+00', 0);
SELECT pg_temp.outcome($$record_payment(CARD_ORDER, 60.00, 'NAPS-1')$$);
ROLLBACK;
BEGIN;
SELECT washminute.set_clock('2026-06-03 10:10+00', 0);
SELECT pg_temp.outcome($$record_payment(CARD_ORDER, 60.00, 'NAPS-1')$$);
SELECT washminute.expire_due() > 0 AS expired;
SELECT test_helpers.state('refusals_card');
SELECT pg_temp.outcome($$record_payment(CARD_ORDER, 60.00, 'NAPS-1')$$);
ROLLBACK;

-- paid by card and cancelled before the work: due back, and told to the gateway's lane
SELECT washminute.set_clock('2026-06-03 10:05+00', 0);
SELECT washminute.record_payment(:'card_order', 60.00, 'NAPS-2') AS offered;
SELECT test_helpers.cancel('refusals_card', 'refusals_c', 'too late');
SELECT test_helpers.state('refusals_card');
SELECT debit_account, credit_account, amount, purpose, actor_id, reason FROM washminute_data.transfers WHERE order_id = :'card_order' ORDER BY transfer_id;
SELECT lane, event, data->>'amount' AS amount FROM washminute_data.outbox WHERE data->>'requestId' = :'card_request' AND lane = 'payment';

SELECT test_helpers.cancel('refusals_cash', 'refusals_a');
SELECT washminute.set_washman_status('refusals_1', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

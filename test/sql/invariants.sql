-- check_invariants() finds each thing that must not be: every one is made once, with
-- triggers and constraints out of the way, and undone.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SET default_transaction_isolation TO serializable;
SELECT washminute.set_clock('2026-06-09 10:00+00', 0);
SELECT washminute.upsert_user('invariants_c', 'customer');
SELECT test_helpers.washman('invariants_' || n, -6.91, 32.88 + n / 1000.0) FROM generate_series(1, 4) AS n ORDER BY n;
SELECT name, test_helpers.book(name, 'invariants_c', '{exterior}', -6.91, 32.88, payment_method)
  FROM (VALUES ('invariants_pending', 'cash'), ('invariants_taken', 'cash'), ('invariants_done', 'cash'), ('invariants_refund', 'card'), ('invariants_paid', 'card'),
               ('invariants_card', 'card'))
       AS b (name, payment_method);
SELECT test_helpers.accept('invariants_taken', 'invariants_1'), test_helpers.accept('invariants_done', 'invariants_2');
SELECT test_helpers.advance('invariants_done', 'invariants_2', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT washminute.record_payment(test_helpers.order_of('invariants_refund'), 60, 'INVARIANTS-1'), washminute.record_payment(test_helpers.order_of('invariants_paid'), 60, 'INVARIANTS-2');
SELECT test_helpers.cancel('invariants_refund', 'invariants_c');
SELECT washminute.record_payment(test_helpers.order_of('invariants_card'), 60, 'INVARIANTS-3');
SELECT test_helpers.accept('invariants_card', 'invariants_4');
SELECT test_helpers.advance('invariants_card', 'invariants_4', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT washminute.settle_balance('invariants_4', 10, 'paid in'), washminute.settle_balance('invariants_4', -5, 'paid out');
-- by way of the gateway: one that is begun; one that is paid, as the gateway's callback leaves it, and paid back in part; one that came to nothing after that
SELECT name, test_helpers.book(name, 'invariants_c', '{exterior}', -6.91, 32.88, 'card') FROM unnest(ARRAY['invariants_begun', 'invariants_charged', 'invariants_offset']) AS name;
SELECT status FROM washminute.begin_payment(test_helpers.order_of('invariants_begun'), 'invariants_c', 'key');
CREATE FUNCTION pg_temp.payment(name text) RETURNS uuid LANGUAGE sql
AS $$ SELECT p.payment_id FROM washminute_data.payments AS p WHERE p.order_id = test_helpers.order_of(name) $$;
CREATE FUNCTION pg_temp.attempt(name text) RETURNS uuid LANGUAGE sql
AS $$ SELECT a.attempt_id FROM washminute_data.payment_attempts AS a WHERE a.payment_id = pg_temp.payment(name) $$;
CREATE FUNCTION pg_temp.charge(name text, gateway_order_id text) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM washminute.record_payment(test_helpers.order_of(name), 60, gateway_order_id);
  INSERT INTO washminute_data.payments (payment_id, order_id, customer_id, amount, status, captured, created_at, updated_at)
  VALUES (gen_random_uuid(), test_helpers.order_of(name), 'invariants_c', 60, 'paid', 60, now(), now());
  INSERT INTO washminute_data.payment_attempts (attempt_id, payment_id, number, gateway_order_id, amount, status, charged, nonce, created_at, updated_at)
  VALUES (gen_random_uuid(), pg_temp.payment(name), 1, gateway_order_id, 60, 'settled', 60, decode(repeat('00', 16), 'hex'), now(), now());
  UPDATE washminute_data.payments SET paid_by = pg_temp.attempt(name) WHERE payment_id = pg_temp.payment(name);
  PERFORM washminute.request_refund(pg_temp.payment(name), 20, 'a scratch', 'key');
END
$$;
SELECT pg_temp.charge('invariants_charged', 'INVARIANTS4'), pg_temp.charge('invariants_offset', 'INVARIANTS5');
SELECT test_helpers.cancel('invariants_offset', 'invariants_c');
SELECT test_helpers.book('invariants_reserved', 'invariants_c', '{exterior}', -6.91, 32.88, 'cash', '2026-06-09 15:00+00');
-- one in whose chat something is written
SELECT test_helpers.book('invariants_chat', 'invariants_c', '{exterior}', -6.91, 32.88);
SELECT washminute.upsert_user('invariants_a', 'admin'), washminute.upsert_user('invariants_5', 'washman');
SELECT washminute.reassign_request(test_helpers.request('invariants_chat'), 'invariants_a', 'invariants_5', 'test');
SELECT sequence FROM generate_series(1, 3) AS n, LATERAL washminute.send_message(test_helpers.request('invariants_chat'), 'invariants_c', n::text, 'Hello');
SELECT * FROM washminute.check_invariants();

-- makes a change, tells what is found, and undoes the change
CREATE FUNCTION pg_temp.found(change text) RETURNS text[] LANGUAGE plpgsql
AS $$
DECLARE
  names text[];
BEGIN
  SET LOCAL session_replication_role = 'replica';
  EXECUTE change;
  SELECT array_agg(DISTINCT c.invariant ORDER BY c.invariant) INTO names FROM washminute.check_invariants() AS c;
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = COALESCE(names::text, '{}');
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM::text[];
END
$$;

CREATE TEMPORARY TABLE changes (number integer, invariant text, change text);
INSERT INTO changes VALUES
  (1, 'a request has at most one live job',
   $$DROP INDEX washminute_data.jobs_one_live_per_request;
     INSERT INTO washminute_data.jobs (request_id, washman_id, period, commission, held, accepted_at)
     VALUES (test_helpers.request('invariants_taken'), 'invariants_1', '[2030-01-01,2030-01-02)', 0, 0, now())$$),
  (2, 'live jobs of a washman never overlap',
   $$ALTER TABLE washminute_data.jobs DROP CONSTRAINT jobs_washman_times_never_overlap;
     INSERT INTO washminute_data.jobs (request_id, washman_id, period, commission, held, accepted_at)
     VALUES (test_helpers.request('invariants_pending'), 'invariants_1', tstzrange('2026-06-09 10:59+00', '2026-06-09 12:00+00'), 0, 0, now())$$),
  (3, 'a request is in hand exactly while a live job of its washman stands',
   $$UPDATE washminute_data.jobs SET live = false, held = 0, outcome = 'cancelled', ended_at = now() WHERE request_id = test_helpers.request('invariants_taken')$$),
  (4, 'a request is in hand exactly while a live job of its washman stands',
   $$UPDATE washminute_data.jobs SET washman_id = 'invariants_2' WHERE request_id = test_helpers.request('invariants_taken')$$),
  (5, 'a request is in hand exactly while a live job of its washman stands',
   $$INSERT INTO washminute_data.jobs (request_id, washman_id, period, commission, held, accepted_at)
     VALUES (test_helpers.request('invariants_pending'), 'invariants_3', '[2030-01-01,2030-01-02)', 0, 0, now())$$),
  (6, 'a request that was done has exactly one job with that outcome',
   $$UPDATE washminute_data.jobs SET outcome = 'given_back' WHERE request_id = test_helpers.request('invariants_done')$$),
  (7, 'the washman of a job was offered the request, given it by an operator, or took a reservation ahead',
   $$DELETE FROM washminute_data.offers WHERE request_id = test_helpers.request('invariants_taken') AND washman_id = 'invariants_1'$$),
  (8, 'the last move in the event log is to the present status',
   $$DELETE FROM washminute_data.events WHERE request_id = test_helpers.request('invariants_taken') AND event = 'washmanAssigned'$$),
  (9, 'the last move in the event log is to the present status',
   $$DELETE FROM washminute_data.events WHERE request_id = test_helpers.request('invariants_pending')$$),
  (10, 'order and request agree',
   $$UPDATE washminute_data.orders SET status = 'cancelled' WHERE order_id = test_helpers.order_of('invariants_taken')$$),
  (11, 'order and request agree',
   $$UPDATE washminute_data.orders SET status = 'pending' WHERE order_id = test_helpers.order_of('invariants_done')$$),
  (12, 'every order has a request, of the same customer',
   $$INSERT INTO washminute_data.orders (order_id, reference, customer_id, status, payment_method, total, created_at, updated_at)
     VALUES (gen_random_uuid(), 'REGRESS', 'invariants_c', 'pending', 'cash', 60, now(), now())$$),
  (13, 'the lines of an order sum to its total',
   $$UPDATE washminute_data.order_lines SET price = price + 0.01 WHERE order_id = test_helpers.order_of('invariants_pending')$$),
  (14, 'the lines of an order sum to its total',
   $$DELETE FROM washminute_data.order_lines WHERE order_id = test_helpers.order_of('invariants_pending')$$),
  (15, 'a pending request has a timer that is due when something is to be done',
   $$DELETE FROM washminute_data.request_timers WHERE request_id = test_helpers.request('invariants_pending')$$),
  (16, 'a washman''s balance is the sum of his transfers',
   $$UPDATE washminute_data.accounts SET balance = balance + 0.01 WHERE washman_id = 'invariants_2'$$),
  (17, 'what is held is the sum of live jobs and open payouts',
   $$UPDATE washminute_data.accounts SET held = 0 WHERE washman_id = 'invariants_1'$$),
  (18, 'every washman has a status and an account',
   $$DELETE FROM washminute_data.accounts WHERE washman_id = 'invariants_3'$$),
  (19, 'a completed order took its commission',
   $$DELETE FROM washminute_data.transfers WHERE order_id = test_helpers.order_of('invariants_done')$$),
  (20, 'an order that was not completed took no commission',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
     VALUES (now(), 'cash_settlement', 'platform_revenue', 12, 'commission', test_helpers.order_of('invariants_pending'))$$),
  (21, 'the customers'' funds are those of paid orders in hand',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose)
     VALUES (now(), 'customer_funds', 'card_clearing', 60, 'settlement')$$),
  (22, 'a paid order that came to nothing is due back',
   $$UPDATE washminute_data.transfers SET amount = 59.99 WHERE order_id = test_helpers.order_of('invariants_refund') AND purpose = 'refund_due'$$),
  (23, 'each move in the event log is one that is allowed',
   $$DELETE FROM washminute_data.events WHERE request_id = test_helpers.request('invariants_done') AND data->>'status' = 'arrived'$$),
  (24, 'each move in the event log is one that is allowed',
   $$UPDATE washminute_data.events SET data = data || '{"status": "expired"}' WHERE request_id = test_helpers.request('invariants_refund') AND event = 'paymentReceived'$$),
  (25, 'each move in the event log is one that is allowed',
   $$DELETE FROM washminute_data.events WHERE request_id = test_helpers.request('invariants_taken') AND data->>'status' = 'pending';
     UPDATE washminute_data.events SET data = data || '{"status": "in_progress"}' WHERE request_id = test_helpers.request('invariants_taken')$$),
  (26, 'every order has a request, of the same customer',
   $$UPDATE washminute_data.washing_requests SET customer_id = 'invariants_1' WHERE request_id = test_helpers.request('invariants_pending')$$),
  (27, 'a pending request has a timer that is due when something is to be done',
   $$UPDATE washminute_data.request_timers SET due_at = due_at + interval '1 microsecond' WHERE request_id = test_helpers.request('invariants_pending')$$),
  (28, 'every washman has a status and an account',
   $$DELETE FROM washminute_data.washmen WHERE washman_id = 'invariants_3'$$),
  (29, 'every washman has a status and an account',
   $$UPDATE washminute_data.accounts SET account_id = 'washman:invariants_x' WHERE washman_id = 'invariants_3'$$),
  (30, 'every washman has a status and an account',
   $$UPDATE washminute_data.users SET kinds = '{customer,washman}' WHERE user_id = 'invariants_c'$$),
  (31, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'cash_settlement' WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'payment'$$),
  (32, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET credit_account = 'refunds_payable' WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'payment'$$),
  (33, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'card_clearing' WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'commission'$$),
  (34, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'washman:invariants_1' WHERE order_id = test_helpers.order_of('invariants_done') AND purpose = 'commission'$$),
  (35, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET credit_account = 'refunds_payable' WHERE order_id = test_helpers.order_of('invariants_done') AND purpose = 'commission'$$),
  (36, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'card_clearing' WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'washman_income'$$),
  (37, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET credit_account = 'washman:invariants_1' WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'washman_income'$$),
  (38, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET credit_account = 'card_clearing' WHERE order_id = test_helpers.order_of('invariants_refund') AND purpose = 'refund_due'$$),
  (39, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'card_clearing' WHERE order_id = test_helpers.order_of('invariants_refund') AND purpose = 'refund_due'$$),
  (40, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'platform_revenue' WHERE credit_account = 'washman:invariants_4' AND purpose = 'settlement'$$),
  (41, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET credit_account = 'platform_revenue' WHERE debit_account = 'washman:invariants_4' AND purpose = 'settlement'$$),
  (42, 'a washman''s income from a card order is its total less the commission',
   $$UPDATE washminute_data.transfers SET amount = amount - 0.01 WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'washman_income'$$),
  (43, 'a washman''s income from a card order is its total less the commission',
   $$DELETE FROM washminute_data.transfers WHERE order_id = test_helpers.order_of('invariants_card') AND purpose = 'washman_income'$$),
  (44, 'a washman''s income from a card order is its total less the commission',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
     VALUES (now(), 'customer_funds', 'washman:invariants_2', 48, 'washman_income', test_helpers.order_of('invariants_done'))$$),
  (45, 'a job was accepted while its offer stood',
   $$UPDATE washminute_data.offers SET expires_at = '2026-06-09 10:00+00' WHERE request_id = test_helpers.request('invariants_taken') AND washman_id = 'invariants_1'$$),
  (46, 'a request was offered within its ring, in a wave it has had',
   $$UPDATE washminute_data.offers SET distance_m = 5001 WHERE request_id = test_helpers.request('invariants_taken')$$),
  (47, 'a request was offered within its ring, in a wave it has had',
   $$UPDATE washminute_data.offers SET wave = 2 WHERE request_id = test_helpers.request('invariants_taken')$$),
  (48, 'a live job and its request tell the same time of acceptance',
   $$UPDATE washminute_data.jobs SET accepted_at = '2026-06-09 09:59+00' WHERE request_id = test_helpers.request('invariants_taken')$$),
  (49, 'every payout that was paid was booked',
   $$INSERT INTO washminute_data.payouts VALUES (gen_random_uuid(), 'invariants_4', 1, 'paid', now(), now(), 'a', 'r')$$),
  (50, 'what is held is the sum of live jobs and open payouts',
   $$INSERT INTO washminute_data.payouts VALUES (gen_random_uuid(), 'invariants_4', 1, 'requested', now())$$),
  (51, 'what is owed is the sum of open receivables',
   $$INSERT INTO washminute_data.receivables VALUES (gen_random_uuid(), 'invariants_c', test_helpers.order_of('invariants_done'), 1, 'no_show', now())$$),
  (52, 'the fee of an order was booked',
   $$UPDATE washminute_data.orders SET fee = 1 WHERE order_id = test_helpers.order_of('invariants_done')$$),
  (53, 'transfers are between the accounts of their purpose',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
     VALUES (now(), 'customer_funds', 'platform_revenue', 1, 'cancellation_fee', test_helpers.order_of('invariants_done'))$$),
  (54, 'transfers are between the accounts of their purpose',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
     VALUES (now(), 'receivables', 'washman:invariants_1', 1, 'cancellation_share', test_helpers.order_of('invariants_done'))$$),
  (55, 'transfers are between the accounts of their purpose',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id, actor_id)
     VALUES (now(), 'washman:invariants_1', 'platform_revenue', 1, 'give_back_fee', test_helpers.order_of('invariants_done'), 'invariants_2')$$),
  (56, 'transfers are between the accounts of their purpose',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
     VALUES (now(), 'card_clearing', 'receivables', 1, 'receivable', test_helpers.order_of('invariants_done'))$$),
  (57, 'transfers are between the accounts of their purpose',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose)
     VALUES (now(), 'card_clearing', 'payouts_paid', 1, 'payout')$$),
  (58, 'every job is of a request',
   $$UPDATE washminute_data.jobs SET request_id = gen_random_uuid() WHERE request_id = test_helpers.request('invariants_done')$$),
  (59, 'a payment''s sums are those of its attempts and refunds',
   $$UPDATE washminute_data.payments SET captured = 59.99 WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (60, 'a payment''s sums are those of its attempts and refunds',
   $$UPDATE washminute_data.payments SET reserved = 19.99 WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (61, 'a payment''s sums are those of its attempts and refunds',
   $$UPDATE washminute_data.refunds SET status = 'failed' WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (62, 'a payment''s sums are those of its attempts and refunds',
   $$INSERT INTO washminute_data.payment_attempts (attempt_id, payment_id, number, gateway_order_id, amount, status, charged, surplus, nonce, created_at, updated_at)
     VALUES (gen_random_uuid(), pg_temp.payment('invariants_charged'), 2, 'INVARIANTS6', 60, 'settled', 60, true, decode(repeat('00', 16), 'hex'), now(), now())$$),
  (63, 'an order was paid by an attempt that was charged',
   $$UPDATE washminute_data.payment_attempts SET surplus = true WHERE attempt_id = pg_temp.attempt('invariants_charged')$$),
  (64, 'an order was paid by an attempt that was charged',
   $$UPDATE washminute_data.transfers SET reason = 'INVARIANTS7' WHERE order_id = test_helpers.order_of('invariants_charged') AND purpose = 'payment'$$),
  (65, 'an order was paid by an attempt that was charged',
   $$UPDATE washminute_data.payments SET paid_by = pg_temp.attempt('invariants_begun') WHERE payment_id = pg_temp.payment('invariants_begun')$$),
  (66, 'an order was paid by an attempt that was charged',
   $$UPDATE washminute_data.payments SET paid_by = pg_temp.attempt('invariants_charged') WHERE payment_id = pg_temp.payment('invariants_begun')$$),
  (67, 'an order was paid by an attempt that was charged',
   $$UPDATE washminute_data.payments SET amount = 59.99 WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (68, 'what was charged and paid no order is surplus',
   $$UPDATE washminute_data.payments SET paid_by = NULL WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (69, 'a refund is booked once it has gone',
   $$UPDATE washminute_data.refunds SET status = 'accepted', method = 'refund' WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (70, 'a refund is booked once it has gone',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id, reason)
     SELECT now(), 'refunds_payable', 'card_clearing', 20, 'refund', test_helpers.order_of('invariants_charged'), refund_id FROM washminute_data.refunds WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (71, 'the gateway is asked about what is open',
   $$DELETE FROM washminute_data.outbox WHERE lane = 'payment' AND data->>'attemptId' = pg_temp.attempt('invariants_begun')::text$$),
  (72, 'the gateway is asked about what is open',
   $$UPDATE washminute_data.refunds SET status = 'unknown', method = 'refund' WHERE payment_id = pg_temp.payment('invariants_charged')$$),
  (73, 'a refund that was asked for is queued',
   $$DELETE FROM washminute_data.outbox WHERE lane = 'payment' AND data->>'refundId' IN (SELECT refund_id::text FROM washminute_data.refunds WHERE payment_id = pg_temp.payment('invariants_charged'))$$),
  (74, 'a refund that was asked for is queued',
   $$UPDATE washminute_data.refunds SET status = 'dispatched', method = 'refund' WHERE payment_id = pg_temp.payment('invariants_charged');
     DELETE FROM washminute_data.outbox WHERE lane = 'payment'$$),
  (75, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET debit_account = 'customer_funds' WHERE order_id = test_helpers.order_of('invariants_charged') AND purpose = 'refund_granted'$$),
  (76, 'transfers are between the accounts of their purpose',
   $$UPDATE washminute_data.transfers SET credit_account = 'card_clearing' WHERE order_id = test_helpers.order_of('invariants_offset') AND purpose = 'refund_offset'$$),
  (77, 'transfers are between the accounts of their purpose',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
     VALUES (now(), 'card_clearing', 'platform_revenue', 1, 'surplus', test_helpers.order_of('invariants_charged'))$$),
  (78, 'a reserved request and its reservation tell the same time, live until it ends',
   $$UPDATE washminute_data.washing_requests SET reservation_at = reservation_at + '1 minute' WHERE request_id = test_helpers.request('invariants_reserved')$$),
  (79, 'a reserved request and its reservation tell the same time, live until it ends',
   $$UPDATE washminute_data.reservations SET live = false WHERE request_id = test_helpers.request('invariants_reserved')$$),
  (80, 'a reserved request and its reservation tell the same time, live until it ends',
   $$DELETE FROM washminute_data.reservations WHERE request_id = test_helpers.request('invariants_reserved')$$),
  (81, 'a reservation that can be offered has its stages, and none is ahead of one that has ended',
   $$DELETE FROM washminute_data.reservation_stages WHERE request_id = test_helpers.request('invariants_reserved') AND stage = 'reminder'$$),
  (82, 'a reservation that can be offered has its stages, and none is ahead of one that has ended',
   $$UPDATE washminute_data.reservations SET live = false WHERE request_id = test_helpers.request('invariants_reserved')$$),
  (83, 'the books of a payment are what the gateway did',
   $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id, reason)
     SELECT now(), 'card_clearing', 'refunds_payable', 1, 'surplus', test_helpers.order_of('invariants_charged'), gateway_order_id
       FROM washminute_data.payment_attempts WHERE attempt_id = pg_temp.attempt('invariants_charged')$$),
  (84, 'live events are kept from a position on',
   $$INSERT INTO washminute_data.socket_events (position, room, event, data, at) SELECT i.socket_events_floor, 'r', 'x', '{}', now() FROM washminute_data.instance AS i$$),
  (85, 'the messages of a chat are numbered without a gap',
   $$DELETE FROM washminute_data.chat_messages WHERE chat_id = test_helpers.request('invariants_chat') AND sequence = 2$$),
  (86, 'the messages of a chat are numbered without a gap',
   $$UPDATE washminute_data.chats SET last_sequence = 4 WHERE chat_id = test_helpers.request('invariants_chat')$$),
  (87, 'the messages of a chat are numbered without a gap',
   $$UPDATE washminute_data.chat_messages SET sequence = sequence + 1 WHERE chat_id = test_helpers.request('invariants_chat') AND sequence = 3$$),
  (88, 'chats are of requests, members and messages of chats',
   $$UPDATE washminute_data.chat_messages SET chat_id = gen_random_uuid() WHERE chat_id = test_helpers.request('invariants_chat');
     UPDATE washminute_data.chats SET last_sequence = 0 WHERE chat_id = test_helpers.request('invariants_chat');
     UPDATE washminute_data.chat_members SET read_sequence = 0 WHERE chat_id = test_helpers.request('invariants_chat')$$),
  (89, 'chats are of requests, members and messages of chats',
   $$INSERT INTO washminute_data.chats (chat_id, opened_at) SELECT gen_random_uuid(), opened_at FROM washminute_data.chats WHERE chat_id = test_helpers.request('invariants_chat')$$),
  (90, 'chats are of requests, members and messages of chats',
   $$UPDATE washminute_data.chat_members SET chat_id = gen_random_uuid() WHERE chat_id = test_helpers.request('invariants_chat') AND kind = 'washman';
     INSERT INTO washminute_data.chat_members (chat_id, user_id, kind, joined_at, first_sequence, read_sequence) VALUES (test_helpers.request('invariants_chat'), 'invariants_5', 'washman', now(), 1, 0)$$),
  (91, 'nobody has read a message that was not written',
   $$UPDATE washminute_data.chat_members SET read_sequence = 4 WHERE chat_id = test_helpers.request('invariants_chat') AND kind = 'washman'$$),
  (92, 'nobody has read a message that was not written',
   $$UPDATE washminute_data.chat_members SET first_sequence = 5, read_sequence = 4 WHERE chat_id = test_helpers.request('invariants_chat') AND kind = 'washman'$$),
  (93, 'the customer and the washman of a request are in its chat, and no other washman',
   $$DELETE FROM washminute_data.chat_members WHERE chat_id = test_helpers.request('invariants_chat') AND kind = 'customer'$$),
  (94, 'the customer and the washman of a request are in its chat, and no other washman',
   $$DELETE FROM washminute_data.chat_members WHERE chat_id = test_helpers.request('invariants_chat') AND kind = 'washman'$$),
  (95, 'the customer and the washman of a request are in its chat, and no other washman',
   $$INSERT INTO washminute_data.chat_members (chat_id, user_id, kind, joined_at, first_sequence, read_sequence) VALUES (test_helpers.request('invariants_chat'), 'invariants_1', 'washman', now(), 1, 0)$$),
  (96, 'a chat''s time runs once its request has ended',
   $$UPDATE washminute_data.chats SET closes_at = now() WHERE chat_id = test_helpers.request('invariants_chat')$$);

SELECT c.number, c.invariant, c.invariant = ANY (f.names) AS found, array_remove(f.names, c.invariant) AS others
  FROM changes AS c, LATERAL (SELECT pg_temp.found(c.change)) AS f (names) ORDER BY c.number;

-- that was all of them
SELECT m[1] AS not_made
  FROM regexp_matches((SELECT prosrc FROM pg_proc WHERE oid = 'washminute.check_invariants()'::regprocedure), $$SELECT '((?:[^']|'')+)',$$, 'g') AS m
 WHERE replace(m[1], '''''', '''') NOT IN (SELECT invariant FROM changes);
SELECT count(*) AS invariants FROM regexp_matches((SELECT prosrc FROM pg_proc WHERE oid = 'washminute.check_invariants()'::regprocedure), $$SELECT '((?:[^']|'')+)',$$, 'g');

-- nothing of it is left
SELECT * FROM washminute.check_invariants();
SELECT test_helpers.cancel(name, 'invariants_c') FROM unnest(ARRAY['invariants_pending', 'invariants_taken', 'invariants_paid', 'invariants_begun', 'invariants_charged', 'invariants_reserved', 'invariants_chat']) AS name;
SELECT washminute.set_washman_status('invariants_' || n, 'offline') FROM generate_series(1, 4) AS n ORDER BY n;
SELECT * FROM washminute.check_invariants();
-- tests that come after this one empty the queue, in which what is open must be
SET session_replication_role TO replica;
DELETE FROM washminute_data.payment_observations;
DELETE FROM washminute_data.payment_exceptions;
DELETE FROM washminute_data.refunds;
DELETE FROM washminute_data.payment_attempts;
DELETE FROM washminute_data.payments;
RESET session_replication_role;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

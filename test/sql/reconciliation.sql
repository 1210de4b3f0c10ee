-- What a person decides about card payments, and statements of the gateway: read, matched, and
-- what differs.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET client_min_messages TO error;
SET default_transaction_isolation TO serializable;

CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql AS $$ SELECT washminute.set_clock((at || '+00')::timestamptz, 0) $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql
AS $$ SELECT p.payment_id FROM washminute_data.payments AS p WHERE p.order_id = test_helpers.order_of('recon_' || name) $$;
CREATE FUNCTION pg_temp.state(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN (SELECT concat_ws(', ', p.status || ' ' || o.status,
                           (SELECT string_agg(concat_ws(' ', a.status, a.charged, CASE WHEN a.surplus THEN 'surplus' END), ' + ' ORDER BY a.number) FROM washminute_data.payment_attempts AS a WHERE a.payment_id = p.payment_id),
                           (SELECT string_agg(concat_ws(' ', f.method, f.status, f.amount), ' + ' ORDER BY f.created_at, f.reason_key) FROM washminute_data.refunds AS f WHERE f.payment_id = p.payment_id),
                           (SELECT string_agg('open: ' || e.kind, ', ' ORDER BY e.kind) FROM washminute_data.payment_exceptions AS e WHERE e.payment_id = p.payment_id AND e.resolved_at IS NULL))
            FROM washminute_data.payments AS p JOIN washminute_data.orders AS o USING (order_id) WHERE p.payment_id = pg_temp.id(name));
END
$$;
CREATE FUNCTION pg_temp.books(name text) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(format('%s > %s %s %s', t.debit_account, t.credit_account, t.amount, t.purpose), E'\n' ORDER BY t.transfer_id) FROM washminute_data.transfers AS t WHERE t.order_id = test_helpers.order_of('recon_' || name) $$;
-- An attempt whose link the customer has.
CREATE FUNCTION pg_temp.link(name text) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM test_helpers.book('recon_' || name, 'recon_c', '{exterior}', -1.91, 34.68, 'card', NULL);
  PERFORM washminute.begin_payment(test_helpers.order_of('recon_' || name), 'recon_c', 'key ' || name);
  UPDATE washminute_data.payment_attempts SET status = 'dispatched', dispatched_at = washminute.now(), gateway_order_id = upper('RECON' || replace(name, '_', '')) WHERE payment_id = pg_temp.id(name);
  UPDATE washminute_data.payment_attempts SET status = 'awaiting', link = 'https://x' WHERE payment_id = pg_temp.id(name);
END
$$;
CREATE FUNCTION pg_temp.raise(name text, kind text, data jsonb DEFAULT '{}') RETURNS void LANGUAGE sql
AS $$
  INSERT INTO washminute_data.payment_exceptions (exception_id, kind, payment_id, attempt_id, refund_id, data, since)
  SELECT gen_random_uuid(), raise.kind, a.payment_id, a.attempt_id,
         CASE WHEN raise.kind LIKE 'refund%' THEN (SELECT f.refund_id FROM washminute_data.refunds AS f WHERE f.payment_id = a.payment_id) END, data, washminute.now()
    FROM washminute_data.payment_attempts AS a WHERE a.payment_id = pg_temp.id(name)
$$;
CREATE FUNCTION pg_temp.open(name text, kind text) RETURNS uuid LANGUAGE sql
AS $$ SELECT e.exception_id FROM washminute_data.payment_exceptions AS e WHERE e.payment_id = pg_temp.id(name) AND e.kind = open.kind AND e.resolved_at IS NULL $$;
CREATE FUNCTION pg_temp.decide(name text, kind text, decision text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  outcome text := test_helpers.outcome(format('SELECT washminute.resolve_exception(%L, %L, %L, %L)', pg_temp.open(name, kind), 'recon_a', decision, 'as the portal says'));
BEGIN
  RETURN outcome || ': ' || pg_temp.state(name);
END
$$;
-- One that is paid.
CREATE FUNCTION pg_temp.pay(name text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_temp.link(name); PERFORM pg_temp.raise(name, 'attempt_unknown'); RETURN pg_temp.decide(name, 'attempt_unknown', 'charged'); END $$;
-- With a refund of which nobody knows.
CREATE FUNCTION pg_temp.send(name text, method text, amount numeric DEFAULT NULL) RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.pay(name);
  IF amount IS NULL THEN
    PERFORM test_helpers.cancel('recon_' || name, 'recon_c');
  ELSE
    PERFORM washminute.request_refund(pg_temp.id(name), amount, 'a scratch', 'key');
  END IF;
  UPDATE washminute_data.refunds SET status = 'unknown', method = send.method, dispatched_at = washminute.now() WHERE payment_id = pg_temp.id(name);
  PERFORM pg_temp.raise(name, 'refund_unknown');
  -- as the worker leaves it
  DELETE FROM washminute_data.outbox WHERE data->>'refundId' = (SELECT f.refund_id::text FROM washminute_data.refunds AS f WHERE f.payment_id = pg_temp.id(name));
END
$$;
CREATE FUNCTION pg_temp.accept(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE washminute_data.offers SET expires_at = washminute.now() + '1 hour' WHERE request_id = test_helpers.request('recon_' || name);
  RETURN test_helpers.accept('recon_' || name, 'recon_1');
END
$$;

SELECT pg_temp.clock('2026-11-12 08:00');
SELECT count(washminute.expire_due()) AS what_others_left;
SELECT washminute.upsert_user('recon_c', 'customer'), washminute.upsert_user('recon_a', 'admin'), test_helpers.washman('recon_1', -1.91, 34.68);

--
-- Who may decide what
--

SELECT pg_temp.clock('2026-11-12 09:00');
SELECT pg_temp.link('first'), pg_temp.raise('first', 'attempt_unknown');
SELECT pg_temp.open('first', 'attempt_unknown') AS e \gset
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.resolve_exception(' || replace(call, '$', quote_literal(:'e')) || ')')
  FROM (VALUES (1, $$NULL, 'recon_a', 'charged', 'r'$$), (2, $$$, NULL, 'charged', 'r'$$), (3, $$$, 'recon_a', NULL, 'r'$$), (4, $$$, 'recon_a', 'charged', NULL$$), (5, $$$, 'recon_a', 'charged', ' '$$), (6, $$$, 'recon_a', 'charged', repeat('r', 501)$$),
               (7, $$$, 'recon_c', 'charged', 'r'$$), (8, $$$, 'recon_nobody', 'charged', 'r'$$), (9, $$'00000000-0000-0000-0000-000000000000', 'recon_a', 'charged', 'r'$$), (10, $$$, 'recon_a', 'paid_back', 'r'$$), (11, $$$, 'recon_a', 'Charged', 'r'$$)) AS c (number, call)
 ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT pg_temp.decide('first', 'attempt_unknown', 'charged');
SELECT test_helpers.outcome(format('SELECT washminute.resolve_exception(%L, %L, %L, %L)', :'e', 'recon_a', 'not_charged', 'r'));
SELECT kind, resolved_at, resolved_by, decision, reason FROM washminute_data.payment_exceptions WHERE exception_id = :'e';
SELECT event, actor_id, data - '{paymentId,orderId,requestId,exceptionId}'::text[] AS data FROM washminute_data.events WHERE request_id = test_helpers.request('recon_first') AND event LIKE 'payment%' ORDER BY event_id;

--
-- What each decision does
--

-- attempts of which nobody knew: paid, or too late; not paid
SELECT pg_temp.link('late'), pg_temp.link('never'), pg_temp.raise('late', 'attempt_unknown'), pg_temp.raise('never', 'attempt_unknown');
SELECT test_helpers.cancel('recon_late', 'recon_c');
SELECT pg_temp.decide('late', 'attempt_unknown', 'charged'), pg_temp.decide('never', 'attempt_unknown', 'not_charged');
-- called back, and denied since
SELECT pg_temp.pay('denied'), pg_temp.pay('denied_2'), pg_temp.pay('denied_3');
SELECT pg_temp.raise(name, 'success_contradicted') FROM unnest('{denied,denied_2,denied_3}'::text[]) AS name;
SELECT pg_temp.accept('denied_3');
SELECT pg_temp.decide('denied', 'success_contradicted', 'charged'), pg_temp.decide('denied_2', 'success_contradicted', 'not_charged'), pg_temp.decide('denied_3', 'success_contradicted', 'not_charged');
SELECT pg_temp.decide('denied_3', 'reversed_in_hand', 'written_off');
SELECT pg_temp.books('denied_2');
SELECT pg_temp.books('denied_3');
SELECT test_helpers.cancel('recon_denied_3', 'recon_a', 'it rains'), pg_temp.state('denied_3');
SELECT pg_temp.books('denied_3');
SELECT pg_temp.pay('in_hand'), pg_temp.raise('in_hand', 'reversed_in_hand');
SELECT pg_temp.decide('in_hand', 'reversed_in_hand', 'stands');
-- another amount
SELECT pg_temp.link('amount'), pg_temp.pay('amount_2'), pg_temp.pay('amount_3');
UPDATE washminute_data.payment_attempts SET status = 'integrity' WHERE payment_id = pg_temp.id('amount');
SELECT pg_temp.raise(name, 'amount_differs') FROM unnest('{amount,amount_2,amount_3}'::text[]) AS name;
SELECT pg_temp.decide('amount', 'amount_differs', 'accepted');
SELECT pg_temp.decide('amount', 'amount_differs', 'returned'), pg_temp.decide('amount_2', 'amount_differs', 'accepted'), pg_temp.decide('amount_3', 'amount_differs', 'returned');
-- again
SELECT pg_temp.pay('again'), pg_temp.raise('again', 'second_sale');
SELECT pg_temp.decide('again', 'second_sale', 'returned');
SELECT pg_temp.raise('again', 'second_sale');
SELECT pg_temp.decide('again', 'second_sale', 'not_charged');
-- refunds of which nobody knew
SELECT pg_temp.send('refund', 'refund'), pg_temp.send('reversal', 'reversal'), pg_temp.send('resend', 'reversal'), pg_temp.send('failed', 'refund'), pg_temp.send('granted', 'refund', 20);
SELECT pg_temp.decide('refund', 'refund_unknown', 'paid_back'), pg_temp.decide('reversal', 'refund_unknown', 'paid_back'), pg_temp.decide('resend', 'refund_unknown', 'send_again');
SELECT pg_temp.decide('failed', 'refund_unknown', 'not_paid_back'), pg_temp.decide('granted', 'refund_unknown', 'not_paid_back');
SELECT count(*) AS queued FROM washminute_data.outbox WHERE data->>'refundId' = (SELECT refund_id::text FROM washminute_data.refunds WHERE payment_id = pg_temp.id('resend'));
-- and that were refused: one that was granted has been booked back
SELECT pg_temp.decide('granted', 'refund_failed', 'send_again'), pg_temp.decide('granted', 'refund_failed', 'paid_outside'), pg_temp.decide('failed', 'refund_failed', 'closed');
SELECT pg_temp.decide('granted', 'refund_failed', 'closed'), pg_temp.decide('failed', 'refund_failed', 'send_again');
UPDATE washminute_data.refunds SET status = 'failed' WHERE payment_id = pg_temp.id('failed');
SELECT pg_temp.raise('failed', 'refund_failed');
-- not more than is left
BEGIN;
INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, reason, reason_key, created_at, updated_at) SELECT gen_random_uuid(), payment_id, attempt_id, 0.01, 'r', 'k', now(), now() FROM washminute_data.payment_attempts WHERE payment_id = pg_temp.id('failed');
SELECT pg_temp.decide('failed', 'refund_failed', 'send_again');
ROLLBACK;
SELECT pg_temp.decide('failed', 'refund_failed', 'paid_outside');
SELECT pg_temp.books('failed');
SELECT pg_temp.books('granted');
DELETE FROM washminute_data.outbox WHERE data->>'refundId' = (SELECT refund_id::text FROM washminute_data.refunds WHERE payment_id = pg_temp.id('failed'));
-- what cannot be any more
SELECT pg_temp.raise('failed', 'refund_unknown');
SELECT pg_temp.decide('failed', 'refund_unknown', 'paid_back'), pg_temp.decide('failed', 'refund_unknown', 'send_again');
DELETE FROM washminute_data.payment_exceptions WHERE exception_id = pg_temp.open('failed', 'refund_unknown');
SELECT * FROM washminute.check_invariants();

-- it has gone back after all, by a refund, by a reversal; one that was granted is the platform's again
SELECT pg_temp.send('after_all', 'refund'), pg_temp.send('after_all_2', 'reversal'), pg_temp.send('after_all_3', 'refund', 20);
SELECT name, pg_temp.decide(name, 'refund_unknown', 'not_paid_back'), pg_temp.decide(name, 'refund_failed', 'paid_back') FROM unnest('{after_all,after_all_2,after_all_3}'::text[]) AS name;
SELECT pg_temp.books('after_all_2');
SELECT pg_temp.books('after_all_3');
-- what was owed and failed, and a part, or all, of which an administrator has granted since: the rest is owed, or nothing
SELECT pg_temp.send('granted_2', 'refund'), pg_temp.send('granted_3', 'refund');
SELECT pg_temp.decide(name, 'refund_unknown', 'not_paid_back'), washminute.request_refund(pg_temp.id(name), amount, 'since it failed', 'since') IS NULL AS no_refund FROM (VALUES (1, 'granted_2', 20), (2, 'granted_3', 60)) AS c (number, name, amount) ORDER BY number;
SELECT pg_temp.decide('granted_2', 'refund_failed', 'closed'), pg_temp.decide('granted_2', 'refund_failed', 'paid_back'), pg_temp.decide('granted_2', 'refund_failed', 'send_again');
SELECT pg_temp.decide('granted_3', 'refund_failed', 'send_again'), pg_temp.decide('granted_3', 'refund_failed', 'paid_outside'), pg_temp.decide('granted_3', 'refund_failed', 'paid_back'), pg_temp.decide('granted_3', 'refund_failed', 'closed');
SELECT pg_temp.books('granted_2');
SELECT pg_temp.books('granted_3');
-- the gateway took back what had failed to go back: that is what was owed, and no more; by the evidence, or by the decision
SELECT pg_temp.send('taken', 'reversal'), pg_temp.send('taken_2', 'refund'), pg_temp.link('taken_3'), pg_temp.raise('taken_3', 'attempt_unknown');
SELECT test_helpers.cancel('recon_taken_3', 'recon_c');
SELECT pg_temp.decide('taken', 'refund_unknown', 'not_paid_back'), pg_temp.raise('taken', 'success_contradicted'), pg_temp.decide('taken', 'success_contradicted', 'not_charged');
UPDATE washminute_data.payment_attempts SET status = 'captured' WHERE payment_id = pg_temp.id('taken_2');
SELECT pg_temp.decide('taken_2', 'refund_unknown', 'not_paid_back'), pg_temp.raise('taken_2', 'success_contradicted'), pg_temp.decide('taken_2', 'success_contradicted', 'not_charged'), pg_temp.decide('taken_2', 'reversed_in_hand', 'written_off');
SELECT pg_temp.books('taken');
SELECT pg_temp.books('taken_2');
-- money that was surplus
SELECT pg_temp.decide('taken_3', 'attempt_unknown', 'charged');
UPDATE washminute_data.refunds SET status = 'unknown', method = 'reversal', dispatched_at = washminute.now() WHERE payment_id = pg_temp.id('taken_3');
DELETE FROM washminute_data.outbox WHERE data->>'refundId' = (SELECT f.refund_id::text FROM washminute_data.refunds AS f WHERE f.payment_id = pg_temp.id('taken_3'));
SELECT pg_temp.raise('taken_3', 'refund_unknown'), pg_temp.decide('taken_3', 'refund_unknown', 'not_paid_back'), pg_temp.raise('taken_3', 'success_contradicted'), pg_temp.decide('taken_3', 'success_contradicted', 'not_charged');
SELECT pg_temp.books('taken_3');
-- a part was owed, since there was a fee: the platform bears the rest alone
SELECT pg_temp.pay('taken_4'), pg_temp.accept('taken_4');
SELECT pg_temp.clock('2026-11-12 09:04');
SELECT test_helpers.cancel('recon_taken_4', 'recon_c');
UPDATE washminute_data.refunds SET status = 'unknown', method = 'reversal', dispatched_at = washminute.now() WHERE payment_id = pg_temp.id('taken_4');
DELETE FROM washminute_data.outbox WHERE data->>'refundId' = (SELECT f.refund_id::text FROM washminute_data.refunds AS f WHERE f.payment_id = pg_temp.id('taken_4'));
SELECT pg_temp.raise('taken_4', 'refund_unknown'), pg_temp.decide('taken_4', 'refund_unknown', 'not_paid_back'), pg_temp.raise('taken_4', 'success_contradicted'), pg_temp.decide('taken_4', 'success_contradicted', 'not_charged'), pg_temp.decide('taken_4', 'reversed_in_hand', 'written_off');
SELECT pg_temp.books('taken_4');
-- taken back while a refund of a part is unknown: in whose hands the money is a person says
SELECT pg_temp.send('taken_5', 'reversal', 20), pg_temp.raise('taken_5', 'success_contradicted');
SELECT pg_temp.decide('taken_5', 'success_contradicted', 'not_charged');
SELECT pg_temp.decide('taken_5', 'refund_unknown', 'paid_back'), pg_temp.decide('taken_5', 'reversed_in_hand', 'written_off');
SELECT pg_temp.books('taken_5');
DELETE FROM washminute_data.outbox WHERE data->>'refundId' IN (SELECT f.refund_id::text FROM washminute_data.refunds AS f WHERE f.status = 'failed');
SELECT * FROM washminute.check_invariants();

--
-- Statements that cannot be read
--

CREATE FUNCTION pg_temp.import(statement text, content text, rest text DEFAULT '') RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  answer text;
  detail text;
BEGIN
  EXECUTE format('SELECT concat_ws('' '', s.lines, s.matched, s.differ, s.only_theirs, s.only_ours) FROM washminute.import_settlement(%L, %L%s) AS s', statement, content, rest) INTO answer;
  RETURN answer;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', SQLSTATE, detail, CASE WHEN SQLSTATE NOT LIKE 'PT%' THEN SQLERRM END);
END
$$;
SELECT test_helpers.fingerprint() AS before \gset
SELECT number, pg_temp.import('s', content)
  FROM (VALUES (1, NULL), (2, ''), (3, 'orderid,amount'), (4, 'amount,date,kind'), (5, 'orderid,amount,date'), (6, E'orderid,amount,date\nA,x,2026-11-12'), (7, E'orderid,amount,date\nA,0,2026-11-12'), (8, E'orderid,amount,date\nA,1.001,2026-11-12'),
               (9, E'orderid,amount,date\nA,1,2026-11-31'), (10, E'orderid,amount,date\n\nA,1,12.11.2026'), (11, E'orderid,amount,date,kind\nA,1,2026-11-12,fee'), (12, E'orderid,amount,date,kind\nA,1,2026-11-12,'), (13, E'orderid,amount,date,kind\nA,-1,2026-11-12,sale'),
               (14, E'orderid,numauto,amount,date\n,,1,2026-11-12'), (15, E'orderid,amount,date\n' || repeat('A', 65) || ',1,2026-11-12'), (16, E'orderid,amount,date\nA,1'), (17, E'orderid,amount,date\nA,1,2026-02-29'),
               (18, E'date,orderid,amount\n2026-11-12,A,60,50'), (19, E'date,orderid,amount\n2026-11-12,A,1,234.00'), (20, E'orderid,date,amount\nA,2026-11-12,"6"0.00'), (21, E'orderid,date,amount\nA,2026-11-12,"60'),
               (22, 'orderid,amount,date' || repeat(',x', 62) || E'\nA,60,2026-11-12'), (23, E'orderid,amount,date,amount\nA,60,2026-11-12,70'), (24, E'orderid;amount;date\nA;60;2026-11-12;;x')) AS c (number, content) ORDER BY number;
SELECT pg_temp.import(NULL, 'x'), pg_temp.import(' ', 'x'), pg_temp.import(repeat('s', 129), 'x'), pg_temp.import('s', E'orderid,amount,date\nA,1,2026-11-12', ', ''recon_c'''), pg_temp.import('s', E'orderid,amount,date\nA,1,2026-11-12', ', ''recon_nobody''');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

--
-- Matched
--

SELECT pg_temp.clock('2026-11-20 09:00');
SELECT count(pg_temp.pay('s' || n)) AS paid FROM generate_series(1, 9) AS n;
SELECT pg_temp.link('open');
SELECT pg_temp.pay('part'), pg_temp.pay('back'), pg_temp.pay('refund_1'), pg_temp.pay('refund_2'), pg_temp.pay('answered');
-- of part 20 were reversed before the capture, of back all
INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, status, method, reason, reason_key, created_at, dispatched_at, updated_at)
SELECT gen_random_uuid(), a.payment_id, a.attempt_id, f.amount, f.status, f.method, 'r', 'k' || f.number, washminute.now(), washminute.now(), washminute.now()
  FROM (VALUES ('part', 1, 20, 'reversed', 'reversal'), ('back', 1, 60, 'reversed', 'reversal'), ('refund_1', 1, 10, 'accepted', 'refund'), ('refund_1', 2, 10, 'accepted', 'refund'), ('refund_2', 1, 15, 'accepted', 'refund'),
               ('answered', 1, 30, 'unknown', 'refund')) AS f (name, number, amount, status, method)
  JOIN washminute_data.payment_attempts AS a ON a.payment_id = pg_temp.id(f.name);
INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id, reason)
SELECT now(), v.debit_account, v.credit_account, f.amount, v.purpose, p.order_id, f.refund_id FROM washminute_data.refunds AS f JOIN washminute_data.payments AS p USING (payment_id),
       (VALUES ('platform_revenue', 'refunds_payable', 'refund_granted'), ('refunds_payable', 'card_clearing', 'refund')) AS v (debit_account, credit_account, purpose) WHERE f.reason = 'r' AND (f.status <> 'unknown' OR v.purpose = 'refund_granted');
UPDATE washminute_data.payments AS p SET captured = 60, reserved = (SELECT sum(f.amount) FROM washminute_data.refunds AS f WHERE f.payment_id = p.payment_id) WHERE p.payment_id IN (SELECT f.payment_id FROM washminute_data.refunds AS f WHERE f.reason = 'r');
UPDATE washminute_data.payment_attempts SET authorization_number = '12345' || right(gateway_order_id, 1) WHERE gateway_order_id ~ '^RECONS[1-9]$';
SELECT * FROM washminute.check_invariants();

-- all of it: 1 to 3 by their order id, with amounts and dates in all ways; 4 and 5 by number, amount and day; 6 with another amount; 7 not at all; 8 twice; 9 by the number of 4 on another day;
-- one that is open here; one of nobody; part and refunds; a refund that was never answered, one that differs and one that nobody asked for
\set content 'date;KIND;Amount;orderid;numauto;fee\r\n20/11/2026;sale;60,00;RECONS1;x;1\r\n2026-11-20;sale;60;"RECONS2";;\r\n 2026-11-20 ; SALE ; 60.0 ;RECONS3\r\n2026-11-20;sale;60.00;;123454\r\n21/11/2026;sale;60.00;;123455\r\n2026-11-20;sale;59.00;RECONS6\r\n;;;\r\n2026-11-20;sale;60;RECONS8\r\n2026-11-20;sale;60;RECONS8\r\n2026-12-20;sale;60;;123459\r\n2026-11-20;sale;60;RECONOPEN\r\n2026-11-20;sale;70;NOBODYS\r\n2026-11-20;sale;40;RECONPART\r\n2026-11-20;sale;60;RECONREFUND1\r\n2026-11-20;refund;10;RECONREFUND1\r\n2026-11-20;refund;-10;RECONREFUND1\r\n2026-11-20;sale;60;RECONREFUND2\r\n2026-11-21;refund;14;RECONREFUND2\r\n2026-11-20;sale;60;RECONANSWERED\r\n2026-11-21;refund;30;RECONANSWERED\r\n2026-11-21;refund;5;RECONS1\r\n2026-11-20;sale;60;RECONBACK'
SELECT replace(replace(:'content', '\r', E'\r'), '\n', E'\n') AS content \gset
SELECT pg_temp.import('2026-11-20', :'content', $$, 'recon_a', '2026-11-20'$$);
SELECT number, l.kind, gateway_order_id, authorization_number, l.amount, sold_on, outcome, (SELECT a.gateway_order_id FROM washminute_data.payment_attempts AS a WHERE a.attempt_id = l.attempt_id) AS matched_with, refund_id IS NOT NULL AS refund
  FROM washminute_data.settlement_lines AS l ORDER BY number;
SELECT e.kind, e.data - '{statement,date}'::text[] AS data FROM washminute_data.payment_exceptions AS e WHERE e.kind LIKE 'settlement%' ORDER BY e.kind, e.data->>'line', e.data->>'orderId';
SELECT pg_temp.state(name) FROM unnest('{s1,s4,s6,s7,s8,open,part,refund_1,refund_2,answered,back}'::text[]) AS name;
-- of the one that is open here the gateway is asked
SELECT event, due_at FROM washminute_data.outbox WHERE data->>'attemptId' = (SELECT attempt_id::text FROM washminute_data.payment_attempts WHERE payment_id = pg_temp.id('open')) ORDER BY outbox_id DESC LIMIT 1;
SELECT count(*) FROM washminute_data.events WHERE event = 'paymentException' AND data->>'kind' LIKE 'settlement%';
-- the same again changes nothing, under whatever name
SELECT pg_temp.import('2026-11-20', :'content', $$, 'recon_a', '2026-11-20'$$);
SELECT pg_temp.import('2026-11-20 again', :'content', $$, NULL, '2026-11-20'$$);
SELECT washminute.match_settlement();
SELECT count(*) AS lines, count(*) FILTER (WHERE outcome = 'matched') AS matched, (SELECT count(*) FROM washminute_data.payment_exceptions WHERE kind LIKE 'settlement%') AS exceptions FROM washminute_data.settlement_lines;
SELECT * FROM washminute.check_invariants();

-- evidence ends an exception: 7 comes the next day, the open one turns out to be charged
SELECT pg_temp.import('2026-11-21', E'orderid,amount,date\nRECONS7,60,2026-11-20\nRECONS9,60,2026-11-20', $$, NULL, '2026-11-20'$$);
SELECT pg_temp.raise('open', 'attempt_unknown');
SELECT pg_temp.decide('open', 'attempt_unknown', 'charged');
SELECT washminute.match_settlement(), pg_temp.state('open'), pg_temp.state('s7');
SELECT kind, count(*), count(*) FILTER (WHERE resolved_by = 'evidence') AS by_evidence FROM washminute_data.payment_exceptions WHERE kind LIKE 'settlement%' GROUP BY kind ORDER BY kind;
-- what is left is decided: once, and not raised again
SELECT order_id = test_helpers.order_of('recon_s6') AS s6, charged, paid_back, net, booked, differences, stated, unbooked, unsettled, open_exceptions FROM washminute_data.payment_rollup WHERE payment_id IN (pg_temp.id('s6'), pg_temp.id('refund_2'), pg_temp.id('s8'), pg_temp.id('s1')) ORDER BY stated;
SELECT pg_temp.decide('s6', 'settlement_differs', 'booked'), pg_temp.decide('refund_2', 'settlement_differs', 'booked'), pg_temp.decide('s8', 'settlement_only_theirs', 'booked'), pg_temp.decide('s1', 'settlement_only_theirs', 'booked'),
       pg_temp.decide('back', 'settlement_differs', 'explained');
SELECT e.data->>'orderId' AS order_id, e.data->>'authorization' AS number, test_helpers.outcome(format('SELECT washminute.resolve_exception(%L, %L, %L, %L)', e.exception_id, 'recon_a', d.decision, 'r'))
  FROM washminute_data.payment_exceptions AS e, unnest('{charged,explained,booked}'::text[]) WITH ORDINALITY AS d (decision, place) WHERE e.kind = 'settlement_only_theirs' AND e.payment_id IS NULL AND e.resolved_at IS NULL ORDER BY order_id, place;
SELECT order_id = test_helpers.order_of('recon_s6') AS s6, net, booked, differences, stated, unsettled, open_exceptions FROM washminute_data.payment_rollup WHERE payment_id IN (pg_temp.id('s6'), pg_temp.id('refund_2'), pg_temp.id('s8'), pg_temp.id('s1')) ORDER BY stated;
SELECT debit_account, credit_account, amount FROM washminute_data.transfers WHERE purpose = 'settlement_difference' ORDER BY transfer_id;
SELECT washminute.match_settlement();
-- ours alone
SELECT pg_temp.pay('lost'), pg_temp.pay('lost_2');
SELECT pg_temp.clock('2026-11-25 09:00');
SELECT pg_temp.import('2026-11-25', E'orderid,amount,date\nNOBODYS2,60,2026-11-25');
SELECT test_helpers.outcome(format('SELECT washminute.resolve_exception(%L, %L, %L, %L)', e.exception_id, 'recon_a', 'booked', 'r')) FROM washminute_data.payment_exceptions AS e WHERE e.data->>'orderId' = 'NOBODYS2';
SELECT pg_temp.state('lost'), pg_temp.state('lost_2');
SELECT pg_temp.decide('lost', 'settlement_only_ours', 'booked'), pg_temp.decide('lost_2', 'settlement_only_ours', 'explained');
SELECT pg_temp.books('lost');
SELECT washminute.match_settlement();
SELECT pg_temp.state('lost'), pg_temp.state('lost_2');
-- and come after all: what was booked of them is undone, once
SELECT pg_temp.pay('lost_3');
-- with a refund that the gateway has taken
CREATE FUNCTION pg_temp.give_back(name text, key text) RETURNS void LANGUAGE sql
AS $$
  INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, status, method, reason, reason_key, created_at, dispatched_at, updated_at)
  SELECT gen_random_uuid(), a.payment_id, a.attempt_id, 10, 'accepted', 'refund', 'r', key, washminute.now(), washminute.now(), washminute.now() FROM washminute_data.payment_attempts AS a WHERE a.payment_id = pg_temp.id(name);
  INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id, reason)
  SELECT now(), v.debit_account, v.credit_account, f.amount, v.purpose, p.order_id, f.refund_id FROM washminute_data.refunds AS f JOIN washminute_data.payments AS p USING (payment_id),
         (VALUES ('platform_revenue', 'refunds_payable', 'refund_granted'), ('refunds_payable', 'card_clearing', 'refund')) AS v (debit_account, credit_account, purpose) WHERE f.payment_id = pg_temp.id(name) AND f.reason_key = key;
  UPDATE washminute_data.payments SET reserved = reserved + 10 WHERE payment_id = pg_temp.id(name);
$$;
SELECT pg_temp.give_back('lost_3', 'k');
SELECT pg_temp.link('late_2');
SELECT pg_temp.clock('2026-11-26 08:00');
SELECT pg_temp.import('2026-11-26 a', E'orderid,amount,date\nNOBODYS4,60,2026-11-25\nRECONLOST3,60,2026-11-25\nRECONLATE2,60,2026-11-25', $$, NULL, '2026-11-25'$$);
SELECT pg_temp.decide('lost_3', 'settlement_only_ours', 'booked'), pg_temp.decide('late_2', 'settlement_only_theirs', 'booked');
SELECT pg_temp.import('2026-11-26 b', E'orderid,amount,date\nRECONLOST,59,2026-11-20\nRECONLOST3,-10,2026-11-25\nRECONLOST2,60,2026-11-20', $$, NULL, '2026-11-25'$$);
-- and one that is charged after all, of which the statement's line was booked
SELECT pg_temp.raise('late_2', 'attempt_unknown'), pg_temp.decide('late_2', 'attempt_unknown', 'charged');
SELECT washminute.match_settlement(), washminute.match_settlement();
SELECT pg_temp.state(name), pg_temp.books(name) FROM unnest('{lost,lost_2,lost_3,late_2}'::text[]) AS name;
SELECT stated, net, booked, differences, unsettled FROM washminute_data.payment_rollup WHERE payment_id IN (pg_temp.id('lost'), pg_temp.id('lost_2'), pg_temp.id('lost_3'), pg_temp.id('late_2')) ORDER BY order_id = test_helpers.order_of('recon_lost') DESC, stated, net;
-- a line in two statements: a sale was paid twice, or one statement is a part of the other; of two refunds it is the second
SELECT pg_temp.give_back('lost_3', 'k2');
SELECT pg_temp.import('2026-11-26 c', E'orderid,amount,date\nRECONLOST2,60,2026-11-20\nRECONLOST3,-10,2026-11-25', $$, NULL, '2026-11-25'$$);
SELECT pg_temp.state('lost_3');
SELECT data->>'alsoIn' AS also_in, data->>'difference' AS difference FROM washminute_data.payment_exceptions WHERE exception_id = pg_temp.open('lost_2', 'settlement_only_theirs');
SELECT pg_temp.decide('lost_2', 'settlement_only_theirs', 'booked');
SELECT washminute.match_settlement() AS open, stated, net, differences, unsettled FROM washminute_data.payment_rollup WHERE payment_id = pg_temp.id('lost_2');
BEGIN;
-- all that is in another one, and more, is not the same
SELECT pg_temp.import('2026-11-26 e', E'orderid,amount,date\nRECONLOST2,60,2026-11-20\nRECONLOST3,-10,2026-11-25\nNOBODYS5,1,2026-11-25', $$, NULL, '2026-11-25'$$);
ROLLBACK;
-- by number: 1 and 2 have the same; 3 comes twice; 4 to 7 come up to a day before, and three days after; 8 has another amount; 9 an order id of nobody; and refunds: two of which neither has the
-- amount, one and two lines that have another, one that comes twice
BEGIN;
SELECT pg_temp.clock('2026-12-05 09:00');
SELECT count(pg_temp.pay('n' || n)) AS paid FROM generate_series(1, 9) AS n;
SELECT count(pg_temp.pay('r' || n)) AS paid, count(pg_temp.give_back('r' || n, 'k')) AS refunds FROM generate_series(1, 3) AS n;
SELECT pg_temp.give_back('r1', 'k2');
UPDATE washminute_data.payment_attempts SET authorization_number = '90000' || replace(right(gateway_order_id, 1), '2', '1') WHERE gateway_order_id ~ '^RECONN[1-9]$';
SELECT pg_temp.import('numbers', E'orderid;numauto;amount;date;kind\n;900001;60;2026-12-05;sale\n;900003;60;2026-12-05;sale\n;900003;60;2026-12-06;sale\n;900004;60;2026-12-03;sale\n;900005;60;2026-12-04;sale\n;900006;60;2026-12-08;sale\n;900007;60;2026-12-09;sale\n;900008;59;2026-12-05;sale\nNOBODYS6;900009;60;2026-12-05;sale\n'
                                 'RECONR1;;12;2026-12-05;refund\nRECONR2;;11;2026-12-05;refund\nRECONR2;;12;2026-12-05;refund\nRECONR3;;10;2026-12-05;refund\nRECONR3;;10;2026-12-05;refund', $$, NULL, '2026-11-25'$$);
SELECT l.number, COALESCE(l.authorization_number, l.gateway_order_id) AS name, l.amount, l.sold_on, l.outcome, (SELECT a.gateway_order_id FROM washminute_data.payment_attempts AS a WHERE a.attempt_id = l.attempt_id) AS matched_with, l.refund_id IS NOT NULL AS refund
  FROM washminute_data.settlement_lines AS l WHERE l.statement = 'numbers' ORDER BY l.number;
ROLLBACK;
SELECT pg_temp.clock('2026-11-26 08:00');
-- a statement proves it
SELECT pg_temp.link('proved');
SELECT pg_temp.import('2026-11-26', E'orderid,amount,date\nRECONPROVED,60,2026-11-26');
SELECT pg_temp.decide('proved', 'settlement_only_theirs', 'charged');
SELECT outcome FROM washminute_data.settlement_lines WHERE gateway_order_id = 'RECONPROVED';
-- but not one of another amount; nor are slips of the pen taken
SELECT pg_temp.link('slight');
SELECT pg_temp.import('2026-11-26 d', E'orderid,amount,date\nRECONSLIGHT,1,2026-11-26');
SELECT pg_temp.decide('slight', 'settlement_only_theirs', 'charged'), pg_temp.decide('slight', 'settlement_only_theirs', 'explained');
SELECT * FROM (VALUES (pg_temp.import('slip', E'orderid,amount,date\nSLIP1,60,2099-01-01')),
                      (pg_temp.import('slip', E'orderid,amount,date\nSLIP1,60,2026-11-20', ', complete_through => ''infinity'''))) AS slips (of_the_pen);
SELECT * FROM washminute.check_invariants();

--
-- All that can be decided is done, and all kinds are explained
--

SELECT d.kind, d.decision FROM washminute_data.payment_exception_decisions AS d
 WHERE NOT EXISTS (SELECT FROM washminute_data.payment_exceptions AS e WHERE e.kind = d.kind AND e.decision = d.decision);
SELECT k.kind FROM washminute_data.payment_exception_kinds AS k WHERE NOT EXISTS (SELECT FROM washminute_data.payment_exception_decisions AS d WHERE d.kind = k.kind);

--
-- Over REST
--

GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
SELECT pg_temp.link('rest'), pg_temp.raise('rest', 'attempt_unknown', '{"lastCode": "06"}');
SELECT pg_temp.open('rest', 'attempt_unknown') AS e \gset
BEGIN;
SELECT set_config('request.jwt.claims', '{"role": "washminute_admin", "sub": "recon_a"}', true) IS NOT NULL AS is_set;
SET LOCAL ROLE washminute_admin;
SELECT kind, meaning, advice, decisions, customer_id, data, since, resolved_at FROM washminute_api.exceptions WHERE resolved_at IS NULL AND kind = 'attempt_unknown';
SELECT status, method, amount, requested_by FROM washminute_api.refunds WHERE status = 'outside';
SELECT * FROM washminute_api.import_settlement('2026-11-27', E'orderid,amount,date\nNOBODYS3,60,2026-11-27');
SELECT washminute_api.resolve_exception(:'e', 'not_charged', 'so they say');
SELECT decision, resolved_by, reason FROM washminute_api.exceptions WHERE exception_id = :'e';
ROLLBACK;
BEGIN;
SELECT set_config('request.jwt.claims', '{"role": "washminute_customer", "sub": "recon_c"}', true) IS NOT NULL AS is_set;
SET LOCAL ROLE washminute_customer;
SELECT test_helpers.outcome('SELECT FROM washminute_api.exceptions'), test_helpers.outcome('SELECT FROM washminute_api.refunds'), test_helpers.outcome($$SELECT washminute_api.resolve_exception(NULL, 'x', 'y')$$),
       test_helpers.outcome($$SELECT washminute_api.import_settlement('x', 'y')$$);
ROLLBACK;
-- nobody reads what statements say but the owner
SELECT r.rolname, c.relname FROM pg_roles AS r, pg_class AS c WHERE c.oid IN ('washminute_data.settlement_lines'::regclass, 'washminute_data.settlement_statements'::regclass, 'washminute_data.payment_rollup'::regclass)
   AND r.rolname LIKE 'washminute%' AND has_any_column_privilege(r.oid, c.oid, 'SELECT') ORDER BY r.rolname, c.relname;

-- the way it was
SELECT washminute.set_washman_status('recon_1', 'offline');
SELECT count(test_helpers.outcome(format('SELECT washminute.force_cancel_request(%L, %L, %L)', request_id, 'recon_a', 'over'))) > 0 AS cancelled FROM washminute_data.washing_requests WHERE customer_id = 'recon_c' AND status = 'pending';
SELECT * FROM washminute.check_invariants();
SET session_replication_role TO replica;
DELETE FROM washminute_data.outbox WHERE lane = 'payment';
DELETE FROM washminute_data.settlement_lines;
DELETE FROM washminute_data.settlement_statements;
DELETE FROM washminute_data.payment_exceptions;
DELETE FROM washminute_data.refunds;
DELETE FROM washminute_data.payment_attempts;
DELETE FROM washminute_data.payments;
RESET session_replication_role;
SELECT washminute.set_clock(NULL);

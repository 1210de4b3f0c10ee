-- Payouts: asked for, held, paid or refused; what a washman has earned, and his statement.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;

-- The clock of this day, which stands still.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2026-10-07 ' || at || '+00')::timestamptz, 0) $$;
CREATE FUNCTION pg_temp.account(washman text DEFAULT '1') RETURNS text LANGUAGE sql
AS $$ SELECT format('balance %s, held %s', balance, held) FROM washminute_data.accounts WHERE washman_id = 'payouts_' || washman $$;
-- Payouts by name, since their ids are random. All arguments but the first are those of request_payout.
CREATE TEMPORARY TABLE names (name text, payout_id uuid);
CREATE FUNCTION pg_temp.ask(name text, washman_id text, amount numeric, idempotency_key text DEFAULT NULL) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO names VALUES (name, washminute.request_payout(washman_id, amount, idempotency_key));
  RETURN 'ok';
END
$$;
CREATE FUNCTION pg_temp.try(name text, washman_id text, amount numeric, idempotency_key text DEFAULT NULL) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT pg_temp.ask(%L, %L, %L, %L)', name, washman_id, amount, idempotency_key)) $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql AS $$ SELECT n.payout_id FROM names AS n WHERE n.name = id.name $$;
CREATE FUNCTION pg_temp.pay(name text, rest text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.pay_payout(%L, %s)', pg_temp.id(name), rest)) $$;
CREATE FUNCTION pg_temp.refuse(name text, rest text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.refuse_payout(%L, %s)', pg_temp.id(name), rest)) $$;
CREATE FUNCTION pg_temp.payouts() RETURNS TABLE (name text, washman_id text, amount numeric, status text, requested_at timestamptz, decided_at timestamptz, decided_by text, reference text) LANGUAGE sql
AS $$
  SELECT (SELECT string_agg(n.name, ' ' ORDER BY n.name) FROM names AS n WHERE n.payout_id = p.payout_id), p.washman_id, p.amount, p.status, p.requested_at, p.decided_at, p.decided_by, p.reference
    FROM washminute_data.payouts AS p WHERE p.washman_id LIKE 'payouts\_%' ORDER BY p.requested_at, p.washman_id
$$;

SELECT pg_temp.clock('08:00');
SELECT washminute.upsert_user('payouts_c', 'customer'), washminute.upsert_user('payouts_a', 'admin');
SELECT test_helpers.washman('payouts_1', -1.91, 34.68), test_helpers.washman('payouts_2', -1.91, 34.69);
SELECT washminute.settle_balance('payouts_1', 100, 'earned before'), washminute.settle_balance('payouts_2', 50, 'earned before');

--
-- Bad input
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.request_payout(' || call || ')')
  FROM (VALUES (1, $$'payouts_1', NULL$$), (2, $$'payouts_1', 0$$), (3, $$'payouts_1', -1$$), (4, $$'payouts_1', -0.01$$), (5, $$'payouts_1', 0.001$$), (6, $$'payouts_1', 10.005$$),
               (7, $$'payouts_1', 'NaN'$$), (8, $$'payouts_1', 'infinity'$$), (9, $$'payouts_1', '-infinity'$$), (10, $$'payouts_1', 1e10$$), (11, $$'payouts_1', 1e131071$$),
               (12, $$'payouts_1', 100.01$$), (13, $$'payouts_1', 9999999999.99$$), (20, $$NULL, 1$$), (21, $$'', 1$$), (22, $$'payouts_nobody', 1$$), (23, $$'payouts_c', 1$$), (24, $$'payouts_a', 1$$),
               (25, $$repeat('x', 129), 1$$), (30, $$'payouts_1', 1, ''$$), (31, $$'payouts_1', 1, repeat('k', 129)$$), (32, $$'payouts_nobody', 1, 'key'$$), (33, $$'payouts_1', 100.01, 'key'$$))
       AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

--
-- Asked for, and held
--

-- all that there is, to the centime, and the same number with more zeros
SELECT pg_temp.clock('09:00');
SELECT pg_temp.try('first', 'payouts_1', 100.0000);
SELECT pg_temp.account();
SELECT * FROM pg_temp.payouts();
SELECT event, request_id, actor_id, data - 'payoutId' AS data, data->>'payoutId' = pg_temp.id('first')::text AS its_id FROM washminute_data.events WHERE event LIKE 'payout%' AND actor_id LIKE 'payouts\_%' ORDER BY event_id;
SELECT count(*) AS transfers FROM washminute_data.transfers WHERE purpose = 'payout' AND debit_account LIKE 'washman:payouts%';
-- one at a time, also when there is room; another's is another's
SELECT washminute.settle_balance('payouts_1', 20, 'more');
SELECT pg_temp.try('second', 'payouts_1', 1), pg_temp.try('other', 'payouts_2', 50);
SELECT pg_temp.account(), pg_temp.account('2');
SELECT * FROM washminute.check_invariants();

-- bad decisions
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, pg_temp.pay('first', call), pg_temp.refuse('first', call)
  FROM (VALUES (1, $$'payouts_1', 'x'$$), (2, $$'payouts_c', 'x'$$), (3, $$'payouts_nobody', 'x'$$), (4, $$NULL, 'x'$$), (5, $$'', 'x'$$), (6, $$'payouts_a', NULL$$), (7, $$'payouts_a', ''$$), (8, $$'payouts_a', ' '$$),
               (9, $$'payouts_a', repeat('x', 501)$$), (10, $$'payouts_a', E'a\nb'$$)) AS c (number, call) ORDER BY number;
SELECT call, test_helpers.outcome('SELECT washminute.' || call)
  FROM (VALUES (1, $$pay_payout(NULL, 'payouts_a', 'x')$$), (2, $$pay_payout('00000000-0000-0000-0000-000000000000', 'payouts_a', 'x')$$),
               (3, $$refuse_payout(NULL, 'payouts_a', 'x')$$), (4, $$refuse_payout('00000000-0000-0000-0000-000000000000', 'payouts_a', 'x')$$)) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- refused: his to use again
SELECT pg_temp.clock('09:30');
SELECT pg_temp.refuse('first', $$'payouts_a', 'no such account'$$);
SELECT pg_temp.account();
-- paid
SELECT pg_temp.pay('other', $$'payouts_a', 'transfer 4711'$$);
SELECT pg_temp.account('2');
SELECT debit_account, credit_account, amount, order_id, actor_id, reason FROM washminute_data.transfers WHERE purpose = 'payout' AND actor_id = 'payouts_a' ORDER BY transfer_id;
SELECT event, request_id, actor_id, data - 'payoutId' AS data FROM washminute_data.events WHERE event IN ('payoutPaid', 'payoutRefused') AND actor_id = 'payouts_a' ORDER BY event_id;
SELECT * FROM pg_temp.payouts();
-- decided once
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.pay('first', $$'payouts_a', 'x'$$), pg_temp.refuse('first', $$'payouts_a', 'x'$$), pg_temp.pay('other', $$'payouts_a', 'x'$$), pg_temp.refuse('other', $$'payouts_a', 'x'$$);
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT pg_temp.try('nothing', 'payouts_2', 0.01);
SELECT * FROM washminute.check_invariants();

-- the same key: the same payout, also when it is decided; another amount with it is refused; another's key is another's
SELECT pg_temp.clock('10:00');
SELECT pg_temp.try('k1', 'payouts_1', 30, 'key'), pg_temp.try('k2', 'payouts_1', 30.00, 'key'), pg_temp.try('k3', 'payouts_1', 30.01, 'key'), pg_temp.try('k4', 'payouts_1', 30), pg_temp.try('k5', 'payouts_1', 30, 'other key');
SELECT count(DISTINCT payout_id) AS payouts, string_agg(name, ' ' ORDER BY name) AS names FROM names WHERE name LIKE 'k%';
SELECT pg_temp.account();
SELECT pg_temp.pay('k1', $$'payouts_a', 'transfer 4712'$$);
SELECT pg_temp.try('k6', 'payouts_1', 30, 'key');
SELECT count(DISTINCT payout_id) AS payouts FROM names WHERE name LIKE 'k%';
SELECT pg_temp.account();
SELECT pg_temp.try('k7', 'payouts_2', 30, 'key');

--
-- What is held, and what room there is
--

-- commissions of jobs in hand are held, too; a payout takes no room from them, nor they from it
SELECT test_helpers.book('payouts_cash', 'payouts_c', '{exterior}', -1.91, 34.68);
SELECT test_helpers.accept('payouts_cash', 'payouts_1');
SELECT pg_temp.account();
SELECT pg_temp.try('r1', 'payouts_1', 78.01);
SELECT pg_temp.try('r1', 'payouts_1', 78.00);
SELECT pg_temp.account();
SELECT test_helpers.advance('payouts_cash', 'payouts_1', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT pg_temp.account();
-- with all of it held he may take another cash job, down to the floor; what an operator takes meanwhile does not hinder the payout
SELECT test_helpers.book('payouts_cash2', 'payouts_c', '{exterior}', -1.91, 34.68);
SELECT test_helpers.accept('payouts_cash2', 'payouts_1');
SELECT washminute.settle_balance('payouts_1', -600, 'a car was damaged');
SELECT pg_temp.account();
SELECT pg_temp.pay('r1', $$'payouts_a', 'transfer 4713'$$);
SELECT pg_temp.account();
SELECT test_helpers.cancel('payouts_cash2', 'payouts_a');
-- below nothing there is nothing
SELECT pg_temp.try('r2', 'payouts_1', 0.01);
SELECT washminute.settle_balance('payouts_1', 600.01, 'was not his fault');
SELECT pg_temp.try('r2', 'payouts_1', 0.02), pg_temp.try('r2', 'payouts_1', 0.01);
SELECT pg_temp.refuse('r2', $$'payouts_a', 'too little'$$);
-- the floor: with all held he has no more room than one with nothing
SELECT washminute.settle_balance('payouts_1', 9.99, 'ten');
SELECT pg_temp.try('r3', 'payouts_1', 10);
UPDATE washminute_data.settings SET value = -12 WHERE name = 'balance_floor';
SELECT test_helpers.book('payouts_cash3', 'payouts_c', '{exterior}', -1.91, 34.68);
UPDATE washminute_data.settings SET value = -11.99 WHERE name = 'balance_floor';
SELECT test_helpers.accept('payouts_cash3', 'payouts_1');
UPDATE washminute_data.settings SET value = -12 WHERE name = 'balance_floor';
SELECT test_helpers.accept('payouts_cash3', 'payouts_1');
SELECT pg_temp.account();
SELECT test_helpers.cancel('payouts_cash3', 'payouts_c');
UPDATE washminute_data.settings SET value = -500.00 WHERE name = 'balance_floor';
SELECT pg_temp.refuse('r3', $$'payouts_a', 'end'$$);
SELECT pg_temp.account();
-- one who is suspended has earned it all the same
BEGIN;
SELECT washminute.suspend_washman('payouts_1', 'payouts_a', 'papers');
SELECT pg_temp.try('r4', 'payouts_1', 10);
ROLLBACK;
SELECT * FROM washminute.check_invariants();

--
-- What he has earned
--

-- a washman of his own, with one of each: cash and card completed, cancelled late, nobody there, given back late
SELECT pg_temp.clock('12:00');
SELECT washminute.set_washman_status('payouts_1', 'offline'), washminute.set_washman_status('payouts_2', 'offline'), test_helpers.washman('payouts_e', -1.91, 34.68);
UPDATE washminute_data.settings SET value = 5 WHERE name = 'give_back_fee';
CREATE FUNCTION pg_temp.job(name text, hour text, method text, moves text[], last_at text, last text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  move text;
BEGIN
  PERFORM pg_temp.clock(hour);
  PERFORM washminute.report_location('payouts_e', -1.91, 34.68);
  PERFORM test_helpers.book('payouts_' || name, 'payouts_c', '{exterior}', -1.91, 34.68, method);
  IF method = 'card' THEN
    PERFORM washminute.record_payment(test_helpers.order_of('payouts_' || name), 60, 'PAYOUTS-' || name);
  END IF;
  move := test_helpers.accept('payouts_' || name, 'payouts_e');
  FOREACH move IN ARRAY moves LOOP
    PERFORM test_helpers.advance('payouts_' || name, 'payouts_e', move);
  END LOOP;
  PERFORM pg_temp.clock(last_at);
  RETURN CASE last WHEN 'cancel' THEN test_helpers.cancel('payouts_' || name, 'payouts_c') ELSE test_helpers.advance('payouts_' || name, 'payouts_e', last) END;
END
$$;
SELECT pg_temp.job('e1', '13:00', 'cash', '{en_route,arrived,in_progress}', '13:30', 'completed');
SELECT pg_temp.job('e2', '14:00', 'card', '{en_route,arrived,in_progress}', '14:30', 'completed');
SELECT pg_temp.job('e3', '15:00', 'cash', '{en_route}', '15:30', 'cancel');
SELECT pg_temp.job('e4', '16:00', 'card', '{en_route,arrived}', '16:30', 'no_show');
SELECT pg_temp.job('e5', '17:00', 'cash', '{en_route}', '17:30', 'pending');
SELECT test_helpers.cancel('payouts_e5', 'payouts_c');
-- money that is not earned
SELECT pg_temp.clock('18:00'), washminute.settle_balance('payouts_e', 100, 'paid in');
SELECT pg_temp.try('e', 'payouts_e', 120);
SELECT pg_temp.pay('e', $$'payouts_a', 'transfer 4714'$$);
SELECT pg_temp.account('e');

SELECT * FROM washminute.washman_earnings('payouts_e');
-- from since on, and before until
SELECT since, until, e.* FROM (VALUES
    (1, '13:30', '14:30'), (2, '13:30:00.000001', '14:30'), (3, '13:30', '14:30:00.000001'), (4, '15:30', '15:30:00.000001'), (5, '15:30', '15:30'), (6, '16:30', NULL), (7, NULL, '16:30'),
    (8, '17:30', NULL), (9, '17:30:00.000001', NULL), (10, NULL, '13:30'), (11, NULL, NULL), (12, '18:00', '13:00')) AS r (number, since, until),
  washminute.washman_earnings('payouts_e', ('2026-10-07 ' || since || '+00')::timestamptz, ('2026-10-07 ' || until || '+00')::timestamptz) AS e ORDER BY r.number;
SELECT * FROM washminute.washman_earnings('payouts_e', '-infinity', 'infinity');
-- others, nobody and NULL have earned nothing of that
SELECT w, e.* FROM unnest('{payouts_2,payouts_c,payouts_nobody,NULL}'::text[]) AS w, washminute.washman_earnings(w) AS e;
-- while a job is in hand it is no income; the commission that counts is the one of the time of acceptance
SELECT pg_temp.job('e6', '18:10', 'cash', '{en_route,arrived}', '18:30', 'in_progress');
UPDATE washminute_data.settings SET value = 50 WHERE name = 'commission_percent';
SELECT jobs, commission FROM washminute.washman_earnings('payouts_e', '2026-10-07 18:05+00');
SELECT pg_temp.clock('18:40');
SELECT test_helpers.advance('payouts_e6', 'payouts_e', 'completed');
SELECT * FROM washminute.washman_earnings('payouts_e', '2026-10-07 18:05+00');
UPDATE washminute_data.settings SET value = 20 WHERE name = 'commission_percent';

--
-- His statement
--

SELECT at, purpose, amount, balance, order_id IS NOT NULL AS has_order FROM washminute_data.washman_statements WHERE washman_id = 'payouts_e' ORDER BY transfer_id;
SELECT at, purpose, amount, balance FROM washminute_data.washman_statements WHERE washman_id = 'payouts_1' ORDER BY transfer_id;
-- it ends with the balance, of everybody; nobody else has one
SELECT count(*) AS that_differ FROM washminute_data.accounts AS a
  LEFT JOIN (SELECT DISTINCT ON (washman_id) washman_id, balance FROM washminute_data.washman_statements ORDER BY washman_id, transfer_id DESC) AS s USING (washman_id)
 WHERE a.kind = 'washman' AND a.balance <> COALESCE(s.balance, 0);
SELECT count(*) AS of_others FROM washminute_data.washman_statements AS s WHERE NOT EXISTS (SELECT FROM washminute_data.washmen AS w WHERE w.washman_id = s.washman_id);

-- an amount that somebody made a float is not read as if it were not
BEGIN;
ALTER TABLE washminute_data.payouts RENAME COLUMN amount TO amount_before;
ALTER TABLE washminute_data.payouts ADD COLUMN amount float8 DEFAULT 1;
SELECT test_helpers.outcome(format('SELECT washminute.pay_payout(%L, %L, %L)', payout_id, 'payouts_a', 'x'))
  FROM washminute_data.payouts ORDER BY payout_id LIMIT 1;
ROLLBACK;

UPDATE washminute_data.settings SET value = 0.00 WHERE name = 'give_back_fee';
SELECT washminute.set_washman_status('payouts_e', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

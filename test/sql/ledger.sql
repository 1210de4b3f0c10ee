-- The books: settlements, balances, rounding, entries that sum to zero, a journal
-- that is never changed.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-06-05 10:00+00', 0);
SET default_transaction_isolation TO serializable;

SELECT washminute.upsert_user('ledger_c', 'customer');
SELECT test_helpers.washman('ledger_1', -5.55, 33.89);
CREATE FUNCTION pg_temp.account() RETURNS text LANGUAGE sql
AS $$ SELECT format('balance %s, held %s, minimum %s', balance, held, minimum) FROM washminute_data.accounts WHERE washman_id = 'ledger_1' $$;

SELECT washminute.washman_balance('ledger_1');
SELECT washminute.settle_balance(washman_id => 'ledger_1', amount => 100.5, reason => 'paid in at the counter');
SELECT washminute.settle_balance('ledger_1', -0.01, 'corrected');
SELECT washminute.settle_balance('ledger_1', 1.500000, 'trailing zeros');
SELECT washminute.washman_balance('ledger_1');
SELECT transfer_id IS NOT NULL AS has_id, at, debit_account, credit_account, amount, purpose, order_id, actor_id, reason
  FROM washminute_data.transfers WHERE 'washman:ledger_1' IN (debit_account, credit_account) ORDER BY transfer_id;
SELECT at, event, request_id, actor_id, data FROM washminute_data.events
 WHERE event = 'balanceSettled' AND data->>'washmanId' = 'ledger_1' ORDER BY event_id;

-- several in one row, each its own answer
SELECT washminute.settle_balance('ledger_1', 1, 'a') AS a, washminute.settle_balance('ledger_1', 10, 'b') AS b,
       washminute.washman_balance('ledger_1') AS c, washminute.settle_balance('ledger_1', -11, 'd') AS d;

-- an operator may take a balance below the floor: the account's minimum follows it down, and comes back up with it
SELECT washminute.settle_balance('ledger_1', -702.00, 'a car was damaged');
SELECT pg_temp.account();
SELECT washminute.settle_balance('ledger_1', 50, 'paid in');
SELECT pg_temp.account();
SELECT washminute.settle_balance('ledger_1', 550.01, 'paid in');
SELECT pg_temp.account();

-- with a live cash job too, whose commission can still be taken
SELECT test_helpers.book('ledger_cash', 'ledger_c', '{exterior}', -5.55, 33.89);
SELECT test_helpers.accept('ledger_cash', 'ledger_1');
SELECT washminute.settle_balance('ledger_1', -900, 'a car was damaged');
SELECT pg_temp.account();
SELECT test_helpers.advance('ledger_cash', 'ledger_1', to_status) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS to_status;
SELECT pg_temp.account();
SELECT washminute.settle_balance('ledger_1', 912, 'paid in');
SELECT pg_temp.account();

-- as much as settlements may leave in an account, so that jobs have room, and not a centime more
BEGIN;
SELECT washminute.settle_balance('ledger_1', 1000000000.00, 'a fortune');
SELECT test_helpers.outcome($$SELECT washminute.settle_balance('ledger_1', 0.01, 'too much')$$);
SELECT washminute.settle_balance('ledger_1', -1000000000.00, 'all of it');
SELECT washminute.settle_balance('ledger_1', -1000000000.00, 'a debt');
SELECT test_helpers.outcome($$SELECT washminute.settle_balance('ledger_1', -0.01, 'too much')$$);
SELECT pg_temp.account();
SELECT * FROM washminute.check_invariants();
ROLLBACK;

--
-- Bad input
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.' || call)
  FROM (VALUES
    (1, $$settle_balance(NULL, 1, 'x')$$),
    (2, $$settle_balance('', 1, 'x')$$),
    (3, $$settle_balance(repeat('x', 129), 1, 'x')$$),
    (4, $$settle_balance('ledger_nobody', 1, 'x')$$),
    (5, $$settle_balance('ledger_c', 1, 'x')$$),
    (10, $$settle_balance('ledger_1', NULL, 'x')$$),
    (11, $$settle_balance('ledger_1', 0, 'x')$$),
    (12, $$settle_balance('ledger_1', 0.00, 'x')$$),
    (13, $$settle_balance('ledger_1', 0.001, 'x')$$),
    (14, $$settle_balance('ledger_1', -1.005, 'x')$$),
    (15, $$settle_balance('ledger_1', 'NaN', 'x')$$),
    (16, $$settle_balance('ledger_1', 'infinity', 'x')$$),
    (17, $$settle_balance('ledger_1', '-infinity', 'x')$$),
    (18, $$settle_balance('ledger_1', 10000000000, 'x')$$),
    (19, $$settle_balance('ledger_1', -10000000000, 'x')$$),
    (20, $$settle_balance('ledger_1', 92233720368547758.08, 'x')$$),
    (21, $$settle_balance('ledger_1', 1e10000, 'x')$$),
    (22, $$settle_balance('ledger_1', 1e-10000, 'x')$$),
    (23, $$settle_balance('ledger_1', 1e131071, 'x')$$),
    (24, $$settle_balance('ledger_1', -1e131071, 'x')$$),
    (25, $$settle_balance('ledger_1', 9999999999.99, 'x')$$),
    (26, $$settle_balance('ledger_1', 1000000000.01, 'x')$$),
    (30, $$settle_balance('ledger_1', 1, NULL)$$),
    (31, $$settle_balance('ledger_1', 1, '')$$),
    (32, $$settle_balance('ledger_1', 1, '  ')$$),
    (33, $$settle_balance('ledger_1', 1, repeat('x', 501))$$),
    (34, $$settle_balance('ledger_1', 1, E'a\nb')$$),
    (35, $$settle_balance('ledger_1', 1, 'x', '')$$),
    (36, $$settle_balance('ledger_1', 1, 'x', repeat('k', 129))$$),
    (37, $$settle_balance('ledger_nobody', 1, 'x', 'key')$$),
    (40, $$washman_balance(NULL)$$),
    (41, $$washman_balance('')$$),
    (42, $$washman_balance('ledger_nobody')$$),
    (43, $$washman_balance('ledger_c')$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

--
-- Rounding: half a centime goes up, to the platform
--

CREATE FUNCTION pg_temp.complete(name text, percent numeric, price numeric, payment_method text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE washminute_data.settings SET value = percent WHERE settings.name = 'commission_percent';
  UPDATE washminute_data.services SET price = complete.price WHERE service_code = 'exterior';
  PERFORM test_helpers.book(name, 'ledger_c', '{exterior}', -5.55, 33.89, payment_method);
  IF payment_method = 'card' THEN
    PERFORM washminute.record_payment(test_helpers.order_of(name), price, 'NAPS-' || name);
  END IF;
  PERFORM test_helpers.accept(name, 'ledger_1'), test_helpers.advance(name, 'ledger_1', 'en_route'), test_helpers.advance(name, 'ledger_1', 'arrived'),
          test_helpers.advance(name, 'ledger_1', 'in_progress'), test_helpers.advance(name, 'ledger_1', 'completed');
  RETURN test_helpers.state(name) || ': ' ||
    COALESCE((SELECT string_agg(purpose || ' ' || amount, ', ' ORDER BY transfer_id)
                FROM washminute_data.transfers WHERE order_id = test_helpers.order_of(name)), 'no transfer');
END
$$;
BEGIN;
SELECT washminute.settle_balance('ledger_1', 1000, 'room');
SELECT percent, price, payment_method, pg_temp.complete('ledger_r' || number, percent, price, payment_method)
  FROM (VALUES (1, 20, 65.02, 'cash'), (2, 20, 65.03, 'cash'), (3, 12.5, 0.04, 'cash'), (4, 12.5, 0.03, 'card'), (5, 0, 60, 'card'),
               (6, 100, 60, 'card'), (7, 33.33, 99.99, 'card'), (8, 100, 60, 'cash'), (9, 0.01, 99.99, 'card'), (10, 0, 60, 'cash'))
       AS r (number, percent, price, payment_method) ORDER BY number;
SELECT * FROM washminute.check_invariants();
ROLLBACK;

-- an amount of the largest order is exact
BEGIN;
SELECT washminute.settle_balance('ledger_1', 1000000000, 'room');
SELECT pg_temp.complete('ledger_huge', 10, 9999999999.99, 'cash');
SELECT * FROM washminute.check_invariants();
ROLLBACK;

--
-- Every transfer is zero-sum, and stays what it is
--

SELECT sum(amount) AS of_all_entries, count(*) FILTER (WHERE amount = 0) AS empty_ones FROM washminute_data.ledger_entries;
SELECT count(*) AS unbalanced FROM (SELECT transfer_id FROM washminute_data.ledger_entries GROUP BY transfer_id HAVING sum(amount) <> 0 OR count(*) <> 2) AS t;
SELECT account_id, counter_account, amount, purpose, reason FROM washminute_data.ledger_entries
 WHERE reason = 'paid in at the counter' ORDER BY amount;

SELECT call, test_helpers.outcome(call)
  FROM (VALUES
    (1, $$UPDATE washminute_data.transfers SET amount = amount + 1$$),
    (2, $$UPDATE washminute_data.transfers SET reason = 'x' WHERE false$$),
    (3, $$DELETE FROM washminute_data.transfers$$),
    (4, $$TRUNCATE washminute_data.transfers$$),
    (5, $$UPDATE washminute_data.events SET data = '{}'$$),
    (6, $$DELETE FROM washminute_data.events WHERE false$$),
    (7, $$TRUNCATE washminute_data.events$$),
    (10, $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose) VALUES (now(), 'card_clearing', 'card_clearing', 1, 'settlement')$$),
    (11, $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose) VALUES (now(), 'card_clearing', 'customer_funds', 0, 'settlement')$$),
    (12, $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose) VALUES (now(), 'card_clearing', 'customer_funds', -1, 'settlement')$$),
    (13, $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose) VALUES (now(), 'card_clearing', 'customer_funds', 'NaN', 'settlement')$$),
    (14, $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose) VALUES (now(), 'card_clearing', 'customer_funds', 1, 'payment')$$),
    (15, $$INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id)
           VALUES (now(), 'washman:ledger_1', 'platform_revenue', 12, 'commission', test_helpers.order_of('ledger_cash'))$$),
    (16, $$UPDATE washminute_data.accounts SET held = 'NaN' WHERE washman_id = 'ledger_1'$$),
    (17, $$UPDATE washminute_data.accounts SET balance = 1 WHERE account_id = 'platform_revenue'$$)
  ) AS c (number, call) ORDER BY number;

SELECT washminute.set_washman_status('ledger_1', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

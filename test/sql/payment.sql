-- Card payments, but for what the gateway is sent: begun, waited for, called back, paid back;
-- what rows can be moved where; when a card job is offered; who reads what.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;

-- The clock of this day, which stands still; with what is due, and how many expired.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2026-11-10 ' || at || '+00')::timestamptz, 0) $$;
CREATE FUNCTION pg_temp.due(at text) RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_temp.clock(at); RETURN washminute.expire_due(); END $$;
CREATE FUNCTION pg_temp.book(name text, payment_method text DEFAULT 'card', reservation_at text DEFAULT NULL, service text DEFAULT 'exterior') RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.book('payment_' || name, 'payment_c', ARRAY[service], -1.91, 34.68, payment_method, ('2026-11-10 ' || reservation_at || '+00')::timestamptz) $$;
CREATE FUNCTION pg_temp.order_of(name text) RETURNS uuid LANGUAGE sql AS $$ SELECT test_helpers.order_of('payment_' || name) $$;
CREATE FUNCTION pg_temp.id(name text) RETURNS uuid LANGUAGE sql
AS $$ SELECT p.payment_id FROM washminute_data.payments AS p WHERE p.order_id = pg_temp.order_of(name) $$;
CREATE FUNCTION pg_temp.attempt(name text, number integer DEFAULT NULL) RETURNS uuid LANGUAGE sql
AS $$
  SELECT a.attempt_id FROM washminute_data.payment_attempts AS a
   WHERE a.payment_id = pg_temp.id(name) AND a.number = COALESCE(attempt.number, a.number) ORDER BY a.number DESC LIMIT 1
$$;
-- These see what the statement has done before.
CREATE FUNCTION pg_temp.state(name text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.state('payment_' || name); END $$;
CREATE FUNCTION pg_temp.payment(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN (SELECT format('%s%s%s, captured %s, reserved %s; %s; %s', p.status, CASE WHEN p.ended THEN ', ended' END, CASE WHEN p.paid_by IS NOT NULL THEN ', paid by ' || b.number END,
                        p.captured, p.reserved,
                        (SELECT string_agg(concat_ws(' ', a.number, a.status, CASE WHEN a.surplus THEN 'surplus' END), ', ' ORDER BY a.number)
                           FROM washminute_data.payment_attempts AS a WHERE a.payment_id = p.payment_id),
                        (SELECT COALESCE(string_agg(concat_ws(' ', f.amount, f.status, 'for', f.reason_key), ', ' ORDER BY f.created_at, f.reason_key), 'no refund')
                           FROM washminute_data.refunds AS f WHERE f.payment_id = p.payment_id))
            FROM washminute_data.payments AS p LEFT JOIN washminute_data.payment_attempts AS b ON b.attempt_id = p.paid_by
           WHERE p.payment_id = pg_temp.id(name));
END
$$;
-- What is queued for the gateway about a payment.
CREATE FUNCTION pg_temp.queued(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN (SELECT string_agg(concat_ws(' ', x.event, x.data->>'number', 'at ' || x.due_at::time), ', ' ORDER BY x.outbox_id) FROM washminute_data.outbox AS x
           WHERE x.lane = 'payment' AND (x.data->>'attemptId' IN (SELECT a.attempt_id::text FROM washminute_data.payment_attempts AS a WHERE a.payment_id = pg_temp.id(name))
                                         OR x.data->>'refundId' IN (SELECT f.refund_id::text FROM washminute_data.refunds AS f WHERE f.payment_id = pg_temp.id(name))));
END
$$;
CREATE FUNCTION pg_temp.books(name text) RETURNS TABLE (debit text, credit text, amount numeric, purpose text) LANGUAGE sql
AS $$ SELECT t.debit_account, t.credit_account, t.amount, t.purpose FROM washminute_data.transfers AS t WHERE t.order_id = pg_temp.order_of(name) ORDER BY t.transfer_id $$;
-- All arguments but the first are those of begin_payment.
CREATE FUNCTION pg_temp.start(name text, key text DEFAULT NULL, customer text DEFAULT 'payment_c', rest text DEFAULT '') RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  answer text;
BEGIN
  EXECUTE format('SELECT concat_ws('' '', b.status, b.link, CASE WHEN b.payment_id IS DISTINCT FROM pg_temp.id(%1$L) THEN ''of another id'' END)
                    FROM washminute.begin_payment(%2$L, %3$L, %4$L%5$s) AS b', name, pg_temp.order_of(name), customer, COALESCE(key, 'key ' || name), rest) INTO answer;
  RETURN answer;
END
$$;
CREATE FUNCTION pg_temp.try(name text, key text DEFAULT NULL, customer text DEFAULT 'payment_c', rest text DEFAULT '') RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT pg_temp.start(%L, %L, %L, %L)', name, key, customer, rest)) $$;
-- The newest attempt moves as the worker moves it.
CREATE FUNCTION pg_temp.move(name text, VARIADIC statuses text[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
  to_status text;
BEGIN
  FOREACH to_status IN ARRAY statuses LOOP
    UPDATE washminute_data.payment_attempts AS a
       SET status = to_status, link = CASE to_status WHEN 'awaiting' THEN 'https://pay.example/' || name || a.number ELSE a.link END
     WHERE a.attempt_id = pg_temp.attempt(name);
  END LOOP;
END
$$;
CREATE FUNCTION pg_temp.refund(name text, amount text, key text DEFAULT 'key', reason text DEFAULT 'a scratch') RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.request_refund(%L, %s, %L, %L)', pg_temp.id(name), amount, reason, key)) $$;

-- The token in a callback's URL, as src/payment/callback_token.h has it: HMAC-SHA256 (RFC 2104)
-- by hand, so that it is not the extension that tells what is right.
CREATE FUNCTION pg_temp.hmac(key bytea, data bytea) RETURNS bytea LANGUAGE plpgsql
AS $$
DECLARE
  inner_pad bytea := decode(repeat('36', 64), 'hex');
  outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
  FOR i IN 0 .. length(key) - 1 LOOP
    inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
    outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
  END LOOP;
  RETURN sha256(outer_pad || sha256(inner_pad || data));
END
$$;
-- the second case of RFC 4231
SELECT encode(pg_temp.hmac('Jefe', 'what do ya want for nothing?'), 'hex') = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843' AS hmac_is_right;
CREATE FUNCTION pg_temp.field(data bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT int4send(length(data)) || data $$;
CREATE FUNCTION pg_temp.token(attempt_id uuid, purpose text DEFAULT 'c', ends_at timestamptz DEFAULT '2027-05-01', key_id text DEFAULT 'new', key text DEFAULT 'the_key_of_now,_of_which_nobody_knows', amount bigint DEFAULT NULL)
RETURNS text LANGUAGE sql
AS $$
  SELECT rtrim(translate(encode('\x01'::bytea || convert_to(purpose, 'UTF8') || set_byte('\x00', 0, length(key_id)) || convert_to(key_id, 'UTF8') || uuid_send(a.attempt_id)
                                || int8send(extract(epoch FROM ends_at)::bigint)
                                || pg_temp.hmac(pg_temp.hmac(convert_to(key, 'UTF8'), 'washminute payment callback'),
                                                pg_temp.field('v1') || pg_temp.field(convert_to(purpose, 'UTF8')) || pg_temp.field(uuid_send(a.attempt_id)) || pg_temp.field(convert_to(a.gateway_order_id, 'UTF8'))
                                                || pg_temp.field(int8send(COALESCE(token.amount, (a.amount * 100)::bigint))) || pg_temp.field('MAD') || pg_temp.field('merchant1')
                                                || pg_temp.field(int8send(extract(epoch FROM ends_at)::bigint)) || pg_temp.field(a.nonce)), 'base64'), E'+/\n', '-_'), '=')
    FROM washminute_data.payment_attempts AS a WHERE a.attempt_id = token.attempt_id
$$;
-- What the gateway posts, signed.
CREATE FUNCTION pg_temp.body(attempt_id uuid, result text DEFAULT '00', amount text DEFAULT '60.00', number text DEFAULT 'A1') RETURNS text LANGUAGE sql
AS $$
  SELECT format('idcommande=%s&repauto=%s&montant=%s&numAuto=%s&numTrans=T%s&codecmr=merchant1&signature=%s', a.gateway_order_id, result, replace(body.amount, ',', '%2C'), body.number, body.number,
                md5(a.gateway_order_id || result || 'PUBLICKEY' || body.amount))
    FROM washminute_data.payment_attempts AS a WHERE a.attempt_id = body.attempt_id
$$;
CREATE FUNCTION pg_temp.call_back(token text, body text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  state text;
  detail text;
BEGIN
  RETURN washminute.payment_callback(token, body);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', state, detail, CASE WHEN state NOT LIKE 'PT%' THEN SQLERRM END);
END
$$;
-- An order that is paid, by way of the gateway.
CREATE FUNCTION pg_temp.pay(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.start(name, 'pay ' || name);
  PERFORM pg_temp.move(name, 'dispatched', 'awaiting');
  RETURN pg_temp.call_back(pg_temp.token(pg_temp.attempt(name)), pg_temp.body(pg_temp.attempt(name)));
END
$$;

SELECT count(pg_temp.due('08:00')) AS what_others_left;
SELECT washminute.upsert_user('payment_c', 'customer', 'Nadia'), washminute.upsert_user('payment_d', 'customer'), washminute.upsert_user('payment_a', 'admin');
SELECT test_helpers.washman('payment_1', -1.91, 34.68);
INSERT INTO washminute_data.services (service_code, kind, name_ar, name_fr, name_en, price, duration_minutes)
VALUES ('payment_499', 'main', 'a', 'a', 'a', 4.99, 30), ('payment_500', 'main', 'a', 'a', 'a', 5.00, 30);

--
-- Begun
--

SELECT pg_temp.clock('09:00');
SELECT pg_temp.book('plain'), pg_temp.book('cash', 'cash');
-- NULL, blank, too long and wrong: nothing changes
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.begin_payment(' || replace(call, '$', quote_literal(pg_temp.order_of('plain'))) || ')')
  FROM (VALUES (1, $$NULL, 'payment_c', 'k'$$), (2, $$$, NULL, 'k'$$), (3, $$$, '', 'k'$$), (4, $$$, ' ', 'k'$$), (5, $$$, repeat('x', 129), 'k'$$), (6, $$$, 'payment_c', NULL$$),
               (7, $$$, 'payment_c', ''$$), (8, $$$, 'payment_c', ' '$$), (9, $$$, 'payment_c', repeat('k', 129)$$), (10, $$$, 'payment_c', E'a\nb'$$),
               (20, $$$, 'payment_nobody', 'k'$$), (21, $$$, 'payment_1', 'k'$$), (22, $$$, 'payment_a', 'k'$$), (23, $$$, 'payment_d', 'k'$$),
               (24, $$'00000000-0000-0000-0000-000000000000', 'payment_c', 'k'$$), (25, $$$, 'payment_c', 'k', false, '00000000-0000-0000-0000-000000000000'$$),
               (26, $$$, 'payment_d', 'k', false, '00000000-0000-0000-0000-000000000000'$$)) AS c (number, call) ORDER BY number;
SELECT pg_temp.try('cash');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

SELECT pg_temp.start('plain');
SELECT pg_temp.payment('plain'), pg_temp.queued('plain'), pg_temp.state('plain');
SELECT event, actor_id, data - '{orderId,paymentId}'::text[] AS data, data->>'paymentId' = pg_temp.id('plain')::text AS its_id FROM washminute_data.events
 WHERE request_id = test_helpers.request('payment_plain') AND event LIKE 'payment%';
SELECT number, gateway_order_id ~ '^WM[0-9A-HJKMNP-TV-Z]{18}$' AS order_id, amount, status, surplus, charged, save_card, length(nonce) AS nonce, link, created_at, dispatched_at
  FROM washminute_data.payment_attempts WHERE payment_id = pg_temp.id('plain');
-- the same key and arguments: the same payment and no more; other arguments: refused; another's key is another's
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.start('plain'), pg_temp.start('plain', rest => ', NULL'), pg_temp.start('plain', rest => ', false, NULL');
SELECT pg_temp.try('plain', rest => ', true'), pg_temp.try('cash', 'key plain'), pg_temp.try('plain', 'key plain', 'payment_d'),
       pg_temp.try('plain', rest => $$, false, '00000000-0000-0000-0000-000000000000'$$);
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
-- another key: the attempt that is under way
SELECT pg_temp.start('plain', 'other key'), pg_temp.start('plain', 'third key', rest => ', true');
SELECT pg_temp.payment('plain'), pg_temp.queued('plain');
-- with its link, once it is there; an attempt that came to nothing is followed by another one, of another order id
SELECT pg_temp.move('plain', 'dispatched', 'awaiting');
SELECT pg_temp.start('plain'), pg_temp.start('plain', 'fourth key');
SELECT pg_temp.move('plain', 'unknown');
SELECT pg_temp.start('plain', 'fifth key');
SELECT pg_temp.move('plain', 'declined');
SELECT pg_temp.start('plain', 'fifth key'), pg_temp.payment('plain');
SELECT pg_temp.start('plain', 'sixth key', rest => ', true'), pg_temp.payment('plain');
SELECT number, save_card FROM washminute_data.payment_attempts WHERE payment_id = pg_temp.id('plain') ORDER BY number;

-- too little for the gateway, and just enough
SELECT pg_temp.book('little', service => 'payment_499'), pg_temp.book('enough', service => 'payment_500');
SELECT pg_temp.try('little'), pg_temp.try('enough');
-- paid by hand, cancelled, expired: also in the moment before the timer comes
SELECT pg_temp.book('paid'), pg_temp.book('cancelled'), pg_temp.book('late');
SELECT washminute.record_payment(pg_temp.order_of('paid'), 60, 'PAYMENT-1'), test_helpers.cancel('payment_cancelled', 'payment_c');
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.try('paid', 'k'), pg_temp.try('cancelled', 'k');
SELECT pg_temp.clock('09:09:59.999999');
BEGIN;
SELECT pg_temp.try('late', 'k');
ROLLBACK;
SELECT pg_temp.clock('09:10');
SELECT pg_temp.try('late', 'k');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT pg_temp.due('09:10');
SELECT pg_temp.try('late', 'k'), pg_temp.state('late');
-- what was not paid is over; an attempt that nobody was told of is, too, and of one that somebody may pay the gateway is asked
SELECT pg_temp.payment('plain'), pg_temp.queued('plain'), pg_temp.payment('enough'), pg_temp.queued('enough');
SELECT * FROM washminute.check_invariants();

--
-- Waited for
--

SELECT pg_temp.clock('10:00');
SELECT pg_temp.book('wait');
-- in the transaction that began it nobody can get it, also not where a part of it did
BEGIN;
SELECT pg_temp.start('wait');
SELECT test_helpers.outcome(format('SELECT washminute.wait_for_payment_link(%L)', pg_temp.id('wait')));
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT pg_temp.start('wait');
RELEASE SAVEPOINT s;
SELECT test_helpers.outcome(format('SELECT washminute.wait_for_payment_link(%L)', pg_temp.id('wait')));
ROLLBACK;
SELECT pg_temp.start('wait');
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.wait_for_payment_link(' || replace(call, '$', quote_literal(pg_temp.id('wait'))) || ')')
  FROM (VALUES (1, 'NULL'), (2, $$'00000000-0000-0000-0000-000000000000'$$), (3, '$, NULL'), (4, $$$, '-1 s'$$), (5, $$$, '-1 microsecond'$$), (6, $$$, '-1 day 25 hours'$$), (7, $$$, '2 days'$$), (8, $$$, '1 month'$$)) AS c (number, call)
 ORDER BY number;
SELECT washminute.wait_for_payment_link(pg_temp.id('wait'), '0 s'), washminute.wait_for_payment_link(pg_temp.id('wait'), '50 ms');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT pg_temp.move('wait', 'dispatched');
SELECT washminute.wait_for_payment_link(pg_temp.id('wait'), '0 s');
SELECT pg_temp.move('wait', 'awaiting');
SELECT washminute.wait_for_payment_link(pg_temp.id('wait'), '0 s'), washminute.wait_for_payment_link(pg_temp.id('wait'));
-- while nobody knows whether it was paid there is no link, and once it came to nothing there will be none
SELECT pg_temp.move('wait', 'unknown');
SELECT washminute.wait_for_payment_link(pg_temp.id('wait'), '0 s');
SELECT pg_temp.move('wait', 'declined');
SELECT test_helpers.outcome(format('SELECT washminute.wait_for_payment_link(%L)', pg_temp.id('wait')));
SELECT pg_temp.start('wait', 'key 2');
SELECT washminute.wait_for_payment_link(pg_temp.id('wait'), '0 s');
SELECT test_helpers.cancel('payment_wait', 'payment_c');
SELECT test_helpers.outcome(format('SELECT washminute.wait_for_payment_link(%L)', pg_temp.id('wait')));

--
-- What an attempt can become
--

-- all of the others are refused, whoever makes them: none leads from success to refusal
SELECT from_status, string_agg(to_status, ' ' ORDER BY to_status) AS to_statuses FROM washminute_data.payment_attempt_transitions GROUP BY from_status ORDER BY from_status;
CREATE FUNCTION pg_temp.moves(from_status text, to_status text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE washminute_data.payment_attempts SET charged = CASE WHEN moves.from_status IN ('succeeded', 'captured', 'settled') THEN amount ELSE 0 END, status = moves.from_status
   WHERE attempt_id = pg_temp.attempt('wait');
  SET LOCAL session_replication_role TO origin;
  UPDATE washminute_data.payment_attempts SET charged = CASE WHEN moves.to_status IN ('succeeded', 'captured', 'settled') THEN amount ELSE 0 END, status = moves.to_status
   WHERE attempt_id = pg_temp.attempt('wait');
  RAISE SQLSTATE 'UNDO0';
EXCEPTION
  WHEN SQLSTATE 'UNDO0' THEN RETURN 'moves';
  WHEN SQLSTATE 'PT409' THEN RETURN 'refused';
END
$$;
CREATE FUNCTION pg_temp.moves_from(from_status text, to_status text) RETURNS text LANGUAGE plpgsql SET session_replication_role TO replica
AS $$ BEGIN RETURN pg_temp.moves(from_status, to_status); END $$;
CREATE TEMPORARY TABLE moves AS
  WITH s AS (SELECT unnest('{prepared,dispatched,awaiting,unknown,declined,expired,succeeded,integrity,captured,settled,reversed}'::text[]) AS status)
  SELECT f.status AS from_status, t.status AS to_status, pg_temp.moves_from(f.status, t.status) AS outcome,
         EXISTS (SELECT FROM washminute_data.payment_attempt_transitions AS r WHERE r.from_status = f.status AND r.to_status = t.status) AS allowed
    FROM s AS f, s AS t WHERE f.status <> t.status;
SELECT outcome, allowed, count(*) FROM moves GROUP BY outcome, allowed ORDER BY outcome;
SELECT outcome FROM moves WHERE from_status = 'succeeded' AND to_status = 'declined';
SELECT test_helpers.outcome(format($$UPDATE washminute_data.payment_attempts SET status = 'declined' WHERE attempt_id = %L$$, pg_temp.attempt('wait')));

-- one attempt is under way, one refund is in flight, and what was charged fits the status: constraints, too
SELECT pg_temp.clock('10:10');
SELECT pg_temp.book('rows');
SELECT pg_temp.start('rows');
CREATE FUNCTION pg_temp.add_attempt(name text, number integer, status text DEFAULT 'prepared', id text DEFAULT 'REGRESS', amount numeric DEFAULT 60, charged numeric DEFAULT 0, nonce bytea DEFAULT decode(repeat('00', 16), 'hex'))
RETURNS text LANGUAGE sql
AS $$
  SELECT test_helpers.outcome(format('INSERT INTO washminute_data.payment_attempts (attempt_id, payment_id, number, gateway_order_id, amount, status, charged, nonce, created_at, updated_at)
                                      VALUES (gen_random_uuid(), %L, %L, %L, %L, %L, %L, %L, now(), now())', pg_temp.id(name), number, id || number, amount, status, charged, nonce))
$$;
BEGIN;
SELECT status, pg_temp.add_attempt('rows', 2, status) FROM unnest('{prepared,dispatched,awaiting,unknown}'::text[]) AS status;
SELECT pg_temp.add_attempt('rows', 1, 'expired'), pg_temp.add_attempt('rows', 2, 'lost'), pg_temp.add_attempt('rows', 2, 'expired', 'regress'), pg_temp.add_attempt('rows', 2, 'expired', repeat('R', 20)),
       pg_temp.add_attempt('rows', 2, 'expired', nonce => '\x00');
SELECT amount, pg_temp.add_attempt('rows', 2, 'expired', amount => amount) FROM unnest('{0,-1,NaN}'::numeric[]) AS amount;
SELECT status, charged, pg_temp.add_attempt('rows', 2, status, charged => charged)
  FROM (VALUES ('expired', 60), ('declined', 60), ('succeeded', 0), ('captured', 0), ('settled', 0), ('succeeded', 59.99), ('integrity', 1), ('reversed', 60.01)) AS c (status, charged);
SELECT pg_temp.add_attempt('rows', 2, 'expired'), pg_temp.add_attempt('rows', 3, 'declined'), pg_temp.add_attempt('rows', 4, 'integrity', charged => 60), pg_temp.add_attempt('rows', 5, 'reversed');
-- an attempt that was over does not come to life beside another
SELECT test_helpers.outcome(format($$UPDATE washminute_data.payment_attempts SET status = 'unknown' WHERE attempt_id = %L$$, pg_temp.attempt('rows', 2)));
ROLLBACK;
-- one payment per order
SELECT test_helpers.outcome('INSERT INTO washminute_data.payments (payment_id, order_id, customer_id, amount, status, created_at, updated_at)
                             SELECT gen_random_uuid(), order_id, customer_id, amount, status, created_at, updated_at FROM washminute_data.payments');

--
-- Without configuration callbacks are refused
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT token, pg_temp.call_back(token, 'idcommande=x'), test_helpers.outcome(format('SELECT washminute.payment_return(%L)', token))
  FROM (VALUES (1, NULL), (2, ''), (3, 'x'), (4, '='), (5, 'AQ'), (6, repeat('A', 200)), (7, repeat('A', 201)), (8, repeat('é', 50)), (9, E'AQ\n'), (10, 'A+/=')) AS t (number, token) ORDER BY number;
SELECT pg_temp.call_back('x', NULL), pg_temp.call_back('x', repeat('x', 8193)), pg_temp.call_back('x', repeat('é', 4097)), pg_temp.call_back('x', repeat('x', 8192));
-- with the right form
SELECT purpose, pg_temp.call_back(pg_temp.token(pg_temp.attempt('rows'), purpose), pg_temp.body(pg_temp.attempt('rows'))),
       test_helpers.outcome(format('SELECT washminute.payment_return(%L)', pg_temp.token(pg_temp.attempt('rows'), purpose)))
  FROM unnest('{c,s,f,x}'::text[]) AS purpose;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- from here on there are files: of the gateway's credentials, and of two keys, of which the first signs
COPY (SELECT 'new the_key_of_now,_of_which_nobody_knows') TO PROGRAM 'umask 077 && rm -f washminute_regress_key && cat > washminute_regress_key';
COPY (SELECT 'old-1 the_key_of_last_year,_which_may_be_about') TO PROGRAM 'cat >> washminute_regress_key';
COPY (SELECT jsonb_build_object('api_key', 'x', 'institution_id', '0000', 'cx_user', 'user', 'cx_password', 'x', 'merchant_id', 'merchant1', 'merchant_name', 'x', 'public_key', 'PUBLICKEY'))
  TO PROGRAM 'umask 077 && rm -f washminute_regress_naps && cat > washminute_regress_naps';
ALTER SYSTEM SET washminute.signing_key_file TO 'washminute_regress_key';
ALTER SYSTEM SET washminute.naps_credentials_file TO 'washminute_regress_naps';
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.naps_credentials_file'') = '''' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all
SHOW washminute.naps_credentials_file;

--
-- Called back
--

SELECT pg_temp.clock('11:00');
SELECT pg_temp.book('call');
SELECT pg_temp.start('call');
SELECT pg_temp.move('call', 'dispatched', 'awaiting');
-- not genuine: nothing is taken, nothing kept
SELECT test_helpers.fingerprint() AS before \gset
SELECT what, pg_temp.call_back(token, body)
  FROM (SELECT pg_temp.attempt('call') AS a) AS x,
       LATERAL (VALUES (1, 'of the page for success', pg_temp.token(a, 's'), pg_temp.body(a)), (2, 'of the page for failure', pg_temp.token(a, 'f'), pg_temp.body(a)),
                       (3, 'of another attempt', pg_temp.token(pg_temp.attempt('rows')), pg_temp.body(a)), (4, 'of another amount', pg_temp.token(a, amount => 5999), pg_temp.body(a)),
                       (5, 'over', pg_temp.token(a, ends_at => '2026-11-10 11:00+00'), pg_temp.body(a)), (6, 'of no key', pg_temp.token(a, key_id => 'lost'), pg_temp.body(a)),
                       (7, 'of the other key', pg_temp.token(a, key_id => 'old-1'), pg_temp.body(a)), (8, 'of a key of which this is the beginning', pg_temp.token(a, key_id => 'ne'), pg_temp.body(a)),
                       (9, 'changed', left(pg_temp.token(a), -2) || 'AA', pg_temp.body(a)), (10, 'longer', pg_temp.token(a) || 'A', pg_temp.body(a)), (11, 'with a body of nothing', pg_temp.token(a), ''),
                       (12, 'about another order', pg_temp.token(a), pg_temp.body(pg_temp.attempt('rows'))), (13, 'with no signature', pg_temp.token(a), regexp_replace(pg_temp.body(a), '&signature=.*', '')),
                       (14, 'with an empty signature', pg_temp.token(a), regexp_replace(pg_temp.body(a), '(&signature=).*', '\1')),
                       (15, 'signed for another result', pg_temp.token(a), replace(pg_temp.body(a, '05'), 'repauto=05', 'repauto=00')), (16, 'of another merchant', pg_temp.token(a), replace(pg_temp.body(a), 'merchant1', 'merchant2')),
                       (17, 'with no result', pg_temp.token(a), replace(pg_temp.body(a), 'repauto', 'x')), (18, 'with no amount', pg_temp.token(a), replace(pg_temp.body(a), 'montant', 'x')),
                       (19, 'of broken JSON', pg_temp.token(a), '{"idcommande": '), (20, 'of JSON', pg_temp.token(a), '[]')) AS c (number, what, token, body)
 ORDER BY number;
SELECT what, test_helpers.outcome(format('SELECT washminute.payment_return(%L)', token))
  FROM (SELECT pg_temp.attempt('call') AS a) AS x,
       LATERAL (VALUES (1, 'of the callback', pg_temp.token(a)), (2, 'over', pg_temp.token(a, 's', '2026-11-10 11:00+00')), (3, 'changed', left(pg_temp.token(a, 'f'), -2) || 'AA')) AS c (number, what, token) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- a browser comes back, which proves nothing: whatever it says the gateway is asked, once in ten seconds
SELECT replace(washminute.payment_return(pg_temp.token(pg_temp.attempt('call'), 's')), pg_temp.order_of('call')::text, 'ID'),
       replace(washminute.payment_return(pg_temp.token(pg_temp.attempt('call'), 'f')), pg_temp.order_of('call')::text, 'ID');
SELECT pg_temp.payment('call'), pg_temp.queued('call');
SELECT pg_temp.clock('11:00:10');
SELECT washminute.payment_return(pg_temp.token(pg_temp.attempt('call'), 'f')) IS NOT NULL AS returns;
SELECT pg_temp.queued('call');
-- the gateway says that it was refused: that is kept, and the gateway asked; it may be paid all the same
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('call')), pg_temp.body(pg_temp.attempt('call'), '05')), pg_temp.payment('call'), pg_temp.state('call');
-- paid, by a token that the former key has signed: offered from now on; again, and with another number: no second effect
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('call'), key_id => 'old-1', key => 'the_key_of_last_year,_which_may_be_about'), pg_temp.body(pg_temp.attempt('call'))), pg_temp.payment('call'), pg_temp.state('call');
SELECT inquiry_number AS before FROM washminute_data.payment_attempts WHERE attempt_id = pg_temp.attempt('call') \gset
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('call')), pg_temp.body(pg_temp.attempt('call'))), pg_temp.call_back(pg_temp.token(pg_temp.attempt('call')), pg_temp.body(pg_temp.attempt('call'), '05')), pg_temp.payment('call');
-- the gateway has not heard the answer: it is asked anew
SELECT inquiry_number - :before AS asked_anew FROM washminute_data.payment_attempts WHERE attempt_id = pg_temp.attempt('call');
SET client_min_messages TO error;
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('call')), pg_temp.body(pg_temp.attempt('call'), number => 'A2')), pg_temp.payment('call');
RESET client_min_messages;
SELECT * FROM pg_temp.books('call');
SELECT number, status, charged, surplus, authorization_number, transaction_number, confirmed_at, final_at FROM washminute_data.payment_attempts WHERE payment_id = pg_temp.id('call');
SELECT at, source, code, data, answer FROM washminute_data.payment_observations WHERE attempt_id = pg_temp.attempt('call') ORDER BY observation_id;
SELECT event, actor_id, data->>'amount' AS amount FROM washminute_data.events WHERE request_id = test_helpers.request('payment_call') AND event LIKE 'payment%' ORDER BY event_id;
SELECT replace(washminute.payment_return(pg_temp.token(pg_temp.attempt('call'), 'f')), pg_temp.order_of('call')::text, 'ID');
SELECT pg_temp.try('call', 'more'), test_helpers.outcome(format('SELECT washminute.record_payment(%L, 60, %L)', pg_temp.order_of('call'), 'PAYMENT-2'));
-- what was seen was seen
SELECT statement, test_helpers.outcome(statement) FROM (VALUES (1, 'UPDATE washminute_data.payment_observations SET answer = answer'), (2, 'DELETE FROM washminute_data.payment_observations'),
                                                               (3, 'TRUNCATE washminute_data.payment_observations')) AS s (number, statement) ORDER BY number;

-- an amount in other words, as JSON, and with a signature that has lost the zeros at its beginning
CREATE FUNCTION pg_temp.fresh(name text) RETURNS void LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_temp.book(name); PERFORM pg_temp.start(name); PERFORM pg_temp.move(name, 'dispatched', 'awaiting'); END $$;
SELECT count(pg_temp.fresh('f' || n)) FROM generate_series(1, 12) AS n;
-- it says so, with the payment's id
SET client_min_messages TO error;
SELECT number, amount, pg_temp.call_back(pg_temp.token(pg_temp.attempt('f' || number)), pg_temp.body(pg_temp.attempt('f' || number), amount => amount)), pg_temp.payment('f' || number)
  FROM (VALUES (1, '60'), (2, '60.0'), (3, '60,00'), (4, '59.99'), (5, '60.001'), (6, '6000'), (7, '-60'), (8, ' 60'), (9, '60.00.')) AS c (number, amount) ORDER BY number;
SELECT pg_temp.call_back(pg_temp.token(a), jsonb_build_object('idcommande', o, 'repauto', '00', 'montant', '60.00', 'signature', upper(md5(o || '00PUBLICKEY60.00')))::text), pg_temp.payment('f10')
  FROM (SELECT attempt_id, gateway_order_id FROM washminute_data.payment_attempts WHERE attempt_id = pg_temp.attempt('f10')) AS x (a, o);
UPDATE washminute_data.payment_attempts SET gateway_order_id = (SELECT 'REGRESS' || n FROM generate_series(1, 100000) AS n WHERE md5('REGRESS' || n || '00PUBLICKEY60.00') LIKE '000%' LIMIT 1)
 WHERE attempt_id = pg_temp.attempt('f11');
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('f11')), regexp_replace(pg_temp.body(pg_temp.attempt('f11')), '(&signature=)0+', '\1')), pg_temp.payment('f11');
RESET client_min_messages;
SELECT kind, count(*), count(resolved_at) FROM washminute_data.payment_exceptions GROUP BY kind;
-- a payment that a person must look at is on hold: nothing more is charged until then
SELECT pg_temp.state('f4'), pg_temp.try('f4', 'again');
-- before anything was sent nothing is believed
SELECT pg_temp.book('early');
SELECT pg_temp.start('early');
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('early')), pg_temp.body(pg_temp.attempt('early'))), pg_temp.payment('early');
SELECT * FROM washminute.check_invariants();

-- surplus: paid by hand meanwhile, or cancelled, or by another attempt first
SELECT washminute.record_payment(pg_temp.order_of('f12'), 60, 'PAYMENT-3');
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('f12')), pg_temp.body(pg_temp.attempt('f12'))), pg_temp.payment('f12');
SELECT * FROM pg_temp.books('f12');
SELECT pg_temp.clock('11:30');
SELECT pg_temp.fresh('gone'), pg_temp.fresh('twice');
SELECT test_helpers.cancel('payment_gone', 'payment_c');
SELECT pg_temp.payment('gone'), pg_temp.queued('gone');
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('gone')), pg_temp.body(pg_temp.attempt('gone'))), pg_temp.payment('gone'), pg_temp.state('gone');
SELECT * FROM pg_temp.books('gone');
SELECT pg_temp.move('twice', 'declined');
SELECT pg_temp.start('twice', 'once more');
SELECT pg_temp.move('twice', 'dispatched', 'awaiting');
SELECT pg_temp.call_back(pg_temp.token(pg_temp.attempt('twice', number)), pg_temp.body(pg_temp.attempt('twice', number))), pg_temp.payment('twice') FROM unnest('{1,2}'::integer[]) AS number;
SELECT * FROM pg_temp.books('twice');
SELECT * FROM washminute.check_invariants();

-- a card is kept, with the holder's name as he writes it; one that was removed, and is not yet forgotten there, is another one when it is kept again
CREATE FUNCTION pg_temp.save(name text, token text, holder text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  a uuid;
BEGIN
  PERFORM pg_temp.book(name), pg_temp.start(name, rest => ', true');
  PERFORM pg_temp.move(name, 'dispatched', 'awaiting');
  a := pg_temp.attempt(name);
  RETURN pg_temp.call_back(pg_temp.token(a), pg_temp.body(a) || format('&token=%s&carte=411111******1111&typecarte=1&nomprenom=%s', token, holder));
END
$$;
SELECT name, pg_temp.save('card_' || name, 'TOKEN' || lpad(name, 5, '0'), holder)
  FROM (VALUES ('1', 'A%C3%AFcha+%D8%B9%D8%A7%D8%A6%D8%B4%D8%A9'), ('2', 'A%EFcha%0A%C3'), ('3', repeat('%E2%82%AC', 100)), ('4', repeat('%C3%AF', 101)), ('5', '4111+1111+1111+1111+%C3%AF'), ('6', '')) AS c (name, holder);
SELECT token, brand, last4, holder, char_length(holder) AS length FROM washminute_data.cards WHERE customer_id = 'payment_c' ORDER BY token;
SELECT pg_temp.save('card_7', 'TOKEN00001', 'once+more');
SELECT washminute.remove_card('payment_c', card_id) FROM washminute_data.cards WHERE token = 'TOKEN00001';
SELECT pg_temp.save('card_8', 'TOKEN00001', 'N');
SELECT token, holder, removed_at IS NOT NULL AS removed FROM washminute_data.cards WHERE customer_id = 'payment_c' AND (token = 'TOKEN00001' OR removed_at IS NOT NULL) ORDER BY removed;
SELECT test_helpers.cancel('payment_card_' || n, 'payment_c') FROM generate_series(1, 8) AS n;

--
-- Paid back
--

SELECT pg_temp.clock('12:00');
SELECT pg_temp.book('back'), pg_temp.book('unpaid'), pg_temp.book('by_hand');
SELECT pg_temp.pay('back'), pg_temp.start('unpaid'), pg_temp.start('by_hand'), washminute.record_payment(pg_temp.order_of('by_hand'), 60, 'PAYMENT-4');
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.request_refund(' || replace(call, '$', quote_literal(pg_temp.id('back'))) || ')')
  FROM (VALUES (1, $$NULL, 1, 'r', 'k'$$), (2, $$'00000000-0000-0000-0000-000000000000', 1, 'r', 'k'$$), (3, $$$, NULL, 'r', 'k'$$), (4, $$$, 0, 'r', 'k'$$), (5, $$$, -0.01, 'r', 'k'$$), (6, $$$, 'NaN', 'r', 'k'$$),
               (7, $$$, 'infinity', 'r', 'k'$$), (8, $$$, 0.001, 'r', 'k'$$), (9, $$$, 1e10, 'r', 'k'$$), (10, $$$, 60.01, 'r', 'k'$$), (11, $$$, 1, NULL, 'k'$$), (12, $$$, 1, '', 'k'$$), (13, $$$, 1, ' ', 'k'$$),
               (14, $$$, 1, repeat('r', 501), 'k'$$), (15, $$$, 1, 'r', NULL$$), (16, $$$, 1, 'r', ''$$), (17, $$$, 1, 'r', repeat('k', 129)$$)) AS c (number, call) ORDER BY number;
SELECT pg_temp.refund('unpaid', '1'), pg_temp.refund('by_hand', '1');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
-- a part; the same again is the same refund, anything else with its key is refused
SELECT pg_temp.refund('back', '20');
SELECT pg_temp.payment('back'), pg_temp.queued('back'), pg_temp.state('back');
SELECT amount, status, method, reason, reason_key, requested_by, resent, created_at, dispatched_at FROM washminute_data.refunds WHERE payment_id = pg_temp.id('back');
SELECT test_helpers.fingerprint() AS before \gset
SELECT washminute.request_refund(pg_temp.id('back'), 20.000, 'a scratch', 'key') = f.refund_id AS the_same FROM washminute_data.refunds AS f WHERE f.payment_id = pg_temp.id('back');
SELECT pg_temp.refund('back', '20.01'), pg_temp.refund('back', '20', reason => 'another'), pg_temp.refund('back', '40.01', 'key 2');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
-- keys are forgotten after a while, but a refund is not made twice by one
BEGIN;
DELETE FROM washminute_data.idempotency_keys WHERE command = 'request_refund';
SELECT pg_temp.refund('back', '20');
ROLLBACK;
-- the rest, to the centime; then nothing is left
SELECT pg_temp.refund('back', '40', 'key 2'), pg_temp.refund('back', '0.01', 'key 3');
SELECT pg_temp.payment('back');
SELECT * FROM pg_temp.books('back');
-- money that came twice is not this payment's to give
SELECT pg_temp.payment('twice'), pg_temp.refund('twice', '60.01');
SELECT pg_temp.refund('twice', '60');
SELECT pg_temp.payment('twice');
SELECT * FROM washminute.check_invariants();
-- never above what was charged, and one at a time: constraints, too
SELECT pg_temp.id('back') AS payment, pg_temp.attempt('back') AS attempt \gset
SELECT statement, test_helpers.outcome(replace(replace(statement, '$p', quote_literal(:'payment')), '$a', quote_literal(:'attempt')))
  FROM (VALUES (1, 'UPDATE washminute_data.payments SET reserved = 60.01 WHERE payment_id = $p'), (2, 'UPDATE washminute_data.payments SET captured = 59.99 WHERE payment_id = $p'),
               (3, 'UPDATE washminute_data.payments SET reserved = -0.01 WHERE payment_id = $p'),
               (4, $$INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, reason, reason_key, created_at, updated_at) VALUES (gen_random_uuid(), $p, $a, 1, 'r', 'key:key', now(), now())$$),
               (5, $$INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, reason, reason_key, created_at, updated_at) VALUES (gen_random_uuid(), $p, $a, 0, 'r', 'k', now(), now())$$),
               (6, $$INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, reason, reason_key, created_at, updated_at) VALUES (gen_random_uuid(), $p, $a, 'NaN', 'r', 'k', now(), now())$$),
               (7, $$INSERT INTO washminute_data.refunds (refund_id, payment_id, attempt_id, amount, reason, reason_key, created_at, updated_at) VALUES (gen_random_uuid(), $p, $a, 1, '', 'k', now(), now())$$),
               (8, $$UPDATE washminute_data.refunds SET status = 'lost' WHERE payment_id = $p$$), (9, $$UPDATE washminute_data.refunds SET status = 'accepted' WHERE payment_id = $p$$),
               (10, $$UPDATE washminute_data.refunds SET method = 'cheque' WHERE payment_id = $p$$),
               (11, $$UPDATE washminute_data.refunds SET status = 'dispatched', method = 'reversal' WHERE payment_id = $p$$),
               (12, $$UPDATE washminute_data.refunds SET status = CASE amount WHEN 20 THEN 'dispatched' ELSE 'unknown' END, method = 'refund' WHERE payment_id = $p$$))
       AS s (number, statement) ORDER BY number;

--
-- Orders that come to nothing
--

SELECT pg_temp.clock('13:00'), washminute.report_location('payment_1', -1.91, 34.68);
SELECT pg_temp.book('e_' || name) FROM unnest('{cancel,force,expire,fee,no_show,prepared,live,all,partly,wholly}'::text[]) AS name;
SELECT pg_temp.pay('e_' || name) FROM unnest('{cancel,force,expire,fee,no_show,all,partly,wholly}'::text[]) AS name;
SELECT pg_temp.start('e_' || name) FROM unnest('{prepared,live}'::text[]) AS name;
SELECT pg_temp.move('e_live', 'dispatched', 'awaiting');
SELECT test_helpers.cancel('payment_e_cancel', 'payment_c'), test_helpers.outcome(format('SELECT washminute.force_cancel_request(%L, %L, %L)', test_helpers.request('payment_e_force'), 'payment_a', 'storm'));
SELECT pg_temp.payment('e_cancel'), pg_temp.payment('e_force'), pg_temp.state('e_cancel'), pg_temp.queued('e_cancel');
SELECT * FROM pg_temp.books('e_cancel');
-- what nobody was told of is over at once, what somebody may have paid is asked about; both are cancelled once that is known
SELECT test_helpers.cancel('payment_e_prepared', 'payment_c'), test_helpers.cancel('payment_e_live', 'payment_c');
SELECT pg_temp.payment('e_prepared'), pg_temp.queued('e_prepared'), pg_temp.payment('e_live'), pg_temp.queued('e_live');
-- with a fee the rest goes back
SELECT test_helpers.accept('payment_e_fee', 'payment_1');
SELECT pg_temp.clock('13:04');
SELECT test_helpers.cancel('payment_e_fee', 'payment_c');
SELECT pg_temp.payment('e_fee');
SELECT * FROM pg_temp.books('e_fee');
SELECT test_helpers.accept('payment_e_no_show', 'payment_1'), test_helpers.advance('payment_e_no_show', 'payment_1', 'en_route'), test_helpers.advance('payment_e_no_show', 'payment_1', 'arrived'),
       test_helpers.advance('payment_e_no_show', 'payment_1', 'no_show');
SELECT pg_temp.payment('e_no_show');
-- with all of it as a fee nothing goes back
BEGIN;
UPDATE washminute_data.settings SET value = 60 WHERE name = 'cancel_fee';
SELECT test_helpers.accept('payment_e_all', 'payment_1');
SELECT pg_temp.clock('13:09');
SELECT test_helpers.cancel('payment_e_all', 'payment_c');
SELECT pg_temp.payment('e_all');
ROLLBACK;
-- what an administrator has paid back before is a part of it
SELECT pg_temp.refund('e_partly', '20'), pg_temp.refund('e_wholly', '60');
SELECT test_helpers.cancel('payment_e_partly', 'payment_c'), test_helpers.cancel('payment_e_wholly', 'payment_c');
SELECT pg_temp.payment('e_partly'), pg_temp.payment('e_wholly');
SELECT * FROM pg_temp.books('e_partly');
SELECT * FROM pg_temp.books('e_wholly');
SELECT pg_temp.refund('e_partly', '0.01', 'key 2'), pg_temp.refund('e_fee', '10.01'), pg_temp.refund('e_fee', '10');
-- nobody came
SELECT pg_temp.due('13:30') > 0 AS some_expired;
SELECT pg_temp.payment('e_expire'), pg_temp.state('e_expire');
SELECT * FROM washminute.check_invariants();

--
-- Captured
--

SELECT pg_temp.clock('14:00');
SELECT pg_temp.book('capture'), pg_temp.book('open');
SELECT pg_temp.pay('capture'), pg_temp.start('open');
SELECT test_helpers.fingerprint() AS before \gset
SELECT test_helpers.outcome('SELECT washminute.capture_payment(NULL)'), test_helpers.outcome($$SELECT washminute.capture_payment('00000000-0000-0000-0000-000000000000')$$),
       test_helpers.outcome(format('SELECT washminute.capture_payment(%L)', pg_temp.id('open')));
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT washminute.capture_payment(pg_temp.id('capture'));
SELECT pg_temp.payment('capture'), pg_temp.queued('capture'), (SELECT capture_requested_at FROM washminute_data.payment_attempts WHERE payment_id = pg_temp.id('capture'));
-- once it is, there is nothing to do
SELECT pg_temp.move('capture', 'captured');
SELECT test_helpers.fingerprint() AS before \gset
SELECT washminute.capture_payment(pg_temp.id('capture'));
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT * FROM washminute.check_invariants();

--
-- When a card job is offered
--

-- once it is paid, by default: it has payment_minutes for that (10 in these tests), and then request_seconds
SELECT pg_temp.clock('15:00'), washminute.report_location('payment_1', -1.91, 34.68);
SELECT card_dispatch, (SELECT value FROM washminute_data.settings WHERE name = 'payment_minutes') AS payment_minutes, (SELECT value FROM washminute_data.settings WHERE name = 'request_seconds') AS request_seconds
  FROM washminute_data.service_zones WHERE zone_code = 'oujda';
CREATE FUNCTION pg_temp.offered(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN (SELECT format('%s, until %s, offered to %s', r.status, r.expires_at::time, (SELECT count(*) FROM washminute_data.offers AS f WHERE f.request_id = r.request_id))
            FROM washminute_data.washing_requests AS r WHERE r.request_id = test_helpers.request('payment_' || name));
END
$$;
SELECT pg_temp.book('after'), pg_temp.book('after_unpaid'), pg_temp.book('later', reservation_at => '17:00'), pg_temp.book('later_unpaid', reservation_at => '17:30'), pg_temp.book('later_cash', 'cash', '18:00');
SELECT name, pg_temp.offered(name) FROM unnest('{after,after_unpaid,later,later_unpaid,later_cash}'::text[]) AS name;
-- nobody can be sent meanwhile, not by an operator either
SELECT test_helpers.accept('payment_after', 'payment_1');
INSERT INTO washminute_data.offers (request_id, washman_id, distance_m, located_at, offered_at, expires_at, wave)
SELECT test_helpers.request('payment_after_unpaid'), 'payment_1', 0, '2026-11-10 15:00+00', '2026-11-10 15:00+00', '2026-11-10 15:10+00', 1;
SELECT test_helpers.accept('payment_after_unpaid', 'payment_1'),
       test_helpers.outcome(format('SELECT washminute.reassign_request(%L, %L, %L, %L)', test_helpers.request('payment_after_unpaid'), 'payment_a', 'payment_1', 'urgent'));
DELETE FROM washminute_data.offers WHERE request_id = test_helpers.request('payment_after_unpaid');
SELECT pg_temp.clock('15:09');
SELECT pg_temp.pay('after'), pg_temp.pay('later');
SELECT name, pg_temp.offered(name) FROM unnest('{after,after_unpaid,later,later_unpaid,later_cash}'::text[]) AS name;
SELECT test_helpers.accept('payment_after', 'payment_1');
SELECT pg_temp.due('15:09:59.999999'), pg_temp.due('15:10:00');
SELECT name, pg_temp.offered(name) FROM unnest('{after,after_unpaid,later,later_unpaid,later_cash}'::text[]) AS name;
SELECT pg_temp.state('after_unpaid'), pg_temp.state('later_unpaid'), pg_temp.state('later');
SELECT test_helpers.cancel('payment_' || name, 'payment_c') FROM unnest('{after,later,later_cash}'::text[]) AS name;
SELECT name, pg_temp.payment(name) FROM unnest('{after,later}'::text[]) AS name;

-- at once, as cash jobs, and paid before the work begins
SELECT pg_temp.clock('16:00'), washminute.report_location('payment_1', -1.91, 34.68);
SELECT test_helpers.outcome($$UPDATE washminute_data.service_zones SET card_dispatch = 'sometime'$$);
UPDATE washminute_data.service_zones SET card_dispatch = 'at_once' WHERE zone_code = 'oujda';
SELECT pg_temp.book('once'), pg_temp.book('once_unpaid'), pg_temp.book('once_later', reservation_at => '18:00');
SELECT name, pg_temp.offered(name) FROM unnest('{once,once_unpaid,once_later}'::text[]) AS name;
SELECT test_helpers.accept('payment_once', 'payment_1'), test_helpers.advance('payment_once', 'payment_1', 'en_route'), test_helpers.advance('payment_once', 'payment_1', 'arrived');
SELECT test_helpers.fingerprint() AS before \gset
SELECT test_helpers.advance('payment_once', 'payment_1', 'in_progress');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT pg_temp.start('once');
SELECT test_helpers.advance('payment_once', 'payment_1', 'in_progress');
SELECT pg_temp.pay('once'), pg_temp.offered('once'), pg_temp.state('once');
SELECT test_helpers.advance('payment_once', 'payment_1', 'in_progress'), test_helpers.advance('payment_once', 'payment_1', 'completed');
SELECT pg_temp.payment('once'), pg_temp.state('once');
SELECT * FROM pg_temp.books('once');
-- unpaid and not taken it expires as others do
SELECT pg_temp.due('16:09:59.999999'), pg_temp.due('16:10:00');
SELECT name, pg_temp.offered(name) FROM unnest('{once_unpaid,once_later}'::text[]) AS name;
SELECT test_helpers.cancel('payment_once_later', 'payment_c');
UPDATE washminute_data.service_zones SET card_dispatch = 'after_payment' WHERE zone_code = 'oujda';
SELECT * FROM washminute.check_invariants();

--
-- The gateway's MACs
--

SELECT what, washminute._naps_mac(parts) = expected AS as_written, washminute._naps_mac(parts) = md5(array_to_string(parts, '')) AS as_md5
  FROM (VALUES (1, 'institution_id and cx_user', '{0000,user}'::text[], '27bf8811ec4bf96860f55e4a77319c91'), (2, 'orderid and amount', '{WM0123456789ABCDEFGH,120.00}', '50d1b2209df8ef4fdea2238790b3b5c6'), (3, 'merchantid and 0', '{merchant1,0}', '367c0d916d8b0783510edcdff8d74e73'),
               (4, 'signature of a callback', '{WM0123456789ABCDEFGH,00,PUBLICKEY,120.00}', '4035365a1241fca14f63e43ca87b47e0'), (5, 'nothing', '{}', 'd41d8cd98f00b204e9800998ecf8427e'),
               (6, 'not ASCII', '{é,غ}', 'fca4e7066e9a035b7aacbc0edcce9058')) AS m (number, what, parts, expected) ORDER BY number;
SELECT washminute._naps_mac(NULL), washminute._naps_mac('{a,NULL,b}') = md5('ab') AS nulls_are_nothing;

--
-- Who reads what
--

SELECT c.relname, a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid,
       unnest('{washminute_anon,washminute_customer,washminute_washman,washminute_admin,washminute_service,pg_monitor}'::text[]) AS role
 WHERE c.oid IN ('washminute_data.payment_attempts'::regclass, 'washminute_data.payment_observations'::regclass, 'washminute_data.payment_attempt_transitions'::regclass)
   AND a.attnum > 0 AND has_column_privilege(role, c.oid, a.attnum, 'SELECT, INSERT, UPDATE');
SELECT c.relname, c.relrowsecurity FROM pg_class AS c WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind = 'r' AND c.relname ~ 'payment|refund|card|settlement' ORDER BY c.relname;
GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
SELECT pg_temp.book('of_d');
SELECT count(*) AS payments, (SELECT count(*) FROM washminute_data.refunds) AS refunds, (SELECT count(*) FROM washminute_data.payment_exceptions) AS exceptions FROM washminute_data.payments \gset
CREATE FUNCTION pg_temp.reads(role text, sub text) RETURNS TABLE (api text, payments text, refunds text, exceptions text, link text, nonce text, observations text) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', jsonb_build_object('role', role, 'sub', sub)::text, true), set_config('role', role, true);
  api := test_helpers.outcome($q$SELECT 1 / count(*) FROM washminute_api.payments$q$);
  payments := test_helpers.outcome($q$SELECT 1 / count(payment_id) FROM washminute_data.payments$q$);
  refunds := test_helpers.outcome($q$SELECT 1 / count(refund_id) FROM washminute_data.refunds$q$);
  exceptions := test_helpers.outcome($q$SELECT 1 / count(exception_id) FROM washminute_data.payment_exceptions$q$);
  link := test_helpers.outcome($q$SELECT link FROM washminute_data.payment_attempts$q$);
  nonce := test_helpers.outcome($q$SELECT nonce FROM washminute_data.payment_attempts$q$);
  observations := test_helpers.outcome($q$SELECT data FROM washminute_data.payment_observations$q$);
  PERFORM set_config('role', 'none', true);
  RETURN NEXT;
END
$$;
-- columns and rows stand by themselves, also for those who could name the tables
BEGIN;
GRANT USAGE ON SCHEMA washminute_data TO PUBLIC;
SELECT role, sub, r.* FROM (VALUES (1, 'washminute_anon', NULL), (2, 'washminute_customer', 'payment_c'), (3, 'washminute_customer', 'payment_d'), (4, 'washminute_washman', 'payment_1'),
                                   (5, 'washminute_admin', 'payment_a'), (6, 'washminute_service', NULL), (7, 'washminute_admin', NULL), (8, 'washminute_customer', NULL)) AS c (number, role, sub), LATERAL pg_temp.reads(role, sub) AS r ORDER BY number;
ROLLBACK;
-- the customer his own, the administrator all
BEGIN;
SELECT set_config('request.jwt.claims', '{"role": "washminute_customer", "sub": "payment_c"}', true) IS NOT NULL AS is_set;
GRANT USAGE ON SCHEMA washminute_data TO PUBLIC;
SET LOCAL ROLE washminute_customer;
SELECT DISTINCT customer_id FROM washminute_api.payments;
SELECT test_helpers.outcome('SELECT paid_by FROM washminute_data.payments'), test_helpers.outcome('UPDATE washminute_data.payments SET status = status'),
       test_helpers.outcome('DELETE FROM washminute_api.payments');
ROLLBACK;
BEGIN;
SELECT set_config('request.jwt.claims', '{"role": "washminute_admin", "sub": "payment_a"}', true) IS NOT NULL AS is_set;
GRANT USAGE ON SCHEMA washminute_data TO PUBLIC;
SET LOCAL ROLE washminute_admin;
SELECT (SELECT count(*) FROM washminute_api.payments) = :payments AS payments, (SELECT count(refund_id) FROM washminute_data.refunds) = :refunds AS refunds,
       (SELECT count(exception_id) FROM washminute_data.payment_exceptions) = :exceptions AS exceptions;
ROLLBACK;

-- another's payment is none
BEGIN;
SELECT set_config('request.jwt.claims', '{"role": "washminute_customer", "sub": "payment_d"}', true) IS NOT NULL AS is_set;
SELECT pg_temp.id('capture') AS payment, pg_temp.order_of('of_d') AS "order" \gset
SET LOCAL ROLE washminute_customer;
SELECT test_helpers.outcome(format('SELECT washminute_api.wait_for_payment_link(%L)', :'payment')), test_helpers.outcome(format('SELECT washminute_api.begin_payment(%L, %L)', :'order', 'k')),
       test_helpers.outcome(format('SELECT washminute_api.request_refund(%L, 1, %L, %L)', :'payment', 'r', 'k'));
ROLLBACK;

-- the way it was
ALTER SYSTEM RESET washminute.signing_key_file;
ALTER SYSTEM RESET washminute.naps_credentials_file;
SELECT pg_reload_conf();
COPY (SELECT) TO PROGRAM 'cat > /dev/null && rm -f washminute_regress_key washminute_regress_naps';
SELECT test_helpers.cancel('payment_of_d', 'payment_c');
SELECT count(pg_temp.due('23:00')) AS what_is_left;
SELECT washminute.set_washman_status('payment_1', 'offline');
UPDATE washminute_data.services SET active = false WHERE service_code LIKE 'payment\_%';
SELECT * FROM washminute.check_invariants();
-- tests that come after this one empty the queue, in which what is open must be
SET session_replication_role TO replica;
DELETE FROM washminute_data.payment_observations;
DELETE FROM washminute_data.payment_exceptions;
DELETE FROM washminute_data.outbox WHERE data ? 'cardId';
DELETE FROM washminute_data.cards;
DELETE FROM washminute_data.refunds;
DELETE FROM washminute_data.payment_attempts;
DELETE FROM washminute_data.payments;
RESET session_replication_role;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

-- What each role of PostgREST may call and read: own rows only, as the caller that
-- the token names; the errors are those of the commands.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SELECT washminute.set_clock('2026-04-22 10:00+00', 0);

--
-- Who may what
--

CREATE TEMPORARY VIEW roles AS
  SELECT role, number FROM unnest(ARRAY['washminute_anon', 'washminute_customer', 'washminute_washman', 'washminute_admin', 'washminute_service'])
                           WITH ORDINALITY AS r (role, number);
SELECT c.relname AS view, COALESCE(string_agg(substr(r.role, 12), ', ' ORDER BY r.number) FILTER (WHERE has_table_privilege(r.role, c.oid, 'SELECT')), '') AS may_read,
       count(*) FILTER (WHERE has_table_privilege(r.role, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) AS may_write
  FROM pg_class AS c, roles AS r WHERE c.relnamespace = 'washminute_api'::regnamespace AND c.relkind = 'v'
 GROUP BY c.relname ORDER BY c.relname;
SELECT p.proname AS function, COALESCE(string_agg(substr(r.role, 12), ', ' ORDER BY r.number) FILTER (WHERE has_function_privilege(r.role, p.oid, 'EXECUTE')), '') AS may_call
  FROM pg_proc AS p, roles AS r WHERE p.pronamespace = 'washminute_api'::regnamespace GROUP BY p.proname ORDER BY p.proname;
SELECT p.proname AS function, string_agg(substr(r.role, 12), ', ' ORDER BY r.number) AS may_call
  FROM pg_proc AS p, roles AS r WHERE p.pronamespace = 'washminute'::regnamespace AND has_function_privilege(r.role, p.oid, 'EXECUTE')
 GROUP BY p.proname ORDER BY p.proname;
SELECT n.nspname AS schema, COALESCE(string_agg(substr(r.role, 12), ', ' ORDER BY r.number) FILTER (WHERE has_schema_privilege(r.role, n.oid, 'USAGE')), '') AS may_use,
       count(*) FILTER (WHERE has_schema_privilege(r.role, n.oid, 'CREATE')) AS may_create
  FROM pg_namespace AS n, roles AS r WHERE n.nspname LIKE 'washminute%' GROUP BY n.nspname ORDER BY n.nspname;
-- base tables: columns for the views, and nothing but SELECT
SELECT a.attrelid::regclass AS table, substr(r.role, 12) AS role, string_agg(a.attname, ', ' ORDER BY a.attnum) AS columns
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid, roles AS r
 WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
   AND has_column_privilege(r.role, c.oid, a.attnum, 'SELECT')
 GROUP BY a.attrelid, r.role, r.number ORDER BY a.attrelid::regclass::text, r.number;
SELECT count(*) AS may_write FROM pg_class AS c, roles AS r
 WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind IN ('r', 'v')
   AND (has_table_privilege(r.role, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(r.role, c.oid, 'INSERT, UPDATE'));
-- no policy takes the token's word for an administrator
SELECT polrelid::regclass, polname FROM pg_policy
 WHERE 'washminute_admin'::regrole = ANY (polroles) AND cardinality(polroles) = 1 AND pg_get_expr(polqual, polrelid) NOT LIKE '%caller_is_admin()%';
-- what may wait, or takes long, has its own time, which PostgREST gives it
SELECT proname, c AS config FROM pg_proc, unnest(proconfig) AS c WHERE pronamespace = 'washminute_api'::regnamespace AND c LIKE 'statement%' ORDER BY proname;
-- an acceptance starts its own serializable transaction
SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'washminute_api'::regnamespace AND proconfig::text LIKE '%isolation%';

--
-- A day of two customers and two washmen, as PostgREST calls
--

SELECT washminute.upsert_user('api_c1', 'customer', 'Amina', '+212600000011'), washminute.upsert_user('api_c2', 'customer', 'Brahim'),
       washminute.upsert_user('api_a', 'admin', 'Chama');
SELECT test_helpers.washman('api_w1', -5.37, 35.58), test_helpers.washman('api_w2', -5.37, 35.59);
GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
CREATE TEMPORARY TABLE names (request_id uuid, name text);
GRANT SELECT, INSERT ON names TO PUBLIC;
CREATE FUNCTION pg_temp.request(name text) RETURNS uuid LANGUAGE sql AS $$ SELECT n.request_id FROM names AS n WHERE n.name = request.name $$;
-- becomes a role and, till the end of the transaction, a caller
CREATE FUNCTION pg_temp.as_caller(role text, sub text) RETURNS void LANGUAGE sql
AS $$
  SELECT set_config('request.jwt.claims', jsonb_build_object('role', role, 'sub', sub)::text, true), set_config('role', role, true);
$$;

-- a customer books
BEGIN;
SELECT pg_temp.as_caller('washminute_customer', 'api_c1');
SELECT user_id, kinds, name, phone, email, locale FROM washminute_api.me;
WITH b AS (SELECT * FROM washminute_api.create_booking('{exterior,wax}', -5.37, 35.58, 'Rue 1', 'cash')),
     n AS (INSERT INTO names SELECT request_id, 'first' FROM b)
SELECT total, status, washmen_offered FROM b;
SELECT customer_id, status, payment_method, payment_verified, total, services FROM washminute_api.orders;
SELECT customer_id, status, address, washman_id FROM washminute_api.requests;
SELECT test_helpers.outcome('SELECT * FROM washminute_api.offers');
SELECT test_helpers.outcome($$SELECT washminute_api.balance()$$);
SELECT test_helpers.outcome(format($$SELECT * FROM washminute_api.accept_request(%L)$$, pg_temp.request('first')));
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking('{exterior}', 0, 0, 'Rue 1', 'cash')$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking(NULL, 0, 0, 'Rue 1', 'cash')$$);
COMMIT;

-- another one sees nothing of it, and cannot cancel it; his own key does not meet another's
BEGIN;
SELECT pg_temp.as_caller('washminute_customer', 'api_c2');
SELECT name FROM washminute_api.me;
SELECT (SELECT count(*) FROM washminute_api.orders) AS orders, (SELECT count(*) FROM washminute_api.requests) AS requests;
SELECT test_helpers.outcome(format($$SELECT washminute_api.cancel_request(%L)$$, pg_temp.request('first')));
WITH b AS (SELECT * FROM washminute_api.create_booking('{interior}', -5.37, 35.58, 'Rue 2', 'cash', idempotency_key => 'k')),
     n AS (INSERT INTO names SELECT request_id, 'second' FROM b)
SELECT total, status, washmen_offered FROM b;
SELECT total FROM washminute_api.create_booking('{interior}', -5.37, 35.58, 'Rue 2', 'cash', idempotency_key => 'k');
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking('{complete}', -5.37, 35.58, 'Rue 2', 'cash', idempotency_key => 'k')$$);
SELECT customer_id, total, services FROM washminute_api.orders;
COMMIT;

-- a washman sees his offers, accepts, works, and sees his job
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.as_caller('washminute_washman', 'api_w1');
SELECT n.name, o.washman_id, round(o.distance_m) AS metres FROM washminute_api.offers AS o JOIN names AS n USING (request_id) ORDER BY n.name;
SELECT count(*) AS requests FROM washminute_api.requests;
SELECT count(*) AS orders FROM washminute_api.orders;
SELECT customer_id, status, accepted_at FROM washminute_api.accept_request(pg_temp.request('first'));
-- what to do, and what to collect
SELECT customer_id, status, payment_method, total, services FROM washminute_api.orders;
SELECT customer_id, status, washman_id FROM washminute_api.requests;
SELECT washminute_api.advance_request(pg_temp.request('first'), 'en_route');
SELECT washminute_api.balance();
SELECT washminute_api.report_location(-5.371, 35.581);
SELECT washminute_api.decline_request(pg_temp.request('second'));
SELECT test_helpers.outcome(format($$SELECT washminute_api.cancel_request(%L)$$, pg_temp.request('first')));
COMMIT;
BEGIN;
SELECT pg_temp.as_caller('washminute_washman', 'api_w2');
SELECT test_helpers.outcome(format($$SELECT * FROM washminute_api.accept_request(%L)$$, pg_temp.request('second')));
SELECT test_helpers.outcome(format($$SELECT washminute_api.advance_request(%L, 'arrived')$$, pg_temp.request('first')));
SELECT n.name, o.washman_id FROM washminute_api.offers AS o JOIN names AS n USING (request_id) ORDER BY n.name;
SELECT count(*) AS requests FROM washminute_api.requests;
SELECT washminute_api.set_status('offline');
SELECT test_helpers.outcome($$SELECT washminute_api.set_status('away')$$);
SELECT name, kinds FROM washminute_api.me;
COMMIT;

-- an administrator sees all, and cancels anything
BEGIN;
SELECT pg_temp.as_caller('washminute_admin', 'api_a');
SELECT n.name, r.customer_id, r.status, r.washman_id FROM washminute_api.requests AS r JOIN names AS n USING (request_id) ORDER BY n.name;
SELECT o.customer_id, o.total, o.services FROM washminute_api.orders AS o WHERE o.customer_id LIKE 'api\_%' ORDER BY o.customer_id;
SELECT n.name, o.washman_id, o.declined_at FROM washminute_api.offers AS o JOIN names AS n USING (request_id) ORDER BY n.name, o.washman_id;
SELECT name FROM washminute_api.me;
SELECT washminute_api.cancel_request(pg_temp.request('second'), 'storm');
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking('{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$);
COMMIT;

-- a role that the user's kinds do not bear out gives no rights
BEGIN;
SELECT pg_temp.as_caller('washminute_admin', 'api_c2');
SELECT test_helpers.outcome(format($$SELECT washminute_api.cancel_request(%L)$$, pg_temp.request('first')));
SELECT (SELECT count(*) FROM washminute_api.users) AS users, (SELECT count(*) FROM washminute_api.orders) AS orders, (SELECT count(*) FROM washminute_api.requests) AS requests;
SELECT pg_temp.as_caller('washminute_admin', 'api_a');
SELECT (SELECT count(*) FROM washminute_api.users) > 3 AS users, (SELECT count(*) FROM washminute_api.orders) > 1 AS orders;
RESET ROLE;
UPDATE washminute_data.users SET blocked_at = washminute.now() WHERE user_id = 'api_a';
SELECT pg_temp.as_caller('washminute_admin', 'api_a');
SELECT (SELECT count(*) FROM washminute_api.users) AS blocked, (SELECT count(*) FROM washminute_api.orders) AS orders;
SELECT pg_temp.as_caller('washminute_customer', 'api_w1');
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking('{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$);
SELECT pg_temp.as_caller('washminute_customer', 'api_nobody');
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking('{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$);
SELECT count(*) AS me FROM washminute_api.me;
SELECT pg_temp.as_caller('washminute_washman', 'api_c1');
SELECT call, test_helpers.outcome('SELECT washminute_api.' || replace(call, 'FIRST', quote_literal(pg_temp.request('first'))))
  FROM (VALUES (1, 'balance()'), (2, $$set_status('online')$$), (3, 'report_location(-5.37, 35.58)'), (4, 'decline_request(FIRST)'),
               (5, $$advance_request(FIRST, 'arrived')$$)) AS c (number, call) ORDER BY number;
ROLLBACK;

-- without a caller every command is PT401, and no row is seen
BEGIN;
SET LOCAL ROLE washminute_customer;
SELECT call, test_helpers.outcome('SELECT washminute_api.' || call)
  FROM (VALUES (1, $$create_booking('{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$), (2, $$cancel_request('00000000-0000-0000-0000-000000000000')$$)) AS c (number, call) ORDER BY number;
SELECT (SELECT count(*) FROM washminute_api.me) AS me, (SELECT count(*) FROM washminute_api.orders) AS orders, (SELECT count(*) FROM washminute_api.requests) AS requests;
SET LOCAL ROLE washminute_washman;
SELECT set_config('request.jwt.claims', '', true) AS claims;
SELECT call, test_helpers.outcome('SELECT washminute_api.' || call)
  FROM (VALUES (1, 'balance()'), (2, $$set_status('online')$$), (3, 'report_location(-5.37, 35.58)'),
               (4, $$decline_request('00000000-0000-0000-0000-000000000000')$$), (5, $$advance_request('00000000-0000-0000-0000-000000000000', 'arrived')$$),
               (6, $$accept_request('00000000-0000-0000-0000-000000000000')$$)) AS c (number, call) ORDER BY number;
SELECT (SELECT count(*) FROM washminute_api.me) AS me, (SELECT count(*) FROM washminute_api.offers) AS offers, (SELECT count(*) FROM washminute_api.requests) AS requests;
ROLLBACK;

-- anonymous callers see the active services, and nothing else
BEGIN;
UPDATE washminute_data.services SET active = false WHERE service_code = 'tyres';
SELECT pg_temp.as_caller('washminute_anon', NULL);
SELECT service_code, kind, name_fr, price, duration_minutes FROM washminute_api.services ORDER BY kind DESC, price;
SELECT call, test_helpers.outcome('SELECT ' || call)
  FROM (VALUES (1, '* FROM washminute_api.me'), (2, '* FROM washminute_api.orders'), (3, '* FROM washminute_api.requests'), (4, '* FROM washminute_api.offers'),
               (5, 'washminute_api.balance()'), (6, $$washminute_api.create_booking('{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$),
               (7, '* FROM washminute_data.services'), (8, $$washminute.upsert_user('api_x', 'admin')$$)) AS c (number, call) ORDER BY number;
ROLLBACK;

-- no role of the API reaches behind it
BEGIN;
SELECT pg_temp.as_caller('washminute_customer', 'api_c1');
SELECT call, test_helpers.outcome(call)
  FROM (VALUES
    (1, 'SELECT * FROM washminute_data.users'),
    (2, 'SELECT * FROM washminute_data.transfers'),
    (3, $$SELECT washminute.upsert_user('api_c1', 'admin')$$),
    (4, $$SELECT washminute.create_booking('api_c2', '{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$),
    (5, $$SELECT washminute.settle_balance('api_w1', 1000000, 'gift')$$),
    (6, 'SELECT washminute.setup()'),
    (7, $$SELECT washminute.raise('WM_NOT_YOURS')$$),
    (8, 'SELECT * FROM washminute.setup_script'),
    (9, $$INSERT INTO washminute_api.orders (customer_id) VALUES ('api_c1')$$),
    (10, $$UPDATE washminute_api.requests SET status = 'completed'$$),
    (11, 'DELETE FROM washminute_api.me')
  ) AS c (number, call) ORDER BY number;
ROLLBACK;

-- PostgREST's login can become the roles that it was granted, and none of the others
CREATE ROLE regress_washminute_authenticator NOINHERIT;
GRANT washminute_anon, washminute_customer TO regress_washminute_authenticator;
SET SESSION AUTHORIZATION regress_washminute_authenticator;
SELECT test_helpers.outcome('SELECT * FROM washminute_api.services');
SET ROLE washminute_customer;
SELECT test_helpers.outcome('SET ROLE washminute_owner'), test_helpers.outcome('SET ROLE washminute_admin'), test_helpers.outcome('SET ROLE washminute_anon');
RESET SESSION AUTHORIZATION;
DROP ROLE regress_washminute_authenticator;

-- a definer function is not led astray by objects of the caller
BEGIN;
CREATE FUNCTION pg_temp.require_caller() RETURNS text LANGUAGE sql AS $$ SELECT 'api_c2'::text $$;
CREATE TEMPORARY TABLE users (user_id text, kinds text[]);
GRANT ALL ON users TO PUBLIC;
SELECT pg_temp.as_caller('washminute_customer', 'api_nobody');
SET LOCAL search_path TO pg_temp, washminute_data, public;
SELECT test_helpers.outcome($$SELECT * FROM washminute_api.create_booking('{exterior}', -5.37, 35.58, 'Rue 1', 'cash')$$);
ROLLBACK;

--
-- Who knows what in which phase
--

SELECT washminute.upsert_user('api_c1', 'customer', 'Amina Alaoui'), washminute.upsert_user('api_w2', 'washman', 'Driss', '+212600000022', locale => 'ar'),
       washminute.upsert_user('api_w3', 'washman', 'Elias', '+212600000033');
SELECT washminute.set_washman_status('api_w2', 'online'), test_helpers.washman('api_w3', -5.37, 35.60);
INSERT INTO washminute_data.neighbourhoods (neighbourhood_code, name_ar, name_fr, name_en, boundary)
VALUES ('api_medina', 'المدينة العتيقة', 'Médina', 'Old town', ST_Buffer(ST_MakePoint(-5.37, 35.58)::geography, 1000));
-- who calls a statement as whom, and how it ends or what the query returns
CREATE FUNCTION pg_temp.as_each(VARIADIC callers text[]) RETURNS TABLE (role text, sub text) LANGUAGE sql
AS $$ SELECT 'washminute_' || split_part(c, ' ', 1), split_part(c, ' ', 2) FROM unnest(callers) WITH ORDINALITY AS u (c, number) ORDER BY number $$;
CREATE FUNCTION pg_temp.asks(role text, sub text, query text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  answer text;
BEGIN
  PERFORM pg_temp.as_caller(role, sub);
  EXECUTE format('SELECT string_agg(q::text, %L) FROM (%s) AS q', '; ', query) INTO answer;
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = COALESCE(answer, '');
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.book_api(name text, customer text, services text[], method text DEFAULT 'cash') RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  booked record;
BEGIN
  PERFORM pg_temp.as_caller('washminute_customer', customer);
  SELECT * INTO booked FROM washminute_api.create_booking(services, -5.37, 35.58, '7, rue Secrète', method);
  INSERT INTO names VALUES (booked.request_id, name);
  PERFORM set_config('role', 'none', true);
  RETURN format('%s, offered to %s', booked.status, booked.washmen_offered);
END
$$;
SELECT pg_temp.book_api('third', 'api_c1', '{complete,wax}');

-- before: the first name, the neighbourhood in his language, what he will earn; neither place nor number
SELECT e.sub, pg_temp.asks(e.role, e.sub, $$SELECT customer_first_name, neighbourhood, round(distance_m) AS metres, services, earnings, payment_method, reservation_at, offered_at, expires_at, answered_at FROM washminute_api.open_offers()$$)
  FROM pg_temp.as_each('washman api_w1', 'washman api_w2', 'washman api_w3', 'washman api_c1', 'washman api_nobody', 'washman', 'customer api_c1', 'admin api_a', 'anon') AS e;
SELECT e.sub, pg_temp.asks(e.role, e.sub, format('SELECT * FROM washminute_api.contact(%L)', pg_temp.request('third'))) AS contact,
       pg_temp.asks(e.role, e.sub, format('SELECT status, address FROM washminute_api.requests WHERE request_id = %L', pg_temp.request('third'))) AS request
  FROM pg_temp.as_each('customer api_c1', 'customer api_c2', 'washman api_w2', 'washman api_w3', 'admin api_a', 'customer', 'anon') AS e;
-- declined, or over: not shown
BEGIN;
SELECT washminute.decline_request(pg_temp.request('third'), 'api_w2');
SELECT pg_temp.asks('washminute_washman', 'api_w2', 'SELECT count(*) FROM washminute_api.open_offers()');
SELECT washminute.set_clock('2026-04-22 10:09:59.999999+00', 0);
SELECT pg_temp.asks('washminute_washman', 'api_w3', 'SELECT count(*) FROM washminute_api.open_offers()');
SELECT washminute.set_clock('2026-04-22 10:10+00', 0);
SELECT pg_temp.asks('washminute_washman', 'api_w3', 'SELECT count(*) FROM washminute_api.open_offers()');
SELECT washminute.set_clock('2026-04-22 10:00+00', 0);
ROLLBACK;

-- in hand: the two of them know each other, and nobody else; in every state, and not after
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.as_caller('washminute_washman', 'api_w2');
SELECT status FROM washminute_api.accept_request(pg_temp.request('third'));
COMMIT;
SELECT e.sub, pg_temp.asks(e.role, e.sub, 'SELECT count(*) FROM washminute_api.open_offers()') FROM pg_temp.as_each('washman api_w2', 'washman api_w3') AS e;
CREATE FUNCTION pg_temp.known() RETURNS TABLE (sub text, contact text, request text) LANGUAGE sql
AS $$
  SELECT e.sub, pg_temp.asks(e.role, e.sub, format('SELECT * FROM washminute_api.contact(%L)', pg_temp.request('third'))),
         pg_temp.asks(e.role, e.sub, format('SELECT status, address FROM washminute_api.requests WHERE request_id = %L', pg_temp.request('third')))
    FROM pg_temp.as_each('customer api_c1', 'customer api_c2', 'washman api_w2', 'washman api_w3', 'washman api_w1') AS e
$$;
SELECT * FROM pg_temp.known();
SELECT washminute.advance_request(pg_temp.request('third'), 'api_w2', 'en_route');
SELECT * FROM pg_temp.known() WHERE sub IN ('api_c1', 'api_w2');
SELECT washminute.advance_request(pg_temp.request('third'), 'api_w2', 'arrived');
SELECT * FROM pg_temp.known() WHERE sub IN ('api_c1', 'api_w2');
SELECT washminute.advance_request(pg_temp.request('third'), 'api_w2', 'in_progress');
SELECT * FROM pg_temp.known() WHERE sub IN ('api_c1', 'api_w2');
SELECT washminute.advance_request(pg_temp.request('third'), 'api_w2', 'completed');
SELECT * FROM pg_temp.known() WHERE sub IN ('api_c1', 'api_w2');

-- given back: what the first one knew he knows no more
SELECT pg_temp.book_api('fourth', 'api_c1', '{exterior}');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.as_caller('washminute_washman', 'api_w3');
SELECT status FROM washminute_api.accept_request(pg_temp.request('fourth'));
SELECT name FROM washminute_api.contact(pg_temp.request('fourth'));
SELECT washminute_api.advance_request(pg_temp.request('fourth'), 'pending');
SELECT count(*) AS contacts FROM washminute_api.contact(pg_temp.request('fourth'));
SELECT count(*) AS requests FROM washminute_api.requests;
COMMIT;

--
-- What it costs, what is owed
--

BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.as_caller('washminute_washman', 'api_w2');
SELECT status FROM washminute_api.accept_request(pg_temp.request('fourth'));
COMMIT;
SELECT washminute.set_clock('2026-04-22 10:03+00', 0);
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, format('SELECT * FROM washminute_api.cancellation_fee(%L)', pg_temp.request('fourth')))
  FROM pg_temp.as_each('customer api_c1', 'customer api_c2', 'washman api_w2', 'admin api_a', 'admin api_c2', 'customer', 'anon') AS e;
BEGIN;
SELECT pg_temp.as_caller('washminute_customer', 'api_c1');
SELECT test_helpers.outcome(format($$SELECT washminute_api.cancel_request(%L, agreed_fee => 0)$$, pg_temp.request('fourth')));
SELECT washminute_api.cancel_request(pg_temp.request('fourth'), 'rain', 10.00);
COMMIT;
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, $$SELECT debtor_id, amount, purpose, created_at, settled_at, waived FROM washminute_api.receivables WHERE debtor_id LIKE 'api\_%'$$)
  FROM pg_temp.as_each('customer api_c1', 'customer api_c2', 'customer', 'washman api_w2', 'washman api_c1', 'admin api_a', 'admin', 'anon') AS e;
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, format('SELECT washminute_api.settle_receivable(%L, %L)', (SELECT receivable_id FROM washminute_data.receivables WHERE debtor_id = 'api_c1'), 'paid'))
  FROM pg_temp.as_each('customer api_c1', 'washman api_w2', 'admin api_c1', 'admin api_a', 'admin', 'anon') AS e;

--
-- A washman's money
--

SELECT washminute.settle_balance('api_w2', 50, 'paid in'), washminute.settle_balance('api_w3', 5, 'paid in');
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, $$SELECT washman_id, at, purpose, amount, balance FROM washminute_api.statement WHERE washman_id LIKE 'api\_%' ORDER BY washman_id, transfer_id$$)
  FROM pg_temp.as_each('washman api_w2', 'washman api_w3', 'washman api_w1', 'washman', 'customer api_c1', 'admin api_a', 'admin', 'anon') AS e;
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, 'SELECT washminute_api.balance(), e.* FROM washminute_api.earnings() AS e') AS all_time,
       pg_temp.asks(e.role, e.sub, $$SELECT * FROM washminute_api.earnings('2026-04-22 10:03+00', '2026-04-22 10:04+00')$$) AS since
  FROM pg_temp.as_each('washman api_w2', 'washman api_w3', 'washman api_c1', 'washman', 'customer api_c1', 'admin api_a', 'anon') AS e;
BEGIN;
SELECT pg_temp.as_caller('washminute_washman', 'api_w2');
SELECT test_helpers.outcome('SELECT washminute_api.request_payout(1000)');
SELECT washminute_api.request_payout(10.00, 'k') = washminute_api.request_payout(10.00, 'k') AS the_same;
COMMIT;
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, 'SELECT washminute_api.request_payout(1) IS NOT NULL')
  FROM pg_temp.as_each('washman api_w2', 'washman api_w3', 'washman api_c1', 'washman api_nobody', 'washman', 'customer api_c1', 'admin api_a', 'anon') AS e;
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, $$SELECT washman_id, amount, status, requested_at, decided_at, reference FROM washminute_api.payouts WHERE washman_id LIKE 'api\_%'$$)
  FROM pg_temp.as_each('washman api_w2', 'washman api_w3', 'washman', 'customer api_c1', 'admin api_a', 'admin', 'anon') AS e;
SELECT e.role, e.sub, pg_temp.asks(e.role, e.sub, format('SELECT washminute_api.pay_payout(%L, %L)', payout_id, 'x')) AS pay,
       pg_temp.asks(e.role, e.sub, format('SELECT washminute_api.refuse_payout(%L, %L)', payout_id, 'x')) AS refuse
  FROM pg_temp.as_each('washman api_w2', 'customer api_c1', 'admin api_w2', 'admin api_a', 'admin', 'anon') AS e, washminute_data.payouts AS p WHERE p.washman_id = 'api_w2';
BEGIN;
SELECT pg_temp.as_caller('washminute_admin', 'api_a');
SELECT washminute_api.pay_payout(payout_id, 'transfer 1') FROM washminute_api.payouts WHERE washman_id = 'api_w2';
COMMIT;

--
-- What administrators do: each function as each role, and as one who is no administrator
--

SELECT pg_temp.book_api('fifth', 'api_c1', '{exterior}');
SELECT c.call, e.role, e.sub, pg_temp.asks(e.role, e.sub, 'SELECT washminute_api.' || replace(c.call, 'FIFTH', quote_literal(pg_temp.request('fifth'))))
  FROM (VALUES (1, $$force_cancel_request(FIFTH, 'x')$$), (2, $$reassign_request(FIFTH, 'api_w3', 'x')$$), (3, $$suspend_washman('api_w3', 'x')$$), (4, $$reinstate_washman('api_w3', 'x')$$)) AS c (number, call),
       pg_temp.as_each('anon', 'customer api_c1', 'washman api_w3', 'admin api_c1', 'admin', 'admin api_a') WITH ORDINALITY AS e (role, sub, number) ORDER BY c.number, e.number;
-- and it is he who stands in the log
BEGIN;
SELECT pg_temp.as_caller('washminute_admin', 'api_a');
SELECT washminute_api.suspend_washman('api_w3', 'papers'), washminute_api.reassign_request(pg_temp.request('fifth'), 'api_w2', 'asked for him'), washminute_api.force_cancel_request(pg_temp.request('fifth'), 'storm');
SELECT washminute_api.reinstate_washman('api_w3', 'papers are in order');
COMMIT;
SELECT event, actor_id, data - '{requestId,orderId}'::text[] AS data FROM washminute_data.events
 WHERE request_id = pg_temp.request('fifth') AND event IN ('requestReassigned', 'requestCancelled') OR event IN ('washmanSuspended', 'washmanReinstated') AND actor_id = 'api_a' ORDER BY event_id;

DELETE FROM washminute_data.neighbourhoods WHERE neighbourhood_code = 'api_medina';
SELECT washminute.set_washman_status('api_w2', 'offline'), washminute.set_washman_status('api_w3', 'offline');

REVOKE USAGE ON SCHEMA test_helpers FROM PUBLIC;
SELECT washminute.cancel_request((SELECT request_id FROM names WHERE name = 'first'), 'api_c1');
SELECT washminute.set_washman_status('api_w1', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

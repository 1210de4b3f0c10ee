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
SELECT test_helpers.outcome('SELECT * FROM washminute_api.orders');
SELECT customer_id, status, accepted_at FROM washminute_api.accept_request(pg_temp.request('first'));
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

REVOKE USAGE ON SCHEMA test_helpers FROM PUBLIC;
SELECT washminute.cancel_request((SELECT request_id FROM names WHERE name = 'first'), 'api_c1');
SELECT washminute.set_washman_status('api_w1', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

-- Installing, setting up, dropping and installing again: the code comes and goes
-- with the extension, the data stay. This test runs first and leaves the extension
-- set up, with what the other tests share in schema test_helpers.
SET client_min_messages TO warning;
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';

CREATE SCHEMA test_helpers;

-- How a statement ends: 'ok', or SQLSTATE and DETAIL of a refusal (MESSAGE of any other error).
CREATE FUNCTION test_helpers.outcome(statement text) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  state text;
  message text;
  detail text;
BEGIN
  EXECUTE statement;
  RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  RETURN state || ' ' || CASE WHEN state LIKE 'PT%' THEN detail ELSE message END;
END
$$;

-- A digest of every row of the data: equal while nothing has changed.
CREATE FUNCTION test_helpers.fingerprint() RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  found record;
  part text;
  parts text := '';
BEGIN
  FOR found IN
    SELECT c.relname FROM pg_class AS c
     WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind = 'r' AND c.relname <> 'instance'
     ORDER BY c.relname
  LOOP
    EXECUTE format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")) FROM washminute_data.%I AS t',
                   found.relname) INTO part;
    parts := parts || found.relname || COALESCE(part, '');
  END LOOP;
  RETURN md5(parts);
END
$$;

SET check_function_bodies TO off;
-- Bookings by name, since their ids are random.
CREATE TABLE test_helpers.bookings (
    name text PRIMARY KEY, order_id uuid, request_id uuid, reference text, total numeric, status text, washmen_offered integer
);
CREATE FUNCTION test_helpers.request(name text) RETURNS uuid LANGUAGE sql STABLE
AS $$ SELECT b.request_id FROM test_helpers.bookings AS b WHERE b.name = request.name $$;
CREATE FUNCTION test_helpers.order_of(name text) RETURNS uuid LANGUAGE sql STABLE
AS $$ SELECT b.order_id FROM test_helpers.bookings AS b WHERE b.name = order_of.name $$;

-- Book under a name; a random id never shows.
CREATE FUNCTION test_helpers.book(
    name text, customer_id text, service_codes text[], longitude float8, latitude float8,
    payment_method text DEFAULT 'cash', reservation_at timestamptz DEFAULT NULL)
RETURNS text LANGUAGE sql
AS $$
  INSERT INTO test_helpers.bookings AS b
  SELECT name, c.* FROM washminute.create_booking(customer_id, service_codes, longitude, latitude,
                                                  'Rue 1', payment_method, reservation_at) AS c
  RETURNING format('%s, %s MAD, offered to %s', b.status, b.total, b.washmen_offered)
$$;

-- The commands that answer nothing, by the name of the booking, as outcome() tells them.
CREATE FUNCTION test_helpers.accept(name text, washman_id text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT * FROM washminute.accept_request(%L, %L)', test_helpers.request(name), washman_id)) $$;
CREATE FUNCTION test_helpers.decline(name text, washman_id text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.decline_request(%L, %L)', test_helpers.request(name), washman_id)) $$;
CREATE FUNCTION test_helpers.advance(name text, washman_id text, to_status text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.advance_request(%L, %L, %L)', test_helpers.request(name), washman_id, to_status)) $$;
CREATE FUNCTION test_helpers.cancel(name text, actor_id text, reason text DEFAULT NULL) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.cancel_request(%L, %L, %L)', test_helpers.request(name), actor_id, reason)) $$;

-- Request and order in a line.
CREATE FUNCTION test_helpers.state(name text) RETURNS text LANGUAGE sql STABLE
AS $$
  SELECT format('request %s%s, order %s%s', r.status, ' by ' || r.washman_id, o.status,
                CASE WHEN o.payment_verified THEN ', verified' END)
    FROM washminute_data.washing_requests AS r JOIN washminute_data.orders AS o ON o.order_id = r.order_id
   WHERE r.request_id = test_helpers.request(state.name)
$$;

-- A washman who is online at a place.
CREATE FUNCTION test_helpers.washman(washman_id text, longitude float8, latitude float8) RETURNS text LANGUAGE sql
AS $$
  SELECT washminute.upsert_user(washman_id, 'washman');
  SELECT washminute.set_washman_status(washman_id, 'online');
  SELECT washminute.report_location(washman_id, longitude, latitude);
  SELECT washman_id;
$$;
RESET check_function_bodies;

-- The roles belong to the cluster: a server that ran these tests before has them.
CREATE ROLE regress_washminute_other;

--
-- CREATE EXTENSION makes code only
--

CREATE EXTENSION washminute CASCADE;
SELECT e.extname, n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
 WHERE e.extname IN ('washminute', 'postgis', 'btree_gist') ORDER BY e.extname COLLATE "C";
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'washminute%' ORDER BY nspname;

-- until setup() has run, commands refuse
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('install_c', 'customer')$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute.nearby_washmen(-7.6, 33.6)$$);
SELECT test_helpers.outcome($$SELECT washminute.washman_balance('install_w')$$);
SELECT test_helpers.outcome($$SELECT washminute.run_due()$$);
SELECT test_helpers.outcome($$SELECT washminute.adopt()$$);
SELECT finding, severity, remedy FROM washminute.doctor() WHERE finding LIKE '%set up%';

--
-- What setup() refuses
--

-- schemas of our names that are somebody else's
BEGIN;
CREATE SCHEMA washminute_api AUTHORIZATION regress_washminute_other;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
BEGIN;
CREATE SCHEMA washminute_data AUTHORIZATION regress_washminute_other;
CREATE TABLE washminute_data.instance (other integer);
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;

-- whoever is not a superuser
BEGIN;
GRANT USAGE ON SCHEMA washminute, test_helpers TO regress_washminute_other;
GRANT EXECUTE ON FUNCTION washminute.setup(), washminute.raise(text, jsonb), washminute.adopt() TO regress_washminute_other;
SET LOCAL ROLE regress_washminute_other;
SELECT test_helpers.outcome('SELECT washminute.setup()');
SELECT test_helpers.outcome('SELECT washminute.adopt()');
ROLLBACK;

--
-- setup()
--

SELECT washminute.setup() = (SELECT extversion FROM pg_extension WHERE extname = 'washminute') AS returns_the_version;
SELECT rolname, rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb
  FROM pg_roles WHERE rolname LIKE 'washminute%' ORDER BY rolname;
SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname LIKE 'washminute\__%' ORDER BY nspname;
SELECT name, version = washminute._library_version() AS of_this_version FROM washminute_data.migrations ORDER BY name;
SELECT only_row, version = washminute._library_version() AS of_this_version, adopted_at,
       database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS of_this_database,
       system_identifier = (SELECT system_identifier FROM pg_control_system()) AS of_this_cluster
  FROM washminute_data.instance;
SELECT (SELECT count(*) FROM washminute_data.services) AS services,
       (SELECT count(*) FROM washminute_data.service_zones) AS zones,
       (SELECT count(*) FROM washminute_data.settings) AS settings,
       (SELECT count(*) FROM washminute_data.request_transitions) AS transitions,
       (SELECT count(*) FROM washminute_data.users) AS users;

-- a second time nothing changes, and the row of instance stays the one it was
SELECT test_helpers.fingerprint() AS before \gset
SELECT system_identifier AS identifier_before, set_up_at AS set_up_before FROM washminute_data.instance \gset
SELECT washminute.setup() = washminute._library_version() AS again;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT count(*) AS rows, bool_and(system_identifier = :identifier_before) AS same_identifier,
       bool_and(set_up_at > :'set_up_before') AS set_up_later
  FROM washminute_data.instance;
SELECT current_setting('role') AS role_after_setup;

-- values that an operator has changed are his
UPDATE washminute_data.settings SET value = 25 WHERE name = 'offer_size';
UPDATE washminute_data.services SET price = 61.50 WHERE service_code = 'exterior';
SELECT washminute.setup() = washminute._library_version() AS again;
SELECT value FROM washminute_data.settings WHERE name = 'offer_size';
SELECT price FROM washminute_data.services WHERE service_code = 'exterior';
UPDATE washminute_data.settings SET value = 50 WHERE name = 'offer_size';
UPDATE washminute_data.services SET price = 60.00 WHERE service_code = 'exterior';

--
-- Later refusals; each is all or nothing
--

-- a role with a way around row-level security
BEGIN;
ALTER ROLE washminute_admin BYPASSRLS;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
BEGIN;
ALTER ROLE washminute_customer LOGIN;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
BEGIN;
ALTER ROLE washminute_owner SUPERUSER;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;

-- an object or schema of ours that another user owns
BEGIN;
ALTER TABLE washminute_data.outbox OWNER TO regress_washminute_other;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
BEGIN;
ALTER FUNCTION washminute_api.balance() OWNER TO regress_washminute_other;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
BEGIN;
ALTER SCHEMA washminute_data OWNER TO regress_washminute_other;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;

-- a migration that has run and is another now
BEGIN;
UPDATE washminute.setup_script SET body = body || '-- changed' WHERE name = '050_ledger';
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;

-- library, extension and data of different versions
BEGIN;
UPDATE pg_extension SET extversion = '0.0.0' WHERE extname = 'washminute';
SELECT test_helpers.outcome('SELECT washminute.setup()') ~ '^PT503 WM_VERSION_DIFFERS \{.*"extension": "0.0.0"' AS setup_refuses;
ROLLBACK;
BEGIN;
UPDATE washminute_data.instance SET version = '0.0.0';
ALTER TABLE washminute_data.instance SET (fillfactor = 90);
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('install_c', 'customer')$$)
       ~ '^PT503 WM_VERSION_DIFFERS \{.*"data": "0.0.0"' AS commands_refuse;
SELECT finding LIKE 'versions differ: {%"data": "0.0.0"}' AS doctor_tells, severity
  FROM washminute.doctor() WHERE finding LIKE 'versions%';
SELECT washminute.setup() = washminute._library_version() AS repairs;
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('install_c', 'customer')$$);
ROLLBACK;

-- tables that a restore without the roles gave to a superuser
BEGIN;
ALTER TABLE washminute_data.instance OWNER TO CURRENT_USER;
ALTER TABLE washminute_data.jobs OWNER TO CURRENT_USER;
ALTER FUNCTION washminute_api.balance() OWNER TO CURRENT_USER;
ALTER SCHEMA washminute_api OWNER TO CURRENT_USER;
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('install_c', 'customer')$$);
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE '%belong to washminute_owner';
SELECT washminute.setup() = washminute._library_version() AS repairs;
SELECT count(*) AS not_the_owners
  FROM (SELECT relowner AS owner FROM pg_class WHERE relnamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)
        UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)
        UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname IN ('washminute_data', 'washminute_api')) AS o
 WHERE owner <> 'washminute_owner'::regrole;
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('install_c', 'customer')$$);
ROLLBACK;

-- a view of ours that has another form now is replaced, but never over a user's head
BEGIN;
DROP VIEW washminute_api.offers;
CREATE VIEW washminute_api.offers AS SELECT 'former' AS form;
ALTER VIEW washminute_api.offers OWNER TO washminute_owner;
SELECT washminute.setup() = washminute._library_version() AS replaced;
SELECT attname FROM pg_attribute WHERE attrelid = 'washminute_api.offers'::regclass AND attnum = 1;
ROLLBACK;
BEGIN;
DROP VIEW washminute_api.offers;
CREATE VIEW washminute_api.offers AS SELECT 'former' AS form;
ALTER VIEW washminute_api.offers OWNER TO washminute_owner;
CREATE VIEW test_helpers.users_view AS SELECT form FROM washminute_api.offers;
SELECT test_helpers.outcome('SELECT washminute.setup()');
SELECT form FROM test_helpers.users_view;
ROLLBACK;

--
-- DROP EXTENSION CASCADE and back
--

SELECT washminute.upsert_user('install_c', 'customer', 'Nadia', '+212600000001', NULL, 'ar');
SELECT washminute.upsert_user('install_w', 'washman', 'Said', '+212600000002');
SELECT washminute.settle_balance('install_w', 12.34, 'paid in');

-- what users add beside ours
ALTER TABLE washminute_data.users ADD COLUMN loyalty_points integer DEFAULT 7;
CREATE INDEX regress_users_name ON washminute_data.users (name);
CREATE VIEW washminute_data.regress_names AS SELECT user_id, name FROM washminute_data.users;
CREATE FUNCTION washminute_api.regress_hello() RETURNS text LANGUAGE sql AS $$SELECT 'hello'$$;
CREATE POLICY regress_policy ON washminute_data.users FOR SELECT TO washminute_service USING (true);

CREATE TEMPORARY TABLE objects_before AS
  SELECT c.relname::text AS name, c.relkind::text AS kind, c.relrowsecurity AS secured
    FROM pg_class AS c WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind IN ('r', 'i', 'S')
  UNION ALL
  SELECT c.conname, 'constraint', NULL FROM pg_constraint AS c WHERE c.connamespace = 'washminute_data'::regnamespace
  UNION ALL
  SELECT a.attrelid::regclass || '.' || a.attname, 'column', NULL FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
   WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind = 'r' AND a.attnum > 0;
SELECT test_helpers.fingerprint() AS before \gset

DROP EXTENSION washminute CASCADE;

SELECT b.name, b.kind FROM objects_before AS b
 WHERE NOT EXISTS (
   SELECT FROM pg_class AS c
    WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relname = b.name AND c.relkind::text = b.kind
      AND c.relrowsecurity = b.secured
   UNION ALL
   SELECT FROM pg_constraint AS c
    WHERE c.connamespace = 'washminute_data'::regnamespace AND c.conname = b.name AND b.kind = 'constraint'
   UNION ALL
   SELECT FROM pg_attribute AS a
     JOIN pg_class AS c ON c.oid = a.attrelid AND c.relnamespace = 'washminute_data'::regnamespace
    WHERE b.kind = 'column' AND a.attrelid::regclass || '.' || a.attname = b.name)
 ORDER BY b.kind, b.name;
SELECT test_helpers.fingerprint() = :'before' AS every_row_is_there;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'washminute%' ORDER BY nspname;
SELECT polname FROM pg_policy WHERE polrelid::regclass::text LIKE 'washminute_data.%' ORDER BY polname;

-- without policies all is denied
BEGIN;
GRANT USAGE ON SCHEMA washminute_data TO washminute_customer;
SET LOCAL ROLE washminute_customer;
SELECT set_config('request.jwt.claims', '{"sub": "install_c"}', true) AS claims;
SELECT count(user_id) AS users_seen FROM washminute_data.users;
ROLLBACK;

CREATE EXTENSION washminute;
SELECT washminute.setup() = washminute._library_version() AS set_up_again;
SELECT test_helpers.fingerprint() = :'before' AS every_row_is_there;
SELECT washminute.washman_balance('install_w');
SELECT user_id, name, phone, locale, loyalty_points FROM washminute_data.users ORDER BY user_id COLLATE "C";
SELECT washminute_api.regress_hello();
SELECT count(*) AS names FROM washminute_data.regress_names;
SELECT polname FROM pg_policy WHERE polrelid = 'washminute_data.users'::regclass ORDER BY polname;
SELECT to_regclass('washminute_data.regress_users_name') AS own_index;
SELECT * FROM washminute.check_invariants();

DROP FUNCTION washminute_api.regress_hello();
DROP POLICY regress_policy ON washminute_data.users;
DROP VIEW washminute_data.regress_names;
ALTER TABLE washminute_data.users DROP COLUMN loyalty_points;
DROP INDEX washminute_data.regress_users_name;
DROP ROLE regress_washminute_other;

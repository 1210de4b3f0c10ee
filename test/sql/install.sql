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
  -- or the worker writes them in between
  IF to_regproc('washminute.flush_locations') IS NOT NULL THEN
    PERFORM washminute.flush_locations();
  END IF;
  FOR found IN
    SELECT c.relname FROM pg_class AS c
     WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('instance', 'socket_events')
     ORDER BY c.relname
  LOOP
    -- live events go from one table to the other when the worker comes to it
    EXECUTE format('SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")) FROM washminute_data.%I AS t%s',
                   found.relname, CASE found.relname WHEN 'outbox' THEN $q$ WHERE lane <> 'realtime' OR listener <> ''$q$ ELSE '' END) INTO part;
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

-- where there is a worker, it sends nothing, since the tests look at what is queued; and the live
-- index answers, so that all that follows is tested with it, and without it where there is none
UPDATE washminute_data.lanes SET paused = true;
-- one wave for all who are near, and no guards on arrival: waves and guards have tests of their own
UPDATE washminute_data.settings AS s SET value = v.value
  FROM (VALUES ('offer_seconds', 600), ('offer_size', 50), ('max_open_offers', 1000), ('stagger_size', 3), ('stagger_seconds', 8), ('no_show_minutes', 0), ('payment_minutes', 10),
               ('arrival_radius_m', 100000), ('arrival_position_seconds', 86400)) AS v (name, value)
 WHERE s.name = v.name;
DO $$
BEGIN
  WHILE (SELECT NOT answers AND capacity IS NOT NULL FROM washminute.live_status())
    AND current_setting('washminute.database') = current_database() LOOP
    PERFORM pg_sleep(0.01);
  END LOOP;
END
$$;
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
-- a transaction with a snapshot of its own may do it, unless it had to wait for another's setup()
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.outcome('SELECT washminute.setup()');
ROLLBACK;
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
-- ... but a rule that is missing is put back, as it was at first
DELETE FROM washminute_data.settings WHERE name = 'offer_size';
SELECT washminute.setup() = washminute._library_version() AS again;
SELECT name, value, minimum, maximum, unit, description FROM washminute_data.settings WHERE name = 'offer_size';
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
ALTER DOMAIN washminute_data.outbox_lane OWNER TO CURRENT_USER;
ALTER FUNCTION washminute_api.balance() OWNER TO CURRENT_USER;
ALTER SCHEMA washminute_api OWNER TO CURRENT_USER;
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('install_c', 'customer')$$);
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE '%belong to washminute_owner';
SELECT washminute.setup() = washminute._library_version() AS repairs;
SELECT count(*) AS not_the_owners
  FROM (SELECT relowner AS owner FROM pg_class WHERE relnamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)
        UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)
        UNION ALL SELECT typowner FROM pg_type WHERE typtype = 'd' AND typnamespace = 'washminute_data'::regnamespace
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

-- one view of a changed form is enough: all are replaced, and each is there afterwards, with its
-- grants; so is a function that returned something else; what users have stays, also beside ours
CREATE VIEW test_helpers.made AS
  SELECT o.kind, o.schema, o.name, o.parent,
         CASE o.kind
           WHEN 'view' THEN (SELECT concat_ws(' ', c.relowner::regrole, COALESCE(c.relacl, acldefault('r', c.relowner)), c.reloptions, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class'))
                               FROM pg_class AS c WHERE c.relname = o.name AND c.relnamespace = o.schema::regnamespace AND c.relkind = 'v')
           WHEN 'domain' THEN (SELECT concat_ws(' ', t.typowner::regrole, format_type(t.typbasetype, t.typtypmod), pg_get_constraintdef(c.oid), obj_description(t.oid, 'pg_type'))
                                 FROM pg_type AS t LEFT JOIN pg_constraint AS c ON c.contypid = t.oid WHERE t.oid = format('%I.%I', o.schema, o.name)::regtype)
           WHEN 'function' THEN (SELECT concat_ws(' ', p.proacl, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
                                   FROM pg_proc AS p WHERE p.proname = o.name AND p.pronamespace = o.schema::regnamespace AND oidvectortypes(p.proargtypes) = o.parent)
           WHEN 'policy' THEN (SELECT concat_ws(' ', p.polcmd, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid))
                                 FROM pg_policy AS p WHERE p.polname = o.name AND p.polrelid = format('%I.%I', o.schema, o.parent)::regclass)
           WHEN 'trigger' THEN (SELECT pg_get_triggerdef(t.oid)
                                  FROM pg_trigger AS t WHERE t.tgname = o.name AND t.tgrelid = format('%I.%I', o.schema, o.parent)::regclass)
           ELSE (SELECT concat_ws(' ', c.relowner::regrole, COALESCE(c.relacl, acldefault('r', c.relowner)), (SELECT string_agg(a.attname || a.attacl::text, ' ' ORDER BY a.attnum)
                                                                        FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL))
                   FROM pg_class AS c WHERE c.oid = format('%I.%I', o.schema, o.name)::regclass)
         END AS definition
    FROM washminute.setup_object AS o;
SELECT name FROM test_helpers.made WHERE definition IS NULL;
SELECT md5(string_agg(m::text, E'\n' ORDER BY m::text COLLATE "C")) AS made_before FROM test_helpers.made AS m \gset

-- makes a change as washminute_owner, runs setup() and tells how it went, then undoes both
CREATE FUNCTION test_helpers.setup_after(change text, made_before text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  outcome text;
BEGIN
  SET LOCAL ROLE washminute_owner;
  EXECUTE change;
  RESET ROLE;
  outcome := test_helpers.outcome('SELECT washminute.setup()');
  IF md5((SELECT string_agg(m::text, E'\n' ORDER BY m::text COLLATE "C") FROM test_helpers.made AS m)) = made_before THEN
    outcome := outcome || ', all as it was';
  END IF;
  IF EXISTS (SELECT FROM pg_class WHERE relname = 'former' UNION ALL SELECT FROM pg_proc WHERE proname = 'former'
             UNION ALL SELECT FROM pg_trigger WHERE tgname = 'former' UNION ALL SELECT FROM pg_policy WHERE polname = 'former'
             UNION ALL SELECT WHERE to_regprocedure('washminute_api.cancel_request(uuid)') IS NOT NULL) THEN
    outcome := outcome || ', something former is left';
  END IF;
  IF to_regclass('test_helpers.users_view') IS NOT NULL THEN
    outcome := outcome || ', the user''s view is there';
  END IF;
  IF to_regprocedure('washminute_api.regress_hello()') IS NOT NULL AND to_regclass('washminute_api.regress_view') IS NOT NULL
     AND EXISTS (SELECT FROM pg_policy WHERE polname = 'regress_policy') THEN
    outcome := outcome || ', so is what is beside ours';
  END IF;
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = outcome;
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
END
$$;
BEGIN;
CREATE FUNCTION washminute_api.regress_hello() RETURNS text LANGUAGE sql AS $$SELECT 'hello'$$;
CREATE VIEW washminute_api.regress_view AS SELECT user_id FROM washminute_data.users;
CREATE POLICY regress_policy ON washminute_data.users FOR SELECT TO washminute_service USING (true);
CREATE VIEW test_helpers.users_view AS SELECT user_id FROM washminute_data.users;
GRANT USAGE ON SCHEMA test_helpers TO washminute_owner;
SELECT number, test_helpers.setup_after(change, :'made_before')
  FROM (VALUES
    (1, $$SELECT$$),
    (2, $$DROP VIEW washminute_api.offers; CREATE VIEW washminute_api.offers AS SELECT 'former' AS form$$),
    (3, $$DROP VIEW washminute_api.orders; CREATE VIEW washminute_api.orders AS
          SELECT o.order_id, o.reference, o.customer_id, o.status, o.payment_method, o.payment_verified, o.total, o.created_at,
                 NULL::text[] AS services, 1 AS one_more FROM washminute_data.orders AS o$$),
    (4, $$DROP VIEW washminute_api.me; CREATE VIEW washminute_api.me AS SELECT 1 AS user_id$$),
    (5, $$DROP VIEW washminute_data.ledger_entries; CREATE VIEW washminute_data.ledger_entries AS SELECT 'former' AS form$$),
    (6, $$DROP FUNCTION washminute_api.balance(); CREATE FUNCTION washminute_api.balance() RETURNS text LANGUAGE sql AS 'SELECT NULL::text'$$),
    (7, $$DROP FUNCTION washminute_api.decline_request(uuid); CREATE FUNCTION washminute_api.decline_request(former uuid) RETURNS void LANGUAGE sql AS ''$$),
    (8, $$DROP FUNCTION washminute_api.balance(); CREATE FUNCTION washminute_api.balance() RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
          DROP VIEW washminute_api.offers; CREATE VIEW washminute_api.offers AS SELECT 'former' AS form$$),
    (9, $$DROP FUNCTION washminute_api.balance(); DROP VIEW washminute_api.offers, washminute_api.me$$),
    (10, $$CREATE OR REPLACE FUNCTION washminute_api.balance() RETURNS numeric LANGUAGE sql AS 'SELECT 0.0'$$),
    -- what the version before made and this one has not
    (20, $$CREATE POLICY former ON washminute_data.users FOR SELECT TO washminute_customer USING (true);
           INSERT INTO washminute_data.made_objects VALUES ('policy', 'washminute_data', 'former', 'users')$$),
    (21, $$CREATE FUNCTION washminute_api.former(a text[], b double precision) RETURNS text LANGUAGE sql AS 'SELECT 1::text';
           INSERT INTO washminute_data.made_objects VALUES ('function', 'washminute_api', 'former', 'text[], double precision')$$),
    (22, $$CREATE FUNCTION washminute_data.former() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
           CREATE TRIGGER former BEFORE TRUNCATE ON washminute_data.users EXECUTE FUNCTION washminute_data.former();
           INSERT INTO washminute_data.made_objects VALUES ('function', 'washminute_data', 'former', ''), ('trigger', 'washminute_data', 'former', 'users')$$),
    (23, $$CREATE VIEW washminute_api.former AS SELECT 1 AS one;
           INSERT INTO washminute_data.made_objects VALUES ('view', 'washminute_api', 'former', '')$$),
    (24, $$CREATE FUNCTION washminute_api.cancel_request(uuid) RETURNS void LANGUAGE sql AS '';
           INSERT INTO washminute_data.made_objects VALUES ('function', 'washminute_api', 'cancel_request', 'uuid')$$),
    -- ... or is gone already
    (25, $$INSERT INTO washminute_data.made_objects VALUES ('policy', 'washminute_data', 'gone', 'users'), ('policy', 'washminute_data', 'gone', 'gone'),
           ('trigger', 'washminute_data', 'gone', 'users'), ('view', 'washminute_api', 'gone', ''), ('function', 'washminute_api', 'gone', 'text')$$),
    -- rights that no script gives
    (30, $$GRANT ALL ON washminute_data.users TO washminute_anon$$),
    (31, $$GRANT SELECT (email), UPDATE (email) ON washminute_data.users TO washminute_washman$$),
    (32, $$GRANT SELECT, DELETE ON washminute_api.offers TO washminute_anon WITH GRANT OPTION$$),
    (33, $$REVOKE SELECT ON washminute_api.me FROM washminute_customer; REVOKE SELECT (name) ON washminute_data.users FROM washminute_customer$$)
  ) AS c (number, change) ORDER BY number;
ROLLBACK;
-- a policy, a function, a grant of the version before: gone, not only unlisted
BEGIN;
CREATE POLICY former ON washminute_data.users FOR SELECT TO washminute_customer USING (true);
CREATE FUNCTION washminute_api.former(a text[]) RETURNS text LANGUAGE sql AS 'SELECT 1::text';
ALTER FUNCTION washminute_api.former(text[]) OWNER TO washminute_owner;
GRANT SELECT, INSERT ON washminute_data.orders TO washminute_anon;
INSERT INTO washminute_data.made_objects VALUES ('policy', 'washminute_data', 'former', 'users'), ('function', 'washminute_api', 'former', 'text[]');
SELECT washminute.setup() = washminute._library_version() AS again;
SELECT (SELECT count(*) FROM pg_policy WHERE polname = 'former') AS policies, to_regprocedure('washminute_api.former(text[])') AS function,
       has_table_privilege('washminute_anon', 'washminute_data.orders', 'SELECT, INSERT') AS granted,
       (SELECT count(*) FROM washminute_data.made_objects WHERE name = 'former') AS listed,
       (SELECT count(*) FROM washminute_data.made_objects) = (SELECT count(*) FROM washminute.setup_object WHERE kind NOT IN ('table', 'domain')) AS list_is_complete;
ROLLBACK;
-- what is not in the list is a user's, and stays
BEGIN;
CREATE POLICY former ON washminute_data.users FOR SELECT TO washminute_customer USING (true);
CREATE FUNCTION washminute_api.former(a text[]) RETURNS text LANGUAGE sql AS 'SELECT 1::text';
GRANT SELECT ON washminute_data.orders TO pg_monitor;
SELECT washminute.setup() = washminute._library_version() AS again;
SELECT (SELECT count(*) FROM pg_policy WHERE polname = 'former') AS policies, to_regprocedure('washminute_api.former(text[])') AS function,
       has_table_privilege('pg_monitor', 'washminute_data.orders', 'SELECT') AS granted;
ROLLBACK;
-- what a user built upon a former function keeps it, and setup() from working
BEGIN;
CREATE FUNCTION washminute_api.former() RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION washminute_api.former() OWNER TO washminute_owner;
CREATE VIEW test_helpers.users_view AS SELECT washminute_api.former() AS one;
INSERT INTO washminute_data.made_objects VALUES ('function', 'washminute_api', 'former', '');
SELECT test_helpers.outcome('SELECT washminute.setup()');
SELECT one FROM test_helpers.users_view;
ROLLBACK;
DROP FUNCTION test_helpers.setup_after;
DROP VIEW test_helpers.made;

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

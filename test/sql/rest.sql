-- What stands behind the functions that mobile apps call: who asks, what the first screens show, and
-- to whom; on both paths of positions. test/rest plays requests themselves.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SELECT washminute.set_clock('2026-05-19 10:00+00', 0);
SELECT washminute.upsert_user('rest_c1', 'customer', 'Amina', '+212600000051', locale => 'en'), washminute.upsert_user('rest_c2', 'customer', 'Brahim'),
       washminute.upsert_user('rest_a', 'admin', 'Chama');
SELECT test_helpers.washman('rest_w1', -5.371, 35.58), test_helpers.washman('rest_w2', -5.372, 35.58);
CREATE FUNCTION pg_temp.claims(claims jsonb, headers jsonb DEFAULT '{}', path text DEFAULT '/me') RETURNS void LANGUAGE sql
AS $$
  SELECT set_config('request.jwt.claims', claims::text, true), set_config('request.headers', headers::text, true),
         set_config('request.path', path, true), set_config('request.method', 'GET', true)
$$;

--
-- pre_request: the role that comes of it
--

CREATE ROLE regress_washminute_authenticator NOINHERIT;
GRANT washminute_anon, washminute_customer, washminute_washman, washminute_admin TO regress_washminute_authenticator;
-- as PostgREST does it: a role by the token, then the function, as a transaction of its own
CREATE FUNCTION test_helpers.role_after(role text, claims jsonb, headers jsonb) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  outcome text;
BEGIN
  PERFORM set_config('role', role, true), set_config('request.jwt.claims', claims::text, true), set_config('request.headers', headers::text, true);
  PERFORM washminute.pre_request();
  outcome := concat_ws(' ', current_user, current_setting('role'));
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = outcome;
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS outcome = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', SQLSTATE, COALESCE(NULLIF(outcome, ''), SQLERRM));
END
$$;
GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
SET SESSION AUTHORIZATION regress_washminute_authenticator;
SELECT c.role, c.claims, c.headers, test_helpers.role_after('washminute_' || c.role, c.claims, c.headers) AS outcome
  FROM (VALUES
    (1, 'anon', '{"role": "washminute_anon"}'::jsonb, '{}'::jsonb),
    (2, 'anon', '{"role": "washminute_anon", "sub": "rest_c1"}', '{}'),
    (3, 'anon', '{"sub": "rest_c1", "cognito:groups": []}', '{}'),
    (4, 'anon', '{"sub": "rest_c1", "cognito:groups": "admin"}', '{}'),
    (5, 'anon', '{"sub": "rest_c1", "cognito:groups": [1, null, {"a": "admin"}, "Admin", "administrator", "washminute_owner"]}', '{}'),
    (6, 'anon', '{"sub": "rest_w1", "cognito:groups": ["customer", "washman"]}', '{}'),
    (7, 'anon', '{"sub": "rest_a", "cognito:groups": ["washman", "washminute_admin"]}', '{}'),
    (8, 'anon', '{"sub": "rest_w1", "cognito:groups": ["washman"]}', '{"x-washminute-role": "customer"}'),
    (9, 'anon', '{"sub": "rest_w1", "cognito:groups": ["washman"]}', '{"x-washminute-role": "admin"}'),
    (10, 'anon', '{"sub": "rest_w1", "cognito:groups": ["washman"]}', '{"x-washminute-role": "service"}'),
    (11, 'anon', '{"sub": "rest_w1", "cognito:groups": ["washman"]}', '{"x-washminute-role": ""}'),
    (12, 'customer', '{"sub": "rest_c1"}', '{}'),
    (13, 'customer', '{"sub": "rest_c1"}', '{"x-washminute-role": "customer"}'),
    (14, 'customer', '{"sub": "rest_c1"}', '{"x-washminute-role": "admin"}'),
    (15, 'washman', '{"sub": "rest_w1", "cognito:groups": ["washman", "admin"]}', '{"x-washminute-role": "admin"}'),
    (16, 'washman', '{"sub": "rest_w1", "cognito:groups": ["washman", "admin"]}', '{}'),
    (17, 'anon', '{"sub": 5, "cognito:groups": ["admin"]}', '{}'),
    (18, 'anon', '[]', '{}')
  ) AS c (number, role, claims, headers) ORDER BY c.number;
-- it leaves nothing behind
SELECT current_user, current_setting('role');
-- without a login that was granted the role, there is no way to it
RESET SESSION AUTHORIZATION;
REVOKE washminute_admin FROM regress_washminute_authenticator;
SET SESSION AUTHORIZATION regress_washminute_authenticator;
SELECT test_helpers.role_after('washminute_anon', '{"sub": "rest_a", "cognito:groups": ["admin"]}', '{}');
RESET SESSION AUTHORIZATION;
DROP ROLE regress_washminute_authenticator;
REVOKE USAGE ON SCHEMA test_helpers FROM PUBLIC;

-- it reads in a transaction that may not write
BEGIN READ ONLY;
SELECT pg_temp.claims('{"sub": "rest_c1"}', path => '/services');
SELECT washminute.pre_request();
SELECT current_setting('response.headers') ~ '^\[\{"Cache-Control": "public, max-age=300"\}, \{"ETag": "\\"[0-9a-f]{32}\\""\}\]$' AS tagged, current_setting('response.status', true) AS status;
SELECT pg_temp.claims('{"sub": "rest_c1"}', jsonb_build_object('if-none-match', 'W/' || (current_setting('response.headers')::json->1->>'ETag')), '/services');
SELECT washminute.pre_request();
SELECT current_setting('response.status') AS status;
COMMIT;
BEGIN;
SELECT pg_temp.claims('{"sub": "rest_c1"}', path => '/orders');
SELECT washminute.pre_request();
SELECT current_setting('response.headers', true) AS headers;
COMMIT;

-- a user is blocked, by an administrator and for a reason
SELECT call, test_helpers.outcome('SELECT washminute.' || call)
  FROM (VALUES (1, $$block_user('rest_c2', 'rest_c1', 'x')$$), (2, $$block_user('rest_c2', 'rest_a', ' ')$$), (3, $$block_user('rest_nobody', 'rest_a', 'x')$$),
               (4, $$block_user(NULL, 'rest_a', 'x')$$), (5, $$unblock_user('rest_c2', 'rest_w1', 'x')$$), (6, $$block_user('rest_c2', 'rest_nobody', 'x')$$)) AS c (number, call) ORDER BY number;
SELECT washminute.block_user('rest_c2', 'rest_a', 'abuse'), washminute.block_user('rest_c2', 'rest_a', 'again');
BEGIN;
SELECT pg_temp.claims('{"sub": "rest_c2"}');
SELECT test_helpers.outcome('SELECT washminute.pre_request()');
SELECT pg_temp.claims('{"sub": "rest_c1"}');
SELECT test_helpers.outcome('SELECT washminute.pre_request()');
COMMIT;
SELECT washminute.unblock_user('rest_c2', 'rest_a', 'sorry'), washminute.unblock_user('rest_c2', 'rest_a', 'again');
BEGIN;
SELECT pg_temp.claims('{"sub": "rest_c2"}');
SELECT test_helpers.outcome('SELECT washminute.pre_request()');
COMMIT;
SELECT event, actor_id, data FROM washminute_data.events WHERE data->>'userId' = 'rest_c2' ORDER BY event_id;

--
-- Headers
--

SELECT washminute.request_header('x') AS without, washminute.idempotency_key() AS no_key, washminute.idempotency_key('k') AS own_key;
BEGIN;
SELECT pg_temp.claims('{}', '{"idempotency-key": "header", "empty": "", "x-callback-token": "t"}');
SELECT washminute.request_header('x-callback-token'), washminute.request_header('empty'), washminute.request_header('none'), washminute.request_header(NULL);
SELECT washminute.idempotency_key(), washminute.idempotency_key(NULL), washminute.idempotency_key('argument'), washminute.idempotency_key('');
SELECT test_helpers.outcome($$SELECT washminute.require_kind('admin')$$);
SELECT pg_temp.claims('{"sub": "rest_c1"}');
SELECT washminute.require_kind('customer'), test_helpers.outcome($$SELECT washminute.require_kind('admin')$$);
SELECT pg_temp.claims('{"sub": "rest_nobody"}');
SELECT test_helpers.outcome($$SELECT washminute.require_kind('customer')$$);
COMMIT;

--
-- Where a washman is, and the first screens
--

SELECT * FROM washminute.washman_position('rest_w1');
SELECT count(*) FROM washminute.washman_position('rest_nobody');
SELECT test_helpers.outcome('SELECT washminute.washman_position(NULL)');
CREATE TEMPORARY TABLE booked AS SELECT * FROM washminute.create_booking('rest_c1', '{complete,wax}', -5.37, 35.58, 'Rue 1', 'cash');
CREATE FUNCTION pg_temp.screens(moment text) RETURNS TABLE (moment text, who text, shown text) LANGUAGE sql
AS $$
  SELECT screens.moment, s.who, s.shown
    FROM (VALUES
      (1, 'rest_c1', (SELECT string_agg(concat_ws(' ', r->>'status', r->'services', r->>'total', r->>'longitude', r->>'latitude', r->'contact'->>'name', r->'position'->>'longitude'), '; ')
                        FROM json_array_elements(washminute.customer_home('rest_c1')->'requests') AS r)),
      (2, 'rest_c2', washminute.customer_home('rest_c2')->>'requests'),
      (3, 'rest_w1', (SELECT concat_ws(' ', h->>'status', h->>'balance', h->>'held', json_array_length(h->'offers'), 'offers',
                                       h->'jobs'->0->>'status', h->'jobs'->0->'contact'->>'phone', h->'jobs'->0->'position') FROM washminute.washman_home('rest_w1') AS h)),
      (4, 'rest_w2', (SELECT concat_ws(' ', h->>'status', json_array_length(h->'offers'), 'offers', json_array_length(h->'jobs'), 'jobs') FROM washminute.washman_home('rest_w2') AS h)),
      (5, 'track', (SELECT string_agg(concat_ws(' ', p.longitude, p.latitude), '; ') FROM booked AS b, LATERAL washminute.request_position(b.request_id, 'rest_c1') AS p)),
      (6, 'track by others', (SELECT count(*)::text FROM booked AS b, unnest('{rest_c2,rest_w1,rest_a,NULL}'::text[]) AS u, LATERAL washminute.request_position(b.request_id, u) AS p)),
      (7, 'map', (SELECT string_agg(concat_ws(' ', f->'properties'->>'kind', f->'geometry'->>'coordinates'), '; ' ORDER BY f->'properties'->>'kind')
                    FROM json_array_elements(washminute.request_map('rest_c1')->'features') AS f)),
      (8, 'map of the washman', json_array_length(washminute.request_map('rest_w1')->'features')::text),
      (9, 'map of others', concat_ws(' ', json_array_length(washminute.request_map('rest_c2')->'features'), json_array_length(washminute.request_map('rest_w2')->'features')))
    ) AS s (number, who, shown) ORDER BY s.number
$$;
SELECT * FROM pg_temp.screens('pending');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT a.status FROM booked AS b, LATERAL washminute.accept_request(b.request_id, 'rest_w1') AS a;
COMMIT;
SELECT * FROM pg_temp.screens('accepted');
-- for all: others of this database may have some, too
SELECT count(*) AS features FROM json_array_elements(washminute.request_map()->'features') AS f, booked AS b WHERE f->'properties'->>'request_id' = b.request_id::text;
SELECT h->'me' AS me, h->'zone' AS zone, h->'washmen' AS washmen, h->'owed' AS owed, h->'services'->0 AS service FROM washminute.customer_home('rest_c1', -5.37, 35.58) AS h;
SELECT h->'me' AS me, h->'zone' AS zone, h->'washmen' AS washmen FROM washminute.customer_home('rest_nobody', 0, 0) AS h;
SELECT washminute.washman_home('rest_c1');
SELECT washminute.advance_request(b.request_id, 'rest_w1', 'pending') FROM booked AS b;
SELECT * FROM pg_temp.screens('given back');

-- metrics: each with a type, as Prometheus reads them
SELECT count(*) > 20 AS some, count(*) FILTER (WHERE line !~ '^(# (HELP washminute_\w+ .+\.|TYPE washminute_\w+ (gauge|counter|histogram))|washminute_\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+)$') AS odd
  FROM regexp_split_to_table(rtrim(washminute.metrics(), E'\n'), E'\n') AS line;

SELECT washminute.cancel_request(b.request_id, 'rest_c1') FROM booked AS b;
SELECT washminute.set_washman_status('rest_w1', 'offline'), washminute.set_washman_status('rest_w2', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

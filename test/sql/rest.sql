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
-- the time that PostgREST gives to anonymous callers becomes that of the role, where that is longer
RESET SESSION AUTHORIZATION;
ALTER ROLE washminute_washman SET statement_timeout = '8s';
ALTER ROLE washminute_customer SET statement_timeout = 0;
CREATE FUNCTION test_helpers.timeout_after(timeout text, sub text, groups jsonb) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM set_config('statement_timeout', timeout, true), set_config('role', 'washminute_anon', true),
          set_config('request.jwt.claims', jsonb_build_object('sub', sub, 'cognito:groups', groups)::text, true), set_config('request.headers', '{}', true);
  PERFORM washminute.pre_request();
  RAISE SQLSTATE 'UNDO0' USING MESSAGE = current_setting('statement_timeout');
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
  RETURN SQLERRM;
END
$$;
SET SESSION AUTHORIZATION regress_washminute_authenticator;
SELECT t.timeout, test_helpers.timeout_after(t.timeout, 'rest_w1', '["washman"]') AS washman, test_helpers.timeout_after(t.timeout, 'rest_c1', '[]') AS customer,
       test_helpers.timeout_after(t.timeout, 'rest_a', '["admin"]') AS admin, test_helpers.timeout_after(t.timeout, NULL, '[]') AS nobody
  FROM unnest('{3s,8s,15s,0}'::text[]) AS t (timeout);
RESET SESSION AUTHORIZATION;
ALTER ROLE washminute_washman RESET statement_timeout;
ALTER ROLE washminute_customer RESET statement_timeout;
SET SESSION AUTHORIZATION regress_washminute_authenticator;
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

-- a reservation that was accepted early: where the washman is is shown from an hour before on
CREATE TEMPORARY TABLE reserved AS SELECT * FROM washminute.create_booking('rest_c2', '{complete}', -5.37, 35.58, 'Rue 1', 'cash', '2026-05-19 14:00+00');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT a.status FROM reserved AS b, LATERAL washminute.accept_request(b.request_id, 'rest_w2') AS a;
COMMIT;
CREATE FUNCTION pg_temp.kinds(user_id text) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(f->'properties'->>'kind', ' ' ORDER BY f->'properties'->>'kind') FROM json_array_elements(washminute.request_map(user_id)->'features') AS f $$;
SELECT pg_temp.kinds('rest_c2') AS customer, pg_temp.kinds('rest_w2') AS washman;
SELECT washminute.set_clock('2026-05-19 13:00:00.000001+00', 0);
SELECT pg_temp.kinds('rest_c2') AS customer;
SELECT washminute.set_clock('2026-05-19 10:00+00', 0);

-- washmen around: neither where they are nor who. What moves about in a square is not seen, order and rings are by the squares
CREATE FUNCTION pg_temp.around(longitude float8) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(concat_ws(' ', w.distance_m, w.radius_m, w.located_at), '; ') FROM washminute.washmen_around(longitude, 35.58) AS w $$;
SELECT pg_temp.around(-5.37) AS two, pg_temp.around(-5.3715) AS no_nearer_than, pg_temp.around(-5.42) AS ring, pg_temp.around(-5.4272) AS next_ring, pg_temp.around(-5.9) AS none;
SELECT washminute.set_clock('2026-05-19 10:01:23+00', 0);
SELECT washminute.report_location('rest_w1', -5.3701, 35.5801);
SELECT pg_temp.around(-5.37) AS moved_inside;
SELECT washminute.report_location('rest_w1', -5.3719, 35.5819);
SELECT pg_temp.around(-5.37) AS moved_inside, (SELECT count(DISTINCT distance_m) FROM washminute.nearby_washmen(-5.37, 35.58)) AS exactly;
SELECT test_helpers.outcome('SELECT washminute.washmen_around(NULL, 35.58)'), test_helpers.outcome('SELECT washminute.washmen_around(-5.37, 91)'), test_helpers.outcome('SELECT count(*) FROM washminute.washmen_around(-5.37, 35.58, 1)');

-- what one reads of one's past has an end: notifications of the newest hundred requests, open ones among them, and all reservations
DO $$
DECLARE
  request uuid;
BEGIN
  SELECT request_id INTO request FROM washminute.create_booking('rest_c2', '{complete}', -5.37, 35.58, 'Rue 1', 'card');
  FOR i IN 1 .. 100 LOOP
    PERFORM washminute.set_clock('2026-05-19 10:02+00'::timestamptz + i * interval '1 s', 0);
    PERFORM washminute.cancel_request(request, 'rest_c2');
    SELECT request_id INTO request FROM washminute.create_booking('rest_c2', '{complete}', -5.37, 35.58, 'Rue 1', 'card');
  END LOOP;
END
$$;
SELECT count(*) AS open, bool_or(r.reservation_at IS NOT NULL) AS reserved
  FROM washminute._open_requests('rest_c2') AS o (request_id) JOIN washminute_data.washing_requests AS r USING (request_id);
BEGIN;
SELECT pg_temp.claims('{"sub": "rest_c2"}');
SET LOCAL ROLE washminute_customer;
SELECT count(DISTINCT request_id) AS requests, count(*) AS notifications FROM washminute_api.notifications;
COMMIT;
SELECT washminute.cancel_request(o.request_id, 'rest_c2') FROM washminute._open_requests('rest_c2') AS o (request_id);

-- what reservations tell is filled in, in the reader's language and the clock of the place
SELECT washminute.set_clock('2026-05-20 10:00+00', 0);
SELECT washminute.upsert_user('rest_c3', 'customer', locale => 'en'), washminute.upsert_user('rest_w3', 'washman', locale => 'fr'), washminute.set_washman_status('rest_w3', 'online'),
       washminute.report_location('rest_w3', -5.37, 35.58);
SELECT test_helpers.book('rest_told', 'rest_c3', '{exterior}', -5.37, 35.58, 'cash', '2026-05-21 11:00+00');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('rest_told', 'rest_w3');
COMMIT;
SELECT washminute.set_clock('2026-05-20 11:00+00', 0);
SELECT washminute.reschedule_request(test_helpers.request('rest_told'), 'rest_c3', '2026-05-21 12:00+00');
SELECT washminute.set_clock('2026-05-21 11:30+00', 0);
SELECT washminute.notify_due_reservations();
CREATE FUNCTION pg_temp.notified(role text, sub text) RETURNS TABLE (event text, title text, body text) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_temp.claims(jsonb_build_object('sub', sub)), set_config('role', role, true);
  RETURN QUERY SELECT n.event, n.title, n.body FROM washminute_api.notifications AS n ORDER BY n.notification_id;
  PERFORM set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
END
$$;
SELECT * FROM pg_temp.notified('washminute_customer', 'rest_c3');
SELECT * FROM pg_temp.notified('washminute_washman', 'rest_w3');
SELECT washminute.cancel_request(test_helpers.request('rest_told'), 'rest_c3'), washminute.set_washman_status('rest_w3', 'offline');
SELECT washminute.set_clock('2026-05-19 10:05+00', 0);

-- metrics: each with a type, as Prometheus reads them
SELECT count(*) > 20 AS some, count(*) FILTER (WHERE line !~ '^(# (HELP washminute_\w+ .+\.|TYPE washminute_\w+ (gauge|counter|histogram))|washminute_\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+)$') AS odd
  FROM regexp_split_to_table(rtrim(washminute.metrics(), E'\n'), E'\n') AS line;

SELECT washminute.cancel_request(b.request_id, 'rest_c1') FROM booked AS b;
SELECT washminute.set_washman_status('rest_w1', 'offline'), washminute.set_washman_status('rest_w2', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);

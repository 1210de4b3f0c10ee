-- What the socket gateway asks: who may connect, what becomes of each event, and who
-- has which chat on his screen for as long as the gateway's session lives.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO 'serializable';
SELECT washminute.set_clock('2026-06-02 10:00+00', 1);

SELECT washminute.upsert_user('socket_c', 'customer', 'Amina', locale => 'ar'), washminute.upsert_user('socket_other', 'customer'),
       washminute.upsert_user('socket_a', 'admin'), washminute.upsert_user('socket_both', 'admin'), washminute.upsert_user('socket_both', 'customer'), washminute.upsert_user('socket_blocked', 'customer');
SELECT test_helpers.washman('socket_w', -5.00, 33.90);
SELECT washminute.settle_balance('socket_w', 1000, 'test'), washminute.block_user('socket_blocked', 'socket_a', 'abuse');
SELECT test_helpers.book('socket', 'socket_c', '{exterior}', -5.00, 33.90);
SELECT test_helpers.accept('socket', 'socket_w');
GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
GRANT SELECT ON test_helpers.bookings TO PUBLIC;

-- the gateway's functions, without the random ids; and the events that their transaction queued
CREATE FUNCTION pg_temp.plain(value text) RETURNS text LANGUAGE sql
AS $$ SELECT regexp_replace(replace(value, test_helpers.request('socket')::text, 'CHAT'), '[0-9a-f]{8}-[0-9a-f-]{27}', 'UUID', 'g') $$;
CREATE FUNCTION pg_temp.connect(claims jsonb, since bigint DEFAULT NULL) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  answer jsonb;
  detail text;
BEGIN
  SET LOCAL ROLE washminute_gateway;
  answer := washminute_api.rt_connect(claims, 's1', 'g1', since);
  RESET ROLE;
  RETURN answer - 'cursor';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', SQLSTATE, detail);
END
$$;
CREATE FUNCTION pg_temp.event(user_id text, sid text, event text, args jsonb DEFAULT NULL, claims jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql
AS $$
DECLARE
  answer jsonb;
BEGIN
  SET LOCAL ROLE washminute_gateway;
  answer := washminute_api.rt_event(jsonb_build_object('sub', user_id) || claims, sid, 'g1', event, args);
  RESET ROLE;
  RETURN NEXT pg_temp.plain((answer - 'sentAt')::text);
  RETURN QUERY SELECT pg_temp.plain(concat_ws(' ', o.event, '->', o.data->>'rooms', o.data->>'joins', o.data->'data'->'viewers', o.data->'data'->'sequence', o.data->>'passing'))
                 FROM washminute_data.outbox AS o
                WHERE o.lane = 'realtime' AND o.listener = '' AND o.xid = pg_current_xact_id() ORDER BY o.outbox_id;
END
$$;
CREATE FUNCTION pg_temp.chat() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('chatId', test_helpers.request('socket')) $$;
CREATE FUNCTION pg_temp.viewers() RETURNS text LANGUAGE sql
AS $$ SELECT washminute.chat_state(test_helpers.request('socket'), 'socket_c')->>'viewers' $$;

--
-- Nobody but the gateway
--

SELECT p.proname, string_agg(r.rolname, ', ' ORDER BY r.rolname) AS may_call
  FROM pg_proc AS p, pg_roles AS r
 WHERE p.pronamespace = 'washminute_api'::regnamespace AND p.proname LIKE 'rt\_%' AND r.rolname LIKE 'washminute\_%'
   AND r.rolname <> 'washminute_owner' AND has_function_privilege(r.rolname, p.oid, 'EXECUTE') GROUP BY p.proname ORDER BY p.proname;
SELECT count(*) AS other_functions FROM pg_proc AS p
 WHERE p.pronamespace IN ('washminute'::regnamespace, 'washminute_api'::regnamespace, 'washminute_data'::regnamespace) AND p.proname NOT LIKE 'rt\_%'
   AND has_function_privilege('washminute_gateway', p.oid, 'EXECUTE');

--
-- Connecting
--

SELECT claims, pg_temp.connect(claims) FROM (VALUES
  (1, '{"sub": "socket_c", "role": "washminute_customer", "exp": 2000000000}'::jsonb), (2, '{"sub": "socket_c"}'), (3, '{"sub": "socket_w"}'),
  (4, '{"sub": "socket_w", "role": "washminute_washman"}'), (5, '{"sub": "socket_a", "cognito:groups": ["admin"]}'), (6, '{"sub": "socket_a", "role": "washminute_admin"}'),
  (7, NULL), (8, '{}'), (9, '{"sub": ""}'), (10, '{"sub": "socket_nobody"}'), (11, '{"sub": "socket_blocked"}'), (12, '{"sub": "socket_c", "role": "washminute_washman"}'),
  (13, '{"sub": "socket_c", "role": "washminute_service"}'), (14, '{"sub": "socket_c", "role": "postgres"}')) AS c (number, claims) ORDER BY number;
-- the same token as over REST
ALTER SYSTEM SET washminute.jwt_issuers = 'https://id.example.com';
ALTER SYSTEM SET washminute.jwt_token_use = 'access';
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.jwt_token_use'') = '''' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all
SELECT claims, pg_temp.connect(claims) FROM (VALUES
  (1, '{"sub": "socket_c", "iss": "https://id.example.com", "token_use": "access"}'::jsonb), (2, '{"sub": "socket_c", "token_use": "access"}'),
  (3, '{"sub": "socket_c", "iss": "https://id.example.com", "token_use": "id"}')) AS c (number, claims) ORDER BY number;
SELECT test_helpers.outcome($$SELECT * FROM pg_temp.event('socket_c', 's1', 'identify', '"socket_c"')$$);
ALTER SYSTEM RESET washminute.jwt_issuers;
ALTER SYSTEM RESET washminute.jwt_token_use;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.jwt_token_use'') <> '''' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all

--
-- Events
--

SELECT * FROM pg_temp.event('socket_c', 's1', 'identify', '"socket_c"');
SELECT * FROM pg_temp.event('socket_c', 's1', 'identify', '{"userId": "socket_c"}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'identify', '["socket_c", 1]');
SELECT * FROM pg_temp.event('socket_c', 's1', 'identify', '"socket_other"');
SELECT * FROM pg_temp.event('socket_c', 's1', 'identify');
SELECT * FROM pg_temp.event('socket_c', 's1', 'reboot', '{}');
SELECT * FROM pg_temp.event('socket_blocked', 's1', 'identify', '"socket_blocked"');

-- a chat on the screen needs a gateway that has registered
SELECT * FROM test_helpers.outcome($$SELECT * FROM pg_temp.event('socket_c', 's1', 'join-chat', pg_temp.chat())$$);
SELECT test_helpers.outcome($$SELECT washminute_api.rt_gateway_beat('g1')$$);
-- what fails has registered none
BEGIN;
SELECT washminute_api.rt_gateway_register('g1') ? 'tickSeconds' AS registered, washminute_api.rt_gateway_beat('g1');
ROLLBACK;
SELECT test_helpers.outcome($$SELECT washminute_api.rt_gateway_beat('g1')$$);
BEGIN;
SAVEPOINT outer_one;
SAVEPOINT inner_one;
SELECT washminute_api.rt_gateway_register('g1') ? 'tickSeconds' AS registered;
RELEASE SAVEPOINT inner_one;
ROLLBACK TO SAVEPOINT outer_one;
SELECT washminute_api.rt_gateway_register('g0') ? 'tickSeconds' AS registered;
COMMIT;
SELECT test_helpers.outcome($$SELECT washminute_api.rt_gateway_beat('g1')$$), washminute_api.rt_gateway_beat('g0');
SELECT washminute_api.rt_gateway_register('g1') ? 'tickSeconds' AS registered;
SELECT washminute_api.rt_gateway_register('g1') ? 'tickSeconds' AS again, washminute_api.rt_gateway_beat('g1');
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND objsubid = x'570C'::int AND pid = pg_backend_pid();
SELECT * FROM pg_temp.event('socket_c', 's1', 'join-chat', pg_temp.chat());
SELECT * FROM pg_temp.event('socket_w', 's2', 'join-chat', to_jsonb(test_helpers.request('socket')));
SELECT * FROM pg_temp.event('socket_w', 's3', 'join-chat', pg_temp.chat());
-- others may not, nor can they tell whether there is one
SELECT * FROM pg_temp.event('socket_other', 's4', 'join-chat', pg_temp.chat());
SELECT * FROM pg_temp.event('socket_other', 's4', 'join-chat', to_jsonb(gen_random_uuid()));
SELECT * FROM pg_temp.event('socket_c', 's1', 'join-chat', '"chat-1"');
SELECT * FROM pg_temp.event('socket_c', 's1', 'join-chat', '{"chatId": 7}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'join-chat', '{}');
SELECT pg_temp.viewers();

-- messages
SELECT * FROM pg_temp.event('socket_c', 's1', 'send-message', pg_temp.chat() || '{"clientMessageId": "1", "text": "Hello"}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'send-message', pg_temp.chat() || '{"clientMessageId": "1", "text": "Hello"}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'send-message', pg_temp.chat() || '{"clientMessageId": "1", "text": "Hello?"}');
SELECT * FROM pg_temp.event('socket_w', 's2', 'send-message', pg_temp.chat() || '{"clientMessageId": "1", "text": "J''arrive", "locale": "fr"}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'send-message', pg_temp.chat() || '{"text": "Hello"}');
SELECT * FROM pg_temp.event('socket_other', 's4', 'send-message', pg_temp.chat() || '{"clientMessageId": "1", "text": "Hello"}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'mark-read', pg_temp.chat() || '{"sequence": 2}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'mark-read', pg_temp.chat() || '{"sequence": 3}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'mark-read', pg_temp.chat() || '{"sequence": "x"}');
SELECT pg_temp.plain(regexp_replace(e, '"sentAt": "[^"]*"', '"sentAt": "..."', 'g')) FROM pg_temp.event('socket_w', 's2', 'load-messages', pg_temp.chat() || '{"before": 2, "limit": 1}') AS e;
SELECT * FROM pg_temp.event('socket_other', 's4', 'load-messages', pg_temp.chat());
-- a washman's position
SELECT * FROM pg_temp.event('socket_w', 's2', 'location', '{"longitude": -5.0001, "latitude": 33.9001, "accuracy": 5}');
SELECT longitude, latitude, accuracy_m FROM washminute.washman_position('socket_w');
SELECT * FROM pg_temp.event('socket_w', 's2', 'location', '{"longitude": 500, "latitude": 33.91}');
SELECT * FROM pg_temp.event('socket_c', 's1', 'location', '{"longitude": -5.01, "latitude": 33.91}');

--
-- Leaving
--

SELECT * FROM pg_temp.event('socket_w', 's3', 'leave-chat', pg_temp.chat());
SELECT * FROM pg_temp.event('socket_w', 's2', 'leave-chat', pg_temp.chat());
SELECT * FROM pg_temp.event('socket_w', 's2', 'leave-chat', pg_temp.chat());
SELECT pg_temp.viewers();
SELECT count(*) AS joined FROM (SELECT pg_temp.event('socket_w', 's2', 'join-chat', pg_temp.chat())) AS e;
SELECT pg_temp.viewers();
SELECT washminute_api.rt_disconnect('{s2,s3,s99}'), washminute_api.rt_disconnect('{}'), test_helpers.outcome('SELECT washminute_api.rt_disconnect(NULL)');
SELECT pg_temp.viewers();
-- who gives the job back does not view its chat any more
SELECT count(*) AS joined FROM (SELECT pg_temp.event('socket_w', 's2', 'join-chat', pg_temp.chat())) AS e;
SELECT pg_temp.viewers();
SELECT test_helpers.advance('socket', 'socket_w', 'pending');
SELECT pg_temp.viewers();
SELECT * FROM pg_temp.event('socket_w', 's2', 'join-chat', pg_temp.chat());
-- an administrator who looks
SELECT left(e, 12) AS answer FROM pg_temp.event('socket_a', 's5', 'join-chat', pg_temp.chat(), '{"cognito:groups": ["admin"]}') AS e WHERE e LIKE '{%';
SELECT pg_temp.viewers();

-- he is one by his token, not by what he could be, and joins by asking alone
\set admin '\'{"role": "washminute_admin"}\''
\set customer '\'{"role": "washminute_customer"}\''
SELECT * FROM pg_temp.event('socket_a', 's5', 'load-messages', pg_temp.chat());
SELECT number, claims, e.event, (SELECT left(t, 45) FROM pg_temp.event('socket_both', 's6', e.event, pg_temp.chat() || '{"sequence": 1, "clientMessageId": "b", "text": "b"}', claims) AS t LIMIT 1) AS answer
  FROM (VALUES (1, :customer::jsonb), (2, :admin)) AS c (number, claims), (VALUES (1, 'load-messages'), (2, 'mark-read'), (3, 'send-message')) AS e (n, event) ORDER BY number, n;
SELECT left(e, 45) FROM pg_temp.event('socket_both', 's6', 'join-chat', pg_temp.chat(), :customer) AS e;
SELECT count(*) AS joined FROM washminute_data.chat_members WHERE user_id = 'socket_both';
SELECT left(e, 12) AS answer FROM pg_temp.event('socket_both', 's6', 'join-chat', pg_temp.chat(), :admin) AS e WHERE e LIKE '{%';
SELECT number, claims, e.event, (SELECT left(t, 45) FROM pg_temp.event('socket_both', 's6', e.event, pg_temp.chat() || '{"sequence": 1, "clientMessageId": "b", "text": "b"}', claims) AS t LIMIT 1) AS answer
  FROM (VALUES (1, :customer::jsonb), (2, :admin)) AS c (number, claims), (VALUES (1, 'load-messages'), (2, 'mark-read'), (3, 'send-message'), (4, 'join-chat')) AS e (n, event) ORDER BY number, n;
SELECT claims, pg_temp.connect(claims || '{"sub": "socket_both"}') FROM (VALUES (:customer::jsonb), (:admin)) AS c (claims);
-- nor does he hear otherwise what administrators are told, when he comes again or asks
SELECT washminute.pump_events() >= 0 AS pumped;
SELECT washminute.live_cursor() AS start \gset
SELECT washminute.emit('admins', 'alarm') < washminute.emit('user-socket_both', 'hello') AS told;
SELECT washminute.pump_events() >= 0 AS pumped;
SELECT claims, (SELECT string_agg(m->>'event', ', ') FROM jsonb_array_elements(pg_temp.connect(claims || '{"sub": "socket_both"}', :start)::jsonb->'missed') AS m) AS missed,
       (SELECT string_agg(m->>'event', ', ') FROM pg_temp.event('socket_both', 's6', 'catch-up', jsonb_build_object('after', :start), claims) AS e, jsonb_array_elements(e::jsonb->'events') AS m) AS events
  FROM (VALUES (:customer::jsonb), (:admin)) AS c (claims);
-- who is told little does not fall behind: he goes on from the log's end
SELECT washminute.emit('user-socket_nobody', 'elsewhere') > 0 AS told;
SELECT washminute.pump_events() >= 0 AS pumped;
SELECT (washminute_api.rt_connect('{"sub": "socket_both"}', 's7', 'g1', :start)->>'cursor')::bigint = washminute.live_cursor() AS at_the_end;
BEGIN;
SELECT set_config('request.jwt.claims', '{"sub": "socket_both"}', true) IS NOT NULL AS set;
SET LOCAL ROLE washminute_customer;
SELECT string_agg(event, ', ') AS events FROM washminute_api.events(:start);
SET LOCAL ROLE washminute_admin;
SELECT string_agg(event, ', ') AS events FROM washminute_api.events(:start);
COMMIT;

--
-- The gateway's session ends: its viewers are gone at once, and the next one tells of it
--

CREATE TABLE test_helpers.dead AS SELECT pg_backend_pid() AS pid;
\c
\pset format unaligned
DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = (SELECT d.pid FROM test_helpers.dead AS d)) LOOP
  PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$;
SELECT washminute.chat_state(test_helpers.request('socket'), 'socket_c')->>'viewers' AS viewers;
SELECT test_helpers.outcome($$SELECT washminute_api.rt_gateway_beat('g1')$$);
-- the worker may have tidied up already: here is one that it has not seen
BEGIN;
INSERT INTO washminute_data.chat_viewers (sid, chat_id, user_id, gateway, since)
VALUES ('s9', test_helpers.request('socket'), 'socket_c', 'g9', now());
SELECT washminute_api.rt_gateway_register('g2') ? 'tickSeconds' AS registered;
SELECT DISTINCT o.event, o.data->'data'->'viewers' AS viewers, o.data->>'passing' AS passing FROM washminute_data.outbox AS o
 WHERE o.lane = 'realtime' AND o.xid = pg_current_xact_id();
COMMIT;
SELECT (SELECT count(*) FROM washminute_data.chat_viewers) AS viewers, (SELECT string_agg(gateway, ', ') FROM washminute_data.gateways) AS gateways;
-- the same name again is another life of it: what that left is taken away as well
INSERT INTO washminute_data.chat_viewers (sid, chat_id, user_id, gateway, since)
SELECT 's' || n, test_helpers.request('socket'), u, g, now() FROM (VALUES (1, 'socket_c', 'g2'), (2, 'socket_other', 'g3')) AS v (n, u, g);
SELECT washminute.chat_state(test_helpers.request('socket'), 'socket_c')->>'viewers' AS viewers;
SELECT washminute_api.rt_gateway_beat('g2');
-- one that the worker is looking at is left to the next beat
DO $$ BEGIN WHILE EXISTS (SELECT FROM washminute_data.chat_viewers WHERE gateway = 'g3') LOOP
  COMMIT; PERFORM pg_sleep(0.01); PERFORM washminute_api.rt_gateway_beat('g2'); END LOOP; END $$;
SELECT string_agg(gateway, ', ') AS left_by FROM washminute_data.chat_viewers;
SELECT washminute_api.rt_gateway_register('g2') ? 'tickSeconds' AS registered;
SELECT count(*) AS viewers FROM washminute_data.chat_viewers;
-- however much that is
BEGIN;
INSERT INTO washminute_data.chat_viewers (sid, chat_id, user_id, gateway, since)
SELECT 's1', gen_random_uuid(), 'socket_c', 'g2', now() FROM generate_series(1, 1001);
SELECT washminute_api.rt_gateway_register('g2') ? 'tickSeconds' AS registered;
SELECT count(*) AS viewers FROM washminute_data.chat_viewers;
ROLLBACK;
DROP TABLE test_helpers.dead;
SELECT test_helpers.cancel('socket', 'socket_c');
SELECT washminute.set_washman_status('socket_w', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);
